/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The packet as it enters: which flow it belongs to, and its DSCP.
 *
 * The packet's own bytes are neither moved nor changed: the flowtable gets it as
 * it came, and no pointer of ours can become stale. Where the headers are not all
 * in the linear part, a copy of them is read.
 *
 * This is run for every packet, so it is written for those that have no tag in
 * their bytes, no session, tunnel or segments: what these have not is read by
 * functions that are not inline.
 */
#ifndef FTQ_PARSE_H
#define FTQ_PARSE_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/dsfield.h>
#include <net/ip.h>

#include "key.h"

/* Words of struct ftq_tuple behind the addresses. */
enum {
	FTQ_WORD_PORTS = 8,
	FTQ_WORD_IIF,
	FTQ_WORD_VIDS,
	FTQ_WORD_PROTO,
	FTQ_WORDS,
};

/**
 * struct ftq_tuple - a flow as its packets enter, before NAT
 *
 * Compared and hashed as words: no padding, zeroed where not used.
 *
 * @word: all of it
 * @words: the same, two by two
 * @src: IPv4 (first word) or IPv6 source address
 * @dst: IPv4 (first word) or IPv6 destination address
 * @sport: source port of TCP and UDP
 * @dport: destination port of TCP and UDP
 * @iif: interface index of the device that the packet came from
 * @vid: VLAN IDs, outermost first; 0: no (further) tag
 * @pppoe: PPPoE session, network order (RFC 2516)
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6
 * @tunneled: the above is of the packet inside a tunnel, which has a struct
 *	ftq_tunnel
 * @proto: IP protocol
 */
struct ftq_tuple {
	union {
		u32	word[FTQ_WORDS];
		u64	words[FTQ_WORDS / 2];
		struct {
			__be32	src[4];
			__be32	dst[4];
			__be16	sport;
			__be16	dport;
			u32	iif;
			u16	vid[FTQ_TAGS];
			__be16	pppoe;
#ifdef __BIG_ENDIAN_BITFIELD
			u8	tunneled:1;
			u8	family:7;
#else
			u8	family:7;
			u8	tunneled:1;
#endif
			u8	proto;
		};
	};
} __aligned(8);

static_assert(sizeof(struct ftq_tuple) == 48);
static_assert(offsetof(struct ftq_tuple, sport) == FTQ_WORD_PORTS * 4);
static_assert(offsetof(struct ftq_tuple, vid) == FTQ_WORD_VIDS * 4);

/*
 * Words of a tuple that has neither session nor tunnel: what is written in parts and
 * then read as one keeps the CPU waiting.
 */
static __always_inline u32 ftq_word_vid(u16 vid)
{
#ifdef __BIG_ENDIAN
	return vid << 16;
#else
	return vid;
#endif
}

static __always_inline u32 ftq_word_proto(u8 family, u8 proto)
{
	return (__force u32)cpu_to_le32(family << 16 | (u32)proto << 24);
}

/* Two words, the first of which is an even one, as they are in memory. */
static __always_inline u64 ftq_words(u32 even, u32 odd)
{
#ifdef __BIG_ENDIAN
	return (u64)even << 32 | odd;
#else
	return (u64)odd << 32 | even;
#endif
}

/**
 * struct ftq_tunnel - the tunnel that a flow's packets enter in
 *
 * IPv4 in IPv4 (RFC 2003) or IPv6 in IPv6 (RFC 2473): flowtables take no other,
 * so that the family is that of the packet inside. Apart from the tuple, which
 * stays small: few flows have one. Compared as bytes: zeroed where not used.
 *
 * @src: source address of the header outside
 * @dst: destination address of the header outside
 */
struct ftq_tunnel {
	__be32	src[4];
	__be32	dst[4];
};

