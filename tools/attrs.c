// SPDX-License-Identifier: GPL-2.0
/*
 * Names of attributes, as the specification has them: a refusal names the
 * attribute at fault by its offset in the request, or by its number.
 * A unit test compares these tables with the specification.
 */
#include <linux/nf_flow_qos.h>
#include <string.h>

#include "nl.h"

/* They are names. NOLINTBEGIN(bugprone-macro-parentheses) */
#define SET(s, sname, desc)						\
	static const struct attr_set s = {				\
		.name = sname, .max = ARRAY_SIZE(desc) - 1, .attrs = desc }
/* NOLINTEND(bugprone-macro-parentheses) */

static const struct attr_desc entry_attrs[] = {
	[NF_FLOW_QOS_A_ENTRY_CLASS] = { "class", NULL },
	[NF_FLOW_QOS_A_ENTRY_PRIO] = { "prio", NULL },
	[NF_FLOW_QOS_A_ENTRY_PCP] = { "pcp", NULL },
	[NF_FLOW_QOS_A_ENTRY_DSCP] = { "dscp", NULL },
	[NF_FLOW_QOS_A_ENTRY_KEEP] = { "keep", NULL },
};

SET(entry_set, "entry", entry_attrs);

static const struct attr_desc map_attrs[] = {
	[NF_FLOW_QOS_A_MAP_NAME] = { "name", NULL },
	[NF_FLOW_QOS_A_MAP_FROM] = { "from", NULL },
	[NF_FLOW_QOS_A_MAP_ENTRY] = { "entry", &entry_set },
	[NF_FLOW_QOS_A_MAP_BOUND] = { "bound", NULL },
	[NF_FLOW_QOS_A_MAP_GENERATION] = { "generation", NULL },
};

SET(map_set_, "map", map_attrs);

static const struct attr_desc dev_attrs[] = {
	[NF_FLOW_QOS_A_DEV_NAME] = { "name", NULL },
	[NF_FLOW_QOS_A_DEV_IFINDEX] = { "ifindex", NULL },
	[NF_FLOW_QOS_A_DEV_MAP] = { "map", NULL },
	[NF_FLOW_QOS_A_DEV_TRUST] = { "trust", NULL },
	[NF_FLOW_QOS_A_DEV_SCOPE] = { "scope", NULL },
	[NF_FLOW_QOS_A_DEV_ABSENT] = { "absent", NULL },
	[NF_FLOW_QOS_A_DEV_STATE] = { "state", NULL },
	[NF_FLOW_QOS_A_DEV_REASON] = { "reason", NULL },
	[NF_FLOW_QOS_A_DEV_GENERATION] = { "generation", NULL },
	[NF_FLOW_QOS_A_DEV_STICKY] = { "sticky", NULL },
	[NF_FLOW_QOS_A_DEV_CTMARK_MASK] = { "ctmark-mask", NULL },
	[NF_FLOW_QOS_A_DEV_CTMARK_STATEMASK] = { "ctmark-statemask", NULL },
};

SET(dev_set_, "dev", dev_attrs);

