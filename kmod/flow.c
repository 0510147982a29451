// SPDX-License-Identifier: GPL-2.0
/*
 * Accounting of flows that a flowtable took.
 *
 * A hash table of a fixed number of buckets, sized by the limit, read under
 * RCU. A packet of a known flow takes no lock. Buckets are ordered by the
 * flows' ids, so that a dump can go on after any change without skipping a
 * flow that stays.
 *
 * A change of the limit moves the flows to another table in slices; meanwhile
 * they are looked up in both. A reader that stands on a flow that is being
 * moved goes on in the other table's bucket and may miss what it looks for;
 * then it comes to ftq_flow_new(), which looks again under the lock.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/prefetch.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include "flow.h"
#include "net.h"
#include "netlink.h"

/* Buckets handled at one go, so that lock and CPU are soon free again. */
#define FTQ_FLOW_SLICE	1024U

static struct kmem_cache *ftq_flow_cache __read_mostly;
static struct kmem_cache *ftq_tunnel_flow_cache __read_mostly;

/* Two words of what is hashed: see ftq_flow_hash(). */
static __always_inline u64 ftq_flow_mix(u32 a, u32 b, const u32 *key)
{
	return (u64)(a + key[0]) * (b + key[1]);
}

static __always_inline u64 ftq_flow_mix_addrs(const __be32 *src, const __be32 *dst,
					      const u32 *key)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < 4; i++)
		sum += ftq_flow_mix((__force u32)src[i], (__force u32)dst[i],
				    &key[2 * i]);
	return sum;
}

/*
 * NH, the inner hash of UMAC (RFC 4418): of tuples that were chosen without seeing what
 * the table does, two that are not the same have one sum with one of 2^32 keys, and,
 * of the sum, a multiplication by an odd number takes the upper half (multiply-shift),
 * so that they meet in a bucket of m with 2/m at most. It is a fifth of what SipHash
 * costs. Folding the sum first, which loses nothing, breaks up the progression that
 * the sums of successive ports are.
 */
static __always_inline u32 ftq_flow_hash(const struct ftq_flows *flows,
					 const struct ftq_packet *pkt)
{
	const struct ftq_tuple *tuple = &pkt->tuple;
	const u32 *key = flows->key.word;
	u64 sum;

	sum = ftq_flow_mix(tuple->word[FTQ_WORD_PORTS],
			   tuple->word[FTQ_WORD_IIF], key);
	sum += ftq_flow_mix(tuple->word[FTQ_WORD_VIDS],
			    tuple->word[FTQ_WORD_PROTO], key + 2);
	if (likely(tuple->family == NFPROTO_IPV4))
		sum += ftq_flow_mix((__force u32)tuple->src[0],
				    (__force u32)tuple->dst[0], key + 4);
	else
		sum += ftq_flow_mix_addrs(tuple->src, tuple->dst, key + 4);
	if (unlikely(tuple->tunneled))
		sum += ftq_flow_mix_addrs(pkt->tunnel.src, pkt->tunnel.dst,
					  key + 12);
	sum ^= sum >> 32;
	return (sum * flows->key.odd) >> 32;
}

/* As words; those that differ most often first. */
static __always_inline bool ftq_tuple_is(const struct ftq_tuple *a,
					 const struct ftq_tuple *b)
{
	const u64 *left = (const u64 *)a, *right = (const u64 *)b;

	return left[4] == right[4] && left[0] == right[0] &&
	       left[2] == right[2] && left[5] == right[5] &&
	       left[1] == right[1] && left[3] == right[3];
}

static __always_inline bool ftq_flow_is(const struct ftq_flow *flow,
					const struct ftq_packet *pkt)
{
	const struct ftq_tunnel *tunnel;

	if (!ftq_tuple_is(&flow->tuple, &pkt->tuple))
		return false;
	tunnel = ftq_flow_tunnel(flow);
	return likely(!tunnel) ||
	       !memcmp(tunnel, &pkt->tunnel, sizeof(pkt->tunnel));
}

