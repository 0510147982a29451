/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_BINDING_H
#define FTQ_BINDING_H

#include <linux/netdevice.h>

#include "key.h"
#include "map.h"

struct ftq_covers;
struct ftq_net;

#define FTQ_ANY "any"

/* A TPID that no tag has; 0 is that of no tag */
#define FTQ_TPID_NONE htons(0xffff)

/**
 * struct ftq_binding - what a device, or any device, is given
 *
 * All fields change under RTNL; the packet path sees the policies made from
 * them (struct ftq_policy), not the binding.
 *
 * @list: entry of ftq_net->bindings
 * @dev: the device while it is in the namespace and no DSA conduit; set and
 *	cleared by netdev events and ftq_bindings_settle(), so no reference is
 *	held. NULL for any
 * @map: for packets that leave through the device; counted in map->bound
 * @any: covers every device without a binding of its own
 * @trust: enum nf_flow_qos_trust, for packets that enter through the device
 * @scope: enum nf_flow_qos_scope
 * @sticky: enum nf_flow_qos_sticky
 * @epoch: ftq_net->epoch when it came, or was less sticky than before; never 0
 * @ctmark_mask: with trust ctmark the six bits of the mark that are the class, else 0
 * @ctmark_statemask: with trust ctmark, bits of which one has to be set in a mark that
 *	counts, 0: each counts; else 0
 * @state: enum nf_flow_qos_dev_state that was last told
 * @unresolved: @dev is an upper device, what is below it is not known yet
 * @name: name of the device, or FTQ_ANY; follows renames
 */
struct ftq_binding {
	struct list_head	list;
	struct net_device	*dev;
	struct ftq_map		*map;
	bool			any;
	u8			trust;
	u8			scope;
	u8			sticky;
	u32			epoch;
	u32			ctmark_mask;
	u32			ctmark_statemask;
	u8			state;
	bool			unresolved;
	char			name[IFNAMSIZ];
};

/**
 * struct ftq_target - the binding that decides, as the packet path sees it
 * @map: map for packets that leave, NULL: nothing is set
 * @oif: interface index of the device that is bound; for any, of the device
 *	that the packet crosses
 * @trust: enum nf_flow_qos_trust for packets that enter
 * @scope: enum nf_flow_qos_scope for packets that leave
 * @sticky: enum nf_flow_qos_sticky for packets that leave
 * @epoch: as in struct ftq_binding: what was learned with another is not this one's
 * @ctmark_mask: as in struct ftq_binding
 * @ctmark_statemask: likewise
 */
struct ftq_target {
	const struct ftq_map	*map;
	u32			oif;
	u8			trust;
	u8			scope;
	u8			sticky;
	u32			epoch;
	u32			ctmark_mask;
	u32			ctmark_statemask;
};

/**
 * struct ftq_policy_entry - a bound upper device
 * @key: encapsulation of its frames on this device
 * @target: what its binding gives
 */
struct ftq_policy_entry {
	u64			key;
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
 * @self: for frames that no entry is for
 * @bare: for those with neither tag nor session: a bridge's VLAN on an untagged port, or
 *	the same as @self
 * @any: map of any, where the kernel has no egress hooks and the device that a
 *	packet will leave through is not known; else NULL
 * @slow: a target has NF_FLOW_QOS_SCOPE_ALL, or is sticky
 * @watch: packets have to be seen here even if nothing is set: one of several
 *	devices below is bound, or it is a tunnel's device
 * @shared: devices above it send through it, too, which are neither VLANs' nor only VRFs
 * @hands_on: what leaves goes on, as it is, to devices below, where the same binding
 *	holds for it; with scope all these write its DSCP, so that each device sees
 *	the one that tells its class
 * @tpid: TPID of the first of @entry if that is of one tag and no more, and has a map; else
 *	one that no tag has
 * @vid: likewise its VLAN ID: they are compared in place
 * @nr: length of @entry
 * @entry: by rising key, each once; that of @bare is 0
 */
struct ftq_policy {
	struct rcu_head			rcu;
	struct ftq_target		self;
	struct ftq_target		bare;
	const struct ftq_map		*any;
	bool				slow;
	bool				watch;
	bool				shared;
	bool				hands_on;
	__be16				tpid;
	u16				vid;
	unsigned int			nr;
	struct ftq_policy_entry		entry[];
};

static inline const struct ftq_target *
ftq_policy_find(const struct ftq_policy *policy, u64 key)
{
	unsigned int from = 0, to = policy->nr, mid;

	while (from < to) {
		mid = (from + to) / 2;
		if (policy->entry[mid].key == key)
			return &policy->entry[mid].target;
		if (policy->entry[mid].key < key)
			from = mid + 1;
		else
			to = mid;
	}
	return NULL;
}

/**
 * ftq_policy_target() - what holds for a frame
 * @policy: of the device that the frame is on
 * @key: its encapsulation
 *
 * The most upper device that the frame can be of decides: its session's, that of
 * both tags, that of the outer one, the device itself.
 *
 * Context: RCU.
 * Return: the target, never NULL.
 */
static inline const struct ftq_target *
ftq_policy_target(const struct ftq_policy *policy, u64 key)
{
	const struct ftq_target *target;

	if (likely(!key))
		return &policy->bare;

	target = ftq_policy_find(policy, key);
	if (!target && key & FTQ_KEY_SESSION) {
		key &= ~FTQ_KEY_SESSION;
		target = ftq_policy_find(policy, key);
	}
	if (!target && key & FTQ_KEY_INNER) {
		key &= FTQ_KEY_OUTER;
		target = ftq_policy_find(policy, key);
	}
	return target ?: &policy->self;
}

bool ftq_policy_sets(const struct ftq_policy *policy);
struct ftq_policy *ftq_policy_make(struct ftq_net *fn, struct net_device *dev,
				   const struct ftq_covers *covers);

struct ftq_binding *ftq_binding_find(const struct list_head *bindings,
				     const char *name);
struct ftq_binding *ftq_binding_of_dev(const struct ftq_net *fn,
				       const struct net_device *dev);
struct ftq_binding *ftq_binding_alloc(const char *name);
void ftq_binding_use_map(struct ftq_binding *binding, struct ftq_map *map);
void ftq_binding_begin(struct ftq_net *fn, struct ftq_binding *binding);
void ftq_binding_free(struct ftq_binding *binding);
void ftq_bindings_free(struct list_head *bindings);
const char *ftq_binding_refusal(const struct net_device *dev);
void ftq_bindings_settle(struct ftq_net *fn);
u8 ftq_binding_state(struct ftq_net *fn, const struct ftq_binding *binding,
		     const char **reason);
void ftq_bindings_tell(struct ftq_net *fn);

#endif /* FTQ_BINDING_H */
