// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink: maps.
 */
#include <linux/rtnetlink.h>

#include "hook.h"
#include "map.h"
#include "net.h"
#include "netlink.h"

#define FTQ_ACTIONS (NF_FLOW_QOS_ACTION_PRIO | NF_FLOW_QOS_ACTION_PCP | \
		     NF_FLOW_QOS_ACTION_DSCP)

static const struct nla_policy
ftq_nl_entry_policy[NF_FLOW_QOS_A_ENTRY_MAX + 1] = {
	[NF_FLOW_QOS_A_ENTRY_CLASS] = NLA_POLICY_MAX(NLA_U32, 63),
	[NF_FLOW_QOS_A_ENTRY_PRIO] = { .type = NLA_U32 },
	[NF_FLOW_QOS_A_ENTRY_PCP] = NLA_POLICY_MAX(NLA_U32,
						   NF_FLOW_QOS_PCP_VLAN),
	[NF_FLOW_QOS_A_ENTRY_DSCP] = NLA_POLICY_MAX(NLA_U32, 63),
	[NF_FLOW_QOS_A_ENTRY_KEEP] = NLA_POLICY_MASK(NLA_U32, FTQ_ACTIONS),
};

const struct nla_policy ftq_nl_map_policy[NF_FLOW_QOS_A_MAP_ENTRY + 1] = {
	[NF_FLOW_QOS_A_MAP_NAME] = { .type = NLA_NUL_STRING,
				     .len = NF_FLOW_QOS_NAME_MAX },
	[NF_FLOW_QOS_A_MAP_FROM] = { .type = NLA_NUL_STRING,
				     .len = NF_FLOW_QOS_NAME_MAX },
	[NF_FLOW_QOS_A_MAP_ENTRY] = NLA_POLICY_NESTED(ftq_nl_entry_policy),
};

const struct nla_policy ftq_nl_map_set_policy[NF_FLOW_QOS_A_MAP_ENTRY + 1] = {
	[NF_FLOW_QOS_A_MAP_NAME] = { .type = NLA_NUL_STRING,
				     .len = NF_FLOW_QOS_NAME_MAX },
	[NF_FLOW_QOS_A_MAP_FROM] = { .type = NLA_REJECT },
	[NF_FLOW_QOS_A_MAP_ENTRY] = NLA_POLICY_NESTED(ftq_nl_entry_policy),
};