/**
 * struct ftq_packet - what is known of a packet before the flowtable gets it
 * @tuple: its flow
 * @tunnel: the tunnel that it is in, set if @tuple.tunneled is
 * @key: its encapsulation, by which bindings of upper devices are found
 * @bytes: IP bytes; of a GSO packet, those of all its segments
 * @hash: of @tuple and @tunnel, valid if @hashed is set: see ftq_flow_expect()
 * @len: IP bytes of the packet in one piece, without a tunnel's header; set where that
 *	is not @bytes: if it is a GSO packet or @tuple.tunneled is set
 * @segs: packets that it counts as
 * @tci: TCI of a C-tag at skb->data, which the flowtable compares; else 0
 * @dscp: DSCP (RFC 2474), 0..63; in a tunnel that of the header outside
 * @vlan: the tag in the skb is that of a VLAN; else it is only a priority
 * @hashed: false at first
 */
struct ftq_packet {
	struct ftq_tuple	tuple;
	struct ftq_tunnel	tunnel;
	u64			key;
	u32			bytes;
	u32			hash;
	u32			len;
	u16			segs;
	u16			tci;
	u8			dscp;
	bool			vlan;
	bool			hashed;
};

/**
 * enum ftq_parsed - outcome of ftq_parse()
 * @FTQ_PARSED_IP: an IP packet, all fields are set
 * @FTQ_PARSED_OTHER: not IP, no flowtable takes it
 * @FTQ_PARSED_BROKEN: should be IP, but its header cannot be read
 */
enum ftq_parsed {
	FTQ_PARSED_IP,
	FTQ_PARSED_OTHER,
	FTQ_PARSED_BROKEN,
};

/**
 * struct ftq_ip - an IP header, as far as it matters
 * @total: bytes from the header on
 * @hdrlen: bytes of the header
 * @dscp: DSCP
 * @fragment: what follows need not be the header of @tuple.proto
 */
struct ftq_ip {
	u32	total;
	u32	hdrlen;
	u8	dscp;
	bool	fragment;
};

/* Most bytes that headers have which are read here: two IPv4 headers with options */
#define FTQ_HEADERS	(VLAN_HLEN + PPPOE_SES_HLEN + 60 + 60 + 4)

/**
 * struct ftq_bytes - the beginning of a packet, from skb->data on
 * @data: bytes
 * @len: how many
 */
struct ftq_bytes {
	const u8	*data;
	unsigned int	len;
};

/* Is there a header of @size bytes at @off? */
static __always_inline bool ftq_bytes_have(struct ftq_bytes bytes,
					   unsigned int off, unsigned int size)
{
	return likely(off + size <= bytes.len);
}

static __always_inline void ftq_parse_addrs(u8 family, const void *ip,
					    struct ftq_tuple *tuple)
{
	const struct ipv6hdr *ip6h = ip;
	const struct iphdr *iph = ip;

	if (family == NFPROTO_IPV4) {
		/* Not memset(), which a kernel may make a call of. */
		tuple->words[0] = ftq_words((__force u32)iph->saddr, 0);
		tuple->words[1] = 0;
		tuple->words[2] = ftq_words((__force u32)iph->daddr, 0);
		tuple->words[3] = 0;
	} else {
		memcpy(tuple->src, &ip6h->saddr, sizeof(tuple->src));
		memcpy(tuple->dst, &ip6h->daddr, sizeof(tuple->dst));
	}
}

/*
 * Read the IP header at @off into @ip, and what is of the flow into @tuple. False:
 * it cannot be read.
 */
