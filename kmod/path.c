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
#include "ctmark.h"
#include "dscp.h"
#include "frame.h"
#include "hook.h"
#include "ident.h"
#include "learn.h"
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

/* A class has the source that it is trusted by. */
static_assert((int)NF_FLOW_QOS_TRUST_DSCP == (int)NF_FLOW_QOS_SOURCE_DSCP);
static_assert((int)NF_FLOW_QOS_TRUST_PCP == (int)NF_FLOW_QOS_SOURCE_PCP);
static_assert((int)NF_FLOW_QOS_TRUST_NONE == (int)NF_FLOW_QOS_SOURCE_NONE);

/*
 * @trust: of the device that it came from; the DSCP is the class so far. False: the
 * conntrack mark is to be asked.
 */
static __always_inline bool ftq_path_class(u8 trust, const struct sk_buff *skb,
					   union ftq_outcome *outcome)
{
	u16 tci = 0;

	if (likely(trust == NF_FLOW_QOS_TRUST_DSCP))
		return true;
	if (trust == NF_FLOW_QOS_TRUST_CTMARK)
		return false;
	if (trust == NF_FLOW_QOS_TRUST_PCP && skb_vlan_tag_present(skb))
		tci = skb_vlan_tag_get(skb);
	outcome->class = (tci >> VLAN_PRIO_SHIFT) * 8;
	outcome->source = trust;
	return true;
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
 * @vlan: it is that of a VLAN; else it is only a priority.
 */
static __always_inline void ftq_path_clear_outer(struct sk_buff *skb, bool vlan,
						 struct ftq_cleared *cleared)
{
	u16 tci = skb_vlan_tag_get(skb);

	if (likely(vlan && !(tci & ~VLAN_VID_MASK)) || skb_shared(skb))
		return;

	cleared->changed |= FTQ_CLEARED_OUTER;
	cleared->proto = skb->vlan_proto;
	cleared->tci = tci;
	if (vlan)
		skb->vlan_tci = tci & VLAN_VID_MASK;
	else
		__vlan_hwaccel_clear_tag(skb);
}

/* The same for all that a packet may have; @tci as in struct ftq_packet. */
static void ftq_path_clear(struct sk_buff *skb, u16 tci, bool vlan,
			   struct ftq_cleared *cleared)
{
	cleared->changed = 0;
	if (unlikely(tci & ~VLAN_VID_MASK && tci & VLAN_VID_MASK)) {
		cleared->csum = skb->csum;
		cleared->inner = tci;
		if (ftq_path_write_tci(skb, 0, tci & VLAN_VID_MASK))
			cleared->changed |= FTQ_CLEARED_INNER;
	}
	if (skb_vlan_tag_present(skb))
		ftq_path_clear_outer(skb, vlan, cleared);
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
	win->given.prio = win->action.prio;
	win->outcome.done |= NF_FLOW_QOS_ACTION_PRIO;
}

/*
 * A packet that flowtables are given.
 *
 * @win: its window
 * @pkt: what is known of it; of one of the most common shape what is wanted of it, and
 *	if its flow is known nothing
 * @cleared: what it looked like
 * @flow: its flow, NULL: not known
 * @accounts: it is accounted on its flow, and @win.tuple has addresses
 * @outer: window that this one is in
 * @entries: hooks of the device, and what else is wanted of a packet only if it is not
 *	taken: here, so that it takes no registers meanwhile, which have to be saved
 * @entry: of @entries, the flowtable
 * @skb: packet
 * @state: hook state
 */
struct ftq_entered {
	struct ftq_window		win;
	struct ftq_packet		pkt;
	struct ftq_cleared		cleared;
	struct ftq_flow			*flow;
	bool				accounts;
	struct ftq_window		*outer;
	const struct nf_hook_entries	*entries;
	const struct nf_hook_entry	*entry;
	struct sk_buff			*skb;
	const struct nf_hook_state	*state;
};

static __always_inline void ftq_path_count(const struct ftq_net *fn,
					   const struct ftq_window *win, u16 segs, u32 bytes)
{
	struct ftq_stats_class *class;
	struct ftq_stats_cpu *cpu;

	cpu = this_cpu_ptr(fn->stats.cpu);
	class = &cpu->class[win->outcome.class];
	u64_stats_update_begin(&cpu->syncp);
	u64_stats_add(&class->packets, segs);
	u64_stats_add(&class->bytes, bytes);
	u64_stats_add(&cpu->done[win->outcome.done], segs);
	u64_stats_update_end(&cpu->syncp);
}

/* The flowtable took it. */
static noinline unsigned int ftq_path_taken(const struct ftq_entered *ent, u16 segs,
					    u32 bytes, unsigned int verdict)
{
	const struct ftq_window *win = &ent->win;
	struct ftq_net *fn = win->fn;

	if (likely(ent->flow))
		ftq_flow_add(ent->flow, segs, bytes, win);
	else if (ent->accounts && !ftq_flow_count(&fn->flows, &ent->pkt, win))
		ftq_stat_add(&fn->stats, FTQ_STAT_FLOWS_DROPPED, segs);
	ftq_path_count(fn, win, segs, bytes);
	return verdict;
}

static __always_inline bool ftq_path_is_entry(const struct nf_hook_entry *entry,
					      const void *priv)
{
	return READ_ONCE(entry->hook) == ftq_path_ingress &&
	       READ_ONCE(entry->priv) == priv;
}

/* Where what is behind our entry is, or behind all. */
static unsigned int ftq_path_find_behind(const struct nf_hook_entries *entries,
					 struct ftq_ingress *in)
{
	unsigned int i;

