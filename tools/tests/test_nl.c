// SPDX-License-Identifier: GPL-2.0
/* Messages made and taken apart; refusals put into words. */
#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "out.h"
#include "plan.h"
#include "unit.h"

static const struct nlmsghdr *finish(struct msg *m)
{
	struct nlmsghdr *nlh = (void *)m->buf;

	nlh->nlmsg_len = (uint32_t)m->len;
	return nlh;
}

static void release(void)
{
	char path[] = "/tmp/ftqos-unit-XXXXXX", got[16];
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	CHECK(write(fd, "\0vvermagivermagic=6.1.0-56-amd64 SMP mod", 40) == 40);
	close(fd);
	CHECK(module_release(path, got, sizeof(got)));
	CHECK_STR(got, "6.1.0-56-amd64");
	CHECK(!truncate(path, 12));
	CHECK(!module_release(path, got, sizeof(got)));
	unlink(path);
	CHECK(!module_release(path, got, sizeof(got)));
}

static bool listed(const char *text)
{
	char path[] = "/tmp/ftqos-unit-XXXXXX";
	int fd = mkstemp(path);
	bool ret;

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	ret = module_listed(path);
	unlink(path);
	return ret;
}

static void dependencies(void)
{
	CHECK(listed("a/b.ko:\nupdates/dkms/nf_flow_qos.ko: a/b.ko\n"));
	CHECK(listed("extra/nf_flow_qos.ko.zst:\n"));
	CHECK(!listed("a/b.ko: updates/nf_flow_qos.ko\n"));
	CHECK(!listed("a/my_nf_flow_qos.ko:\na/nf_flow_qos.kox:\n"));
	CHECK(!listed(""));
	CHECK(!module_listed("/nowhere/modules.dep"));
}

static void entries(void)
{
	const struct entry full = { 0x10010, NF_FLOW_QOS_PCP_VLAN, 34 };
	const struct entry keep = { KEEP, KEEP, KEEP };
	const struct entry top = { UINT32_MAX, 7, 63 };
	struct map map;
	struct msg m;

	msg_init(&m, NF_FLOW_QOS_CMD_MAP_SET, 0, "map \"%s\"", "x");
	msg_str(&m, NF_FLOW_QOS_A_MAP_NAME, "voice");
	put_entry(&m, 46, ACT_PRIO | ACT_PCP | ACT_DSCP, &full);
	put_entry(&m, 0, ACT_PRIO | ACT_PCP | ACT_DSCP, &keep);
	put_entry(&m, 63, ACT_PRIO | ACT_PCP | ACT_DSCP, &top);
	put_entry(&m, 1, ACT_PCP, &top);
	msg_u32(&m, NF_FLOW_QOS_A_MAP_BOUND, 3);
	map_decode(finish(&m), &map);
	CHECK_STR(map.name, "voice");
	CHECK_INT(map.bound, 3);
	CHECK(entry_equal(&map.e[46], &full));
	CHECK(entry_equal(&map.e[0], &keep));
	CHECK(entry_equal(&map.e[63], &top));
	CHECK_INT(map.e[1].pcp, 7);
	CHECK_INT(map.e[1].prio, KEEP);
	CHECK_INT(msg_cmd(finish(&m)), NF_FLOW_QOS_CMD_MAP_SET);
	msg_free(&m);
}

/* keep is a bit, never a value and a bit. */
static void keep_bits(void)
{
	const struct entry e = { KEEP, 3, KEEP };
	const struct nlattr *tb[NF_FLOW_QOS_A_MAP_MAX + 1];
	const struct nlattr *et[NF_FLOW_QOS_A_ENTRY_MAX + 1];
	struct msg m;

	msg_init(&m, NF_FLOW_QOS_CMD_MAP_SET, 0, "%s", "");
	put_entry(&m, 5, ACT_PRIO | ACT_PCP, &e);
	attrs_of(finish(&m), tb, NF_FLOW_QOS_A_MAP_MAX);
	CHECK(tb[NF_FLOW_QOS_A_MAP_ENTRY]);
	CHECK(tb[NF_FLOW_QOS_A_MAP_ENTRY]->nla_type & NLA_F_NESTED);
	attrs_nested(tb[NF_FLOW_QOS_A_MAP_ENTRY], et, NF_FLOW_QOS_A_ENTRY_MAX);
	CHECK_INT(attr_u32(et[NF_FLOW_QOS_A_ENTRY_CLASS], 99), 5);
	CHECK(!et[NF_FLOW_QOS_A_ENTRY_PRIO]);
	CHECK_INT(attr_u32(et[NF_FLOW_QOS_A_ENTRY_PCP], 99), 3);
	CHECK(!et[NF_FLOW_QOS_A_ENTRY_DSCP]);
	CHECK_INT(attr_u32(et[NF_FLOW_QOS_A_ENTRY_KEEP], 99), ACT_PRIO);
	msg_free(&m);
}

