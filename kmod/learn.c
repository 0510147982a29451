// SPDX-License-Identifier: GPL-2.0
/*
 * Learned classes: what the slow path decided for the packets of a flow, field by
 * field, so that offloaded packets leave with the same.
 *
 *   ftq_path_ingress()                     slow path                ftq_path_egress()
 *   flowtable did not take it ---> conntrack, routing, rules ---> ftq_learn_packet()
 *         |                                                         |         |
 *   ftq_learn_arrived()                                             |         v
 *         |    DSCP and priority that it came with, on this CPU     |    entry of the
 *         +---------------------------------------------------------+  conntrack tuple
 *
 * An entry is found by the tuple of its conntrack entry and direction, which is that
 * of the packet as it enters, and so also that of the offloaded packet; the device is
 * no part of it, since on the slow path that is another one (VLAN, bridge). Nor is the
 * zone, which nobody knows of an offloaded packet: what is seen in two zones is
 * ambiguous and not used. For that, packets for which no rule spoke have an entry, too.
 *
 * Not a goal: to know better than the rules. The last packet of the slow path counts.
 */
#include <linux/atomic.h>
#include <linux/hash.h>
#include <linux/if_vlan.h>
#include <linux/jhash.h>
#include <linux/percpu.h>
#include <linux/rhashtable.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_zones.h>
#include <net/route.h>
#include <net/sock.h>

#include "binding.h"
#include "frame.h"
#include "learn.h"
#include "net.h"

/* Entries looked at in one go, so that the CPU is soon free again. */
#define FTQ_LEARN_SLICE		1024U

/* Jiffies in which a packet crosses the slow path, also on a virtual CPU that has to wait */
#define FTQ_LEARN_SOON		(1 + HZ / 5)

/**
 * struct ftq_arrival - a packet that goes to the slow path, as it came
 *
 * @skb: the packet, NULL: none; compared, never followed
 * @addrs: its addresses, folded; compared with those of conntrack: at this address in
 *	memory may be another packet by now
 * @ports: its ports, as in a tuple
 * @prio: skb->priority as it came, tags taken off, or behind the last egress hook that has
 *	seen it
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6
 * @proto: IP protocol
 * @dscp: DSCP, as @prio
 * @left: an egress hook has seen it, of a device whose binding decides
 * @when: jiffies when it came
 */
struct ftq_arrival {
	const struct sk_buff	*skb;
	u32			addrs[2];
	u32			ports;
	u32			prio;
	u8			family;
	u8			proto;
	u8			dscp;
	bool			left;
	unsigned long		when;
};

/*
 * Drivers hand packets over in lists, of which all cross the ingress hook before the
 * first goes on: 8 by default (net.core.gro_normal_batch).
 */
#define FTQ_LEARN_ARRIVALS_SHIFT	6

/**
 * struct ftq_learn_cpu - what one CPU remembers
 *
 * @arrival: packets that go to the slow path, by address; written and read in BH context
 *	with preemption off, since with PREEMPT_RT another task may come between
 * @of_flow: the same by flow, the last one of each, for packets that are in another skb
 *	by now: IPv6 makes one where a device wants more room for its header. Without
 *	@skb where it is not like those that came just before
 */
struct ftq_learn_cpu {
	struct ftq_arrival	arrival[1 << FTQ_LEARN_ARRIVALS_SHIFT];
	struct ftq_arrival	of_flow[1 << FTQ_LEARN_ARRIVALS_SHIFT];
};

/**
 * struct ftq_learn - what a namespace has learned
 *
 * Allocated with the first binding that wants it, under RTNL, freed with the namespace.
 *
 * @table: struct ftq_learn_entry by tuple
 * @cpu: of each CPU
 * @count: entries, at most the namespace's flow limit
 * @fn: namespace
 * @iter: where @age goes on; only @age has it
 * @age: forgets entries, in slices; queued while there may be any
 */
struct ftq_learn {
	struct rhashtable		table;
	struct ftq_learn_cpu __percpu	*cpu;
	atomic_t			count;
	struct ftq_net			*fn;
	struct rhashtable_iter		iter;
	struct delayed_work		age;
};

static u32 ftq_learn_hash(const void *key, u32 len, u32 seed)
{
	const struct ftq_tuple *tuple = key;

	seed += tuple->proto;
	if (likely(tuple->family == NFPROTO_IPV4))
		return jhash_3words(tuple->word[0], tuple->word[4],
				    tuple->word[FTQ_WORD_PORTS], seed);
	return jhash2(tuple->word, FTQ_WORD_PORTS + 1, seed);
}