static __always_inline bool ftq_parse_ip(const struct sk_buff *skb,
					 struct ftq_bytes bytes,
					 unsigned int off, u8 family,
					 struct ftq_tuple *tuple,
					 struct ftq_ip *ip)
{
	if (family == NFPROTO_IPV4) {
		const struct iphdr *iph;

		iph = (const void *)(bytes.data + off);
		if (!ftq_bytes_have(bytes, off, sizeof(*iph)) ||
		    iph->version != 4 || iph->ihl < 5)
			return false;

		tuple->proto = iph->protocol;
		ip->dscp = ipv4_get_dsfield(iph) >> 2;
		/* 0 in a GSO packet of more than 64 KiB. */
		ip->total = ntohs(iph->tot_len) ?: skb->len - off;
		ip->hdrlen = iph->ihl * 4;
		ip->fragment = ip_is_fragment(iph);
	} else {
		const struct ipv6hdr *ip6h;

		ip6h = (const void *)(bytes.data + off);
		if (!ftq_bytes_have(bytes, off, sizeof(*ip6h)) ||
		    ip6h->version != 6)
			return false;

		tuple->proto = ip6h->nexthdr;
		ip->dscp = ipv6_get_dsfield(ip6h) >> 2;
		ip->hdrlen = sizeof(*ip6h);
		ip->total = ip6h->payload_len ?
			    ntohs(ip6h->payload_len) + ip->hdrlen :
			    skb->len - off;
		ip->fragment = false;
	}
	ftq_parse_addrs(family, bytes.data + off, tuple);
	return true;
}

/*
 * The packet at @off is inside a tunnel, whose header @pkt has been filled from:
 * the flow is that of the packet inside. Return: bytes of its IP header, or 0: that
 * cannot be read.
 */
static noinline u32 ftq_parse_tunnel(const struct sk_buff *skb,
				     struct ftq_bytes bytes,
				     struct ftq_packet *pkt, unsigned int off)
{
	struct ftq_tuple *tuple = &pkt->tuple;
	struct ftq_ip ip;

	memcpy(pkt->tunnel.src, tuple->src, sizeof(tuple->src));
	memcpy(pkt->tunnel.dst, tuple->dst, sizeof(tuple->dst));
	tuple->tunneled = 1;
	if (!ftq_parse_ip(skb, bytes, off, tuple->family, tuple, &ip))
		return 0;
	pkt->len = ip.total;
	return ip.hdrlen;
}

/*
 * Bytes of the headers that every segment of a GSO packet repeats, from the IP
 * header at @off on. @thoff: what is behind IP, and of @proto. Segments of what is
 * in a tunnel (GRE, VXLAN) have headers in there, too.
 */
static inline u32 ftq_parse_gso_hdrlen(const struct sk_buff *skb,
				       unsigned int off, unsigned int thoff,
				       u8 proto)
{
	const u8 *doff;
	u8 _doff;

	if (skb->encapsulation) {
		int inner = skb_inner_transport_offset(skb);

		/* Of a packet from a guest it is not to be trusted. */
		if (inner > (int)thoff && inner < (int)skb->len) {
			thoff = inner;
			proto = skb_is_gso_tcp(skb) ? IPPROTO_TCP : IPPROTO_UDP;
		}
	}
	if (proto != IPPROTO_TCP)
		return thoff - off + sizeof(struct udphdr);

	/*
	 * The upper half of octet 12 (RFC 9293, 3.1). Not by struct tcphdr: behind an
	 * Ethernet header inside, or where a guest says that it is, it is not aligned.
	 */
	doff = skb_header_pointer(skb, thoff + 12, sizeof(_doff), &_doff);
	return thoff - off + (doff ? (*doff >> 4) * 4 : sizeof(struct tcphdr));
}

/*
 * A GSO packet counts as its segments, from the IP header at @off on. Its bytes are
 * set; @thoff as above.
 */
static noinline void ftq_parse_gso(const struct sk_buff *skb,
				   struct ftq_packet *pkt, unsigned int off,
				   unsigned int thoff)
{
	u32 hdrlen = ftq_parse_gso_hdrlen(skb, off, thoff, pkt->tuple.proto);
	u32 segs = 1;

	if (!pkt->tuple.tunneled)
		pkt->len = pkt->bytes;
	/*
	 * gso_segs of a packet from a guest is not to be trusted. Nor is gso_size: of
	 * one octet each, more than 64 KiB would be more segments than the field holds.
	 */
	if (pkt->bytes > hdrlen)
		segs = DIV_ROUND_UP(pkt->bytes - hdrlen, skb_shinfo(skb)->gso_size);
	pkt->segs = min_t(u32, segs, U16_MAX);
	pkt->bytes = min_t(u64, pkt->bytes + (pkt->segs - 1ULL) * hdrlen, U32_MAX);
}

