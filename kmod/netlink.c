// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family.
 *
 * The core runs operations of the family one at a time; they take RTNL, under
 * which all configuration changes, so that netdev events are kept out as well.
 */
#include <linux/module.h>
#include <linux/rtnetlink.h>

#include "net.h"
#include "netlink.h"

/* Refuses every attribute: an operation that takes none has to say so. */
static const struct nla_policy ftq_nl_no_attrs[2] = {
	[1] = { .type = NLA_REJECT },
};

/* Do and dump of a command share a policy on kernels before 6.2. */
static const struct genl_ops ftq_nl_ops[] = {
	{
		.cmd		= NF_FLOW_QOS_CMD_MAP_GET,
		.policy		= ftq_nl_map_policy,
		.maxattr	= NF_FLOW_QOS_A_MAP_NAME,
		.doit		= ftq_nl_map_get,
		.dumpit		= ftq_nl_map_dump,
	}, {
		.cmd		= NF_FLOW_QOS_CMD_MAP_NEW,
		.policy		= ftq_nl_map_policy,
		.maxattr	= NF_FLOW_QOS_A_MAP_ENTRY,
		.flags		= GENL_UNS_ADMIN_PERM,
		.doit		= ftq_nl_map_new,
	}, {
		.cmd		= NF_FLOW_QOS_CMD_MAP_SET,
		.policy		= ftq_nl_map_set_policy,
		.maxattr	= NF_FLOW_QOS_A_MAP_ENTRY,
		.flags		= GENL_UNS_ADMIN_PERM,
		.doit		= ftq_nl_map_set,
	}, {
		.cmd		= NF_FLOW_QOS_CMD_MAP_DEL,
		.policy		= ftq_nl_map_policy,
		.maxattr	= NF_FLOW_QOS_A_MAP_NAME,
		.flags		= GENL_UNS_ADMIN_PERM,
		.doit		= ftq_nl_map_del,
	}, {
		.cmd		= NF_FLOW_QOS_CMD_DEV_GET,
		.policy		= ftq_nl_dev_policy,
		.maxattr	= NF_FLOW_QOS_A_DEV_NAME,
		.doit		= ftq_nl_dev_get,
		.dumpit		= ftq_nl_dev_dump,
	}, {
		.cmd		= NF_FLOW_QOS_CMD_DEV_SET,
		.policy		= ftq_nl_dev_policy,
		.maxattr	= NF_FLOW_QOS_A_DEV_CTMARK_STATEMASK,
		.flags		= GENL_UNS_ADMIN_PERM,
		.doit		= ftq_nl_dev_set,
	}, {
		.cmd		= NF_FLOW_QOS_CMD_DEV_DEL,
		.policy		= ftq_nl_dev_policy,
		.maxattr	= NF_FLOW_QOS_A_DEV_NAME,
		.flags		= GENL_UNS_ADMIN_PERM,
		.doit		= ftq_nl_dev_del,
	}, {
		.cmd		= NF_FLOW_QOS_CMD_FLOW_GET,
		.policy		= ftq_nl_flow_policy,
		.maxattr	= NF_FLOW_QOS_A_FLOW_DSCP,
		.flags		= GENL_UNS_ADMIN_PERM,
		.start		= ftq_nl_flow_start,
		.dumpit		= ftq_nl_flow_dump,
		.done		= ftq_nl_flow_done,
	}, {
		.cmd		= NF_FLOW_QOS_CMD_FLOW_FLUSH,
		.policy		= ftq_nl_no_attrs,
		.maxattr	= 1,
		.flags		= GENL_UNS_ADMIN_PERM,
		.doit		= ftq_nl_flow_flush,
	}, {
		.cmd		= NF_FLOW_QOS_CMD_STATS_GET,
		.policy		= ftq_nl_no_attrs,
		.maxattr	= 1,
		.doit		= ftq_nl_stats_get,
	}, {
		.cmd		= NF_FLOW_QOS_CMD_STATS_RESET,
		.policy		= ftq_nl_no_attrs,
		.maxattr	= 1,
		.flags		= GENL_UNS_ADMIN_PERM,
		.doit		= ftq_nl_stats_reset,
	}, {
		.cmd		= NF_FLOW_QOS_CMD_CONFIG_GET,
		.policy		= ftq_nl_no_attrs,
		.maxattr	= 1,
		.doit		= ftq_nl_config_get,
	}, {
		.cmd		= NF_FLOW_QOS_CMD_CONFIG_SET,
		.policy		= ftq_nl_config_policy,
		.maxattr	= NF_FLOW_QOS_A_CONFIG_FLOW_TIMEOUT,
		.flags		= GENL_UNS_ADMIN_PERM,
		.doit		= ftq_nl_config_set,
	}, {
		.cmd		= NF_FLOW_QOS_CMD_STATUS_GET,
		.policy		= ftq_nl_no_attrs,
		.maxattr	= 1,
		.dumpit		= ftq_nl_status_dump,
	}, {
		.cmd		= NF_FLOW_QOS_CMD_RESTORE,
		.policy		= ftq_nl_restore_policy,
		.maxattr	= NF_FLOW_QOS_A_RESTORE_CONFIG,
		.flags		= GENL_UNS_ADMIN_PERM,
		.doit		= ftq_nl_restore,
	},
};