/* The words of a tuple that conntrack's has, too. */
static __always_inline bool ftq_learn_is(const struct ftq_learn_entry *entry,
					 const struct ftq_tuple *b)
{
	const struct ftq_tuple *a = &entry->tuple;

	return a->word[FTQ_WORD_PORTS] == b->word[FTQ_WORD_PORTS] &&
	       a->words[0] == b->words[0] && a->words[2] == b->words[2] &&
	       a->words[1] == b->words[1] && a->words[3] == b->words[3] &&
	       a->proto == b->proto && a->family == b->family;
}

/* 0: they are the same. */
static int ftq_learn_cmp(struct rhashtable_compare_arg *arg, const void *obj)
{
	return !ftq_learn_is(obj, arg->key);
}

static const struct rhashtable_params ftq_learn_params = {
	.head_offset		= offsetof(struct ftq_learn_entry, node),
	.key_offset		= offsetof(struct ftq_learn_entry, tuple),
	.key_len		= sizeof(struct ftq_tuple),
	.hashfn			= ftq_learn_hash,
	.obj_cmpfn		= ftq_learn_cmp,
	.automatic_shrinking	= true,
};

static void ftq_learn_fold(const struct ftq_tuple *tuple, u32 *addrs)
{
	const u32 *word = tuple->word;

	addrs[0] = word[0] ^ word[1] ^ word[2] ^ word[3];
	addrs[1] = word[4] ^ word[5] ^ word[6] ^ word[7];
}

/* Context: preemption off. */
static struct ftq_arrival *ftq_learn_slot(struct ftq_learn *learn,
					  const struct sk_buff *skb)
{
	struct ftq_learn_cpu *cpu = this_cpu_ptr(learn->cpu);

	return &cpu->arrival[hash_ptr(skb, FTQ_LEARN_ARRIVALS_SHIFT)];
}

/* The same by flow. */
static struct ftq_arrival *ftq_learn_slot_of_flow(struct ftq_learn *learn,
						  const struct ftq_arrival *arrival)
{
	struct ftq_learn_cpu *cpu = this_cpu_ptr(learn->cpu);
	u32 flow = arrival->addrs[0] ^ arrival->addrs[1] ^ arrival->ports;

	return &cpu->of_flow[hash_32(flow, FTQ_LEARN_ARRIVALS_SHIFT)];
}

static bool ftq_learn_same_flow(const struct ftq_arrival *a, const struct ftq_arrival *b)
{
	return a->ports == b->ports && a->addrs[0] == b->addrs[0] &&
	       a->addrs[1] == b->addrs[1] && a->proto == b->proto &&
	       a->family == b->family;
}

/* Can a packet that came then still be on its way, if it has not to wait? */
static bool ftq_learn_recent(const struct ftq_arrival *arrival)
{
	/* With 32 bits time_before() takes what was weeks ago for what is to come. */
	return jiffies - arrival->when < FTQ_LEARN_SOON;
}

/* The priority with which a VLAN device hands on what comes with this TCI. */
static u32 ftq_learn_vlan_prio(const struct net_device *vlan, u16 tci)
{
#if IS_ENABLED(CONFIG_VLAN_8021Q)
	return vlan_dev_priv(vlan)->ingress_priority_map[tci >> VLAN_PRIO_SHIFT];
#else
	return 0;
#endif
}

/*
 * The priority that a packet has behind the VLAN devices that take its tags off, if no rule
 * says otherwise: that of the last one's ingress-qos-map, whatever it was before. Only
 * the ingress hook sees the PCPs.
 */
static u32 ftq_learn_arriving_prio(const struct sk_buff *skb)
{
	const struct vlan_hdr *inner;
	u32 prio = skb->priority;
	struct net_device *vlan;
	struct vlan_hdr _inner;

	if (likely(!skb_vlan_tag_present(skb)))
		return prio;
	vlan = __vlan_find_dev_deep_rcu(skb->dev, skb->vlan_proto, skb_vlan_tag_get_id(skb));
	if (!vlan || !is_vlan_dev(vlan))
		return prio;
	prio = ftq_learn_vlan_prio(vlan, skb_vlan_tag_get(skb));
	if (likely(!eth_type_vlan(skb->protocol)))
		return prio;

	inner = skb_header_pointer(skb, 0, sizeof(_inner), &_inner);
	if (!inner)
		return prio;
	vlan = __vlan_find_dev_deep_rcu(vlan, skb->protocol,
					ntohs(inner->h_vlan_TCI) & VLAN_VID_MASK);
	if (!vlan || !is_vlan_dev(vlan))
		return prio;
	return ftq_learn_vlan_prio(vlan, ntohs(inner->h_vlan_TCI));
}