static const struct attr_desc flow_attrs[] = {
	[NF_FLOW_QOS_A_FLOW_IIF] = { "iif", NULL },
	[NF_FLOW_QOS_A_FLOW_OIF] = { "oif", NULL },
	[NF_FLOW_QOS_A_FLOW_DEV] = { "dev", NULL },
	[NF_FLOW_QOS_A_FLOW_FAMILY] = { "family", NULL },
	[NF_FLOW_QOS_A_FLOW_PROTO] = { "proto", NULL },
	[NF_FLOW_QOS_A_FLOW_SRC_V4] = { "src-v4", NULL },
	[NF_FLOW_QOS_A_FLOW_SRC_V6] = { "src-v6", NULL },
	[NF_FLOW_QOS_A_FLOW_SRC_LEN] = { "src-len", NULL },
	[NF_FLOW_QOS_A_FLOW_DST_V4] = { "dst-v4", NULL },
	[NF_FLOW_QOS_A_FLOW_DST_V6] = { "dst-v6", NULL },
	[NF_FLOW_QOS_A_FLOW_DST_LEN] = { "dst-len", NULL },
	[NF_FLOW_QOS_A_FLOW_SPORT] = { "sport", NULL },
	[NF_FLOW_QOS_A_FLOW_DPORT] = { "dport", NULL },
	[NF_FLOW_QOS_A_FLOW_VLAN] = { "vlan", NULL },
	[NF_FLOW_QOS_A_FLOW_PPPOE] = { "pppoe", NULL },
	[NF_FLOW_QOS_A_FLOW_CLASS] = { "class", NULL },
	[NF_FLOW_QOS_A_FLOW_DSCP] = { "dscp", NULL },
	[NF_FLOW_QOS_A_FLOW_PRIO] = { "prio", NULL },
	[NF_FLOW_QOS_A_FLOW_PCP] = { "pcp", NULL },
	[NF_FLOW_QOS_A_FLOW_PACKETS] = { "packets", NULL },
	[NF_FLOW_QOS_A_FLOW_BYTES] = { "bytes", NULL },
	[NF_FLOW_QOS_A_FLOW_AGE_MS] = { "age-ms", NULL },
	[NF_FLOW_QOS_A_FLOW_IDLE_MS] = { "idle-ms", NULL },
	[NF_FLOW_QOS_A_FLOW_PAD] = { "pad", NULL },
	[NF_FLOW_QOS_A_FLOW_TUN_SRC_V4] = { "tun-src-v4", NULL },
	[NF_FLOW_QOS_A_FLOW_TUN_SRC_V6] = { "tun-src-v6", NULL },
	[NF_FLOW_QOS_A_FLOW_TUN_DST_V4] = { "tun-dst-v4", NULL },
	[NF_FLOW_QOS_A_FLOW_TUN_DST_V6] = { "tun-dst-v6", NULL },
	[NF_FLOW_QOS_A_FLOW_DSCP_OUT] = { "dscp-out", NULL },
	[NF_FLOW_QOS_A_FLOW_SOURCE] = { "source", NULL },
	[NF_FLOW_QOS_A_FLOW_LEARNED_PRIO] = { "learned-prio", NULL },
	[NF_FLOW_QOS_A_FLOW_LEARNED_DSCP] = { "learned-dscp", NULL },
	[NF_FLOW_QOS_A_FLOW_LEARNED_PCP] = { "learned-pcp", NULL },
	[NF_FLOW_QOS_A_FLOW_LEARNED_AMBIGUOUS] = { "learned-ambiguous", NULL },
};

SET(flow_set, "flow", flow_attrs);

static const struct attr_desc class_stats_attrs[] = {
	[NF_FLOW_QOS_A_CLASS_STATS_CLASS] = { "class", NULL },
	[NF_FLOW_QOS_A_CLASS_STATS_PACKETS] = { "packets", NULL },
	[NF_FLOW_QOS_A_CLASS_STATS_BYTES] = { "bytes", NULL },
	[NF_FLOW_QOS_A_CLASS_STATS_PAD] = { "pad", NULL },
};

SET(class_stats_set, "class-stats", class_stats_attrs);

static const struct attr_desc stats_attrs[] = {
	[NF_FLOW_QOS_A_STATS_OFFLOADED_PACKETS] = { "offloaded-packets", NULL },
	[NF_FLOW_QOS_A_STATS_OFFLOADED_BYTES] = { "offloaded-bytes", NULL },
	[NF_FLOW_QOS_A_STATS_MISSED_PACKETS] = { "missed-packets", NULL },
	[NF_FLOW_QOS_A_STATS_PRIO_SET] = { "prio-set", NULL },
	[NF_FLOW_QOS_A_STATS_PCP_SET] = { "pcp-set", NULL },
	[NF_FLOW_QOS_A_STATS_DSCP_SET] = { "dscp-set", NULL },
	[NF_FLOW_QOS_A_STATS_INGRESS_PCP_CLEARED] = { "ingress-pcp-cleared", NULL },
	[NF_FLOW_QOS_A_STATS_FLOWS] = { "flows", NULL },
	[NF_FLOW_QOS_A_STATS_FLOWS_DROPPED] = { "flows-dropped", NULL },
	[NF_FLOW_QOS_A_STATS_NOT_PARSED] = { "not-parsed", NULL },
	[NF_FLOW_QOS_A_STATS_CLASS] = { "class", &class_stats_set },
	[NF_FLOW_QOS_A_STATS_PAD] = { "pad", NULL },
	[NF_FLOW_QOS_A_STATS_LEARNED] = { "learned", NULL },
	[NF_FLOW_QOS_A_STATS_LEARNED_AMBIGUOUS] = { "learned-ambiguous", NULL },
};

