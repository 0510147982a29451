// SPDX-License-Identifier: GPL-2.0
/*
 * What the module keeps for each network namespace, from its beginning to its
 * end.
 */
#include <linux/rtnetlink.h>
#include <net/netns/generic.h>

#include "binding.h"
#include "hook.h"
#include "learn.h"
#include "map.h"
#include "net.h"
#include "netlink.h"

static unsigned int ftq_net_id __read_mostly;

/*
 * Flows, and entries of what was learned, in all namespaces that belong to another user
 * namespace than the initial one. Whoever may make namespaces may make many.
 */
static atomic_t ftq_net_contained = ATOMIC_INIT(0);

/**
 * ftq_net() - the module's state of a namespace
 * @net: the namespace
 *
 * Return: its state, which lives as long as the namespace or the module.
 */
struct ftq_net *ftq_net(const struct net *net)
{
	return net_generic(net, ftq_net_id);
}

/**
 * ftq_net_changed() - note that the configuration changed
 * @fn: namespace
 *
 * Context: RTNL.
 */
void ftq_net_changed(struct ftq_net *fn)
{
	ASSERT_RTNL();
	/* 0 means "not known" to the core's check of dumps. */
	if (!++fn->generation)
		fn->generation = 1;
}

static bool ftq_net_is_contained(const struct ftq_net *fn)
{
	return fn->net->user_ns != &init_user_ns;
}

/* What all containers together may have, and so each of them. */
static u32 ftq_net_contained_max(void)
{
	return READ_ONCE(ftq_net(&init_net)->flows.limit);
}

/**
 * ftq_net_full() - have the containers all that they may have together
 * @fn: namespace
 *
 * Context: any.
 * Return: true if @fn is a container's and there is no room for another flow or entry.
 */
bool ftq_net_full(const struct ftq_net *fn)
{
	return ftq_net_is_contained(fn) &&
	       atomic_read(&ftq_net_contained) >= ftq_net_contained_max();
}

/**
 * ftq_net_take() - take room for a flow, or for an entry of what was learned
 * @fn: namespace
 *
 * Context: any.
 * Return: true, and then it is for ftq_net_give(), or false: there is none.
 */
bool ftq_net_take(const struct ftq_net *fn)
{
	if (!ftq_net_is_contained(fn))
		return true;
	if (atomic_inc_return(&ftq_net_contained) <= ftq_net_contained_max())
		return true;
	atomic_dec(&ftq_net_contained);
	return false;
}

/**
 * ftq_net_give() - give back what ftq_net_take() took
 * @fn: namespace
 * @nr: how often
 *
 * Context: any.
 */
void ftq_net_give(const struct ftq_net *fn, unsigned int nr)
{
	if (ftq_net_is_contained(fn))
		atomic_sub(nr, &ftq_net_contained);
}

/**
 * ftq_net_flow_limit_max() - the highest flow limit that a namespace may have
 * @fn: namespace
 *
 * A container's root shall not take more of the host's memory than the host's
 * own limit lets.
 *
 * Return: flows.
 */
u32 ftq_net_flow_limit_max(const struct ftq_net *fn)
{
	if (!ftq_net_is_contained(fn))
		return NF_FLOW_QOS_FLOW_LIMIT_MAX;
	return ftq_net_contained_max();
}

/**
 * ftq_net_resize_flows() - set the most flows that a namespace accounts
 * @fn: namespace
 * @limit: as it was prepared
 * @next: from ftq_flows_resize_prepare()
 *
 * What the initial namespace may not have, those of other user namespaces lose.
 *
 * Context: RTNL.
 */
void ftq_net_resize_flows(struct ftq_net *fn, u32 limit,
			  struct ftq_flow_table *next)
{
	struct net *net;

	ftq_flows_resize(&fn->flows, limit, next);
	if (!limit)
		ftq_learn_forget(fn);
	if (fn->net != &init_net)
		return;

	down_read(&net_rwsem);
	for_each_net(net) {
		fn = ftq_net(net);
		if (fn->flows.limit <= ftq_net_flow_limit_max(fn))
			continue;
		ftq_flows_resize(&fn->flows, limit, NULL);
		if (!limit)
			ftq_learn_forget(fn);
		ftq_net_changed(fn);
		ftq_nl_notify_config(fn);
	}
	up_read(&net_rwsem);
}

static int __net_init ftq_net_enter(struct net *net)
{
	struct ftq_net *fn = ftq_net(net);
	struct ftq_map *map;

	fn->net = net;
	fn->generation = 1;
	xa_init(&fn->devs);
	INIT_LIST_HEAD(&fn->bindings);
	INIT_LIST_HEAD(&fn->maps);
	ftq_hook_net_init(fn);

	map = ftq_map_alloc(FTQ_MAP_DEFAULT, NULL);
	if (!map)
		return -ENOMEM;
	list_add_tail(&map->list, &fn->maps);
	fn->nr_maps = 1;

	ftq_stats_init(&fn->stats);
	ftq_flows_init(&fn->flows);
	fn->flows.limit = min(fn->flows.limit, ftq_net_flow_limit_max(fn));
	return 0;
}

/*
 * Devices still are in the namespace, and packets still flow. When this
 * returns no hook of ours is on any of them; the core waits for a grace period
 * before it calls ftq_net_leave(), so nothing runs in our hooks by then.
 */
static void __net_exit ftq_net_pre_exit(struct net *net)
{
	struct ftq_net *fn = ftq_net(net);

	/* Nobody can reach it to configure it any more. */
	if (list_empty(&fn->bindings) && xa_empty(&fn->devs))
		return;

	rtnl_lock();
	fn->dead = true;
	ftq_hook_net_clear(fn);
	rtnl_unlock();
}

static void __net_exit ftq_net_leave(struct net *net)
{
	struct ftq_net *fn = ftq_net(net);

	/* @dead keeps it from being queued again. */
	cancel_delayed_work_sync(&fn->check);

	/* The end of a flow is told with what was learned of it. */
	ftq_flows_exit(&fn->flows);
	ftq_learn_exit(fn);
	ftq_bindings_free(&fn->bindings);
	ftq_maps_free(&fn->maps);
	ftq_stats_exit(&fn->stats);
}

static struct pernet_operations ftq_net_ops = {
	.init		= ftq_net_enter,
	.pre_exit	= ftq_net_pre_exit,
	.exit		= ftq_net_leave,
	.id		= &ftq_net_id,
	.size		= sizeof(struct ftq_net),
};

/**
 * ftq_net_stop() - remove all hooks in all namespaces, for good
 *
 * While netdev events still are watched: a hook that was placed between the end
 * of that and ftq_net_exit() would outlive its device. A namespace that is not
 * on the list any more is being cleaned up, and the core waits for that before
 * it lets go of the notifier.
 *
 * Context: process; nobody configures any more.
 */
void ftq_net_stop(void)
{
	struct net *net;

	rtnl_lock();
	down_read(&net_rwsem);
	for_each_net(net) {
		ftq_net(net)->dead = true;
		ftq_hook_net_clear(ftq_net(net));
	}
	up_read(&net_rwsem);
	rtnl_unlock();
}

/**
 * ftq_net_init() - begin to keep state for all namespaces
 *
 * Return: 0 or a negative error.
 */
int ftq_net_init(void)
{
	return register_pernet_subsys(&ftq_net_ops);
}

/**
 * ftq_net_exit() - drop the state of all namespaces
 */
void ftq_net_exit(void)
{
	unregister_pernet_subsys(&ftq_net_ops);
}
