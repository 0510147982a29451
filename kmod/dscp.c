// SPDX-License-Identifier: GPL-2.0
/*
 * The DSCP of packets that leave (RFC 2474). The two bits beside it are ECN's
 * (RFC 3168) and stay.
 */
#include <linux/netdevice.h>
#include <net/inet_ecn.h>

#include "dscp.h"
#include "frame.h"
#include "parse.h"
#include "path.h"

#define FTQ_DSCP_NATT_PORT	4500

/* IP bytes of a frame, its IP header among them. False: that is cut short. */
static bool ftq_dscp_len(const struct sk_buff *skb, const struct ftq_frame *frame,
			 u32 *len)
{
	__be16 _len;
	const __be16 *at;
	unsigned int off;

	off = frame->family == NFPROTO_IPV4 ? offsetof(struct iphdr, tot_len) :
					      offsetof(struct ipv6hdr, payload_len);
	at = skb_header_pointer(skb, frame->ip + off, sizeof(_len), &_len);
	if (!at)
		return false;
	/* 0 in a GSO packet of more than 64 KiB. */
	if (!*at)
		*len = skb->len - frame->ip;
	else if (frame->family == NFPROTO_IPV4)
		*len = ntohs(*at);
	else
		*len = ntohs(*at) + sizeof(struct ipv6hdr);
	return true;
}

/**
 * ftq_dscp_own() - is a frame's IP header that of the window's packet itself
 * @skb: frame, the window's packet or a segment of it
 * @frame: filled by ftq_frame_read()
 * @win: window
 *
 * A header that a tunnel, or IPsec, has put before it has another protocol or makes
 * the packet longer: no flowtable changes either. Segments have no length to know them
 * by; no tunnel makes one of a segment that has its protocol, but one over UDP.
 *
 * Context: RCU, BH.
 * Return: false if it is another header, or none.
 */
bool ftq_dscp_own(const struct sk_buff *skb, const struct ftq_frame *frame,
		  const struct ftq_window *win)
{
	u8 dscp, proto;
	u32 len;

	if (!ftq_frame_ip(skb, frame, &dscp, &proto) ||
	    frame->family != win->family || proto != win->proto ||
	    ftq_frame_fragment(skb, frame))
		return false;
	if (win->gso && !skb_is_gso(skb))
		return true;
	return ftq_dscp_len(skb, frame, &len) && len == win->len;
}

/**
 * ftq_dscp_ipsec() - is a frame IPsec's, by its protocol
 * @skb: frame
 * @frame: filled by ftq_frame_read()
 * @proto: protocol that ftq_frame_ip() has found
 *
 * Context: RCU, BH.
 * Return: true for ESP, AH and IPComp, and for what comes from the UDP port of IPsec
 * through NAT (RFC 3948).
 */
bool ftq_dscp_ipsec(const struct sk_buff *skb, const struct ftq_frame *frame, u8 proto)
{
	unsigned int len = sizeof(struct ipv6hdr);
	const __be16 *sport;
	const u8 *first;
	__be16 _sport;
	u8 _first;

	if (proto == IPPROTO_ESP || proto == IPPROTO_AH || proto == IPPROTO_COMP)
		return true;
	if (proto != IPPROTO_UDP || ftq_frame_fragment(skb, frame))
		return false;
	if (frame->family == NFPROTO_IPV4) {
		first = skb_header_pointer(skb, frame->ip, sizeof(_first), &_first);
		if (!first)
			return false;
		len = (*first & 0xf) * 4;
	}
	sport = skb_header_pointer(skb, frame->ip + len, sizeof(_sport), &_sport);
	return sport && *sport == htons(FTQ_DSCP_NATT_PORT);
}

/**
 * ftq_dscp_class() - the class of a packet that has its new DSCP
 * @table: map that gave it
 * @dscp: DSCP
 * @prio: skb->priority, which the map gave as well
 *
 * Context: RCU.
 * Return: a class that gets both from the map. If there is none, or there are several
 * with different PCPs, that of @dscp.
 */
u8 ftq_dscp_class(const struct ftq_map_table *table, u8 dscp, u32 prio)
{
	const struct ftq_action *action, *found = NULL;
	u8 class;

	for (class = 0; class < NF_FLOW_QOS_CLASSES; class++) {
		action = &table->action[class];
		if ((action->keep & NF_FLOW_QOS_ACTION_DSCP ? class : action->dscp) !=
		    dscp)
			continue;
		if (!(action->keep & NF_FLOW_QOS_ACTION_PRIO) && action->prio != prio)
			continue;
		if (found && (found->pcp != action->pcp ||
			      (found->keep ^ action->keep) & NF_FLOW_QOS_ACTION_PCP))
			return dscp;
		found = action;
	}
	return found ? found - table->action : dscp;
}

/**
 * ftq_dscp_write() - give a frame's IP header a DSCP
 * @skb: frame
 * @frame: filled by ftq_frame_read()
 * @dscp: DSCP, 0..63
 *
 * Header pointers into @skb are stale afterwards, offsets from skb->data are not.
 *
 * Context: RCU, BH.
 * Return: true if it has that DSCP now; false if it stays as it was, since it is not
 * IP, is several packets with headers of their own (GRO's lists), others have the skb
 * as well, or no private copy can be had.
 */
bool ftq_dscp_write(struct sk_buff *skb, const struct ftq_frame *frame, u8 dscp)
{
	unsigned int len = frame->family == NFPROTO_IPV4 ? sizeof(struct iphdr) :
							   sizeof(struct ipv6hdr);
	u8 old, proto;
	__be16 *ip, word;

	if (!ftq_frame_ip(skb, frame, &old, &proto))
		return false;
	if (old == dscp)
		return true;
	if (skb_is_gso(skb) && skb_shinfo(skb)->gso_type & SKB_GSO_FRAGLIST)
		return false;
	if (skb_shared(skb) || skb_ensure_writable(skb, frame->ip + len))
		return false;

	ip = (__be16 *)(skb->data + frame->ip);
	if (frame->family == NFPROTO_IPV4) {
		/* Its own checksum goes along, so that skb->csum stays right. */
		ipv4_change_dsfield((struct iphdr *)ip, INET_ECN_MASK, dscp << 2);
		return true;
	}
	word = *ip;
	ipv6_change_dsfield((struct ipv6hdr *)ip, INET_ECN_MASK, dscp << 2);
	if (skb->ip_summed == CHECKSUM_COMPLETE) {
		__be16 diff[] = { ~word, *ip };

		skb->csum = csum_partial(diff, sizeof(diff), skb->csum);
	}
	return true;
}
