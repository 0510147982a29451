// SPDX-License-Identifier: GPL-2.0
/* What status warns of, for devices and bindings that are made up. */
#include <stdlib.h>

#include "status.h"
#include "unit.h"

/* A router: wan0.7 and ppp0 on wan0, br0 on lan0 and lan1, the rest by itself. */
enum { LO = 1, WAN, WAN7, PPP, BR, LAN0, LAN1, OTHER };

#define NONE NULL

static void add_link(struct status *s, uint32_t ifindex, const char *name,
		     enum link_kind kind, uint32_t lower, uint32_t master)
{
	struct link *link;

	s->links.v = xrealloc(s->links.v, s->links.n + 1, sizeof(*s->links.v));
	link = &s->links.v[s->links.n++];
	memset(link, 0, sizeof(*link));
	link->ifindex = ifindex;
	snprintf(link->name, sizeof(link->name), "%s", name);
	link->kind = kind;
	link->lower = lower;
	link->master = master;
}

static void add_map(struct status *s, const char *name)
{
	struct map *map;

	s->maps.v = xrealloc(s->maps.v, s->maps.n + 1, sizeof(*s->maps.v));
	map = &s->maps.v[s->maps.n++];
	memset(map, 0, sizeof(*map));
	snprintf(map->name, sizeof(map->name), "%s", name);
	builtin_entries(map->e);
}

static void add_dev(struct status *s, const char *name, uint32_t ifindex,
		    const char *map)
{
	struct dev *dev;

	s->devs.v = xrealloc(s->devs.v, s->devs.n + 1, sizeof(*s->devs.v));
	dev = &s->devs.v[s->devs.n++];
	memset(dev, 0, sizeof(*dev));
	snprintf(dev->name, sizeof(dev->name), "%s", name);
	snprintf(dev->map, sizeof(dev->map), "%s", map);
	dev->ifindex = ifindex;
	dev->state = NF_FLOW_QOS_DEV_STATE_ACTIVE;
}

static void add_hook(struct status *s, uint32_t ifindex, uint32_t id)
{
	const struct link *link = links_find(&s->links, ifindex);
	struct flowtable *ft;

	s->ft = xrealloc(s->ft, s->nft + 1, sizeof(*s->ft));
	ft = &s->ft[s->nft++];
	memset(ft, 0, sizeof(*ft));
	snprintf(ft->dev, sizeof(ft->dev), "%s", link->name);
	ft->ifindex = ifindex;
	ft->id = id;
	ft->priority = -5;
}

static struct link *link_at(struct status *s, uint32_t ifindex)
{
	size_t i;

	for (i = 0; i < s->links.n; i++)
		if (s->links.v[i].ifindex == ifindex)
			return &s->links.v[i];
	return NULL;
}

static void set_qdisc(struct status *s, uint32_t ifindex, const char *kind)
{
	struct link *link = link_at(s, ifindex);

	snprintf(link->qdisc, sizeof(link->qdisc), "%s", kind);
}

static void set_egress(struct status *s, uint32_t ifindex, uint32_t prio, uint32_t pcp)
{
	struct link *link = link_at(s, ifindex);

	link->egress = xrealloc(link->egress, link->negress + 1, sizeof(*link->egress));
	link->egress[link->negress++] = (struct qos_pair){ prio, pcp };
}

static struct status router(bool xmit_lowest)
{
	struct status s = { .egress_hook = true, .xmit_lowest = xmit_lowest };

	strcpy(s.version, FTQOS_VERSION);
	/* Not in the order of their numbers, as a dump may be. */
	add_link(&s, OTHER, "other0", LINK_OTHER, 0, 0);
	add_link(&s, LO, "lo", LINK_OTHER, 0, 0);
	add_link(&s, WAN7, "wan0.7", LINK_VLAN, WAN, 0);
	add_link(&s, WAN, "wan0", LINK_OTHER, 0, 0);
	add_link(&s, PPP, "ppp0", LINK_PPP, 0, 0);
	add_link(&s, BR, "br0", LINK_BRIDGE, 0, 0);
	add_link(&s, LAN0, "lan0", LINK_OTHER, 0, BR);
	add_link(&s, LAN1, "lan1", LINK_OTHER, 0, BR);
	links_sort(&s.links);
	add_map(&s, "default");
	add_hook(&s, WAN, 1);
	add_hook(&s, LAN0, 1);
	add_hook(&s, LAN1, 1);
	return s;
}