	for (i = 1; i < entries->num_hook_entries; i++) {
		if (ftq_path_is_entry(&entries->hooks[i - 1], in)) {
			if (READ_ONCE(in->behind) != i)
				WRITE_ONCE(in->behind, i);
			break;
		}
	}
	return i;
}

/* What a window of a usual packet has that leaves without being looked at any more. */
static __always_inline void ftq_window_begin(struct ftq_window *win, struct ftq_net *fn,
					     const struct sk_buff *skb, u32 len, u8 family,
					     u8 proto, union ftq_outcome outcome)
{
	win->skb = skb;
	win->fn = fn;
	win->tuple = NULL;
	win->seen = NULL;
	/* Nobody compares it where the lowest device is mostly the only one. */
	if (!FTQ_XMIT_LOWEST)
		win->bare = NULL;
	win->len = len;
	win->family = family;
	win->proto = proto;
	win->flags = 0;
	win->outcome = outcome;
}

/* Of a packet whose flow is yet to be looked up, and of one whose binding is known */
static const struct ftq_window ftq_window_expected = { .expect = true };
static const struct ftq_window ftq_window_decided = { .decided = true };

/* What another has as well. */
static __always_inline void ftq_window_init(struct ftq_window *win, struct ftq_net *fn,
					    const struct sk_buff *skb, bool gso,
					    const struct ftq_tuple *tuple, u32 len,
					    u8 dscp)
{
	ftq_window_begin(win, fn, skb, len, tuple->family, tuple->proto,
			 ftq_outcome_begin(dscp, dscp));
	win->tuple = tuple;
	win->first = NULL;
	win->queue = NULL;
	win->given.word = 0;
	win->gso = gso;
	win->odd = gso;
}

/* Device with a queue that the packet crossed, NULL: none that matters. */
static const struct net_device *ftq_window_queue(const struct ftq_window *win)
{
	return win->gso ? win->queue : NULL;
}

/*
 * Call the flowtables from @entry on, in order until one does not accept; @verdict is that
 * of those before. What became of the packet is counted.
 */
static noinline unsigned int
ftq_path_call(const struct nf_hook_entries *entries, const struct nf_hook_entry *entry,
	      struct sk_buff *skb, const struct nf_hook_state *state,
	      struct ftq_entered *ent, unsigned int verdict)
{
	struct ftq_window *win = &ent->win;
	struct ftq_packet *pkt = &ent->pkt;
	const struct nf_hook_entry *end;
	struct ftq_net *fn = win->fn;
	struct ftq_window *outer;
	struct ftq_learn *learn;
	nf_hookfn *hook;

	end = &entries->hooks[entries->num_hook_entries];
	outer = ftq_window_open(win);
	for (; (verdict & NF_VERDICT_MASK) == NF_ACCEPT && entry < end; entry++) {
		/* What is called is what was looked at, if the first one for a second time. */
		hook = READ_ONCE(entry->hook);
		if (!ftq_ident_known(hook))
			break;
		verdict = hook(READ_ONCE(entry->priv), skb, state);
	}
	ftq_window_close(outer);

