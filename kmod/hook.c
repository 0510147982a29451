// SPDX-License-Identifier: GPL-2.0
/*
 * Where our hooks stand.
 *
 * While a namespace has a binding, an ingress hook stands directly before each
 * run of flowtables on each device, and an egress hook on each device that
 * packets leave through for which a binding has a map.
 *
 * The core sorts hooks by priority, and of equals the newest comes first. So a
 * hook of the run's own priority that is registered now stands directly before
 * the run, unless a hook of the same priority already does: that cannot be
 * healed (rule 6 of the design) and is told by the binding's state.
 *
 * Hooks come and go under RTNL only. nf_tables registers its own without
 * RTNL and without telling anybody, so that the order is looked at again when
 * a packet finds no flowtable behind our hook, on netdev events, when a module
 * goes live, and every 2 s.
 *
 * A sync changes everything or nothing: it first allocates policies and
 * registers what is missing, all of which can fail and be undone, and then
 * publishes policies and removes what is left over, which cannot fail.
 */
#include <linux/hash.h>
#include <linux/if_vlan.h>
#include <linux/jhash.h>
#include <linux/jiffies.h>
#include <linux/net.h>
#include <linux/netfilter_netdev.h>
#include <linux/rtnetlink.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <net/dsa.h>
#include <net/netfilter/nf_flow_table.h>

#include "binding.h"
#include "cover.h"
#include "hook.h"
#include "ident.h"
#include "learn.h"
#include "net.h"
#include "path.h"

#define FTQ_HOOK_CHECK		(2 * HZ)
/* Least time between two registrations of ingress hooks on one device. */
#define FTQ_HOOK_PLACE		HZ
/* Least time between two packets of one device that ask for a look. */
#define FTQ_HOOK_KICK		(HZ / 20)

/**
 * struct ftq_hook_iter - a walk over the flowtables' hooks on a device
 * @entries: hooks of the device
 * @next: index of the hook to look at
 * @in_run: the last flowtable belongs to the same unbroken run as the next hook
 * @first: the flowtable that was found is the first of its run
 * @before: the hook that stands before its run, or NULL
 */
struct ftq_hook_iter {
	const struct nf_hook_entries	*entries;
	unsigned int			next;
	bool				in_run;
	bool				first;
	const struct nf_hook_ops	*before;
};

/*
 * The next flowtable's hook. A hook of ours within a run, before which another
 * flowtable was registered, does not break the run: it is not in its place.
 *
 * Context: RTNL and RCU. Ops are freed by their owners a grace period after
 * they were unregistered, so that they can be looked at, as nfnetlink_hook does.
 */
static const struct nf_hook_ops *ftq_hook_next(struct ftq_hook_iter *iter)
{
	const struct nf_hook_ops *ops;
	struct nf_hook_ops **all;

	if (!iter->entries)
		return NULL;

	all = nf_hook_entries_get_hook_ops(iter->entries);
	while (iter->next < iter->entries->num_hook_entries) {
		ops = READ_ONCE(all[iter->next++]);
		if (ftq_ident_ops(ops)) {
			iter->first = !iter->in_run;
			iter->in_run = true;
			return ops;
		}
		if (iter->in_run && ops->hook == ftq_path_ingress)
			continue;
		iter->in_run = false;
		iter->before = ops;
	}
	return NULL;
}

/* How the run that @iter has found the first hook of stands to our hooks. */
static u8 ftq_hook_iter_state(const struct ftq_hook_iter *iter,
			      const struct nf_hook_ops *first)
{
	/* Between a hook of another priority and the run others could come. */
	if (!iter->before || iter->before->priority != first->priority)
		return NF_FLOW_QOS_FLOWTABLE_STATE_UNHOOKED;
	if (iter->before->hook == ftq_path_ingress)
		return NF_FLOW_QOS_FLOWTABLE_STATE_HOOKED;
	return NF_FLOW_QOS_FLOWTABLE_STATE_SHADOWED;
}

