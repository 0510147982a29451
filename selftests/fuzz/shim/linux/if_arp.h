/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZ_IF_ARP_H
#define FUZZ_IF_ARP_H

#include <linux/if.h>
#include <sys/socket.h>
#include_next <linux/if_arp.h>

#endif