static const struct genl_multicast_group ftq_nl_groups[] = {
	[FTQ_NL_GROUP_CONFIG]	= { .name = NF_FLOW_QOS_MCGRP_CONFIG },
	[FTQ_NL_GROUP_FLOWS]	= {
		.name	= NF_FLOW_QOS_MCGRP_FLOWS,
		.flags	= GENL_MCAST_CAP_NET_ADMIN,
	},
};

struct genl_family ftq_nl_family __ro_after_init = {
	.name		= NF_FLOW_QOS_FAMILY_NAME,
	.version	= NF_FLOW_QOS_FAMILY_VERSION,
	.netnsok	= true,
	.module		= THIS_MODULE,
	.ops		= ftq_nl_ops,
	.n_ops		= ARRAY_SIZE(ftq_nl_ops),
	.mcgrps		= ftq_nl_groups,
	.n_mcgrps	= ARRAY_SIZE(ftq_nl_groups),
	/* Strict validation of all operations from the first version on. */
	.resv_start_op	= 0,
};

/*
 * Notifications may be sent. Written under RTNL, read there or under RCU;
 * cleared, with a grace period, before the family goes.
 */
static bool ftq_nl_live;

/**
 * ftq_nl_put() - begin a message
 * @skb: message buffer
 * @head: what its head is made from
 *
 * Return: for genlmsg_end() and genlmsg_cancel(), or NULL if it does not fit.
 */
void *ftq_nl_put(struct sk_buff *skb, const struct ftq_nl_head *head)
{
	return genlmsg_put(skb, head->portid, head->seq, &ftq_nl_family,
			   head->flags, head->cmd);
}

/**
 * ftq_nl_missing() - refuse a request without a required attribute
 * @info: request
 * @attr: number of the attribute
 * @msg: what is missing
 *
 * Return: 0 if it is there, else -EINVAL, with the extended ack filled.
 */
int ftq_nl_missing(struct genl_info *info, int attr, const char *msg)
{
	if (!GENL_REQ_ATTR_CHECK(info, attr))
		return 0;

	if (info->extack)
		info->extack->_msg = msg;
	return -EINVAL;
}

/**
 * ftq_nl_unnamed() - refuse a dump of maps or bindings that names one
 * @cb: the dump
 *
 * Called from the dump and not from its start, from where 6.1 takes no extended
 * ack. (From the dump 6.1 and its like take the message, not the attribute.)
 *
 * Return: 0, or -EINVAL with the extended ack filled.
 */
int ftq_nl_unnamed(struct netlink_callback *cb)
{
	struct nlattr *name = genl_info_dump(cb)->attrs[NF_FLOW_QOS_A_MAP_NAME];

	BUILD_BUG_ON((int)NF_FLOW_QOS_A_MAP_NAME != (int)NF_FLOW_QOS_A_DEV_NAME);
	if (!name)
		return 0;
	NL_SET_ERR_MSG_ATTR(cb->extack, name,
			    "a dump shows all: ask for one without NLM_F_DUMP");
	return -EINVAL;
}

/**
 * ftq_nl_end() - say why an operation failed, where nobody has yet
 * @extack: extended ack, or NULL
 * @err: 0 or a negative error
 *
 * Return: @err.
 */
int ftq_nl_end(struct netlink_ext_ack *extack, int err)
{
	if (!err || !extack || extack->_msg)
		return err;

	if (err == -E2BIG)
		extack->_msg = "a device has more netfilter hooks than the kernel allows";
	else
		extack->_msg = "out of memory: nothing was changed";
	return err;
}

/**
 * ftq_nl_heard() - does anybody listen to notifications
 * @fn: namespace
 * @group: multicast group
 *
 * Context: RTNL or RCU, which is kept until the notification was sent.
 */
bool ftq_nl_heard(const struct ftq_net *fn, enum ftq_nl_group group)
{
	return READ_ONCE(ftq_nl_live) &&
	       genl_has_listeners(&ftq_nl_family, fn->net, group);
}

/**
 * ftq_nl_send() - send a notification
 * @fn: namespace
 * @skb: complete message, consumed; NULL: there was no memory for it, and listeners
 *	learn that they missed something
 * @group: multicast group
 *
 * Context: RTNL.
 */
void ftq_nl_send(struct ftq_net *fn, struct sk_buff *skb,
		 enum ftq_nl_group group)
{
	if (skb)
		genlmsg_multicast_netns(&ftq_nl_family, fn->net, skb, 0, group,
					GFP_KERNEL);
	else
		genl_set_err(&ftq_nl_family, fn->net, 0, group, -ENOBUFS);
}

/**
 * ftq_nl_init() - register the family
 *
 * Return: 0 or a negative error.
 */
int __init ftq_nl_init(void)
{
	int err = genl_register_family(&ftq_nl_family);

	if (err)
		return err;

	rtnl_lock();
	WRITE_ONCE(ftq_nl_live, true);
	rtnl_unlock();
	return 0;
}

/**
 * ftq_nl_exit() - unregister the family; waits for operations that run
 */
void ftq_nl_exit(void)
{
	rtnl_lock();
	WRITE_ONCE(ftq_nl_live, false);
	rtnl_unlock();
	/* Packets, and the aging of flows, tell of flows under RCU alone. */
	synchronize_net();
	genl_unregister_family(&ftq_nl_family);
}
