/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The encapsulation of a frame as one number: two VLAN tags, the outermost
 * first, and a PPPoE session. Bindings of upper devices are found by it on the
 * devices below them.
 *
 *	 47        44 43      32 31     28 27      16 15            0
 *	| outer kind | outer VID | inner kind | inner VID | session |
 *
 * A kind of 0 is no tag; session 0 is no PPPoE (RFC 2516 reserves it for
 * discovery).
 */
#ifndef FTQ_KEY_H
#define FTQ_KEY_H

#include <linux/if_pppox.h>
#include <linux/if_vlan.h>
#include <linux/in.h>
#include <linux/netfilter.h>
#include <linux/ppp_defs.h>

#define FTQ_TAGS 2

#define FTQ_KEY_SESSION	0xffffULL
#define FTQ_KEY_INNER	(0xffffULL << 16)
#define FTQ_KEY_OUTER	(0xffffULL << 32)

/**
 * ftq_key_tag() - a tag as part of a key
 * @proto: TPID, network order: IEEE 802.1Q C-tag or S-tag
 * @vid: VLAN ID
 */
static inline u64 ftq_key_tag(__be16 proto, u16 vid)
{
	u64 kind = proto == htons(ETH_P_8021AD) ? 2 : 1;

	return kind << 12 | (vid & VLAN_VID_MASK);
}

/**
 * ftq_key_inside() - add a tag inside those that a key has
 * @key: key
 * @proto: TPID, network order
 * @vid: VLAN ID
 *
 * Return: the key, as it was if it has no room.
 */
static inline u64 ftq_key_inside(u64 key, __be16 proto, u16 vid)
{
	u64 tag = ftq_key_tag(proto, vid);

	if (!(key & FTQ_KEY_OUTER))
		return key | tag << 32;
	if (!(key & FTQ_KEY_INNER))
		return key | tag << 16;
	return key;
}

/**
 * ftq_key_outside() - add a tag outside those that a key has
 * @key: key; changed
 * @proto: TPID, network order
 * @vid: VLAN ID
 *
 * Return: false if it has no room.
 */
static inline bool ftq_key_outside(u64 *key, __be16 proto, u16 vid)
{
	if (*key & FTQ_KEY_INNER)
		return false;
	*key = ftq_key_tag(proto, vid) << 32 | (*key & FTQ_KEY_OUTER) >> 16 |
	       (*key & FTQ_KEY_SESSION);
	return true;
}

/* The same without the outermost tag. */
static inline u64 ftq_key_untagged(u64 key)
{
	return (key & FTQ_KEY_INNER) << 16 | (key & FTQ_KEY_SESSION);
}

/* VLAN ID and TPID of the outermost tag; without one the VLAN ID is 0. */
static inline u16 ftq_key_vid(u64 key)
{
	return key >> 32 & VLAN_VID_MASK;
}

static inline __be16 ftq_key_proto(u64 key)
{
	return key >> 32 & ftq_key_tag(htons(ETH_P_8021AD), 0) ?
	       htons(ETH_P_8021AD) : htons(ETH_P_8021Q);
}

/**
 * struct ftq_session_hdr - a PPPoE session header (RFC 2516) of a data packet
 * @pppoe: PPPoE's
 * @proto: PPP protocol of what is inside
 */
struct ftq_session_hdr {
	struct pppoe_hdr	pppoe;
	__be16			proto;
} __packed;

static_assert(sizeof(struct ftq_session_hdr) == PPPOE_SES_HLEN);

/**
 * ftq_key_session() - what is inside a PPPoE session
 * @hdr: its header
 *
 * Return: the Ethernet type of it, IPv4 or IPv6, or 0.
 */
static inline __be16 ftq_key_session(const struct ftq_session_hdr *hdr)
{
	if (hdr->proto == htons(PPP_IP))
		return htons(ETH_P_IP);
	if (hdr->proto == htons(PPP_IPV6))
		return htons(ETH_P_IPV6);
	return 0;
}

/**
 * ftq_key_tunnel() - the protocol of a tunnel that flowtables know
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6, of both headers
 *
 * Return: IP protocol number.
 */
static inline u8 ftq_key_tunnel(u8 family)
{
	return family == NFPROTO_IPV4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

#endif /* FTQ_KEY_H */