/*
 * The VLAN ID 0 is no VLAN, only a priority (IEEE 802.1Q clause 6.9), unless a
 * VLAN device of that ID is there to get these frames.
 */
static inline bool ftq_parse_vlan(const struct sk_buff *skb,
				  struct net_device *in)
{
	if (!skb_vlan_tag_present(skb))
		return false;
	return likely(skb_vlan_tag_get_id(skb)) ||
	       __vlan_find_dev_deep_rcu(in, skb->vlan_proto, 0);
}

/* What comes behind tags and session, 0: they are cut short. */
#define FTQ_ENCAP(off, type)	((off) << 16 | (__force u16)(type))
#define FTQ_ENCAP_OFF(encap)	((encap) >> 16)
#define FTQ_ENCAP_TYPE(encap)	((__force __be16)(encap))

/*
 * Read a tag and a session that are in the packet's bytes; @tags came before. Return:
 * FTQ_ENCAP(), of where they end and of what follows.
 */
static noinline u32 ftq_parse_encap(struct ftq_bytes bytes,
				    struct ftq_packet *pkt, unsigned int tags,
				    __be16 type)
{
	const struct ftq_session_hdr *session;
	struct ftq_tuple *tuple = &pkt->tuple;
	const struct vlan_hdr *vhdr;
	unsigned int off = 0;
	u16 tci;

	if (eth_type_vlan(type)) {
		if (!ftq_bytes_have(bytes, 0, sizeof(*vhdr)))
			return 0;
		vhdr = (const void *)bytes.data;
		tci = ntohs(vhdr->h_vlan_TCI);
		if (type == htons(ETH_P_8021Q))
			pkt->tci = tci;
		if (tci & VLAN_VID_MASK) {
			tuple->vid[tags] = tci & VLAN_VID_MASK;
			pkt->key = ftq_key_inside(pkt->key, type, tci);
		}
		type = vhdr->h_vlan_encapsulated_proto;
		off = VLAN_HLEN;
	}

	if (type == htons(ETH_P_PPP_SES)) {
		if (!ftq_bytes_have(bytes, off, sizeof(*session)))
			return 0;
		session = (const void *)(bytes.data + off);
		tuple->pppoe = session->pppoe.sid;
		pkt->key |= ntohs(tuple->pppoe);
		type = ftq_key_session(session);
		off += PPPOE_SES_HLEN;
	}
	return FTQ_ENCAP(off, type);
}

/* ftq_parse() of the beginning of a packet */
static __always_inline enum ftq_parsed
ftq_parse_bytes(const struct sk_buff *skb, struct net_device *in,
		struct ftq_bytes bytes, struct ftq_packet *pkt)
{
	struct ftq_ip ip __uninitialized;
	struct ftq_tuple *tuple = &pkt->tuple;
	__be16 protocol = skb->protocol;
	unsigned int off = 0, thoff;
	unsigned int tags = 0;
	u32 encap, hdrlen;
	u8 family;

	tuple->word[FTQ_WORD_PORTS] = 0;
	tuple->word[FTQ_WORD_VIDS] = 0;
	tuple->pppoe = 0;
	tuple->iif = in->ifindex;
	pkt->key = 0;
	pkt->tci = 0;
	pkt->hashed = false;

	pkt->vlan = ftq_parse_vlan(skb, in);
	if (pkt->vlan) {
		tuple->vid[tags++] = skb_vlan_tag_get_id(skb);
		pkt->key = ftq_key_inside(0, skb->vlan_proto,
					  skb_vlan_tag_get_id(skb));
	}

