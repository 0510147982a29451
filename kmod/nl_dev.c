// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink: bindings of devices.
 */
#include <linux/rtnetlink.h>

#include "binding.h"
#include "ctmark.h"
#include "hook.h"
#include "map.h"
#include "net.h"
#include "netlink.h"

const struct nla_policy
ftq_nl_dev_policy[NF_FLOW_QOS_A_DEV_CTMARK_STATEMASK + 1] = {
	[NF_FLOW_QOS_A_DEV_NAME] = { .type = NLA_NUL_STRING,
				     .len = IFNAMSIZ - 1 },
	[NF_FLOW_QOS_A_DEV_IFINDEX] = { .type = NLA_REJECT },
	[NF_FLOW_QOS_A_DEV_MAP] = { .type = NLA_NUL_STRING,
				    .len = NF_FLOW_QOS_NAME_MAX },
	[NF_FLOW_QOS_A_DEV_TRUST] = NLA_POLICY_MAX(NLA_U32,
						   NF_FLOW_QOS_TRUST_CTMARK),
	[NF_FLOW_QOS_A_DEV_SCOPE] = NLA_POLICY_MAX(NLA_U32,
						   NF_FLOW_QOS_SCOPE_ALL),
	[NF_FLOW_QOS_A_DEV_ABSENT] = { .type = NLA_FLAG },
	[NF_FLOW_QOS_A_DEV_STATE] = { .type = NLA_REJECT },
	[NF_FLOW_QOS_A_DEV_REASON] = { .type = NLA_REJECT },
	[NF_FLOW_QOS_A_DEV_GENERATION] = { .type = NLA_REJECT },
	[NF_FLOW_QOS_A_DEV_STICKY] = NLA_POLICY_MAX(NLA_U32,
						    NF_FLOW_QOS_STICKY_ALL),
	[NF_FLOW_QOS_A_DEV_CTMARK_MASK] = { .type = NLA_U32 },
	[NF_FLOW_QOS_A_DEV_CTMARK_STATEMASK] = { .type = NLA_U32 },
};

static int ftq_nl_dev_fill(struct sk_buff *skb, struct ftq_net *fn,
			   const struct ftq_binding *binding,
			   const struct ftq_nl_head *head,
			   struct netlink_callback *cb)
{
	const char *reason;
	void *msg;
	u8 state;

	msg = ftq_nl_put(skb, head);
	if (!msg)
		return -EMSGSIZE;
	if (cb)
		genl_dump_check_consistent(cb, msg);

	state = ftq_binding_state(fn, binding, &reason);
	if (nla_put_string(skb, NF_FLOW_QOS_A_DEV_NAME, binding->name) ||
	    (binding->dev &&
	     nla_put_u32(skb, NF_FLOW_QOS_A_DEV_IFINDEX, binding->dev->ifindex)) ||
	    nla_put_string(skb, NF_FLOW_QOS_A_DEV_MAP, binding->map->name) ||
	    nla_put_u32(skb, NF_FLOW_QOS_A_DEV_TRUST, binding->trust) ||
	    (binding->ctmark_mask &&
	     nla_put_u32(skb, NF_FLOW_QOS_A_DEV_CTMARK_MASK, binding->ctmark_mask)) ||
	    (binding->ctmark_statemask &&
	     nla_put_u32(skb, NF_FLOW_QOS_A_DEV_CTMARK_STATEMASK,
			 binding->ctmark_statemask)) ||
	    nla_put_u32(skb, NF_FLOW_QOS_A_DEV_SCOPE, binding->scope) ||
	    nla_put_u32(skb, NF_FLOW_QOS_A_DEV_STICKY, binding->sticky) ||
	    nla_put_u32(skb, NF_FLOW_QOS_A_DEV_STATE, state) ||
	    (reason && nla_put_string(skb, NF_FLOW_QOS_A_DEV_REASON, reason)) ||
	    nla_put_u32(skb, NF_FLOW_QOS_A_DEV_GENERATION, fn->generation)) {
		genlmsg_cancel(skb, msg);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, msg);
	return 0;
}