/**
 * ftq_learn_arrived() - note how a packet came that goes to the slow path
 * @learn: of the namespace
 * @skb: packet, as it came
 * @tuple: as it entered
 * @dscp: its DSCP; in a tunnel that of the header outside
 *
 * Context: RCU, BH.
 */
void ftq_learn_arrived(struct ftq_learn *learn, const struct sk_buff *skb,
		       const struct ftq_tuple *tuple, u8 dscp)
{
	struct ftq_arrival at = {
		.skb	= skb,
		.ports	= tuple->word[FTQ_WORD_PORTS],
		.family	= tuple->family,
		.proto	= tuple->proto,
		.dscp	= dscp,
		.when	= jiffies,
	};
	struct ftq_arrival *flow;

	if (!READ_ONCE(learn->fn->learning))
		return;
	at.prio = ftq_learn_arriving_prio(skb);
	/* Of what is inside a tunnel nobody has looked at the DSCP. */
	if (tuple->tunneled)
		at.skb = NULL;
	ftq_learn_fold(tuple, at.addrs);
	preempt_disable();
	*ftq_learn_slot(learn, skb) = at;
	flow = ftq_learn_slot_of_flow(learn, &at);
	if (ftq_learn_same_flow(flow, &at) && ftq_learn_recent(flow) &&
	    (!flow->skb || flow->dscp != at.dscp || flow->prio != at.prio))
		at.skb = NULL;
	*flow = at;
	preempt_enable();
}

/*
 * Is this the first device with a hook that a packet leaves through, if nobody remembers
 * it? What comes from one above (VLAN device, bond, bridge, macvlan) a hook there may have
 * changed.
 */
static bool ftq_learn_highest(const struct ftq_policy *policy, const struct ftq_frame *frame)
{
	return !frame->key && !policy->shared;
}

/*
 * How a packet came. @highest is set if it is at the first hook that it leaves through.
 * False: how it came is not known.
 */
static bool ftq_learn_arrival(struct ftq_learn *learn, const struct sk_buff *skb,
			      const struct ftq_tuple *tuple,
			      const struct ftq_policy *policy,
			      const struct ftq_frame *frame,
			      struct ftq_arrival *arrival, bool *highest)
{
	struct ftq_arrival flow = {
		.ports	= tuple->word[FTQ_WORD_PORTS],
		.family	= tuple->family,
		.proto	= tuple->proto,
	};
	bool known;

	ftq_learn_fold(tuple, flow.addrs);
	preempt_disable();
	*arrival = *ftq_learn_slot(learn, skb);
	known = arrival->skb == skb && ftq_learn_same_flow(arrival, &flow);
	*highest = known ? !arrival->left : ftq_learn_highest(policy, frame);
	if (!known && *highest) {
		/* In another skb it comes soon, or is not known. */
		*arrival = *ftq_learn_slot_of_flow(learn, &flow);
		known = arrival->skb && ftq_learn_recent(arrival) &&
			ftq_learn_same_flow(arrival, &flow);
		if (known) {
			arrival->skb = skb;
			*ftq_learn_slot(learn, skb) = *arrival;
		}
	}
	preempt_enable();
	return known;
}

/**
 * ftq_learn_left() - note how a packet goes on behind an egress hook
 * @fn: namespace
 * @skb: packet that no flowtable took
 * @out: device
 * @frame: filled by ftq_frame_read()
 *
 * So that what the map, or a rule on this device, gives it is told from what a rule on
 * the device below gives it.
 *
 * Context: RCU, BH.
 */
void ftq_learn_left(struct ftq_net *fn, const struct sk_buff *skb,
		    const struct net_device *out, const struct ftq_frame *frame)
{
	struct ftq_learn *learn = rcu_dereference(fn->learn);
	struct ftq_arrival *at;
	u8 dscp, proto;

	if (!learn || !READ_ONCE(fn->learning) || !ftq_frame_ip(skb, frame, &dscp, &proto))
		return;

	preempt_disable();
	at = ftq_learn_slot(learn, skb);
	if (at->skb == skb) {
		/* On its last device: what has this address next is another packet. */
		if (list_empty(&out->adj_list.lower))
			at->skb = NULL;
		at->prio = skb->priority;
		at->dscp = dscp;
		at->left = true;
	}
	preempt_enable();
}