/**
 * struct ftq_run - an unbroken run of flowtables' hooks
 * @priority: of the first
 * @state: enum nf_flow_qos_flowtable_state of all of them
 * @ours: the hook of ours that stands before it, if @state is HOOKED
 */
struct ftq_run {
	int			priority;
	u8			state;
	struct ftq_ingress	*ours;
};

static bool ftq_hook_run(const struct net_device *dev, unsigned int nth,
			 struct ftq_run *run)
{
	struct ftq_hook_iter iter = { };
	const struct nf_hook_ops *ops;

	ASSERT_RTNL();
	rcu_read_lock();
	iter.entries = rcu_dereference(dev->nf_hooks_ingress);
	while ((ops = ftq_hook_next(&iter)))
		if (iter.first && !nth--)
			break;
	if (ops) {
		run->priority = ops->priority;
		run->state = ftq_hook_iter_state(&iter, ops);
		run->ours = NULL;
		if (run->state == NF_FLOW_QOS_FLOWTABLE_STATE_HOOKED)
			run->ours = container_of(iter.before,
						 struct ftq_ingress, ops);
	}
	rcu_read_unlock();
	return ops;
}

/* A flowtable's address, as a number that does not tell it. */
static u32 ftq_hook_id(const void *flowtable)
{
	static siphash_key_t key __read_mostly;

	net_get_random_once(&key, sizeof(key));
	return siphash_1u64((unsigned long)flowtable, &key);
}

static u8 ftq_hook_flags(const struct nf_flowtable *flowtable)
{
	/* nf_tables may change it meanwhile. */
	if (READ_ONCE(flowtable->flags) & NF_FLOWTABLE_HW_OFFLOAD)
		return NF_FLOW_QOS_FLOWTABLE_FLAG_HW_OFFLOAD;
	return 0;
}

/**
 * ftq_hook_flowtable() - find one of the flowtables on a device
 * @dev: device
 * @nth: which, from 0 on
 * @found: filled
 *
 * Context: RTNL.
 * Return: false if the device has not so many.
 */
bool ftq_hook_flowtable(const struct net_device *dev, unsigned int nth,
			struct ftq_flowtable *found)
{
	struct ftq_hook_iter iter = { };
	const struct nf_hook_ops *ops;

	ASSERT_RTNL();
	rcu_read_lock();
	iter.entries = rcu_dereference(dev->nf_hooks_ingress);
	while ((ops = ftq_hook_next(&iter))) {
		if (iter.first)
			found->state = ftq_hook_iter_state(&iter, ops);
		found->priority = ops->priority;
		if (!nth--)
			break;
	}
	/* What runs in the hook needs it for a grace period, so it is there. */
	if (ops) {
		found->id = ftq_hook_id(ops->priv);
		found->flags = ftq_hook_flags(ops->priv);
	}
	rcu_read_unlock();
	return ops;
}

static unsigned int ftq_hook_count_flowtables(const struct net_device *dev)
{
	struct ftq_hook_iter iter = { };
	unsigned int nr = 0;

	rcu_read_lock();
	iter.entries = rcu_dereference(dev->nf_hooks_ingress);
	while (ftq_hook_next(&iter))
		nr++;
	rcu_read_unlock();
	return nr;
}

/**
 * ftq_hook_has_flowtable() - does a flowtable sit on this device
 * @dev: device
 *
 * Context: RTNL.
 */
bool ftq_hook_has_flowtable(const struct net_device *dev)
{
	struct ftq_flowtable found;

	return ftq_hook_flowtable(dev, 0, &found);
}

/**
 * ftq_hook_tagless() - does a binding's trust hold where no tag is left
 * @fn: namespace
 * @binding: binding
 *
 * Context: RTNL.
 * Return: true if a flowtable sits on a VLAN or bridge device whose packets are
 * classed by the trust of @binding.
 */