static struct sk_buff *ftq_nl_dev_msg(struct ftq_net *fn,
				      const struct ftq_binding *binding,
				      const struct ftq_nl_head *head)
{
	struct sk_buff *msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);

	if (msg && ftq_nl_dev_fill(msg, fn, binding, head, NULL)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

/**
 * ftq_nl_notify_dev() - tell listeners of a binding
 * @fn: namespace
 * @binding: binding
 * @cmd: NF_FLOW_QOS_CMD_DEV_SET_NTF, _DEL_NTF or _STATE_NTF
 *
 * Context: RTNL.
 */
void ftq_nl_notify_dev(struct ftq_net *fn, const struct ftq_binding *binding,
		       u8 cmd)
{
	struct ftq_nl_head head = { .cmd = cmd };

	if (ftq_nl_heard(fn, FTQ_NL_GROUP_CONFIG))
		ftq_nl_send(fn, ftq_nl_dev_msg(fn, binding, &head), FTQ_NL_GROUP_CONFIG);
}

static struct ftq_binding *ftq_nl_dev_lookup(struct ftq_net *fn,
					     struct genl_info *info)
{
	struct nlattr *name = info->attrs[NF_FLOW_QOS_A_DEV_NAME];
	struct ftq_binding *binding;

	binding = ftq_binding_find(&fn->bindings, nla_data(name));
	if (binding)
		return binding;
	NL_SET_ERR_MSG_ATTR(info->extack, name,
			    "the device is not bound: bind it with dev set");
	return ERR_PTR(-ENOENT);
}

/**
 * ftq_nl_dev_get() - dev-get: one binding
 * @skb: request
 * @info: request, parsed
 *
 * Context: genl_mutex is held; takes RTNL.
 * Return: 0, -EINVAL without a name, -ENOENT.
 */
int ftq_nl_dev_get(struct sk_buff *skb, struct genl_info *info)
{
	struct ftq_net *fn = ftq_net(genl_info_net(info));
	struct ftq_nl_head head = ftq_nl_reply(info, NF_FLOW_QOS_CMD_DEV_GET);
	struct ftq_binding *binding;
	struct sk_buff *msg = NULL;
	int err;

	err = ftq_nl_missing(info, NF_FLOW_QOS_A_DEV_NAME,
			     "name of the device is missing");
	if (err)
		return err;

	rtnl_lock();
	ftq_hook_refresh(fn);
	binding = ftq_nl_dev_lookup(fn, info);
	if (IS_ERR(binding))
		err = PTR_ERR(binding);
	else
		msg = ftq_nl_dev_msg(fn, binding, &head);
	rtnl_unlock();

	if (err)
		return err;
	return msg ? genlmsg_reply(msg, info) :
		     ftq_nl_end(info->extack, -ENOMEM);
}

/**
 * ftq_nl_dev_dump() - dev-get: all bindings
 * @skb: part of the answer, filled
 * @cb: the dump
 *
 * Context: genl_mutex is held; takes RTNL.
 * Return: bytes filled, 0 at the end, or a negative error.
 */
int ftq_nl_dev_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct ftq_nl_head head = ftq_nl_dump(skb, cb, NF_FLOW_QOS_CMD_DEV_GET);
	struct ftq_nl_list_cursor *cursor = (void *)cb->ctx;
	struct ftq_net *fn = ftq_net(sock_net(cb->skb->sk));
	const struct ftq_binding *binding;
	unsigned int i = 0;
	int err;

	err = ftq_nl_unnamed(cb);
	if (err)
		return err;

	rtnl_lock();
	if (!cursor->skip)
		ftq_hook_refresh(fn);
	/* A binding's state is no configuration, but in the list as well. */
	cb->seq = (fn->generation + fn->moves) ?: 1;
	list_for_each_entry(binding, &fn->bindings, list) {
		if (i++ < cursor->skip)
			continue;
		if (ftq_nl_dev_fill(skb, fn, binding, &head, cb))
			break;
		cursor->skip++;
	}
	rtnl_unlock();
	return skb->len;
}