static int ftq_nl_entry(const struct nlattr *nest, struct ftq_map_table *table,
			u64 *seen, struct netlink_ext_ack *extack)
{
	struct nlattr *tb[NF_FLOW_QOS_A_ENTRY_MAX + 1];
	struct nlattr *attr;
	struct ftq_action *action;
	u32 class, keep = 0;
	int err;

	err = nla_parse_nested(tb, NF_FLOW_QOS_A_ENTRY_MAX, nest,
			       ftq_nl_entry_policy, extack);
	if (err)
		return err;

	attr = tb[NF_FLOW_QOS_A_ENTRY_CLASS];
	if (!attr) {
		NL_SET_ERR_ATTR_MISS(extack, nest, NF_FLOW_QOS_A_ENTRY_CLASS);
		NL_SET_ERR_MSG_ATTR(extack, nest, "an entry has no class");
		return -EINVAL;
	}
	class = nla_get_u32(attr);
	if (*seen & BIT_ULL(class)) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "a class is named twice");
		return -EINVAL;
	}
	*seen |= BIT_ULL(class);
	action = &table->action[class];

	attr = tb[NF_FLOW_QOS_A_ENTRY_KEEP];
	if (attr) {
		keep = nla_get_u32(attr);
		if ((keep & NF_FLOW_QOS_ACTION_PRIO && tb[NF_FLOW_QOS_A_ENTRY_PRIO]) ||
		    (keep & NF_FLOW_QOS_ACTION_PCP && tb[NF_FLOW_QOS_A_ENTRY_PCP]) ||
		    (keep & NF_FLOW_QOS_ACTION_DSCP && tb[NF_FLOW_QOS_A_ENTRY_DSCP])) {
			NL_SET_ERR_MSG_ATTR(extack, attr,
					    "an action is both set and kept");
			return -EINVAL;
		}
	}

	attr = tb[NF_FLOW_QOS_A_ENTRY_DSCP];
	if (attr) {
		action->dscp = nla_get_u32(attr);
		action->keep &= ~NF_FLOW_QOS_ACTION_DSCP;
	}

	attr = tb[NF_FLOW_QOS_A_ENTRY_PCP];
	if (attr) {
		action->pcp = nla_get_u32(attr);
		action->keep &= ~NF_FLOW_QOS_ACTION_PCP;
	}

	attr = tb[NF_FLOW_QOS_A_ENTRY_PRIO];
	if (attr) {
		action->prio = nla_get_u32(attr);
		action->keep &= ~NF_FLOW_QOS_ACTION_PRIO;
	}

	action->keep |= keep;
	/* A value that is kept is not told, and never compared. */
	if (keep & NF_FLOW_QOS_ACTION_PRIO)
		action->prio = 0;
	if (keep & NF_FLOW_QOS_ACTION_PCP)
		action->pcp = 0;
	if (keep & NF_FLOW_QOS_ACTION_DSCP)
		action->dscp = 0;
	if (!keep && !tb[NF_FLOW_QOS_A_ENTRY_PRIO] &&
	    !tb[NF_FLOW_QOS_A_ENTRY_PCP] && !tb[NF_FLOW_QOS_A_ENTRY_DSCP]) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "an entry has no action");
		return -EINVAL;
	}
	return 0;
}

/**
 * ftq_nl_map_entries() - apply the entries of a request to a table
 * @head: first attribute of the request or of the map's nest
 * @len: bytes of the attributes
 * @change: at least one entry is required
 * @table: changed; of no use after an error
 * @extack: filled on error
 *
 * Return: 0 or a negative error.
 */
int ftq_nl_map_entries(const struct nlattr *head, int len, bool change,
		       struct ftq_map_table *table,
		       struct netlink_ext_ack *extack)
{
	const struct nlattr *attr;
	u64 seen = 0;
	int rem, err;

	nla_for_each_attr(attr, head, len, rem) {
		if (nla_type(attr) != NF_FLOW_QOS_A_MAP_ENTRY)
			continue;
		err = ftq_nl_entry(attr, table, &seen, extack);
		if (err)
			return err;
	}
	if (change && !seen) {
		NL_SET_ERR_ATTR_MISS(extack, NULL, NF_FLOW_QOS_A_MAP_ENTRY);
		NL_SET_ERR_MSG(extack, "no entry to change");
		return -EINVAL;
	}
	return 0;
}

static int ftq_nl_map_info_entries(struct genl_info *info, bool change,
				   struct ftq_map_table *table)
{
	return ftq_nl_map_entries(genlmsg_data(info->genlhdr),
				  genlmsg_len(info->genlhdr), change, table,
				  info->extack);
}

static int ftq_nl_map_fill(struct sk_buff *skb, const struct ftq_net *fn,
			   const struct ftq_map *map,
			   const struct ftq_nl_head *head,
			   struct netlink_callback *cb)
{
	const struct ftq_map_table *table = rtnl_dereference(map->table);
	const struct ftq_action *action;
	struct nlattr *nest;
	void *msg;
	u32 i;

	msg = ftq_nl_put(skb, head);
	if (!msg)
		return -EMSGSIZE;
	if (cb)
		genl_dump_check_consistent(cb, msg);

	if (nla_put_string(skb, NF_FLOW_QOS_A_MAP_NAME, map->name) ||
	    nla_put_u32(skb, NF_FLOW_QOS_A_MAP_BOUND, map->bound) ||
	    nla_put_u32(skb, NF_FLOW_QOS_A_MAP_GENERATION, fn->generation))
		goto cancel;