static void devices(void)
{
	struct dev_change c = {
		.name = "eth0.7", .map = "m", .trust = NF_FLOW_QOS_TRUST_CTMARK,
		.ctmark_mask = 0xfc, .named = DEV_MAP | DEV_TRUST | DEV_CTMARK | DEV_ABSENT,
	};
	const struct nlattr *tb[NF_FLOW_QOS_A_DEV_MAX + 1];
	struct dev d;
	struct msg m;

	msg_init(&m, NF_FLOW_QOS_CMD_DEV_SET, 0, "%s", "");
	put_dev_change(&m, &c);
	attrs_of(finish(&m), tb, NF_FLOW_QOS_A_DEV_MAX);
	CHECK(tb[NF_FLOW_QOS_A_DEV_ABSENT]);
	CHECK(!tb[NF_FLOW_QOS_A_DEV_SCOPE]);
	CHECK(!tb[NF_FLOW_QOS_A_DEV_CTMARK_STATEMASK]);
	msg_str(&m, NF_FLOW_QOS_A_DEV_REASON, "because");
	msg_u32(&m, NF_FLOW_QOS_A_DEV_STATE, NF_FLOW_QOS_DEV_STATE_DOWN);
	dev_decode(finish(&m), &d);
	CHECK_STR(d.name, "eth0.7");
	CHECK_STR(d.map, "m");
	CHECK_INT(d.ifindex, 0);
	CHECK_STR(trust_name(d.trust), "ctmark");
	CHECK_INT(d.ctmark_mask, 0xfc);
	CHECK_INT(d.ctmark_statemask, 0);
	CHECK_STR(dev_state_name(d.state), "down");
	CHECK_STR(d.reason, "because");
	free(d.reason);
	msg_free(&m);
	CHECK_STR(dev_state_name(NF_FLOW_QOS_DEV_STATE_ACTIVE), "active");
	CHECK_STR(dev_state_name(NF_FLOW_QOS_DEV_STATE_NO_FLOWTABLE), "no-flowtable");
	CHECK_STR(dev_state_name(NF_FLOW_QOS_DEV_STATE_NO_EGRESS_HOOK), "no-egress-hook");
	CHECK_STR(dev_state_name(NF_FLOW_QOS_DEV_STATE_ORDER_BLOCKED), "order-blocked");
	CHECK_STR(dev_state_name(77), "unknown");
}

/* Attributes shorter than their type do not read beyond themselves. */
static void short_attributes(void)
{
	const struct nlattr *tb[NF_FLOW_QOS_A_FLOW_MAX + 1];
	uint16_t two = 0x1234;
	char name[4];
	struct msg m;

	msg_init(&m, NF_FLOW_QOS_CMD_FLOW_GET, 0, "%s", "");
	msg_put(&m, NF_FLOW_QOS_A_FLOW_IIF, &two, sizeof(two));
	msg_put(&m, NF_FLOW_QOS_A_FLOW_PACKETS, &two, sizeof(two));
	msg_put(&m, NF_FLOW_QOS_A_FLOW_SRC_V6, "abcdef", 6);
	msg_u32(&m, 200, 1);
	attrs_of(finish(&m), tb, NF_FLOW_QOS_A_FLOW_MAX);
	CHECK_INT(attr_u32(tb[NF_FLOW_QOS_A_FLOW_IIF], 42), 42);
	CHECK_INT(attr_u64(tb[NF_FLOW_QOS_A_FLOW_PACKETS]), 0);
	CHECK(attr_str(tb[NF_FLOW_QOS_A_FLOW_SRC_V6], name, sizeof(name)));
	CHECK_STR(name, "abc");
	CHECK(!attr_str(NULL, name, sizeof(name)));
	CHECK_STR(name, "");
	msg_free(&m);
}