SET(stats_set, "stats", stats_attrs);

static const struct attr_desc config_attrs[] = {
	[NF_FLOW_QOS_A_CONFIG_FLOW_LIMIT] = { "flow-limit", NULL },
	[NF_FLOW_QOS_A_CONFIG_FLOW_TIMEOUT] = { "flow-timeout", NULL },
};

SET(config_set_, "config", config_attrs);

static const struct attr_desc flowtable_attrs[] = {
	[NF_FLOW_QOS_A_FLOWTABLE_IFINDEX] = { "ifindex", NULL },
	[NF_FLOW_QOS_A_FLOWTABLE_NAME] = { "name", NULL },
	[NF_FLOW_QOS_A_FLOWTABLE_PRIORITY] = { "priority", NULL },
	[NF_FLOW_QOS_A_FLOWTABLE_STATE] = { "state", NULL },
	[NF_FLOW_QOS_A_FLOWTABLE_ID] = { "id", NULL },
	[NF_FLOW_QOS_A_FLOWTABLE_FLAGS] = { "flags", NULL },
};

SET(flowtable_set, "flowtable", flowtable_attrs);

static const struct attr_desc session_attrs[] = {
	[NF_FLOW_QOS_A_SESSION_IFINDEX] = { "ifindex", NULL },
	[NF_FLOW_QOS_A_SESSION_LOWER] = { "lower", NULL },
};

SET(session_set, "session", session_attrs);

static const struct attr_desc status_attrs[] = {
	[NF_FLOW_QOS_A_STATUS_VERSION] = { "version", NULL },
	[NF_FLOW_QOS_A_STATUS_EGRESS_HOOK] = { "egress-hook", NULL },
	[NF_FLOW_QOS_A_STATUS_FLOWTABLE] = { "flowtable", &flowtable_set },
	[NF_FLOW_QOS_A_STATUS_GENERATION] = { "generation", NULL },
	[NF_FLOW_QOS_A_STATUS_XMIT_LOWEST] = { "xmit-lowest", NULL },
	[NF_FLOW_QOS_A_STATUS_SESSION] = { "session", &session_set },
};

SET(status_set, "status", status_attrs);

static const struct attr_desc restore_attrs[] = {
	[NF_FLOW_QOS_A_RESTORE_MAP] = { "map", &map_set_ },
	[NF_FLOW_QOS_A_RESTORE_DEV] = { "dev", &dev_set_ },
	[NF_FLOW_QOS_A_RESTORE_CONFIG] = { "config", &config_set_ },
};

SET(restore_set, "restore", restore_attrs);

/* All of them, for the unit test. */
const struct attr_set *const attr_sets[] = {
	&entry_set, &map_set_, &dev_set_, &flow_set, &class_stats_set,
	&stats_set, &config_set_, &flowtable_set, &session_set,
	&status_set, &restore_set,
};

const size_t nattr_sets = ARRAY_SIZE(attr_sets);

const struct attr_set *attr_set_of(uint8_t cmd)
{
	switch (cmd) {
	case NF_FLOW_QOS_CMD_MAP_GET:
	case NF_FLOW_QOS_CMD_MAP_NEW:
	case NF_FLOW_QOS_CMD_MAP_SET:
	case NF_FLOW_QOS_CMD_MAP_DEL:
		return &map_set_;
	case NF_FLOW_QOS_CMD_DEV_GET:
	case NF_FLOW_QOS_CMD_DEV_SET:
	case NF_FLOW_QOS_CMD_DEV_DEL:
		return &dev_set_;
	case NF_FLOW_QOS_CMD_FLOW_GET:
	case NF_FLOW_QOS_CMD_FLOW_FLUSH:
		return &flow_set;
	case NF_FLOW_QOS_CMD_STATS_GET:
	case NF_FLOW_QOS_CMD_STATS_RESET:
		return &stats_set;
	case NF_FLOW_QOS_CMD_CONFIG_GET:
	case NF_FLOW_QOS_CMD_CONFIG_SET:
		return &config_set_;
	case NF_FLOW_QOS_CMD_STATUS_GET:
		return &status_set;
	case NF_FLOW_QOS_CMD_RESTORE:
		return &restore_set;
	}
	return NULL;
}