static void drop(struct status *s)
{
	size_t i;

	for (i = 0; i < s->nwarnings; i++)
		free(s->warnings[i]);
	free(s->warnings);
	s->warnings = NULL;
	s->nwarnings = 0;
}

static void end(struct status *s)
{
	drop(s);
	links_free(&s->links);
	free(s->maps.v);
	devs_free(&s->devs);
	free(s->ft);
	free(s->sessions);
}

/* One warning, with these words, or none (NULL). */
static void says_one(struct status *s, const char *a, const char *b, int line)
{
	drop(s);
	make_warnings(s);
	if (s->nwarnings == (a ? 1 : 0) &&
	    (!a || (strstr(s->warnings[0], a) && strstr(s->warnings[0], b))))
		return;
	failures++;
	printf("# %s:%d: not \"%s\", \"%s\" alone\n", __FILE__, line, a ?: "", b ?: "");
	for (size_t i = 0; i < s->nwarnings; i++)
		printf("#   %s\n", s->warnings[i]);
}

#define SAYS(s, a, b) says_one(s, a, b, __LINE__)

static void qdisc_past(void)
{
	struct status s = router(true);

	set_qdisc(&s, WAN7, "cake");
	SAYS(&s, NONE, NONE);		/* nothing is bound */
	add_dev(&s, "wan0", WAN, "default");
	SAYS(&s, "cake on wan0.7 does nothing", "put the qdisc on wan0");
	/* On the lowest device it does. */
	set_qdisc(&s, WAN7, "");
	set_qdisc(&s, WAN, "cake");
	SAYS(&s, NONE, NONE);
	set_qdisc(&s, WAN, "");
	/* In a stack that is not bound. */
	set_qdisc(&s, BR, "htb");
	SAYS(&s, NONE, NONE);
	add_dev(&s, "lan1", LAN1, "default");
	SAYS(&s, "htb on br0 does nothing", "put the qdisc on lan0 and lan1");
	/* Nothing is offloaded over the bridge anyway. */
	s.nft = 1;
	s.devs.n = 1;
	SAYS(&s, NONE, NONE);
	end(&s);

	/* Any covers all of them. */
	s = router(true);
	add_dev(&s, "any", 0, "default");
	set_qdisc(&s, BR, "htb");
	SAYS(&s, "htb on br0 does nothing", "lan0 and lan1");
	end(&s);
}

static void qdisc_of_bridge(void)
{
	struct status s = router(false);

	/* Older kernels send straight to the port, but not from br0.9. */
	add_dev(&s, "br0", BR, "default");
	set_qdisc(&s, BR, "htb");
	SAYS(&s, "htb on br0 does nothing", "port of a bridge; put the qdisc on lan0 and lan1");
	add_link(&s, 9, "br0.9", LINK_VLAN, BR, 0);
	SAYS(&s, NONE, NONE);
	end(&s);

	/* The port is not in the flowtable: through the bridge. */
	s = router(false);
	add_dev(&s, "br0", BR, "default");
	set_qdisc(&s, BR, "htb");
	s.nft = 1;
	add_hook(&s, BR, 1);
	SAYS(&s, NONE, NONE);
	end(&s);
}

