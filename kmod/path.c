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
 * packet that is not offloaded, unless a binding's scope says so.
 *
 * Not a goal: to decide what is offloaded, or to change a packet that waited
 * somewhere and left outside the window, unless the scope says so.
 */
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/if_vlan.h>
#include <linux/local_lock.h>
#include <linux/netfilter_netdev.h>
#include <linux/sched.h>
#include <net/sch_generic.h>
#include <net/sock.h>

#include "binding.h"
#include "frame.h"
#include "hook.h"
#include "ident.h"
#include "net.h"
#include "parse.h"
#include "path.h"

/*
 * The packet that a flowtable is given now on this CPU, NULL outside. Netdev
 * hooks run with BH off, so that it is only ever seen nested, never torn.
 *
 * With PREEMPT_RT, BH off need not keep other tasks off this CPU (a kernel
 * without PREEMPT_RT_NEEDS_BH_LOCK): there @lock does, held by @owner from its
 * outermost window on, as ppp_xmit_process() does it. An egress hook that another
 * task runs meanwhile sees no window.
 */
struct ftq_window_cpu {
	struct ftq_window	*win;
#ifdef FTQ_BH_IS_PREEMPTIBLE
	struct task_struct	*owner;
	local_lock_t		lock; /* keeps other tasks out of @win */
#endif
};

#ifdef FTQ_BH_IS_PREEMPTIBLE
static DEFINE_PER_CPU(struct ftq_window_cpu, ftq_window) = {
	.lock = INIT_LOCAL_LOCK(lock),
};

/* To sparse a nested window holds the lock once more. */
static struct ftq_window *ftq_window_open(struct ftq_window *win)
	__acquires(&ftq_window.lock)
{
	struct ftq_window *outer = NULL;

	if (__this_cpu_read(ftq_window.owner) == current) {
		__acquire(&ftq_window.lock);
		outer = __this_cpu_read(ftq_window.win);
	} else {
		local_lock_nested_bh(&ftq_window.lock);
		__this_cpu_write(ftq_window.owner, current);
	}
	__this_cpu_write(ftq_window.win, win);
	return outer;
}

static void ftq_window_close(struct ftq_window *outer)
	__releases(&ftq_window.lock)
{
	__this_cpu_write(ftq_window.win, outer);
	if (outer) {
		__release(&ftq_window.lock);
		return;
	}
	__this_cpu_write(ftq_window.owner, NULL);
	local_unlock_nested_bh(&ftq_window.lock);
}

static struct ftq_window *ftq_window_of_task(void)
{
	if (__this_cpu_read(ftq_window.owner) != current)
		return NULL;
	return __this_cpu_read(ftq_window.win);
}
#else
static DEFINE_PER_CPU(struct ftq_window_cpu, ftq_window);

static struct ftq_window *ftq_window_open(struct ftq_window *win)
{
	struct ftq_window *outer = __this_cpu_read(ftq_window.win);

	__this_cpu_write(ftq_window.win, win);
	return outer;
}

static void ftq_window_close(struct ftq_window *outer)
{
	__this_cpu_write(ftq_window.win, outer);
}

static struct ftq_window *ftq_window_of_task(void)
{
	return __this_cpu_read(ftq_window.win);
}
#endif

/* What a packet looked like before it was made to match the flowtable's key. */
struct ftq_cleared {
	__wsum	csum;
	u32	prio;
	__be16	proto;
	u16	tci;
	u16	inner;
	u8	changed;
};

/* Bits of ftq_cleared.changed: the tag in the skb, the one in the packet's bytes */
#define FTQ_CLEARED_OUTER	1
#define FTQ_CLEARED_INNER	2

/* A packet that is not of the most common shape */
static noinline enum ftq_parsed ftq_path_parse(const struct sk_buff *skb,
					       struct net_device *in,
					       struct ftq_packet *pkt)
{
	return ftq_parse(skb, in, pkt);
}

