/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_STATS_H
#define FTQ_STATS_H

#include <linux/percpu.h>
#include <linux/spinlock.h>
#include <linux/u64_stats_sync.h>
#include <uapi/linux/nf_flow_qos.h>

/**
 * enum ftq_stat - counters of single events, in packets
 * @FTQ_STAT_MISSED: handed to a flowtable and not taken
 * @FTQ_STAT_PCP_CLEARED: taken only because the tag was made to match
 * @FTQ_STAT_FLOWS_DROPPED: not accounted on a flow
 * @FTQ_STAT_NOT_PARSED: no readable IP header
 * @FTQ_STAT_LEARNED: given what was learned of their flow
 * @FTQ_STAT_LEARNED_AMBIGUOUS: not given it, since it is not of one flow
 * @FTQ_STAT_OWN: how many there are up to here; the others are sums of
 *	ftq_stats_cpu->done
 * @FTQ_STAT_PRIO_SET: skb->priority set
 * @FTQ_STAT_PCP_SET: PCP set
 * @FTQ_STAT_DSCP_SET: DSCP set
 * @FTQ_STAT_NR: how many there are
 */
enum ftq_stat {
	FTQ_STAT_MISSED,
	FTQ_STAT_PCP_CLEARED,
	FTQ_STAT_FLOWS_DROPPED,
	FTQ_STAT_NOT_PARSED,
	FTQ_STAT_LEARNED,
	FTQ_STAT_LEARNED_AMBIGUOUS,
	FTQ_STAT_OWN,
	FTQ_STAT_PRIO_SET = FTQ_STAT_OWN,
	FTQ_STAT_PCP_SET,
	FTQ_STAT_DSCP_SET,
	FTQ_STAT_NR,
};

/* Combinations of enum nf_flow_qos_action */
#define FTQ_DONE	8
#define FTQ_DONE_MASK	(NF_FLOW_QOS_ACTION_PRIO | NF_FLOW_QOS_ACTION_PCP | \
			 NF_FLOW_QOS_ACTION_DSCP)
static_assert(FTQ_DONE_MASK < FTQ_DONE);

/**
 * struct ftq_counts - the statistics as plain numbers
 * @packets: taken by a flowtable, by class
 * @bytes: of those packets, from the IP header on, by class
 * @stat: the other counters
 */
struct ftq_counts {
	u64	packets[NF_FLOW_QOS_CLASSES];
	u64	bytes[NF_FLOW_QOS_CLASSES];
	u64	stat[FTQ_STAT_NR];
};

/**
 * struct ftq_stats_class - what one CPU has seen of a class, in one cache line
 * @packets: as in struct ftq_counts
 * @bytes: as in struct ftq_counts
 */
struct ftq_stats_class {
	u64_stats_t	packets;
	u64_stats_t	bytes;
} __aligned(2 * sizeof(u64));

/**
 * struct ftq_stats_cpu - the counters of one CPU
 * @class: by class
 * @done: packets, by what was set of them
 * @stat: as in struct ftq_counts
 * @syncp: written by this CPU in BH context
 */
struct ftq_stats_cpu {
	struct ftq_stats_class	class[NF_FLOW_QOS_CLASSES];
	u64_stats_t		done[FTQ_DONE];
	u64_stats_t		stat[FTQ_STAT_OWN];
	struct u64_stats_sync	syncp;
};

/**
 * struct ftq_stats - statistics of a namespace
 * @cpu: counters, only ever growing; allocated with the first binding, under
 *	RTNL, and there before any hook
 * @base: what a reset found, subtracted from what is shown; allocated with @cpu
 * @lock: protects @base and what it points to
 */
struct ftq_stats {
	struct ftq_stats_cpu __percpu	*cpu;
	struct ftq_counts		*base;
	spinlock_t			lock; /* protects @base, *@base */
};

static inline void ftq_stat_add(struct ftq_stats *stats, enum ftq_stat stat,
				unsigned int packets)
{
	struct ftq_stats_cpu *cpu = this_cpu_ptr(stats->cpu);

	u64_stats_update_begin(&cpu->syncp);
	u64_stats_add(&cpu->stat[stat], packets);
	u64_stats_update_end(&cpu->syncp);
}

static inline void ftq_stat_inc(struct ftq_stats *stats, enum ftq_stat stat)
{
	ftq_stat_add(stats, stat, 1);
}

/* @done: enum nf_flow_qos_action bits of what was set */
static inline void ftq_stat_done(struct ftq_stats *stats, u8 done,
				 unsigned int packets)
{
	struct ftq_stats_cpu *cpu = this_cpu_ptr(stats->cpu);

	u64_stats_update_begin(&cpu->syncp);
	u64_stats_add(&cpu->done[done & FTQ_DONE_MASK], packets);
	u64_stats_update_end(&cpu->syncp);
}

void ftq_stats_init(struct ftq_stats *stats);
int ftq_stats_start(struct ftq_stats *stats);
void ftq_stats_exit(struct ftq_stats *stats);
void ftq_stats_read(struct ftq_stats *stats, struct ftq_counts *counts);
void ftq_stats_reset(struct ftq_stats *stats);

#endif /* FTQ_STATS_H */
