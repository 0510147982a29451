// SPDX-License-Identifier: GPL-2.0
/*
 * Warnings that follow from how devices stand on each other, from their qdiscs
 * and from the flowtables that are on them.
 */
#include <stdlib.h>
#include <string.h>

#include "status.h"

/* More names than that are a number. */
#define NAMES_MAX 4

/* "lan0, lan1 and wan0"; the caller frees it. */
static char *names(const struct link_set *set)
{
	char *text = NULL;
	size_t i, len, n = set->n;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return xstrdup("?");
	for (i = 0; i < n && i < NAMES_MAX; i++)
		fprintf(f, "%s%s", !i ? "" : i + 1 == n ? " and " : ", ",
			set->v[i]->name);
	if (n > NAMES_MAX)
		fprintf(f, " and %zu more", n - NAMES_MAX);
	fclose(f);
	return text;
}

static bool in_flowtable(const struct status *s, uint32_t ifindex)
{
	size_t i;

	for (i = 0; i < s->nft; i++)
		if (s->ft[i].ifindex == ifindex)
			return true;
	return false;
}

static bool any_in_flowtable(const struct status *s, const struct link_set *set)
{
	size_t i;

	for (i = 0; i < set->n; i++)
		if (in_flowtable(s, set->v[i]->ifindex))
			return true;
	return false;
}

static bool has_flowtable(const struct status *s, uint32_t id, uint32_t ifindex)
{
	size_t i;

	for (i = 0; i < s->nft; i++)
		if (s->ft[i].id == id && s->ft[i].ifindex == ifindex)
			return true;
	return false;
}

static const struct map *map_of(const struct status *s, const struct dev *dev)
{
	size_t i;

	for (i = 0; i < s->maps.n; i++)
		if (!strcmp(s->maps.v[i].name, dev->map))
			return &s->maps.v[i];
	return NULL;
}

static bool is_any(const struct dev *dev)
{
	return !strcmp(dev->name, "any");
}

/*
 * The bindings that can decide about packets which cross a device: those of
 * devices above it and its own, or where it has none, of devices below; any's
 * where there are none of these. Returns how many are in v, which has room for
 * all.
 */
static size_t deciders(const struct status *s, const struct link *link,
		       const struct dev **v)
{
	struct link_set above = { 0 }, below = { 0 };
	bool own = false;
	size_t i, n = 0;

	set_add(&above, link);
	links_above(&s->links, link, &above);
	links_below(&s->links, link, &below);
	for (i = 0; i < s->devs.n; i++)
		own |= s->devs.v[i].ifindex == link->ifindex;
	for (i = 0; i < s->devs.n; i++)
		if (set_has(&above, s->devs.v[i].ifindex) ||
		    (!own && set_has(&below, s->devs.v[i].ifindex)))
			v[n++] = &s->devs.v[i];
	for (i = 0; !n && i < s->devs.n; i++)
		if (is_any(&s->devs.v[i]))
			v[n++] = &s->devs.v[i];
	set_free(&above);
	set_free(&below);
	return n;
}

/* F2: the qdisc of a device that the flowtable sends past. */

/*
 * Since 6.19 these are all devices above the lowest. Before, a bridge of which
 * the packet's way leads straight to a port; with a VLAN or a session on the
 * bridge it leads through the bridge.
 */
static bool bypassed(const struct status *s, const struct link *link)
{
	struct link_set above = { 0 }, lowest = { 0 };
	bool past = link_looked_through(link);
	size_t i;

	if (past && !s->xmit_lowest) {
		past = link->kind == LINK_BRIDGE;
		links_above(&s->links, link, &above);
		for (i = 0; i < above.n; i++)
			if (above.v[i]->kind != LINK_OTHER)
				past = false;
		set_free(&above);
	}
	if (past) {
		/* Otherwise the way is not known to the flowtable. */
		links_lowest(&s->links, link, &lowest);
		past = any_in_flowtable(s, &lowest);
		set_free(&lowest);
	}
	return past;
}

static void warn_bypassed(struct status *s, const struct link *link)
{
	struct link_set lowest = { 0 };
	char *to;

	links_lowest(&s->links, link, &lowest);
	to = names(&lowest);
	if (s->xmit_lowest)
		warn(s, "%s on %s does nothing for offloaded packets: since Linux 6.19 flowtables send them on the lowest device; put the qdisc on %s",
		     link->qdisc, link->name, to);
	else
		warn(s, "%s on %s does nothing for offloaded packets: flowtables send them on the port of a bridge; put the qdisc on %s",
		     link->qdisc, link->name, to);
	free(to);
	set_free(&lowest);
}