/* The line of an event of a flow. */
static void flow_line(void)
{
	static const uint8_t v6[16] = { 0x20, 0x01, [15] = 1 };
	uint64_t packets = 5000000000ULL;
	struct msg m;

	msg_init(&m, NF_FLOW_QOS_CMD_FLOW_END_NTF, 0, "%s", "");
	msg_u32(&m, NF_FLOW_QOS_A_FLOW_PROTO, 6);
	msg_put(&m, NF_FLOW_QOS_A_FLOW_SRC_V4, "\x0a\0\0\x01", 4);
	msg_put(&m, NF_FLOW_QOS_A_FLOW_DST_V6, v6, sizeof(v6));
	msg_u32(&m, NF_FLOW_QOS_A_FLOW_SPORT, 7);
	msg_u32(&m, NF_FLOW_QOS_A_FLOW_VLAN, 10);
	msg_u32(&m, NF_FLOW_QOS_A_FLOW_VLAN, 20);
	msg_u32(&m, NF_FLOW_QOS_A_FLOW_DSCP, 46);
	msg_u32(&m, NF_FLOW_QOS_A_FLOW_PRIO, 0x10010);
	msg_put(&m, NF_FLOW_QOS_A_FLOW_PACKETS, &packets, sizeof(packets));
	out_begin();
	flow_print_line(finish(&m));
	CHECK_STR(out_peek(), " proto tcp src 10.0.0.1 sport 7 dst 2001::1 vlan 10 vlan 20 dscp ef prio 1:10 packets 5000000000\n");
	out_drop();
	msg_u32(&m, NF_FLOW_QOS_A_FLOW_DSCP_OUT, 34);
	out_begin();
	flow_print_line(finish(&m));
	CHECK(strstr(out_peek(), " dscp ef dscp_out af41 prio 1:10 "));
	out_drop();
	msg_free(&m);
	/* Nothing in it, nothing printed. */
	msg_init(&m, NF_FLOW_QOS_CMD_FLOW_NEW_NTF, 0, "%s", "");
	out_begin();
	flow_print_line(finish(&m));
	CHECK_STR(out_peek(), "\n");
	out_drop();
	msg_free(&m);
}

static void paths(void)
{
	const struct entry e = { 1, 2, KEEP };
	size_t name, entry, second;
	char out[64];
	struct msg m;

	msg_init(&m, NF_FLOW_QOS_CMD_MAP_SET, 0, "%s", "");
	name = m.len;
	msg_str(&m, NF_FLOW_QOS_A_MAP_NAME, "abc");
	entry = m.len;
	put_entry(&m, 1, ACT_PRIO | ACT_PCP, &e);
	second = m.len;
	put_entry(&m, 2, ACT_PRIO, &e);
	CHECK(attr_path(m.buf, m.len, m.cmd, (uint32_t)name, out, sizeof(out)));
	CHECK_STR(out, "name");
	CHECK(attr_path(m.buf, m.len, m.cmd, (uint32_t)entry, out, sizeof(out)));
	CHECK_STR(out, "entry");
	CHECK(attr_path(m.buf, m.len, m.cmd, (uint32_t)entry + 4, out, sizeof(out)));
	CHECK_STR(out, "entry.class");
	CHECK(attr_path(m.buf, m.len, m.cmd, (uint32_t)entry + 20, out, sizeof(out)));
	CHECK_STR(out, "entry.pcp");
	CHECK(attr_path(m.buf, m.len, m.cmd, (uint32_t)second + 12, out, sizeof(out)));
	CHECK_STR(out, "entry.prio");
	CHECK(!attr_path(m.buf, m.len, m.cmd, (uint32_t)m.len, out, sizeof(out)));
	CHECK(!attr_path(m.buf, m.len, m.cmd, 4, out, sizeof(out)));
	CHECK(!attr_path(m.buf, m.len, 99, (uint32_t)name, out, sizeof(out)));
	CHECK(attr_missing(m.buf, m.len, m.cmd, 0, NF_FLOW_QOS_A_MAP_NAME, out, sizeof(out)));
	CHECK_STR(out, "name");
	CHECK(attr_missing(m.buf, m.len, m.cmd, (uint32_t)second,
			   NF_FLOW_QOS_A_ENTRY_CLASS, out, sizeof(out)));
	CHECK_STR(out, "entry.class");
	msg_free(&m);
}

/* A kernel's ack, as it is on the wire. */
static void make_ack(struct msg *m, int err, bool capped, const struct msg *request)
{
	struct nlmsghdr *nlh;
	struct nlmsgerr *e;
	size_t copy = capped ? 0 : NLMSG_ALIGN(request->len) - NLMSG_HDRLEN;

	memset(m, 0, sizeof(*m));
	m->cap = 4096;
	m->buf = calloc(1, m->cap);
	nlh = (void *)m->buf;
	nlh->nlmsg_type = NLMSG_ERROR;
	nlh->nlmsg_flags = NLM_F_ACK_TLVS | (capped ? NLM_F_CAPPED : 0);
	e = (void *)(m->buf + NLMSG_HDRLEN);
	e->error = -err;
	e->msg.nlmsg_len = (uint32_t)request->len;
	m->len = NLMSG_HDRLEN + sizeof(*e) + copy;
}