/* By the upper bits of the hash, on which all bits of a tuple act. */
static u32 ftq_flow_bucket(const struct ftq_flow_table *table, u32 hash)
{
	return reciprocal_scale(hash, table->mask + 1);
}

/* Context: RCU, or flows->lock. */
static __always_inline struct ftq_flow *
ftq_flow_find(const struct ftq_flow_table *table, const struct ftq_packet *pkt,
	      u32 hash)
{
	const struct hlist_head *head =
		&table->bucket[ftq_flow_bucket(table, hash)];
	struct ftq_flow *flow;

	hlist_for_each_entry_rcu(flow, head, node, true) {
		if (flow->hash == hash && ftq_flow_is(flow, pkt))
			return flow;
	}
	return NULL;
}

/* Link @flow where its id puts it: a new one, whose id is highest, in front. */
static void ftq_flow_link(struct ftq_flow_table *table, struct ftq_flow *flow)
{
	struct hlist_head *head =
		&table->bucket[ftq_flow_bucket(table, flow->hash)];
	struct ftq_flow *other, *before = NULL;

	hlist_for_each_entry(other, head, node) {
		if (other->id < flow->id)
			break;
		before = other;
	}
	if (before)
		hlist_add_behind_rcu(&flow->node, &before->node);
	else
		hlist_add_head_rcu(&flow->node, head);
}

static struct ftq_flow *ftq_flow_alloc(const struct ftq_packet *pkt)
{
	const gfp_t gfp = GFP_ATOMIC | __GFP_NOWARN;
	struct ftq_tunnel_flow *outside;
	struct ftq_flow *flow;

	if (unlikely(pkt->tuple.tunneled)) {
		outside = kmem_cache_alloc(ftq_tunnel_flow_cache, gfp);
		if (!outside)
			return NULL;
		outside->tunnel = pkt->tunnel;
		flow = &outside->flow;
	} else {
		flow = kmem_cache_alloc(ftq_flow_cache, gfp);
		if (!flow)
			return NULL;
	}
	flow->tuple = pkt->tuple;
	return flow;
}

/* Of a flow that nobody sees any more. */
static void ftq_flow_free(struct ftq_flow *flow)
{
	if (unlikely(flow->tuple.tunneled))
		kmem_cache_free(ftq_tunnel_flow_cache,
				container_of(flow, struct ftq_tunnel_flow, flow));
	else
		kmem_cache_free(ftq_flow_cache, flow);
}

static void ftq_flow_free_rcu(struct rcu_head *rcu)
{
	ftq_flow_free(container_of(rcu, struct ftq_flow, rcu));
}

static const struct ftq_net *ftq_flows_net(const struct ftq_flows *flows)
{
	return container_of(flows, struct ftq_net, flows);
}

/* No more flows, of this namespace or of all containers. */
static bool ftq_flows_full(const struct ftq_flows *flows)
{
	return atomic_read(&flows->count) >= READ_ONCE(flows->limit) ||
	       ftq_net_full(ftq_flows_net(flows));
}

/* The flow is the caller's then, to give it to RCU. Context: flows->lock. */
static void ftq_flow_unlink(struct ftq_flows *flows, struct ftq_flow *flow)
{
	lockdep_assert_held(&flows->lock);

	hlist_del_rcu(&flow->node);
	/* Who sees this no longer finds the flow: pairs with ftq_flow_count(). */
	smp_store_release(&flows->gen, flows->gen + 1);
	atomic_dec(&flows->count);
	ftq_net_give(ftq_flows_net(flows), 1);
}

/*
 * The flow of @pkt, made if it is not there. @seen: table it was not found in.
 * @made: set to true if it was made.
 * Context: RCU, BH. Return: the flow, or NULL if the table is full or there is
 * no memory.
 */