/* Rule 8: a queue above the device that adds the tag. */

/* Does the VLAN device by itself give what the map does? */
static bool pcp_kept(const struct link *vlan, const struct entry *e)
{
	if (e->pcp == KEEP || e->pcp == NF_FLOW_QOS_PCP_VLAN)
		return true;
	if (e->prio == KEEP)
		return !e->pcp && !vlan->negress;
	return link_pcp(vlan, e->prio) == (uint32_t)e->pcp;
}

static bool map_kept(const struct link_set *vlans, const struct map *map)
{
	size_t i, class;

	for (i = 0; i < vlans->n; i++)
		for (class = 0; class < NF_FLOW_QOS_CLASSES; class++)
			if (!pcp_kept(vlans->v[i], &map->e[class]))
				return false;
	return true;
}

/* Can an egress-qos-map give every priority the PCP that it has in this map? */
static bool map_fits(const struct map *map)
{
	const struct entry *a, *b, *end = map->e + NF_FLOW_QOS_CLASSES;

	for (a = map->e; a < end; a++) {
		if (a->pcp == KEEP || a->pcp == NF_FLOW_QOS_PCP_VLAN)
			continue;
		if (a->prio == KEEP)
			return false;
		for (b = map->e; b < a; b++)
			if (b->prio == a->prio && b->pcp != a->pcp)
				return false;
	}
	return true;
}

/* "ip link set wan0.7 type vlan egress-qos-map 1:1 2:2"; the caller frees it. */
static char *egress_commands(const struct link_set *vlans, const struct map *map)
{
	const struct entry *a, *b;
	char *text = NULL;
	bool first = true;
	size_t i, len;
	FILE *f;

	f = open_memstream(&text, &len);
	if (!f)
		return xstrdup("egress-qos-map");
	for (i = 0; i < vlans->n; i++) {
		bool begun = false;

		for (a = map->e; a < map->e + NF_FLOW_QOS_CLASSES; a++) {
			if (pcp_kept(vlans->v[i], a))
				continue;
			/* What was said of the priority already. */
			for (b = map->e; b < a; b++)
				if (b->prio == a->prio && !pcp_kept(vlans->v[i], b))
					break;
			if (b < a)
				continue;
			if (!begun)
				fprintf(f, "%sip link set %s type vlan egress-qos-map",
					first ? "" : ", ", vlans->v[i]->name);
			fprintf(f, " %u:%d", (unsigned int)a->prio, a->pcp);
			begun = true;
			first = false;
		}
	}
	fclose(f);
	return text;
}

/* What the VLAN devices can do, with ", " before it, or ""; the caller frees it. */
static char *or_vlans(const struct link_set *vlans, const struct map *map)
{
	char *fit, *text;
	int n;

	if (!map_fits(map))
		return xstrdup("");
	fit = egress_commands(vlans, map);
	n = asprintf(&text, ", or have the VLAN device give that PCP (%s)", fit);
	free(fit);
	return n < 0 ? xstrdup("") : text;
}

/*
 * Below the queue a packet's class is its own DSCP, and what was learned of its flow is
 * not known: is that all there is?
 */
static bool dscp_tells(const struct status *s, const struct dev *dev)
{
	return dev->sticky == NF_FLOW_QOS_STICKY_OFF && !enters_otherwise(s, dev, NULL);
}

/* What scope all can do, with ", or " before it, or ""; the caller frees it. */
static char *or_scope(const struct status *s, const struct dev *dev)
{
	char *text;

	if (!dscp_tells(s, dev) ||
	    asprintf(&text, ", or 'ftqos dev set %s scope all'", dev->name) < 0)
		return xstrdup("");
	return text;
}

/* Why scope all is not enough, or ""; the caller frees it. */
static char *despite_scope(const struct dev *dev)
{
	char *text;

	if (dev->scope != NF_FLOW_QOS_SCOPE_ALL ||
	    asprintf(&text, "; scope all of %s knows nothing but their DSCP there", dev->name) < 0)
		return xstrdup("");
	return text;
}

