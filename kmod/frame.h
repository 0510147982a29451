/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The frame as it leaves: its tags, its session, where its IP header is.
 *
 * Read by the types in the frame itself: where skb->network_header is, and what
 * skb->protocol says, differs between kernels.
 */
#ifndef FTQ_FRAME_H
#define FTQ_FRAME_H

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <net/dsfield.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "key.h"

/**
 * struct ftq_frame - what is known of a frame at a netdev egress hook
 * @key: encapsulation
 * @ip: offset of the IP header from skb->data, valid if @family is set
 * @tci: offsets from skb->data of the TCIs that are in the frame's bytes, the
 *	outermost first; an accelerated tag, which is outside these, is in the skb
 * @nr_tci: length of @tci
 * @family: NFPROTO_IPV4, NFPROTO_IPV6, or 0: not IP
 */
struct ftq_frame {
	u64		key;
	unsigned int	ip;
	unsigned int	tci[FTQ_TAGS];
	u8		nr_tci;
	u8		family;
};

/* The key of an accelerated tag, 0: there is none. */
static inline u64 ftq_frame_key(const struct sk_buff *skb)
{
	if (!skb_vlan_tag_present(skb))
		return 0;
	return ftq_key_inside(0, skb->vlan_proto, skb_vlan_tag_get_id(skb));
}

/*
 * Has a frame this accelerated tag? @tpid: never 0. A kernel that has no flag of its own for
 * that there is a tag keeps the TPID 0 where there is none: then nothing is read but what the
 * flowtable has just written, in the size that it has written.
 */
static __always_inline bool ftq_frame_has(const struct sk_buff *skb, __be16 tpid, u16 vid)
{
	if (FTQ_VLAN_HAS_FLAG && !skb_vlan_tag_present(skb))
		return false;
	return skb->vlan_proto == tpid && skb_vlan_tag_get_id(skb) == vid;
}

/* ftq_frame_read() for devices whose frames begin with the IP header. */
static noinline void ftq_frame_read_raw(const struct sk_buff *skb,
					const struct net_device *dev,
					struct ftq_frame *frame)
{
	const u8 *first;
	u8 _first;

	/* Tunnels have operations, but none that makes a header. */
	if (dev->header_ops && dev->header_ops->create)
		return;
	first = skb_header_pointer(skb, 0, sizeof(_first), &_first);
	if (!first)
		return;
	frame->ip = 0;
	if (*first >> 4 == 4)
		frame->family = NFPROTO_IPV4;
	else if (*first >> 4 == 6)
		frame->family = NFPROTO_IPV6;
}

/*
 * The same for all that is between the Ethernet header and that of IP; @type is that
 * of the former.
 */
static noinline __be16 ftq_frame_read_encap(const struct sk_buff *skb, __be16 type,
					    struct ftq_frame *frame)
{
	unsigned int off = ETH_HLEN, tags = !!skb_vlan_tag_present(skb);
	const struct ftq_session_hdr *session;
	struct ftq_session_hdr _session;
	const struct vlan_hdr *vhdr;
	struct vlan_hdr _vhdr;

	while (eth_type_vlan(type) && tags < FTQ_TAGS) {
		vhdr = skb_header_pointer(skb, off, sizeof(_vhdr), &_vhdr);
		if (!vhdr)
			return 0;
		frame->key = ftq_key_inside(frame->key, type,
					    ntohs(vhdr->h_vlan_TCI));
		frame->tci[frame->nr_tci++] = off;
		type = vhdr->h_vlan_encapsulated_proto;
		off += VLAN_HLEN;
		tags++;
	}

	if (type == htons(ETH_P_PPP_SES)) {
		session = skb_header_pointer(skb, off, sizeof(_session),
					     &_session);
		if (!session)
			return 0;
		frame->key |= ntohs(session->pppoe.sid);
		type = ftq_key_session(session);
		off += PPPOE_SES_HLEN;
	}
	frame->ip = off;
	return type;
}

/**
 * ftq_frame_read() - read a frame that leaves
 * @skb: frame; skb->data is at its beginning
 * @dev: device that it leaves through; only Ethernet's header is known, devices
 *	without any (PPP, tunnels) begin with the IP header
 * @frame: filled
 *
 * Context: RCU, BH.
 */
static __always_inline void ftq_frame_read(const struct sk_buff *skb,
					   const struct net_device *dev,
					   struct ftq_frame *frame)
{
	__be16 type;

	frame->key = 0;
	frame->nr_tci = 0;
	frame->family = 0;
	if (unlikely(dev->type != ARPHRD_ETHER)) {
		ftq_frame_read_raw(skb, dev, frame);
		return;
	}

	frame->key = ftq_frame_key(skb);
	if (unlikely(skb_headlen(skb) < ETH_HLEN)) {
		if (skb_copy_bits(skb, ETH_HLEN - sizeof(type), &type,
				  sizeof(type)))
			return;
	} else {
		type = ((const struct ethhdr *)skb->data)->h_proto;
	}