static u8 ftq_path_class(const struct ftq_policy *policy,
			 const struct sk_buff *skb,
			 const struct ftq_packet *pkt)
{
	const struct ftq_target *target;
	u16 tci;

	if (!policy)
		return pkt->dscp;

	target = ftq_policy_target(policy, pkt->key);
	if (likely(target->trust == NF_FLOW_QOS_TRUST_DSCP))
		return pkt->dscp;
	if (target->trust == NF_FLOW_QOS_TRUST_NONE)
		return 0;

	tci = skb_vlan_tag_present(skb) ? skb_vlan_tag_get(skb) : 0;
	return (tci >> VLAN_PRIO_SHIFT) * 8;
}

/*
 * Write a TCI into the packet's bytes, at @off from skb->data. False: no private
 * copy can be had, nothing was changed.
 */
static bool ftq_path_write_tci(struct sk_buff *skb, unsigned int off, u16 tci)
{
	__be16 *at, old;

	if (skb_shared(skb) || skb_ensure_writable(skb, off + sizeof(*at)))
		return false;

	at = (__be16 *)(skb->data + off);
	old = *at;
	*at = htons(tci);
	if (skb->ip_summed == CHECKSUM_COMPLETE) {
		__be16 diff[] = { ~old, *at };

		skb->csum = csum_partial(diff, sizeof(diff), skb->csum);
	}
	return true;
}

/*
 * The flowtable compares whole TCIs with the bare VLAN IDs that it stored, so a
 * PCP, a DEI or a priority tag (VID 0) never matches. The outer tag is in the
 * skb, not in the packet's bytes, so only a shared skb has to be left alone.
 */
static void ftq_path_clear(struct sk_buff *skb, const struct ftq_packet *pkt,
			   struct ftq_cleared *cleared)
{
	u16 tci;

	cleared->changed = 0;
	if (unlikely(pkt->tci & ~VLAN_VID_MASK && pkt->tci & VLAN_VID_MASK)) {
		cleared->csum = skb->csum;
		cleared->inner = pkt->tci;
		if (ftq_path_write_tci(skb, 0, pkt->tci & VLAN_VID_MASK))
			cleared->changed |= FTQ_CLEARED_INNER;
	}

	if (!skb_vlan_tag_present(skb))
		return;

	tci = skb_vlan_tag_get(skb);
	if (likely(pkt->vlan && !(tci & ~VLAN_VID_MASK)) || skb_shared(skb))
		return;

	cleared->changed |= FTQ_CLEARED_OUTER;
	cleared->proto = skb->vlan_proto;
	cleared->tci = tci;
	if (pkt->vlan)
		skb->vlan_tci = tci & VLAN_VID_MASK;
	else
		__vlan_hwaccel_clear_tag(skb);
}

/* Put back what was cleared. The bytes are private and linear since then. */
static void ftq_path_restore(struct sk_buff *skb,
			     const struct ftq_cleared *cleared)
{
	if (cleared->changed & FTQ_CLEARED_OUTER)
		__vlan_hwaccel_put_tag(skb, cleared->proto, cleared->tci);
	if (cleared->changed & FTQ_CLEARED_INNER) {
		ftq_path_write_tci(skb, 0, cleared->inner);
		if (skb->ip_summed == CHECKSUM_COMPLETE)
			skb->csum = cleared->csum;
	}
}

/*
 * Without egress hooks nobody knows through which device a packet will leave:
 * its priority is that of any's map, from before the flowtable on.
 */
static void ftq_path_prio(struct sk_buff *skb, const struct ftq_policy *policy,
			  struct ftq_window *win, struct ftq_cleared *cleared)
{
	const struct ftq_map_table *table;

	cleared->prio = skb->priority;
	if (!policy || !policy->any || skb_shared(skb))
		return;

	table = rcu_dereference(policy->any->table);
	win->action = table->action[win->outcome.class];
	if (win->action.keep & NF_FLOW_QOS_ACTION_PRIO)
		return;
	skb->priority = win->action.prio;
	win->outcome.done |= NF_FLOW_QOS_ACTION_PRIO;
}

