// SPDX-License-Identifier: GPL-2.0
/* Status: the module's own answers, and what to do about them. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "model.h"
#include "out.h"

static const char *const ft_states[] = {
	[NF_FLOW_QOS_FLOWTABLE_STATE_HOOKED] = "hooked",
	[NF_FLOW_QOS_FLOWTABLE_STATE_SHADOWED] = "shadowed",
	[NF_FLOW_QOS_FLOWTABLE_STATE_UNHOOKED] = "unhooked",
};

struct flowtable {
	char dev[IFNAMSIZ];
	int32_t priority;
	uint32_t state;
};

struct status {
	char version[64];
	bool egress_hook;
	struct flowtable *ft;
	size_t nft;
	struct devs devs;
	char **warnings;
	size_t nwarnings;
};

static int flowtable_store(const struct nlattr *a, void *data)
{
	const struct nlattr *tb[NF_FLOW_QOS_A_FLOWTABLE_MAX + 1];
	struct status *s = data;
	struct flowtable *ft;

	if (mnl_attr_get_type(a) != NF_FLOW_QOS_A_STATUS_FLOWTABLE)
		return MNL_CB_OK;
	attrs_nested(a, tb, NF_FLOW_QOS_A_FLOWTABLE_MAX);
	s->ft = xrealloc(s->ft, s->nft + 1, sizeof(*s->ft));
	ft = &s->ft[s->nft++];
	attr_str(tb[NF_FLOW_QOS_A_FLOWTABLE_NAME], ft->dev, sizeof(ft->dev));
	ft->priority = (int32_t)attr_u32(tb[NF_FLOW_QOS_A_FLOWTABLE_PRIORITY], 0);
	ft->state = attr_u32(tb[NF_FLOW_QOS_A_FLOWTABLE_STATE], UINT32_MAX);
	return MNL_CB_OK;
}

static int status_store(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[NF_FLOW_QOS_A_STATUS_MAX + 1];
	struct status *s = data;

	attrs_of(nlh, tb, NF_FLOW_QOS_A_STATUS_MAX);
	if (tb[NF_FLOW_QOS_A_STATUS_VERSION])
		attr_str(tb[NF_FLOW_QOS_A_STATUS_VERSION], s->version, sizeof(s->version));
	if (tb[NF_FLOW_QOS_A_STATUS_EGRESS_HOOK])
		s->egress_hook = attr_u32(tb[NF_FLOW_QOS_A_STATUS_EGRESS_HOOK], 0);
	mnl_attr_parse(nlh, GENL_HDRLEN, flowtable_store, s);
	return ST_OK;
}

static void __printf(2, 3) warn(struct status *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	s->warnings = xrealloc(s->warnings, s->nwarnings + 1, sizeof(*s->warnings));
	s->warnings[s->nwarnings++] = xstrdup(text);
}

/* What a state means, where the module does not say, and what to do. */
static const struct {
	const char *reason;
	const char *remedy;
} advice[] = {
	[NF_FLOW_QOS_DEV_STATE_ABSENT] = {
		"there is no device of that name",
		"the binding takes hold when one comes, 'ftqos dev del' removes it",
	},
	[NF_FLOW_QOS_DEV_STATE_DOWN] = {
		"the device is down", "set it up with ip link",
	},
	[NF_FLOW_QOS_DEV_STATE_UNRESOLVED] = {
		"the devices below it are not known yet", "see ip link",
	},
	[NF_FLOW_QOS_DEV_STATE_NO_FLOWTABLE] = {
		"nothing is offloaded",
		"add a flowtable with nft and offload flows to it",
	},
	[NF_FLOW_QOS_DEV_STATE_NO_EGRESS_HOOK] = {
		"the kernel has no netdev egress hooks",
		"bind any: its map gives prio without them",
	},
	[NF_FLOW_QOS_DEV_STATE_ORDER_BLOCKED] = {
		"another ingress chain stands before a flowtable",
		"give it another priority than the flowtable's, or load it before the flowtable",
	},
	[NF_FLOW_QOS_DEV_STATE_ACTIVE] = { NULL, NULL },
};

