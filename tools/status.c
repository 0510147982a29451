// SPDX-License-Identifier: GPL-2.0
/* Status: the module's own answers, and what to do about them. */
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "out.h"
#include "status.h"

static const char *const ft_states[] = {
	[NF_FLOW_QOS_FLOWTABLE_STATE_HOOKED] = "hooked",
	[NF_FLOW_QOS_FLOWTABLE_STATE_SHADOWED] = "shadowed",
	[NF_FLOW_QOS_FLOWTABLE_STATE_UNHOOKED] = "unhooked",
};

static int flowtable_store(const struct nlattr *a, void *data)
{
	const struct nlattr *tb[NF_FLOW_QOS_A_FLOWTABLE_MAX + 1];
	struct flowtable *ft;
	struct status *s = data;

	if (mnl_attr_get_type(a) != NF_FLOW_QOS_A_STATUS_FLOWTABLE)
		return MNL_CB_OK;
	attrs_nested(a, tb, NF_FLOW_QOS_A_FLOWTABLE_MAX);
	s->ft = xrealloc(s->ft, s->nft + 1, sizeof(*s->ft));
	ft = &s->ft[s->nft++];
	attr_str(tb[NF_FLOW_QOS_A_FLOWTABLE_NAME], ft->dev, sizeof(ft->dev));
	ft->priority = (int32_t)attr_u32(tb[NF_FLOW_QOS_A_FLOWTABLE_PRIORITY], 0);
	ft->state = attr_u32(tb[NF_FLOW_QOS_A_FLOWTABLE_STATE], UINT32_MAX);
	ft->ifindex = attr_u32(tb[NF_FLOW_QOS_A_FLOWTABLE_IFINDEX], 0);
	ft->id = attr_u32(tb[NF_FLOW_QOS_A_FLOWTABLE_ID], 0);
	ft->flags = attr_u32(tb[NF_FLOW_QOS_A_FLOWTABLE_FLAGS], 0);
	return MNL_CB_OK;
}

static void session_store(const struct nlattr *a, struct status *s)
{
	const struct nlattr *tb[NF_FLOW_QOS_A_SESSION_MAX + 1];

	attrs_nested(a, tb, NF_FLOW_QOS_A_SESSION_MAX);
	s->sessions = xrealloc(s->sessions, s->nsessions + 1, sizeof(*s->sessions));
	s->sessions[s->nsessions++] = (struct session){
		.ifindex = attr_u32(tb[NF_FLOW_QOS_A_SESSION_IFINDEX], 0),
		.lower = attr_u32(tb[NF_FLOW_QOS_A_SESSION_LOWER], 0),
	};
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
	if (tb[NF_FLOW_QOS_A_STATUS_XMIT_LOWEST])
		s->xmit_lowest = attr_u32(tb[NF_FLOW_QOS_A_STATUS_XMIT_LOWEST], 0);
	if (tb[NF_FLOW_QOS_A_STATUS_SESSION])
		session_store(tb[NF_FLOW_QOS_A_STATUS_SESSION], s);
	mnl_attr_parse(nlh, GENL_HDRLEN, flowtable_store, s);
	return ST_OK;
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

int status_read(struct status *s)
{
	struct msg m;
	int ret;

	memset(s, 0, sizeof(*s));
	msg_init(&m, NF_FLOW_QOS_CMD_STATUS_GET, NLM_F_DUMP, "%s", "");
	ret = nl_run(&m, status_store, s);
	if (!ret) {
		msg_init(&m, NF_FLOW_QOS_CMD_DEV_GET, NLM_F_DUMP, "%s", "");
		ret = nl_run(&m, devs_collect, &s->devs);
	}
	if (!ret) {
		msg_init(&m, NF_FLOW_QOS_CMD_MAP_GET, NLM_F_DUMP, "%s", "");
		ret = nl_run(&m, maps_collect, &s->maps);
	}
	if (ret)
		return ret;
	devs_sort(&s->devs);
	/* What is bound needs to be looked at, and nothing else. */
	if (s->devs.n)
		links_read(&s->links, s->unread, sizeof(s->unread));
	return ST_OK;
}

void status_free(struct status *s)
{
	size_t i;

	for (i = 0; i < s->nwarnings; i++)
		free(s->warnings[i]);
	free(s->warnings);
	free(s->ft);
	free(s->sessions);
	free(s->maps.v);
	links_free(&s->links);
	devs_free(&s->devs);
}

int status_show(int argc, char **argv)
{
	struct status s;
	int ret;

	ret = no_more(argc, argv);
	if (ret)
		return ret;
	ret = status_read(&s);
	if (!ret) {
		make_warnings(&s);
		out_begin();
		print_status(&s);
		ret = out_end();
	}
	status_free(&s);
	return ret;
}