static void refusals(void)
{
	struct nl_failure f;
	struct msg m, ack;
	char out[256];
	size_t offs;
	int capped;

	msg_init(&m, NF_FLOW_QOS_CMD_DEV_SET, 0, "device \"%s\"", "eth0");
	msg_str(&m, NF_FLOW_QOS_A_DEV_NAME, "eth0");
	offs = m.len;
	msg_str(&m, NF_FLOW_QOS_A_DEV_MAP, "nosuch");
	for (capped = 0; capped < 2; capped++) {
		make_ack(&ack, ENOENT, capped, &m);
		msg_str(&ack, NLMSGERR_ATTR_MSG, "no such map");
		msg_u32(&ack, NLMSGERR_ATTR_OFFS, (uint32_t)offs);
		nl_decode_ack(finish(&ack), &f);
		CHECK_INT(f.err, ENOENT);
		CHECK_STR(f.text, "no such map");
		CHECK(f.has_offs);
		nl_explain(&m, &f, out, sizeof(out));
		CHECK_STR(out, "device \"eth0\": map \"nosuch\": no such map; 'ftqos map show' lists the maps");
		msg_free(&ack);
	}
	/* Without an extended ack the errno speaks, with the way out. */
	make_ack(&ack, EPERM, 1, &m);
	nl_decode_ack(finish(&ack), &f);
	nl_explain(&m, &f, out, sizeof(out));
	CHECK_STR(out, "device \"eth0\": Operation not permitted; this needs CAP_NET_ADMIN in the network namespace (try sudo)");
	msg_free(&ack);
	make_ack(&ack, EOPNOTSUPP, 1, &m);
	nl_decode_ack(finish(&ack), &f);
	nl_explain(&m, &f, out, sizeof(out));
	CHECK(strstr(out, "older than this command"));
	/* The module's own "not yet" is not an old module. */
	msg_str(&ack, NLMSGERR_ATTR_MSG, "not supported yet");
	nl_decode_ack(finish(&ack), &f);
	nl_explain(&m, &f, out, sizeof(out));
	CHECK_STR(out, "device \"eth0\": not supported yet");
	msg_free(&ack);
	/* The subject is not named twice, what has no name is told by its path. */
	make_ack(&ack, ENODEV, 1, &m);
	msg_str(&ack, NLMSGERR_ATTR_MSG, "no such device");
	msg_u32(&ack, NLMSGERR_ATTR_OFFS, NLMSG_HDRLEN + GENL_HDRLEN);
	nl_decode_ack(finish(&ack), &f);
	nl_explain(&m, &f, out, sizeof(out));
	CHECK_STR(out, "device \"eth0\": no such device");
	msg_free(&ack);
	offs = m.len;
	msg_u32(&m, 99, 1);
	make_ack(&ack, EINVAL, 1, &m);
	msg_str(&ack, NLMSGERR_ATTR_MSG, "Unknown attribute type");
	msg_u32(&ack, NLMSGERR_ATTR_OFFS, (uint32_t)offs);
	nl_decode_ack(finish(&ack), &f);
	nl_explain(&m, &f, out, sizeof(out));
	CHECK_STR(out, "device \"eth0\": Unknown attribute type (attribute 99); versions differ: install module and command from one release");
	msg_free(&ack);
	/* Something is missing. */
	make_ack(&ack, EINVAL, 1, &m);
	msg_u32(&ack, 5, NF_FLOW_QOS_A_DEV_NAME);
	nl_decode_ack(finish(&ack), &f);
	nl_explain(&m, &f, out, sizeof(out));
	CHECK_STR(out, "device \"eth0\": Invalid argument (missing attribute name)");
	msg_free(&ack);
	msg_free(&m);
}

static void refusals_of_maps(void)
{
	struct nl_failure f = { .err = EEXIST, .has_offs = true };
	char out[256];
	struct msg m;

	snprintf(f.text, sizeof(f.text), "it exists");
	f.offs = NLMSG_HDRLEN + GENL_HDRLEN;
	msg_init(&m, NF_FLOW_QOS_CMD_MAP_NEW, 0, "map \"%s\"", "default");
	msg_str(&m, NF_FLOW_QOS_A_MAP_NAME, "default");
	nl_explain(&m, &f, out, sizeof(out));
	CHECK_STR(out, "map \"default\": it exists; change it with 'ftqos map set'");
	msg_free(&m);
	msg_init(&m, NF_FLOW_QOS_CMD_MAP_NEW, 0, "map \"%s\"", "x");
	msg_str(&m, NF_FLOW_QOS_A_MAP_NAME, "x");
	nl_explain(&m, &f, out, sizeof(out));
	CHECK_STR(out, "map \"x\": it exists; change it with 'ftqos map set', or delete it first");
	f.offs = (uint32_t)m.len;
	f.err = ENOENT;
	msg_str(&m, NF_FLOW_QOS_A_MAP_FROM, "y");
	nl_explain(&m, &f, out, sizeof(out));
	CHECK_STR(out, "map \"x\": map \"y\": it exists; 'ftqos map show' lists the maps");
	msg_free(&m);
}

