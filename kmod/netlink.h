/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_NETLINK_H
#define FTQ_NETLINK_H

#include <net/genetlink.h>
#include <uapi/linux/nf_flow_qos.h>

struct ftq_binding;
struct ftq_flow;
struct ftq_flows;
struct ftq_map;
struct ftq_map_table;
struct ftq_net;

/*
 * Generic netlink, as Documentation/netlink/specs/nf_flow_qos.yaml describes
 * it: netlink.c has the family, nl_*.c the operations on one noun each.
 */

enum ftq_nl_group {
	FTQ_NL_GROUP_CONFIG,
	FTQ_NL_GROUP_FLOWS,
};

extern struct genl_family ftq_nl_family;

/**
 * struct ftq_nl_head - what the head of a message is made from
 * @portid: of the receiver, 0 for notifications
 * @seq: of the request, 0 for notifications
 * @flags: NLM_F_*
 * @cmd: enum of the commands
 */
struct ftq_nl_head {
	u32	portid;
	u32	seq;
	int	flags;
	u8	cmd;
};

static inline struct ftq_nl_head ftq_nl_reply(const struct genl_info *info,
					      u8 cmd)
{
	return (struct ftq_nl_head) {
		.portid	= info->snd_portid,
		.seq	= info->snd_seq,
		.cmd	= cmd,
	};
}

static inline struct ftq_nl_head ftq_nl_dump(const struct sk_buff *skb,
					     const struct netlink_callback *cb,
					     u8 cmd)
{
	return (struct ftq_nl_head) {
		.portid	= NETLINK_CB(cb->skb).portid,
		.seq	= cb->nlh->nlmsg_seq,
		.flags	= NLM_F_MULTI,
		.cmd	= cmd,
	};
}

/**
 * struct ftq_nl_list_cursor - where a dump of a list goes on
 * @skip: how many were shown; cb->seq tells when the list changed
 */
struct ftq_nl_list_cursor {
	unsigned int	skip;
};

void *ftq_nl_put(struct sk_buff *skb, const struct ftq_nl_head *head);
int ftq_nl_unnamed(struct netlink_callback *cb);
int ftq_nl_end(struct netlink_ext_ack *extack, int err);
int ftq_nl_missing(struct genl_info *info, int attr, const char *msg);
void ftq_nl_send(struct ftq_net *fn, struct sk_buff *skb,
		 enum ftq_nl_group group);
bool ftq_nl_heard(const struct ftq_net *fn, enum ftq_nl_group group);

/* nl_map.c */
extern const struct nla_policy ftq_nl_map_policy[NF_FLOW_QOS_A_MAP_ENTRY + 1];
extern const struct nla_policy ftq_nl_map_set_policy[NF_FLOW_QOS_A_MAP_ENTRY + 1];
int ftq_nl_map_entries(const struct nlattr *head, int len, bool change,
		       struct ftq_map_table *table,
		       struct netlink_ext_ack *extack);
int ftq_nl_map_get(struct sk_buff *skb, struct genl_info *info);
int ftq_nl_map_dump(struct sk_buff *skb, struct netlink_callback *cb);
int ftq_nl_map_new(struct sk_buff *skb, struct genl_info *info);
int ftq_nl_map_set(struct sk_buff *skb, struct genl_info *info);
int ftq_nl_map_del(struct sk_buff *skb, struct genl_info *info);
void ftq_nl_notify_map(struct ftq_net *fn, const struct ftq_map *map, u8 cmd);

/* nl_dev.c */
extern const struct nla_policy
ftq_nl_dev_policy[NF_FLOW_QOS_A_DEV_CTMARK_STATEMASK + 1];
int ftq_nl_dev_parse(struct ftq_net *fn, const struct list_head *maps,
		     struct nlattr **tb, struct ftq_binding *binding,
		     struct ftq_map **map, struct netlink_ext_ack *extack);
int ftq_nl_dev_get(struct sk_buff *skb, struct genl_info *info);
int ftq_nl_dev_dump(struct sk_buff *skb, struct netlink_callback *cb);
int ftq_nl_dev_set(struct sk_buff *skb, struct genl_info *info);
int ftq_nl_dev_del(struct sk_buff *skb, struct genl_info *info);
void ftq_nl_notify_dev(struct ftq_net *fn, const struct ftq_binding *binding,
		       u8 cmd);

/* nl_flow.c */
extern const struct nla_policy ftq_nl_flow_policy[NF_FLOW_QOS_A_FLOW_DSCP + 1];
int ftq_nl_flow_start(struct netlink_callback *cb);
int ftq_nl_flow_dump(struct sk_buff *skb, struct netlink_callback *cb);
int ftq_nl_flow_done(struct netlink_callback *cb);
int ftq_nl_flow_flush(struct sk_buff *skb, struct genl_info *info);
bool ftq_nl_flows_heard(const struct ftq_flows *flows);
void ftq_nl_notify_flow(const struct ftq_flows *flows,
			const struct ftq_flow *flow, u64 first, u8 cmd);

/* nl_status.c */
extern const struct nla_policy
ftq_nl_config_policy[NF_FLOW_QOS_A_CONFIG_FLOW_TIMEOUT + 1];
int ftq_nl_config_parse(const struct ftq_net *fn, struct nlattr **tb,
			u32 *limit, u32 *timeout,
			struct netlink_ext_ack *extack);
int ftq_nl_config_get(struct sk_buff *skb, struct genl_info *info);
int ftq_nl_config_set(struct sk_buff *skb, struct genl_info *info);
void ftq_nl_notify_config(struct ftq_net *fn);
int ftq_nl_stats_get(struct sk_buff *skb, struct genl_info *info);
int ftq_nl_stats_reset(struct sk_buff *skb, struct genl_info *info);
int ftq_nl_status_dump(struct sk_buff *skb, struct netlink_callback *cb);

/* nl_restore.c */
extern const struct nla_policy
ftq_nl_restore_policy[NF_FLOW_QOS_A_RESTORE_CONFIG + 1];
int ftq_nl_restore(struct sk_buff *skb, struct genl_info *info);

int ftq_nl_init(void);
void ftq_nl_exit(void);

#endif /* FTQ_NETLINK_H */
