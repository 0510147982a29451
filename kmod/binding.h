/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_BINDING_H
#define FTQ_BINDING_H

#include <linux/if_vlan.h>
#include <linux/netdevice.h>

#include "map.h"

struct ftq_net;

#define FTQ_ANY "any"

/**
 * struct ftq_binding - what a device, or any device, is given
 *
 * All fields change under RTNL; the packet path sees the policies made from
 * them (struct ftq_policy), not the binding.
 *
 * @list: entry of ftq_net->bindings
 * @dev: the device while it is in the namespace; set and cleared by netdev
 *	events, so no reference is held. NULL for any
 * @map: for packets that leave through the device; counted in map->bound
 * @any: covers every device without a binding of its own
 * @trust: enum nf_flow_qos_trust, for packets that enter through the device
 * @scope: enum nf_flow_qos_scope
 * @state: enum nf_flow_qos_dev_state that was last told
 * @name: name of the device, or FTQ_ANY; follows renames
 */
struct ftq_binding {
	struct list_head	list;
	struct net_device	*dev;
	struct ftq_map		*map;
	bool			any;
	u8			trust;
	u8			scope;
	u8			state;
	char			name[IFNAMSIZ];
};

/**
 * struct ftq_target - the binding that decides, as the packet path sees it
 * @map: map for packets that leave, NULL: nothing is set
 * @oif: interface index of the device that is bound; for any, of the device
 *	that the packet crosses
 * @trust: enum nf_flow_qos_trust for packets that enter
 */
struct ftq_target {
	const struct ftq_map	*map;
	u32			oif;
	u8			trust;
};

/**
 * struct ftq_policy_vlan - a bound VLAN device above
 * @tag: VLAN protocol (host order) << 16 | VLAN ID
 * @target: what its binding gives
 */
struct ftq_policy_vlan {
	u32			tag;
	struct ftq_target	target;
};

/**
 * struct ftq_policy - what holds for the packets on one device
 *
 * Made anew under RTNL whenever a binding or a device changes, never changed
 * once published (ftq_dev->policy); freed a grace period after it was replaced.
 * Maps outlive the policies that point to them: a map is freed only after
 * no policy has it.
 *
 * @rcu: frees the policy
 * @self: for frames that no entry of @vlan is for
 * @nr_vlans: length of @vlan
 * @vlan: by rising tag
 */
struct ftq_policy {
	struct rcu_head		rcu;
	struct ftq_target	self;
	unsigned int		nr_vlans;
	struct ftq_policy_vlan	vlan[];
};

/**
 * ftq_policy_tagged() - what holds for a frame with this outermost tag
 * @policy: of the device that the frame is on
 * @proto: VLAN protocol, network order
 * @vid: VLAN ID
 *
 * Context: RCU.
 * Return: the target, never NULL.
 */
static inline const struct ftq_target *
ftq_policy_tagged(const struct ftq_policy *policy, __be16 proto, u16 vid)
{
	unsigned int from = 0, to = policy->nr_vlans, mid;
	u32 tag = (u32)ntohs(proto) << 16 | vid;

	while (from < to) {
		mid = (from + to) / 2;
		if (policy->vlan[mid].tag == tag)
			return &policy->vlan[mid].target;
		if (policy->vlan[mid].tag < tag)
			from = mid + 1;
		else
			to = mid;
	}
	return &policy->self;
}

bool ftq_policy_sets(const struct ftq_policy *policy);
struct ftq_policy *ftq_policy_make(struct ftq_net *fn, struct net_device *dev);

struct ftq_binding *ftq_binding_find(const struct list_head *bindings,
				     const char *name);
struct ftq_binding *ftq_binding_of_dev(const struct ftq_net *fn,
				       const struct net_device *dev);
struct ftq_binding *ftq_binding_alloc(const char *name);
void ftq_binding_use_map(struct ftq_binding *binding, struct ftq_map *map);
void ftq_binding_free(struct ftq_binding *binding);
void ftq_bindings_free(struct list_head *bindings);
const char *ftq_binding_refusal(const struct net_device *dev);
u8 ftq_binding_state(struct ftq_net *fn, const struct ftq_binding *binding,
		     const char **reason);
void ftq_bindings_tell(struct ftq_net *fn);

#endif /* FTQ_BINDING_H */