/*
 * The masks of trust ctmark: those that are named, else those that the binding has. A
 * mask without a statemask is one that always counts; any other trust forgets both.
 */
static int ftq_nl_dev_ctmark(struct nlattr **tb, struct ftq_binding *binding,
			     struct netlink_ext_ack *extack)
{
	struct nlattr *state = tb[NF_FLOW_QOS_A_DEV_CTMARK_STATEMASK];
	struct nlattr *mask = tb[NF_FLOW_QOS_A_DEV_CTMARK_MASK];

	if (binding->trust != NF_FLOW_QOS_TRUST_CTMARK) {
		binding->ctmark_mask = 0;
		binding->ctmark_statemask = 0;
		if (!mask && !state)
			return 0;
		NL_SET_ERR_MSG_ATTR(extack, mask ?: state,
				    "masks of the conntrack mark go with trust ctmark only");
		return -EINVAL;
	}
	if (!IS_ENABLED(CONFIG_NF_CONNTRACK_MARK)) {
		NL_SET_ERR_MSG_ATTR(extack, tb[NF_FLOW_QOS_A_DEV_TRUST],
				    "trust ctmark needs a kernel with CONFIG_NF_CONNTRACK_MARK");
		return -EOPNOTSUPP;
	}

	if (mask) {
		binding->ctmark_mask = nla_get_u32(mask);
		binding->ctmark_statemask = 0;
		if (!ftq_ctmark_mask_valid(binding->ctmark_mask)) {
			NL_SET_ERR_MSG_ATTR(extack, mask,
					    "the mask of the class has to be six bits side by side");
			return -EINVAL;
		}
	}
	if (!binding->ctmark_mask) {
		NL_SET_ERR_MSG_ATTR(extack, tb[NF_FLOW_QOS_A_DEV_TRUST],
				    "trust ctmark needs the mask of the class");
		return -EINVAL;
	}

	if (!state)
		return 0;
	binding->ctmark_statemask = nla_get_u32(state);
	if (!binding->ctmark_statemask) {
		NL_SET_ERR_MSG_ATTR(extack, state,
				    "a statemask of 0 never counts: leave it out for one that always does");
		return -EINVAL;
	}
	if (binding->ctmark_statemask & binding->ctmark_mask) {
		NL_SET_ERR_MSG_ATTR(extack, state,
				    "the statemask has bits of the class: it has to be apart from these");
		return -EINVAL;
	}
	return 0;
}

/**
 * ftq_nl_dev_parse() - what a request wants a binding to be
 * @fn: namespace
 * @maps: maps to choose from
 * @tb: attributes of the request
 * @binding: has the name; device, trust with its masks, scope and sticky are set
 *	where they are named
 * @map: set to the map where one is named
 * @extack: filled on error
 *
 * Context: RTNL.
 * Return: 0 or a negative error, and then @binding is of no use.
 */
int ftq_nl_dev_parse(struct ftq_net *fn, const struct list_head *maps,
		     struct nlattr **tb, struct ftq_binding *binding,
		     struct ftq_map **map, struct netlink_ext_ack *extack)
{
	struct nlattr *attr = tb[NF_FLOW_QOS_A_DEV_NAME];
	const char *refusal;
	int err;

	if (!binding->any) {
		if (!dev_valid_name(binding->name)) {
			NL_SET_ERR_MSG_ATTR(extack, attr,
					    "not a name that a device can have");
			return -EINVAL;
		}
		binding->dev = __dev_get_by_name(fn->net, binding->name);
		/* It has alternative names; a binding goes by the first. */
		if (binding->dev && strcmp(binding->dev->name, binding->name)) {
			NL_SET_ERR_MSG_ATTR(extack, attr,
					    "this is an alternative name: use the device's own");
			return -EINVAL;
		}
		if (!binding->dev && !tb[NF_FLOW_QOS_A_DEV_ABSENT]) {
			NL_SET_ERR_MSG_ATTR(extack, attr,
					    "no device of this name: the word absent allows to bind it before it comes");
			return -ENODEV;
		}
		refusal = binding->dev ? ftq_binding_refusal(binding->dev) : NULL;
		if (refusal) {
			NL_SET_BAD_ATTR(extack, attr);
			if (extack)
				extack->_msg = refusal;
			return -EOPNOTSUPP;
		}
	}

