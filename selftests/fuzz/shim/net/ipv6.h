/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZ_NET_IPV6_H
#define FUZZ_NET_IPV6_H

#include <linux/ipv6.h>

#endif
