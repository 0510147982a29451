// SPDX-License-Identifier: GPL-2.0
/*
 * What a binding of an upper device covers: the devices below it on which the
 * flowtable sends and receives for it, and how its frames look there.
 *
 * Newer kernels' flowtables send on the lowest device and push tags and session
 * themselves, older ones mostly send through the upper device; bridge ports are
 * known to all of them. A binding holds on all the devices down to the lowest,
 * and a packet is given its class on the first of them that it crosses.
 *
 * Resolved when bindings or devices change and, since neither a PPP session nor
 * the VLANs of a bridge's port tell that they change, by the slow check.
 */
#include <linux/if_arp.h>
#include <linux/if_bridge.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/dsa.h>

#include "binding.h"
#include "cover.h"
#include "key.h"
#include "net.h"

/* Devices on top of each other, as the core limits them. */
#define FTQ_COVER_DEPTH	8

/* Context: RTNL. Return: 0, or what @fn gave. */
static int ftq_below_ppp(struct net_device *dev, const struct ftq_where *at,
			 ftq_below_fn *fn, void *arg, bool *unresolved)
{
	struct net_device_path_ctx ctx = { .dev = dev };
	struct net_device_path path = { };
	struct ftq_where below = *at;
	struct net_device *lower;
	int err = -ENODEV, ifindex = 0;

	/* A channel may go at any time; while the device is up, it seldom does. */
	if (dev->flags & IFF_UP && dev->netdev_ops->ndo_fill_forward_path) {
		rcu_read_lock();
		err = dev->netdev_ops->ndo_fill_forward_path(&ctx, &path);
		if (!err && net_eq(dev_net(ctx.dev), dev_net(dev)))
			ifindex = ctx.dev->ifindex;
		rcu_read_unlock();
	}
	/* A modem, L2TP, PPTP, or a bundle: nothing below that frames could be on. */
	if (err == -EOPNOTSUPP)
		return 0;
	if (err || path.type != DEV_PATH_PPPOE || !path.encap.id) {
		*unresolved = true;
		return 0;
	}

	/* Looked up again: RTNL keeps it, the session does not. 0: elsewhere. */
	lower = __dev_get_by_index(dev_net(dev), ifindex);
	if (!lower)
		return 0;
	below.key |= path.encap.id;
	below.tagged = true;
	return fn(lower, &below, arg);
}

/*
 * How a bridge's frames of a VLAN leave through a port. False: they do not.
 * The bridge's functions are asked for by name, since its module need not be
 * loaded for ours.
 *
 * Context: RTNL.
 */
static bool ftq_below_port(const struct net_device *bridge,
			   const struct net_device *port,
			   struct ftq_where *at)
{
	typeof(br_vlan_enabled) *enabled = symbol_get(br_vlan_enabled);
	typeof(br_vlan_get_proto) *get_proto = symbol_get(br_vlan_get_proto);
	typeof(br_vlan_get_info) *get_info = symbol_get(br_vlan_get_info);
	struct bridge_vlan_info info = { };
	bool leaves = true;
	u16 proto;

	if (!enabled || !get_proto || !get_info || !enabled(bridge) ||
	    get_proto(bridge, &proto) ||
	    htons(proto) != ftq_key_proto(at->key))
		goto out;

	if (get_info(port, ftq_key_vid(at->key), &info))
		leaves = false;
	else if (info.flags & BRIDGE_VLAN_INFO_UNTAGGED)
		at->key = ftq_key_untagged(at->key);
out:
	if (enabled)
		symbol_put(br_vlan_enabled);
	if (get_proto)
		symbol_put(br_vlan_get_proto);
	if (get_info)
		symbol_put(br_vlan_get_info);
	return leaves;
}

/**
 * ftq_below() - visit the devices directly below one
 * @dev: device
 * @at: how the frames that are meant look on @dev
 * @fn: called for each device below that is in the same namespace, with how they
 *	look there; an error ends the walk
 * @arg: for @fn
 * @unresolved: set if @dev is one that has others below it, but not yet
 *
 * Context: RTNL.
 * Return: 0 or what @fn gave.
 */
