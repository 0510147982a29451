// SPDX-License-Identifier: GPL-2.0
/*
 * Bindings of devices to maps, and the policies that the packet path sees.
 */
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <net/dsa.h>

#include "binding.h"
#include "hook.h"
#include "net.h"
#include "netlink.h"

/**
 * ftq_binding_find() - look a binding up by its name
 * @bindings: list of bindings
 * @name: of a device, or FTQ_ANY
 *
 * Context: RTNL.
 * Return: the binding or NULL.
 */
struct ftq_binding *ftq_binding_find(const struct list_head *bindings,
				     const char *name)
{
	struct ftq_binding *binding;

	list_for_each_entry(binding, bindings, list)
		if (!strcmp(binding->name, name))
			return binding;
	return NULL;
}

/**
 * ftq_binding_of_dev() - the binding of a device's own
 * @fn: namespace
 * @dev: device
 *
 * Context: RTNL.
 * Return: the binding or NULL.
 */
struct ftq_binding *ftq_binding_of_dev(const struct ftq_net *fn,
				       const struct net_device *dev)
{
	struct ftq_binding *binding;

	list_for_each_entry(binding, &fn->bindings, list)
		if (binding->dev == dev)
			return binding;
	return NULL;
}

/**
 * ftq_binding_alloc() - make a binding that is on no list yet
 * @name: of a device, or FTQ_ANY
 *
 * Return: a binding without device and map, or NULL without memory.
 */
struct ftq_binding *ftq_binding_alloc(const char *name)
{
	struct ftq_binding *binding;

	binding = kzalloc(sizeof(*binding), GFP_KERNEL_ACCOUNT);
	if (!binding)
		return NULL;

	strscpy(binding->name, name, sizeof(binding->name));
	binding->any = !strcmp(name, FTQ_ANY);
	binding->trust = NF_FLOW_QOS_TRUST_DSCP;
	binding->scope = NF_FLOW_QOS_SCOPE_OFFLOADED;
	return binding;
}

/**
 * ftq_binding_use_map() - give a binding another map
 * @binding: binding
 * @map: map, or NULL
 *
 * Context: RTNL, or neither is known to others.
 */
void ftq_binding_use_map(struct ftq_binding *binding, struct ftq_map *map)
{
	if (binding->map)
		binding->map->bound--;
	binding->map = map;
	if (map)
		map->bound++;
}

/**
 * ftq_binding_free() - free a binding
 * @binding: on no list; no policy is made from it any more
 */
void ftq_binding_free(struct ftq_binding *binding)
{
	ftq_binding_use_map(binding, NULL);
	kfree(binding);
}

/**
 * ftq_bindings_free() - empty a list of bindings
 * @bindings: no policy is made from them any more
 */
void ftq_bindings_free(struct list_head *bindings)
{
	struct ftq_binding *binding, *next;

	list_for_each_entry_safe(binding, next, bindings, list) {
		list_del(&binding->list);
		ftq_binding_free(binding);
	}
}

/**
 * ftq_binding_refusal() - may this device be bound
 * @dev: device
 *
 * Return: NULL, or why not and what to do.
 */
const char *ftq_binding_refusal(const struct net_device *dev)
{
	if (netdev_uses_dsa(dev))
		return "this is a DSA conduit: bind the user ports instead";
	return NULL;
}

/* The binding of a device's own, or of the devices below it. Context: RTNL. */
static struct ftq_binding *ftq_binding_named(struct ftq_net *fn,
					     struct net_device *dev,
					     bool *undecided)
{
	struct ftq_binding *binding, *found = NULL;
	struct net_device *lower;
	unsigned int lowers = 0;
	struct list_head *iter;

	binding = ftq_binding_of_dev(fn, dev);
	if (binding)
		return binding;

	netdev_for_each_lower_dev(dev, lower, iter) {
		lowers++;
		if (!net_eq(dev_net(lower), fn->net))
			continue;
		binding = ftq_binding_named(fn, lower, undecided);
		if (binding)
			found = binding;
	}
	/* Several ports, and one is bound: which one, only the port knows. */
	if (found && lowers > 1) {
		*undecided = true;
		return NULL;
	}
	return found;
}

static bool ftq_binding_wifi(const struct net_device *dev)
{
#if IS_ENABLED(CONFIG_CFG80211)
	return dev->ieee80211_ptr;
#else
	return false;
#endif
}

static bool ftq_binding_any_covers(const struct net_device *dev)
{
	return !(dev->flags & IFF_LOOPBACK) && !netdev_uses_dsa(dev);
}

/* By its flag: a device may come to be called like that. */
static struct ftq_binding *ftq_binding_find_any(const struct ftq_net *fn)
{
	struct ftq_binding *binding;

	list_for_each_entry(binding, &fn->bindings, list)
		if (binding->any)
			return binding;
	return NULL;
}

static void ftq_policy_target(struct ftq_net *fn, struct net_device *dev,
			      struct ftq_target *target)
{
	struct ftq_binding *binding, *any;
	bool undecided = false;

	target->map = NULL;
	target->oif = 0;
	target->trust = NF_FLOW_QOS_TRUST_DSCP;

	binding = ftq_binding_named(fn, dev, &undecided);
	if (binding) {
		target->map = binding->map;
		target->oif = binding->dev->ifindex;
		target->trust = binding->trust;
		return;
	}

