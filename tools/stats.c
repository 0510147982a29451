// SPDX-License-Identifier: GPL-2.0
/* Counters and limits of the network namespace. */
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "out.h"
#include "parse.h"

static const struct {
	uint16_t attr;
	const char *key;
	const char *head;
	bool bytes;
} counters[] = {
	{ NF_FLOW_QOS_A_STATS_OFFLOADED_PACKETS, "offloaded_packets", "offloaded packets", false },
	{ NF_FLOW_QOS_A_STATS_OFFLOADED_BYTES, "offloaded_bytes", "offloaded bytes", true },
	{ NF_FLOW_QOS_A_STATS_MISSED_PACKETS, "missed_packets", "missed packets", false },
	{ NF_FLOW_QOS_A_STATS_PRIO_SET, "prio_set", "prio set", false },
	{ NF_FLOW_QOS_A_STATS_PCP_SET, "pcp_set", "PCP set", false },
	{ NF_FLOW_QOS_A_STATS_DSCP_SET, "dscp_set", "DSCP set", false },
	{ NF_FLOW_QOS_A_STATS_INGRESS_PCP_CLEARED, "ingress_pcp_cleared",
	  "ingress PCP cleared", false },
	{ NF_FLOW_QOS_A_STATS_FLOWS, "flows", "flows", false },
	{ NF_FLOW_QOS_A_STATS_FLOWS_DROPPED, "flows_dropped", "flows dropped", false },
	{ NF_FLOW_QOS_A_STATS_NOT_PARSED, "not_parsed", "not parsed", false },
	{ NF_FLOW_QOS_A_STATS_LEARNED, "learned", "learned", false },
	{ NF_FLOW_QOS_A_STATS_LEARNED_AMBIGUOUS, "learned_ambiguous", "learned ambiguous",
	  false },
};

static void print_count(const char *key, const char *head, uint64_t v, bool bytes)
{
	char buf[32];

	out_u64(key, head, v, bytes ? bytes_text(v, buf, sizeof(buf)) : NULL);
}

static int print_class(const struct nlattr *a, void *data)
{
	const struct nlattr *tb[NF_FLOW_QOS_A_CLASS_STATS_MAX + 1];
	uint32_t class;
	char buf[12];

	(void)data;
	if (mnl_attr_get_type(a) != NF_FLOW_QOS_A_STATS_CLASS)
		return MNL_CB_OK;
	attrs_nested(a, tb, NF_FLOW_QOS_A_CLASS_STATS_MAX);
	class = attr_u32(tb[NF_FLOW_QOS_A_CLASS_STATS_CLASS], 0);
	out_item();
	if (opts.json)
		out_u64("class", NULL, class, NULL);
	else
		out_str(NULL, "CLASS", class_text(class, buf, sizeof(buf)));
	print_count("packets", "PACKETS", attr_u64(tb[NF_FLOW_QOS_A_CLASS_STATS_PACKETS]),
		    false);
	print_count("bytes", "BYTES", attr_u64(tb[NF_FLOW_QOS_A_CLASS_STATS_BYTES]), true);
	out_item_end();
	return MNL_CB_OK;
}

static int print_stats(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[NF_FLOW_QOS_A_STATS_MAX + 1];
	size_t i;

	*(bool *)data = true;
	attrs_of(nlh, tb, NF_FLOW_QOS_A_STATS_MAX);
	out_record();
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		print_count(counters[i].key, counters[i].head,
			    attr_u64(tb[counters[i].attr]), counters[i].bytes);
	out_list("classes", NULL);
	mnl_attr_parse(nlh, GENL_HDRLEN, print_class, NULL);
	out_list_end();
	out_record_end();
	return ST_OK;
}

