// SPDX-License-Identifier: GPL-2.0
/*
 * The command and a kernel that may answer anything: one command of a list, with the
 * options that the input says, whose JSON has to be JSON and whose text has to be text;
 * or the functions that take messages apart, each on a block of memory of its exact size.
 *
 * An input is two octets, then records (world.h); see corpus.py.
 */
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "flow.h"
#include "model.h"
#include "out.h"
#include "world.h"

/* The second octet */
#define GIVEN_JSON	1
#define GIVEN_PRETTY	2
#define GIVEN_STATS	4

/* What is printed raw is for programs: names, which are one line each, and commands. */
static const struct {
	const char *words;
	bool raw;
} asked[] = {
	{ .words = "map show" },
	{ .words = "map show m" },
	{ .words = "dev show" },
	{ .words = "dev show any" },
	{ .words = "flow show" },
	{ .words = "flow show dev dev1 proto udp dscp ef src 192.0.2.0/24" },
	{ .words = "flow explain proto udp src 192.0.2.2 dst 198.51.100.2 dport 5000 iif dev1" },
	{ .words = "flow explain proto tcp src 2001:db8:1::2 dst 2001:db8:2::2 iif dev2" },
	{ .words = "stats show" },
	{ .words = "config show" },
	{ .words = "status" },
	{ .words = "monitor" },
	{ .words = "monitor flows" },
	{ .words = "map set m ef,40-45 prio 1:10 pcp vlan dscp keep" },
	{ .words = "map add m from n" },
	{ .words = "map del m" },
	{ .words = "dev set dev1 map m trust ctmark 0xfc" },
	{ .words = "dev del dev1" },
	{ .words = "config set flow-limit 1" },
	{ .words = "save -", .raw = true },
	{ .words = "__complete map show", .raw = true },
};

static void run(const char *words)
{
	char buf[256], *argv[32], *save = NULL, *w;
	int argc = 0, ret;

	snprintf(buf, sizeof(buf), "%s", words);
	for (w = strtok_r(buf, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	ret = dispatch(NULL, argc, argv);
	FAIL_IF(ret != ST_OK && ret != ST_REFUSED);
	FAIL_IF(ret && !last_error[0]);
}

/* What a request would be told of an error in it. */
static void take_apart_ack(const struct nlmsghdr *nlh)
{
	const struct entry e = { 1, 2, KEEP };
	struct nl_failure f;
	char text[ERROR_MAX];
	struct msg m;
	size_t nest;

	nl_decode_ack(nlh, &f);
	FAIL_IF(f.err < 0 || strlen(f.text) >= sizeof(f.text));
	msg_init(&m, NF_FLOW_QOS_CMD_RESTORE, 0, "%s", "");
	nest = msg_nest(&m, NF_FLOW_QOS_A_RESTORE_MAP);
	msg_str(&m, NF_FLOW_QOS_A_MAP_NAME, "voice");
	put_entry(&m, 46, ACT_PRIO | ACT_PCP | ACT_DSCP, &e);
	msg_nest_end(&m, nest);
	nl_explain(&m, &f, text, sizeof(text));
	msg_free(&m);
	/* As it came, as if it were a request. */
	m = (struct msg){ .buf = (char *)nlh, .len = nlh->nlmsg_len, .cmd = (uint8_t)f.offs };
	nl_explain(&m, &f, text, sizeof(text));
}

static void take_apart(const struct nlmsghdr *nlh, struct ct_table *conntrack,
		       struct maps *maps, struct devs *devs)
{
	struct limits limits;
	struct flow flow;

	take_apart_ack(nlh);
	if (mnl_nlmsg_get_payload_len(nlh) < GENL_HDRLEN)
		return;
	ct_store(nlh, conntrack);
	maps_collect(nlh, maps);
	devs_collect(nlh, devs);
	limits_decode(nlh, &limits);
	flow_decode(nlh, &flow);
	FAIL_IF(flow.nvlan > FLOW_VLANS);
	flow_print_line(nlh);
}

static void each_message(struct bytes in)
{
	struct ct_table conntrack = { .n = 0 };
	struct maps maps = { .n = 0 };
	struct devs devs = { .n = 0 };
	struct bytes payload;
	struct ct_match m;
	struct record r;
	size_t i;

	out_begin();
	while (next_record(&in, &r, &payload)) {
		/* Padded, as the kernel's are: libmnl looks for attributes in that, too. */
		struct nlmsghdr *nlh = calloc(1, NLMSG_ALIGN(NLMSG_HDRLEN + payload.n));

		FAIL_IF(!nlh);
		*nlh = (struct nlmsghdr){
			.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + payload.n),
			.nlmsg_type = (r.kind & RECORD_KIND) == RECORD_DONE ? NLMSG_DONE :
									     NLMSG_ERROR,
			.nlmsg_flags = (r.kind & RECORD_TLVS ? NLM_F_ACK_TLVS : 0) |
				       (r.kind & RECORD_CAPPED ? NLM_F_CAPPED : 0),
		};
		if (payload.n)
			memcpy((char *)nlh + NLMSG_HDRLEN, payload.p, payload.n);
		take_apart(nlh, &conntrack, &maps, &devs);
		free(nlh);
	}
	ct_index(&conntrack);
	for (i = 0; i < conntrack.n; i++) {
		m = ct_find(&conntrack, &conntrack.v[i].tuple[CT_ORIGINAL]);
		FAIL_IF(!m.entry && !m.ambiguous);
	}
	maps_sort(&maps);
	devs_sort(&devs);
	devs_print("devices", NULL, &devs);
	devs_free(&devs);
	free(maps.v);
	ct_free(&conntrack);
	out_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct bytes in = { input, size };
	uint8_t which, flags;
	const char *text;
	bool valid;
	size_t n;

	if (size < 2)
		return -1;
	take(&in, &which, 1);
	take(&in, &flags, 1);
	world_begin(in);
	opts.json = flags & GIVEN_JSON;
	opts.pretty = flags & GIVEN_PRETTY;
	opts.stats = flags & GIVEN_STATS;
	if (which >= ARRAY_SIZE(asked)) {
		opts.json = false;
		each_message(in);
	} else {
		run(asked[which].words);
	}
	text = world_end(&n);
	if (which < ARRAY_SIZE(asked) && asked[which].raw)
		return 0;
	if (flags & GIVEN_JSON && which < ARRAY_SIZE(asked))
		valid = json_valid(text, n);
	else
		valid = text_valid(text, n);
	if (!valid)
		dprintf(2, "%s\n", text);
	FAIL_IF(!valid);
	return 0;
}
