/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_MAP_H
#define FTQ_MAP_H

#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/types.h>
#include <uapi/linux/nf_flow_qos.h>

struct ftq_net;

/**
 * struct ftq_action - what one class gets
 * @prio: skb->priority to set, unless @keep has NF_FLOW_QOS_ACTION_PRIO
 * @pcp: PCP to set (0..7, IEEE 802.1Q clause 6.9.3), or NF_FLOW_QOS_PCP_VLAN:
 *	that of the VLAN device's egress-qos-map, unless @keep has
 *	NF_FLOW_QOS_ACTION_PCP
 * @dscp: DSCP to set (0..63, RFC 2474), unless @keep has NF_FLOW_QOS_ACTION_DSCP
 * @keep: enum nf_flow_qos_action bits of the values that stay as they are
 * @usual: priority and PCP are both set, by number, and the DSCP stays. Said of the others
 *	when a table is published, so that a packet asks once; of a copy that was changed
 *	it says nothing
 * @word: all of it
 */
struct ftq_action {
	union {
		struct {
			u32	prio;
			u8	pcp;
			u8	dscp;
			u8	keep;
			bool	usual;
		};
		u64		word;
	};
};

/**
 * struct ftq_map_table - the 64 actions of a map, never changed once published
 * @rcu: frees the table one grace period after map->table left it
 * @action: by class
 * @rewrites: a class gets another DSCP
 */
struct ftq_map_table {
	struct ftq_action	action[NF_FLOW_QOS_CLASSES];
	bool			rewrites;
	struct rcu_head		rcu;
};

/**
 * struct ftq_map - a named map
 * @table: published by ftq_map_set() and ftq_map_new() under RTNL, read by the
 *	packet path under RCU: a packet sees the old table or the new one
 * @list: entry of ftq_net->maps; RTNL
 * @bound: bindings that use the map; RTNL
 * @name: NUL-terminated, unique in the namespace
 * @rcu: frees the map; policies that pointed to it were unpublished before
 */
struct ftq_map {
	struct ftq_map_table __rcu	*table;
	struct list_head		list;
	unsigned int			bound;
	char				name[NF_FLOW_QOS_NAME_MAX + 1];
	struct rcu_head			rcu;
};

#define FTQ_MAP_DEFAULT "default"

void ftq_map_builtin(struct ftq_map_table *table);
bool ftq_map_name_valid(const char *name);
struct ftq_map *ftq_map_find(const struct list_head *maps, const char *name);
struct ftq_map *ftq_map_alloc(const char *name,
			      const struct ftq_map_table *values);
void ftq_map_set(struct ftq_map *map, struct ftq_map_table *table);
void ftq_map_free(struct ftq_map *map);
void ftq_maps_free(struct list_head *maps);

/**
 * union ftq_given - what a packet got, and by whom
 *
 * Of a flow's packets it mostly stays the same: compared, written and read as one, which
 * with 32 bits takes two steps: a dump may see one packet's priority and another's device.
 *
 * @prio: skb->priority that was set, else 0
 * @oif: interface index of the device whose binding decided, 0: none
 * @word: all of it
 */
union ftq_given {
	struct {
		u32	prio;
		u32	oif;
	};
	u64		word;
};

/**
 * union ftq_outcome - what became of a packet, compared, written and read like that, too
 *
 * With 32 bits a dump may see one packet's @dscp_out and the others of another.
 *
 * @class: class, 0..63
 * @dscp: DSCP as it came
 * @pcp: PCP that was given to the outermost tag, if @done says so; else 0
 * @done: enum nf_flow_qos_action bits of what was set
 * @dscp_out: DSCP that was given, if @done says so; with FTQ_DSCP_LATE it will be, further
 *	down; else 0
 * @source: enum nf_flow_qos_source, of @class
 * @word: all of it
 */
union ftq_outcome {
	struct {
		u8	class;
		u8	dscp;
		u8	pcp;
		u8	done;
		u8	dscp_out;
		u8	source;
	};
	u64		word;
};

/* A DSCP that is given behind a queue, maybe, where nobody knows the flow any more */
#define FTQ_DSCP_LATE	0x80

/**
 * ftq_outcome_begin() - that of a packet to which nothing was done yet
 * @class: its class so far, which is its DSCP
 * @dscp: its DSCP; 0 if nobody will ask for it, since no flows are accounted
 *
 * Written as one: parts of it are read soon, and the whole of it later.
 */
static __always_inline union ftq_outcome ftq_outcome_begin(u8 class, u8 dscp)
{
	union ftq_outcome outcome;

#ifdef __BIG_ENDIAN
	outcome.word = (u64)class << 56 | (u64)dscp << 48;
#else
	outcome.word = class | (u32)dscp << 8;
#endif
	return outcome;
}

#endif /* FTQ_MAP_H */