/*
 * The tuple and the zone by which a packet of the slow path is learned from. False: it is
 * not. RELATED are ICMP errors and what nft's reject sends; the packets of the router
 * itself have a socket, or were not received; on a bridge conntrack may have an entry
 * (br_netfilter, nf_conntrack_bridge) of packets that are not routed, whose device is
 * the port that they came through.
 */
static bool ftq_learn_tuple(const struct sk_buff *skb, struct net *net,
			    struct ftq_tuple *tuple, u16 *zone)
{
	const struct nf_conntrack_tuple *from;
	enum ip_conntrack_info ctinfo;
	const struct net_device *dev;
	enum ip_conntrack_dir dir;
	const struct nf_conn *ct;

	ct = nf_ct_get(skb, &ctinfo);
	if (!ct || ctinfo == IP_CT_RELATED || ctinfo == IP_CT_RELATED_REPLY ||
	    !nf_ct_is_confirmed(ct))
		return false;
	if (!skb->skb_iif || (skb->sk && net_eq(sock_net(skb->sk), net)))
		return false;
	dev = dev_get_by_index_rcu(net, skb->skb_iif);
	if (!dev || netif_is_bridge_port(dev))
		return false;

	dir = CTINFO2DIR(ctinfo);
	from = &ct->tuplehash[dir].tuple;
	switch (from->dst.protonum) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		break;
	case IPPROTO_GRE:
		/* No flowtable takes one with a key. */
		if (!from->src.u.all && !from->dst.u.all)
			break;
		fallthrough;
	default:
		return false;
	}

	memset(tuple, 0, sizeof(*tuple));
	memcpy(tuple->src, from->src.u3.all, sizeof(tuple->src));
	memcpy(tuple->dst, from->dst.u3.all, sizeof(tuple->dst));
	tuple->sport = from->src.u.all;
	tuple->dport = from->dst.u.all;
	tuple->family = from->src.l3num;
	tuple->proto = from->dst.protonum;
	*zone = nf_ct_zone_id(nf_ct_zone(ct), dir);
	return true;
}

/* Of several that want to remove it one does. */
static void ftq_learn_remove(struct ftq_learn *learn, struct ftq_learn_entry *entry)
{
	if (rhashtable_remove_fast(&learn->table, &entry->node, ftq_learn_params))
		return;
	/* Who sees this no longer finds it: pairs with ftq_learn_last(). Fully ordered. */
	atomic_long_inc_return(&learn->fn->learn_gen);
	atomic_dec(&learn->count);
	ftq_net_give(learn->fn, 1);
	kfree_rcu(entry, rcu);
}

/*
 * Has conntrack an entry of this tuple in that zone? One that has expired, which up to
 * 6.12 those of offloaded flows may for a moment after a packet of the slow path, ends by
 * being asked for, as it does by any packet and by who lists it.
 */
static bool ftq_learn_alive(struct net *net, const struct ftq_tuple *tuple, u16 zone_id)
{
	struct nf_conntrack_tuple_hash *found;
	struct nf_conntrack_tuple ct = { };
	struct nf_conntrack_zone zone;

	memcpy(ct.src.u3.all, tuple->src, sizeof(ct.src.u3.all));
	memcpy(ct.dst.u3.all, tuple->dst, sizeof(ct.dst.u3.all));
	ct.src.u.all = tuple->sport;
	ct.dst.u.all = tuple->dport;
	ct.src.l3num = tuple->family;
	ct.dst.protonum = tuple->proto;
	/* That of the tuple's direction, whichever it is */
	nf_ct_zone_init(&zone, zone_id, NF_CT_DEFAULT_ZONE_DIR, 0);
	found = nf_conntrack_find_get(net, &zone, &ct);
	if (!found)
		return false;
	nf_ct_put(nf_ct_tuplehash_to_ctrack(found));
	return true;
}

/*
 * A packet of zone @zone has come to an entry of another. False: nobody else has it any
 * more, it may go.
 */