	any = ftq_binding_find_any(fn);
	if (!any || !ftq_binding_any_covers(dev))
		return;

	target->trust = any->trust;
	/* mac80211 classifies by DSCP itself. */
	if (undecided || ftq_binding_wifi(dev))
		return;
	target->map = any->map;
	target->oif = dev->ifindex;
}

static bool ftq_policy_vlan_of(const struct ftq_binding *binding,
			       const struct net_device *dev)
{
#if IS_ENABLED(CONFIG_VLAN_8021Q)
	return binding->dev && is_vlan_dev(binding->dev) &&
	       vlan_dev_priv(binding->dev)->real_dev == dev;
#else
	return false;
#endif
}

static int ftq_policy_cmp(const void *a, const void *b)
{
	const struct ftq_policy_vlan *left = a, *right = b;

	return left->tag < right->tag ? -1 : left->tag > right->tag;
}

/**
 * ftq_policy_make() - what the bindings say for one device
 * @fn: namespace
 * @dev: device in it
 *
 * Context: RTNL.
 * Return: the policy, or NULL without memory.
 */
struct ftq_policy *ftq_policy_make(struct ftq_net *fn, struct net_device *dev)
{
	struct ftq_binding *binding;
	struct ftq_policy_vlan *vlan;
	struct ftq_policy *policy;
	unsigned int nr = 0;

	ASSERT_RTNL();
	list_for_each_entry(binding, &fn->bindings, list)
		if (ftq_policy_vlan_of(binding, dev))
			nr++;

	policy = kzalloc(struct_size(policy, vlan, nr), GFP_KERNEL_ACCOUNT);
	if (!policy)
		return NULL;

	ftq_policy_target(fn, dev, &policy->self);
	list_for_each_entry(binding, &fn->bindings, list) {
		if (!ftq_policy_vlan_of(binding, dev))
			continue;
		vlan = &policy->vlan[policy->nr_vlans++];
		vlan->tag = (u32)ntohs(vlan_dev_vlan_proto(binding->dev)) << 16 |
			    vlan_dev_vlan_id(binding->dev);
		vlan->target.map = binding->map;
		vlan->target.oif = binding->dev->ifindex;
		vlan->target.trust = binding->trust;
	}
	sort(policy->vlan, policy->nr_vlans, sizeof(*policy->vlan),
	     ftq_policy_cmp, NULL);
	return policy;
}

/**
 * ftq_policy_sets() - does a policy change any packet that leaves
 * @policy: policy
 *
 * Return: true if the device needs an egress hook.
 */
bool ftq_policy_sets(const struct ftq_policy *policy)
{
	/* A VLAN device's binding always has a map. */
	return policy->self.map || policy->nr_vlans;
}

/**
 * ftq_binding_state() - how a binding fares
 * @fn: namespace
 * @binding: binding
 * @reason: set to why, or to what limits an active binding, or to NULL
 *
 * Context: RTNL.
 * Return: enum nf_flow_qos_dev_state, the first that is true.
 */
u8 ftq_binding_state(struct ftq_net *fn, const struct ftq_binding *binding,
		     const char **reason)
{
	struct net_device *dev = binding->dev;

	*reason = NULL;
	if (!binding->any && !dev) {
		*reason = "no device of this name: takes hold when one comes";
		return NF_FLOW_QOS_DEV_STATE_ABSENT;
	}
	if (!binding->any && !(dev->flags & IFF_UP)) {
		*reason = "the device is down";
		return NF_FLOW_QOS_DEV_STATE_DOWN;
	}
	if (!fn->nr_flowtables) {
		*reason = "no flowtable in this network namespace: nothing is offloaded";
		return NF_FLOW_QOS_DEV_STATE_NO_FLOWTABLE;
	}
	if (!IS_ENABLED(CONFIG_NETFILTER_EGRESS)) {
		*reason = "the kernel was built without CONFIG_NETFILTER_EGRESS";
		return NF_FLOW_QOS_DEV_STATE_NO_EGRESS_HOOK;
	}
	if (ftq_hook_blocked(fn)) {
		*reason = "a chain of the flowtable's priority runs before it: give it another";
		return NF_FLOW_QOS_DEV_STATE_ORDER_BLOCKED;
	}
	/* Flowtables know the ports, and send and receive on these. */
	if (dev && (netif_is_bridge_master(dev) || netif_is_lag_master(dev)))
		*reason = "what a flowtable sends on the ports is not covered: bind the ports too";
	if (dev && binding->trust == NF_FLOW_QOS_TRUST_PCP &&
	    (is_vlan_dev(dev) || netif_is_bridge_master(dev)) &&
	    ftq_hook_has_flowtable(dev))
		*reason = "the flowtable is on this device, where no tag is left: trust pcp is 0";
	return NF_FLOW_QOS_DEV_STATE_ACTIVE;
}

/**
 * ftq_bindings_tell() - notify of each binding whose state changed
 * @fn: namespace
 *
 * Context: RTNL.
 */
void ftq_bindings_tell(struct ftq_net *fn)
{
	struct ftq_binding *binding;
	const char *reason;
	u8 state;

	list_for_each_entry(binding, &fn->bindings, list) {
		state = ftq_binding_state(fn, binding, &reason);
		if (state == binding->state)
			continue;
		binding->state = state;
		ftq_nl_notify_dev(fn, binding, NF_FLOW_QOS_CMD_DEV_STATE_NTF);
	}
}