	attr = tb[NF_FLOW_QOS_A_DEV_MAP];
	if (attr) {
		*map = ftq_map_find(maps, nla_data(attr));
		if (!*map) {
			NL_SET_ERR_MSG_ATTR(extack, attr, "no map of this name");
			return -ENOENT;
		}
	}

	attr = tb[NF_FLOW_QOS_A_DEV_TRUST];
	if (attr)
		binding->trust = nla_get_u32(attr);
	err = ftq_nl_dev_ctmark(tb, binding, extack);
	if (err)
		return err;

	attr = tb[NF_FLOW_QOS_A_DEV_SCOPE];
	if (attr) {
		if (!IS_ENABLED(CONFIG_NETFILTER_EGRESS) &&
		    nla_get_u32(attr) == NF_FLOW_QOS_SCOPE_ALL) {
			NL_SET_ERR_MSG_ATTR(extack, attr,
					    "scope all needs a kernel with CONFIG_NETFILTER_EGRESS");
			return -EOPNOTSUPP;
		}
		binding->scope = nla_get_u32(attr);
	}

	attr = tb[NF_FLOW_QOS_A_DEV_STICKY];
	if (attr) {
		if (!IS_ENABLED(CONFIG_NETFILTER_EGRESS) && nla_get_u32(attr)) {
			NL_SET_ERR_MSG_ATTR(extack, attr,
					    "sticky needs a kernel with CONFIG_NETFILTER_EGRESS");
			return -EOPNOTSUPP;
		}
		binding->sticky = nla_get_u32(attr);
	}
	return 0;
}

/* Change a binding that is there; undo it if the hooks cannot follow. */
static int ftq_nl_dev_change(struct ftq_net *fn, struct ftq_binding *binding,
			     struct ftq_binding *want, struct ftq_map *map)
{
	struct net_device *old_dev = binding->dev;
	struct ftq_map *old_map = binding->map;
	u8 old_sticky = binding->sticky;
	u8 old_trust = binding->trust;
	u8 old_scope = binding->scope;
	u32 old_mask = binding->ctmark_mask;
	u32 old_statemask = binding->ctmark_statemask;
	u32 old_epoch = binding->epoch;
	int err;

	if (!map)
		map = old_map;
	if (map == old_map && want->trust == old_trust &&
	    want->ctmark_mask == old_mask &&
	    want->ctmark_statemask == old_statemask &&
	    want->scope == old_scope && want->sticky == old_sticky &&
	    want->dev == old_dev)
		return 0;

	ftq_binding_use_map(binding, map);
	binding->trust = want->trust;
	binding->ctmark_mask = want->ctmark_mask;
	binding->ctmark_statemask = want->ctmark_statemask;
	binding->scope = want->scope;
	binding->sticky = want->sticky;
	/* With less, what was learned would have come from the map. */
	if (binding->sticky < old_sticky)
		ftq_binding_begin(fn, binding);
	/* It may be one that could not be bound when it came. */
	binding->dev = want->dev;
	err = ftq_hook_sync(fn);
	if (err) {
		ftq_binding_use_map(binding, old_map);
		binding->dev = old_dev;
		binding->trust = old_trust;
		binding->ctmark_mask = old_mask;
		binding->ctmark_statemask = old_statemask;
		binding->scope = old_scope;
		binding->sticky = old_sticky;
		binding->epoch = old_epoch;
		return err;
	}
	return 1;
}

static int ftq_nl_dev_add(struct ftq_net *fn, struct ftq_binding *binding,
			  struct ftq_map *map)
{
	int err;

	ftq_binding_use_map(binding, map);
	ftq_binding_begin(fn, binding);
	list_add_tail(&binding->list, &fn->bindings);
	fn->nr_bindings++;
	err = ftq_hook_sync(fn);
	if (err) {
		list_del(&binding->list);
		fn->nr_bindings--;
		return err;
	}
	return 1;
}