bool ftq_hook_tagless(struct ftq_net *fn, const struct ftq_binding *binding)
{
	const struct ftq_policy *policy;
	unsigned long index;
	struct ftq_dev *fd;
	bool ours;

	xa_for_each(&fn->devs, index, fd) {
		if (!is_vlan_dev(fd->dev) && !netif_is_bridge_master(fd->dev))
			continue;
		policy = rtnl_dereference(fd->policy);
		ours = binding->any ? policy->self.oif == fd->dev->ifindex :
				      policy->self.oif == binding->dev->ifindex;
		if (ours && policy->self.trust == binding->trust &&
		    ftq_hook_has_flowtable(fd->dev))
			return true;
	}
	return false;
}

/*
 * Does a hook stand between ours and a flowtable's, so that registering ours anew
 * would not help? On any device: a packet that leaves through one entered through
 * another. Context: RTNL.
 */
static bool ftq_hook_blocked(struct ftq_net *fn)
{
	struct net_device *dev;
	struct ftq_run run;
	unsigned int i;

	for_each_netdev(fn->net, dev)
		for (i = 0; ftq_hook_run(dev, i, &run); i++)
			if (run.state == NF_FLOW_QOS_FLOWTABLE_STATE_SHADOWED)
				return true;
	return false;
}

/**
 * ftq_hook_fingerprint() - which flowtables are on which devices, as a number
 * @fn: namespace
 *
 * nf_tables changes them without RTNL and without telling.
 *
 * Context: RTNL.
 */
u32 ftq_hook_fingerprint(struct ftq_net *fn)
{
	const struct nf_hook_ops *ops;
	struct net_device *dev;
	u32 print = 0;

	for_each_netdev(fn->net, dev) {
		struct ftq_hook_iter iter = { };

		rcu_read_lock();
		iter.entries = rcu_dereference(dev->nf_hooks_ingress);
		while ((ops = ftq_hook_next(&iter)))
			print = jhash_2words(print, hash_ptr(ops, 32),
					     dev->ifindex);
		rcu_read_unlock();
	}
	return print;
}

/* Ingress hooks. */

static int ftq_ingress_add(struct ftq_dev *fd, int priority)
{
	struct ftq_ingress *in;
	int err;

	in = kzalloc(sizeof(*in), GFP_KERNEL_ACCOUNT);
	if (!in)
		return -ENOMEM;

	in->fd = fd;
	in->fresh = true;
	in->behind = 1;
	in->ops.hook = ftq_path_ingress;
	in->ops.dev = fd->dev;
	in->ops.priv = in;
	in->ops.pf = NFPROTO_NETDEV;
	in->ops.hooknum = NF_NETDEV_INGRESS;
	in->ops.priority = priority;

	err = nf_register_net_hook(fd->fn->net, &in->ops);
	if (err) {
		kfree(in);
		return err;
	}
	list_add(&in->list, &fd->ingress);
	fd->placed = jiffies;
	fd->was_placed = true;
	return 0;
}

/* Packets may still run in the hook, and dumps of hooks may read its ops. */
static void ftq_ingress_del(struct ftq_ingress *in)
{
	nf_unregister_net_hook(in->fd->fn->net, &in->ops);
	list_del(&in->list);
	kfree_rcu(in, rcu);
}

/*
 * Were hooks placed just before, so that no more may be yet? Not time_before(), which
 * with 32 bits takes what was weeks ago for what is to come.
 */
static bool ftq_ingress_soon(const struct ftq_dev *fd)
{
	return fd->was_placed && jiffies - fd->placed < FTQ_HOOK_PLACE;
}

/*
 * Register hooks before the runs that have none.
 * Return: 0, a negative error, or in how many jiffies it may be done, since the
 * last time was just before.
 */
