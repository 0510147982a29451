// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink: the whole configuration at once.
 *
 * Maps and bindings are made from the request as lists of their own, which
 * then take the place of the namespace's; if the hooks cannot follow, the old
 * lists come back. Devices are given their new policies one after the other,
 * in one go: until the last has it, a packet may be given a class by the new
 * trust of the device that it enters through and by the old map of the other.
 */
#include <linux/rtnetlink.h>

#include "binding.h"
#include "hook.h"
#include "map.h"
#include "net.h"
#include "netlink.h"

/* What the namespace would have. */
struct ftq_nl_candidate {
	struct list_head	maps;
	struct list_head	bindings;
	unsigned int		nr_maps;
	unsigned int		nr_bindings;
	u32			limit;
	u32			timeout;
	bool			has_default;
	bool			has_config;
};

const struct nla_policy
ftq_nl_restore_policy[NF_FLOW_QOS_A_RESTORE_CONFIG + 1] = {
	[NF_FLOW_QOS_A_RESTORE_MAP] = {
		.type = NLA_NESTED,
		.nested_policy = ftq_nl_map_set_policy,
		.len = NF_FLOW_QOS_A_MAP_ENTRY,
	},
	[NF_FLOW_QOS_A_RESTORE_DEV] = {
		.type = NLA_NESTED,
		.nested_policy = ftq_nl_dev_policy,
		.len = NF_FLOW_QOS_A_DEV_CTMARK_STATEMASK,
	},
	[NF_FLOW_QOS_A_RESTORE_CONFIG] = {
		.type = NLA_NESTED,
		.nested_policy = ftq_nl_config_policy,
		.len = NF_FLOW_QOS_A_CONFIG_FLOW_TIMEOUT,
	},
};

static int ftq_nl_restore_add_map(struct ftq_nl_candidate *cand,
				  const char *name,
				  const struct ftq_map_table *table)
{
	struct ftq_map *map = ftq_map_alloc(name, table);

	if (!map)
		return -ENOMEM;
	list_add_tail(&map->list, &cand->maps);
	cand->nr_maps++;
	return 0;
}

static int ftq_nl_restore_map(struct ftq_nl_candidate *cand,
			      const struct nlattr *nest,
			      struct netlink_ext_ack *extack)
{
	struct nlattr *tb[NF_FLOW_QOS_A_MAP_ENTRY + 1];
	struct ftq_map_table *table;
	const struct nlattr *name;
	struct ftq_map *map;
	int err;

	err = nla_parse_nested(tb, NF_FLOW_QOS_A_MAP_ENTRY, nest,
			       ftq_nl_map_set_policy, extack);
	if (err)
		return err;

	name = tb[NF_FLOW_QOS_A_MAP_NAME];
	if (!name) {
		NL_SET_ERR_ATTR_MISS(extack, nest, NF_FLOW_QOS_A_MAP_NAME);
		NL_SET_ERR_MSG_ATTR(extack, nest, "a map has no name");
		return -EINVAL;
	}
	if (!ftq_map_name_valid(nla_data(name))) {
		NL_SET_ERR_MSG_ATTR(extack, name,
				    "a map's name is 1 to 31 of the characters a-z 0-9 _ . -");
		return -EINVAL;
	}

	table = kmalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
	if (!table)
		return -ENOMEM;
	ftq_map_builtin(table);
	err = ftq_nl_map_entries(nla_data(nest), nla_len(nest), false, table,
				 extack);
	if (err)
		goto out;

	map = ftq_map_find(&cand->maps, nla_data(name));
	/* default is there from the beginning, and given at most once. */
	if (map && (cand->has_default || strcmp(map->name, FTQ_MAP_DEFAULT))) {
		NL_SET_ERR_MSG_ATTR(extack, name, "a map is given twice");
		err = -EEXIST;
	} else if (map) {
		cand->has_default = true;
		ftq_map_set(map, table);
		return 0;
	} else if (cand->nr_maps >= NF_FLOW_QOS_MAPS_MAX) {
		NL_SET_ERR_MSG_ATTR(extack, name,
				    "64 maps is the most there can be");
		err = -ENOSPC;
	} else {
		err = ftq_nl_restore_add_map(cand, nla_data(name), table);
	}
out:
	kfree(table);
	return err;
}

