// SPDX-License-Identifier: GPL-2.0
/*
 * The packet path.
 *
 *   device ---> our ingress hook ---> flowtable's hook ---> ... ---> slow path
 *                    |    ^  called by ours; NF_STOLEN: it took the packet
 *                    v    |
 *               ftq_window (this CPU, while the flowtable runs)
 *                    ^
 *                    |
 *   flowtable's transmit ---> [VLAN device] ---> our egress hook ---> tc, qdisc
 *
 * Goals: the flowtable's own verdict tells an offloaded packet, so there is no
 * second lookup; the packet is changed on egress, where it is known that it is
 * the one; nothing is allocated, no lock is taken, nothing is written to a
 * packet that is not offloaded.
 *
 * Not a goal: to decide what is offloaded, or to change a packet that waited
 * somewhere and left outside the window.
 */
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/if_vlan.h>
#include <linux/netfilter_netdev.h>
#include <net/sch_generic.h>

#include "binding.h"
#include "hook.h"
#include "ident.h"
#include "net.h"
#include "parse.h"
#include "path.h"

/*
 * The packet that a flowtable is given now on this CPU, NULL outside. Netdev
 * hooks run with BH off, so that it is only ever seen nested, never torn.
 */
static DEFINE_PER_CPU(struct ftq_window *, ftq_window);

/* What a tag looked like before it was made to match the flowtable's key. */
struct ftq_cleared {
	__be16	proto;
	u16	tci;
	bool	changed;
};

static u8 ftq_path_class(const struct ftq_policy *policy,
			 const struct sk_buff *skb, u8 dscp)
{
	const struct ftq_target *target;
	u16 tci;

	if (!policy)
		return dscp;

	target = &policy->self;
	if (policy->nr_vlans && skb_vlan_tag_present(skb))
		target = ftq_policy_tagged(policy, skb->vlan_proto,
					   skb_vlan_tag_get_id(skb));

	if (likely(target->trust == NF_FLOW_QOS_TRUST_DSCP))
		return dscp;
	if (target->trust == NF_FLOW_QOS_TRUST_NONE)
		return 0;

	tci = skb_vlan_tag_present(skb) ? skb_vlan_tag_get(skb) : 0;
	return (tci >> VLAN_PRIO_SHIFT) * 8;
}

/*
 * The flowtable compares the whole TCI with the bare VLAN ID that it stored, so
 * a PCP, a DEI or a priority tag (VID 0) never matches. The tag is in the skb,
 * not in the packet's bytes, so only a shared skb has to be left alone.
 */
static void ftq_path_clear(struct sk_buff *skb, struct ftq_cleared *cleared)
{
	u16 tci;

	cleared->changed = false;
	if (!skb_vlan_tag_present(skb))
		return;

	tci = skb_vlan_tag_get(skb);
	if (likely(tci && !(tci & ~VLAN_VID_MASK)) || skb_shared(skb))
		return;

	cleared->changed = true;
	cleared->proto = skb->vlan_proto;
	cleared->tci = tci;
	if (tci & VLAN_VID_MASK)
		skb->vlan_tci = tci & VLAN_VID_MASK;
	else
		__vlan_hwaccel_clear_tag(skb);
}

static void ftq_path_taken(struct ftq_net *fn, const struct ftq_packet *pkt,
			   const struct ftq_window *win, bool cleared)
{
	struct ftq_stats_cpu *cpu;
	bool counted;

	counted = ftq_flow_count(&fn->flows, pkt, win);

	cpu = this_cpu_ptr(fn->stats.cpu);
	u64_stats_update_begin(&cpu->syncp);
	u64_stats_add(&cpu->packets[win->class], pkt->segs);
	u64_stats_add(&cpu->bytes[win->class], pkt->bytes);
	if (win->done & NF_FLOW_QOS_ACTION_PRIO)
		u64_stats_add(&cpu->stat[FTQ_STAT_PRIO_SET], pkt->segs);
	if (win->done & NF_FLOW_QOS_ACTION_PCP)
		u64_stats_add(&cpu->stat[FTQ_STAT_PCP_SET], pkt->segs);
	if (unlikely(cleared))
		u64_stats_add(&cpu->stat[FTQ_STAT_PCP_CLEARED], pkt->segs);
	if (unlikely(!counted))
		u64_stats_add(&cpu->stat[FTQ_STAT_FLOWS_DROPPED], pkt->segs);
	u64_stats_update_end(&cpu->syncp);
}

/**
 * ftq_path_ingress() - call the flowtables that stand behind this hook
 * @priv: struct ftq_ingress
 * @skb: packet, as a netdev ingress hook gets it
 * @state: hook state
 *
 * Context: RCU, BH.
 * Return: the verdict of the flowtable that took or dropped the packet, else
 * NF_ACCEPT with the packet as it came; then the core calls the flowtable once
 * more, in vain.
 */