static void warn_queue(struct status *s, const struct link *link,
		       const struct link_set *vlans, const struct dev *dev,
		       const struct map *map)
{
	char *to, *or = or_vlans(vlans, map), *scope = or_scope(s, dev);
	char *despite = despite_scope(dev);
	struct link_set lowest = { 0 };

	links_lowest(&s->links, link, &lowest);
	to = names(&lowest);
	warn(s, "%s on %s is a queue above the VLAN tag: packets that wait in it keep their priority, but not the PCP of map %s; put the qdisc on %s%s%s%s",
	     link->qdisc, link->name, map->name, to, or, scope, despite);
	free(to);
	free(or);
	free(scope);
	free(despite);
	set_free(&lowest);
}

/*
 * The kernel's own queue, which PPPoE devices had until stable releases of 2026 (6.1.176
 * has it, 6.1.192 has not). It is empty for the most part, and what passes through
 * it at once keeps its PCP; but large packets are cut into segments behind it.
 */
static void warn_default(struct status *s, const struct link *link,
			 const struct link_set *vlans, const struct dev *dev,
			 const struct map *map)
{
	char *or = or_vlans(vlans, map), *scope = or_scope(s, dev);
	char *despite = despite_scope(dev);

	warn(s, "%s, by default on %s, is a queue above the VLAN tag: what was received in one piece (GRO) and is sent in segments keeps its priority, but not the PCP of map %s; take the queue away ('tc qdisc replace dev %s root noqueue', in ip-up.d, since each session's device is new)%s%s%s",
	     link->qdisc, link->name, map->name, link->name, or, scope, despite);
	free(or);
	free(scope);
	free(despite);
}

static void warn_qdisc(struct status *s, const struct link *link,
		       const struct dev **v)
{
	struct link_set vlans = { 0 };
	const struct map *map;
	size_t i, n;

	n = deciders(s, link, v);
	if (!n)
		return;
	if (bypassed(s, link)) {
		if (!link->qdisc_default)
			warn_bypassed(s, link);
		return;
	}
	/* Newer kernels' flowtables know no way through the device, or go past it. */
	if (s->xmit_lowest || !s->egress_hook)
		return;
	links_vlans(&s->links, link, &vlans);
	for (i = 0; i < n; i++) {
		map = map_of(s, v[i]);
		if ((v[i]->scope == NF_FLOW_QOS_SCOPE_ALL && dscp_tells(s, v[i])) || !map ||
		    map_kept(&vlans, map))
			continue;
		if (link->qdisc_default)
			warn_default(s, link, &vlans, v[i], map);
		else
			warn_queue(s, link, &vlans, v[i], map);
		break;
	}
	set_free(&vlans);
}

static void warn_qdiscs(struct status *s)
{
	const struct dev **v = xrealloc(NULL, s->devs.n, sizeof(*v));
	size_t i;

	for (i = 0; i < s->links.n; i++)
		if (s->links.v[i].qdisc[0])
			warn_qdisc(s, &s->links.v[i], v);
	free(v);
}

/* F7: since 6.19 the lowest device has to be in the flowtable. */

/* Adds what the flowtable lacks, and the devices on whose account. */
static void missing_of(const struct status *s, uint32_t id,
		       struct link_set *missing, struct link_set *on)
{
	const struct link *link;
	size_t i, k;

	for (i = 0; i < s->nft; i++) {
		struct link_set lowest = { 0 };
		bool lacks = false;

		if (s->ft[i].id != id)
			continue;
		link = links_find(&s->links, s->ft[i].ifindex);
		if (!link || !link_looked_through(link))
			continue;
		links_lowest(&s->links, link, &lowest);
		for (k = 0; k < lowest.n; k++) {
			if (has_flowtable(s, id, lowest.v[k]->ifindex))
				continue;
			set_add(missing, lowest.v[k]);
			lacks = true;
		}
		if (lacks)
			set_add(on, link);
		set_free(&lowest);
	}
}

static void warn_lowest(struct status *s)
{
	size_t i, k;

	for (i = 0; i < s->nft; i++) {
		const struct flowtable *ft = &s->ft[i];
		struct link_set missing = { 0 }, on = { 0 };
		char *lacks, *at;

		/* Once for each flowtable. */
		for (k = 0; k < i && s->ft[k].id != ft->id; k++)
			;
		if (k < i)
			continue;
		missing_of(s, ft->id, &missing, &on);
		if (missing.n) {
			lacks = names(&missing);
			at = names(&on);
			warn(s, "flowtable on %s (priority %d) offloads nothing that goes over %s: since Linux 6.19 the lowest device has to be in the flowtable; add %s to its devices",
			     at, ft->priority, lacks, lacks);
			free(lacks);
			free(at);
		}
		set_free(&missing);
		set_free(&on);
	}
}