	for (i = 0; i < NF_FLOW_QOS_CLASSES; i++) {
		action = &table->action[i];
		nest = nla_nest_start(skb, NF_FLOW_QOS_A_MAP_ENTRY);
		if (!nest ||
		    nla_put_u32(skb, NF_FLOW_QOS_A_ENTRY_CLASS, i) ||
		    (!(action->keep & NF_FLOW_QOS_ACTION_PRIO) &&
		     nla_put_u32(skb, NF_FLOW_QOS_A_ENTRY_PRIO, action->prio)) ||
		    (!(action->keep & NF_FLOW_QOS_ACTION_PCP) &&
		     nla_put_u32(skb, NF_FLOW_QOS_A_ENTRY_PCP, action->pcp)) ||
		    (!(action->keep & NF_FLOW_QOS_ACTION_DSCP) &&
		     nla_put_u32(skb, NF_FLOW_QOS_A_ENTRY_DSCP, action->dscp)) ||
		    nla_put_u32(skb, NF_FLOW_QOS_A_ENTRY_KEEP, action->keep))
			goto cancel;
		nla_nest_end(skb, nest);
	}
	genlmsg_end(skb, msg);
	return 0;

cancel:
	genlmsg_cancel(skb, msg);
	return -EMSGSIZE;
}

static struct sk_buff *ftq_nl_map_msg(const struct ftq_net *fn,
				      const struct ftq_map *map,
				      const struct ftq_nl_head *head)
{
	/* Class and keep, and of prio, pcp and dscp at most what is not kept. */
	size_t entry = nla_total_size(5 * nla_total_size(sizeof(u32)));
	struct sk_buff *msg;

	msg = genlmsg_new(nla_total_size(sizeof(map->name)) +
			  2 * nla_total_size(sizeof(u32)) +
			  NF_FLOW_QOS_CLASSES * entry, GFP_KERNEL);
	if (msg && ftq_nl_map_fill(msg, fn, map, head, NULL)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

/**
 * ftq_nl_notify_map() - tell listeners of a map
 * @fn: namespace
 * @map: map
 * @cmd: NF_FLOW_QOS_CMD_MAP_SET_NTF or _DEL_NTF
 *
 * Context: RTNL.
 */
void ftq_nl_notify_map(struct ftq_net *fn, const struct ftq_map *map, u8 cmd)
{
	struct ftq_nl_head head = { .cmd = cmd };

	if (ftq_nl_heard(fn, FTQ_NL_GROUP_CONFIG))
		ftq_nl_send(fn, ftq_nl_map_msg(fn, map, &head), FTQ_NL_GROUP_CONFIG);
}

/* The map that a request names. Context: RTNL. */
static struct ftq_map *ftq_nl_map_lookup(struct ftq_net *fn,
					 struct genl_info *info, int attr)
{
	struct ftq_map *map = ftq_map_find(&fn->maps, nla_data(info->attrs[attr]));

	if (map)
		return map;
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[attr],
			    "no map of this name");
	return ERR_PTR(-ENOENT);
}

/**
 * ftq_nl_map_get() - map-get: one map
 * @skb: request
 * @info: request, parsed
 *
 * Context: genl_mutex is held; takes RTNL.
 * Return: 0, -EINVAL without a name, -ENOENT.
 */
int ftq_nl_map_get(struct sk_buff *skb, struct genl_info *info)
{
	struct ftq_net *fn = ftq_net(genl_info_net(info));
	struct ftq_nl_head head = ftq_nl_reply(info, NF_FLOW_QOS_CMD_MAP_GET);
	struct sk_buff *msg;
	struct ftq_map *map;
	int err;

	err = ftq_nl_missing(info, NF_FLOW_QOS_A_MAP_NAME,
			     "name of the map is missing");
	if (err)
		return err;

	rtnl_lock();
	map = ftq_nl_map_lookup(fn, info, NF_FLOW_QOS_A_MAP_NAME);
	msg = IS_ERR(map) ? NULL : ftq_nl_map_msg(fn, map, &head);
	rtnl_unlock();

	if (IS_ERR(map))
		return PTR_ERR(map);
	return msg ? genlmsg_reply(msg, info) :
		     ftq_nl_end(info->extack, -ENOMEM);
}

/**
 * ftq_nl_map_dump() - map-get: all maps
 * @skb: part of the answer, filled
 * @cb: the dump
 *
 * Context: genl_mutex is held; takes RTNL.
 * Return: bytes filled, 0 at the end, or a negative error.
 */
int ftq_nl_map_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct ftq_nl_list_cursor *cursor = (void *)cb->ctx;
	struct ftq_nl_head head = ftq_nl_dump(skb, cb, NF_FLOW_QOS_CMD_MAP_GET);
	struct ftq_net *fn = ftq_net(sock_net(cb->skb->sk));
	const struct ftq_map *map;
	unsigned int i = 0;
	int err;

	err = ftq_nl_unnamed(cb);
	if (err)
		return err;

	rtnl_lock();
	cb->seq = fn->generation;
	list_for_each_entry(map, &fn->maps, list) {
		if (i++ < cursor->skip)
			continue;
		if (ftq_nl_map_fill(skb, fn, map, &head, cb))
			break;
		cursor->skip++;
	}
	rtnl_unlock();
	return skb->len;
}