static __always_inline void
ftq_path_taken(struct ftq_net *fn, struct ftq_flow *flow, bool accounts,
	       const struct ftq_packet *pkt, const struct ftq_window *win,
	       bool cleared)
{
	struct ftq_stats_cpu *cpu;
	bool counted = true;

	if (likely(flow))
		ftq_flow_add(flow, pkt, win);
	else if (accounts)
		counted = ftq_flow_count(&fn->flows, pkt, win);

	cpu = this_cpu_ptr(fn->stats.cpu);
	u64_stats_update_begin(&cpu->syncp);
	u64_stats_add(&cpu->class[win->outcome.class].packets, pkt->segs);
	u64_stats_add(&cpu->class[win->outcome.class].bytes, pkt->bytes);
	u64_stats_add(&cpu->done[win->outcome.done & FTQ_DONE_MASK], pkt->segs);
	if (unlikely(cleared))
		u64_stats_add(&cpu->stat[FTQ_STAT_PCP_CLEARED], pkt->segs);
	if (unlikely(!counted))
		u64_stats_add(&cpu->stat[FTQ_STAT_FLOWS_DROPPED], pkt->segs);
	u64_stats_update_end(&cpu->syncp);
}

static __always_inline bool ftq_path_is_entry(const struct nf_hook_entry *entry,
					      const void *priv)
{
	return READ_ONCE(entry->hook) == ftq_path_ingress &&
	       READ_ONCE(entry->priv) == priv;
}

/* Our entry, or the end. */
static noinline const struct nf_hook_entry *
ftq_path_find_entry(const struct nf_hook_entries *entries, struct ftq_ingress *in)
{
	unsigned int i;

	for (i = 0; i < entries->num_hook_entries; i++) {
		if (ftq_path_is_entry(&entries->hooks[i], in)) {
			WRITE_ONCE(in->slot, i);
			break;
		}
	}
	return &entries->hooks[i];
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
	struct ftq_ingress *in = priv;
	const struct nf_hook_entry *entry, *end;
	const struct nf_hook_entries *entries;
	const struct ftq_policy *policy;
	/* What is read of these is set before; to zero them all takes its time. */
	struct ftq_cleared cleared __uninitialized;
	struct ftq_window win __uninitialized;
	struct ftq_packet pkt __uninitialized;
	struct ftq_dev *fd = in->fd;
	struct ftq_net *fn = fd->fn;
	struct ftq_flow *flow = NULL;
	struct ftq_window *outer;
	unsigned int verdict;
	nf_hookfn *hook;
	bool accounts, gso;
	const void *ip;

	/* Read for every packet: the blob is replaced whenever a hook comes. */
	entries = rcu_dereference(state->in->nf_hooks_ingress);
	if (unlikely(!entries))
		return NF_ACCEPT;
	end = entries->hooks + entries->num_hook_entries;
	entry = entries->hooks + READ_ONCE(in->slot);
	if (unlikely(entry >= end || !ftq_path_is_entry(entry, priv)))
		entry = ftq_path_find_entry(entries, in);
	if (unlikely(++entry >= end))
		goto not_next;
	/* Once: the core rewrites the function of a hook that goes in place. */
	hook = READ_ONCE(entry->hook);
	if (unlikely(!ftq_ident_known(hook)))
		goto not_next;

	/* Once: without it no addresses are read. */
	accounts = READ_ONCE(fn->flows.limit);
	ip = ftq_parse_simple(skb, state->in, &pkt);
	if (likely(ip)) {
		if (accounts) {
			flow = ftq_flow_last(&fn->flows, ip, &pkt.tuple);
			if (!flow)
				ftq_parse_addrs(ip, &pkt.tuple);
		}
	} else {
		switch (ftq_path_parse(skb, state->in, &pkt)) {
		case FTQ_PARSED_IP:
			break;
		case FTQ_PARSED_BROKEN:
			ftq_stat_inc(&fn->stats, FTQ_STAT_NOT_PARSED);
			return NF_ACCEPT;
		case FTQ_PARSED_OTHER:
			return NF_ACCEPT;
		}
	}

	gso = skb_is_gso(skb);
	win.skb = skb;
	win.plain = gso ? NULL : skb;
	win.net = state->net;
	win.pkt = &pkt;
	win.first = NULL;
	win.seen = NULL;
	win.queue = NULL;
	win.oif = 0;
	win.gso = gso;
	policy = rcu_dereference(fd->policy);
	win.outcome.word = 0;
	win.outcome.class = ftq_path_class(policy, skb, &pkt);
	win.outcome.dscp = pkt.dscp;
	ftq_path_clear(skb, &pkt, &cleared);
	if (!IS_ENABLED(CONFIG_NETFILTER_EGRESS))
		ftq_path_prio(skb, policy, &win, &cleared);

	outer = ftq_window_open(&win);
	do {
		verdict = hook(READ_ONCE(entry->priv), skb, state);
		if ((verdict & NF_VERDICT_MASK) != NF_ACCEPT || ++entry >= end)
			break;
		hook = READ_ONCE(entry->hook);
	} while (ftq_ident_known(hook));
	ftq_window_close(outer);

	switch (verdict & NF_VERDICT_MASK) {
	case NF_STOLEN:
		/* The skb is gone. */
		ftq_path_taken(fn, flow, accounts, &pkt, &win, cleared.changed);
		break;
	case NF_ACCEPT:
		ftq_path_restore(skb, &cleared);
		if (!IS_ENABLED(CONFIG_NETFILTER_EGRESS))
			skb->priority = cleared.prio;
		ftq_stat_add(&fn->stats, FTQ_STAT_MISSED, pkt.segs);
		break;
	}
	return verdict;

not_next:
	ftq_hook_kick(fd);
	return NF_ACCEPT;
}