static noinline struct ftq_flow *
ftq_flow_new(struct ftq_flows *flows, const struct ftq_flow_table *seen,
	     const struct ftq_packet *pkt, u32 hash, bool *made)
{
	struct ftq_flow_table *table, *next;
	struct ftq_flow *flow, *old;

	/* Full; but while flows are moved, this one may be there already. */
	if (ftq_flows_full(flows) &&
	    seen == rcu_access_pointer(flows->table) &&
	    !rcu_access_pointer(flows->next))
		return NULL;

	flow = ftq_flow_alloc(pkt);
	if (!flow)
		return NULL;

	flow->hash = hash;
	atomic64_set(&flow->packets, 0);
	atomic64_set(&flow->bytes, 0);
	flow->first = get_jiffies_64();
	flow->last = jiffies;
	flow->given.word = 0;
	flow->outcome.word = 0;
	flow->ctmark = 0;

	spin_lock(&flows->lock);
	table = rcu_dereference_protected(flows->table,
					  lockdep_is_held(&flows->lock));
	next = rcu_dereference_protected(flows->next,
					 lockdep_is_held(&flows->lock));

	/* Another CPU may have been faster, or the table full by now. */
	old = ftq_flow_find(table, pkt, hash);
	if (!old && next)
		old = ftq_flow_find(next, pkt, hash);
	if (old || flows->dead || atomic_read(&flows->count) >= READ_ONCE(flows->limit) ||
	    !ftq_net_take(ftq_flows_net(flows))) {
		spin_unlock(&flows->lock);
		ftq_flow_free(flow);
		return old;
	}

	flow->id = ++flows->last_id;
	atomic_inc(&flows->count);
	ftq_flow_link(next ?: table, flow);
	if (!flows->active) {
		flows->active = true;
		queue_delayed_work(system_power_efficient_wq, &flows->age, HZ);
	}
	spin_unlock(&flows->lock);
	*made = true;
	return flow;
}

/* ftq_flow_count() of a packet whose flow was not found in @table */
static noinline bool ftq_flow_count_new(struct ftq_flows *flows,
					const struct ftq_flow_table *table,
					const struct ftq_packet *pkt,
					const struct ftq_window *win, u32 hash)
{
	const struct ftq_flow_table *next = rcu_dereference(flows->next);
	struct ftq_flow *flow = NULL;
	bool made = false;

	/* It may have become 0 while the flowtable had the packet. */
	if (unlikely(!READ_ONCE(flows->limit)))
		return true;
	if (next)
		flow = ftq_flow_find(next, pkt, hash);
	if (!flow)
		flow = ftq_flow_new(flows, table, pkt, hash, &made);
	if (!flow)
		return false;

	ftq_flow_add(flow, pkt->segs, pkt->bytes, win);
	/* Another CPU may have unlinked it: flow->first is not ours to read. */
	if (made)
		ftq_nl_notify_flow(flows, flow, get_jiffies_64(),
				   NF_FLOW_QOS_CMD_FLOW_NEW_NTF);
	return true;
}

/**
 * ftq_flow_expect() - fetch what ftq_flow_count() will look at
 * @flows: flows of the namespace
 * @pkt: a packet that a flowtable has taken: it is at an egress hook
 *
 * Among many flows neither the bucket nor the flow, mostly its first, are in a cache.
 * They can be until the packet has been sent.
 *
 * Context: RCU, BH.
 */
void ftq_flow_expect(const struct ftq_flows *flows, struct ftq_packet *pkt)
{
	const struct ftq_flow_table *table = rcu_dereference(flows->table);
	const struct hlist_head *head;
	struct ftq_flow *flow;

	if (unlikely(!table))
		return;
	pkt->hash = ftq_flow_hash(flows, pkt);
	pkt->hashed = true;
	head = &table->bucket[ftq_flow_bucket(table, pkt->hash)];
	flow = hlist_entry(rcu_access_pointer(hlist_first_rcu(head)), struct ftq_flow, node);
	/* Any address can be prefetched, that of no flow, too. */
	prefetch(&flow->tuple);
	prefetchw(&flow->packets);
}

/**
 * ftq_flow_lookup() - find the flow of a packet before it is accounted
 * @flows: flows of the namespace
 * @pkt: the packet
 *
 * It may be unlinked meanwhile, as that of ftq_flow_last().
 *
 * Context: RCU, BH.
 * Return: the flow, which stays until the end of the RCU section, or NULL: there is none
 * yet.
 */