static void queue_above_tag(void)
{
	struct status s = router(false);
	uint32_t i;

	add_dev(&s, "wan0", WAN, "default");
	set_qdisc(&s, WAN, "cake");
	SAYS(&s, NONE, NONE);
	set_qdisc(&s, WAN, "");
	set_qdisc(&s, WAN7, "cake");
	SAYS(&s, "cake on wan0.7 is a queue above the VLAN tag",
	     "put the qdisc on wan0, or have the VLAN device give that PCP (ip link set wan0.7 type vlan egress-qos-map 1:1 2:2 3:3 4:4 5:5 6:6 7:7), or 'ftqos dev set wan0 scope all'");
	/* Each of the remedies. */
	s.devs.v[0].scope = NF_FLOW_QOS_SCOPE_ALL;
	SAYS(&s, NONE, NONE);
	s.devs.v[0].scope = NF_FLOW_QOS_SCOPE_OFFLOADED;
	for (i = 1; i < 7; i++)
		set_egress(&s, WAN7, i, i);
	set_egress(&s, WAN7, 7, 6);
	SAYS(&s, "cake on wan0.7", "egress-qos-map 7:7)");
	link_at(&s, WAN7)->egress[6].pcp = 7;
	SAYS(&s, NONE, NONE);
	link_at(&s, WAN7)->negress = 0;
	/* PCP by the VLAN device, or none at all. */
	for (i = 0; i < NF_FLOW_QOS_CLASSES; i++)
		s.maps.v[0].e[i].pcp = i % 2 ? KEEP : NF_FLOW_QOS_PCP_VLAN;
	SAYS(&s, NONE, NONE);
	/* Two PCPs of one priority: no egress-qos-map gives that. */
	s.maps.v[0].e[46] = (struct entry){ .prio = 1, .pcp = 5, .dscp = KEEP };
	s.maps.v[0].e[34] = (struct entry){ .prio = 1, .pcp = 4, .dscp = KEEP };
	SAYS(&s, "cake on wan0.7", "of map default; put the qdisc on wan0, or 'ftqos dev");
	s.maps.v[0].e[34].pcp = KEEP;
	s.maps.v[0].e[46].prio = KEEP;
	SAYS(&s, "cake on wan0.7", "of map default; put the qdisc on wan0, or 'ftqos dev");
	/* The tag is in the frame before the queue. */
	link_at(&s, WAN7)->tags_first = true;
	SAYS(&s, NONE, NONE);
	end(&s);

	/* The binding that decides: the device's own before that below it. */
	s = router(false);
	set_qdisc(&s, WAN7, "cake");
	add_dev(&s, "wan0", WAN, "default");
	add_dev(&s, "wan0.7", WAN7, "default");
	SAYS(&s, "cake on wan0.7", "dev set wan0.7 scope all");
	s.devs.v[1].scope = NF_FLOW_QOS_SCOPE_ALL;
	SAYS(&s, NONE, NONE);
	end(&s);
	/* Scope all is no remedy where the class is not the DSCP, or some is learned. */
	s = router(false);
	set_qdisc(&s, WAN7, "cake");
	add_dev(&s, "wan0.7", WAN7, "default");
	add_dev(&s, "br0", BR, "default");
	SAYS(&s, "cake on wan0.7", "7:7), or 'ftqos dev set wan0.7 scope all'");
	s.devs.v[0].sticky = NF_FLOW_QOS_STICKY_ON;
	SAYS(&s, "cake on wan0.7", "6:6 7:7)");
	drop(&s);
	make_warnings(&s);
	CHECK(s.nwarnings == 1 && !strstr(s.warnings[0], "scope all"));
	drop(&s);
	s.devs.v[0].scope = NF_FLOW_QOS_SCOPE_ALL;
	SAYS(&s, "cake on wan0.7", "7:7); scope all of wan0.7 knows nothing but their DSCP there");
	s.devs.v[0].sticky = NF_FLOW_QOS_STICKY_OFF;
	SAYS(&s, NONE, NONE);
	s.devs.v[0].scope = NF_FLOW_QOS_SCOPE_OFFLOADED;
	s.devs.v[1].trust = NF_FLOW_QOS_TRUST_CTMARK;
	drop(&s);
	make_warnings(&s);
	CHECK(s.nwarnings == 1 && !strstr(s.warnings[0], "scope all"));
	drop(&s);
	s.devs.v[0].scope = NF_FLOW_QOS_SCOPE_ALL;
	make_warnings(&s);
	CHECK(s.nwarnings == 2 && strstr(s.warnings[1], "scope all of wan0.7 knows"));
	end(&s);
	/* Without an egress hook no PCP is set, and that is said. */
	s = router(false);
	set_qdisc(&s, WAN7, "cake");
	add_dev(&s, "wan0.7", WAN7, "default");
	s.egress_hook = false;
	SAYS(&s, "CONFIG_NETFILTER_EGRESS", "PCP and DSCP cannot be set");
	end(&s);
}

static void session(void)
{
	struct status s = router(false);

	/* A session over wan0.7: the queue of ppp0 is above the tag. */
	set_qdisc(&s, PPP, "fq_codel");
	add_dev(&s, "ppp0", PPP, "default");
	SAYS(&s, NONE, NONE);
	s.sessions = xrealloc(NULL, 1, sizeof(*s.sessions));
	s.sessions[0] = (struct session){ PPP, WAN7 };
	s.nsessions = 1;
	SAYS(&s, "fq_codel on ppp0 is a queue above the VLAN tag", "ip link set wan0.7");
	/* Also that of wan0.7, whose packets are ppp0's. */
	set_qdisc(&s, PPP, "");
	set_qdisc(&s, WAN7, "cake");
	SAYS(&s, "cake on wan0.7 is a queue above the VLAN tag", "dev set ppp0 scope all");
	s.xmit_lowest = true;
	SAYS(&s, "cake on wan0.7 does nothing", "on wan0");
	set_qdisc(&s, WAN7, "");
	set_qdisc(&s, PPP, "cake");
	SAYS(&s, "cake on ppp0 does nothing", "on wan0");
	/* Straight on wan0 there is no tag. */
	s.xmit_lowest = false;
	s.sessions[0].lower = WAN;
	SAYS(&s, NONE, NONE);
	end(&s);
}