/* Does packets' way on from here lead through a queue? */
static bool ftq_path_queues(const struct net_device *dev)
{
	const struct Qdisc *qdisc;

	qdisc = rcu_dereference_check(netdev_get_tx_queue(dev, 0)->qdisc,
				      rcu_read_lock_bh_held());
	return qdisc && qdisc->enqueue;
}

/*
 * Can this be what IPsec made of a segment? It segments before it encrypts: below
 * an interface of its own or of a tunnel, or, by a policy, before any device has
 * seen the packet, unless ESP's offload does both where the device would. If none
 * has seen it the skb still says where the packet entered, down to the
 * highest hooked device: what came through a tunnel, of whose queue nothing is
 * known here, has forgotten it. So has, on its way down, what a PPP device sent.
 */
static bool ftq_path_ipsec(const struct ftq_window *win, const struct ftq_dev *fd,
			   const struct sk_buff *skb)
{
	if (win->seen)
		return win->esp || win->seen->type != ARPHRD_ETHER;
	if (win->first && win->first != fd)
		return true;
	return skb->skb_iif == (int)win->pkt->tuple.iif;
}

/*
 * Can this be a segment of the packet that the window is for? Its own headers are
 * outside, or those of a tunnel: the flowtable's (since 6.19) or a tunnel
 * device's. ESP and AH hide what they carry. No device has seen the packet in one
 * piece if the flowtable itself segments, as it does since 6.19 where it pushes a
 * PPPoE header.
 */
static bool ftq_path_segment(const struct ftq_window *win,
			     const struct ftq_dev *fd,
			     const struct sk_buff *skb,
			     const struct ftq_frame *frame)
{
	const struct ftq_tuple *tuple = &win->pkt->tuple;
	u8 dscp, family, proto;

	if (!ftq_frame_ip(skb, frame, &dscp, &proto))
		return false;
	if (proto == IPPROTO_ESP || proto == IPPROTO_AH)
		return ftq_path_ipsec(win, fd, skb);
	if (!win->seen && !(frame->key & FTQ_KEY_SESSION))
		return false;
	if (frame->family == tuple->family && proto == tuple->proto)
		return true;
	return ftq_frame_inside(skb, frame, &family, &proto) &&
	       family == tuple->family && proto == tuple->proto;
}