static bool ftq_learn_share(struct net *net, struct ftq_learn_entry *entry, u16 zone)
{
	s32 other;

	/* Pairs with ftq_learn_clear_up(): the packet's conntrack entry can be found. */
	smp_mb();
	if (!READ_ONCE(entry->what.ambiguous)) {
		if (!ftq_learn_alive(net, &entry->tuple, entry->zone))
			return false;
		WRITE_ONCE(entry->other, zone);
		/* Who sees that it is ambiguous sees for whom: pairs with ftq_learn_clear_up(). */
		smp_store_release(&entry->what.ambiguous, true);
		return true;
	}
	other = READ_ONCE(entry->other);
	if (other != zone && other != FTQ_LEARN_ZONES) {
		WRITE_ONCE(entry->other, FTQ_LEARN_ZONES);
		/* Who clears it up sees that, or does not have the last word. */
		smp_mb();
		WRITE_ONCE(entry->what.ambiguous, true);
	}
	return true;
}

/* The entry of a tuple, made if it is not there. NULL: full, or no memory. */
static struct ftq_learn_entry *ftq_learn_entry(struct ftq_learn *learn,
					       const struct ftq_tuple *tuple, u16 zone)
{
	struct ftq_learn_entry *entry, *old;
	u32 limit;

	entry = rhashtable_lookup(&learn->table, tuple, ftq_learn_params);
	if (likely(entry))
		return entry;

	/* Read first: who floods a full table does not write to what all CPUs share. */
	limit = READ_ONCE(learn->fn->flows.limit);
	if (atomic_read(&learn->count) >= limit || ftq_net_full(learn->fn))
		return NULL;
	if (atomic_inc_return(&learn->count) > limit || !ftq_net_take(learn->fn))
		goto full;
	entry = kzalloc(sizeof(*entry), GFP_ATOMIC | __GFP_NOWARN);
	if (!entry)
		goto no_memory;
	entry->tuple = *tuple;
	entry->zone = zone;
	entry->last = jiffies;
	entry->what = ftq_learn_nothing;

	old = rhashtable_lookup_get_insert_fast(&learn->table, &entry->node,
						ftq_learn_params);
	if (unlikely(old)) {
		kfree(entry);
		ftq_net_give(learn->fn, 1);
		atomic_dec(&learn->count);
		return IS_ERR(old) ? NULL : old;
	}
	/* While it runs it may have seen no entries, but can be queued again. */
	if (!delayed_work_pending(&learn->age))
		queue_delayed_work(system_power_efficient_wq, &learn->age, HZ);
	return entry;

no_memory:
	ftq_net_give(learn->fn, 1);
full:
	atomic_dec(&learn->count);
	return NULL;
}

/* enum nf_flow_qos_action bits of what was learned. */
static u8 ftq_learn_has(union ftq_learn_what what)
{
	u8 has = 0;

	if (what.has_prio)
		has |= NF_FLOW_QOS_ACTION_PRIO;
	if (what.dscp != FTQ_LEARN_NOTHING)
		has |= NF_FLOW_QOS_ACTION_DSCP;
	if (what.pcp != FTQ_LEARN_NOTHING)
		has |= NF_FLOW_QOS_ACTION_PCP;
	return has;
}

/* What another binding has let be learned, or this one before it was less sticky. */
static void ftq_learn_renew(struct ftq_learn_entry *entry, u32 epoch)
{
	WRITE_ONCE(entry->what.has_prio, false);
	WRITE_ONCE(entry->what.dscp, FTQ_LEARN_NOTHING);
	WRITE_ONCE(entry->what.pcp, FTQ_LEARN_NOTHING);
	/* Who sees it sees no more of what was: pairs with ftq_learn_read(). */
	smp_store_release(&entry->epoch, epoch);
}

/* What the kernel alone would have given a packet that came like this. */
static u32 ftq_learn_own_prio(const struct net *net, const struct ftq_arrival *arrival)
{
	/* ip_forward() */
	if (!arrival->left && arrival->family == NFPROTO_IPV4 &&
	    READ_ONCE(net->ipv4.sysctl_ip_fwd_update_priority))
		return rt_tos2priority(arrival->dscp << 2);
	return arrival->prio;
}

static void ftq_learn_prio(struct ftq_learn_entry *entry, u32 prio)
{
	if (READ_ONCE(entry->what.has_prio) && READ_ONCE(entry->prio) == prio)
		return;
	WRITE_ONCE(entry->prio, prio);
	/* Who sees that there is one sees it: pairs with ftq_learn_read(). */
	smp_store_release(&entry->what.has_prio, true);
}

/*
 * The PCP that all tags of a frame have; an outermost accelerated one included.
 * False: it has none, or they differ.
 */
