/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_FLOW_H
#define FTQ_FLOW_H

#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "parse.h"
#include "path.h"

#define FTQ_FLOW_LIMIT_DEFAULT		65536
#define FTQ_FLOW_TIMEOUT_DEFAULT	60

/**
 * struct ftq_flow - counters of one flow, one direction
 *
 * Linked under ftq_flows->lock and found under RCU; freed one grace period
 * after it was unlinked. The fields from @packets to @outcome are written by
 * packets without a lock (receive scaling keeps a flow on one CPU; where it does
 * not, the last writer wins), read by dumps, one by one.
 *
 * @node: entry of a bucket
 * @tuple: never changes
 * @packets: packets, a GSO packet counts as its segments
 * @bytes: IP bytes
 * @last: jiffies of the last packet
 * @given: to the last packet
 * @outcome: of the last packet
 * @hash: of @tuple
 * @ctmark: what the mark of its conntrack entry said and when that was read: see
 *	ftq_ctmark_class(). Written by packets, too; whole
 * @first: jiffies64 of the first packet; under ftq_flows->lock while linked,
 *	and until it is given to RCU
 * @id: grows with each flow; buckets are ordered by it, highest first; under
 *	ftq_flows->lock, while linked
 * @gone: of a flow that is unlinked, the next whose end is to be told; owned
 *	by who unlinked it
 * @rcu: frees the flow, once it is unlinked and its end told
 */
struct ftq_flow {
	struct hlist_node	node;
	struct ftq_tuple	tuple;
	atomic64_t		packets;
	atomic64_t		bytes;
	unsigned long		last;
	union ftq_given		given;
	union ftq_outcome	outcome;
	u32			hash;
	u32			ctmark;
	union {
		struct {
			u64	first;
			union {
				u64		id;
				struct ftq_flow	*gone;
			};
		};
		struct rcu_head	rcu;
	};
};

/* Two lines of 64 bytes: the second has what every packet writes. */
static_assert(sizeof(struct ftq_flow) <= 128);

/**
 * struct ftq_tunnel_flow - a flow whose packets enter in a tunnel
 * @flow: the flow; its @tuple.tunneled is set
 * @tunnel: never changes
 */
struct ftq_tunnel_flow {
	struct ftq_flow		flow;
	struct ftq_tunnel	tunnel;
};

/**
 * ftq_flow_tunnel() - the tunnel that a flow's packets enter in
 * @flow: flow, which is not freed meanwhile
 *
 * Context: any.
 * Return: the tunnel, part of the flow, or NULL if they enter in none.
 */
static inline const struct ftq_tunnel *
ftq_flow_tunnel(const struct ftq_flow *flow)
{
	if (likely(!flow->tuple.tunneled))
		return NULL;
	return &container_of(flow, const struct ftq_tunnel_flow, flow)->tunnel;
}

/**
 * struct ftq_flow_key - key of the hash of flows, random
 * @word: by which the words of a tuple and of a tunnel are shifted
 * @odd: by which their sum is multiplied
 */
struct ftq_flow_key {
	u32	word[20];
	u64	odd;
};

/**
 * struct ftq_flow_table - an array of buckets
 * @mask: number of buckets - 1
 * @nr: number of the table in its namespace, never 0
 * @bucket: flows, in falling order of their id
 */
struct ftq_flow_table {
	u32			mask;
	u32			nr;
	struct hlist_head	bucket[];
};

/**
 * struct ftq_flow_last - the flow of the last packet that a CPU has accounted
 *
 * Read and written by this CPU in BH context. The flow is not freed as long as @gen is
 * that of the flows: who unlinks a flow changes that before the grace period after
 * which it is freed.
 *
 * @flow: flow
 * @gen: what ftq_flows->gen was before @flow was looked up
 * @learned: what was learned of @flow; NULL: not looked up yet, or nothing
 * @learned_gen: what ftq_net->learn_gen was before that was looked up: see
 *	ftq_learn_last()
 */
struct ftq_flow_last {
	struct ftq_flow		*flow;
	unsigned long		gen;
	struct ftq_learn_entry	*learned;
	unsigned long		learned_gen;
};

/*
 * A generation must not come again, as one of 32 bits might; and other tasks must not
 * come between @flow and @gen.
 */
#if defined(CONFIG_64BIT) && !defined(FTQ_BH_IS_PREEMPTIBLE)
#define FTQ_FLOW_LAST 1
#else
#define FTQ_FLOW_LAST 0
#endif

/**
 * struct ftq_flows - the flows of a namespace
 *
 * @table: where flows are looked up; allocated with the first binding.
 *	Published under RTNL, freed after a grace period
 * @next: larger or smaller table that is about to replace @table, else NULL;
 *	new flows go there
 * @last: of each CPU; allocated with the first binding, and there before any hook;
 *	NULL without FTQ_FLOW_LAST
 * @gen: grows with each flow that is unlinked; written under @lock
 * @limit: most flows, 0: none are accounted; written under RTNL
 * @timeout: seconds without a packet until a flow is forgotten; written under
 *	RTNL
 * @count: flows that are linked; changed under @lock
 * @key: of the hash
 * @lock: protects the linking and unlinking of flows, @last_id, @active and
 *	@dead
 * @last_id: id of the newest flow
 * @active: @age is queued or running
 * @dead: no new flows
 * @aged: first bucket that @age has not looked at in this round
 * @tables: number of the newest table; RTNL
 * @age: forgets flows, in slices
 */
