// SPDX-License-Identifier: GPL-2.0
/* How devices stand on each other. */
#include <stdlib.h>
#include <string.h>

#include "links.h"

bool set_has(const struct link_set *set, uint32_t ifindex)
{
	size_t i;

	for (i = 0; i < set->n; i++)
		if (set->v[i]->ifindex == ifindex)
			return true;
	return false;
}

bool set_add(struct link_set *set, const struct link *link)
{
	if (set_has(set, link->ifindex))
		return false;
	set->v = xrealloc(set->v, set->n + 1, sizeof(*set->v));
	set->v[set->n++] = link;
	return true;
}

void set_free(struct link_set *set)
{
	free(set->v);
	memset(set, 0, sizeof(*set));
}

/* Is low directly below the device? */
static bool directly_below(const struct link *link, const struct link *low)
{
	return link->lower == low->ifindex || low->master == link->ifindex;
}

bool link_looked_through(const struct link *link)
{
	return link->kind == LINK_VLAN || link->kind == LINK_PPP ||
	       link->kind == LINK_BRIDGE || link->kind == LINK_TUNNEL;
}

/* A set grows while it is walked; what is in it once is not added again. */
void links_below(const struct links *links, const struct link *link,
		 struct link_set *set)
{
	size_t i, next = set->n;

	for (;;) {
		for (i = 0; i < links->n; i++)
			if (directly_below(link, &links->v[i]))
				set_add(set, &links->v[i]);
		if (next == set->n)
			return;
		link = set->v[next++];
	}
}

void links_above(const struct links *links, const struct link *link,
		 struct link_set *set)
{
	size_t i, next = set->n;

	for (;;) {
		for (i = 0; i < links->n; i++)
			if (directly_below(&links->v[i], link))
				set_add(set, &links->v[i]);
		if (next == set->n)
			return;
		link = set->v[next++];
	}
}

/* The way down, the device itself included. */
static void links_way(const struct links *links, const struct link *link,
		      struct link_set *way)
{
	size_t i, next = 0;

	set_add(way, link);
	while (next < way->n) {
		link = way->v[next++];
		for (i = 0; link_looked_through(link) && i < links->n; i++)
			if (directly_below(link, &links->v[i]))
				set_add(way, &links->v[i]);
	}
}

void links_lowest(const struct links *links, const struct link *link,
		  struct link_set *set)
{
	struct link_set way = { 0 };
	size_t i;

	links_way(links, link, &way);
	for (i = 0; i < way.n; i++)
		if (!link_looked_through(way.v[i]))
			set_add(set, way.v[i]);
	set_free(&way);
}

void links_vlans(const struct links *links, const struct link *link,
		 struct link_set *set)
{
	struct link_set way = { 0 };
	size_t i;

	/* Header by header, as far as these devices make them at once. */
	while (link && link->kind == LINK_VLAN && link->tags_first)
		link = links_find(links, link->lower);
	if (!link)
		return;
	links_way(links, link, &way);
	for (i = 0; i < way.n; i++)
		if (way.v[i]->kind == LINK_VLAN)
			set_add(set, way.v[i]);
	set_free(&way);
}

bool links_tagged(const struct links *links, const struct link *link)
{
	struct link_set set = { 0 };
	bool tagged = false;
	size_t i;

	set_add(&set, link);
	links_below(links, link, &set);
	links_above(links, link, &set);
	for (i = 0; i < set.n; i++)
		if (set.v[i]->kind == LINK_VLAN || set.v[i]->tagged)
			tagged = true;
	set_free(&set);
	return tagged;
}

uint32_t link_pcp(const struct link *vlan, uint32_t prio)
{
	size_t i;

	for (i = 0; i < vlan->negress; i++)
		if (vlan->egress[i].prio == prio)
			return vlan->egress[i].pcp;
	return 0;
}