/**
 * ftq_nl_dev_set() - dev-set: create or change a binding
 * @skb: request
 * @info: request, parsed
 *
 * Context: genl_mutex is held; takes RTNL.
 * Return: 0, -EINVAL, -ENODEV, -ENOENT (map), -ENOSPC, -EOPNOTSUPP (DSA conduit,
 * scope all or sticky without egress hooks, trust ctmark without marks), -ENOMEM.
 */
int ftq_nl_dev_set(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *name = info->attrs[NF_FLOW_QOS_A_DEV_NAME];
	struct ftq_net *fn = ftq_net(genl_info_net(info));
	struct ftq_binding *binding, *want;
	struct ftq_map *map = NULL;
	const char *reason;
	int err;

	err = ftq_nl_missing(info, NF_FLOW_QOS_A_DEV_NAME,
			     "name of the device is missing");
	if (err)
		return err;

	want = ftq_binding_alloc(nla_data(name));
	if (!want)
		return ftq_nl_end(info->extack, -ENOMEM);

	rtnl_lock();
	binding = ftq_binding_find(&fn->bindings, want->name);
	if (binding) {
		want->trust = binding->trust;
		want->ctmark_mask = binding->ctmark_mask;
		want->ctmark_statemask = binding->ctmark_statemask;
		want->scope = binding->scope;
		want->sticky = binding->sticky;
	}
	err = ftq_nl_dev_parse(fn, &fn->maps, info->attrs, want, &map,
			       info->extack);
	if (err)
		goto out;

	if (binding) {
		err = ftq_nl_dev_change(fn, binding, want, map);
	} else if (fn->nr_bindings >= NF_FLOW_QOS_DEVS_MAX) {
		NL_SET_ERR_MSG_ATTR(info->extack, name,
				    "1024 bindings is the most there can be: bind any");
		err = -ENOSPC;
	} else {
		map = map ?: ftq_map_find(&fn->maps, FTQ_MAP_DEFAULT);
		err = ftq_nl_dev_add(fn, want, map);
		if (err > 0) {
			binding = want;
			want = NULL;
			binding->state = ftq_binding_state(fn, binding, &reason);
		}
	}
	if (err > 0) {
		ftq_net_changed(fn);
		ftq_nl_notify_dev(fn, binding, NF_FLOW_QOS_CMD_DEV_SET_NTF);
		ftq_bindings_tell(fn);
		err = 0;
	}
out:
	if (want)
		ftq_binding_free(want);
	rtnl_unlock();
	return ftq_nl_end(info->extack, err);
}

/**
 * ftq_nl_dev_del() - dev-del: delete a binding
 * @skb: request
 * @info: request, parsed
 *
 * Context: genl_mutex is held; takes RTNL.
 * Return: 0, -EINVAL, -ENOENT, -ENOMEM.
 */
int ftq_nl_dev_del(struct sk_buff *skb, struct genl_info *info)
{
	struct ftq_net *fn = ftq_net(genl_info_net(info));
	struct ftq_binding *binding;
	struct list_head *at;
	int err;

	err = ftq_nl_missing(info, NF_FLOW_QOS_A_DEV_NAME,
			     "name of the device is missing");
	if (err)
		return err;

	rtnl_lock();
	binding = ftq_nl_dev_lookup(fn, info);
	if (IS_ERR(binding)) {
		err = PTR_ERR(binding);
		goto out;
	}

	at = binding->list.prev;
	list_del(&binding->list);
	fn->nr_bindings--;
	err = ftq_hook_sync(fn);
	if (err) {
		list_add(&binding->list, at);
		fn->nr_bindings++;
		goto out;
	}
	ftq_net_changed(fn);
	ftq_nl_notify_dev(fn, binding, NF_FLOW_QOS_CMD_DEV_DEL_NTF);
	ftq_binding_free(binding);
	ftq_bindings_tell(fn);
out:
	rtnl_unlock();
	return ftq_nl_end(info->extack, err);
}
