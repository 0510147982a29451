// SPDX-License-Identifier: GPL-2.0
/*
 * Bindings of devices to maps, and the policies that the packet path sees.
 */
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <net/dsa.h>

#include "binding.h"
#include "cover.h"
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
	binding->sticky = NF_FLOW_QOS_STICKY_OFF;
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
 * ftq_binding_begin() - let a binding begin to learn, with nothing
 * @fn: namespace
 * @binding: binding of it
 *
 * Context: RTNL; before policies are made from it.
 */
void ftq_binding_begin(struct ftq_net *fn, struct ftq_binding *binding)
{
	/* 0 is nobody's. */
	binding->epoch = ++fn->epoch ?: ++fn->epoch;
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

/* The device of that name, not one of which it is an alternative. */
static struct net_device *ftq_binding_lookup(const struct ftq_net *fn,
					     const struct ftq_binding *binding)
{
	struct net_device *dev = __dev_get_by_name(fn->net, binding->name);

	return dev && !strcmp(dev->name, binding->name) ? dev : NULL;
}

/**
 * ftq_bindings_settle() - let bindings have the devices that may be bound
 * @fn: namespace
 *
 * A device becomes a conduit, or stops to be one, without any event. A conduit's
 * binding waits by name, like that of a device that is not there.
 *
 * Context: RTNL.
 */
void ftq_bindings_settle(struct ftq_net *fn)
{
	struct ftq_binding *binding;
	struct net_device *dev;

	list_for_each_entry(binding, &fn->bindings, list) {
		if (binding->any)
			continue;
		dev = binding->dev ?: ftq_binding_lookup(fn, binding);
		if (dev && ftq_binding_refusal(dev))
			dev = NULL;
		binding->dev = dev;
	}
}

/* A search for a binding in the devices below. */
struct ftq_binding_search {
	struct ftq_net		*fn;
	struct ftq_binding	*found;
	unsigned int		lowers;
	bool			undecided;
};

static struct ftq_binding *ftq_binding_named(struct ftq_net *fn,
					     struct net_device *dev,
					     const struct ftq_where *at,
					     bool *undecided);

static int ftq_binding_search(struct net_device *lower,
			      const struct ftq_where *at, void *arg)
{
	struct ftq_binding_search *search = arg;
	struct ftq_binding *binding;

	search->lowers++;
	binding = ftq_binding_named(search->fn, lower, at, &search->undecided);
	if (binding)
		search->found = binding;
	return 0;
}

/* The binding of a device's own, or of the devices below it. Context: RTNL. */
static struct ftq_binding *ftq_binding_named(struct ftq_net *fn,
					     struct net_device *dev,
					     const struct ftq_where *at,
					     bool *undecided)
{
	struct ftq_binding_search search = { .fn = fn };
	struct ftq_binding *binding;
	bool unresolved;

	binding = ftq_binding_of_dev(fn, dev);
	if (binding)
		return binding;

	ftq_below(dev, at, ftq_binding_search, &search, &unresolved);
	*undecided |= search.undecided;
	/* Several ports, and one is bound: which one, only the port knows. */
	if (search.found && search.lowers > 1) {
		*undecided = true;
		return NULL;
	}
	return search.found;
}

static bool ftq_binding_wifi(const struct net_device *dev)
{
#if IS_ENABLED(CONFIG_CFG80211)
	return dev->ieee80211_ptr;
#else
	return false;
#endif
}

/*
 * A device that sends what it is given in an IP packet, or encrypted, through
 * others that are not below it in any list; modems of raw IP look the same. Of those
 * that carry Ethernet frames only L2TP's lets a packet keep where it entered, see
 * ftq_path_ipsec().
 */
static bool ftq_binding_tunnel(const struct net_device *dev)
{
	const struct device_type *type = dev->dev.type;

	switch (dev->type) {
	case ARPHRD_NONE:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
	case ARPHRD_IPGRE:
	case ARPHRD_IP6GRE:
		return true;
	}
	return type && type->name && !strcmp(type->name, "l2tpeth");
}

/* Does a binding have a device now? */
static bool ftq_binding_holds(const struct ftq_net *fn)
{
	const struct ftq_binding *binding;

	list_for_each_entry(binding, &fn->bindings, list)
		if (binding->any || binding->dev)
			return true;
	return false;
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

static struct ftq_target ftq_binding_target(const struct ftq_binding *binding)
{
	return (struct ftq_target) {
		.map	= binding->map,
		.oif	= binding->dev->ifindex,
		.trust	= binding->trust,
		.scope	= binding->scope,
		.sticky	= binding->sticky,
		.epoch	= binding->epoch,
		.ctmark_mask		= binding->ctmark_mask,
		.ctmark_statemask	= binding->ctmark_statemask,
	};
}

/* What holds for the frames of @dev that no bound upper device has. */
static struct ftq_target ftq_policy_self(struct ftq_net *fn,
					 struct net_device *dev,
					 bool *undecided)
{
	struct ftq_target target = { .trust = NF_FLOW_QOS_TRUST_DSCP };
	struct ftq_binding *binding, *any;
	const struct ftq_where at = { };

	binding = ftq_binding_named(fn, dev, &at, undecided);
	if (binding)
		return ftq_binding_target(binding);

	any = ftq_binding_find_any(fn);
	if (!any || !ftq_binding_any_covers(dev))
		return target;

	target.trust = any->trust;
	target.ctmark_mask = any->ctmark_mask;
	target.ctmark_statemask = any->ctmark_statemask;
	/* mac80211 classifies by DSCP itself. */
	if (*undecided || ftq_binding_wifi(dev))
		return target;
	target.map = any->map;
	target.oif = dev->ifindex;
	target.scope = any->scope;
	target.sticky = any->sticky;
	target.epoch = any->epoch;
	return target;
}

/* Does it matter what packets leave with that no flowtable took? */
static bool ftq_target_slow(const struct ftq_target *target)
{
	return target->map && (target->scope == NF_FLOW_QOS_SCOPE_ALL || target->sticky);
}

/* By key; of the same key the most upper device first, of these the oldest. */
static int ftq_policy_cmp(const void *a, const void *b)
{
	const struct ftq_cover *left = *(const struct ftq_cover **)a;
	const struct ftq_cover *right = *(const struct ftq_cover **)b;

	if (left->at.key != right->at.key)
		return left->at.key < right->at.key ? -1 : 1;
	if (left->at.depth != right->at.depth)
		return left->at.depth > right->at.depth ? -1 : 1;
	return left < right ? -1 : left > right;
}

static int ftq_policy_entry_cmp(const void *a, const void *b)
{
	const struct ftq_policy_entry *left = a, *right = b;

	return left->key < right->key ? -1 : left->key > right->key;
}

/*
 * A device whose frames go on through another as they are, among those of that
 * device's own.
 */
static bool ftq_policy_shares(const struct net_device *dev)
{
	const struct rtnl_link_ops *ops = dev->rtnl_link_ops;

	return netif_is_macvlan(dev) || (ops && !strcmp(ops->kind, "ipvlan"));
}

static int ftq_policy_lower(struct net_device *lower, const struct ftq_where *at,
			    void *arg)
{
	/* Conduits have no hooks of ours. */
	if (!netdev_uses_dsa(lower))
		*(bool *)arg = true;
	return 0;
}

/*
 * See struct ftq_policy. PPP devices do not: they make packets forget where they
 * were received, so that those of the router itself look no different below. Nor does
 * what shares another device if it is bound itself, or @covered by the binding of a
 * device above it: that does not hold below (ftq_cover_down()). Context: RTNL.
 */
static bool ftq_policy_hands_on(struct ftq_net *fn, struct net_device *dev, bool covered)
{
	const struct ftq_where at = { };
	bool below = false, unresolved;

	if (is_vlan_dev(dev) || netif_is_bridge_master(dev) || netif_is_lag_master(dev) ||
	    (ftq_policy_shares(dev) && !covered && !ftq_binding_of_dev(fn, dev)))
		ftq_below(dev, &at, ftq_policy_lower, &below, &unresolved);
	return below;
}

/* How many VLAN devices there are on @dev. Context: RTNL. */
static unsigned int ftq_policy_vlans(struct net_device *dev)
{
	struct net_device *upper;
	struct list_head *iter;
	unsigned int nr = 0;

	rcu_read_lock();
	netdev_for_each_upper_dev_rcu(dev, upper, iter)
		nr += is_vlan_dev(upper);
	rcu_read_unlock();
	return nr;
}

/* See struct ftq_policy. Found here, as there may be thousands. Context: RTNL. */
static bool ftq_policy_shared(struct net_device *dev)
{
	struct net_device *upper;
	struct list_head *iter;
	bool shared = false;

	rcu_read_lock();
	netdev_for_each_upper_dev_rcu(dev, upper, iter)
		shared |= !is_vlan_dev(upper) && !netif_is_l3_master(upper);
	rcu_read_unlock();
	return shared;
}

/*
 * Where a bridge's or a bond's binding holds for all other frames of its port,
 * VLAN devices on the port itself go their own way. Context: RTNL.
 */
static void ftq_policy_add_vlans(struct ftq_net *fn, struct net_device *dev,
				 struct ftq_policy *policy)
{
	unsigned int nr = policy->nr;
	struct net_device *upper;
	struct list_head *iter;
	bool undecided = false;
	u64 key;

	rcu_read_lock();
	netdev_for_each_upper_dev_rcu(dev, upper, iter) {
		if (!is_vlan_dev(upper))
			continue;
		key = ftq_key_inside(0, vlan_dev_vlan_proto(upper),
				     vlan_dev_vlan_id(upper));
		/* Among the sorted ones: it is bound. */
		if (ftq_policy_find(policy, key))
			continue;
		policy->entry[nr].key = key;
		policy->entry[nr].target = ftq_policy_self(fn, upper, &undecided);
		nr++;
	}
	rcu_read_unlock();
	policy->nr = nr;
	sort(policy->entry, nr, sizeof(*policy->entry), ftq_policy_entry_cmp,
	     NULL);
}

/**
 * ftq_policy_make() - what the bindings say for one device
 * @fn: namespace
 * @dev: device in it
 * @covers: what all bindings cover
 *
 * Context: RTNL.
 * Return: the policy, or NULL without memory.
 */
struct ftq_policy *ftq_policy_make(struct ftq_net *fn, struct net_device *dev,
				   const struct ftq_covers *covers)
{
	const struct ftq_cover *cover, *upper = NULL, **sorted = NULL;
	struct ftq_policy_entry *entry;
	struct ftq_policy *policy;
	struct ftq_binding *any;
	unsigned int nr = 0, vlans, i;

	ASSERT_RTNL();
	for (cover = covers->cover; cover < covers->cover + covers->nr; cover++) {
		if (cover->ifindex != dev->ifindex)
			continue;
		if (cover->at.tagged)
			nr++;
		else if (!upper || cover->at.depth > upper->at.depth)
			upper = cover;
	}

	vlans = upper ? ftq_policy_vlans(dev) : 0;
	policy = kzalloc(struct_size(policy, entry, nr + vlans),
			 GFP_KERNEL_ACCOUNT);
	if (nr)
		sorted = kmalloc_array(nr, sizeof(*sorted), GFP_KERNEL);
	if (!policy || (nr && !sorted)) {
		kfree(policy);
		kfree(sorted);
		return NULL;
	}

	policy->self = upper ? ftq_binding_target(upper->binding) :
			       ftq_policy_self(fn, dev, &policy->watch);
	policy->watch |= ftq_binding_tunnel(dev) && ftq_binding_holds(fn);
	any = ftq_binding_find_any(fn);
	if (!IS_ENABLED(CONFIG_NETFILTER_EGRESS) && any)
		policy->any = any->map;
	policy->shared = ftq_policy_shared(dev);
	policy->hands_on = ftq_policy_hands_on(fn, dev, nr || upper);

	nr = 0;
	for (cover = covers->cover; cover < covers->cover + covers->nr; cover++)
		if (cover->ifindex == dev->ifindex && cover->at.tagged)
			sorted[nr++] = cover;
	if (nr)
		sort(sorted, nr, sizeof(*sorted), ftq_policy_cmp, NULL);
	for (i = 0; i < nr; i++) {
		if (i && sorted[i]->at.key == sorted[i - 1]->at.key)
			continue;
		entry = &policy->entry[policy->nr++];
		entry->key = sorted[i]->at.key;
		entry->target = ftq_binding_target(sorted[i]->binding);
	}
	kfree(sorted);
	if (vlans)
		ftq_policy_add_vlans(fn, dev, policy);
	policy->tpid = FTQ_TPID_NONE;
	if (policy->nr && policy->entry[0].key &&
	    !(policy->entry[0].key & ~FTQ_KEY_OUTER) && policy->entry[0].target.map) {
		policy->tpid = ftq_key_proto(policy->entry[0].key);
		policy->vid = ftq_key_vid(policy->entry[0].key);
	}
	policy->bare = *(ftq_policy_find(policy, 0) ?: &policy->self);
	policy->slow = ftq_target_slow(&policy->self);
	for (i = 0; i < policy->nr; i++)
		policy->slow |= ftq_target_slow(&policy->entry[i].target);
	return policy;
}

/**
 * ftq_policy_sets() - does a policy change, or have to see, packets that leave
 * @policy: policy
 *
 * Return: true if the device needs an egress hook.
 */
bool ftq_policy_sets(const struct ftq_policy *policy)
{
	/* A binding by name always has a map. */
	return policy->self.map || policy->nr || policy->watch;
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
		dev = ftq_binding_lookup(fn, binding);
		*reason = dev ? ftq_binding_refusal(dev) : NULL;
		if (!*reason)
			*reason = "no device of this name: takes hold when one comes";
		return NF_FLOW_QOS_DEV_STATE_ABSENT;
	}
	if (!binding->any && !(dev->flags & IFF_UP)) {
		*reason = "the device is down";
		return NF_FLOW_QOS_DEV_STATE_DOWN;
	}
	if (binding->unresolved) {
		*reason = dev->type == ARPHRD_PPP ?
			"the PPP session is not there yet" :
			"the device has no ports yet";
		return NF_FLOW_QOS_DEV_STATE_UNRESOLVED;
	}
	if (!fn->nr_flowtables) {
		*reason = "no flowtable in this network namespace: nothing is offloaded";
		return NF_FLOW_QOS_DEV_STATE_NO_FLOWTABLE;
	}
	if (!IS_ENABLED(CONFIG_NETFILTER_EGRESS)) {
		*reason = binding->any ?
			"the kernel was built without CONFIG_NETFILTER_EGRESS: only prio is set" :
			"the kernel was built without CONFIG_NETFILTER_EGRESS: bind any for prio";
		return NF_FLOW_QOS_DEV_STATE_NO_EGRESS_HOOK;
	}
	if (fn->blocked) {
		*reason = "a chain of the flowtable's priority runs before it: give it another";
		return NF_FLOW_QOS_DEV_STATE_ORDER_BLOCKED;
	}
	if (binding->trust == NF_FLOW_QOS_TRUST_PCP &&
	    ftq_hook_tagless(fn, binding))
		*reason = "a flowtable sits where no tag is left (VLAN, bridge): trust pcp is 0";
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