static void warn_devices(struct status *s)
{
	size_t i;

	for (i = 0; i < s->devs.n; i++) {
		const struct dev *d = &s->devs.v[i];
		const char *reason = d->reason;

		if (d->state == NF_FLOW_QOS_DEV_STATE_ACTIVE)
			continue;
		if (d->state >= ARRAY_SIZE(advice)) {
			warn(s, "%s is in a state that this command does not know: install both from one release",
			     d->name);
			continue;
		}
		if (!reason)
			reason = advice[d->state].reason;
		warn(s, "%s is %s: %s; %s", d->name, dev_state_name(d->state), reason,
		     advice[d->state].remedy);
	}
}

static void warn_flowtables(struct status *s)
{
	size_t i;

	/* Without a binding there are no hooks, and that is as it should be. */
	for (i = 0; s->devs.n && i < s->nft; i++) {
		const struct flowtable *ft = &s->ft[i];

		if (ft->state == NF_FLOW_QOS_FLOWTABLE_STATE_SHADOWED)
			warn(s, "flowtable on %s (priority %d) is shadowed: another ingress chain stands before it, its packets are not classified; give that chain another priority",
			     ft->dev, ft->priority);
		else if (ft->state == NF_FLOW_QOS_FLOWTABLE_STATE_UNHOOKED)
			warn(s, "flowtable on %s (priority %d) is unhooked: its packets are not classified; if this lasts for more than a few seconds, see dmesg",
			     ft->dev, ft->priority);
	}
}

static void make_warnings(struct status *s)
{
	if (strcmp(s->version, FTQOS_VERSION))
		warn(s, "the module is version %s, this command %s: install both from one release",
		     s->version, FTQOS_VERSION);
	if (!s->egress_hook)
		warn(s, "the kernel is built without CONFIG_NETFILTER_EGRESS: PCP cannot be set, and prio comes from the any binding alone");
	warn_devices(s);
	warn_flowtables(s);
}

static void print_status(struct status *s)
{
	struct utsname u;
	size_t i;

	if (uname(&u))
		strcpy(u.release, "unknown");
	out_record();
	out_str("version", "module", s->version);
	out_str("kernel", "kernel", u.release);
	out_bool("egress_hook", "egress hook", s->egress_hook);
	devs_print("devices", "Devices", &s->devs);
	out_list("flowtables", "Flowtables");
	for (i = 0; i < s->nft; i++) {
		uint32_t state = s->ft[i].state;

		out_item();
		out_str("dev", "DEV", s->ft[i].dev);
		out_s64("priority", "PRIORITY", s->ft[i].priority);
		out_str("state", "STATE",
			state < ARRAY_SIZE(ft_states) ? ft_states[state] : "unknown");
		out_item_end();
	}
	out_list_end();
	out_array("warnings");
	for (i = 0; opts.json && i < s->nwarnings; i++)
		out_str(NULL, NULL, s->warnings[i]);
	out_array_end();
	out_record_end();
	if (s->nwarnings)
		out_text("\nWarnings\n");
	for (i = 0; i < s->nwarnings; i++)
		out_text("- %s\n", s->warnings[i]);
}

int status_show(int argc, char **argv)
{
	struct status s = { 0 };
	struct msg m;
	size_t i;
	int ret;

	ret = no_more(argc, argv);
	if (ret)
		return ret;
	msg_init(&m, NF_FLOW_QOS_CMD_STATUS_GET, NLM_F_DUMP, "%s", "");
	ret = nl_run(&m, status_store, &s);
	if (!ret) {
		msg_init(&m, NF_FLOW_QOS_CMD_DEV_GET, NLM_F_DUMP, "%s", "");
		ret = nl_run(&m, devs_collect, &s.devs);
	}
	if (!ret) {
		devs_sort(&s.devs);
		make_warnings(&s);
		out_begin();
		print_status(&s);
		ret = out_end();
	}
	for (i = 0; i < s.nwarnings; i++)
		free(s.warnings[i]);
	free(s.warnings);
	free(s.ft);
	devs_free(&s.devs);
	return ret;
}
