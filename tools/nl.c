// SPDX-License-Identifier: GPL-2.0
/*
 * Transport: one socket, one request at a time, refusals in words.
 *
 * An answer is received whole before a handler sees any of it, so a dump that
 * the kernel marks as inconsistent is asked for again without a trace, and
 * output begins only when there is something to say. A dump that can be long
 * (nl_run_parts) is handled as it comes; before it is asked for again its handler
 * has to forget what it was given.
 */
#include <errno.h>
#include <linux/nf_flow_qos.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nl.h"

#ifndef NETLINK_GET_STRICT_CHK
#define NETLINK_GET_STRICT_CHK 12
#endif

#define DUMP_TRIES 5
#define RECV_SIZE 65536
#define LISTEN_RCVBUF (1 << 20)

/* The group "notify" of the family nlctrl has its number for ever. */
#define NLCTRL_NOTIFY_GROUP GENL_ID_CTRL

static struct mnl_socket *sock;
static uint32_t seq;
static uint16_t family;
static struct {
	char name[GENL_NAMSIZ];
	uint32_t id;
} groups[8];
static size_t ngroups;

static void set_option(int option)
{
	int one = 1;

	/* Old kernels lack some; the errors are poorer then. */
	mnl_socket_setsockopt(sock, option, &one, sizeof(one));
}

static int open_socket(void)
{
	if (sock)
		return ST_OK;
	sock = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!sock)
		return refuse("cannot open a netlink socket: %s", strerror(errno));
	if (mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		int err = errno;

		mnl_socket_close(sock);
		sock = NULL;
		return refuse("cannot bind a netlink socket: %s", strerror(err));
	}
	set_option(NETLINK_EXT_ACK);
	set_option(NETLINK_CAP_ACK);
	set_option(NETLINK_GET_STRICT_CHK);
	return ST_OK;
}

static void send_room(size_t len)
{
	int fd = mnl_socket_get_fd(sock), want = (int)len + 4096, have = 0;
	socklen_t n = sizeof(have);

	if (!getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &have, &n) && have > want)
		return;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &want, sizeof(want)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &want, sizeof(want));
}

struct answer {
	char *buf;
	size_t len;
	size_t cap;
	bool interrupted;
	/* For a dump in parts; then nothing is kept. */
	nl_cb each;
	void (*again)(void *data);
	void *data;
	bool begun;
	int ret;
};

static void answer_add(struct answer *a, const struct nlmsghdr *nlh)
{
	size_t n = NLMSG_ALIGN(nlh->nlmsg_len);

	if (!a->buf || a->len + n > a->cap) {
		a->cap = 2 * (a->len + n);
		a->buf = xrealloc(a->buf, a->cap, 1);
	}
	memset(a->buf + a->len, 0, n);
	memcpy(a->buf + a->len, nlh, nlh->nlmsg_len);
	a->len += n;
}