	if (unlikely(protocol != htons(ETH_P_IP) &&
		     protocol != htons(ETH_P_IPV6))) {
		encap = ftq_parse_encap(bytes, pkt, tags, protocol);
		off = FTQ_ENCAP_OFF(encap);
		protocol = FTQ_ENCAP_TYPE(encap);
	}

	if (protocol == htons(ETH_P_IP))
		family = NFPROTO_IPV4;
	else if (protocol == htons(ETH_P_IPV6))
		family = NFPROTO_IPV6;
	else
		return FTQ_PARSED_OTHER;
	if (!ftq_parse_ip(skb, bytes, off, family, tuple, &ip))
		return FTQ_PARSED_BROKEN;

	tuple->family = family;
	tuple->tunneled = 0;
	pkt->dscp = ip.dscp;
	thoff = off + ip.hdrlen;
	if (unlikely(tuple->proto == ftq_key_tunnel(family)) && !ip.fragment) {
		hdrlen = ftq_parse_tunnel(skb, bytes, pkt, thoff);
		if (!hdrlen)
			return FTQ_PARSED_BROKEN;
		thoff += hdrlen;
	}

	if (tuple->proto == IPPROTO_TCP || tuple->proto == IPPROTO_UDP) {
		const __be16 *ports;

		if (!ftq_bytes_have(bytes, thoff, 2 * sizeof(*ports)))
			return FTQ_PARSED_BROKEN;
		ports = (const void *)(bytes.data + thoff);
		tuple->sport = ports[0];
		tuple->dport = ports[1];
	}

	pkt->segs = 1;
	pkt->bytes = ip.total;
	if (skb_is_gso(skb))
		ftq_parse_gso(skb, pkt, off, thoff);
	return FTQ_PARSED_IP;
}

/**
 * struct ftq_simple - what is read of a packet of the most common shape
 *
 * Kept in registers: most of it is only compared.
 *
 * @ip: its header
 * @ports: words of a tuple: FTQ_WORD_PORTS and FTQ_WORD_IIF
 * @proto: FTQ_WORD_VIDS and FTQ_WORD_PROTO
 * @bytes: as in struct ftq_packet
 * @l4proto: IP protocol
 * @dscp: as in struct ftq_packet
 */
struct ftq_simple {
	const void	*ip;
	u64		ports;
	u64		proto;
	u32		bytes;
	u8		l4proto;
	u8		dscp;
};

/**
 * ftq_parse_simple() - read a packet of the most common shape: TCP or UDP right behind
 * the Ethernet header, in the linear part, of one segment
 * @skb: as for ftq_parse()
 * @in: device that it came from
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6, what skb->protocol says
 * @vid: VLAN ID of the tag in the skb, 0: there is none
 * @pkt: filled if the answer is true
 *
 * What it says no to may still be such a packet, if its IPv4 header has options, or its
 * length is 0.
 *
 * Context: RCU, BH.
 * Return: false: ask ftq_parse().
 */
static __always_inline bool
ftq_parse_simple(const struct sk_buff *skb, const struct net_device *in, u8 family,
		 u16 vid, struct ftq_simple *pkt)
{
	unsigned int headlen = skb_headlen(skb), thoff;
	const u8 *data = skb->data;
	u16 len;
	u8 proto;

	if (family == NFPROTO_IPV4) {
		const struct iphdr *iph = (const void *)data;

		thoff = sizeof(*iph);
		/* Version 4, no options */
		if (unlikely(headlen < thoff + sizeof(u32) || *data != 0x45))
			return false;
		proto = iph->protocol;
		pkt->dscp = ipv4_get_dsfield(iph) >> 2;
		len = ntohs(iph->tot_len);
		pkt->bytes = len;
	} else {
		const struct ipv6hdr *ip6h = (const void *)data;

		thoff = sizeof(*ip6h);
		if (unlikely(headlen < thoff + sizeof(u32) || ip6h->version != 6))
			return false;
		proto = ip6h->nexthdr;
		pkt->dscp = ipv6_get_dsfield(ip6h) >> 2;
		len = ntohs(ip6h->payload_len);
		pkt->bytes = len + thoff;
	}
	switch (proto) {
	case IPPROTO_UDP:
	case IPPROTO_TCP:
		break;
	default:
		return false;
	}
	/* Of 0: more than the field holds, or wrong; ftq_parse() takes skb->len. */
	if (unlikely(!len) || skb_is_gso(skb))
		return false;

	pkt->ip = data;
	pkt->l4proto = proto;
	pkt->ports = ftq_words(*(const u32 *)(data + thoff), in->ifindex);
	pkt->proto = ftq_words(ftq_word_vid(vid), ftq_word_proto(family, proto));
	return true;
}