struct ftq_flows {
	struct ftq_flow_table __rcu	*table;
	struct ftq_flow_table __rcu	*next;
	struct ftq_flow_last __percpu	*last;
	unsigned long			gen;
	u32				limit;
	u32				timeout;
	atomic_t			count;
	struct ftq_flow_key		key;
	spinlock_t			lock; /* see @lock above */
	u64				last_id;
	bool				active;
	bool				dead;
	u32				aged;
	u32				tables;
	struct delayed_work		age;
};

/**
 * struct ftq_flow_cursor - where a dump of flows goes on
 * @id: flows of @bucket with a lower id are yet to come
 * @table: number of the table it walks, to notice when that is replaced
 * @bucket: bucket
 */
struct ftq_flow_cursor {
	u64		id;
	u32		table;
	u32		bucket;
};

/**
 * ftq_flow_last() - is a packet of the flow that this CPU has seen last
 * @flows: flows of the namespace
 * @pkt: filled by ftq_parse_simple()
 * @family: as it was
 *
 * It may be unlinked before the packet is accounted: then that packet is the last one of a
 * flow whose end has been told already, and missing there.
 *
 * Context: RCU, BH.
 * Return: the flow, which stays until the end of the RCU section, or NULL: not known.
 */
static __always_inline struct ftq_flow *
ftq_flow_last(const struct ftq_flows *flows, const struct ftq_simple *pkt, u8 family)
{
	const struct ipv6hdr *ip6h = pkt->ip;
	const struct iphdr *iph = pkt->ip;
	const struct ftq_flow_last *last;
	const struct ftq_tuple *tuple;
	struct ftq_flow *flow;

	if (!FTQ_FLOW_LAST)
		return NULL;
	last = this_cpu_ptr(flows->last);
	flow = last->flow;
	/* Pairs with ftq_flow_unlink(), which comes before the flow is given to RCU. */
	if (!flow || last->gen != smp_load_acquire(&flows->gen))
		return NULL;

	/* The protocols of a tunneled flow differ. */
	tuple = &flow->tuple;
	if (tuple->words[FTQ_WORD_PORTS / 2] != pkt->ports ||
	    tuple->words[FTQ_WORD_VIDS / 2] != pkt->proto)
		return NULL;
	if (family == NFPROTO_IPV4)
		return tuple->src[0] == iph->saddr && tuple->dst[0] == iph->daddr ?
		       flow : NULL;
	return !memcmp(tuple->src, &ip6h->saddr, sizeof(ip6h->saddr)) &&
	       !memcmp(tuple->dst, &ip6h->daddr, sizeof(ip6h->daddr)) ?
	       flow : NULL;
}

#define FTQ_UPDATE(field, value)					\
	do {								\
		if (READ_ONCE(field) != (value))			\
			WRITE_ONCE(field, value);			\
	} while (0)

/**
 * ftq_flow_add() - account packets
 * @flow: their flow
 * @segs: how many
 * @bytes: their bytes
 * @win: what became of them
 *
 * Context: RCU, BH.
 */
static __always_inline void ftq_flow_add(struct ftq_flow *flow, u16 segs, u32 bytes,
					 const struct ftq_window *win)
{
	atomic64_add(segs, &flow->packets);
	atomic64_add(bytes, &flow->bytes);
	FTQ_UPDATE(flow->last, jiffies);
	FTQ_UPDATE(flow->given.word, win->given.word);
	FTQ_UPDATE(flow->outcome.word, win->outcome.word);
}

void ftq_flow_expect(const struct ftq_flows *flows, struct ftq_packet *pkt);
struct ftq_flow *ftq_flow_lookup(struct ftq_flows *flows, const struct ftq_packet *pkt);
bool ftq_flow_count(struct ftq_flows *flows, const struct ftq_packet *pkt,
		    const struct ftq_window *win);
bool ftq_flow_fits(const struct ftq_flows *flows, const struct ftq_packet *pkt);

void ftq_flows_init(struct ftq_flows *flows);
void ftq_flows_exit(struct ftq_flows *flows);
int ftq_flows_start(struct ftq_flows *flows);
int ftq_flows_resize_prepare(struct ftq_flows *flows, u32 limit,
			     struct ftq_flow_table **next);
void ftq_flows_resize(struct ftq_flows *flows, u32 limit,
		      struct ftq_flow_table *next);
void ftq_flows_flush(struct ftq_flows *flows);
void ftq_flows_forget_dev(struct ftq_flows *flows, u32 ifindex);
int ftq_flows_walk(struct ftq_flows *flows, struct ftq_flow_cursor *cursor,
		   int (*fn)(const struct ftq_flow *flow, void *arg),
		   void *arg);
int ftq_flow_init(void);
void ftq_flow_exit(void);

#endif /* FTQ_FLOW_H */