static bool ftq_learn_frame_pcp(const struct sk_buff *skb, const struct ftq_frame *frame,
				u8 *pcp)
{
	bool found = false;
	unsigned int i;
	__be16 _tci;
	const __be16 *tci;
	u8 next;

	if (skb_vlan_tag_present(skb)) {
		*pcp = skb_vlan_tag_get_prio(skb);
		found = true;
	}
	for (i = 0; i < frame->nr_tci; i++) {
		tci = skb_header_pointer(skb, frame->tci[i], sizeof(_tci), &_tci);
		if (!tci)
			return false;
		next = ntohs(*tci) >> VLAN_PRIO_SHIFT;
		if (found && next != *pcp)
			return false;
		*pcp = next;
		found = true;
	}
	return found;
}

/*
 * The PCP that the VLAN device directly above @out has given the outermost tag by
 * itself. False: there is none, as on a bridge's or a bond's port.
 */
static bool ftq_learn_own_pcp(const struct sk_buff *skb, struct net_device *out,
			      const struct ftq_frame *frame, u8 *pcp)
{
#if IS_ENABLED(CONFIG_VLAN_8021Q)
	struct net_device *vlan;

	vlan = __vlan_find_dev_deep_rcu(out, ftq_key_proto(frame->key),
					ftq_key_vid(frame->key));
	if (!vlan || !is_vlan_dev(vlan) || vlan_dev_priv(vlan)->real_dev != out)
		return false;
	*pcp = vlan_dev_get_egress_qos_mask(vlan, skb->priority) >> VLAN_PRIO_SHIFT;
	return true;
#else
	return false;
#endif
}

/* @all: as it is; else only where it differs from that of the VLAN device. */
static void ftq_learn_pcp(struct ftq_learn_entry *entry, const struct sk_buff *skb,
			  struct net_device *out, const struct ftq_frame *frame, bool all)
{
	u8 pcp, own;

	if (!(frame->key & FTQ_KEY_OUTER))
		return;
	if (!all && !ftq_learn_own_pcp(skb, out, frame, &own))
		return;
	if (!ftq_learn_frame_pcp(skb, frame, &pcp) || (!all && pcp == own))
		pcp = FTQ_LEARN_NOTHING;
	FTQ_UPDATE(entry->what.pcp, pcp);
}

/**
 * ftq_learn_packet() - note what the slow path decided for a packet that leaves
 * @fn: namespace
 * @skb: packet that no flowtable took
 * @out: device that it leaves through
 * @frame: filled by ftq_frame_read()
 * @policy: of the device
 * @target: binding that decides for it; its sticky is not off
 *
 * Priority and DSCP are compared with how the packet came at the highest device, and
 * with how it left that one on those below; where neither is known they are not
 * learned, unless all is. If another binding has decided above, this one learns nothing.
 * A packet that IPsec or a tunnel has put into another one has not that one's protocol.
 *
 * Context: RCU, BH.
 * Return: enum nf_flow_qos_action bits of what its flow has been given by rules.
 */
u8 ftq_learn_packet(struct ftq_net *fn, const struct sk_buff *skb, struct net_device *out,
		    const struct ftq_frame *frame, const struct ftq_policy *policy,
		    const struct ftq_target *target)
{
	bool known, highest, all = target->sticky == NF_FLOW_QOS_STICKY_ALL;
	struct ftq_learn *learn = rcu_dereference(fn->learn);
	struct ftq_learn_entry *entry;
	struct ftq_arrival arrival;
	union ftq_learn_what what;
	struct ftq_tuple tuple;
	u8 dscp, proto;
	u16 zone;

	/* With a limit of 0 nothing is noted of any flow. */
	if (!learn || !READ_ONCE(fn->flows.limit) ||
	    !ftq_learn_tuple(skb, fn->net, &tuple, &zone))
		return 0;
	if (!ftq_frame_ip(skb, frame, &dscp, &proto) ||
	    frame->family != tuple.family || proto != tuple.proto)
		return 0;

	known = ftq_learn_arrival(learn, skb, &tuple, policy, frame, &arrival, &highest);
	entry = ftq_learn_entry(learn, &tuple, zone);
	if (unlikely(entry && entry->zone != zone)) {
		if (ftq_learn_share(fn->net, entry, zone)) {
			FTQ_UPDATE(entry->last, jiffies);
			return 0;
		}
		ftq_learn_remove(learn, entry);
		entry = ftq_learn_entry(learn, &tuple, zone);
	}
	if (!entry) {
		/* Once, not on each device that it crosses. */
		if (highest)
			ftq_stat_inc(&fn->stats, FTQ_STAT_FLOWS_DROPPED);
		return 0;
	}
	if (READ_ONCE(entry->epoch) != target->epoch) {
		if (!highest)
			return 0;
		ftq_learn_renew(entry, target->epoch);
	}
	FTQ_UPDATE(entry->last, jiffies);

	if (all || (known && skb->priority != ftq_learn_own_prio(fn->net, &arrival)))
		ftq_learn_prio(entry, skb->priority);
	else if (known && highest)
		FTQ_UPDATE(entry->what.has_prio, false);

	if (all || (known && dscp != arrival.dscp))
		FTQ_UPDATE(entry->what.dscp, dscp);
	else if (known && highest)
		FTQ_UPDATE(entry->what.dscp, FTQ_LEARN_NOTHING);

	ftq_learn_pcp(entry, skb, out, frame, all);
	what.word = READ_ONCE(entry->what.word);
	return what.ambiguous ? 0 : ftq_learn_has(what);
}