unsigned int ftq_path_ingress(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	const struct ftq_ingress *in = priv;
	const struct nf_hook_entries *entries;
	struct ftq_window *outer, win;
	struct ftq_dev *fd = in->fd;
	struct ftq_net *fn = fd->fn;
	struct ftq_cleared cleared;
	unsigned int i, verdict;
	struct ftq_packet pkt;
	nf_hookfn *hook;

	/* Read for every packet: the blob is replaced whenever a hook comes. */
	entries = rcu_dereference(state->in->nf_hooks_ingress);
	if (unlikely(!entries))
		return NF_ACCEPT;
	for (i = 0; i < entries->num_hook_entries; i++)
		if (READ_ONCE(entries->hooks[i].hook) == ftq_path_ingress &&
		    READ_ONCE(entries->hooks[i].priv) == priv)
			break;
	if (unlikely(++i >= entries->num_hook_entries))
		goto not_next;
	/* Once: the core rewrites the function of a hook that goes in place. */
	hook = READ_ONCE(entries->hooks[i].hook);
	if (unlikely(!ftq_ident_known(hook)))
		goto not_next;

	switch (ftq_parse(skb, state->in->ifindex, &pkt)) {
	case FTQ_PARSED_IP:
		break;
	case FTQ_PARSED_BROKEN:
		ftq_stat_inc(&fn->stats, FTQ_STAT_NOT_PARSED);
		return NF_ACCEPT;
	case FTQ_PARSED_OTHER:
		return NF_ACCEPT;
	}

	win.skb = skb;
	win.net = state->net;
	win.first = NULL;
	win.queue = NULL;
	win.oif = 0;
	win.family = pkt.tuple.family;
	win.proto = pkt.tuple.proto;
	win.class = ftq_path_class(rcu_dereference(fd->policy), skb, pkt.dscp);
	win.gso = skb_is_gso(skb);
	win.done = 0;
	ftq_path_clear(skb, &cleared);

	outer = __this_cpu_read(ftq_window);
	__this_cpu_write(ftq_window, &win);
	do {
		verdict = hook(READ_ONCE(entries->hooks[i].priv), skb, state);
		if ((verdict & NF_VERDICT_MASK) != NF_ACCEPT ||
		    ++i >= entries->num_hook_entries)
			break;
		hook = READ_ONCE(entries->hooks[i].hook);
	} while (ftq_ident_known(hook));
	__this_cpu_write(ftq_window, outer);

	switch (verdict & NF_VERDICT_MASK) {
	case NF_STOLEN:
		/* The skb is gone. */
		ftq_path_taken(fn, &pkt, &win, cleared.changed);
		break;
	case NF_ACCEPT:
		if (unlikely(cleared.changed))
			__vlan_hwaccel_put_tag(skb, cleared.proto, cleared.tci);
		ftq_stat_inc(&fn->stats, FTQ_STAT_MISSED);
		break;
	}
	return verdict;

not_next:
	ftq_hook_kick(fd);
	return NF_ACCEPT;
}

/*
 * Offset of the Ethernet payload's type in a frame that leaves; skb->data is
 * at the frame's beginning. PPP and tunnel devices have no Ethernet header.
 */
static bool ftq_path_ethertype(const struct sk_buff *skb,
			       const struct net_device *dev,
			       unsigned int *off, __be16 *type)
{
	const __be16 *found;
	__be16 _type;

	if (dev->type != ARPHRD_ETHER)
		return false;

	*off = ETH_HLEN - sizeof(*type);
	found = skb_header_pointer(skb, *off, sizeof(_type), &_type);
	if (!found)
		return false;
	*type = *found;
	return true;
}

/* Family and protocol of a frame that leaves, behind its tags; 0: not IP. */
static void ftq_path_frame(const struct sk_buff *skb,
			   const struct net_device *dev, u8 *family, u8 *proto)
{
	union {
		struct iphdr	v4;
		struct ipv6hdr	v6;
	} _ip;
	unsigned int off = 0, tags;
	const struct iphdr *ip;
	__be16 type;

	*family = 0;
	*proto = 0;
	if (ftq_path_ethertype(skb, dev, &off, &type)) {
		const __be16 *inner;
		__be16 _inner;

		off += sizeof(type);
		for (tags = 0; tags < FTQ_TAGS && eth_type_vlan(type); tags++) {
			inner = skb_header_pointer(skb, off + 2, sizeof(_inner),
						   &_inner);
			if (!inner)
				return;
			type = *inner;
			off += VLAN_HLEN;
		}
		if (type == htons(ETH_P_PPP_SES))
			off += PPPOE_SES_HLEN;
		else if (type != htons(ETH_P_IP) && type != htons(ETH_P_IPV6))
			return;
	} else if (dev->type == ARPHRD_ETHER) {
		return;
	}

	ip = skb_header_pointer(skb, off, sizeof(_ip.v4), &_ip.v4);
	if (!ip)
		return;
	if (ip->version == 4) {
		*family = NFPROTO_IPV4;
		*proto = ip->protocol;
	} else if (ip->version == 6) {
		*family = NFPROTO_IPV6;
		*proto = ((const struct ipv6hdr *)ip)->nexthdr;
	}
}