static int ftq_ingress_place(struct ftq_dev *fd)
{
	unsigned long due = fd->placed + FTQ_HOOK_PLACE;
	bool soon = ftq_ingress_soon(fd);
	struct ftq_ingress *in;
	struct ftq_run run;
	bool again = false;
	unsigned int i;
	int err;

	list_for_each_entry(in, &fd->ingress, list)
		in->used = false;

	for (i = 0; ftq_hook_run(fd->dev, i, &run); i++) {
		if (run.ours) {
			run.ours->used = true;
			continue;
		}
		if (run.state == NF_FLOW_QOS_FLOWTABLE_STATE_SHADOWED)
			continue;
		if (soon) {
			again = true;
			continue;
		}
		err = ftq_ingress_add(fd, run.priority);
		if (err)
			return err;
		/* A hook more does not change which run is the nth. */
		list_first_entry(&fd->ingress, struct ftq_ingress, list)->used = true;
	}
	if (!again)
		return 0;

	/* Until then the old ones may still serve. */
	list_for_each_entry(in, &fd->ingress, list)
		in->used = true;
	return max_t(long, due - jiffies, 1);
}

/* Is there something that ftq_ingress_place() or a removal would change? */
static bool ftq_ingress_misplaced(const struct net_device *dev,
				  const struct ftq_dev *fd)
{
	const struct ftq_ingress *in;
	unsigned int i, used = 0;
	struct ftq_run run;

	for (i = 0; ftq_hook_run(dev, i, &run); i++) {
		if (run.ours)
			used++;
		else if (run.state == NF_FLOW_QOS_FLOWTABLE_STATE_UNHOOKED)
			return true;
	}
	if (fd)
		list_for_each_entry(in, &fd->ingress, list)
			if (!used--)
				return true;
	return false;
}

/* Devices. */

static struct ftq_dev *ftq_dev_new(struct ftq_net *fn, struct net_device *dev)
{
	struct ftq_dev *fd;

	fd = kzalloc(sizeof(*fd), GFP_KERNEL_ACCOUNT);
	if (!fd)
		return NULL;

	fd->fn = fn;
	fd->dev = dev;
	fd->kicked = jiffies - FTQ_HOOK_KICK;
	INIT_LIST_HEAD(&fd->ingress);
	fd->egress.hook = ftq_path_egress;
	fd->egress.dev = dev;
	fd->egress.priv = fd;
	fd->egress.pf = NFPROTO_NETDEV;
	fd->egress.hooknum = NF_NETDEV_EGRESS;
	/* Behind the chains of nft, before tc and the qdisc. */
	fd->egress.priority = INT_MAX;

	if (xa_err(xa_store(&fn->devs, dev->ifindex, fd, GFP_KERNEL_ACCOUNT))) {
		kfree(fd);
		return NULL;
	}
	return fd;
}

static void ftq_dev_set_policy(struct ftq_dev *fd, struct ftq_policy *policy)
{
	struct ftq_policy *old = rtnl_dereference(fd->policy);

	rcu_assign_pointer(fd->policy, policy);
	/* Looked at before the policy, and only to save looking at that. */
	WRITE_ONCE(fd->slow, policy && policy->slow);
	WRITE_ONCE(fd->trust, policy ? policy->bare.trust : NF_FLOW_QOS_TRUST_DSCP);
	if (old)
		kfree_rcu(old, rcu);
}

/*
 * Remove all hooks of a device. Packets that run in them now end before the
 * grace period does that frees what they see.
 */
static void ftq_dev_drop(struct ftq_dev *fd)
{
	struct ftq_ingress *in, *next;

	list_for_each_entry_safe(in, next, &fd->ingress, list)
		ftq_ingress_del(in);
	if (fd->egress_on)
		nf_unregister_net_hook(fd->fn->net, &fd->egress);

	xa_erase(&fd->fn->devs, fd->dev->ifindex);
	kfree(fd->next);
	ftq_dev_set_policy(fd, NULL);
	kfree_rcu(fd, rcu);
}