/*
 * Where a tunnel device of IP in IP sends packets to, or NULL: @dev is none. All
 * zero: to no one in particular.
 */
static const void *ftq_path_remote(const struct net_device *dev, u8 *family)
{
	switch (dev->type) {
	case ARPHRD_TUNNEL:
	case ARPHRD_SIT:
		*family = NFPROTO_IPV4;
		return dev->broadcast;
	case ARPHRD_TUNNEL6:
		*family = NFPROTO_IPV6;
		return dev->broadcast;
	default:
		return NULL;
	}
}

/*
 * Is this the packet that the window is for, in an skb that a tunnel device made of
 * it? Kernels before the stable releases of 2026 do so to have room for the header
 * of an IPv6 tunnel (skb_realloc_headroom() in ip6_tnl_xmit()), SIT to this day. The
 * device has seen it last and let no other wait before it, and what comes now goes
 * to that tunnel's other end and has the packet's protocol inside.
 */
static bool ftq_path_renewed(const struct ftq_window *win,
			     const struct sk_buff *skb,
			     const struct ftq_frame *frame)
{
	const struct ftq_tuple *tuple = &win->pkt->tuple;
	static const struct in6_addr anyone;
	u8 family, outer, proto;
	unsigned int len, off;
	const void *remote, *to;
	struct in6_addr _to;

	if (!win->seen || likely(win->seen->type == ARPHRD_ETHER) ||
	    skb_is_gso(skb) != win->gso || ftq_path_queues(win->seen))
		return false;
	remote = ftq_path_remote(win->seen, &outer);
	if (!remote || frame->family != outer ||
	    !ftq_frame_inside(skb, frame, &family, &proto) ||
	    family != tuple->family || proto != tuple->proto)
		return false;

	len = sizeof(struct in_addr);
	off = offsetof(struct iphdr, daddr);
	if (outer == NFPROTO_IPV6) {
		len = sizeof(struct in6_addr);
		off = offsetof(struct ipv6hdr, daddr);
	}
	to = skb_header_pointer(skb, frame->ip + off, len, &_to);
	return to && (!memcmp(remote, to, len) || !memcmp(remote, &anyone, len));
}

/*
 * Is the skb at the window's address another one by now? A tunnel device that made a
 * new one has freed it, and the kernel's own question for the neighbour behind the
 * tunnel, or a fragment of the packet, may have got its memory.
 */
static bool ftq_path_reused(const struct ftq_window *win,
			    const struct sk_buff *skb,
			    const struct ftq_frame *frame)
{
	u8 dscp, proto;

	if (!win->seen || likely(win->seen->type == ARPHRD_ETHER))
		return false;
	return !ftq_frame_ip(skb, frame, &dscp, &proto) ||
	       proto == IPPROTO_ICMPV6 || ftq_frame_fragment(skb, frame);
}

/*
 * Is this packet the one, or a segment of the one, that the window is for?
 *
 * Segments come to a device below one that saw the packet in one piece, if any
 * did. A copy that was sent elsewhere comes to a device while the packet is still
 * on another, and is not taken for one.
 */