static int ftq_nl_restore_dev(struct ftq_net *fn, struct ftq_nl_candidate *cand,
			      const struct nlattr *nest,
			      struct netlink_ext_ack *extack)
{
	struct nlattr *tb[NF_FLOW_QOS_A_DEV_CTMARK_STATEMASK + 1];
	struct ftq_binding *binding, *old;
	struct ftq_map *map = NULL;
	const struct nlattr *name;
	int err;

	err = nla_parse_nested(tb, NF_FLOW_QOS_A_DEV_CTMARK_STATEMASK, nest,
			       ftq_nl_dev_policy, extack);
	if (err)
		return err;

	name = tb[NF_FLOW_QOS_A_DEV_NAME];
	if (!name) {
		NL_SET_ERR_ATTR_MISS(extack, nest, NF_FLOW_QOS_A_DEV_NAME);
		NL_SET_ERR_MSG_ATTR(extack, nest, "a binding has no name");
		return -EINVAL;
	}
	if (ftq_binding_find(&cand->bindings, nla_data(name))) {
		NL_SET_ERR_MSG_ATTR(extack, name, "a device is given twice");
		return -EEXIST;
	}
	if (cand->nr_bindings >= NF_FLOW_QOS_DEVS_MAX) {
		NL_SET_ERR_MSG_ATTR(extack, name,
				    "1024 bindings is the most there can be: bind any");
		return -ENOSPC;
	}

	binding = ftq_binding_alloc(nla_data(name));
	if (!binding)
		return -ENOMEM;
	err = ftq_nl_dev_parse(fn, &cand->maps, tb, binding, &map, extack);
	if (err) {
		ftq_binding_free(binding);
		return err;
	}
	ftq_binding_use_map(binding, map ?: ftq_map_find(&cand->maps,
							 FTQ_MAP_DEFAULT));
	/* It goes on with what it has learned, as if it were changed in place. */
	old = ftq_binding_find(&fn->bindings, binding->name);
	if (old && binding->sticky >= old->sticky)
		binding->epoch = old->epoch;
	else
		ftq_binding_begin(fn, binding);
	list_add_tail(&binding->list, &cand->bindings);
	cand->nr_bindings++;
	return 0;
}

static int ftq_nl_restore_config(const struct ftq_net *fn,
				 struct ftq_nl_candidate *cand,
				 const struct nlattr *nest,
				 struct netlink_ext_ack *extack)
{
	struct nlattr *tb[NF_FLOW_QOS_A_CONFIG_FLOW_TIMEOUT + 1];
	int err;

	if (cand->has_config) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "the limits are given twice");
		return -EEXIST;
	}
	cand->has_config = true;
	err = nla_parse_nested(tb, NF_FLOW_QOS_A_CONFIG_FLOW_TIMEOUT, nest,
			       ftq_nl_config_policy, extack);
	if (err)
		return err;
	return ftq_nl_config_parse(fn, tb, &cand->limit, &cand->timeout, extack);
}

/* Maps come first, since bindings name them, whatever the request's order. */
static int ftq_nl_restore_parse(struct ftq_net *fn,
				struct ftq_nl_candidate *cand,
				struct genl_info *info)
{
	const struct nlattr *head = genlmsg_data(info->genlhdr);
	int len = genlmsg_len(info->genlhdr);
	const struct nlattr *attr;
	int rem, err;

	err = ftq_nl_restore_add_map(cand, FTQ_MAP_DEFAULT, NULL);
	if (err)
		return err;

	nla_for_each_attr(attr, head, len, rem) {
		if (nla_type(attr) != NF_FLOW_QOS_A_RESTORE_MAP)
			continue;
		err = ftq_nl_restore_map(cand, attr, info->extack);
		if (err)
			return err;
	}

	nla_for_each_attr(attr, head, len, rem) {
		err = 0;
		if (nla_type(attr) == NF_FLOW_QOS_A_RESTORE_DEV)
			err = ftq_nl_restore_dev(fn, cand, attr, info->extack);
		else if (nla_type(attr) == NF_FLOW_QOS_A_RESTORE_CONFIG)
			err = ftq_nl_restore_config(fn, cand, attr, info->extack);
		if (err)
			return err;
	}
	return 0;
}