struct ftq_flow *ftq_flow_lookup(struct ftq_flows *flows, const struct ftq_packet *pkt)
{
	const struct ftq_flow_table *table = rcu_dereference(flows->table);
	const struct ftq_flow_table *next;
	struct ftq_flow *flow;
	u32 hash;

	if (unlikely(!table))
		return NULL;

	hash = ftq_flow_hash(flows, pkt);
	flow = ftq_flow_find(table, pkt, hash);
	if (unlikely(!flow)) {
		next = rcu_dereference(flows->next);
		flow = next ? ftq_flow_find(next, pkt, hash) : NULL;
	}
	return flow;
}

/**
 * ftq_flow_count() - account a packet that a flowtable took
 * @flows: flows of the namespace
 * @pkt: the packet
 * @win: what became of it
 *
 * Context: RCU, BH.
 * Return: false if it could not be accounted.
 */
bool ftq_flow_count(struct ftq_flows *flows, const struct ftq_packet *pkt,
		    const struct ftq_window *win)
{
	const struct ftq_flow_table *table = rcu_dereference(flows->table);
	/* Before the lookup: a flow that is unlinked since then is not the last one. */
	unsigned long gen = smp_load_acquire(&flows->gen);
	struct ftq_flow_last *last;
	struct ftq_flow *flow;
	u32 hash;

	if (unlikely(!table))
		return true;

	hash = pkt->hashed ? pkt->hash : ftq_flow_hash(flows, pkt);
	flow = ftq_flow_find(table, pkt, hash);
	if (unlikely(!flow))
		return ftq_flow_count_new(flows, table, pkt, win, hash);
	ftq_flow_add(flow, pkt->segs, pkt->bytes, win);
	if (FTQ_FLOW_LAST) {
		last = this_cpu_ptr(flows->last);
		last->flow = flow;
		last->gen = gen;
		last->learned = NULL;
	}
	return true;
}

/**
 * ftq_flow_fits() - is a packet's flow accounted, or is there room for it
 * @flows: flows of the namespace
 * @pkt: the packet
 *
 * Context: RCU, BH.
 */
bool ftq_flow_fits(const struct ftq_flows *flows, const struct ftq_packet *pkt)
{
	const struct ftq_flow_table *table = rcu_dereference(flows->table);
	const struct ftq_flow_table *next;
	u32 hash;

	if (likely(!ftq_flows_full(flows)))
		return true;
	if (!table)
		return false;
	next = rcu_dereference(flows->next);
	hash = ftq_flow_hash(flows, pkt);
	return ftq_flow_find(table, pkt, hash) || (next && ftq_flow_find(next, pkt, hash));
}

typedef bool ftq_flow_match(const struct ftq_flows *flows,
			    const struct ftq_flow *flow, u32 arg);

static bool ftq_flow_expired(const struct ftq_flows *flows,
			     const struct ftq_flow *flow, u32 arg)
{
	unsigned long timeout = READ_ONCE(flows->timeout) * HZ;

	return time_after(jiffies, READ_ONCE(flow->last) + timeout);
}

static bool ftq_flow_any(const struct ftq_flows *flows,
			 const struct ftq_flow *flow, u32 arg)
{
	return true;
}

static bool ftq_flow_of_dev(const struct ftq_flows *flows,
			    const struct ftq_flow *flow, u32 ifindex)
{
	return flow->tuple.iif == ifindex || READ_ONCE(flow->given.oif) == ifindex;
}