static bool ftq_path_ours(struct ftq_window *win, const struct ftq_dev *fd,
			  const struct sk_buff *skb,
			  const struct nf_hook_state *state,
			  const struct ftq_frame *frame)
{
	if (state->net != win->net)
		return false;
	/* Behind a queue the skb may be gone, and another be where it was. */
	if (skb == win->skb && (!win->queue || skb_is_gso(skb)) &&
	    !ftq_path_reused(win, skb, frame)) {
		win->seen = state->out;
		win->esp = skb_is_gso(skb) &&
			   skb_shinfo(skb)->gso_type & SKB_GSO_ESP;
		return true;
	}
	if (win->seen == state->out)
		return false;
	if (!win->queue && unlikely(ftq_path_renewed(win, skb, frame))) {
		win->skb = skb;
		win->seen = state->out;
		return true;
	}
	if (!win->gso || skb_is_gso(skb))
		return false;
	/*
	 * A queue lets others' packets go on to the devices below it. The
	 * segments of ours that come to the queue's own device are before it; so
	 * are those that come to the highest, if that has not seen them in one
	 * piece: behind a queue above it none was known there.
	 */
	if (win->queue && win->queue != state->out &&
	    (win->first != fd || !win->apart))
		return false;

	return ftq_path_segment(win, fd, skb, frame);
}

/*
 * The PCP of one tag: the action's, or what the VLAN device that the tag is of
 * (NULL: none) has in its egress-qos-map. False: there is nothing to set.
 */
static bool ftq_path_pcp(const struct ftq_action *action,
			 const struct sk_buff *skb, struct net_device *vlan,
			 u8 *pcp)
{
	if (likely(action->pcp != NF_FLOW_QOS_PCP_VLAN)) {
		*pcp = action->pcp;
		return true;
	}
	if (!vlan)
		return false;
	*pcp = vlan_dev_get_egress_qos_mask(vlan, skb->priority) >>
	       VLAN_PRIO_SHIFT;
	return true;
}

/* The VLAN device above @dev that a tag is of. */
static struct net_device *ftq_path_vlan(const struct ftq_action *action,
					struct net_device *dev, __be16 proto,
					u16 vid)
{
	if (likely(action->pcp != NF_FLOW_QOS_PCP_VLAN) || !dev)
		return NULL;
	dev = __vlan_find_dev_deep_rcu(dev, proto, vid);
	return dev && is_vlan_dev(dev) ? dev : NULL;
}

/* Set the PCP of the tag that the skb has. */
static void ftq_path_tag(struct sk_buff *skb, u8 pcp)
{
	skb->vlan_tci = (skb->vlan_tci & ~VLAN_PRIO_MASK) |
			(u16)pcp << VLAN_PRIO_SHIFT;
}

/*
 * Set the PCP of the outermost tag, or of all that the frame has; the DEI stays.
 * A tag of which no private copy can be had stays as it is. False: none was set;
 * else @given is the PCP of the outermost one that was.
 */
static bool ftq_path_set_pcp(struct sk_buff *skb, struct net_device *dev,
			     const struct ftq_frame *frame,
			     const struct ftq_action *action, bool all,
			     u8 *given)
{
	struct net_device *vlan = dev;
	const __be16 *at;
	bool done = false;
	__be16 _at[2];
	unsigned int i;
	u16 tci;
	u8 pcp;

	if (skb_vlan_tag_present(skb)) {
		vlan = ftq_path_vlan(action, vlan, skb->vlan_proto,
				     skb_vlan_tag_get_id(skb));
		if (ftq_path_pcp(action, skb, vlan, &pcp)) {
			ftq_path_tag(skb, pcp);
			*given = pcp;
			done = true;
		}
		if (!all)
			return done;
	}

	for (i = 0; i < frame->nr_tci; i++) {
		/* TPID and TCI. */
		at = skb_header_pointer(skb, frame->tci[i] - sizeof(*at),
					sizeof(_at), _at);
		if (!at)
			break;
		tci = ntohs(at[1]);
		vlan = ftq_path_vlan(action, vlan, at[0], tci & VLAN_VID_MASK);
		if (ftq_path_pcp(action, skb, vlan, &pcp) &&
		    ftq_path_write_tci(skb, frame->tci[i],
				       (tci & ~VLAN_PRIO_MASK) |
				       (u16)pcp << VLAN_PRIO_SHIFT)) {
			if (!done)
				*given = pcp;
			done = true;
		}
		if (!all)
			break;
	}
	return done;
}

