// SPDX-License-Identifier: GPL-2.0
/*
 * The DSCP of packets that leave (RFC 2474). The two bits beside it are ECN's
 * (RFC 3168) and stay.
 */
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <net/inet_ecn.h>

#include "dscp.h"
#include "frame.h"
#include "parse.h"
#include "path.h"

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
	    frame->family != win->tuple->family || proto != win->tuple->proto ||
	    ftq_frame_fragment(skb, frame))
		return false;
	if (win->gso && !skb_is_gso(skb))
		return true;
	return ftq_dscp_len(skb, frame, &len) && len == win->len;
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
 * IP or others have the skb as well, or no private copy can be had.
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
	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->csum = csum_add(csum_sub(skb->csum, (__force __wsum)word),
				     (__force __wsum)*ip);
	return true;
}

/**
 * struct ftq_dscp_last - the packet of the slow path that this CPU gave a DSCP last
 *
 * Devices below get it with that DSCP, but its class is that of the one before. It comes
 * down to them within the same call, unless it waits in a queue, and is forgotten when
 * the next one comes to its uppermost device. (With PREEMPT_RT that may be another
 * task's. What is forgotten has the class of its new DSCP.)
 *
 * @skb: the packet, NULL: none; compared, never followed
 * @head: its skb->head, which copies have that a bridge floods; compared only
 * @dev: device that it had come to; compared only
 * @class: its class
 * @dscp: DSCP that it was given
 * @gso: it was one of several segments, as which it may come to a device below
 */
struct ftq_dscp_last {
	const struct sk_buff	*skb;
	const void		*head;
	const struct net_device	*dev;
	u8			class;
	u8			dscp;
	bool			gso;
};

static DEFINE_PER_CPU(struct ftq_dscp_last, ftq_dscp_last);

/**
 * ftq_dscp_given() - was a packet given its DSCP on a device above
 * @skb: packet of the slow path
 * @dev: device that it leaves through
 * @dscp: its DSCP
 * @class: set to the class that it had before, if so
 *
 * Context: RCU, BH.
 * Return: true if ftq_dscp_note() was told of it.
 */
bool ftq_dscp_given(const struct sk_buff *skb, const struct net_device *dev,
		    u8 dscp, u8 *class)
{
	struct ftq_dscp_last *last = this_cpu_ptr(&ftq_dscp_last);

	if (!last->skb || last->dev == dev || last->dscp != dscp)
		return false;
	if (last->skb != skb && last->head != skb->head &&
	    (!last->gso || skb_is_gso(skb)))
		return false;
	*class = last->class;
	/* On its last device: what has this address next is another packet. */
	if (last->skb == skb && list_empty(&dev->adj_list.lower))
		last->skb = NULL;
	return true;
}

/**
 * ftq_dscp_note() - remember that a packet was given a DSCP, or was not
 * @skb: packet of the slow path, NULL: it was not
 * @dev: the uppermost device that it leaves through
 * @dscp: DSCP that it was given
 * @class: class that it had before
 *
 * Context: RCU, BH.
 */
void ftq_dscp_note(const struct sk_buff *skb, const struct net_device *dev,
		   u8 dscp, u8 class)
{
	struct ftq_dscp_last *last = this_cpu_ptr(&ftq_dscp_last);

	last->skb = skb;
	if (!skb)
		return;
	last->head = skb->head;
	last->dev = dev;
	last->class = class;
	last->dscp = dscp;
	last->gso = skb_is_gso(skb);
}
