/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_LEARN_H
#define FTQ_LEARN_H

#include <linux/rhashtable-types.h>
#include <linux/types.h>

#include "net.h"

struct ftq_frame;
struct ftq_learn;
struct ftq_policy;
struct ftq_target;
struct net_device;
struct sk_buff;

/* A DSCP or PCP that was not learned */
#define FTQ_LEARN_NOTHING	0xff

/* More zones than two */
#define FTQ_LEARN_ZONES		(-1)

/**
 * union ftq_learn_what - which fields were learned
 *
 * Written field by field, read as one.
 *
 * @has_prio: the priority, which is written before it and read behind it
 * @dscp: DSCP, or FTQ_LEARN_NOTHING
 * @pcp: PCP, or FTQ_LEARN_NOTHING
 * @ambiguous: seen in another zone as well, where it has not ended; stays if there were
 *	more
 * @word: all of it
 */
union ftq_learn_what {
	struct {
		bool	has_prio;
		u8	dscp;
		u8	pcp;
		bool	ambiguous;
	};
	u32		word;
};

static const union ftq_learn_what ftq_learn_nothing = {
	.dscp = FTQ_LEARN_NOTHING, .pcp = FTQ_LEARN_NOTHING,
};

/**
 * struct ftq_learn_entry - what was learned of one flow, one direction
 *
 * Found and inserted under RCU, freed a grace period after it was removed. The fields
 * from @last on but @zone are written by packets without a lock, each by itself: where
 * two packets of a flow are learned from at once, the last one counts.
 *
 * @node: entry of the table
 * @tuple: of conntrack; device, tags and session are 0. Never changes
 * @last: jiffies when it was learned or used last
 * @epoch: of the binding that has let it be learned; others do not use it, nor does
 *	that one once it has another. Written behind what is cleared for it
 * @what: which fields were learned
 * @prio: skb->priority, valid if @what.has_prio is set
 * @zone: conntrack zone of the direction, whose packets are learned from. Never changes
 * @other: zone that it was seen in as well, or FTQ_LEARN_ZONES; valid if @what.ambiguous is
 *	set, and written before
 * @rcu: frees it, once it is removed
 */
struct ftq_learn_entry {
	struct rhash_head	node;
	struct ftq_tuple	tuple;
	unsigned long		last;
	u32			epoch;
	union ftq_learn_what	what;
	u32			prio;
	u16			zone;
	s32			other;
	struct rcu_head		rcu;
};

/**
 * struct ftq_learned - what offloaded packets of a flow and direction leave with
 * @prio: skb->priority
 * @dscp: DSCP, 0..63
 * @pcp: PCP, 0..7
 * @has: enum nf_flow_qos_action bits of those that were learned
 * @ambiguous: it is not of one flow, and not to be used
 */
struct ftq_learned {
	u32	prio;
	u8	dscp;
	u8	pcp;
	u8	has;
	bool	ambiguous;
};

/**
 * ftq_learn_is_last() - is this the tuple of the flow that this CPU has seen last
 * @fn: namespace
 * @tuple: of a flow, or of a packet; compared only
 *
 * Context: RCU, BH.
 */
static __always_inline bool ftq_learn_is_last(const struct ftq_net *fn,
					      const struct ftq_tuple *tuple)
{
	return FTQ_FLOW_LAST && this_cpu_ptr(fn->flows.last)->flow ==
				container_of(tuple, const struct ftq_flow, tuple);
}

/**
 * ftq_learn_last() - what this CPU has found last, if it was of this flow
 * @fn: namespace
 * @tuple: of a flow that is not freed meanwhile, or of a packet
 *
 * Who removes an entry changes ftq_net->learn_gen before the grace period after which it
 * is freed.
 *
 * Context: RCU, BH.
 * Return: the entry, which stays until the end of the RCU section, or NULL: not known.
 */
static __always_inline struct ftq_learn_entry *
ftq_learn_last(const struct ftq_net *fn, const struct ftq_tuple *tuple)
{
	const struct ftq_flow_last *last;

	if (!ftq_learn_is_last(fn, tuple))
		return NULL;
	last = this_cpu_ptr(fn->flows.last);
	/* Pairs with ftq_learn_remove(). */
	if (last->learned_gen != atomic_long_read_acquire(&fn->learn_gen))
		return NULL;
	return last->learned;
}

/**
 * ftq_learn_read() - which fields count for a binding
 * @entry: entry
 * @epoch: of the binding
 * @what: filled if the answer is true; the priority is to be read after it
 *
 * Return: false: it is another binding's, or no longer this one's.
 */
static __always_inline bool ftq_learn_read(const struct ftq_learn_entry *entry, u32 epoch,
					   union ftq_learn_what *what)
{
	/* Pairs with ftq_learn_renew(). */
	if (smp_load_acquire(&entry->epoch) != epoch)
		return false;
	/* Pairs with ftq_learn_prio(). */
	what->word = smp_load_acquire(&entry->what.word);
	return true;
}

/**
 * ftq_learn_quick() - ftq_learn_find() for the next packet of the same flow
 * @fn: namespace
 * @tuple: of the flow; see ftq_learn_last()
 * @epoch: of the binding that decides
 * @learned: filled if the answer is true: priority and PCP, if any
 *
 * Context: RCU, BH.
 * Return: false: it is not the same flow, another binding's, ambiguous, or has a DSCP.
 */
static __always_inline bool ftq_learn_quick(const struct ftq_net *fn,
					    const struct ftq_tuple *tuple, u32 epoch,
					    struct ftq_learned *learned)
{
	struct ftq_learn_entry *entry = ftq_learn_last(fn, tuple);
	union ftq_learn_what what;

	if (!entry || !ftq_learn_read(entry, epoch, &what))
		return false;
	learned->has = 0;
	if (unlikely(what.word != ftq_learn_nothing.word)) {
		if (what.ambiguous || what.dscp != FTQ_LEARN_NOTHING)
			return false;
		if (what.has_prio)
			learned->has |= NF_FLOW_QOS_ACTION_PRIO;
		if (what.pcp != FTQ_LEARN_NOTHING)
			learned->has |= NF_FLOW_QOS_ACTION_PCP;
		learned->prio = READ_ONCE(entry->prio);
		learned->pcp = what.pcp;
	}
	FTQ_UPDATE(entry->last, jiffies);
	return true;
}

void ftq_learn_arrived(struct ftq_learn *learn, const struct sk_buff *skb,
		       const struct ftq_tuple *tuple, u8 dscp);
u8 ftq_learn_packet(struct ftq_net *fn, const struct sk_buff *skb, struct net_device *out,
		    const struct ftq_frame *frame, const struct ftq_policy *policy,
		    const struct ftq_target *target);
void ftq_learn_left(struct ftq_net *fn, const struct sk_buff *skb,
		    const struct net_device *out, const struct ftq_frame *frame);
bool ftq_learn_find(struct ftq_net *fn, const struct ftq_tuple *tuple, u32 epoch,
		    bool used, struct ftq_learned *learned);
int ftq_learn_start(struct ftq_net *fn);
void ftq_learn_exit(struct ftq_net *fn);
void ftq_learn_forget(struct ftq_net *fn);
void ftq_learn_want(struct ftq_net *fn, bool wanted);

#endif /* FTQ_LEARN_H */
