/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_NET_H
#define FTQ_NET_H

#include <linux/list.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <net/net_namespace.h>

#include "cover.h"
#include "flow.h"
#include "stats.h"

/**
 * struct ftq_net - all that the module keeps for one network namespace
 *
 * Configuration and hooks change under RTNL only. The packet path reaches this
 * through its hooks (struct ftq_dev), which are gone before it is freed.
 *
 * @flows: accounted flows
 * @stats: per-CPU counters
 * @learn: what was learned of the slow path; allocated with the first binding that wants
 *	it. Published under RTNL, freed with this
 * @learning: a binding is sticky, so that it is noted how packets arrive; written under RTNL
 * @learn_gen: grows with each entry that is removed from @learn
 * @net: the namespace; outlives this
 * @devs: struct ftq_dev of hooked devices by ifindex; changes under RTNL. Messages of
 *	flows look one up under RCU, by which it and its policy are freed
 * @bindings: struct ftq_binding in the order of their creation; RTNL
 * @maps: struct ftq_map, default first; RTNL
 * @covers: what @bindings covered at the last sync; RTNL
 * @nr_maps: length of @maps; RTNL
 * @nr_bindings: length of @bindings; RTNL
 * @nr_flowtables: flowtable hooks seen by the last sync; RTNL
 * @nr_conduits: DSA conduits seen by the last sync; RTNL
 * @blocked: a hook stands between ours and a flowtable's, as of the last look;
 *	RTNL
 * @epoch: grows with each binding that begins to learn; RTNL
 * @generation: grows with each change of the configuration, never 0; RTNL
 * @moves: grows when devices or flowtables come or go; RTNL
 * @dead: the namespace is going, nothing is hooked any more; RTNL
 * @stale: a netdev event asks for a sync of all devices; RTNL
 * @check: puts hooks where they should be: soon after ftq_hook_kick(), and
 *	every 2 s while something is bound. Never cancelled under RTNL, which it
 *	takes
 */
struct ftq_net {
	struct ftq_flows	flows;
	struct ftq_stats	stats;
	struct ftq_learn __rcu	*learn;
	bool			learning;
	atomic_long_t		learn_gen;
	struct net		*net;
	struct xarray		devs;
	struct list_head	bindings;
	struct list_head	maps;
	struct ftq_covers	covers;
	unsigned int		nr_maps;
	unsigned int		nr_bindings;
	unsigned int		nr_flowtables;
	unsigned int		nr_conduits;
	bool			blocked;
	u32			epoch;
	u32			generation;
	u32			moves;
	bool			dead;
	bool			stale;
	struct delayed_work	check;
};

struct ftq_net *ftq_net(const struct net *net);
bool ftq_net_full(const struct ftq_net *fn);
bool ftq_net_take(const struct ftq_net *fn);
void ftq_net_give(const struct ftq_net *fn, unsigned int nr);
u32 ftq_net_flow_limit_max(const struct ftq_net *fn);
void ftq_net_resize_flows(struct ftq_net *fn, u32 limit,
			  struct ftq_flow_table *next);
void ftq_net_changed(struct ftq_net *fn);
int ftq_net_init(void);
void ftq_net_stop(void);
void ftq_net_exit(void);

#endif /* FTQ_NET_H */