	switch (verdict & NF_VERDICT_MASK) {
	case NF_STOLEN:
		/* The skb is gone. */
		ftq_path_taken(ent, pkt->segs, pkt->bytes, verdict);
		if (ent->cleared.changed)
			ftq_stat_add(&fn->stats, FTQ_STAT_PCP_CLEARED, pkt->segs);
		break;
	case NF_ACCEPT:
		ftq_path_restore(skb, &ent->cleared);
		if (!IS_ENABLED(CONFIG_NETFILTER_EGRESS))
			skb->priority = ent->cleared.prio;
		ftq_stat_add(&fn->stats, FTQ_STAT_MISSED, pkt->segs);
		learn = rcu_dereference(fn->learn);
		if (unlikely(learn) && ent->accounts)
			ftq_learn_arrived(learn, skb, win->tuple, win->outcome.dscp);
		break;
	}
	return verdict;
}

/* ftq_path_ingress() for any packet; @flowtable: behind our entry. */
static noinline unsigned int
ftq_path_ingress_any(const struct ftq_dev *fd, struct sk_buff *skb,
		     const struct nf_hook_state *state,
		     const struct nf_hook_entries *entries,
		     const struct nf_hook_entry *flowtable)
{
	/* What is read of these is set before; to zero them all takes its time. */
	struct ftq_entered ent __uninitialized;
	struct ftq_window *win = &ent.win;
	const struct ftq_target *target;
	const struct ftq_policy *policy;
	struct ftq_net *fn = fd->fn;

	switch (ftq_parse(skb, state->in, &ent.pkt)) {
	case FTQ_PARSED_IP:
		break;
	case FTQ_PARSED_BROKEN:
		ftq_stat_inc(&fn->stats, FTQ_STAT_NOT_PARSED);
		return NF_ACCEPT;
	case FTQ_PARSED_OTHER:
		return NF_ACCEPT;
	}

	ent.flow = NULL;
	ent.accounts = READ_ONCE(fn->flows.limit);
	policy = rcu_dereference(fd->policy);
	ftq_window_init(win, fn, skb, skb_is_gso(skb), &ent.pkt.tuple,
			skb_is_gso(skb) || ent.pkt.tuple.tunneled ? ent.pkt.len :
								    ent.pkt.bytes,
			ent.pkt.dscp);
	if (likely(policy)) {
		target = ftq_policy_target(policy, ent.pkt.key);
		if (unlikely(!ftq_path_class(target->trust, skb, &win->outcome)))
			ent.flow = ftq_ctmark_class(win, target, &ent.pkt, entries,
						    flowtable);
	}
	ftq_path_clear(skb, ent.pkt.tci, ent.pkt.vlan, &ent.cleared);
	if (!IS_ENABLED(CONFIG_NETFILTER_EGRESS))
		ftq_path_prio(skb, policy, win, &ent.cleared);
	return ftq_path_call(entries, flowtable, skb, state, &ent, NF_ACCEPT);
}

/*
 * ftq_path_ingress() for a packet that may be of the most common shape. All is the same
 * as for others, but what is not needed of it is not read, and what is known is not
 * asked. @flowtable: behind our entry; @hook: its function; @tagged: there is a tag in the
 * skb; @accounts: flows are accounted; @usual: there is no tag, and the device trusts DSCPs.
 */
static __always_inline unsigned int
ftq_path_ingress_simple(const struct ftq_dev *fd, struct sk_buff *skb,
			const struct nf_hook_state *state,
			const struct nf_hook_entries *entries,
			const struct nf_hook_entry *flowtable, nf_hookfn *hook, u8 family,
			bool tagged, bool accounts, bool usual)
{
	struct ftq_entered ent __uninitialized;
	struct ftq_window *win = &ent.win;
	struct ftq_simple pkt __uninitialized;
	const struct ftq_policy *policy;
	struct ftq_net *fn = fd->fn;
	struct ftq_flow *flow = NULL;
	unsigned int verdict;
	u16 vid = 0;
	u64 key = 0;
	u8 trust;

	trust = usual ? NF_FLOW_QOS_TRUST_DSCP : READ_ONCE(fd->trust);
	if (tagged) {
		vid = skb_vlan_tag_get_id(skb);
		key = ftq_key_inside(0, skb->vlan_proto, vid);
		policy = rcu_dereference(fd->policy);
		if (likely(policy))
			trust = ftq_policy_target(policy, key)->trust;
	}
	/*
	 * VID 0 may be a priority, and no VLAN. For the conntrack mark all of the packet is
	 * wanted, and that here would cost others.
	 */
	if (unlikely((tagged && !vid) || trust == NF_FLOW_QOS_TRUST_CTMARK ||
		     !ftq_parse_simple(skb, state->in, family, vid, &pkt)))
		return ftq_path_ingress_any(fd, skb, state, entries, flowtable);

	if (accounts)
		flow = ftq_flow_last(&fn->flows, &pkt, family);
	if (accounts && !flow) {
		ftq_parse_words(&pkt, &ent.pkt.tuple);
		ftq_parse_fill(&pkt, family, &ent.pkt);
	}
	ftq_window_begin(win, fn, skb, pkt.bytes, family, pkt.l4proto,
			 ftq_outcome_begin(pkt.dscp, accounts ? pkt.dscp : 0));
	if (accounts) {
		win->tuple = flow ? &flow->tuple : &ent.pkt.tuple;
		win->given.word = 0;
		win->flags = flow ? 0 : ftq_window_expected.flags;
	}
	if (!usual)
		ftq_path_class(trust, skb, &win->outcome);
	if (tagged) {
		ent.cleared.changed = 0;
		ftq_path_clear_outer(skb, true, &ent.cleared);
	}
	if (!IS_ENABLED(CONFIG_NETFILTER_EGRESS))
		ftq_path_prio(skb, rcu_dereference(fd->policy), win, &ent.cleared);

	ent.accounts = accounts;
	if (accounts)
		ent.flow = flow;
	ent.entries = entries;
	ent.entry = flowtable;
	ent.skb = skb;
	ent.state = state;
	ent.outer = ftq_window_open(win);
	verdict = hook(READ_ONCE(flowtable->priv), skb, state);
	ftq_window_close(ent.outer);

	if (likely((verdict & NF_VERDICT_MASK) == NF_STOLEN)) {
		if (tagged && ent.cleared.changed)
			ftq_stat_inc(&win->fn->stats, FTQ_STAT_PCP_CLEARED);
		if (accounts && unlikely(!ent.flow))
			return ftq_path_taken(&ent, 1, win->len, verdict);
		if (accounts)
			ftq_flow_add(ent.flow, 1, win->len, win);
		ftq_path_count(win->fn, win, 1, win->len);
		return verdict;
	}

	/* Not its flow, and nobody else's here: it is as it came. */
	if (verdict == NF_ACCEPT &&
	    ent.entry + 1 == ent.entries->hooks + ent.entries->num_hook_entries &&
	    !(tagged && ent.cleared.changed) && IS_ENABLED(CONFIG_NETFILTER_EGRESS) &&
	    likely(!READ_ONCE(win->fn->learning))) {
		ftq_stat_inc(&win->fn->stats, FTQ_STAT_MISSED);
		return verdict;
	}

	/* No more is wanted of it if its flow is known. */
	if (!accounts)
		ent.flow = NULL;
	ent.pkt.segs = 1;
	ent.pkt.bytes = win->len;
	if (!tagged)
		ent.cleared.changed = 0;
	return ftq_path_call(ent.entries, ent.entry + 1, ent.skb, ent.state, &ent, verdict);
}

/* Apart, so that none of them has more to save than it needs. */
static noinline unsigned int
ftq_path_ingress_ipv4(const struct ftq_dev *fd, struct sk_buff *skb,
		      const struct nf_hook_state *state,
		      const struct nf_hook_entries *entries,
		      const struct nf_hook_entry *flowtable, nf_hookfn *hook)
{
	return ftq_path_ingress_simple(fd, skb, state, entries, flowtable, hook,
				       NFPROTO_IPV4, false, true, true);
}

/* The same where no flows are accounted. */
static noinline unsigned int
ftq_path_ingress_ipv4_only(const struct ftq_dev *fd, struct sk_buff *skb,
			   const struct nf_hook_state *state,
			   const struct nf_hook_entries *entries,
			   const struct nf_hook_entry *flowtable, nf_hookfn *hook)
{
	return ftq_path_ingress_simple(fd, skb, state, entries, flowtable, hook,
				       NFPROTO_IPV4, false, false, true);
}

static noinline unsigned int
ftq_path_ingress_ipv6(const struct ftq_dev *fd, struct sk_buff *skb,
		      const struct nf_hook_state *state,
		      const struct nf_hook_entries *entries,
		      const struct nf_hook_entry *flowtable, nf_hookfn *hook)
{
	return ftq_path_ingress_simple(fd, skb, state, entries, flowtable, hook,
				       NFPROTO_IPV6, false, READ_ONCE(fd->fn->flows.limit),
				       true);
}

static noinline unsigned int
ftq_path_ingress_tagged(const struct ftq_dev *fd, struct sk_buff *skb,
			const struct nf_hook_state *state,
			const struct nf_hook_entries *entries,
			const struct nf_hook_entry *flowtable, nf_hookfn *hook)
{
	bool accounts = READ_ONCE(fd->fn->flows.limit);

	if (skb->protocol == htons(ETH_P_IP))
		return ftq_path_ingress_simple(fd, skb, state, entries, flowtable, hook,
					       NFPROTO_IPV4, true, accounts, false);
	if (skb->protocol == htons(ETH_P_IPV6))
		return ftq_path_ingress_simple(fd, skb, state, entries, flowtable, hook,
					       NFPROTO_IPV6, true, accounts, false);
	return ftq_path_ingress_any(fd, skb, state, entries, flowtable);
}

/* Without a tag, on a device that does not trust DSCPs. */
static noinline unsigned int
ftq_path_ingress_trust(const struct ftq_dev *fd, struct sk_buff *skb,
		       const struct nf_hook_state *state,
		       const struct nf_hook_entries *entries,
		       const struct nf_hook_entry *flowtable, nf_hookfn *hook)
{
	bool accounts = READ_ONCE(fd->fn->flows.limit);

	if (skb->protocol == htons(ETH_P_IP))
		return ftq_path_ingress_simple(fd, skb, state, entries, flowtable, hook,
					       NFPROTO_IPV4, false, accounts, false);
	if (skb->protocol == htons(ETH_P_IPV6))
		return ftq_path_ingress_simple(fd, skb, state, entries, flowtable, hook,
					       NFPROTO_IPV6, false, accounts, false);
	return ftq_path_ingress_any(fd, skb, state, entries, flowtable);
}

/* ftq_path_ingress() where hooks are not where the last packet has found them. */
static noinline unsigned int
ftq_path_ingress_moved(struct ftq_ingress *in, struct sk_buff *skb,
		       const struct nf_hook_state *state,
		       const struct nf_hook_entries *entries)
{
	const struct nf_hook_entry *entry;
	nf_hookfn *hook;
	unsigned int i;

	i = ftq_path_find_behind(entries, in);
	if (i < entries->num_hook_entries) {
		entry = &entries->hooks[i];
		hook = READ_ONCE(entry->hook);
		if (ftq_ident_known(hook)) {
			WRITE_ONCE(in->known, hook);
			return ftq_path_ingress_any(in->fd, skb, state, entries, entry);
		}
	}
	ftq_hook_kick(in->fd);
	return NF_ACCEPT;
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
	const struct nf_hook_entries *entries;
	const struct nf_hook_entry *entry;
	struct ftq_ingress *in = priv;
	const struct ftq_dev *fd;
	unsigned long behind;
	nf_hookfn *hook;

	/* Read for every packet: the blob is replaced whenever a hook comes. */
	entries = rcu_dereference(state->in->nf_hooks_ingress);
	if (unlikely(!entries))
		return NF_ACCEPT;
	behind = READ_ONCE(in->behind);
	if (unlikely(behind >= entries->num_hook_entries))
		return ftq_path_ingress_moved(in, skb, state, entries);
	entry = &entries->hooks[behind];
	/* Else its address would be found out twice. */
	OPTIMIZER_HIDE_VAR(entry);
	if (unlikely(!ftq_path_is_entry(entry - 1, priv)))
		return ftq_path_ingress_moved(in, skb, state, entries);
	/* Once: the core rewrites the function of a hook that goes in place. */
	hook = READ_ONCE(entry->hook);
	if (unlikely(hook != READ_ONCE(in->known)))
		return ftq_path_ingress_moved(in, skb, state, entries);

	fd = in->fd;
	if (unlikely(skb_vlan_tag_present(skb)))
		return ftq_path_ingress_tagged(fd, skb, state, entries, entry, hook);
	if (unlikely(READ_ONCE(fd->trust) != NF_FLOW_QOS_TRUST_DSCP))
		return ftq_path_ingress_trust(fd, skb, state, entries, entry, hook);
	if (likely(skb->protocol == htons(ETH_P_IP))) {
		/* Once: without it no addresses are read. */
		if (READ_ONCE(fd->fn->flows.limit))
			return ftq_path_ingress_ipv4(fd, skb, state, entries, entry, hook);
		return ftq_path_ingress_ipv4_only(fd, skb, state, entries, entry, hook);
	}
	if (skb->protocol == htons(ETH_P_IPV6))
		return ftq_path_ingress_ipv6(fd, skb, state, entries, entry, hook);
	return ftq_path_ingress_any(fd, skb, state, entries, entry);
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
	if (win->decided && win->first != fd)
		return true;
	return skb->skb_iif == (int)win->tuple->iif;
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
	u8 dscp, family, proto;

	if (!ftq_frame_ip(skb, frame, &dscp, &proto))
		return false;
	if (proto == IPPROTO_ESP || proto == IPPROTO_AH)
		return ftq_path_ipsec(win, fd, skb);
	if (!win->seen && !(frame->key & FTQ_KEY_SESSION))
		return false;
	if (frame->family == win->family && proto == win->proto)
		return true;
	return ftq_frame_inside(skb, frame, &family, &proto) &&
	       family == win->family && proto == win->proto;
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
	    family != win->family || proto != win->proto)
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
	if (fd->fn != win->fn)
		return false;
	/* Behind a queue the skb may be gone, and another be where it was. */
	if (skb == win->skb && (!ftq_window_queue(win) || skb_is_gso(skb)) &&
	    !ftq_path_reused(win, skb, frame)) {
		win->seen = state->out;
		win->esp = skb_is_gso(skb) &&
			   skb_shinfo(skb)->gso_type & SKB_GSO_ESP;
		return true;
	}
	if (win->seen == state->out)
		return false;
	if (!ftq_window_queue(win) && unlikely(ftq_path_renewed(win, skb, frame))) {
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

/* Priority and PCP; @learned has the DSCP only where that is set already. */
static __always_inline void ftq_path_use_learned(struct ftq_window *win,
						 const struct ftq_learned *learned,
						 unsigned int segs)
{
	struct ftq_action *action = &win->action;

	if (learned->has & NF_FLOW_QOS_ACTION_PRIO)
		action->prio = learned->prio;
	if (learned->has & NF_FLOW_QOS_ACTION_PCP)
		action->pcp = learned->pcp;
	action->keep &= ~learned->has;
	win->outcome.source = NF_FLOW_QOS_SOURCE_LEARNED;
	ftq_stat_add(&win->fn->stats, FTQ_STAT_LEARNED, segs);
}

/*
 * What was learned of the packet's flow comes before what the map has. Where the scope is
 * all its class is the DSCP that it had on the slow path, which was the class there.
 */
static noinline void ftq_path_learned(const struct ftq_target *target,
				      const struct ftq_map_table *table,
				      struct ftq_window *win)
{
	const struct ftq_entered *ent = container_of(win, struct ftq_entered, win);
	unsigned int segs = win->gso ? ent->pkt.segs : 1;
	bool known = win->tuple != &ent->pkt.tuple;
	struct ftq_action *action = &win->action;
	struct ftq_net *fn = win->fn;
	struct ftq_learned learned;

	if (unlikely(!ent->accounts)) {
		ftq_stat_add(&fn->stats, FTQ_STAT_FLOWS_DROPPED, segs);
		return;
	}
	/* A flow that cannot be accounted is the map's; it is counted then. */
	if (!known && unlikely(!ftq_flow_fits(&fn->flows, &ent->pkt)))
		return;
	if (!ftq_learn_find(fn, win->tuple, target->epoch, true, &learned))
		return;
	if (unlikely(learned.ambiguous)) {
		ftq_stat_add(&fn->stats, FTQ_STAT_LEARNED_AMBIGUOUS, segs);
		return;
	}

	if (learned.has & NF_FLOW_QOS_ACTION_DSCP) {
		if (target->scope == NF_FLOW_QOS_SCOPE_ALL &&
		    win->outcome.source == NF_FLOW_QOS_SOURCE_DSCP) {
			win->outcome.class = learned.dscp;
			*action = table->action[learned.dscp];
		}
		action->dscp = learned.dscp;
	}
	ftq_path_use_learned(win, &learned, segs);
}

/*
 * The first device whose binding has a map decides for the window's packet. @action: what
 * that has for its class.
 */
static __always_inline void ftq_path_decide(const struct ftq_dev *fd,
					    const struct ftq_target *target,
					    const struct ftq_action *action,
					    struct ftq_window *win)
{
	win->action = *action;
	win->given.oif = target->oif;
	win->first = fd;
	win->decided = true;
}

/* The same with what was learned. */
static void ftq_path_decide_all(const struct ftq_dev *fd, const struct ftq_target *target,
				struct ftq_window *win)
{
	const struct ftq_map_table *table = rcu_dereference(target->map->table);

	ftq_path_decide(fd, target, &table->action[win->outcome.class], win);
	if (target->sticky)
		ftq_path_learned(target, table, win);
}

/*
 * Is the DSCP written further down? With scope all what waited in a queue here is
 * not known any more when it comes to the device below, and has its class, and its
 * DSCP once, only if it still has that with which it came. Where that is not its class
 * there is nothing to wait for: what was learned would be lost.
 */
static bool ftq_path_late(const struct ftq_policy *policy, const struct ftq_target *target,
			  const struct ftq_window *win)
{
	return policy->hands_on && target->scope == NF_FLOW_QOS_SCOPE_ALL &&
	       win->outcome.source == NF_FLOW_QOS_SOURCE_DSCP;
}

/* Its DSCP will be this one, whether it waits here or not: told now, before it may go. */
static void ftq_path_tell_late(const struct sk_buff *skb, const struct ftq_frame *frame,
			       struct ftq_window *win)
{
	if (!(win->action.keep & NF_FLOW_QOS_ACTION_DSCP) && ftq_dscp_own(skb, frame, win))
		win->outcome.dscp_out = FTQ_DSCP_LATE | win->action.dscp;
}

static __always_inline void ftq_path_set_prio(struct sk_buff *skb,
					      struct ftq_window *win,
					      const struct ftq_action *action)
{
	if (action->keep & NF_FLOW_QOS_ACTION_PRIO)
		return;
	skb->priority = action->prio;
	win->given.prio = action->prio;
	win->outcome.done |= NF_FLOW_QOS_ACTION_PRIO;
}

/* The same of the DSCP. What has a tunnel's header outside, or IPsec's, keeps it. */
static void ftq_path_set_dscp(struct sk_buff *skb, const struct ftq_frame *frame,
			      struct ftq_window *win)
{
	if (!ftq_dscp_own(skb, frame, win) ||
	    !ftq_dscp_write(skb, frame, win->action.dscp))
		return;
	win->outcome.dscp_out = win->action.dscp;
	win->outcome.done |= NF_FLOW_QOS_ACTION_DSCP;
}

/* The packet in the window, or a segment of it. */
static void ftq_path_offloaded(const struct ftq_dev *fd, struct sk_buff *skb,
			       const struct nf_hook_state *state,
			       const struct ftq_frame *frame,
			       struct ftq_window *win)
{
	const struct ftq_policy *policy = rcu_dereference(fd->policy);
	const struct ftq_target *target;

	if (unlikely(!policy))
		return;
	if (!win->decided) {
		target = ftq_policy_target(policy, frame->key);
		if (!target->map)
			return;
		ftq_path_decide_all(fd, target, win);
		win->apart = win->seen != state->out;
		win->late = ftq_path_late(policy, target, win);
		if (win->late)
			ftq_path_tell_late(skb, frame, win);
	}

	/* Segments come to the highest device one by one. */
	if (win->first == fd)
		ftq_path_set_prio(skb, win, &win->action);
	if (!(win->action.keep & NF_FLOW_QOS_ACTION_DSCP) &&
	    (win->late ? !policy->hands_on : win->first == fd))
		ftq_path_set_dscp(skb, frame, win);
	if (!(win->action.keep & NF_FLOW_QOS_ACTION_PCP) &&
	    ftq_path_set_pcp(skb, state->out, frame, &win->action, true,
			     &win->outcome.pcp))
		win->outcome.done |= NF_FLOW_QOS_ACTION_PCP;
}

/*
 * Any other packet, on a device with a binding whose scope is all; @learned: what a rule
 * has given it, which stays. Forwarded and
 * bridged packets have been received, and no socket of this namespace has sent
 * them (a bridged one may still have that of a container). PPP devices make a
 * packet forget where it was received: behind a session all those without a
 * socket are taken for forwarded ones, and some that the kernel itself sends are
 * among these (answers of nft's reject, IGMP): they get a PCP there, but no DSCP, which
 * the PPP device's own packets were given. Nor does what may be IPsec's of the router
 * itself: a forwarded packet that a policy leads to IPsec still says that it was
 * received.
 */
static noinline void ftq_path_forwarded(const struct ftq_dev *fd,
					struct sk_buff *skb,
					const struct nf_hook_state *state,
					const struct ftq_frame *frame, u8 learned)
{
	const struct ftq_policy *policy = rcu_dereference(fd->policy);
	struct ftq_stats *stats = &fd->fn->stats;
	unsigned int segs = skb_is_gso(skb) ? skb_shinfo(skb)->gso_segs ?: 1 : 1;
	const struct ftq_map_table *table;
	const struct ftq_target *target;
	struct ftq_action action;
	u8 class, dscp, proto, pcp, done = 0;

	if (!policy || skb_shared(skb) ||
	    (skb->sk && net_eq(sock_net(skb->sk), state->net)) ||
	    !(skb->skb_iif || frame->key & FTQ_KEY_SESSION))
		return;
	target = ftq_policy_target(policy, frame->key);
	if (!target->map || target->scope != NF_FLOW_QOS_SCOPE_ALL ||
	    !ftq_frame_ip(skb, frame, &dscp, &proto))
		return;

	table = rcu_dereference(target->map->table);
	class = dscp;
	/* Below a PPP device it has the new DSCP already. */
	if (unlikely(table->rewrites && !skb->skb_iif) &&
	    !ftq_dscp_ipsec(skb, frame, proto))
		class = ftq_dscp_class(table, dscp, skb->priority);
	action = table->action[class];
	action.keep |= learned;

	/*
	 * Routed packets with a tag or a session have crossed the device that it
	 * is of, and were given it before that one's tc and qdisc.
	 */
	if (!(action.keep & NF_FLOW_QOS_ACTION_PRIO) &&
	    (!frame->key || netif_is_bridge_port(state->out))) {
		skb->priority = action.prio;
		done |= NF_FLOW_QOS_ACTION_PRIO;
	}
	if (!(action.keep & NF_FLOW_QOS_ACTION_DSCP) && !policy->hands_on &&
	    skb->skb_iif && !ftq_dscp_ipsec(skb, frame, proto) &&
	    ftq_dscp_write(skb, frame, action.dscp))
		done |= NF_FLOW_QOS_ACTION_DSCP;
	if (!(action.keep & NF_FLOW_QOS_ACTION_PCP) &&
	    ftq_path_set_pcp(skb, state->out, frame, &action, false, &pcp))
		done |= NF_FLOW_QOS_ACTION_PCP;
	if (done)
		ftq_stat_done(stats, done, segs);
}

/* A packet that no flowtable took, on a device where that matters. */
static noinline void ftq_path_slow(const struct ftq_dev *fd, struct sk_buff *skb,
				   const struct nf_hook_state *state,
				   const struct ftq_frame *frame)
{
	const struct ftq_policy *policy = rcu_dereference(fd->policy);
	const struct ftq_target *target;
	u8 learned = 0;

	if (!policy)
		return;
	target = ftq_policy_target(policy, frame->key);
	if (!target->map)
		return;
	if (target->sticky)
		learned = ftq_learn_packet(fd->fn, skb, state->out, frame, policy,
					   target);
	ftq_path_forwarded(fd, skb, state, frame, learned);
	ftq_learn_left(fd->fn, skb, state->out, frame);
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
			win->odd = true;
		ftq_path_offloaded(fd, skb, state, &frame, win);
		if (win->gso && !win->queue && ftq_path_queues(state->out))
			win->queue = state->out;
	} else if (READ_ONCE(fd->slow)) {
		ftq_path_slow(fd, skb, state, &frame);
	}
	return NF_ACCEPT;
}

/* ftq_path_set_dscp() on the highest device, of a frame that nobody has read */
static noinline void ftq_path_give_dscp(const struct ftq_dev *fd, struct sk_buff *skb,
					const struct nf_hook_state *state,
					struct ftq_window *win,
					const struct ftq_target *target)
{
	const struct ftq_policy *policy = rcu_dereference(fd->policy);
	struct ftq_frame frame;

	ftq_frame_read(skb, state->out, &frame);
	if (policy && ftq_path_late(policy, target, win)) {
		/* On the devices below all there is has to be looked at. */
		win->late = true;
		ftq_path_tell_late(skb, &frame, win);
		return;
	}
	ftq_path_set_dscp(skb, &frame, win);
	/* The frame may have been copied. */
	win->bare = skb->data;
}

/*
 * For frames without a tag in their bytes, once it is decided what they get. @tagged: it
 * is known that there is one in the skb.
 */
static __always_inline unsigned int
ftq_path_give_pcp(struct ftq_dev *fd, struct sk_buff *skb,
		  const struct nf_hook_state *state, struct ftq_window *win,
		  const struct ftq_action *action, bool tagged)
{
	if (action->keep & NF_FLOW_QOS_ACTION_PCP || (!tagged && !skb_vlan_tag_present(skb)))
		return NF_ACCEPT;
	if (unlikely(action->pcp == NF_FLOW_QOS_PCP_VLAN))
		return ftq_path_egress_any(fd, skb, state);
	win->outcome.done |= NF_FLOW_QOS_ACTION_PCP;
	ftq_path_tag(skb, action->pcp);
	win->outcome.pcp = action->pcp;
	return NF_ACCEPT;
}

/* ftq_path_give() where more is to be done than that does. */
static noinline unsigned int
ftq_path_give_all(struct ftq_dev *fd, struct sk_buff *skb, const struct nf_hook_state *state,
		  struct ftq_window *win, const struct ftq_target *target)
{
	win->bare = skb->data;
	ftq_path_decide_all(fd, target, win);
	ftq_path_set_prio(skb, win, &win->action);
	if (!(win->action.keep & NF_FLOW_QOS_ACTION_DSCP))
		ftq_path_give_dscp(fd, skb, state, win, target);
	return ftq_path_give_pcp(fd, skb, state, win, &win->action, false);
}

/*
 * Decide, and give both priority and PCP, by number, to a packet that @win->flags are 0 of: no
 * more is done to it. @tagged: it is known that there is a tag in the skb.
 */
static __always_inline void
ftq_path_give_usual(const struct ftq_dev *fd, struct sk_buff *skb, struct ftq_window *win,
		    const struct ftq_target *target, u32 prio, u8 pcp, bool tagged)
{
	u8 done = NF_FLOW_QOS_ACTION_PRIO;
	u16 tci = skb->vlan_tci;

	if (tagged || skb_vlan_tag_present(skb)) {
		skb->vlan_tci = (tci & ~VLAN_PRIO_MASK) |
				(u16)pcp << VLAN_PRIO_SHIFT;
		win->outcome.pcp = pcp;
		done |= NF_FLOW_QOS_ACTION_PCP;
	}
	win->outcome.done = done;
	skb->priority = prio;
	win->given.prio = prio;
	win->given.oif = target->oif;
	win->first = fd;
	if (!FTQ_XMIT_LOWEST)
		win->bare = skb->data;
	win->flags = ftq_window_decided.flags;
}

/*
 * ftq_path_give() where the binding is sticky, for the next packet of a flow that is left its
 * DSCP.
 */
static noinline unsigned int
ftq_path_give_sticky(struct ftq_dev *fd, struct sk_buff *skb,
		     const struct nf_hook_state *state, struct ftq_window *win,
		     const struct ftq_target *target, bool tagged)
{
	const struct ftq_map_table *table = rcu_dereference(target->map->table);
	const struct ftq_action *action = &table->action[win->outcome.class];
	struct ftq_learned learned;
	u32 prio;
	u8 pcp;

	if (!action->usual ||
	    !ftq_learn_quick(win->fn, win->tuple, target->epoch, &learned))
		return ftq_path_give_all(fd, skb, state, win, target);
	prio = action->prio;
	pcp = action->pcp;
	win->action.word = action->word;
	if (learned.has) {
		if (learned.has & NF_FLOW_QOS_ACTION_PRIO)
			prio = learned.prio;
		if (learned.has & NF_FLOW_QOS_ACTION_PCP)
			pcp = learned.pcp;
		win->action.prio = prio;
		win->action.pcp = pcp;
		win->outcome.source = NF_FLOW_QOS_SOURCE_LEARNED;
		ftq_stat_inc(&win->fn->stats, FTQ_STAT_LEARNED);
	}
	ftq_path_give_usual(fd, skb, win, target, prio, pcp, tagged);
	return NF_ACCEPT;
}

/* ftq_path_give() where the class gets anything but both priority and PCP, by number. */
static noinline unsigned int
ftq_path_give_part(struct ftq_dev *fd, struct sk_buff *skb,
		   const struct nf_hook_state *state, struct ftq_window *win,
		   const struct ftq_target *target)
{
	const struct ftq_map_table *table = rcu_dereference(target->map->table);
	const struct ftq_action *action = &table->action[win->outcome.class];

	if (!(action->keep & NF_FLOW_QOS_ACTION_DSCP))
		return ftq_path_give_all(fd, skb, state, win, target);
	win->bare = skb->data;
	ftq_path_decide(fd, target, action, win);
	ftq_path_set_prio(skb, win, action);
	return ftq_path_give_pcp(fd, skb, state, win, action, false);
}

/*
 * On the highest device: decide, too. Whatever calls another function is elsewhere, so
 * that no register has to be saved for it. Nothing was done to the packet before, and
 * nobody has asked for more: @win->flags is 0. @tagged: it is known that there is a tag in
 * the skb.
 */
static __always_inline unsigned int
ftq_path_give(struct ftq_dev *fd, struct sk_buff *skb, const struct nf_hook_state *state,
	      struct ftq_window *win, const struct ftq_target *target, bool tagged)
{
	const struct ftq_map_table *table;
	const struct ftq_action *action;
	struct ftq_action copy;

