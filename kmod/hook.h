/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_HOOK_H
#define FTQ_HOOK_H

#include <linux/netdevice.h>
#include <linux/netfilter.h>

struct ftq_binding;
struct ftq_net;
struct ftq_policy;

/**
 * struct ftq_dev - a device with hooks of ours
 *
 * Hooks point to it (egress) or to one of its ftq_ingress. It is freed a grace
 * period after the last of them was unregistered.
 *
 * @policy: published and replaced under RTNL, read by the packet path under RCU
 * @fn: namespace
 * @kicked: jiffies of the last packet that asked for a look at the order
 * @slow: @policy has a target that wants to see packets which no flowtable took: the
 *	one thing that these have to look at
 * @trust: enum nf_flow_qos_trust that @policy has for packets without a tag: likewise
 * @dev: the device; hooks are gone when its NETDEV_UNREGISTER returns
 * @egress: our egress hook, registered if @egress_on
 * @ingress: list of struct ftq_ingress; RTNL
 * @next: policy that a sync is about to publish; RTNL
 * @placed: jiffies of the last registration of an ingress hook; RTNL
 * @was_placed: @placed is valid; RTNL
 * @wanted: found by the sync that runs; RTNL
 * @egress_on: RTNL
 * @egress_new: registered by the sync that runs; RTNL
 * @egress_wanted: found by the sync that runs; RTNL
 * @rcu: frees it
 */
struct ftq_dev {
	struct ftq_policy __rcu	*policy;
	struct ftq_net		*fn;
	unsigned long		kicked;
	bool			slow;
	u8			trust;
	struct net_device	*dev;
	struct nf_hook_ops	egress;
	struct list_head	ingress;
	struct ftq_policy	*next;
	unsigned long		placed;
	bool			was_placed;
	bool			wanted;
	bool			egress_on;
	bool			egress_new;
	bool			egress_wanted;
	struct rcu_head		rcu;
};

/**
 * struct ftq_ingress - one ingress hook of ours, before a run of flowtables
 * @fd: its device
 * @behind: where what is behind the hook was found last among those of the device, from 1
 *	on; packets write it, and look there first
 * @known: hook of a flowtable that packets found there last, NULL: none yet; they write
 *	it. Known for ever: see ftq_idents
 * @ops: the hook; its priv is this
 * @list: entry of ftq_dev->ingress; RTNL
 * @used: stands where it should; RTNL
 * @fresh: registered by the sync that runs; RTNL
 * @rcu: frees it, a grace period after @ops was unregistered
 */
struct ftq_ingress {
	struct ftq_dev		*fd;
	unsigned long		behind;
	nf_hookfn		*known;
	struct nf_hook_ops	ops;
	struct list_head	list;
	bool			used;
	bool			fresh;
	struct rcu_head		rcu;
};

/**
 * struct ftq_flowtable - one flowtable's hook on one device, as found
 * @priority: of the hook
 * @id: tells which of a namespace's flowtables it is, and nothing else
 * @state: enum nf_flow_qos_flowtable_state
 * @flags: enum nf_flow_qos_flowtable_flag
 */
struct ftq_flowtable {
	int	priority;
	u32	id;
	u8	state;
	u8	flags;
};

bool ftq_hook_has_flowtable(const struct net_device *dev);
bool ftq_hook_tagless(struct ftq_net *fn, const struct ftq_binding *binding);
u32 ftq_hook_fingerprint(struct ftq_net *fn);
bool ftq_hook_flowtable(const struct net_device *dev, unsigned int nth,
			struct ftq_flowtable *found);

int ftq_hook_sync(struct ftq_net *fn);
void ftq_hook_refresh(struct ftq_net *fn);
void ftq_hook_sync_dev(struct ftq_net *fn, struct net_device *dev);
void ftq_hook_forget_dev(struct ftq_net *fn, struct net_device *dev);
void ftq_hook_kick(struct ftq_dev *fd);
void ftq_hook_recheck(struct ftq_net *fn);
void ftq_hook_relearn(void);

void ftq_hook_net_init(struct ftq_net *fn);
void ftq_hook_net_clear(struct ftq_net *fn);
void ftq_hook_exit(void);

#endif /* FTQ_HOOK_H */