/* The part of a sync that can fail. Return: as ftq_ingress_place(). */
static int ftq_dev_prepare(struct ftq_net *fn, struct net_device *dev,
			   const struct ftq_covers *covers)
{
	struct ftq_dev *fd = xa_load(&fn->devs, dev->ifindex);
	bool egress, flowtable = ftq_hook_has_flowtable(dev);
	struct ftq_policy *policy;
	int err, delay;

	if (dev->reg_state != NETREG_REGISTERED || !net_eq(dev_net(dev), fn->net))
		return 0;

	policy = ftq_policy_make(fn, dev, covers);
	if (!policy)
		return -ENOMEM;

	egress = IS_ENABLED(CONFIG_NETFILTER_EGRESS) && ftq_policy_sets(policy);
	/* When hooks were placed last is remembered while it matters. */
	if (!flowtable && !egress && !(fd && ftq_ingress_soon(fd))) {
		kfree(policy);
		return 0;
	}

	if (!fd)
		fd = ftq_dev_new(fn, dev);
	if (!fd) {
		kfree(policy);
		return -ENOMEM;
	}
	fd->next = policy;
	fd->wanted = true;
	fd->egress_wanted = egress;

	delay = ftq_ingress_place(fd);
	if (delay < 0)
		return delay;

	if (egress && !fd->egress_on) {
		err = nf_register_net_hook(fn->net, &fd->egress);
		if (err)
			return err;
		fd->egress_on = true;
		fd->egress_new = true;
	}
	return delay;
}

static void ftq_dev_commit(struct ftq_dev *fd)
{
	struct ftq_ingress *in, *next;

	if (!fd->wanted) {
		ftq_dev_drop(fd);
		return;
	}
	ftq_dev_set_policy(fd, fd->next);
	fd->next = NULL;
	fd->wanted = false;

	list_for_each_entry_safe(in, next, &fd->ingress, list) {
		in->fresh = false;
		if (!in->used)
			ftq_ingress_del(in);
	}
	if (fd->egress_on && !fd->egress_wanted) {
		nf_unregister_net_hook(fd->fn->net, &fd->egress);
		fd->egress_on = false;
	}
	fd->egress_new = false;
}

static void ftq_dev_abort(struct ftq_dev *fd)
{
	struct ftq_ingress *in, *next;

	kfree(fd->next);
	fd->next = NULL;
	fd->wanted = false;

	list_for_each_entry_safe(in, next, &fd->ingress, list)
		if (in->fresh)
			ftq_ingress_del(in);
	if (fd->egress_new) {
		nf_unregister_net_hook(fd->fn->net, &fd->egress);
		fd->egress_on = false;
		fd->egress_new = false;
	}
	/* Only what this sync made has no policy yet. */
	if (!rtnl_dereference(fd->policy))
		ftq_dev_drop(fd);
}

/* Have a look in @delay jiffies, or when one is due if that is earlier. */
static void ftq_hook_schedule(struct ftq_net *fn, unsigned long delay)
{
	struct workqueue_struct *wq = system_power_efficient_wq;

	if (fn->dead || queue_delayed_work(wq, &fn->check, delay))
		return;
	if (time_before(jiffies + delay, fn->check.timer.expires))
		mod_delayed_work(wq, &fn->check, delay);
}

/* Context: RTNL. */
static bool ftq_hook_learns(const struct ftq_net *fn)
{
	const struct ftq_binding *binding;

	list_for_each_entry(binding, &fn->bindings, list)
		if (binding->sticky)
			return true;
	return false;
}

/**
 * ftq_hook_sync() - make hooks and policies fit bindings and devices
 * @fn: namespace
 *
 * Context: RTNL.
 * Return: 0, or a negative error, and then no hook and no policy was changed.
 */