/* The first device whose binding has a map decides for the window's packet. */
static __always_inline void ftq_path_decide(const struct ftq_dev *fd,
					    const struct ftq_target *target,
					    struct ftq_window *win)
{
	const struct ftq_map_table *table;

	table = rcu_dereference(target->map->table);
	win->action = table->action[win->outcome.class];
	win->oif = target->oif;
	win->first = fd;
}

/* Segments come to the highest device one by one. */
static __always_inline void ftq_path_set_prio(const struct ftq_dev *fd,
					      struct sk_buff *skb,
					      struct ftq_window *win)
{
	if (win->first == fd && !(win->action.keep & NF_FLOW_QOS_ACTION_PRIO)) {
		skb->priority = win->action.prio;
		win->outcome.done |= NF_FLOW_QOS_ACTION_PRIO;
	}
}

/* The packet in the window, or a segment of it. */
static void ftq_path_offloaded(const struct ftq_dev *fd, struct sk_buff *skb,
			       const struct nf_hook_state *state,
			       const struct ftq_frame *frame,
			       struct ftq_window *win)
{
	const struct ftq_target *target;
	const struct ftq_policy *policy;

	if (!win->first) {
		policy = rcu_dereference(fd->policy);
		if (unlikely(!policy))
			return;
		target = ftq_policy_target(policy, frame->key);
		if (!target->map)
			return;
		ftq_path_decide(fd, target, win);
		win->apart = win->seen != state->out;
	}

	ftq_path_set_prio(fd, skb, win);
	if (!(win->action.keep & NF_FLOW_QOS_ACTION_PCP) &&
	    ftq_path_set_pcp(skb, state->out, frame, &win->action, true,
			     &win->outcome.pcp))
		win->outcome.done |= NF_FLOW_QOS_ACTION_PCP;
}

/*
 * Any other packet, on a device with a binding whose scope is all. Forwarded and
 * bridged packets have been received, and no socket of this namespace has sent
 * them (a bridged one may still have that of a container). PPP devices make a
 * packet forget where it was received: behind a session all those without a
 * socket are taken for forwarded ones, and some that the kernel itself sends are
 * among these (answers of nft's reject, IGMP): they get a PCP there.
 */
static noinline void ftq_path_forwarded(const struct ftq_dev *fd,
					struct sk_buff *skb,
					const struct nf_hook_state *state,
					const struct ftq_frame *frame)
{
	const struct ftq_policy *policy = rcu_dereference(fd->policy);
	struct ftq_stats *stats = &fd->fn->stats;
	unsigned int segs = skb_is_gso(skb) ? skb_shinfo(skb)->gso_segs ?: 1 : 1;
	const struct ftq_map_table *table;
	const struct ftq_target *target;
	struct ftq_action action;
	u8 dscp, proto, pcp, done = 0;

	if (!policy || skb_shared(skb) ||
	    (skb->sk && net_eq(sock_net(skb->sk), state->net)) ||
	    !(skb->skb_iif || frame->key & FTQ_KEY_SESSION))
		return;
	target = ftq_policy_target(policy, frame->key);
	if (!target->map || target->scope != NF_FLOW_QOS_SCOPE_ALL ||
	    !ftq_frame_ip(skb, frame, &dscp, &proto))
		return;

	table = rcu_dereference(target->map->table);
	action = table->action[dscp];

	/*
	 * Routed packets with a tag or a session have crossed the device that it
	 * is of, and were given it before that one's tc and qdisc.
	 */
	if (!(action.keep & NF_FLOW_QOS_ACTION_PRIO) &&
	    (!frame->key || netif_is_bridge_port(state->out))) {
		skb->priority = action.prio;
		done |= NF_FLOW_QOS_ACTION_PRIO;
	}
	if (!(action.keep & NF_FLOW_QOS_ACTION_PCP) &&
	    ftq_path_set_pcp(skb, state->out, frame, &action, false, &pcp))
		done |= NF_FLOW_QOS_ACTION_PCP;
	if (done)
		ftq_stat_done(stats, done, segs);
}