/**
 * ftq_nl_map_new() - map-new: create a map
 * @skb: request
 * @info: request, parsed
 *
 * Context: genl_mutex is held; takes RTNL.
 * Return: 0, -EINVAL (name, entries), -EEXIST, -ENOSPC, -ENOENT (from), -ENOMEM.
 */
int ftq_nl_map_new(struct sk_buff *skb, struct genl_info *info)
{
	struct ftq_net *fn = ftq_net(genl_info_net(info));
	struct nlattr *name = info->attrs[NF_FLOW_QOS_A_MAP_NAME];
	struct ftq_map_table *table;
	struct ftq_map *map;
	int err;

	err = ftq_nl_missing(info, NF_FLOW_QOS_A_MAP_NAME,
			     "name of the map is missing");
	if (err)
		return err;
	if (!ftq_map_name_valid(nla_data(name))) {
		NL_SET_ERR_MSG_ATTR(info->extack, name,
				    "a map's name is 1 to 31 of the characters a-z 0-9 _ . -");
		return -EINVAL;
	}

	table = kmalloc(sizeof(*table), GFP_KERNEL);
	if (!table)
		return ftq_nl_end(info->extack, -ENOMEM);
	ftq_map_builtin(table);

	rtnl_lock();
	if (ftq_map_find(&fn->maps, nla_data(name))) {
		NL_SET_ERR_MSG_ATTR(info->extack, name,
				    "a map of this name exists");
		err = -EEXIST;
		goto out;
	}
	if (fn->nr_maps >= NF_FLOW_QOS_MAPS_MAX) {
		NL_SET_ERR_MSG_ATTR(info->extack, name,
				    "64 maps is the most there can be: delete one");
		err = -ENOSPC;
		goto out;
	}
	if (info->attrs[NF_FLOW_QOS_A_MAP_FROM]) {
		map = ftq_nl_map_lookup(fn, info, NF_FLOW_QOS_A_MAP_FROM);
		if (IS_ERR(map)) {
			err = PTR_ERR(map);
			goto out;
		}
		memcpy(table->action, rtnl_dereference(map->table)->action,
		       sizeof(table->action));
	}
	err = ftq_nl_map_info_entries(info, false, table);
	if (err)
		goto out;

	map = ftq_map_alloc(nla_data(name), table);
	if (!map) {
		err = -ENOMEM;
		goto out;
	}
	list_add_tail(&map->list, &fn->maps);
	fn->nr_maps++;
	ftq_net_changed(fn);
	ftq_nl_notify_map(fn, map, NF_FLOW_QOS_CMD_MAP_SET_NTF);
out:
	rtnl_unlock();
	kfree(table);
	return ftq_nl_end(info->extack, err);
}

