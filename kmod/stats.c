// SPDX-License-Identifier: GPL-2.0
/*
 * Statistics of a namespace: per-CPU counters that only grow. A reset notes
 * where they stand, so that it never races with a packet.
 */
#include <linux/slab.h>

#include "stats.h"

/**
 * ftq_stats_init() - begin without memory for counters
 * @stats: zeroed
 */
void ftq_stats_init(struct ftq_stats *stats)
{
	spin_lock_init(&stats->lock);
}

/**
 * ftq_stats_start() - have counters, before the first packet
 * @stats: statistics of a namespace
 *
 * Context: RTNL.
 * Return: 0 or -ENOMEM.
 */
int ftq_stats_start(struct ftq_stats *stats)
{
	struct ftq_stats_cpu __percpu *counters;
	struct ftq_counts *base;
	int cpu;

	if (stats->cpu)
		return 0;

	base = kzalloc(sizeof(*base), GFP_KERNEL_ACCOUNT);
	if (!base)
		return -ENOMEM;

	counters = alloc_percpu_gfp(struct ftq_stats_cpu,
				    GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!counters) {
		kfree(base);
		return -ENOMEM;
	}
	for_each_possible_cpu(cpu)
		u64_stats_init(&per_cpu_ptr(counters, cpu)->syncp);

	spin_lock(&stats->lock);
	stats->base = base;
	stats->cpu = counters;
	spin_unlock(&stats->lock);
	return 0;
}

/**
 * ftq_stats_exit() - free the counters
 * @stats: nobody counts any more
 */
void ftq_stats_exit(struct ftq_stats *stats)
{
	free_percpu(stats->cpu);
	kfree(stats->base);
}

static void ftq_stats_sum(const struct ftq_stats *stats,
			  struct ftq_counts *sum)
{
	struct ftq_stats_cpu *from;
	unsigned int start;
	u64 packets, bytes;
	int cpu, i;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		from = per_cpu_ptr(stats->cpu, cpu);

		for (i = 0; i < FTQ_STAT_OWN; i++) {
			do {
				start = u64_stats_fetch_begin(&from->syncp);
				packets = u64_stats_read(&from->stat[i]);
			} while (u64_stats_fetch_retry(&from->syncp, start));
			sum->stat[i] += packets;
		}
		for (i = 0; i < FTQ_DONE; i++) {
			do {
				start = u64_stats_fetch_begin(&from->syncp);
				packets = u64_stats_read(&from->done[i]);
			} while (u64_stats_fetch_retry(&from->syncp, start));
			if (i & NF_FLOW_QOS_ACTION_PRIO)
				sum->stat[FTQ_STAT_PRIO_SET] += packets;
			if (i & NF_FLOW_QOS_ACTION_PCP)
				sum->stat[FTQ_STAT_PCP_SET] += packets;
			if (i & NF_FLOW_QOS_ACTION_DSCP)
				sum->stat[FTQ_STAT_DSCP_SET] += packets;
		}
		for (i = 0; i < NF_FLOW_QOS_CLASSES; i++) {
			do {
				start = u64_stats_fetch_begin(&from->syncp);
				packets = u64_stats_read(&from->class[i].packets);
				bytes = u64_stats_read(&from->class[i].bytes);
			} while (u64_stats_fetch_retry(&from->syncp, start));
			sum->packets[i] += packets;
			sum->bytes[i] += bytes;
		}
	}
}

/**
 * ftq_stats_read() - what was counted since the last reset
 * @stats: statistics
 * @counts: filled
 *
 * Context: process.
 */
void ftq_stats_read(struct ftq_stats *stats, struct ftq_counts *counts)
{
	const struct ftq_counts *base;
	int i;

	spin_lock(&stats->lock);
	base = stats->base;
	if (!base) {
		spin_unlock(&stats->lock);
		memset(counts, 0, sizeof(*counts));
		return;
	}
	ftq_stats_sum(stats, counts);
	for (i = 0; i < FTQ_STAT_NR; i++)
		counts->stat[i] -= base->stat[i];
	for (i = 0; i < NF_FLOW_QOS_CLASSES; i++) {
		counts->packets[i] -= base->packets[i];
		counts->bytes[i] -= base->bytes[i];
	}
	spin_unlock(&stats->lock);
}

/**
 * ftq_stats_reset() - count from 0 again
 * @stats: statistics
 *
 * Context: process.
 */
void ftq_stats_reset(struct ftq_stats *stats)
{
	spin_lock(&stats->lock);
	if (stats->base)
		ftq_stats_sum(stats, stats->base);
	spin_unlock(&stats->lock);
}