/* ftq_path_egress() for any packet. */
static noinline unsigned int
ftq_path_egress_any(void *priv, struct sk_buff *skb,
		    const struct nf_hook_state *state)
{
	struct ftq_window *win = ftq_window_of_task();
	const struct ftq_dev *fd = priv;
	struct ftq_frame frame;

	ftq_frame_read(skb, state->out, &frame);
	if (win && ftq_path_ours(win, fd, skb, state, &frame)) {
		if (state->out->type != ARPHRD_ETHER)
			win->plain = NULL;
		ftq_path_offloaded(fd, skb, state, &frame, win);
		if (win->gso && !win->queue && ftq_path_queues(state->out))
			win->queue = state->out;
	} else if (READ_ONCE(fd->scope_all)) {
		ftq_path_forwarded(fd, skb, state, &frame);
	}
	return NF_ACCEPT;
}

/* For frames without a tag in their bytes, once it is decided what they get. */
static __always_inline unsigned int
ftq_path_give(struct ftq_dev *fd, struct sk_buff *skb,
	      const struct nf_hook_state *state, struct ftq_window *win)
{
	ftq_path_set_prio(fd, skb, win);
	if (win->action.keep & NF_FLOW_QOS_ACTION_PCP ||
	    !skb_vlan_tag_present(skb))
		return NF_ACCEPT;
	if (unlikely(win->action.pcp == NF_FLOW_QOS_PCP_VLAN))
		return ftq_path_egress_any(fd, skb, state);
	ftq_path_tag(skb, win->action.pcp);
	win->outcome.pcp = win->action.pcp;
	win->outcome.done |= NF_FLOW_QOS_ACTION_PCP;
	return NF_ACCEPT;
}

/* ftq_path_egress() on a device with bound ones above it. Only one can be meant. */
static noinline unsigned int
ftq_path_egress_upper(struct ftq_dev *fd, struct sk_buff *skb,
		      const struct nf_hook_state *state, struct ftq_window *win,
		      const struct ftq_policy *policy)
{
	const struct ftq_target *target;

	target = ftq_policy_find(policy, ftq_frame_key(skb)) ?: &policy->self;
	if (!target->map)
		return NF_ACCEPT;
	ftq_path_decide(fd, target, win);
	return ftq_path_give(fd, skb, state, win);
}

/**
 * ftq_path_egress() - give the packet in the window what its class gets
 * @priv: struct ftq_dev
 * @skb: packet, with its link layer header
 * @state: hook state
 *
 * Written for the packet that never was of several segments and has crossed no
 * tunnel's device, so that its address tells it, in an Ethernet frame with no tag
 * but the accelerated one. What is done to others is the same, after
 * ftq_path_egress_any() has looked at all there is.
 *
 * Context: RCU, BH.
 * Return: NF_ACCEPT, always.
 */
unsigned int ftq_path_egress(void *priv, struct sk_buff *skb,
			     const struct nf_hook_state *state)
{
	struct ftq_window *win = ftq_window_of_task();
	const struct ftq_policy *policy;
	struct ftq_dev *fd = priv;

	if (!win && likely(!READ_ONCE(fd->scope_all)))
		return NF_ACCEPT;
	if (unlikely(!win || skb != win->plain || state->net != win->net ||
		     !ftq_frame_bare(skb, state->out)))
		return ftq_path_egress_any(priv, skb, state);

	win->seen = state->out;
	if (!win->first) {
		policy = rcu_dereference(fd->policy);
		if (unlikely(!policy))
			return NF_ACCEPT;
		if (policy->nr)
			return ftq_path_egress_upper(fd, skb, state, win, policy);
		if (!policy->self.map)
			return NF_ACCEPT;
		ftq_path_decide(fd, &policy->self, win);
	}
	return ftq_path_give(fd, skb, state, win);
}