/* The innermost set that encloses offs, with the path to it. */
struct walk {
	const char *msg;
	uint32_t offs;
	char *out;
	size_t size;
	/* Where it ended, NULL if nowhere; and the outermost attribute there. */
	const struct attr_set *set;
	const struct nlattr *attr;
	const struct nlattr *outer;
};

static void path_add(struct walk *w, const struct attr_set *set, uint32_t type)
{
	size_t n = strlen(w->out);
	const char *dot = n ? "." : "";

	if (type <= set->max && set->attrs[type].name)
		snprintf(w->out + n, w->size - n, "%s%s", dot, set->attrs[type].name);
	else
		snprintf(w->out + n, w->size - n, "%s%u", dot, type);
}

static const struct attr_set *walk(struct walk *w, const struct attr_set *set,
				   size_t from, size_t to, bool *found)
{
	while (from + NLA_HDRLEN <= to) {
		const struct nlattr *a = (const void *)(w->msg + from);
		uint32_t type = a->nla_type & NLA_TYPE_MASK;
		size_t len = a->nla_len;
		const struct attr_set *nested;

		if (len < NLA_HDRLEN || len > to - from)
			return NULL;
		if (w->offs >= from && w->offs < from + len) {
			path_add(w, set, type);
			w->set = set;
			w->attr = a;
			if (!w->outer)
				w->outer = a;
			nested = type <= set->max ? set->attrs[type].nested : NULL;
			*found = true;
			if (w->offs == from)
				return nested;
			if (!nested)
				return NULL;
			return walk(w, nested, from + NLA_HDRLEN, from + len, found);
		}
		from += NLA_ALIGN(len);
	}
	return NULL;
}

const char *attr_names(const struct attr_set *set, uint32_t type)
{
	if (set == &map_set_ &&
	    (type == NF_FLOW_QOS_A_MAP_NAME || type == NF_FLOW_QOS_A_MAP_FROM))
		return "map";
	if (set == &dev_set_ && type == NF_FLOW_QOS_A_DEV_NAME)
		return "device";
	if (set == &dev_set_ && type == NF_FLOW_QOS_A_DEV_MAP)
		return "map";
	return NULL;
}

bool attr_find(const void *msg, size_t len, uint8_t cmd, uint32_t offs,
	       struct attr_place *p)
{
	struct walk w = {
		/* An array, of which only the address is taken. */
		/* cppcheck-suppress ctuuninitvar */
		.msg = msg, .offs = offs, .out = p->path, .size = sizeof(p->path),
	};
	const struct attr_set *set = attr_set_of(cmd);
	bool found = false;

	memset(p, 0, sizeof(*p));
	if (set)
		walk(&w, set, NLMSG_HDRLEN + GENL_HDRLEN, len, &found);
	p->set = w.set;
	p->attr = w.attr;
	p->outer = w.outer;
	return found;
}

bool attr_path(const void *msg, size_t len, uint8_t cmd, uint32_t offs,
	       char *out, size_t size)
{
	struct attr_place p;
	bool found = attr_find(msg, len, cmd, offs, &p);

	snprintf(out, size, "%s", p.path);
	return found;
}

bool attr_missing(const void *msg, size_t len, uint8_t cmd, uint32_t nest,
		  uint32_t type, char *out, size_t size)
{
	struct walk w = { .msg = msg, .offs = nest, .out = out, .size = size };
	const struct attr_set *set = attr_set_of(cmd);
	bool found = false;

	out[0] = '\0';
	if (nest && set)
		set = walk(&w, set, NLMSG_HDRLEN + GENL_HDRLEN, len, &found);
	if (!set)
		return false;
	path_add(&w, set, type);
	return true;
}