/* The entry of an offloaded packet; mostly it is that of the packet before. */
static struct ftq_learn_entry *ftq_learn_use(struct ftq_net *fn, struct ftq_learn *learn,
					     const struct ftq_tuple *tuple)
{
	struct ftq_learn_entry *entry = ftq_learn_last(fn, tuple);
	struct ftq_flow_last *last;
	unsigned long gen;

	if (entry)
		return entry;
	/* Before the lookup: see ftq_learn_remove(). */
	gen = atomic_long_read_acquire(&fn->learn_gen);
	entry = rhashtable_lookup(&learn->table, tuple, ftq_learn_params);
	if (entry && ftq_learn_is_last(fn, tuple)) {
		last = this_cpu_ptr(fn->flows.last);
		last->learned = entry;
		last->learned_gen = gen;
	}
	return entry;
}

/**
 * ftq_learn_find() - what offloaded packets of a flow leave with
 * @fn: namespace
 * @tuple: of the flow, with its addresses
 * @epoch: of the binding that decides for these
 * @used: by a packet, which keeps it from being forgotten
 * @learned: filled if the answer is true
 *
 * Context: RCU, and BH if @used.
 * Return: false: nothing was learned, and it is not ambiguous.
 */
bool ftq_learn_find(struct ftq_net *fn, const struct ftq_tuple *tuple, u32 epoch,
		    bool used, struct ftq_learned *learned)
{
	struct ftq_learn *learn = rcu_dereference(fn->learn);
	struct ftq_learn_entry *entry;
	union ftq_learn_what what;

	if (unlikely(!learn))
		return false;
	entry = used ? ftq_learn_use(fn, learn, tuple) :
		       rhashtable_lookup(&learn->table, tuple, ftq_learn_params);
	if (!entry || !ftq_learn_read(entry, epoch, &what))
		return false;
	if (used)
		FTQ_UPDATE(entry->last, jiffies);

	learned->has = ftq_learn_has(what);
	learned->prio = READ_ONCE(entry->prio);
	learned->dscp = what.dscp;
	learned->pcp = what.pcp;
	learned->ambiguous = what.ambiguous;
	return learned->has || learned->ambiguous;
}

static bool ftq_learn_expired(const struct ftq_learn *learn,
			      const struct ftq_learn_entry *entry)
{
	unsigned long timeout = READ_ONCE(learn->fn->flows.timeout) * HZ;

	return time_after(jiffies, READ_ONCE(entry->last) + timeout);
}

/*
 * An entry that two zones have come to is one's again when the other's flow has ended. What
 * was learned is that of the entry's own zone; if that one's has ended there is nothing
 * of use in it.
 */
static void ftq_learn_clear_up(struct ftq_learn *learn, struct ftq_learn_entry *entry)
{
	struct net *net = learn->fn->net;
	s32 other;

	/* Pairs with ftq_learn_share(). */
	if (!smp_load_acquire(&entry->what.ambiguous))
		return;
	other = READ_ONCE(entry->other);
	if (other == FTQ_LEARN_ZONES)
		return;
	if (!ftq_learn_alive(net, &entry->tuple, entry->zone)) {
		ftq_learn_remove(learn, entry);
		return;
	}
	if (ftq_learn_alive(net, &entry->tuple, other))
		return;
	WRITE_ONCE(entry->what.ambiguous, false);
	/* Who came meanwhile and saw that it was ambiguous is found: see ftq_learn_share(). */
	smp_mb();
	if (READ_ONCE(entry->other) != other || ftq_learn_alive(net, &entry->tuple, other))
		WRITE_ONCE(entry->what.ambiguous, true);
}

/*
 * Look at a part of the entries, so that all are seen in a quarter of the timeout, and
 * at least once a second if they are few.
 */
