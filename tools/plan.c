// SPDX-License-Identifier: GPL-2.0
/* A configuration in memory, changed by the same words as the kernel's. */
#include <stdlib.h>
#include <string.h>

#include "plan.h"

#define CLASSES NF_FLOW_QOS_CLASSES
#define DEFAULT "default"

static struct plan_map *find_map(const struct plan *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->nmaps; i++)
		if (!strcmp(p->maps[i].name, name))
			return &p->maps[i];
	return NULL;
}

static struct plan_dev *find_dev(const struct plan *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->ndevs; i++)
		if (!strcmp(p->devs[i].c.name, name))
			return &p->devs[i];
	return NULL;
}

static struct plan_map *new_map(struct plan *p, const char *name)
{
	struct plan_map *map;

	p->maps = xrealloc(p->maps, p->nmaps + 1, sizeof(*p->maps));
	map = &p->maps[p->nmaps++];
	memset(map, 0, sizeof(*map));
	snprintf(map->name, sizeof(map->name), "%s", name);
	map->line = where.line;
	builtin_entries(map->e);
	return map;
}

void plan_init(struct plan *p)
{
	memset(p, 0, sizeof(*p));
	new_map(p, DEFAULT);
}

void plan_free(struct plan *p)
{
	free(p->maps);
	free(p->devs);
	memset(p, 0, sizeof(*p));
}

static int no_map(const char *name)
{
	return refuse("map \"%s\": the file has not added a map of this name", name);
}

int plan_map_add(struct plan *p, int argc, char **argv)
{
	struct plan_map *map, *from;
	struct map_new n;
	size_t i;
	int err;

	err = parse_map_add(argc, argv, &n);
	if (err)
		return err;
	if (find_map(p, n.name))
		return refuse("map \"%s\": a map of this name exists", n.name);
	if (n.source == SOURCE_MAP && !find_map(p, n.from))
		return no_map(n.from);
	map = new_map(p, n.name);
	if (n.source == SOURCE_MAP) {
		from = find_map(p, n.from);
		memcpy(map->e, from->e, sizeof(map->e));
		memcpy(map->acts, from->acts, sizeof(map->acts));
	} else if (n.source == SOURCE_PRESET) {
		memcpy(map->e, n.e, sizeof(map->e));
		memset(map->acts, ACT_PRIO | ACT_PCP, sizeof(map->acts));
	}
	for (i = 0; i < CLASSES; i++)
		map->entry_line[i] = where.line;
	return ST_OK;
}

int plan_map_set(struct plan *p, int argc, char **argv)
{
	struct plan_map *map;
	struct map_change c;
	uint32_t i;
	int err;

	err = parse_map_set(argc, argv, &c);
	if (err)
		return err;
	map = find_map(p, c.name);
	if (!map)
		return no_map(c.name);
	/* No line has added the map that is built in. */
	if (!map->line)
		map->line = where.line;
	for (i = 0; i < CLASSES; i++) {
		if (!(c.classes & BIT64(i)))
			continue;
		if (c.acts & ACT_PRIO)
			map->e[i].prio = c.e.prio;
		if (c.acts & ACT_PCP)
			map->e[i].pcp = c.e.pcp;
		if (c.acts & ACT_DSCP)
			map->e[i].dscp = c.e.dscp;
		map->acts[i] |= (uint8_t)c.acts;
		map->entry_line[i] = where.line;
	}
	return ST_OK;
}

int plan_map_del(struct plan *p, int argc, char **argv)
{
	char name[NF_FLOW_QOS_NAME_MAX + 1];
	struct plan_map *map;
	size_t i;
	int err;

	if (argc < 1)
		return usage_error("the name of the map is missing");
	err = parse_map_name(argv[0], name);
	if (!err)
		err = no_more(argc - 1, argv + 1);
	if (err)
		return err;
	map = find_map(p, name);
	if (!map)
		return no_map(name);
	if (!strcmp(name, DEFAULT))
		return refuse("map \"%s\" is built in and cannot be deleted", name);
	for (i = 0; i < p->ndevs; i++)
		if (p->devs[i].c.named & DEV_MAP && !strcmp(p->devs[i].c.map, name))
			return refuse("map \"%s\" is bound to %s", name,
				      p->devs[i].c.name);
	p->nmaps--;
	memmove(map, map + 1, (size_t)(&p->maps[p->nmaps] - map) * sizeof(*map));
	return ST_OK;
}

int plan_dev_set(struct plan *p, int argc, char **argv)
{
	struct dev_change c;
	struct plan_dev *d;
	int err;

	err = parse_dev_set(argc, argv, &c);
	if (err)
		return err;
	if (c.named & DEV_MAP && !find_map(p, c.map))
		return no_map(c.map);
	d = find_dev(p, c.name);
	if (!d) {
		p->devs = xrealloc(p->devs, p->ndevs + 1, sizeof(*p->devs));
		d = &p->devs[p->ndevs++];
		memset(d, 0, sizeof(*d));
		memcpy(d->c.name, c.name, sizeof(d->c.name));
		d->line = where.line;
	}
	if (c.named & DEV_MAP) {
		memcpy(d->c.map, c.map, sizeof(d->c.map));
		d->map_line = where.line;
	}
	if (c.named & DEV_TRUST) {
		d->c.trust = c.trust;
		d->trust_line = where.line;
		/* It always comes with masks, any other trust without them. */
		if (c.trust != NF_FLOW_QOS_TRUST_CTMARK)
			d->c.named &= ~(uint32_t)DEV_CTMARK;
	}
	if (c.named & DEV_CTMARK) {
		d->c.ctmark_mask = c.ctmark_mask;
		d->c.ctmark_statemask = c.ctmark_statemask;
		d->ctmark_line = where.line;
	}
	if (c.named & DEV_SCOPE) {
		d->c.scope = c.scope;
		d->scope_line = where.line;
	}
	if (c.named & DEV_STICKY) {
		d->c.sticky = c.sticky;
		d->sticky_line = where.line;
	}
	d->c.named |= c.named;
	return ST_OK;
}

