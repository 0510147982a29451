/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZ_NET_IP_H
#define FUZZ_NET_IP_H

#include <linux/ip.h>

/* More fragments follow (0x2000), or others came before. */
static inline bool ip_is_fragment(const struct iphdr *iph)
{
	return iph->frag_off & htons(0x3fff);
}

#endif