static void default_queue(void)
{
	struct status s = router(false);
	int i;

	set_qdisc(&s, PPP, "fq_codel");
	link_at(&s, PPP)->qdisc_default = true;
	add_dev(&s, "ppp0", PPP, "default");
	s.sessions = xrealloc(NULL, 1, sizeof(*s.sessions));
	s.sessions[0] = (struct session){ PPP, WAN7 };
	s.nsessions = 1;
	SAYS(&s, "fq_codel, by default on ppp0, is a queue above the VLAN tag: what was received in one piece (GRO)",
	     "of map default; take the queue away ('tc qdisc replace dev ppp0 root noqueue', in ip-up.d, since each session's device is new), or have the VLAN device give that PCP (ip link set wan0.7 type vlan egress-qos-map 1:1 2:2 3:3 4:4 5:5 6:6 7:7), or 'ftqos dev set ppp0 scope all'");
	/* No egress-qos-map gives that. */
	s.maps.v[0].e[46] = (struct entry){ .prio = 1, .pcp = 5, .dscp = KEEP };
	SAYS(&s, "fq_codel, by default on ppp0", "root noqueue', in ip-up.d, since each session's device is new), or 'ftqos dev");
	/* The remedies, and a map that gives no PCP. */
	s.devs.v[0].scope = NF_FLOW_QOS_SCOPE_ALL;
	SAYS(&s, NONE, NONE);
	s.devs.v[0].scope = NF_FLOW_QOS_SCOPE_OFFLOADED;
	for (i = 0; i < NF_FLOW_QOS_CLASSES; i++)
		s.maps.v[0].e[i].pcp = KEEP;
	SAYS(&s, NONE, NONE);
	for (i = 0; i < NF_FLOW_QOS_CLASSES; i++)
		s.maps.v[0].e[i] = (struct entry){ .prio = 4, .pcp = 4, .dscp = KEEP };
	SAYS(&s, "fq_codel, by default on ppp0", "egress-qos-map 4:4)");
	set_egress(&s, WAN7, 4, 4);
	SAYS(&s, NONE, NONE);
	link_at(&s, WAN7)->negress = 0;
	/* Nobody put it there, so that nothing is lost where it is passed by. */
	s.xmit_lowest = true;
	SAYS(&s, NONE, NONE);
	s.xmit_lowest = false;
	/* Of a device on the wire there is nothing to say. */
	set_qdisc(&s, PPP, "");
	set_qdisc(&s, WAN, "fq_codel");
	link_at(&s, WAN)->qdisc_default = true;
	SAYS(&s, NONE, NONE);
	end(&s);
}

static void lowest_missing(void)
{
	struct status s = router(true);

	add_dev(&s, "wan0.7", WAN7, "default");
	s.nft = 0;
	add_hook(&s, LAN0, 1);
	add_hook(&s, WAN7, 1);
	SAYS(&s, "flowtable on wan0.7 (priority -5) offloads nothing that goes over wan0:",
	     "add wan0 to its devices");
	/* It is in another flowtable, which does not help this one. */
	add_hook(&s, WAN, 2);
	SAYS(&s, "flowtable on wan0.7 (priority -5)", "add wan0 to its devices");
	s.ft[2].id = 1;
	SAYS(&s, NONE, NONE);
	/* A bridge, half of it. */
	add_hook(&s, BR, 1);
	SAYS(&s, "flowtable on br0 (priority -5) offloads nothing that goes over lan1",
	     "add lan1");
	/* Older kernels take what is on the way. */
	s.xmit_lowest = false;
	SAYS(&s, NONE, NONE);
	end(&s);

	/* A flowtable that is on none of them. */
	s = router(true);
	add_dev(&s, "wan0.7", WAN7, "default");
	s.nft = 0;
	add_hook(&s, LAN0, 1);
	SAYS(&s, "no flow over wan0.7 is offloaded: no flowtable has wan0", "add wan0");
	s.devs.v[0].state = NF_FLOW_QOS_DEV_STATE_DOWN;
	SAYS(&s, "wan0.7 is down", "ip link");
	s.devs.v[0].state = NF_FLOW_QOS_DEV_STATE_ACTIVE;
	s.xmit_lowest = false;
	SAYS(&s, NONE, NONE);
	/* The port of a bond that has one. */
	s.xmit_lowest = true;
	add_link(&s, 20, "bond0", LINK_BOND, 0, 0);
	link_at(&s, WAN)->master = 20;
	s.devs.v[0].ifindex = WAN;
	add_hook(&s, 20, 1);
	SAYS(&s, NONE, NONE);
	/* What is below is not known. */
	s.devs.v[0].ifindex = PPP;
	SAYS(&s, NONE, NONE);
	end(&s);
}