int stats_show(int argc, char **argv)
{
	bool any = false;
	struct msg m;
	int ret;

	ret = no_more(argc, argv);
	if (ret)
		return ret;
	msg_init(&m, NF_FLOW_QOS_CMD_STATS_GET, 0, "%s", "");
	out_begin();
	ret = nl_run(&m, print_stats, &any);
	if (!ret && !any)
		ret = refuse("the kernel gave no counters");
	if (ret) {
		out_drop();
		return ret;
	}
	return out_end();
}

int stats_reset(int argc, char **argv)
{
	struct msg m;
	int ret;

	ret = no_more(argc, argv);
	if (ret)
		return ret;
	msg_init(&m, NF_FLOW_QOS_CMD_STATS_RESET, 0, "%s", "");
	return nl_run(&m, NULL, NULL);
}

int limits_decode(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[NF_FLOW_QOS_A_CONFIG_MAX + 1];
	struct limits *v = data;

	attrs_of(nlh, tb, NF_FLOW_QOS_A_CONFIG_MAX);
	v->flow_limit = attr_u32(tb[NF_FLOW_QOS_A_CONFIG_FLOW_LIMIT], 0);
	v->flow_timeout = attr_u32(tb[NF_FLOW_QOS_A_CONFIG_FLOW_TIMEOUT], 0);
	return ST_OK;
}

void limits_print_keys(const struct limits *v)
{
	char buf[32];

	out_u64("flow_limit", "flow limit", v->flow_limit,
		v->flow_limit ? NULL : "0 (no flow accounting)");
	snprintf(buf, sizeof(buf), "%u s", v->flow_timeout);
	out_u64("flow_timeout", "flow timeout", v->flow_timeout, buf);
}

int config_show(int argc, char **argv)
{
	struct limits v = { 0 };
	struct msg m;
	int ret;

	ret = no_more(argc, argv);
	if (ret)
		return ret;
	msg_init(&m, NF_FLOW_QOS_CMD_CONFIG_GET, 0, "%s", "");
	ret = nl_run(&m, limits_decode, &v);
	if (ret)
		return ret;
	out_begin();
	out_record();
	limits_print_keys(&v);
	out_record_end();
	return out_end();
}

int parse_config_set(int argc, char **argv, struct limits_change *c)
{
	memset(c, 0, sizeof(*c));
	if (!argc)
		return usage_error("nothing to set: at least one of flow-limit, flow-timeout");
	for (; argc > 0; argc -= 2, argv += 2) {
		bool limit = !strcmp(argv[0], "flow-limit");
		uint32_t bit = limit ? LIMIT_FLOWS : LIMIT_TIMEOUT;
		int err;

		if (!limit && strcmp(argv[0], "flow-timeout"))
			return usage_error("unknown word \"%s\"", argv[0]);
		if (c->named & bit)
			return usage_error("%s is given twice", argv[0]);
		if (argc < 2)
			return usage_error("%s needs a value", argv[0]);
		c->named |= bit;
		if (limit)
			err = parse_u32("flow-limit", argv[1], 0,
					NF_FLOW_QOS_FLOW_LIMIT_MAX,
					&c->v.flow_limit);
		else
			err = parse_u32("flow-timeout", argv[1], 1,
					NF_FLOW_QOS_FLOW_TIMEOUT_MAX,
					&c->v.flow_timeout);
		if (err)
			return err;
	}
	return ST_OK;
}

int config_set(int argc, char **argv)
{
	struct limits_change c;
	struct msg m;
	int ret;

	ret = parse_config_set(argc, argv, &c);
	if (ret)
		return ret;
	msg_init(&m, NF_FLOW_QOS_CMD_CONFIG_SET, 0, "%s", "");
	if (c.named & LIMIT_FLOWS)
		msg_u32(&m, NF_FLOW_QOS_A_CONFIG_FLOW_LIMIT, c.v.flow_limit);
	if (c.named & LIMIT_TIMEOUT)
		msg_u32(&m, NF_FLOW_QOS_A_CONFIG_FLOW_TIMEOUT, c.v.flow_timeout);
	return nl_run(&m, NULL, NULL);
}