/* Exchange maps and bindings of the namespace and the candidate. */
static void ftq_nl_restore_swap(struct ftq_net *fn,
				struct ftq_nl_candidate *cand)
{
	LIST_HEAD(tmp);

	list_splice_init(&fn->maps, &tmp);
	list_splice_init(&cand->maps, &fn->maps);
	list_splice_init(&tmp, &cand->maps);
	list_splice_init(&fn->bindings, &tmp);
	list_splice_init(&cand->bindings, &fn->bindings);
	list_splice_init(&tmp, &cand->bindings);
	swap(fn->nr_maps, cand->nr_maps);
	swap(fn->nr_bindings, cand->nr_bindings);
}

/* @old: what the namespace had, of which some may be as it was. */
static void ftq_nl_restore_tell(struct ftq_net *fn,
				struct ftq_nl_candidate *old)
{
	struct ftq_binding *binding;
	const char *reason;
	struct ftq_map *map;

	list_for_each_entry(binding, &old->bindings, list)
		if (!ftq_binding_find(&fn->bindings, binding->name))
			ftq_nl_notify_dev(fn, binding, NF_FLOW_QOS_CMD_DEV_DEL_NTF);
	list_for_each_entry(map, &old->maps, list)
		if (!ftq_map_find(&fn->maps, map->name))
			ftq_nl_notify_map(fn, map, NF_FLOW_QOS_CMD_MAP_DEL_NTF);

	list_for_each_entry(map, &fn->maps, list)
		ftq_nl_notify_map(fn, map, NF_FLOW_QOS_CMD_MAP_SET_NTF);
	list_for_each_entry(binding, &fn->bindings, list) {
		binding->state = ftq_binding_state(fn, binding, &reason);
		ftq_nl_notify_dev(fn, binding, NF_FLOW_QOS_CMD_DEV_SET_NTF);
	}
	ftq_nl_notify_config(fn);
}

/**
 * ftq_nl_restore() - restore: replace the configuration, or change nothing
 * @skb: request
 * @info: request, parsed
 *
 * Context: genl_mutex is held; takes RTNL.
 * Return: 0 or any error of map-new, dev-set and config-set.
 */
int ftq_nl_restore(struct sk_buff *skb, struct genl_info *info)
{
	struct ftq_net *fn = ftq_net(genl_info_net(info));
	struct ftq_nl_candidate cand = {
		.maps		= LIST_HEAD_INIT(cand.maps),
		.bindings	= LIST_HEAD_INIT(cand.bindings),
		.timeout	= FTQ_FLOW_TIMEOUT_DEFAULT,
	};
	struct ftq_flow_table *next = NULL;
	u32 limit;
	int err;

	rtnl_lock();
	cand.limit = min_t(u32, FTQ_FLOW_LIMIT_DEFAULT, ftq_net_flow_limit_max(fn));
	err = ftq_nl_restore_parse(fn, &cand, info);
	if (err)
		goto out;

	err = ftq_flows_resize_prepare(&fn->flows, cand.limit, &next);
	if (err)
		goto out;

	/* The first binding has the table of flows allocated, by the limit. */
	limit = fn->flows.limit;
	WRITE_ONCE(fn->flows.limit, cand.limit);
	ftq_nl_restore_swap(fn, &cand);
	err = ftq_hook_sync(fn);
	if (err) {
		ftq_nl_restore_swap(fn, &cand);
		WRITE_ONCE(fn->flows.limit, limit);
		kvfree(next);
		goto out;
	}
	ftq_net_resize_flows(fn, cand.limit, next);
	WRITE_ONCE(fn->flows.timeout, cand.timeout);
	ftq_net_changed(fn);
	ftq_nl_restore_tell(fn, &cand);
out:
	/* The old ones, or, on an error, the new ones. */
	ftq_bindings_free(&cand.bindings);
	ftq_maps_free(&cand.maps);
	rtnl_unlock();
	return ftq_nl_end(info->extack, err);
}