static void hardware(void)
{
	struct status s = router(false);

	s.ft[0].flags = NF_FLOW_QOS_FLOWTABLE_FLAG_HW_OFFLOAD;
	s.ft[1].flags = NF_FLOW_QOS_FLOWTABLE_FLAG_HW_OFFLOAD;
	s.ft[1].id = 1;
	s.ft[2].id = 2;
	SAYS(&s, NONE, NONE);
	add_dev(&s, "wan0.7", WAN7, "default");
	SAYS(&s, "flowtable on wan0, lan0 (priority -5) has hardware offload on",
	     "remove 'flags offload'");
	end(&s);
}

static void classes(void)
{
	struct status s = router(false);
	size_t k;

	add_dev(&s, "br0", BR, "default");
	add_dev(&s, "wan0.7", WAN7, "default");
	s.devs.v[0].trust = NF_FLOW_QOS_TRUST_NONE;
	SAYS(&s, NULL, NULL);
	s.devs.v[1].scope = NF_FLOW_QOS_SCOPE_ALL;
	SAYS(&s, "enter through br0 (trust none) and leave through wan0.7 (scope all)",
	     "'ftqos dev set br0 trust dscp', or 'ftqos dev set wan0.7 scope offloaded'");
	s.devs.v[0].trust = NF_FLOW_QOS_TRUST_CTMARK;
	s.devs.v[0].ctmark_mask = 0xfc;
	SAYS(&s, "br0 (trust ctmark 0xfc)", "wan0.7 (scope all)");
	s.devs.v[0].trust = NF_FLOW_QOS_TRUST_DSCP;
	SAYS(&s, NULL, NULL);
	/* What enters by it leaves by others. */
	s.devs.v[1].trust = NF_FLOW_QOS_TRUST_PCP;
	SAYS(&s, NULL, NULL);
	s.devs.v[0].scope = NF_FLOW_QOS_SCOPE_ALL;
	SAYS(&s, "enter through wan0.7 (trust pcp)", "leave through br0 (scope all)");
	s.devs.v[1].state = NF_FLOW_QOS_DEV_STATE_ABSENT;
	drop(&s);
	make_warnings(&s);
	CHECK(s.nwarnings == 1 && strstr(s.warnings[0], "wan0.7 is absent"));
	s.devs.v[1].state = NF_FLOW_QOS_DEV_STATE_ACTIVE;
	/* Where all classes have the same it does not matter which one it is. */
	for (k = 0; k < NF_FLOW_QOS_CLASSES; k++)
		s.maps.v[0].e[k] = s.maps.v[0].e[0];
	SAYS(&s, NULL, NULL);
	s.maps.v[0].e[46].dscp = 0;
	SAYS(&s, "enter through wan0.7 (trust pcp)", "");
	/* Several are one warning. */
	add_dev(&s, "any", 0, "default");
	s.devs.v[1].scope = NF_FLOW_QOS_SCOPE_OFFLOADED;
	s.devs.v[2].trust = NF_FLOW_QOS_TRUST_NONE;
	SAYS(&s, "wan0.7 and others (trust pcp) and leave through br0", "");
	s.devs.v[0].scope = NF_FLOW_QOS_SCOPE_OFFLOADED;
	s.devs.v[1].trust = NF_FLOW_QOS_TRUST_DSCP;
	s.devs.v[2].scope = NF_FLOW_QOS_SCOPE_ALL;
	SAYS(&s, "enter through any (trust none) and leave through any (scope all)", "");
	end(&s);
}