/* A kernel that answers for the family, and fails as it is told. */
static struct {
	struct nlmsghdr request;
	int dump_error;		/* of recvmsg(), in a dump */
	unsigned int fails;	/* dumps that fail so, 0: all */
	bool interrupts;	/* instead it marks these as inconsistent */
	int refusal;		/* in an ack, without a text */
	unsigned int flows;	/* in a dump, before it ends or fails */
	unsigned int told;	/* of them */
	unsigned int dumps;
	unsigned int families;
} kernel;

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *nl, const void *buf,
				 size_t len)
{
	memcpy(&kernel.request, buf, sizeof(kernel.request));
	kernel.told = 0;
	kernel.request.nlmsg_pid = mnl_socket_get_portid(nl);
	return (ssize_t)len;
}

static ssize_t deliver(struct msghdr *mh, struct msg *m)
{
	struct nlmsghdr *nlh = (void *)m->buf;
	size_t n = m->len;

	nlh->nlmsg_len = (uint32_t)n;
	nlh->nlmsg_seq = kernel.request.nlmsg_seq;
	nlh->nlmsg_pid = kernel.request.nlmsg_pid;
	memset(mh->msg_name, 0, mh->msg_namelen);
	memcpy(mh->msg_iov->iov_base, m->buf, n);
	mh->msg_flags = 0;
	msg_free(m);
	return (ssize_t)n;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *mh, int flags)
{
	static bool told;
	uint16_t id = 0x77, flags_of_end = NLM_F_MULTI;
	struct msg m;
	bool fail;

	(void)fd;
	(void)flags;
	if (kernel.request.nlmsg_type == GENL_ID_CTRL && !told) {
		told = true;
		kernel.families++;
		msg_init(&m, CTRL_CMD_NEWFAMILY, 0, "%s", "");
		((struct nlmsghdr *)m.buf)->nlmsg_type = GENL_ID_CTRL;
		msg_put(&m, CTRL_ATTR_FAMILY_ID, &id, sizeof(id));
		msg_u32(&m, CTRL_ATTR_VERSION, NF_FLOW_QOS_FAMILY_VERSION);
		return deliver(mh, &m);
	}
	if (kernel.request.nlmsg_type != GENL_ID_CTRL &&
	    (kernel.request.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP && !kernel.refusal) {
		if (kernel.told < kernel.flows) {
			kernel.told++;
			msg_init(&m, NF_FLOW_QOS_CMD_FLOW_GET, NLM_F_MULTI, "%s", "");
			((struct nlmsghdr *)m.buf)->nlmsg_type = id;
			return deliver(mh, &m);
		}
		fail = !kernel.fails || kernel.dumps < kernel.fails;
		kernel.dumps++;
		errno = fail ? kernel.dump_error : 0;
		if (errno)
			return -1;
		if (fail && kernel.interrupts)
			flags_of_end |= NLM_F_DUMP_INTR;
		msg_init(&m, 0, flags_of_end, "%s", "");
		((struct nlmsghdr *)m.buf)->nlmsg_type = NLMSG_DONE;
		return deliver(mh, &m);
	}
	make_ack(&m, told ? 0 : kernel.refusal, 1, &(struct msg){ .len = 20 });
	if (kernel.request.nlmsg_type == GENL_ID_CTRL)
		told = false;
	return deliver(mh, &m);
}

static int run_request(uint8_t cmd, uint16_t flags)
{
	struct msg m;

	msg_init(&m, cmd, flags, "%s", "");
	return nl_run(&m, NULL, NULL);
}

static void transport(void)
{
	/* A dump that never has room ends, with one line. */
	kernel.dump_error = ENOBUFS;
	CHECK_ERROR(run_request(NF_FLOW_QOS_CMD_MAP_GET, NLM_F_DUMP), ST_REFUSED,
		    "ran out of room for its answer; try again");
	CHECK_INT(kernel.dumps, 5);
	kernel.dump_error = EIO;
	CHECK_ERROR(run_request(NF_FLOW_QOS_CMD_MAP_GET, NLM_F_DUMP), ST_REFUSED,
		    "netlink: Input/output error");
	CHECK_INT(kernel.dumps, 6);
	CHECK_INT(kernel.families, 1);
	CHECK_INT(run_request(NF_FLOW_QOS_CMD_MAP_DEL, 0), ST_OK);
	/* The module went: that is said, and the family asked for anew. */
	kernel.refusal = ENOENT;
	CHECK_ERROR(run_request(NF_FLOW_QOS_CMD_MAP_DEL, 0), ST_REFUSED,
		    "the module nf_flow_qos is not loaded");
	kernel.refusal = 0;
	CHECK_INT(run_request(NF_FLOW_QOS_CMD_MAP_DEL, 0), ST_OK);
	CHECK_INT(kernel.families, 2);
	/* ... or a dump finds it on its way. */
	kernel.refusal = EPROTONOSUPPORT;
	kernel.dump_error = 0;
	CHECK_ERROR(run_request(NF_FLOW_QOS_CMD_MAP_GET, NLM_F_DUMP), ST_REFUSED,
		    "the module nf_flow_qos is being unloaded");
	kernel.refusal = 0;
	CHECK_INT(run_request(NF_FLOW_QOS_CMD_MAP_GET, NLM_F_DUMP), ST_OK);
	CHECK_INT(kernel.families, 3);
}

static struct {
	unsigned int calls;
	unsigned int told;	/* messages there were at the first call */
	unsigned int stop;	/* call that fails, 0: none */
	unsigned int agains;
} parted;

static int see(const struct nlmsghdr *nlh, void *data)
{
	CHECK(data == &parted);
	CHECK_INT(msg_cmd(nlh), NF_FLOW_QOS_CMD_FLOW_GET);
	if (!parted.calls++)
		parted.told = kernel.told;
	return parted.calls == parted.stop ? refuse("enough") : ST_OK;
}

static void forget(void *data)
{
	CHECK(data == &parted);
	parted.calls = 0;
	parted.agains++;
}

static int dump_parts(unsigned int flows, int dump_error, unsigned int stop)
{
	struct msg m;

	memset(&parted, 0, sizeof(parted));
	parted.stop = stop;
	kernel.flows = flows;
	kernel.dumps = 0;
	kernel.dump_error = dump_error;
	msg_init(&m, NF_FLOW_QOS_CMD_FLOW_GET, NLM_F_DUMP, "%s", "");
	return nl_run_parts(&m, see, forget, &parted);
}

/* What is long is handled as it comes, and forgotten before it is asked for again. */
static void parts(void)
{
	CHECK_INT(dump_parts(3, 0, 0), ST_OK);
	CHECK_INT(parted.calls, 3);
	CHECK_INT(parted.told, 1);
	CHECK_INT(dump_parts(0, 0, 0), ST_OK);
	CHECK_INT(parted.calls, 0);
	CHECK_INT(parted.agains, 0);
	CHECK_ERROR(dump_parts(2, ENOBUFS, 0), ST_REFUSED,
		    "ran out of room for its answer; try again");
	CHECK_INT(kernel.dumps, 5);
	CHECK_INT(parted.agains, 4);
	CHECK_ERROR(dump_parts(0, ENOBUFS, 0), ST_REFUSED, "try again");
	CHECK_INT(kernel.dumps, 5);
	CHECK_INT(parted.agains, 0);
	kernel.fails = 2;
	CHECK_INT(dump_parts(3, ENOBUFS, 0), ST_OK);
	CHECK_INT(kernel.dumps, 3);
	CHECK_INT(parted.agains, 2);
	CHECK_INT(parted.calls, 3);
	kernel.interrupts = true;
	CHECK_INT(dump_parts(4, 0, 0), ST_OK);
	CHECK_INT(kernel.dumps, 3);
	CHECK_INT(parted.agains, 2);
	CHECK_INT(parted.calls, 4);
	kernel.fails = 0;
	CHECK_ERROR(dump_parts(4, 0, 0), ST_REFUSED,
		    "kept changing while it was read; try again");
	CHECK_INT(kernel.dumps, 5);
	kernel.interrupts = false;
	CHECK_ERROR(dump_parts(9, 0, 2), ST_REFUSED, "enough");
	CHECK_INT(parted.calls, 2);
	/* What was left of that answer is not taken for the next. */
	CHECK_INT(dump_parts(1, 0, 0), ST_OK);
	CHECK_INT(parted.calls, 1);
}

/* The end of a dump carries its error, and its extended ack. */
static void dump_end(void)
{
	struct nl_failure f;
	struct nlmsghdr *nlh;
	struct msg m = { 0 };
	int err = -EINVAL;

	m.cap = 256;
	m.buf = calloc(1, m.cap);
	nlh = (void *)m.buf;
	nlh->nlmsg_type = NLMSG_DONE;
	nlh->nlmsg_flags = NLM_F_MULTI | NLM_F_ACK_TLVS;
	memcpy(m.buf + NLMSG_HDRLEN, &err, sizeof(err));
	m.len = NLMSG_HDRLEN + sizeof(err);
	msg_str(&m, NLMSGERR_ATTR_MSG, "ports do not fit");
	nl_decode_ack(finish(&m), &f);
	CHECK_INT(f.err, EINVAL);
	CHECK_STR(f.text, "ports do not fit");
	err = 0;
	memcpy(m.buf + NLMSG_HDRLEN, &err, sizeof(err));
	nl_decode_ack(finish(&m), &f);
	CHECK_INT(f.err, 0);
	/* Cut short anywhere, it does not read beyond its end. */
	for (; m.len >= NLMSG_HDRLEN; m.len--) {
		struct msg copy = { .len = m.len };

		copy.buf = malloc(m.len);
		memcpy(copy.buf, m.buf, m.len);
		nl_decode_ack(finish(&copy), &f);
		free(copy.buf);
	}
	free(m.buf);
}

static int read_text(struct plan *p, const char *text)
{
	FILE *f = fmemopen((void *)text, strlen(text), "r");
	int ret;

	plan_init(p);
	ret = read_commands(f, "t", p);
	fclose(f);
	return ret;
}

struct walked {
	const char *buf;
	const struct spans *spans;
	int maps, devs, configs, entries;
};

static int walk_entry(const struct nlattr *a, void *data)
{
	struct walked *w = data;
	const struct nlattr *tb[NF_FLOW_QOS_A_ENTRY_MAX + 1];
	uint32_t offs = (uint32_t)((const char *)a - w->buf), want = 4;

	if (mnl_attr_get_type(a) != NF_FLOW_QOS_A_MAP_ENTRY)
		return MNL_CB_OK;
	attrs_nested(a, tb, NF_FLOW_QOS_A_ENTRY_MAX);
	if (attr_u32(tb[NF_FLOW_QOS_A_ENTRY_CLASS], 99) == 46)
		want = 6;
	CHECK_INT(spans_line(w->spans, offs), want);
	CHECK_INT(spans_line(w->spans, offs + 4), want);
	w->entries++;
	return MNL_CB_OK;
}

static int walk_top(const struct nlattr *a, void *data)
{
	struct walked *w = data;
	uint32_t offs = (uint32_t)((const char *)a - w->buf);

	switch (mnl_attr_get_type(a)) {
	case NF_FLOW_QOS_A_RESTORE_MAP:
		CHECK_INT(spans_line(w->spans, offs), w->maps ? 7 : 2);
		if (!w->maps++)
			mnl_attr_parse_nested(a, walk_entry, w);
		break;
	case NF_FLOW_QOS_A_RESTORE_DEV:
		CHECK_INT(spans_line(w->spans, offs), w->devs ? 9 : 8);
		CHECK_INT(spans_line(w->spans, offs + 4), w->devs ? 9 : 8);
		w->devs++;
		break;
	case NF_FLOW_QOS_A_RESTORE_CONFIG:
		CHECK_INT(spans_line(w->spans, offs), 10);
		w->configs++;
		break;
	}
	return MNL_CB_OK;
}

static void restore_lines(void)
{
	struct spans spans = { 0 };
	struct walked w = { 0 };
	struct plan p;
	char out[64];
	struct msg m;

	CHECK_INT(read_text(&p, "# 1\n"
			    "map add m\n"		/* 2 */
			    "\n"
			    "map set m cs1,ef \\\n"	/* 4, 5 */
			    "  pcp 3\n"
			    "map set m ef prio 9\n"	/* 6 */
			    "map add plain\n"		/* 7 */
			    "dev set eth0 map m absent\n" /* 8 */
			    "dev set any\n"		/* 9 */
			    "config set flow-limit 7\n"), ST_OK);
	msg_init(&m, NF_FLOW_QOS_CMD_RESTORE, 0, "%s", "");
	plan_message(&p, &m, &spans);
	w.buf = m.buf;
	w.spans = &spans;
	mnl_attr_parse(finish(&m), GENL_HDRLEN, walk_top, &w);
	/* default is as it was made and not among them; plain has no entries. */
	CHECK_INT(w.maps, 2);
	CHECK_INT(w.entries, 2);
	CHECK_INT(w.devs, 2);
	CHECK_INT(w.configs, 1);
	CHECK_INT(spans_line(&spans, 0), 0);
	CHECK_INT(spans_line(&spans, (uint32_t)m.len), 0);
	/* The path of the first entry's class, inside its map. */
	CHECK(attr_path(m.buf, m.len, m.cmd, NLMSG_HDRLEN + GENL_HDRLEN + 4 + 8 + 4, out,
			sizeof(out)));
	CHECK_STR(out, "map.entry.class");
	free(spans.v);
	msg_free(&m);
	plan_free(&p);
}

/* The line that a part of a binding comes from, and the name of its device. */
static void restore_device(void)
{
	struct nl_failure f = { .err = ENODEV, .has_offs = true };
	struct spans spans = { 0 };
	char out[256];
	struct plan p;
	struct msg m;

	CHECK_INT(read_text(&p, "dev set eth9\n"		/* 1 */
			    "map add m\n"		/* 2 */
			    "dev set eth9 map m\n"	/* 3 */
			    "dev set eth9 scope all\n"	/* 4 */
			    "dev set eth9 absent\n"), ST_OK);
	CHECK_INT(p.commands, 5);
	p.nmaps = 1;
	msg_init(&m, NF_FLOW_QOS_CMD_RESTORE, 0, "%s", "");
	plan_message(&p, &m, &spans);
	f.offs = NLMSG_HDRLEN + GENL_HDRLEN + NLA_HDRLEN;
	CHECK_INT(spans_line(&spans, f.offs), 1);
	snprintf(f.text, sizeof(f.text), "no device");
	nl_explain(&m, &f, out, sizeof(out));
	CHECK_STR(out, "device \"eth9\": no device");
	f.offs += NLA_HDRLEN + 8;
	CHECK_INT(spans_line(&spans, f.offs), 3);
	nl_explain(&m, &f, out, sizeof(out));
	CHECK_STR(out, "device \"eth9\": map \"m\": no device");
	f.offs += NLA_HDRLEN + 4;
	CHECK_INT(spans_line(&spans, f.offs), 4);
	nl_explain(&m, &f, out, sizeof(out));
	CHECK_STR(out, "device \"eth9\": no device (attribute dev.scope)");
	free(spans.v);
	msg_free(&m);
	plan_free(&p);
}

static void restore_large(void)
{
	struct spans spans = { 0 };
	char line[64], *text = NULL;
	struct plan p;
	struct msg m;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	int i;

	for (i = 0; i < 63; i++) {
		snprintf(line, sizeof(line), "map add m%d preset openwrt\n", i);
		fputs(line, f);
	}
	fclose(f);
	CHECK_INT(read_text(&p, text), ST_OK);
	msg_init(&m, NF_FLOW_QOS_CMD_RESTORE, 0, "%s", "");
	plan_message(&p, &m, &spans);
	CHECK_INT(p.nmaps, 64);
	CHECK(m.len > 63 * 64 * 28);
	CHECK(mnl_nlmsg_ok(finish(&m), (int)m.len));
	CHECK_INT(spans_line(&spans, (uint32_t)m.len - 4), 63);
	free(spans.v);
	msg_free(&m);
	plan_free(&p);
	free(text);
}

/* The tables of names against the specification, word by word. */
static void specification(void)
{
	char path[4096], line[512], word[64];
	const struct attr_set *set = NULL;
	bool in_sets = false, in_attrs = false;
	unsigned int next = 0, seen = 0;
	size_t i;
	FILE *f;

	snprintf(path, sizeof(path), "%s/../Documentation/netlink/specs/nf_flow_qos.yaml",
		 tools_dir);
	f = fopen(path, "r");
	CHECK(f);
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (line[0] != ' ' && line[0] != '\n' && line[0] != '#')
			in_sets = !strncmp(line, "attribute-sets:", 15);
		if (!in_sets)
			continue;
		if (sscanf(line, "    name: %63s", word) == 1 && !strncmp(line, "    name", 8)) {
			if (set)
				CHECK_INT(next, set->max + 1);
			set = NULL;
			next = 1;
			in_attrs = false;
			for (i = 0; i < nattr_sets; i++)
				if (!strcmp(attr_sets[i]->name, word))
					set = attr_sets[i];
			/* Subsets have the numbers of their set. */
			if (!set)
				CHECK(!strncmp(word, "restore-", 8));
			seen += !!set;
		}
		if (!strncmp(line, "    attributes:", 15))
			in_attrs = true;
		if (!set || !in_attrs || strncmp(line, "        name: ", 14))
			continue;
		if (sscanf(line, " name: %63s", word) != 1)
			continue;
		if (next > set->max || strcmp(set->attrs[next].name, word)) {
			printf("# %s: %u is %s in the specification\n", set->name, next, word);
			failures++;
		}
		next++;
	}
	fclose(f);
	if (set)
		CHECK_INT(next, set->max + 1);
	CHECK_INT(seen, nattr_sets);
}

const struct test nl_tests[] = {
	{ "the release a module is for", release },
	{ "the module in modules.dep", dependencies },
	{ "entries in a message and back", entries },
	{ "keep is a bit", keep_bits },
	{ "bindings in a message and back", devices },
	{ "attributes that are too short", short_attributes },
	{ "the line of a flow", flow_line },
	{ "names of attributes by offset", paths },
	{ "refusals in words", refusals },
	{ "refusals of maps in words", refusals_of_maps },
	{ "a dump without room, a module that went", transport },
	{ "a dump in parts", parts },
	{ "the end of a dump", dump_end },
	{ "lines of a restore by offset", restore_lines },
	{ "a restore of a binding by offset", restore_device },
	{ "a restore of 64 maps", restore_large },
	{ "names of attributes as specified", specification },
	{ NULL, NULL },
};