/**
 * ftq_parse_words() - a tuple without addresses
 * @simple: filled by ftq_parse_simple()
 * @tuple: filled
 */
static __always_inline void ftq_parse_words(const struct ftq_simple *simple,
					    struct ftq_tuple *tuple)
{
	tuple->words[FTQ_WORD_PORTS / 2] = simple->ports;
	tuple->words[FTQ_WORD_VIDS / 2] = simple->proto;
}

/**
 * ftq_parse_fill() - all else that accounting wants
 * @simple: filled by ftq_parse_simple()
 * @family: as it was
 * @pkt: addresses, segments and bytes are filled in
 */
static __always_inline void ftq_parse_fill(const struct ftq_simple *simple, u8 family,
					   struct ftq_packet *pkt)
{
	ftq_parse_addrs(family, simple->ip, &pkt->tuple);
	pkt->bytes = simple->bytes;
	pkt->segs = 1;
	pkt->hashed = false;
}

/* What there may be IP behind */
static inline bool ftq_parse_known(__be16 protocol)
{
	return protocol == htons(ETH_P_IP) || protocol == htons(ETH_P_IPV6) ||
	       eth_type_vlan(protocol) || protocol == htons(ETH_P_PPP_SES);
}

/* ftq_parse() of a copy, since not all headers are in the linear part */
static noinline enum ftq_parsed ftq_parse_copy(const struct sk_buff *skb,
					       struct net_device *in,
					       struct ftq_packet *pkt)
{
	u8 copy[FTQ_HEADERS] __aligned(4) __uninitialized;
	const struct ftq_bytes bytes = {
		.data	= copy,
		.len	= min_t(unsigned int, skb->len, sizeof(copy)),
	};

	if (skb_copy_bits(skb, 0, copy, bytes.len))
		return FTQ_PARSED_BROKEN;
	return ftq_parse_bytes(skb, in, bytes, pkt);
}

/**
 * ftq_parse() - read what is wanted of a packet at a netdev ingress hook
 * @skb: packet; skb->data is behind the Ethernet header, an outermost VLAN tag
 *	is in the skb
 * @in: device that it came from
 * @pkt: filled if the answer is FTQ_PARSED_IP
 *
 * More lenient than the flowtable: options, fragments and protocols that no
 * flowtable takes are its business.
 *
 * Context: RCU, BH.
 * Return: what was found.
 */
static inline enum ftq_parsed ftq_parse(const struct sk_buff *skb,
					struct net_device *in,
					struct ftq_packet *pkt)
{
	const struct ftq_bytes linear = {
		.data	= skb->data,
		.len	= skb_headlen(skb),
	};
	enum ftq_parsed parsed;

	parsed = ftq_parse_bytes(skb, in, linear, pkt);
	/* Behind an encapsulation that is cut short anything may be. */
	if (unlikely(parsed != FTQ_PARSED_IP) && linear.len < FTQ_HEADERS &&
	    skb_is_nonlinear(skb) && ftq_parse_known(skb->protocol))
		parsed = ftq_parse_copy(skb, in, pkt);
	return parsed;
}

#endif /* FTQ_PARSE_H */