static void ftq_learn_age(struct work_struct *work)
{
	struct ftq_learn *learn = container_of(to_delayed_work(work),
					       struct ftq_learn, age);
	u32 parts = max(READ_ONCE(learn->fn->flows.timeout) / 4, 1U);
	u32 todo = max(atomic_read(&learn->count) / parts, FTQ_LEARN_SLICE);
	struct ftq_learn_entry *entry;
	bool end = false;
	u32 i;

	while (todo && !end) {
		rhashtable_walk_start(&learn->iter);
		for (i = 0; i < FTQ_LEARN_SLICE && todo; i++, todo--) {
			entry = rhashtable_walk_next(&learn->iter);
			end = !entry;
			if (end)
				break;
			/* The table is replaced: some come again. */
			if (IS_ERR(entry))
				continue;
			if (ftq_learn_expired(learn, entry))
				ftq_learn_remove(learn, entry);
			else
				ftq_learn_clear_up(learn, entry);
		}
		rhashtable_walk_stop(&learn->iter);
		cond_resched();
	}
	if (end) {
		rhashtable_walk_exit(&learn->iter);
		rhashtable_walk_enter(&learn->table, &learn->iter);
	}
	if (atomic_read(&learn->count))
		queue_delayed_work(system_power_efficient_wq, &learn->age, HZ);
}

/**
 * ftq_learn_forget() - forget all that was learned
 * @fn: namespace
 *
 * Context: RTNL.
 */
void ftq_learn_forget(struct ftq_net *fn)
{
	struct ftq_learn *learn = rtnl_dereference(fn->learn);
	struct ftq_learn_entry *entry;
	struct rhashtable_iter iter;
	u32 i = 0;

	if (!learn || !atomic_read(&learn->count))
		return;

	rhashtable_walk_enter(&learn->table, &iter);
	rhashtable_walk_start(&iter);
	while ((entry = rhashtable_walk_next(&iter))) {
		if (!IS_ERR(entry))
			ftq_learn_remove(learn, entry);
		if (++i % FTQ_LEARN_SLICE)
			continue;
		rhashtable_walk_stop(&iter);
		cond_resched();
		rhashtable_walk_start(&iter);
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
}

/**
 * ftq_learn_want() - is there somebody who wants it learned
 * @fn: namespace
 * @wanted: a binding is sticky; without one it is not noted how packets arrive
 *
 * Context: RTNL.
 */
void ftq_learn_want(struct ftq_net *fn, bool wanted)
{
	/* Without memory for it nobody has become sticky. */
	WRITE_ONCE(fn->learning, wanted && rtnl_dereference(fn->learn));
}

/**
 * ftq_learn_start() - have memory for what is learned, before the first packet
 * @fn: namespace
 *
 * Context: RTNL.
 * Return: 0 or -ENOMEM.
 */
int ftq_learn_start(struct ftq_net *fn)
{
	struct ftq_learn *learn;

	if (rtnl_dereference(fn->learn))
		return 0;

	learn = kzalloc(sizeof(*learn), GFP_KERNEL_ACCOUNT);
	if (!learn)
		return -ENOMEM;
	learn->cpu = alloc_percpu_gfp(struct ftq_learn_cpu,
				      GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!learn->cpu || rhashtable_init(&learn->table, &ftq_learn_params)) {
		free_percpu(learn->cpu);
		kfree(learn);
		return -ENOMEM;
	}
	learn->fn = fn;
	INIT_DELAYED_WORK(&learn->age, ftq_learn_age);
	rhashtable_walk_enter(&learn->table, &learn->iter);
	rcu_assign_pointer(fn->learn, learn);
	return 0;
}

static void ftq_learn_free_entry(void *entry, void *arg)
{
	kfree(entry);
}

/**
 * ftq_learn_exit() - free what was learned
 * @fn: namespace; no packet is learned from, or looks, any more
 *
 * Context: process, not under RTNL (the work that ages entries is waited for).
 */
void ftq_learn_exit(struct ftq_net *fn)
{
	struct ftq_learn *learn = rcu_dereference_protected(fn->learn, 1);

	if (!learn)
		return;
	cancel_delayed_work_sync(&learn->age);
	rhashtable_walk_exit(&learn->iter);
	ftq_net_give(fn, atomic_read(&learn->count));
	rhashtable_free_and_destroy(&learn->table, ftq_learn_free_entry, NULL);
	free_percpu(learn->cpu);
	kfree(learn);
}
