/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZ_LINUX_IPV6_H
#define FUZZ_LINUX_IPV6_H

#include_next <linux/ipv6.h>

#define ipv6_optlen(p)	(((p)->hdrlen + 1) << 3)

#endif