/* Unlink the flows of @count buckets that @match picks. Context: process. */
static void ftq_flows_reap(struct ftq_flows *flows,
			   struct ftq_flow_table *table, u32 from, u32 count,
			   ftq_flow_match *match, u32 arg)
{
	bool tell = ftq_nl_flows_heard(flows);
	struct ftq_flow *flow, *gone = NULL;
	struct hlist_node *next;
	u32 i;

	spin_lock_bh(&flows->lock);
	for (i = from; i < from + count; i++) {
		hlist_for_each_entry_safe(flow, next, &table->bucket[i], node) {
			if (!match(flows, flow, arg))
				continue;
			ftq_flow_unlink(flows, flow);
			if (tell) {
				flow->gone = gone;
				gone = flow;
			} else {
				call_rcu(&flow->rcu, ftq_flow_free_rcu);
			}
		}
	}
	spin_unlock_bh(&flows->lock);

	/* Messages take their time, and packets want the lock. */
	while (gone) {
		flow = gone;
		gone = flow->gone;
		ftq_nl_notify_flow(flows, flow, flow->first,
				   NF_FLOW_QOS_CMD_FLOW_END_NTF);
		call_rcu(&flow->rcu, ftq_flow_free_rcu);
	}
}

/* The same for a whole table. Context: process; @table stays. */
static void ftq_flows_reap_all(struct ftq_flows *flows,
			       struct ftq_flow_table *table,
			       ftq_flow_match *match, u32 arg)
{
	u32 i, slice;

	if (!table || !atomic_read(&flows->count))
		return;

	slice = min(FTQ_FLOW_SLICE, table->mask + 1);
	for (i = 0; i <= table->mask; i += slice) {
		ftq_flows_reap(flows, table, i, slice, match, arg);
		cond_resched();
	}
}

/*
 * Look at a part of the table, so that all of it is seen in a quarter of the
 * timeout, and at least once a second in a table of one slice.
 */
static void ftq_flows_age(struct work_struct *work)
{
	struct ftq_flows *flows = container_of(to_delayed_work(work),
					       struct ftq_flows, age);
	struct ftq_flow_table *table;
	u32 slices, slice, todo;

	rcu_read_lock();
	table = rcu_dereference(flows->table);
	slice = min(FTQ_FLOW_SLICE, table->mask + 1);
	todo = DIV_ROUND_UP((table->mask + 1) / slice,
			    max(READ_ONCE(flows->timeout) / 4, 1U));
	rcu_read_unlock();

	for (slices = 0; slices < todo; slices++) {
		rcu_read_lock();
		/* May have been replaced by one of another size. */
		table = rcu_dereference(flows->table);
		slice = min(FTQ_FLOW_SLICE, table->mask + 1);
		flows->aged &= table->mask & ~(slice - 1);
		ftq_flows_reap(flows, table, flows->aged, slice,
			       ftq_flow_expired, 0);
		flows->aged += slice;
		rcu_read_unlock();
		cond_resched();
	}

	spin_lock_bh(&flows->lock);
	flows->active = atomic_read(&flows->count) && !flows->dead;
	if (flows->active)
		queue_delayed_work(system_power_efficient_wq, &flows->age, HZ);
	spin_unlock_bh(&flows->lock);
}

static u32 ftq_flow_buckets(u32 limit)
{
	return roundup_pow_of_two(clamp(limit, 64U, 1U << 20));
}

static struct ftq_flow_table *ftq_flow_table_alloc(struct ftq_flows *flows,
						   u32 limit)
{
	u32 buckets = ftq_flow_buckets(limit);
	struct ftq_flow_table *table;

	ASSERT_RTNL();
	table = kvzalloc(struct_size(table, bucket, buckets),
			 GFP_KERNEL_ACCOUNT);
	if (!table)
		return NULL;

	table->mask = buckets - 1;
	/* 0 is a cursor that has not begun. */
	if (!++flows->tables)
		flows->tables = 1;
	table->nr = flows->tables;
	return table;
}

/**
 * ftq_flows_init() - begin without flows and without memory for them
 * @flows: zeroed
 */
void ftq_flows_init(struct ftq_flows *flows)
{
	flows->limit = FTQ_FLOW_LIMIT_DEFAULT;
	flows->timeout = FTQ_FLOW_TIMEOUT_DEFAULT;
	get_random_bytes(&flows->key, sizeof(flows->key));
	flows->key.odd |= 1;
	spin_lock_init(&flows->lock);
	INIT_DELAYED_WORK(&flows->age, ftq_flows_age);
}