int ftq_below(struct net_device *dev, const struct ftq_where *at,
	      ftq_below_fn *fn, void *arg, bool *unresolved)
{
	struct ftq_where below = *at;
	struct net_device *lower;
	struct list_head *iter;
	bool found = false;
	int err;

	ASSERT_RTNL();
	if (++below.depth > FTQ_COVER_DEPTH)
		return 0;

	if (dev->type == ARPHRD_PPP)
		return ftq_below_ppp(dev, &below, fn, arg, unresolved);

#if IS_ENABLED(CONFIG_VLAN_8021Q)
	if (is_vlan_dev(dev)) {
		lower = vlan_dev_priv(dev)->real_dev;
		below.tagged = true;
		if (!net_eq(dev_net(lower), dev_net(dev)) ||
		    !ftq_key_outside(&below.key, vlan_dev_vlan_proto(dev),
				     vlan_dev_vlan_id(dev)))
			return 0;
		return fn(lower, &below, arg);
	}
#endif

	netdev_for_each_lower_dev(dev, lower, iter) {
		struct ftq_where port = below;

		found = true;
		if (!net_eq(dev_net(lower), dev_net(dev)))
			continue;
		if (netif_is_bridge_master(dev) && below.key & FTQ_KEY_OUTER &&
		    !ftq_below_port(dev, lower, &port))
			continue;
		err = fn(lower, &port, arg);
		if (err)
			return err;
	}
	if (!found && (netif_is_bridge_master(dev) || netif_is_lag_master(dev)))
		*unresolved = true;
	return 0;
}

static int ftq_cover_lower(struct net_device *lower, const struct ftq_where *at,
			   void *arg)
{
	*(u32 *)arg = lower->ifindex;
	return 0;
}

/**
 * ftq_cover_session() - find the device below a PPPoE device
 * @dev: any device
 *
 * Context: RTNL.
 * Return: its interface index, or 0: @dev is no PPPoE device or has no session.
 */
u32 ftq_cover_session(struct net_device *dev)
{
	const struct ftq_where top = { };
	bool unresolved;
	u32 lower = 0;

	if (dev->type == ARPHRD_PPP)
		ftq_below(dev, &top, ftq_cover_lower, &lower, &unresolved);
	return lower;
}

/* A walk down from a bound device. */
struct ftq_cover_walk {
	struct ftq_covers	*covers;
	struct ftq_binding	*binding;
	bool			unresolved;
};

static int ftq_cover_add(struct net_device *lower, const struct ftq_where *at,
			 void *arg);

/*
 * Only below devices that flowtables look through: what they send through a
 * macvlan, say, crosses that, and all else on the device below is not its own.
 */
static int ftq_cover_down(struct ftq_cover_walk *walk, struct net_device *dev,
			  const struct ftq_where *at)
{
	if (!is_vlan_dev(dev) && dev->type != ARPHRD_PPP &&
	    !netif_is_bridge_master(dev) && !netif_is_lag_master(dev))
		return 0;
	return ftq_below(dev, at, ftq_cover_add, walk, &walk->unresolved);
}

static int ftq_cover_add(struct net_device *lower, const struct ftq_where *at,
			 void *arg)
{
	struct ftq_cover_walk *walk = arg;
	struct ftq_covers *covers = walk->covers;
	unsigned int room = max(2 * covers->room, 8U);
	struct ftq_cover *cover;

	/* Its frames have a tag of the switch's as well. */
	if (netdev_uses_dsa(lower))
		return 0;
	if (covers->nr == covers->room) {
		cover = krealloc(covers->cover, array_size(room, sizeof(*cover)),
				 GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
		if (!cover)
			return -ENOMEM;
		covers->cover = cover;
		covers->room = room;
	}

	cover = &covers->cover[covers->nr++];
	/* Compared as bytes. */
	memset(cover, 0, sizeof(*cover));
	cover->binding = walk->binding;
	cover->ifindex = lower->ifindex;
	cover->at.key = at->key;
	cover->at.tagged = at->tagged;
	cover->at.depth = at->depth;
	return ftq_cover_down(walk, lower, at);
}

/**
 * ftq_covers_make() - find out what all bindings of a namespace cover
 * @fn: namespace
 * @covers: filled, for ftq_covers_free()
 *
 * Context: RTNL.
 * Return: 0, or -ENOMEM with nothing to free.
 */
int ftq_covers_make(struct ftq_net *fn, struct ftq_covers *covers)
{
	struct ftq_cover_walk walk = { .covers = covers };
	const struct ftq_where top = { };
	struct ftq_binding *binding;
	int err;

	*covers = (struct ftq_covers) { };
	list_for_each_entry(binding, &fn->bindings, list) {
		if (!binding->dev)
			continue;
		walk.binding = binding;
		walk.unresolved = false;
		err = ftq_cover_down(&walk, binding->dev, &top);
		if (err) {
			ftq_covers_free(covers);
			return err;
		}
		binding->unresolved = walk.unresolved;
	}
	return 0;
}

/**
 * ftq_covers_free() - free what ftq_covers_make() found
 * @covers: emptied
 */
void ftq_covers_free(struct ftq_covers *covers)
{
	kfree(covers->cover);
	*covers = (struct ftq_covers) { };
}

/**
 * ftq_covers_equal() - are two the same
 * @a: one
 * @b: the other
 */
bool ftq_covers_equal(const struct ftq_covers *a, const struct ftq_covers *b)
{
	return a->nr == b->nr &&
	       !memcmp(a->cover, b->cover, array_size(a->nr, sizeof(*a->cover)));
}
