// SPDX-License-Identifier: GPL-2.0
/* Devices, VLANs and qdiscs of this network namespace, read with libnl. */
#include <linux/if_vlan.h>
#include <linux/pkt_sched.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/link/vlan.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/tc.h>
#include <stdlib.h>
#include <string.h>

#include "links.h"

/* veth's "lower" device is its peer. */
static bool stands_on_nothing(const char *type)
{
	return type && !strcmp(type, "veth");
}

static enum link_kind kind_of(const char *type)
{
	if (!type)
		return LINK_OTHER;
	if (!strcmp(type, "vlan"))
		return LINK_VLAN;
	if (!strcmp(type, "bridge"))
		return LINK_BRIDGE;
	/* Of a session, until links_session() says which: what is below is not known. */
	if (!strcmp(type, "ppp"))
		return LINK_PPP;
	/* Flowtables look through these since 6.19; the device below is a route's. */
	if (!strcmp(type, "ipip") || !strcmp(type, "ip6tnl"))
		return LINK_TUNNEL;
	if (!strcmp(type, "bond") || !strcmp(type, "team"))
		return LINK_BOND;
	return LINK_OTHER;
}

/*
 * Does such a device put another IP header before what it is given? VXLAN's does, too,
 * but counts as one on top of the device that it is told to use.
 */
static bool encapsulates(const char *type)
{
	static const char *const types[] = {
		"ipip", "ip6tnl", "sit", "gre", "gretap", "ip6gre", "ip6gretap", "erspan",
		"ip6erspan", "vti", "vti6", "xfrm", "geneve", "bareudp", "gtp", "wireguard",
		"ovpn", "amt",
	};
	size_t i;

	for (i = 0; type && i < ARRAY_SIZE(types); i++)
		if (!strcmp(type, types[i]))
			return true;
	return false;
}

static void store_vlan(struct link *link, struct rtnl_link *rtnl)
{
	struct vlan_map *map;
	int i, n = 0, flags = rtnl_link_vlan_get_flags(rtnl);

	link->vid = (uint32_t)rtnl_link_vlan_get_id(rtnl);
	link->tags_first = flags >= 0 && !(flags & VLAN_FLAG_REORDER_HDR);
	map = rtnl_link_vlan_get_egress_map(rtnl, &n);
	if (!map || n <= 0)
		return;
	link->egress = xrealloc(NULL, n, sizeof(*link->egress));
	for (i = 0; i < n; i++)
		link->egress[i] = (struct qos_pair){ map[i].vm_from, map[i].vm_to };
	link->negress = n;
}

static void store_link(struct nl_object *obj, void *data)
{
	struct rtnl_link *rtnl = (struct rtnl_link *)obj;
	const char *type = rtnl_link_get_type(rtnl);
	struct links *links = data;
	struct link *link;
	int32_t netns;

	links->v = xrealloc(links->v, links->n + 1, sizeof(*links->v));
	link = &links->v[links->n++];
	memset(link, 0, sizeof(*link));
	link->ifindex = rtnl_link_get_ifindex(rtnl);
	snprintf(link->name, sizeof(link->name), "%s", rtnl_link_get_name(rtnl) ?: "");
	link->kind = kind_of(type);
	link->encaps = encapsulates(type);
	link->master = rtnl_link_get_master(rtnl);
	if (!stands_on_nothing(type) && rtnl_link_get_link_netnsid(rtnl, &netns))
		link->lower = rtnl_link_get_link(rtnl);
	if (link->kind == LINK_VLAN)
		store_vlan(link, rtnl);
}

static struct link *find(const struct links *links, uint32_t ifindex)
{
	size_t from = 0, to = links->n, mid;

	while (from < to) {
		mid = (from + to) / 2;
		if (links->v[mid].ifindex == ifindex)
			return &links->v[mid];
		if (links->v[mid].ifindex < ifindex)
			from = mid + 1;
		else
			to = mid;
	}
	return NULL;
}

/* Each VLAN of the port that is not sent untagged. */
static void store_port(struct nl_object *obj, void *data)
{
	struct rtnl_link *rtnl = (struct rtnl_link *)obj;
	struct rtnl_link_bridge_vlan *vlan;
	struct link *link;
	size_t i;

	link = find(data, rtnl_link_get_ifindex(rtnl));
	/* The bridge itself has VLANs as well, but is no port of its own. */
	if (!link || !link->master || !rtnl_link_is_bridge(rtnl))
		return;
	vlan = rtnl_link_bridge_get_port_vlan(rtnl);
	for (i = 0; vlan && i < ARRAY_SIZE(vlan->vlan_bitmap); i++)
		if (vlan->vlan_bitmap[i] & ~vlan->untagged_bitmap[i])
			link->tagged = true;
}

/* What the kernel puts there by default has no handle, and often no queue. */
static void store_qdisc(struct nl_object *obj, void *data)
{
	struct rtnl_tc *tc = TC_CAST(obj);
	const char *kind = rtnl_tc_get_kind(tc);
	struct link *link;

	if (rtnl_tc_get_parent(tc) != TC_H_ROOT || !kind || !strcmp(kind, "noqueue"))
		return;
	link = find(data, rtnl_tc_get_ifindex(tc));
	if (!link)
		return;
	snprintf(link->qdisc, sizeof(link->qdisc), "%s", kind);
	link->qdisc_default = !rtnl_tc_get_handle(tc);
}

static bool has_bridge(const struct links *links)
{
	size_t i;

	for (i = 0; i < links->n; i++)
		if (links->v[i].kind == LINK_BRIDGE)
			return true;
	return false;
}

static int read_all(struct nl_sock *sk, struct links *links)
{
	struct nl_cache *cache;
	int err;

	err = rtnl_link_alloc_cache(sk, AF_UNSPEC, &cache);
	if (err < 0)
		return err;
	nl_cache_foreach(cache, store_link, links);
	nl_cache_free(cache);
	links_sort(links);

	if (has_bridge(links)) {
		err = rtnl_link_alloc_cache(sk, AF_BRIDGE, &cache);
		if (err < 0)
			return err;
		nl_cache_foreach(cache, store_port, links);
		nl_cache_free(cache);
	}

	err = rtnl_qdisc_alloc_cache(sk, &cache);
	if (err < 0)
		return err;
	nl_cache_foreach(cache, store_qdisc, links);
	nl_cache_free(cache);
	return 0;
}

bool links_read(struct links *links, char *err, size_t size)
{
	struct nl_sock *sk = nl_socket_alloc();
	int ret;

	memset(links, 0, sizeof(*links));
	ret = sk ? nl_connect(sk, NETLINK_ROUTE) : -NLE_NOMEM;
	if (ret >= 0)
		ret = read_all(sk, links);
	nl_socket_free(sk);
	if (ret >= 0)
		return true;
	snprintf(err, size, "%s", nl_geterror(ret));
	links_free(links);
	return false;
}

static int by_ifindex(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

void links_sort(struct links *links)
{
	if (links->n)
		qsort(links->v, links->n, sizeof(*links->v), by_ifindex);
}

void links_free(struct links *links)
{
	size_t i;

	for (i = 0; i < links->n; i++)
		free(links->v[i].egress);
	free(links->v);
	memset(links, 0, sizeof(*links));
}

const struct link *links_find(const struct links *links, uint32_t ifindex)
{
	return find(links, ifindex);
}

void links_session(struct links *links, uint32_t ifindex, uint32_t lower)
{
	struct link *link = find(links, ifindex);

	if (!link)
		return;
	link->kind = LINK_PPP;
	link->lower = lower;
}
