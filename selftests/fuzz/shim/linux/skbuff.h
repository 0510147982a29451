/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A packet in two blocks of memory of their exact sizes, as a linear part and a page's;
 * behind them as many zeros as @zeros says, which take no memory.
 */
#ifndef FUZZ_SKBUFF_H
#define FUZZ_SKBUFF_H

#include <linux/netdevice.h>

#define SKB_GSO_TCPV4	(1 << 0)
#define SKB_GSO_TCPV6	(1 << 4)

struct skb_shared_info {
	unsigned short	gso_size;
	unsigned int	gso_type;
};

struct sk_buff {
	u8			*head;
	u8			*data;
	const u8		*tail;
	unsigned int		tail_len;
	unsigned int		zeros;
	unsigned int		len;
	unsigned int		data_len;
	__be16			protocol;
	__be16			vlan_proto;
	u16			vlan_tci;
	bool			vlan_present;
	bool			encapsulation;
	u16			inner_transport_header;
	struct skb_shared_info	shared;
};

#define skb_shinfo(skb)	(&(skb)->shared)

static inline unsigned int skb_headlen(const struct sk_buff *skb)
{
	return skb->len - skb->data_len;
}

static inline bool skb_is_nonlinear(const struct sk_buff *skb)
{
	return skb->data_len;
}

static inline bool skb_is_gso(const struct sk_buff *skb)
{
	return skb_shinfo(skb)->gso_size;
}

static inline bool skb_is_gso_tcp(const struct sk_buff *skb)
{
	return skb_shinfo(skb)->gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6);
}

static inline int skb_inner_transport_offset(const struct sk_buff *skb)
{
	return skb->inner_transport_header - (int)(skb->data - skb->head);
}

/* Copy what a part of @n octets has of that from @offset on; then both are of what is left. */
static inline void skb_copy_part(const u8 *part, unsigned int n, unsigned int *offset,
				 u8 **to, unsigned int *len)
{
	unsigned int here;

	if (*offset >= n) {
		*offset -= n;
		return;
	}
	here = min_t(unsigned int, *len, n - *offset);
	if (part)
		memcpy(*to, part + *offset, here);
	else
		memset(*to, 0, here);
	*to += here;
	*len -= here;
	*offset = 0;
}

/* What is asked for is in the packet, or nothing is copied. */
static inline int skb_copy_bits(const struct sk_buff *skb, int offset, void *to, int len)
{
	unsigned int at = offset, left = len;
	u8 *out = to;

	FAIL_IF(offset < 0 || len < 0);
	if (offset > (int)skb->len - len)
		return -1;
	skb_copy_part(skb->data, skb_headlen(skb), &at, &out, &left);
	skb_copy_part(skb->tail, skb->tail_len, &at, &out, &left);
	skb_copy_part(NULL, skb->zeros, &at, &out, &left);
	return 0;
}

static inline void *skb_header_pointer(const struct sk_buff *skb, int offset, int len,
				       void *buffer)
{
	FAIL_IF(offset < 0);
	if (offset + len <= (int)skb_headlen(skb))
		return skb->data + offset;
	return skb_copy_bits(skb, offset, buffer, len) ? NULL : buffer;
}

#endif