int ftq_hook_sync(struct ftq_net *fn)
{
	bool wanted = fn->nr_bindings && !fn->dead;
	bool learns = ftq_hook_learns(fn);
	unsigned int flowtables = 0, conduits = 0;
	struct ftq_covers covers = { };
	struct net_device *dev;
	long delay = FTQ_HOOK_CHECK;
	unsigned long index;
	struct ftq_dev *fd;
	int err = 0;

	ASSERT_RTNL();
	ftq_bindings_settle(fn);
	if (wanted)
		err = ftq_stats_start(&fn->stats) ?:
		      ftq_flows_start(&fn->flows) ?:
		      (learns ? ftq_learn_start(fn) : 0) ?:
		      ftq_covers_make(fn, &covers);
	if (err)
		return err;

	for_each_netdev(fn->net, dev) {
		flowtables += ftq_hook_count_flowtables(dev);
		conduits += netdev_uses_dsa(dev);
		if (!wanted)
			continue;
		err = ftq_dev_prepare(fn, dev, &covers);
		if (err < 0)
			goto abort;
		if (err)
			delay = min_t(long, delay, err);
	}

	/* As long as anybody learns it is noted how packets come. */
	if (learns)
		ftq_learn_want(fn, true);
	xa_for_each(&fn->devs, index, fd)
		ftq_dev_commit(fd);
	if (!learns)
		ftq_learn_want(fn, false);
	fn->moves++;
	fn->nr_flowtables = flowtables;
	fn->nr_conduits = conduits;
	fn->stale = false;
	ftq_covers_free(&fn->covers);
	fn->covers = covers;
	fn->blocked = wanted && ftq_hook_blocked(fn);
	if (wanted)
		ftq_hook_schedule(fn, delay);
	return 0;

abort:
	xa_for_each(&fn->devs, index, fd)
		ftq_dev_abort(fd);
	ftq_covers_free(&covers);
	return err;
}

/**
 * ftq_hook_sync_dev() - give a device its hooks as soon as it is there
 * @fn: namespace
 * @dev: device that was registered or changed
 *
 * The others follow in the work. What fails here is tried again there.
 *
 * Context: RTNL.
 */
void ftq_hook_sync_dev(struct ftq_net *fn, struct net_device *dev)
{
	struct ftq_covers covers;
	struct ftq_dev *fd;
	int err;

	if (!fn->nr_bindings || fn->dead)
		return;

	err = ftq_covers_make(fn, &covers);
	if (err) {
		ftq_hook_recheck(fn);
		return;
	}
	err = ftq_dev_prepare(fn, dev, &covers);
	ftq_covers_free(&covers);
	fd = xa_load(&fn->devs, dev->ifindex);
	if (fd) {
		if (err < 0)
			ftq_dev_abort(fd);
		else
			ftq_dev_commit(fd);
	}
	ftq_hook_recheck(fn);
}

/**
 * ftq_hook_forget_dev() - remove all hooks of a device that goes
 * @fn: namespace that it is in, still
 * @dev: device
 *
 * Context: RTNL.
 */
void ftq_hook_forget_dev(struct ftq_net *fn, struct net_device *dev)
{
	struct ftq_dev *fd = xa_load(&fn->devs, dev->ifindex);

	if (fd)
		ftq_dev_drop(fd);
}

static bool ftq_hook_misplaced(struct ftq_net *fn)
{
	unsigned int flowtables = 0, conduits = 0;
	struct net_device *dev;

	for_each_netdev(fn->net, dev) {
		flowtables += ftq_hook_count_flowtables(dev);
		conduits += netdev_uses_dsa(dev);
		if (ftq_ingress_misplaced(dev, xa_load(&fn->devs, dev->ifindex)))
			return true;
	}
	return flowtables != fn->nr_flowtables || conduits != fn->nr_conduits;
}

/* Do the bindings cover what they did at the last sync? */
static bool ftq_hook_covers_changed(struct ftq_net *fn)
{
	struct ftq_covers covers;
	bool changed;

	if (ftq_covers_make(fn, &covers))
		return false;
	changed = !ftq_covers_equal(&covers, &fn->covers);
	ftq_covers_free(&covers);
	return changed;
}

