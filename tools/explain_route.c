// SPDX-License-Identifier: GPL-2.0
/* Where the kernel would forward a packet of a flow to. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "explain.h"

static int store_route(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct route *route = data;
	struct nlattr *a;

	if (nlh->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	route->type = rtm->rtm_type;
	mnl_attr_for_each(a, nlh, sizeof(*rtm))
		if (mnl_attr_get_type(a) == RTA_OIF)
			route->oif = attr_u32(a, 0);
	return MNL_CB_STOP;
}

static struct nlmsghdr *put_request(char *buf, const struct tuple *to, uint32_t iif,
				    uint32_t mark)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	size_t size = to->family == AF_INET ? 4 : 16;
	struct rtmsg *rtm;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nlh->nlmsg_seq = 1;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = (unsigned char)to->family;
	rtm->rtm_dst_len = (unsigned char)(8 * size);
	rtm->rtm_src_len = (unsigned char)(8 * size);
	mnl_attr_put(nlh, RTA_DST, size, to->dst);
	mnl_attr_put(nlh, RTA_SRC, size, to->src);
	mnl_attr_put_u32(nlh, RTA_IIF, iif);
	if (mark)
		mnl_attr_put_u32(nlh, RTA_MARK, mark);
	/* For rules that ask for them. The kernel does not take GRE's number. */
	if (to->proto == IPPROTO_TCP || to->proto == IPPROTO_UDP) {
		mnl_attr_put_u8(nlh, RTA_IP_PROTO, (uint8_t)to->proto);
		if (to->sport)
			mnl_attr_put_u16(nlh, RTA_SPORT, htons(to->sport));
		if (to->dport)
			mnl_attr_put_u16(nlh, RTA_DPORT, htons(to->dport));
	}
	return nlh;
}

/* As 'ip route get ... iif' asks. */
static struct route ask(const struct tuple *to, uint32_t iif, uint32_t mark)
{
	struct route route = { .type = RTN_UNSPEC };
	char buf[1024];
	struct nlmsghdr *nlh = put_request(buf, to, iif, mark);
	struct mnl_socket *sock;
	ssize_t n;

	sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!sock)
		return route;
	if (!mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) &&
	    mnl_socket_sendto(sock, nlh, nlh->nlmsg_len) > 0) {
		do {
			n = mnl_socket_recvfrom(sock, buf, sizeof(buf));
		} while (n < 0 && errno == EINTR);
		if (n > 0 && mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(sock),
					store_route, &route) < 0)
			route.err = errno;
	}
	mnl_socket_close(sock);
	return route;
}

void ask_route(struct facts *f)
{
	const struct ct_entry *entry = f->ct.entry;
	struct tuple to = f->tuple;
	struct route marked;

	/* Destinations are translated before the route is looked up, sources after. */
	if (entry) {
		struct tuple nat = ct_after_nat(entry, f->ct.dir);

		memcpy(to.dst, nat.dst, sizeof(to.dst));
		to.dport = nat.dport;
	}
	f->route = ask(&to, network_device(f), 0);
	/* Where NAT is not known it may yet be for another. */
	if (!entry && f->route.type == RTN_LOCAL &&
	    (f->ct_unread[0] || f->ct.ambiguous))
		f->route = (struct route){ .type = RTN_UNSPEC };
	if (!entry || !entry->mark)
		return;
	/* Who routes by a mark mostly keeps it in conntrack's, and copies that. */
	marked = ask(&to, network_device(f), entry->mark);
	if (marked.type == f->route.type && marked.oif == f->route.oif &&
	    marked.err == f->route.err)
		return;
	f->route = marked;
	f->route.mark = entry->mark;
}

const char *route_ends(const struct route *route)
{
	switch (route->type) {
	case RTN_LOCAL:
	case RTN_ANYCAST:
		return "it is for the router itself, which no flowtable takes";
	case RTN_BROADCAST:
	case RTN_MULTICAST:
		return "it is for more than one receiver, which no flowtable takes";
	}
	switch (route->err) {
	case EHOSTUNREACH:
		return "not forwarded: the route says unreachable, or forwarding is off";
	case EACCES:
		return "not forwarded: the route says prohibit";
	case EINVAL:
		return "not forwarded: the route says blackhole, or its source is a martian";
	case ENETUNREACH:
		return "not forwarded: there is no route to its destination";
	case EXDEV:
		return "not forwarded: rp_filter, since the route to its source leads elsewhere";
	}
	return NULL;
}