/**
 * ftq_flows_exit() - free all flows
 * @flows: no packet is counted any more
 *
 * Context: process, not under RTNL (the work that ages flows is waited for).
 */
void ftq_flows_exit(struct ftq_flows *flows)
{
	struct ftq_flow_table *table;

	spin_lock_bh(&flows->lock);
	flows->dead = true;
	spin_unlock_bh(&flows->lock);
	cancel_delayed_work_sync(&flows->age);

	table = rcu_dereference_protected(flows->table, 1);
	ftq_flows_reap_all(flows, table, ftq_flow_any, 0);
	kvfree(table);
	free_percpu(flows->last);
}

/**
 * ftq_flows_start() - have memory for flows, before the first packet
 * @flows: flows of a namespace
 *
 * Context: RTNL.
 * Return: 0 or -ENOMEM.
 */
int ftq_flows_start(struct ftq_flows *flows)
{
	struct ftq_flow_table *table;

	if (rtnl_dereference(flows->table))
		return 0;

	/* From an earlier attempt it may be there. */
	if (FTQ_FLOW_LAST && !flows->last)
		flows->last = alloc_percpu_gfp(struct ftq_flow_last,
					       GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (FTQ_FLOW_LAST && !flows->last)
		return -ENOMEM;
	table = ftq_flow_table_alloc(flows, flows->limit);
	if (!table)
		return -ENOMEM;
	rcu_assign_pointer(flows->table, table);
	return 0;
}

/* Move all flows to @next, which then is the table. Context: RTNL. */
static void ftq_flows_move(struct ftq_flows *flows, struct ftq_flow_table *next)
{
	struct ftq_flow_table *table = rtnl_dereference(flows->table);
	u32 i, end, slice = min(FTQ_FLOW_SLICE, table->mask + 1);
	struct hlist_node *tmp;
	struct ftq_flow *flow;

	spin_lock_bh(&flows->lock);
	rcu_assign_pointer(flows->next, next);
	spin_unlock_bh(&flows->lock);
	/* From here on every new flow goes to @next. */

	for (i = 0; i <= table->mask; ) {
		end = i + slice;
		spin_lock_bh(&flows->lock);
		for (; i < end; i++) {
			hlist_for_each_entry_safe(flow, tmp, &table->bucket[i],
						  node) {
				hlist_del_rcu(&flow->node);
				ftq_flow_link(next, flow);
			}
		}
		spin_unlock_bh(&flows->lock);
		cond_resched();
	}

	spin_lock_bh(&flows->lock);
	rcu_assign_pointer(flows->table, next);
	RCU_INIT_POINTER(flows->next, NULL);
	spin_unlock_bh(&flows->lock);

	/* Readers and the aging work may still look at the old buckets. */
	synchronize_net();
	kvfree(table);
}

/**
 * ftq_flows_resize_prepare() - have memory for another limit
 * @flows: flows of a namespace
 * @limit: most flows to be, at most NF_FLOW_QOS_FLOW_LIMIT_MAX
 * @next: set to what ftq_flows_resize() or kvfree() gets, may be NULL
 *
 * Context: RTNL.
 * Return: 0 or -ENOMEM.
 */
int ftq_flows_resize_prepare(struct ftq_flows *flows, u32 limit,
			     struct ftq_flow_table **next)
{
	struct ftq_flow_table *table = rtnl_dereference(flows->table);

	*next = NULL;
	/* Without a table there are no flows, nor will there be with limit 0. */
	if (!table || !limit)
		return 0;

	/* Flows beyond a lower limit stay, and want buckets as well. */
	limit = max_t(u32, limit, atomic_read(&flows->count));
	if (table->mask == ftq_flow_buckets(limit) - 1)
		return 0;

	*next = ftq_flow_table_alloc(flows, limit);
	return *next ? 0 : -ENOMEM;
}

/**
 * ftq_flows_resize() - set the most flows that are accounted
 * @flows: flows of a namespace
 * @limit: as it was prepared; 0 forgets all flows
 * @next: from ftq_flows_resize_prepare(), under the same RTNL
 *
 * Flows beyond a lower limit stay until they end.
 *
 * Context: RTNL.
 */
void ftq_flows_resize(struct ftq_flows *flows, u32 limit,
		      struct ftq_flow_table *next)
{
	if (next)
		ftq_flows_move(flows, next);

	/* ftq_flow_new() compares under the lock. */
	spin_lock_bh(&flows->lock);
	WRITE_ONCE(flows->limit, limit);
	spin_unlock_bh(&flows->lock);
	if (!limit)
		ftq_flows_flush(flows);
}

/**
 * ftq_flows_flush() - forget all flows
 * @flows: flows of a namespace
 *
 * Context: RTNL.
 */
void ftq_flows_flush(struct ftq_flows *flows)
{
	ftq_flows_reap_all(flows, rtnl_dereference(flows->table),
			   ftq_flow_any, 0);
}

/**
 * ftq_flows_forget_dev() - forget the flows of a device that goes
 * @flows: flows of a namespace
 * @ifindex: its interface index
 *
 * Context: RTNL.
 */
void ftq_flows_forget_dev(struct ftq_flows *flows, u32 ifindex)
{
	ftq_flows_reap_all(flows, rtnl_dereference(flows->table),
			   ftq_flow_of_dev, ifindex);
}

/**
 * ftq_flows_walk() - show flows, from a cursor on
 * @flows: flows of a namespace
 * @cursor: zeroed at first; afterwards where to go on
 * @fn: called for each flow that has not expired, under a spinlock; a value
 *	other than 0 ends the walk, and that flow comes again with the next
 * @arg: for @fn
 *
 * A flow that stays is never left out; when the table is replaced between two
 * calls, flows may come twice.
 *
 * Context: RTNL, so that no flow is moved meanwhile.
 * Return: what @fn gave, or 0 at the end.
 */
int ftq_flows_walk(struct ftq_flows *flows, struct ftq_flow_cursor *cursor,
		   int (*fn)(const struct ftq_flow *flow, void *arg),
		   void *arg)
{
	struct ftq_flow_table *table = rtnl_dereference(flows->table);
	struct ftq_flow *flow;
	int err = 0;

	if (!table)
		return 0;

	if (cursor->table != table->nr) {
		cursor->table = table->nr;
		cursor->bucket = 0;
		cursor->id = U64_MAX;
	}

	for (; cursor->bucket <= table->mask; cursor->bucket++) {
		if (!(cursor->bucket % FTQ_FLOW_SLICE))
			cond_resched();
		if (hlist_empty(&table->bucket[cursor->bucket]))
			continue;

		spin_lock_bh(&flows->lock);
		hlist_for_each_entry(flow, &table->bucket[cursor->bucket],
				     node) {
			if (flow->id >= cursor->id ||
			    ftq_flow_expired(flows, flow, 0))
				continue;
			err = fn(flow, arg);
			if (err)
				break;
			cursor->id = flow->id;
		}
		spin_unlock_bh(&flows->lock);
		if (err)
			break;
		cursor->id = U64_MAX;
	}
	return err;
}

/**
 * ftq_flow_init() - make the caches that flows are allocated from
 *
 * Return: 0 or -ENOMEM.
 */
int ftq_flow_init(void)
{
	ftq_flow_cache = KMEM_CACHE(ftq_flow, SLAB_HWCACHE_ALIGN);
	if (!ftq_flow_cache)
		return -ENOMEM;

	ftq_tunnel_flow_cache = KMEM_CACHE(ftq_tunnel_flow, SLAB_HWCACHE_ALIGN);
	if (!ftq_tunnel_flow_cache) {
		kmem_cache_destroy(ftq_flow_cache);
		return -ENOMEM;
	}
	return 0;
}

/**
 * ftq_flow_exit() - free those caches
 *
 * All namespaces are gone.
 */
void ftq_flow_exit(void)
{
	/* Flows are freed by RCU callbacks of ours: our code must outlive them. */
	rcu_barrier();
	kmem_cache_destroy(ftq_tunnel_flow_cache);
	kmem_cache_destroy(ftq_flow_cache);
}