/**
 * ftq_nl_map_set() - map-set: change entries of a map, all or none
 * @skb: request
 * @info: request, parsed
 *
 * Context: genl_mutex is held; takes RTNL.
 * Return: 0, -EINVAL, -ENOENT, -ENOMEM.
 */
int ftq_nl_map_set(struct sk_buff *skb, struct genl_info *info)
{
	struct ftq_net *fn = ftq_net(genl_info_net(info));
	const struct ftq_map_table *old;
	struct ftq_map_table *table;
	struct ftq_map *map;
	int err;

	err = ftq_nl_missing(info, NF_FLOW_QOS_A_MAP_NAME,
			     "name of the map is missing");
	if (err)
		return err;

	table = kmalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
	if (!table)
		return ftq_nl_end(info->extack, -ENOMEM);

	rtnl_lock();
	map = ftq_nl_map_lookup(fn, info, NF_FLOW_QOS_A_MAP_NAME);
	if (IS_ERR(map)) {
		err = PTR_ERR(map);
		goto out;
	}
	old = rtnl_dereference(map->table);
	memcpy(table->action, old->action, sizeof(table->action));
	err = ftq_nl_map_info_entries(info, true, table);
	if (err || !memcmp(table->action, old->action, sizeof(old->action)))
		goto out;

	ftq_map_set(map, table);
	table = NULL;
	ftq_net_changed(fn);
	ftq_nl_notify_map(fn, map, NF_FLOW_QOS_CMD_MAP_SET_NTF);
out:
	rtnl_unlock();
	kfree(table);
	return ftq_nl_end(info->extack, err);
}

/**
 * ftq_nl_map_del() - map-del: delete a map
 * @skb: request
 * @info: request, parsed
 *
 * Context: genl_mutex is held; takes RTNL.
 * Return: 0, -EINVAL, -ENOENT, -EPERM (default), -EBUSY (bound).
 */
int ftq_nl_map_del(struct sk_buff *skb, struct genl_info *info)
{
	struct ftq_net *fn = ftq_net(genl_info_net(info));
	struct nlattr *name = info->attrs[NF_FLOW_QOS_A_MAP_NAME];
	struct ftq_map *map;
	int err;

	err = ftq_nl_missing(info, NF_FLOW_QOS_A_MAP_NAME,
			     "name of the map is missing");
	if (err)
		return err;

	rtnl_lock();
	map = ftq_nl_map_lookup(fn, info, NF_FLOW_QOS_A_MAP_NAME);
	if (IS_ERR(map)) {
		err = PTR_ERR(map);
	} else if (!strcmp(map->name, FTQ_MAP_DEFAULT)) {
		NL_SET_ERR_MSG_ATTR(info->extack, name,
				    "the map default always exists: it can be changed, not deleted");
		err = -EPERM;
	} else if (map->bound) {
		NL_SET_ERR_MSG_ATTR(info->extack, name,
				    "the map is bound to a device: bind that to another map first");
		err = -EBUSY;
	} else if (fn->stale) {
		/* Policies made before the last event may point to the map. */
		err = ftq_hook_sync(fn);
	}
	if (!err) {
		list_del(&map->list);
		fn->nr_maps--;
		ftq_net_changed(fn);
		ftq_nl_notify_map(fn, map, NF_FLOW_QOS_CMD_MAP_DEL_NTF);
		ftq_map_free(map);
	}
	rtnl_unlock();
	return ftq_nl_end(info->extack, err);
}