/* Is this packet the one, or a segment of the one, that the window is for? */
static bool ftq_path_ours(const struct ftq_window *win,
			  const struct sk_buff *skb,
			  const struct nf_hook_state *state)
{
	u8 family, proto;

	if (state->net != win->net)
		return false;
	if (skb == win->skb)
		return true;
	if (!win->gso)
		return false;
	/*
	 * A queue lets others' packets go on to the devices below it. The
	 * segments of ours that come to the queue's own device are before it.
	 */
	if (win->queue && win->queue != state->out)
		return false;

	ftq_path_frame(skb, state->out, &family, &proto);
	return family == win->family && proto == win->proto;
}

/* Does packets' way on from here lead through a queue? */
static bool ftq_path_queues(const struct net_device *dev)
{
	const struct Qdisc *qdisc;

	qdisc = rcu_dereference_check(netdev_get_tx_queue(dev, 0)->qdisc,
				      rcu_read_lock_bh_held());
	return qdisc && qdisc->enqueue;
}

/* The binding that holds for a frame on this device, by its outermost tag. */
static const struct ftq_target *
ftq_path_target(const struct ftq_policy *policy, const struct sk_buff *skb,
		const struct net_device *dev)
{
	const struct vlan_hdr *vhdr;
	struct vlan_hdr _vhdr;
	unsigned int off;
	__be16 type;

	if (!policy->nr_vlans)
		return &policy->self;

	if (skb_vlan_tag_present(skb))
		return ftq_policy_tagged(policy, skb->vlan_proto,
					 skb_vlan_tag_get_id(skb));

	if (!ftq_path_ethertype(skb, dev, &off, &type) || !eth_type_vlan(type))
		return &policy->self;
	vhdr = skb_header_pointer(skb, off + sizeof(type), sizeof(_vhdr), &_vhdr);
	if (!vhdr)
		return &policy->self;
	return ftq_policy_tagged(policy, type,
				 ntohs(vhdr->h_vlan_TCI) & VLAN_VID_MASK);
}

/* Set the PCP of the outermost tag; the DEI stays. False: there is no tag. */
static bool ftq_path_set_pcp(struct sk_buff *skb, const struct net_device *dev,
			     u8 pcp)
{
	u16 bits = (u16)pcp << VLAN_PRIO_SHIFT;
	unsigned int off;
	__be16 type, old;
	__be16 *tci;

	if (likely(skb_vlan_tag_present(skb))) {
		skb->vlan_tci = (skb->vlan_tci & ~VLAN_PRIO_MASK) | bits;
		return true;
	}

	if (!ftq_path_ethertype(skb, dev, &off, &type) || !eth_type_vlan(type))
		return false;

	off += sizeof(type);
	/* No private copy to be had: the packet goes on as it is. */
	if (skb_ensure_writable(skb, off + sizeof(*tci)))
		return false;

	tci = (__be16 *)(skb->data + off);
	old = *tci;
	*tci = (old & ~htons(VLAN_PRIO_MASK)) | htons(bits);
	if (skb->ip_summed == CHECKSUM_COMPLETE) {
		__be16 diff[] = { ~old, *tci };

		skb->csum = csum_partial(diff, sizeof(diff), skb->csum);
	}
	return true;
}

/**
 * ftq_path_egress() - give the packet in the window what its class gets
 * @priv: struct ftq_dev
 * @skb: packet, with its link layer header
 * @state: hook state
 *
 * Context: RCU, BH.
 * Return: NF_ACCEPT, always.
 */
unsigned int ftq_path_egress(void *priv, struct sk_buff *skb,
			     const struct nf_hook_state *state)
{
	struct ftq_window *win = __this_cpu_read(ftq_window);
	const struct ftq_map_table *table;
	const struct ftq_target *target;
	const struct ftq_policy *policy;
	const struct ftq_dev *fd = priv;

	if (!win || !ftq_path_ours(win, skb, state))
		return NF_ACCEPT;

	if (!win->first) {
		policy = rcu_dereference(fd->policy);
		if (unlikely(!policy))
			goto out;
		target = ftq_path_target(policy, skb, state->out);
		if (!target->map)
			goto out;

		table = rcu_dereference(target->map->table);
		win->action = table->action[win->class];
		win->oif = target->oif;
		win->first = fd;
	}

	/* Segments come to the highest device one by one. */
	if (win->first == fd && !(win->action.keep & NF_FLOW_QOS_ACTION_PRIO)) {
		skb->priority = win->action.prio;
		win->done |= NF_FLOW_QOS_ACTION_PRIO;
	}

	if (!(win->action.keep & NF_FLOW_QOS_ACTION_PCP) &&
	    ftq_path_set_pcp(skb, state->out, win->action.pcp))
		win->done |= NF_FLOW_QOS_ACTION_PCP;
out:
	if (win->gso && !win->queue && ftq_path_queues(state->out))
		win->queue = state->out;
	return NF_ACCEPT;
}