/* Is there something to expect of this binding's device? */
static bool present(const struct dev *dev)
{
	return dev->ifindex && dev->state != NF_FLOW_QOS_DEV_STATE_ABSENT &&
	       dev->state != NF_FLOW_QOS_DEV_STATE_DOWN &&
	       dev->state != NF_FLOW_QOS_DEV_STATE_UNRESOLVED;
}

/* A bound device over which, for the same reason, no flow is ever offloaded. */
static void warn_not_offloaded(struct status *s)
{
	size_t i;

	for (i = 0; s->nft && i < s->devs.n; i++) {
		struct link_set lowest = { 0 }, above = { 0 };
		const struct dev *dev = &s->devs.v[i];
		const struct link *link;
		char *lacks;

		if (!present(dev))
			continue;
		link = links_find(&s->links, dev->ifindex);
		if (!link)
			continue;
		/* A flowtable on it or above it has the other warning, or is a bond's. */
		set_add(&above, link);
		links_above(&s->links, link, &above);
		links_lowest(&s->links, link, &lowest);
		if (lowest.n && !any_in_flowtable(s, &lowest) &&
		    !any_in_flowtable(s, &above)) {
			lacks = names(&lowest);
			warn(s, "no flow over %s is offloaded: no flowtable has %s, and since Linux 6.19 the lowest device has to be in it; add %s to its devices",
			     dev->name, lacks, lacks);
			free(lacks);
		}
		set_free(&above);
		set_free(&lowest);
	}
}

/* A PCP that never reaches a wire. */

/*
 * A map made without a thought of VLANs has the PCPs of the built-in one, which
 * are there for whoever has a tag. Others somebody has chosen. A PCP of 0 is what
 * a frame without a tag is taken for.
 */
static bool pcp_chosen(const struct map *map)
{
	struct entry builtin[NF_FLOW_QOS_CLASSES];
	bool differs = false, given = false;
	size_t i;

	builtin_entries(builtin);
	for (i = 0; i < NF_FLOW_QOS_CLASSES; i++) {
		differs |= map->e[i].pcp != builtin[i].pcp;
		given |= map->e[i].pcp != KEEP && map->e[i].pcp != 0;
	}
	return differs && given;
}

/* Can the PCP that this binding gives reach a wire? Where that is open: yes. */
static bool reaches_wire(const struct status *s, const struct dev *dev)
{
	const struct link *link;
	size_t i;

	if (!is_any(dev)) {
		link = present(dev) ? links_find(&s->links, dev->ifindex) : NULL;
		return !link || links_tagged(&s->links, link);
	}
	for (i = 0; i < s->links.n; i++)
		if (s->links.v[i].kind == LINK_VLAN || s->links.v[i].tagged)
			return true;
	return false;
}

/* Once for each map, if it is true of all bindings that have it. */
static void warn_untagged(struct status *s)
{
	size_t i, k;

	for (i = 0; s->egress_hook && i < s->maps.n; i++) {
		const struct map *map = &s->maps.v[i];
		bool reaches = false, any = false;
		struct link_set on = { 0 };
		char *at;

		for (k = 0; k < s->devs.n; k++) {
			const struct dev *dev = &s->devs.v[k];

			if (strcmp(dev->map, map->name))
				continue;
			if (reaches_wire(s, dev))
				reaches = true;
			else if (is_any(dev))
				any = true;
			else
				set_add(&on, links_find(&s->links, dev->ifindex));
		}
		if (!reaches && (any || on.n) && pcp_chosen(map)) {
			at = any ? xstrdup("any device") : names(&on);
			warn(s, "map %s gives a PCP that never reaches a wire: no frame that leaves through %s has a VLAN tag; bind the VLAN's device, or take the PCP out of the map ('ftqos map set %s all pcp keep')",
			     map->name, at, map->name);
			free(at);
		}
		set_free(&on);
	}
}

void warn_stack(struct status *s)
{
	size_t i;

	for (i = 0; i < s->nsessions; i++)
		links_session(&s->links, s->sessions[i].ifindex, s->sessions[i].lower);
	if (s->xmit_lowest) {
		warn_lowest(s);
		warn_not_offloaded(s);
	}
	warn_qdiscs(s);
	warn_untagged(s);
}