	if (unlikely(target->sticky))
		return ftq_path_give_sticky(fd, skb, state, win, target, tagged);
	table = rcu_dereference(target->map->table);
	action = &table->action[win->outcome.class];
	if (unlikely(!action->usual))
		return ftq_path_give_part(fd, skb, state, win, target);
	copy.word = action->word;
	win->action.word = copy.word;
	ftq_path_give_usual(fd, skb, win, target, copy.prio, copy.pcp, tagged);
	return NF_ACCEPT;
}

/* ftq_path_egress() on a device with bound ones above it, of which the first is not meant. */
static noinline unsigned int
ftq_path_egress_upper(struct ftq_dev *fd, struct sk_buff *skb,
		      const struct nf_hook_state *state, struct ftq_window *win,
		      const struct ftq_policy *policy)
{
	const struct ftq_target *target;

	target = ftq_policy_target(policy, ftq_frame_key(skb));
	if (!target->map)
		return NF_ACCEPT;
	return ftq_path_give_all(fd, skb, state, win, target);
}

/* ftq_path_egress() for a packet whose flow will be looked up: that is fetched meanwhile. */
static noinline unsigned int
ftq_path_egress_expected(struct ftq_dev *fd, struct sk_buff *skb,
			 const struct nf_hook_state *state, struct ftq_window *win)
{
	struct ftq_entered *ent = container_of(win, struct ftq_entered, win);

	ftq_flow_expect(&win->fn->flows, &ent->pkt);
	win->flags = 0;
	return ftq_path_egress(fd, skb, state);
}

/* ftq_path_egress() for the window's packet if there is something to be known of it. */
static noinline unsigned int
ftq_path_egress_again(struct ftq_dev *fd, struct sk_buff *skb,
		      const struct nf_hook_state *state, struct ftq_window *win)
{
	const struct ftq_policy *policy;

	/* Seen already, and nothing was put before it since then? */
	if (!FTQ_XMIT_LOWEST && win->flags == ftq_window_decided.flags &&
	    skb->data == win->bare)
		return ftq_path_give_pcp(fd, skb, state, win, &win->action, false);
	if (win->flags == ftq_window_expected.flags)
		return ftq_path_egress_expected(fd, skb, state, win);
	if (win->odd || win->late || !ftq_frame_bare(skb, state->out))
		return ftq_path_egress_any(fd, skb, state);
	win->bare = skb->data;
	if (win->decided)
		return ftq_path_give_pcp(fd, skb, state, win, &win->action, false);
	policy = rcu_dereference(fd->policy);
	if (unlikely(!policy))
		return NF_ACCEPT;
	return ftq_path_egress_upper(fd, skb, state, win, policy);
}

/**
 * ftq_path_egress() - give the packet in the window what its class gets
 * @priv: struct ftq_dev
 * @skb: packet, with its link layer header
 * @state: hook state
 *
 * Written for the packet that never was of several segments and has crossed no
 * tunnel's device, so that its address tells it, in an Ethernet frame with no tag
 * but the accelerated one, on the highest device. What is done to others is the same, after
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

	if (!win && likely(!READ_ONCE(fd->slow)))
		return NF_ACCEPT;
	if (unlikely(!win || skb != win->skb || fd->fn != win->fn))
		return ftq_path_egress_any(fd, skb, state);
	/* Seen before, or there is more to do: see struct ftq_window */
	if (unlikely(win->flags))
		return ftq_path_egress_again(fd, skb, state, win);
	if (unlikely(!ftq_frame_bare(skb, state->out)))
		return ftq_path_egress_any(fd, skb, state);

	policy = rcu_dereference(fd->policy);
	if (unlikely(!policy))
		return NF_ACCEPT;
	if (likely(ftq_frame_has(skb, policy->tpid, policy->vid)))
		return ftq_path_give(fd, skb, state, win, &policy->entry[0].target, true);
	if (unlikely(policy->nr))
		return ftq_path_egress_upper(fd, skb, state, win, policy);
	if (!policy->self.map)
		return NF_ACCEPT;
	return ftq_path_give(fd, skb, state, win, &policy->self, false);
}