static void no_tag(void)
{
	struct status s = router(false);

	/* The built-in PCPs are there for whoever has a tag. */
	add_map(&s, "house");
	add_dev(&s, "lan0", LAN0, "house");
	s.maps.v[1].e[46].prio = 3;
	SAYS(&s, NONE, NONE);
	s.maps.v[1].e[46].pcp = 3;
	SAYS(&s, "map house gives a PCP that never reaches a wire: no frame that leaves through lan0 has",
	     "ftqos map set house all pcp keep");
	/* Also bound where there is a tag. */
	add_dev(&s, "wan0", WAN, "house");
	SAYS(&s, NONE, NONE);
	s.devs.n = 1;
	/* A tag above, below, or of the bridge's own. */
	add_link(&s, 20, "br0.9", LINK_VLAN, BR, 0);
	SAYS(&s, NONE, NONE);
	s.links.n--;
	link_at(&s, LAN0)->tagged = true;
	SAYS(&s, NONE, NONE);
	link_at(&s, LAN0)->tagged = false;
	s.devs.v[0].ifindex = BR;
	strcpy(s.devs.v[0].name, "br0");
	SAYS(&s, "map house", "leaves through br0 has");
	link_at(&s, LAN1)->tagged = true;
	SAYS(&s, NONE, NONE);
	link_at(&s, LAN1)->tagged = false;
	/* Nobody knows, or has no PCP, or 0. */
	s.devs.v[0].ifindex = 0;
	s.devs.v[0].state = NF_FLOW_QOS_DEV_STATE_ABSENT;
	SAYS(&s, "br0 is absent", "dev del");
	s.devs.v[0].ifindex = LAN0;
	s.devs.v[0].state = NF_FLOW_QOS_DEV_STATE_ACTIVE;
	for (int i = 0; i < NF_FLOW_QOS_CLASSES; i++)
		s.maps.v[1].e[i].pcp = i % 2 ? KEEP : 0;
	SAYS(&s, NONE, NONE);
	s.maps.v[1].e[1].pcp = NF_FLOW_QOS_PCP_VLAN;
	SAYS(&s, "map house", "no frame that leaves through lan0 has");
	/* Any: no tag anywhere. */
	strcpy(s.devs.v[0].name, "any");
	s.devs.v[0].ifindex = 0;
	SAYS(&s, NONE, NONE);
	link_at(&s, WAN7)->kind = LINK_OTHER;
	SAYS(&s, "map house", "no frame that leaves through any device has");
	end(&s);
}

static void unread(void)
{
	struct status s = router(true);

	set_qdisc(&s, WAN7, "cake");
	strcpy(s.unread, "Out of memory");
	SAYS(&s, NONE, NONE);
	add_dev(&s, "wan0", WAN, "default");
	SAYS(&s, "cannot be read (Out of memory)", "are missing here");
	end(&s);
}

/* Thousands of VLANs on one wire, each with a qdisc. */
static void many(void)
{
	struct status s = router(false);
	char name[IFNAMSIZ];
	uint32_t i;

	for (i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "v%u", i);
		add_link(&s, 100 + i, name, LINK_VLAN, WAN, 0);
		set_qdisc(&s, 100 + i, "cake");
	}
	add_dev(&s, "wan0", WAN, "default");
	make_warnings(&s);
	CHECK_INT(s.nwarnings, 2000);
	CHECK(strstr(s.warnings[1999], "cake on v1999 is"));
	s.xmit_lowest = true;
	s.nft = 0;
	for (i = 0; i < 2000; i++)
		add_hook(&s, 100 + i, 1);
	for (i = 0; i < 2000; i++)
		link_at(&s, 100 + i)->qdisc[0] = '\0';
	SAYS(&s, "flowtable on v0, v1, v2, v3 and 1996 more", "add wan0");
	end(&s);
}

const struct test warn_tests[] = {
	{ "warnings: a qdisc that is passed by", qdisc_past },
	{ "warnings: the qdisc of a bridge", qdisc_of_bridge },
	{ "warnings: a queue above the tag", queue_above_tag },
	{ "warnings: PPPoE", session },
	{ "warnings: the queue that a PPP device has by default", default_queue },
	{ "warnings: the lowest device is not in the flowtable", lowest_missing },
	{ "warnings: hardware offload", hardware },
	{ "warnings: two ways to a class", classes },
	{ "warnings: a PCP without a tag", no_tag },
	{ "warnings: devices cannot be read", unread },
	{ "warnings: thousands of devices", many },
	{ NULL, NULL },
};