	frame->ip = ETH_HLEN;
	if (unlikely(type != htons(ETH_P_IP) && type != htons(ETH_P_IPV6)))
		type = ftq_frame_read_encap(skb, type, frame);
	if (type == htons(ETH_P_IP))
		frame->family = NFPROTO_IPV4;
	else if (type == htons(ETH_P_IPV6))
		frame->family = NFPROTO_IPV6;
}

/**
 * ftq_frame_bare() - does IP follow the Ethernet header
 * @skb: frame; skb->data is at its beginning
 * @dev: device that it leaves through
 *
 * Return: true if the frame has neither tag nor session in its bytes; false if it
 * may have one.
 */
static inline bool ftq_frame_bare(const struct sk_buff *skb,
				  const struct net_device *dev)
{
	__be16 type;

	if (dev->type != ARPHRD_ETHER || unlikely(skb_headlen(skb) < ETH_HLEN))
		return false;
	type = ((const struct ethhdr *)skb->data)->h_proto;
	return type == htons(ETH_P_IP) || type == htons(ETH_P_IPV6);
}

/**
 * ftq_frame_ip() - read the IP header of a frame
 * @skb: frame
 * @frame: filled by ftq_frame_read()
 * @dscp: set to the DSCP
 * @proto: set to the IP protocol
 *
 * Return: false if it is not IP, or cut short.
 */
static inline bool ftq_frame_ip(const struct sk_buff *skb,
				const struct ftq_frame *frame, u8 *dscp,
				u8 *proto)
{
	union {
		struct iphdr	v4;
		struct ipv6hdr	v6;
	} _ip;
	const typeof(_ip) *ip;

	if (frame->family == NFPROTO_IPV4) {
		ip = skb_header_pointer(skb, frame->ip, sizeof(_ip.v4), &_ip);
		if (!ip || ip->v4.version != 4)
			return false;
		*dscp = ipv4_get_dsfield(&ip->v4) >> 2;
		*proto = ip->v4.protocol;
		return true;
	}
	if (frame->family == NFPROTO_IPV6) {
		ip = skb_header_pointer(skb, frame->ip, sizeof(_ip.v6), &_ip);
		if (!ip || ip->v6.version != 6)
			return false;
		*dscp = ipv6_get_dsfield(&ip->v6) >> 2;
		*proto = ip->v6.nexthdr;
		return true;
	}
	return false;
}

/**
 * ftq_frame_fragment() - is a frame's IP packet a fragment, the first included
 * @skb: frame
 * @frame: filled by ftq_frame_read(), and ftq_frame_ip() has read its header
 */
static inline bool ftq_frame_fragment(const struct sk_buff *skb,
				      const struct ftq_frame *frame)
{
	const struct ipv6hdr *v6;
	const struct iphdr *v4;
	struct ipv6hdr _v6;
	struct iphdr _v4;

	if (frame->family == NFPROTO_IPV4) {
		v4 = skb_header_pointer(skb, frame->ip, sizeof(_v4), &_v4);
		return v4 && ip_is_fragment(v4);
	}
	v6 = skb_header_pointer(skb, frame->ip, sizeof(_v6), &_v6);
	return v6 && v6->nexthdr == IPPROTO_FRAGMENT;
}

/**
 * ftq_frame_inside() - read the IP header inside a tunnel's, of IP in IP
 * @skb: frame
 * @frame: filled by ftq_frame_read()
 * @family: set to NFPROTO_IPV4 or NFPROTO_IPV6
 * @proto: set to the IP protocol inside
 *
 * An IPv6 tunnel puts its encapsulation limit between (RFC 2473, 5.1).
 *
 * Return: false if it is another protocol, a fragment, or cut short.
 */
static inline bool ftq_frame_inside(const struct sk_buff *skb,
				    const struct ftq_frame *frame, u8 *family,
				    u8 *proto)
{
	struct ftq_frame inside = { };
	const struct ipv6_opt_hdr *opt;
	struct ipv6_opt_hdr _opt;
	const struct iphdr *ip;
	struct iphdr _ip;
	u8 dscp, outer;

	if (!ftq_frame_ip(skb, frame, &dscp, &outer) ||
	    ftq_frame_fragment(skb, frame))
		return false;
	inside.ip = frame->ip + sizeof(struct ipv6hdr);
	if (frame->family == NFPROTO_IPV4) {
		ip = skb_header_pointer(skb, frame->ip, sizeof(_ip), &_ip);
		if (!ip || ip->ihl < 5)
			return false;
		inside.ip = frame->ip + ip->ihl * 4;
	} else if (outer == IPPROTO_DSTOPTS) {
		opt = skb_header_pointer(skb, inside.ip, sizeof(_opt), &_opt);
		if (!opt)
			return false;
		outer = opt->nexthdr;
		inside.ip += ipv6_optlen(opt);
	}

	if (outer == IPPROTO_IPIP)
		inside.family = NFPROTO_IPV4;
	else if (outer == IPPROTO_IPV6)
		inside.family = NFPROTO_IPV6;
	*family = inside.family;
	return ftq_frame_ip(skb, &inside, &dscp, proto);
}

#endif /* FTQ_FRAME_H */
