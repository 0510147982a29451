/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The packet as it enters: which flow it belongs to, and its DSCP.
 *
 * Everything is read with skb_header_pointer(), which neither moves nor copies
 * the packet's own bytes: the flowtable gets it as it came, and no pointer of
 * ours can become stale.
 */
#ifndef FTQ_PARSE_H
#define FTQ_PARSE_H

#include <linux/if_pppox.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/ppp_defs.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/dsfield.h>

#define FTQ_TAGS 2

/**
 * struct ftq_tuple - a flow as its packets enter, before NAT
 *
 * Compared and hashed as bytes: no padding, zeroed where not used.
 *
 * @src: IPv4 (first word) or IPv6 source address
 * @dst: IPv4 (first word) or IPv6 destination address
 * @sport: source port of TCP and UDP
 * @dport: destination port of TCP and UDP
 * @iif: interface index of the device that the packet came from
 * @vid: VLAN IDs, outermost first; 0: no (further) tag
 * @pppoe: PPPoE session, network order (RFC 2516)
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6
 * @proto: IP protocol
 */
struct ftq_tuple {
	__be32	src[4];
	__be32	dst[4];
	__be16	sport;
	__be16	dport;
	u32	iif;
	u16	vid[FTQ_TAGS];
	__be16	pppoe;
	u8	family;
	u8	proto;
} __aligned(8);

static_assert(sizeof(struct ftq_tuple) == 48);

/**
 * struct ftq_packet - what is known of a packet before the flowtable gets it
 * @tuple: its flow
 * @bytes: IP bytes; of a GSO packet, those of all its segments
 * @segs: packets that it counts as
 * @dscp: DSCP (RFC 2474), 0..63
 */
struct ftq_packet {
	struct ftq_tuple	tuple;
	u32			bytes;
	u16			segs;
	u8			dscp;
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

/* Bytes of the IP and transport headers that every segment repeats. */
static inline u32 ftq_parse_gso_hdrlen(const struct sk_buff *skb,
				       unsigned int thoff, u8 proto)
{
	struct tcphdr _tcph;
	const struct tcphdr *tcph;

	if (proto != IPPROTO_TCP)
		return sizeof(struct udphdr);

	tcph = skb_header_pointer(skb, thoff, sizeof(_tcph), &_tcph);
	return tcph ? tcph->doff * 4 : sizeof(struct tcphdr);
}

/**
 * ftq_parse() - read what is wanted of a packet at a netdev ingress hook
 * @skb: packet; skb->data is behind the Ethernet header, an outermost VLAN tag
 *	is in the skb
 * @iif: interface index of the device that it came from
 * @pkt: filled if the answer is FTQ_PARSED_IP
 *
 * More lenient than the flowtable: options, fragments and protocols that no
 * flowtable takes are its business.
 *
 * Context: RCU, BH.
 * Return: what was found.
 */
static inline enum ftq_parsed ftq_parse(const struct sk_buff *skb, u32 iif,
					struct ftq_packet *pkt)
{
	struct ftq_tuple *tuple = &pkt->tuple;
	__be16 protocol = skb->protocol;
	unsigned int off = 0, thoff;
	unsigned int tags = 0;
	u32 total, hdrlen;

	memset(tuple, 0, sizeof(*tuple));
	tuple->iif = iif;

	if (skb_vlan_tag_present(skb) && skb_vlan_tag_get_id(skb))
		tuple->vid[tags++] = skb_vlan_tag_get_id(skb);

	if (protocol == htons(ETH_P_8021Q) || protocol == htons(ETH_P_8021AD)) {
		struct vlan_hdr _vhdr;
		const struct vlan_hdr *vhdr;

		vhdr = skb_header_pointer(skb, off, sizeof(_vhdr), &_vhdr);
		if (!vhdr)
			return FTQ_PARSED_OTHER;
		if (ntohs(vhdr->h_vlan_TCI) & VLAN_VID_MASK)
			tuple->vid[tags++] = ntohs(vhdr->h_vlan_TCI) & VLAN_VID_MASK;
		protocol = vhdr->h_vlan_encapsulated_proto;
		off += VLAN_HLEN;
	}

	if (protocol == htons(ETH_P_PPP_SES)) {
		struct {
			struct pppoe_hdr	hdr;
			__be16			proto;
		} __packed _ppp;
		const typeof(_ppp) *ppp;

		ppp = skb_header_pointer(skb, off, sizeof(_ppp), &_ppp);
		if (!ppp)
			return FTQ_PARSED_OTHER;
		tuple->pppoe = ppp->hdr.sid;
		if (ppp->proto == htons(PPP_IP))
			protocol = htons(ETH_P_IP);
		else if (ppp->proto == htons(PPP_IPV6))
			protocol = htons(ETH_P_IPV6);
		else
			return FTQ_PARSED_OTHER;
		off += PPPOE_SES_HLEN;
	}

	if (protocol == htons(ETH_P_IP)) {
		struct iphdr _iph;
		const struct iphdr *iph;

		iph = skb_header_pointer(skb, off, sizeof(_iph), &_iph);
		if (!iph || iph->version != 4 || iph->ihl < 5)
			return FTQ_PARSED_BROKEN;

		tuple->family = NFPROTO_IPV4;
		tuple->proto = iph->protocol;
		tuple->src[0] = iph->saddr;
		tuple->dst[0] = iph->daddr;
		pkt->dscp = ipv4_get_dsfield(iph) >> 2;
		/* 0 in a GSO packet of more than 64 KiB. */
		total = ntohs(iph->tot_len) ?: skb->len - off;
		hdrlen = iph->ihl * 4;
	} else if (protocol == htons(ETH_P_IPV6)) {
		struct ipv6hdr _ip6h;
		const struct ipv6hdr *ip6h;

		ip6h = skb_header_pointer(skb, off, sizeof(_ip6h), &_ip6h);
		if (!ip6h || ip6h->version != 6)
			return FTQ_PARSED_BROKEN;

		tuple->family = NFPROTO_IPV6;
		tuple->proto = ip6h->nexthdr;
		memcpy(tuple->src, &ip6h->saddr, sizeof(tuple->src));
		memcpy(tuple->dst, &ip6h->daddr, sizeof(tuple->dst));
		pkt->dscp = ipv6_get_dsfield(ip6h) >> 2;
		hdrlen = sizeof(*ip6h);
		total = ip6h->payload_len ? ntohs(ip6h->payload_len) + hdrlen :
					    skb->len - off;
	} else {
		return FTQ_PARSED_OTHER;
	}
	thoff = off + hdrlen;

	if (tuple->proto == IPPROTO_TCP || tuple->proto == IPPROTO_UDP) {
		__be16 _ports[2];
		const __be16 *ports;

		ports = skb_header_pointer(skb, thoff, sizeof(_ports), _ports);
		if (!ports)
			return FTQ_PARSED_BROKEN;
		tuple->sport = ports[0];
		tuple->dport = ports[1];
	}

	pkt->segs = 1;
	pkt->bytes = total;
	if (skb_is_gso(skb)) {
		hdrlen += ftq_parse_gso_hdrlen(skb, thoff, tuple->proto);
		/* gso_segs of a packet from a guest is not to be trusted. */
		if (total > hdrlen)
			pkt->segs = DIV_ROUND_UP(total - hdrlen,
						 skb_shinfo(skb)->gso_size);
		pkt->bytes += (pkt->segs - 1) * hdrlen;
	}
	return FTQ_PARSED_IP;
}

#endif /* FTQ_PARSE_H */