/**
 * ftq_hook_refresh() - look at the order of hooks now, heal it where possible
 * @fn: namespace
 *
 * Context: RTNL.
 */
void ftq_hook_refresh(struct ftq_net *fn)
{
	if (fn->dead || !fn->nr_bindings)
		return;

	/* Out of memory: the next check tries again. */
	if (fn->stale || ftq_hook_misplaced(fn) || ftq_hook_covers_changed(fn))
		ftq_hook_sync(fn);
	else
		fn->blocked = ftq_hook_blocked(fn);
	ftq_bindings_tell(fn);
}

static void ftq_hook_check(struct work_struct *work)
{
	struct ftq_net *fn = container_of(to_delayed_work(work),
					  struct ftq_net, check);

	rtnl_lock();
	if (!fn->dead && fn->nr_bindings) {
		ftq_hook_refresh(fn);
		ftq_hook_schedule(fn, FTQ_HOOK_CHECK);
	}
	rtnl_unlock();
}

/**
 * ftq_hook_recheck() - look at all devices of a namespace soon
 * @fn: namespace
 *
 * Context: RTNL.
 */
void ftq_hook_recheck(struct ftq_net *fn)
{
	if (!fn->nr_bindings)
		return;
	fn->stale = true;
	/* Devices often come in numbers. */
	ftq_hook_schedule(fn, HZ / 50);
}

/**
 * ftq_hook_kick() - a packet found no flowtable behind our hook
 * @fd: device that it entered through
 *
 * Context: RCU, BH.
 */
void ftq_hook_kick(struct ftq_dev *fd)
{
	/* As in ftq_ingress_soon(), however long ago the last time was. */
	if (jiffies - READ_ONCE(fd->kicked) < FTQ_HOOK_KICK)
		return;
	WRITE_ONCE(fd->kicked, jiffies);
	/* Hooks are gone, and packets out of them, before the work is cancelled. */
	mod_delayed_work(system_power_efficient_wq, &fd->fn->check, 0);
}

/* Learning takes a lock under which others take RTNL, so it has a work. */
static void ftq_hook_learn(struct work_struct *work)
{
	struct net *net;

	ftq_ident_learn();

	down_read(&net_rwsem);
	for_each_net(net) {
		struct ftq_net *fn = ftq_net(net);

		/* A look, no change: a value that is too old delays it by 2 s. */
		if (READ_ONCE(fn->nr_bindings))
			ftq_hook_schedule(fn, 0);
	}
	up_read(&net_rwsem);
}

static DECLARE_WORK(ftq_hook_learn_work, ftq_hook_learn);

/**
 * ftq_hook_relearn() - a module went live that may bring a kind of flowtable
 *
 * Context: process.
 */
void ftq_hook_relearn(void)
{
	schedule_work(&ftq_hook_learn_work);
}

/**
 * ftq_hook_net_init() - begin without hooks
 * @fn: namespace
 */
void ftq_hook_net_init(struct ftq_net *fn)
{
	INIT_DELAYED_WORK(&fn->check, ftq_hook_check);
}

/**
 * ftq_hook_net_clear() - remove all hooks of a namespace
 * @fn: namespace, marked as dead
 *
 * Context: RTNL.
 */
void ftq_hook_net_clear(struct ftq_net *fn)
{
	unsigned long index;
	struct ftq_dev *fd;

	xa_for_each(&fn->devs, index, fd)
		ftq_dev_drop(fd);
	ftq_covers_free(&fn->covers);
}

/**
 * ftq_hook_exit() - wait for the work that learns
 *
 * Nobody calls ftq_hook_relearn() any more.
 */
void ftq_hook_exit(void)
{
	cancel_work_sync(&ftq_hook_learn_work);
}
