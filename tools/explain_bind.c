// SPDX-License-Identifier: GPL-2.0
/*
 * Which binding decides about a flow, by the module's rules: the most upper device
 * that its frames can be of, else the device's own, else that of the one device
 * below it, else any's.
 */
#include <ctype.h>
#include <string.h>

#include "explain.h"

/* Devices on top of each other, as the core limits them. */
#define DEPTH_MAX 8

static bool is_any(const struct dev *dev)
{
	return !strcmp(dev->name, "any");
}

static const struct dev *bound(const struct facts *f, uint32_t ifindex)
{
	size_t i;

	for (i = 0; ifindex && i < f->s.devs.n; i++)
		if (f->s.devs.v[i].ifindex == ifindex && !is_any(&f->s.devs.v[i]))
			return &f->s.devs.v[i];
	return NULL;
}

static const struct dev *bound_any(const struct facts *f)
{
	size_t i;

	for (i = 0; i < f->s.devs.n; i++)
		if (is_any(&f->s.devs.v[i]))
			return &f->s.devs.v[i];
	return NULL;
}

const char *link_name(const struct facts *f, uint32_t ifindex)
{
	const struct link *link = links_find(&f->s.links, ifindex);

	return link ? link->name : "a device that is gone";
}

/* The way up from where a packet was seen, as far as its headers say. */
struct climb {
	const struct link *top;
	const struct dev *dev;	/* the most upper that is bound */
	unsigned int depth;	/* of that */
};

static void climb(const struct facts *f, const struct link *link, size_t tag,
		  unsigned int depth, struct climb *c)
{
	size_t i;

	for (i = 0; depth <= DEPTH_MAX && i < f->s.links.n; i++) {
		const struct link *up = &f->s.links.v[i];
		size_t next = tag;

		if (up->lower != link->ifindex && link->master != up->ifindex)
			continue;
		if (up->kind == LINK_VLAN) {
			if (tag >= f->flow.nvlan || f->flow.vlan[tag] != up->vid)
				continue;
			next++;
		} else if (up->kind == LINK_PPP ? !f->flow.pppoe :
			   up->kind == LINK_TUNNEL ? !f->flow.tunneled :
			   up->kind != LINK_BRIDGE && up->kind != LINK_BOND) {
			continue;
		}
		c->top = up;
		if (depth > c->depth && bound(f, up->ifindex)) {
			c->dev = bound(f, up->ifindex);
			c->depth = depth;
		}
		climb(f, up, next, depth + 1, c);
	}
}

static struct climb climb_from(const struct facts *f, uint32_t ifindex)
{
	const struct link *link = links_find(&f->s.links, ifindex);
	struct climb c = { .top = link };

	if (link)
		climb(f, link, 0, 1, &c);
	return c;
}

uint32_t network_device(const struct facts *f)
{
	struct climb c = climb_from(f, f->q.iif);

	return c.top ? c.top->ifindex : f->q.iif;
}

/* Of the device itself or below it; any's if there is none. */
static struct decider decider_at(const struct facts *f, uint32_t ifindex)
{
	const struct link *link = links_find(&f->s.links, ifindex);
	struct decider d = { .dev = bound(f, ifindex), .ifindex = ifindex };
	struct link_set below = { 0 };
	size_t i, n = 0;

	if (d.dev) {
		d.by = BY_OWN;
		return d;
	}
	if (link)
		links_below(&f->s.links, link, &below);
	for (i = 0; i < below.n; i++) {
		const struct dev *dev = bound(f, below.v[i]->ifindex);

		if (dev && !n++)
			d.dev = dev;
	}
	set_free(&below);
	/* Of several, only the one that a packet crosses knows. */
	if (n == 1) {
		d.by = BY_BELOW;
		return d;
	}
	d.dev = bound_any(f);
	d.by = d.dev ? BY_ANY : BY_NONE;
	return d;
}

struct decider decider_in(const struct facts *f)
{
	uint32_t ifindex = f->found ? f->flow.iif : f->q.iif;
	struct climb c = climb_from(f, ifindex);

	if (c.dev)
		return (struct decider){ c.dev, BY_ABOVE, ifindex };
	return decider_at(f, ifindex);
}

struct decider decider_out(const struct facts *f)
{
	if (!f->found)
		return f->route.oif && !route_ends(&f->route) ?
		       decider_at(f, f->route.oif) : (struct decider){ .dev = NULL };
	/* The module says it. Where no binding did it does not say where to. */
	return f->flow.oif ? decider_at(f, f->flow.oif) : (struct decider){ .dev = NULL };
}

static bool carries(const struct link *link, const struct flow *flow)
{
	size_t i;

	if (link->kind == LINK_PPP)
		return flow->pppoe;
	if (link->kind != LINK_VLAN)
		return true;
	for (i = 0; i < flow->nvlan; i++)
		if (flow->vlan[i] == link->vid)
			return true;
	return false;
}

bool enters_through(const struct facts *f, const struct flow *flow)
{
	const struct link *link = links_find(&f->s.links, f->q.iif);
	struct link_set set = { 0 };
	bool does;

	if (flow->iif == f->q.iif)
		return true;
	if (!link)
		return false;
	if (carries(link, flow))
		links_below(&f->s.links, link, &set);
	links_above(&f->s.links, link, &set);
	does = set_has(&set, flow->iif);
	set_free(&set);
	return does;
}

/* A dot may be in a name, or end a sentence. */
static bool in_name(const char *s)
{
	return isalnum((unsigned char)*s) || *s == '-' || *s == '_' ||
	       (*s == '.' && isalnum((unsigned char)s[1]));
}

static bool mentions(const char *text, const char *name)
{
	size_t n = strlen(name);
	const char *s;

	for (s = strstr(text, name); n && s; s = strstr(s + 1, name))
		if ((s == text || (!in_name(s - 1) && s[-1] != '.')) && !in_name(s + n))
			return true;
	return false;
}

static void add_below(const struct facts *f, uint32_t ifindex, struct link_set *set)
{
	const struct link *link = links_find(&f->s.links, ifindex);

	if (!link)
		return;
	set_add(set, link);
	links_below(&f->s.links, link, set);
}

bool warning_concerns(const struct facts *f, const char *text)
{
	struct decider in = decider_in(f), out = decider_out(f);
	struct link_set set = { 0 };
	bool concerns = false, others = false;
	size_t i;

	/* The word stands in other sentences as well. */
	if (!strncmp(text, "any is ", 7))
		return in.by == BY_ANY || out.by == BY_ANY;
	add_below(f, f->q.iif, &set);
	add_below(f, f->flow.iif, &set);
	add_below(f, out.ifindex, &set);
	if (in.dev)
		add_below(f, in.dev->ifindex, &set);
	for (i = 0; i < set.n; i++)
		concerns |= mentions(text, set.v[i]->name);
	set_free(&set);
	for (i = 0; i < f->s.links.n; i++)
		others |= mentions(text, f->s.links.v[i].name);
	for (i = 0; i < f->s.devs.n; i++)
		others |= !is_any(&f->s.devs.v[i]) && mentions(text, f->s.devs.v[i].name);
	return concerns || !others;
}
