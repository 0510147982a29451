// SPDX-License-Identifier: GPL-2.0
/*
 * Maps: from a class (a DSCP) to skb->priority, PCP and DSCP.
 */
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "map.h"
#include "net.h"

/*
 * The preset dot1q: the traffic types of IEEE 802.1Q annex I for the DSCPs of
 * RFC 4594, LE (RFC 8622), VOICE-ADMIT (RFC 5865) and NQB; where the kernel's
 * net/core/ieee8021q_helpers.c has a value, it is the same. Others are 0.
 */
static const u8 ftq_map_dot1q[NF_FLOW_QOS_CLASSES] = {
	[1] = 1, [8] = 1,
	[16] = 2, [18] = 2, [20] = 2, [22] = 2,
	[24] = 3, [26] = 3, [28] = 3, [30] = 3,
	[32] = 4, [34] = 4, [36] = 4, [38] = 4,
	[40] = 5, [44] = 5, [45] = 5, [46] = 5,
	[48] = 6,
	[56] = 7,
};

/**
 * ftq_map_builtin() - the values that the map default begins with
 * @table: its actions are filled
 */
void ftq_map_builtin(struct ftq_map_table *table)
{
	struct ftq_action *action;
	int i;

	memset(table->action, 0, sizeof(table->action));
	for (i = 0; i < NF_FLOW_QOS_CLASSES; i++) {
		action = &table->action[i];
		action->prio = ftq_map_dot1q[i];
		action->pcp = ftq_map_dot1q[i];
		action->keep = NF_FLOW_QOS_ACTION_DSCP;
	}
}

/**
 * ftq_map_name_valid() - is this a name that a map may have
 * @name: NUL-terminated
 *
 * Return: true for 1 to NF_FLOW_QOS_NAME_MAX of the characters a-z 0-9 _ . -
 */
bool ftq_map_name_valid(const char *name)
{
	size_t len = strlen(name);

	return len && len <= NF_FLOW_QOS_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == len;
}

/**
 * ftq_map_find() - look a map up by its name
 * @maps: list of maps
 * @name: NUL-terminated
 *
 * Context: RTNL.
 * Return: the map, valid while RTNL is held, or NULL.
 */
struct ftq_map *ftq_map_find(const struct list_head *maps, const char *name)
{
	struct ftq_map *map;

	list_for_each_entry(map, maps, list)
		if (!strcmp(map->name, name))
			return map;
	return NULL;
}

/* Before a table is published. */
static void ftq_map_settle(struct ftq_map_table *table)
{
	struct ftq_action *action;
	int i;

	table->rewrites = false;
	for (i = 0; i < NF_FLOW_QOS_CLASSES; i++) {
		action = &table->action[i];
		if (!(action->keep & NF_FLOW_QOS_ACTION_DSCP))
			table->rewrites = true;
		action->usual = action->keep == NF_FLOW_QOS_ACTION_DSCP &&
				action->pcp != NF_FLOW_QOS_PCP_VLAN;
	}
}

/**
 * ftq_map_alloc() - make a map that is on no list yet
 * @name: valid name
 * @values: its actions, copied; NULL: the built-in ones
 *
 * Context: process, may sleep.
 * Return: the map, for ftq_map_free(), or NULL without memory.
 */
struct ftq_map *ftq_map_alloc(const char *name,
			      const struct ftq_map_table *values)
{
	struct ftq_map_table *table;
	struct ftq_map *map;

	map = kzalloc(sizeof(*map), GFP_KERNEL_ACCOUNT);
	if (!map)
		return NULL;

	table = kmalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
	if (!table) {
		kfree(map);
		return NULL;
	}
	if (values)
		memcpy(table->action, values->action, sizeof(table->action));
	else
		ftq_map_builtin(table);
	ftq_map_settle(table);
	RCU_INIT_POINTER(map->table, table);
	INIT_LIST_HEAD(&map->list);
	strscpy(map->name, name, sizeof(map->name));
	return map;
}

/**
 * ftq_map_set() - replace the actions of a map
 * @map: the map
 * @table: its new actions; from kmalloc(), and the map's from now on
 *
 * Packets of flows that are already offloaded get the new actions as well.
 *
 * Context: RTNL.
 */
void ftq_map_set(struct ftq_map *map, struct ftq_map_table *table)
{
	struct ftq_map_table *old = rtnl_dereference(map->table);

	ftq_map_settle(table);
	rcu_assign_pointer(map->table, table);
	kfree_rcu(old, rcu);
}

/**
 * ftq_map_free() - free a map after a grace period
 * @map: on no list, bound by no binding that a published policy knows
 *
 * Context: RTNL, or nobody else can reach the map.
 */
void ftq_map_free(struct ftq_map *map)
{
	struct ftq_map_table *table = rcu_dereference_protected(map->table, 1);

	kfree_rcu(table, rcu);
	kfree_rcu(map, rcu);
}

/**
 * ftq_maps_free() - empty a list of maps
 * @maps: its maps are bound by no binding that a published policy knows
 */
void ftq_maps_free(struct list_head *maps)
{
	struct ftq_map *map, *next;

	list_for_each_entry_safe(map, next, maps, list) {
		list_del(&map->list);
		ftq_map_free(map);
	}
}