/* Receive once; 0 or an errno. */
static int receive(char *buf, size_t size, size_t *n)
{
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct sockaddr_nl from;
	struct msghdr mh = {
		.msg_name = &from, .msg_namelen = sizeof(from),
		.msg_iov = &iov, .msg_iovlen = 1,
	};
	ssize_t got;

	do {
		got = recvmsg(mnl_socket_get_fd(sock), &mh, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno;
	if (mh.msg_flags & MSG_TRUNC)
		return ENOSPC;
	/* Only the kernel is believed. */
	*n = from.nl_pid ? 0 : (size_t)got;
	return 0;
}

/*
 * Send the request and collect its answer. Returns an errno of the transport;
 * what the kernel refused is in the failure.
 */
static int exchange(struct msg *m, struct answer *a, struct nl_failure *f)
{
	struct nlmsghdr *nlh = (void *)m->buf;
	uint32_t port = mnl_socket_get_portid(sock);
	char *buf;
	size_t n;
	int err;

	memset(f, 0, sizeof(*f));
	nlh->nlmsg_len = (uint32_t)m->len;
	nlh->nlmsg_seq = ++seq;
	send_room(m->len);
	if (mnl_socket_sendto(sock, m->buf, m->len) != (ssize_t)m->len)
		return errno ? errno : EIO;
	buf = xrealloc(NULL, RECV_SIZE, 1);
	for (;;) {
		const struct nlmsghdr *r = (void *)buf;
		int left;

		err = receive(buf, RECV_SIZE, &n);
		if (err)
			goto out;
		left = (int)n;
		for (; mnl_nlmsg_ok(r, left); r = mnl_nlmsg_next(r, &left)) {
			if (r->nlmsg_seq != seq || r->nlmsg_pid != port)
				continue;
			if (r->nlmsg_flags & NLM_F_DUMP_INTR)
				a->interrupted = true;
			if (r->nlmsg_type == NLMSG_ERROR ||
			    r->nlmsg_type == NLMSG_DONE) {
				nl_decode_ack(r, f);
				goto out;
			}
			if (r->nlmsg_type < NLMSG_MIN_TYPE ||
			    mnl_nlmsg_get_payload_len(r) < GENL_HDRLEN)
				continue;
			if (!a->each) {
				answer_add(a, r);
				continue;
			}
			a->begun = true;
			a->ret = a->each(r, a->data);
			if (a->ret)
				goto out;
		}
	}
out:
	free(buf);
	return err;
}

/* Throw away what an unfinished answer left behind. */
static void close_socket(void)
{
	if (!sock)
		return;
	mnl_socket_close(sock);
	sock = NULL;
}

static int transport_error(int err, bool dump)
{
	close_socket();
	if (err == ENOBUFS)
		return refuse("the kernel ran out of room for its answer; %s",
			      dump ? "try again" : "what was asked for may have been done");
	if (err == ENOSPC)
		return refuse("the kernel's answer is longer than this command expects");
	return refuse("netlink: %s", strerror(err));
}

static int run(struct msg *m, nl_cb cb, void (*again)(void *data), void *data,
	       struct nl_failure *f)
{
	const struct nlmsghdr *nlh = (void *)m->buf;
	bool dump = (nlh->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	struct answer a = { .each = again ? cb : NULL, .again = again, .data = data };
	int tries, err = 0, ret = ST_OK, left;

	for (tries = 0; tries < DUMP_TRIES; tries++) {
		ret = open_socket();
		if (ret) {
			free(a.buf);
			return ret;
		}
		if (a.begun)
			a.again(data);
		a.begun = false;
		a.len = 0;
		a.interrupted = false;
		err = exchange(m, &a, f);
		if (err == ENOBUFS && dump) {
			close_socket();
			continue;
		}
		if (err || f->err || a.ret || !a.interrupted)
			break;
	}
	if (a.ret) {
		/* The rest of the dump is nobody's. */
		close_socket();
		ret = a.ret;
	} else if (err) {
		ret = transport_error(err, dump);
	} else if (f->err) {
		ret = ST_REFUSED;
	} else if (a.interrupted) {
		ret = refuse("the configuration kept changing while it was read; try again");
	} else {
		if (f->text[0])
			warning("%s", f->text);
		left = (int)a.len;
		nlh = (void *)a.buf;
		for (; cb && a.buf && mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left)) {
			ret = cb(nlh, data);
			if (ret)
				break;
		}
	}
	free(a.buf);
	return ret;
}

/* Family */

static int group_store(const struct nlattr *a, void *data)
{
	const struct nlattr *tb[CTRL_ATTR_MCAST_GRP_MAX + 1];

	(void)data;
	if (ngroups >= ARRAY_SIZE(groups))
		return MNL_CB_OK;
	attrs_nested(a, tb, CTRL_ATTR_MCAST_GRP_MAX);
	attr_str(tb[CTRL_ATTR_MCAST_GRP_NAME], groups[ngroups].name,
		 sizeof(groups[ngroups].name));
	groups[ngroups].id = attr_u32(tb[CTRL_ATTR_MCAST_GRP_ID], 0);
	ngroups++;
	return MNL_CB_OK;
}

static int family_store(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[CTRL_ATTR_MAX + 1];
	uint32_t *version = data;

	attrs_of(nlh, tb, CTRL_ATTR_MAX);
	if (!tb[CTRL_ATTR_FAMILY_ID] ||
	    mnl_attr_get_payload_len(tb[CTRL_ATTR_FAMILY_ID]) < sizeof(uint16_t))
		return refuse("the kernel's answer about the family %s lacks its number",
			      NF_FLOW_QOS_FAMILY_NAME);
	family = mnl_attr_get_u16(tb[CTRL_ATTR_FAMILY_ID]);
	*version = attr_u32(tb[CTRL_ATTR_VERSION], 0);
	ngroups = 0;
	if (tb[CTRL_ATTR_MCAST_GROUPS])
		mnl_attr_parse_nested(tb[CTRL_ATTR_MCAST_GROUPS], group_store, NULL);
	return ST_OK;
}

int nl_open(void)
{
	struct nl_failure f = { 0 };
	uint32_t version = 0;
	struct genlmsghdr *gh;
	struct nlmsghdr *nlh;
	struct msg m;
	int ret;

	if (family)
		return ST_OK;
	msg_init(&m, CTRL_CMD_GETFAMILY, NLM_F_ACK, "%s", "");
	nlh = (void *)m.buf;
	nlh->nlmsg_type = GENL_ID_CTRL;
	gh = (void *)(m.buf + NLMSG_HDRLEN);
	gh->version = 1;
	msg_str(&m, CTRL_ATTR_FAMILY_NAME, NF_FLOW_QOS_FAMILY_NAME);
	ret = run(&m, family_store, NULL, &version, &f);
	msg_free(&m);
	if (f.err == ENOENT)
		return module_absent();
	if (f.err)
		return refuse("cannot ask for the netlink family %s: %s",
			      NF_FLOW_QOS_FAMILY_NAME, strerror(f.err));
	if (!ret && !family)
		return refuse("the kernel gave no answer about the family %s",
			      NF_FLOW_QOS_FAMILY_NAME);
	if (!ret && version != NF_FLOW_QOS_FAMILY_VERSION) {
		family = 0;
		return refuse("the loaded module speaks version %u of %s, this command version %u: install both from one release",
			      version, NF_FLOW_QOS_FAMILY_NAME,
			      NF_FLOW_QOS_FAMILY_VERSION);
	}
	return ret;
}

static int run_failure(struct msg *m, nl_cb cb, void (*again)(void *data), void *data,
		       struct nl_failure *f)
{
	struct nlmsghdr *nlh;
	int ret;

	memset(f, 0, sizeof(*f));
	ret = nl_open();
	if (ret)
		return ret;
	nlh = (void *)m->buf;
	nlh->nlmsg_type = family;
	/* A dump ends with NLMSG_DONE, everything else with its ack. */
	if ((nlh->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		nlh->nlmsg_flags |= NLM_F_ACK;
	ret = run(m, cb, again, data, f);
	/* The core's own: the family went since it was found. */
	if (f->err == ENOENT && !f->text[0]) {
		memset(f, 0, sizeof(*f));
		family = 0;
		return module_absent();
	}
	/* That of netlink_dump_start() when the module cannot be held any more. */
	if (f->err == EPROTONOSUPPORT && !f->text[0]) {
		memset(f, 0, sizeof(*f));
		family = 0;
		return refuse("the module nf_flow_qos is being unloaded");
	}
	return ret;
}

int nl_run_failure(struct msg *m, nl_cb cb, void *data, struct nl_failure *f)
{
	return run_failure(m, cb, NULL, data, f);
}

static int run_explained(struct msg *m, nl_cb cb, void (*again)(void *data),
			 void *data)
{
	struct nl_failure f;
	char text[ERROR_MAX];
	int ret = run_failure(m, cb, again, data, &f);

	if (f.err) {
		nl_explain(m, &f, text, sizeof(text));
		refuse("%s", text);
	}
	msg_free(m);
	return ret;
}

int nl_run(struct msg *m, nl_cb cb, void *data)
{
	return run_explained(m, cb, NULL, data);
}

int nl_run_parts(struct msg *m, nl_cb cb, void (*again)(void *data), void *data)
{
	return run_explained(m, cb, again, data);
}

/* Events */

int nl_join(const char *group)
{
	uint32_t ctrl = NLCTRL_NOTIFY_GROUP, id = 0;
	int ret = nl_open(), size = LISTEN_RCVBUF;
	size_t i;

	if (ret)
		return ret;
	for (i = 0; i < ngroups; i++)
		if (!strcmp(groups[i].name, group))
			id = groups[i].id;
	if (!id)
		return refuse("the loaded module has no events of the group %s: it is older than this command",
			      group);
	if (setsockopt(mnl_socket_get_fd(sock), SOL_SOCKET, SO_RCVBUFFORCE,
		       &size, sizeof(size)))
		setsockopt(mnl_socket_get_fd(sock), SOL_SOCKET, SO_RCVBUF,
			   &size, sizeof(size));
	if (mnl_socket_setsockopt(sock, NETLINK_ADD_MEMBERSHIP, &id, sizeof(id)) < 0)
		return refuse("cannot join the group %s: %s%s", group, strerror(errno),
			      errno == EPERM ? "; this needs CAP_NET_ADMIN (try sudo)" : "");
	/* Tells when the module goes; without it monitor would only be silent. */
	mnl_socket_setsockopt(sock, NETLINK_ADD_MEMBERSHIP, &ctrl, sizeof(ctrl));
	return ST_OK;
}

static int control_event(const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[CTRL_ATTR_MAX + 1];
	char name[GENL_NAMSIZ];

	if (msg_cmd(nlh) != CTRL_CMD_DELFAMILY)
		return ST_OK;
	attrs_of(nlh, tb, CTRL_ATTR_MAX);
	attr_str(tb[CTRL_ATTR_FAMILY_NAME], name, sizeof(name));
	if (strcmp(name, NF_FLOW_QOS_FAMILY_NAME))
		return ST_OK;
	return refuse("the module nf_flow_qos was unloaded");
}

static int events(char *buf, nl_cb cb, void *data)
{
	const struct nlmsghdr *nlh = (void *)buf;
	int ret = ST_OK, left;
	size_t n = 0;
	int err;

	err = receive(buf, RECV_SIZE, &n);
	if (err == ENOBUFS || err == ENOSPC) {
		warning("events were lost, the kernel made them faster than they were read");
		return ST_OK;
	}
	if (err)
		return refuse("netlink: %s", strerror(err));
	left = (int)n;
	for (; !ret && mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (mnl_nlmsg_get_payload_len(nlh) < GENL_HDRLEN)
			continue;
		if (nlh->nlmsg_type == GENL_ID_CTRL)
			ret = control_event(nlh);
		else if (nlh->nlmsg_type == family)
			ret = cb(nlh, data);
	}
	return ret;
}

int nl_listen(nl_cb cb, void *data)
{
	struct pollfd p[2] = {
		{ .fd = mnl_socket_get_fd(sock), .events = POLLIN },
		{ .events = POLLIN },
	};
	char *buf = xrealloc(NULL, RECV_SIZE, 1);
	int ret = ST_OK;
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	p[1].fd = signalfd(-1, &stop, SFD_CLOEXEC);
	while (!ret) {
		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			ret = refuse("poll: %s", strerror(errno));
			break;
		}
		if (p[1].revents)
			break;
		if (p[0].revents)
			ret = events(buf, cb, data);
	}
	if (p[1].fd >= 0)
		close(p[1].fd);
	free(buf);
	return ret;
}