int plan_dev_del(struct plan *p, int argc, char **argv)
{
	char name[IFNAMSIZ];
	struct plan_dev *d;
	int err;

	if (argc < 1)
		return usage_error("the name of the device is missing");
	err = parse_dev_name(argv[0], name);
	if (!err)
		err = no_more(argc - 1, argv + 1);
	if (err)
		return err;
	d = find_dev(p, name);
	if (!d)
		return refuse("device \"%s\": the file has not bound it", name);
	p->ndevs--;
	memmove(d, d + 1, (size_t)(&p->devs[p->ndevs] - d) * sizeof(*d));
	return ST_OK;
}

int plan_config_set(struct plan *p, int argc, char **argv)
{
	struct limits_change c;
	int err;

	err = parse_config_set(argc, argv, &c);
	if (err)
		return err;
	if (c.named & LIMIT_FLOWS)
		p->limits.v.flow_limit = c.v.flow_limit;
	if (c.named & LIMIT_TIMEOUT)
		p->limits.v.flow_timeout = c.v.flow_timeout;
	p->limits.named |= c.named;
	p->limits_line = where.line;
	return ST_OK;
}

/* The message */

static void span_add(struct spans *s, size_t begin, size_t end, unsigned int line)
{
	s->v = xrealloc(s->v, s->n + 1, sizeof(*s->v));
	s->v[s->n++] = (struct span){ begin, end, line };
}

static void put_map(struct msg *m, const struct plan_map *map, struct spans *s)
{
	size_t nest = msg_nest(m, NF_FLOW_QOS_A_RESTORE_MAP), entry;
	uint32_t i;

	msg_str(m, NF_FLOW_QOS_A_MAP_NAME, map->name);
	for (i = 0; i < CLASSES; i++) {
		if (!map->acts[i])
			continue;
		entry = m->len;
		put_entry(m, i, map->acts[i], &map->e[i]);
		span_add(s, entry, m->len, map->entry_line[i]);
	}
	msg_nest_end(m, nest);
	span_add(s, nest, m->len, map->line);
}

static void put_dev(struct msg *m, const struct plan_dev *d, struct spans *s)
{
	size_t nest = msg_nest(m, NF_FLOW_QOS_A_RESTORE_DEV), at = m->len;
	const struct nlattr *a;
	unsigned int line;

	put_dev_change(m, &d->c);
	msg_nest_end(m, nest);
	for (; at < m->len; at += NLA_ALIGN(a->nla_len)) {
		a = (const void *)(m->buf + at);
		line = d->line;
		if (a->nla_type == NF_FLOW_QOS_A_DEV_MAP)
			line = d->map_line;
		else if (a->nla_type == NF_FLOW_QOS_A_DEV_TRUST)
			line = d->trust_line;
		else if (a->nla_type == NF_FLOW_QOS_A_DEV_CTMARK_MASK ||
			 a->nla_type == NF_FLOW_QOS_A_DEV_CTMARK_STATEMASK)
			line = d->ctmark_line;
		else if (a->nla_type == NF_FLOW_QOS_A_DEV_SCOPE)
			line = d->scope_line;
		else if (a->nla_type == NF_FLOW_QOS_A_DEV_STICKY)
			line = d->sticky_line;
		span_add(s, at, at + NLA_ALIGN(a->nla_len), line);
	}
	span_add(s, nest, m->len, d->line);
}

static bool is_changed(const struct plan_map *map)
{
	size_t i;

	for (i = 0; i < CLASSES; i++)
		if (map->acts[i])
			return true;
	return false;
}

void plan_message(const struct plan *p, struct msg *m, struct spans *s)
{
	size_t i, nest;

	for (i = 0; i < p->nmaps; i++)
		if (strcmp(p->maps[i].name, DEFAULT) || is_changed(&p->maps[i]))
			put_map(m, &p->maps[i], s);
	for (i = 0; i < p->ndevs; i++)
		put_dev(m, &p->devs[i], s);
	if (!p->limits.named)
		return;
	nest = msg_nest(m, NF_FLOW_QOS_A_RESTORE_CONFIG);
	if (p->limits.named & LIMIT_FLOWS)
		msg_u32(m, NF_FLOW_QOS_A_CONFIG_FLOW_LIMIT, p->limits.v.flow_limit);
	if (p->limits.named & LIMIT_TIMEOUT)
		msg_u32(m, NF_FLOW_QOS_A_CONFIG_FLOW_TIMEOUT, p->limits.v.flow_timeout);
	msg_nest_end(m, nest);
	span_add(s, nest, m->len, p->limits_line);
}

unsigned int spans_line(const struct spans *s, uint32_t offs)
{
	size_t i;

	/* Inner parts are added before the ones around them. */
	for (i = 0; i < s->n; i++)
		if (offs >= s->v[i].begin && offs < s->v[i].end)
			return s->v[i].line;
	return 0;
}
