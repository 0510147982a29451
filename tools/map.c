// SPDX-License-Identifier: GPL-2.0
/* Maps: what each class gets. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "out.h"
#include "parse.h"

#define CLASSES NF_FLOW_QOS_CLASSES
/* A group larger than this is printed last, as all others. */
#define LIST_MAX 12

/*
 * What map-new begins with: IEEE 802.1Q traffic types, prio as PCP. restore
 * computes with it and save writes only what differs from it.
 */
void builtin_entries(struct entry *e)
{
	static const uint8_t up[CLASSES] = {
		[1] = 1, [8] = 1, [16] = 2, [18] = 2, [20] = 2, [22] = 2,
		[24] = 3, [26] = 3, [28] = 3, [30] = 3, [32] = 4, [34] = 4,
		[36] = 4, [38] = 4, [40] = 5, [44] = 5, [45] = 5, [46] = 5,
		[48] = 6, [56] = 7,
	};
	size_t i;

	for (i = 0; i < CLASSES; i++)
		e[i] = (struct entry){ .prio = up[i], .pcp = up[i], .dscp = KEEP };
}

bool entry_equal(const struct entry *a, const struct entry *b)
{
	return a->prio == b->prio && a->pcp == b->pcp && a->dscp == b->dscp;
}

int parse_map_name(const char *s, char *name)
{
	size_t n = strlen(s);

	if (!n || n > NF_FLOW_QOS_NAME_MAX)
		return usage_error("map name \"%s\" is not 1..%d characters long", s,
				   NF_FLOW_QOS_NAME_MAX);
	if (strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != n)
		return usage_error("map name \"%s\" has other characters than a-z 0-9 _ . -", s);
	memcpy(name, s, n + 1);
	return ST_OK;
}

static int take_name(int *argc, char ***argv, char *name)
{
	if (*argc < 1)
		return usage_error("the name of the map is missing");
	(*argc)--;
	return parse_map_name(*(*argv)++, name);
}

static int parse_action(const char *word, const char *value, struct map_change *c)
{
	uint32_t act, v;
	int err = ST_OK;

	if (!strcmp(word, "prio"))
		act = ACT_PRIO;
	else if (!strcmp(word, "pcp"))
		act = ACT_PCP;
	else if (!strcmp(word, "dscp"))
		act = ACT_DSCP;
	else
		return usage_error("unknown action \"%s\": one of prio, pcp, dscp", word);
	if (c->acts & act)
		return usage_error("%s is given twice", word);
	if (!value)
		return usage_error("%s needs a value", word);
	c->acts |= act;
	if (!strcmp(value, "keep")) {
		if (act == ACT_PRIO)
			c->e.prio = KEEP;
		else if (act == ACT_PCP)
			c->e.pcp = KEEP;
		else
			c->e.dscp = KEEP;
		return ST_OK;
	}
	if (act == ACT_PRIO) {
		err = parse_prio(value, &v);
		if (!err)
			c->e.prio = v;
	} else if (act == ACT_PCP) {
		v = NF_FLOW_QOS_PCP_VLAN;
		if (strcmp(value, "vlan"))
			err = parse_u32("pcp", value, 0, 7, &v);
		if (!err)
			c->e.pcp = (int)v;
	} else {
		err = parse_class(value, &v);
		if (!err)
			c->e.dscp = (int)v;
	}
	return err;
}

int parse_map_set(int argc, char **argv, struct map_change *c)
{
	int err;

	memset(c, 0, sizeof(*c));
	err = take_name(&argc, &argv, c->name);
	if (err)
		return err;
	if (!argc)
		return usage_error("the list of classes is missing");
	err = parse_classes(argv[0], &c->classes);
	if (err)
		return err;
	argc--;
	argv++;
	if (!argc)
		return usage_error("no action: at least one of prio, pcp, dscp");
	while (argc > 0) {
		err = parse_action(argv[0], argc > 1 ? argv[1] : NULL, c);
		if (err)
			return err;
		argc -= 2;
		argv += 2;
	}
	return ST_OK;
}

static int parse_preset(int *argc, char ***argv, struct map_new *n)
{
	struct preset p;
	uint32_t v;
	int err;

	if (!*argc)
		return usage_error("preset needs a name");
	err = preset_load((*argv)[0], &p);
	if (err)
		return err;
	(*argc)--;
	(*argv)++;
	if (p.kind == PRESET_CONSTANT) {
		if (!*argc)
			return usage_error("preset %s needs a value (0..7)", p.name);
		err = parse_u32("value", (*argv)[0], 0, 7, &v);
		if (err)
			return err;
		memset(p.value, (int)v, sizeof(p.value));
		(*argc)--;
		(*argv)++;
	}
	n->source = SOURCE_PRESET;
	preset_entries(&p, n->e);
	return ST_OK;
}

int parse_map_add(int argc, char **argv, struct map_new *n)
{
	int err;

	memset(n, 0, sizeof(*n));
	err = take_name(&argc, &argv, n->name);
	if (err || !argc)
		return err;
	if (!strcmp(argv[0], "preset")) {
		argc--;
		argv++;
		err = parse_preset(&argc, &argv, n);
	} else if (!strcmp(argv[0], "from")) {
		argc--;
		argv++;
		if (!argc)
			return usage_error("from needs the name of a map");
		n->source = SOURCE_MAP;
		err = parse_map_name(argv[0], n->from);
		argc--;
		argv++;
	}
	return err ? err : no_more(argc, argv);
}

/* Messages */

void put_entry(struct msg *m, uint32_t class, uint32_t acts, const struct entry *e)
{
	size_t nest = msg_nest(m, NF_FLOW_QOS_A_MAP_ENTRY);
	uint32_t keep = 0;

	msg_u32(m, NF_FLOW_QOS_A_ENTRY_CLASS, class);
	if (acts & ACT_PRIO) {
		if (e->prio == KEEP)
			keep |= ACT_PRIO;
		else
			msg_u32(m, NF_FLOW_QOS_A_ENTRY_PRIO, (uint32_t)e->prio);
	}
	if (acts & ACT_PCP) {
		if (e->pcp == KEEP)
			keep |= ACT_PCP;
		else
			msg_u32(m, NF_FLOW_QOS_A_ENTRY_PCP, (uint32_t)e->pcp);
	}
	if (acts & ACT_DSCP) {
		if (e->dscp == KEEP)
			keep |= ACT_DSCP;
		else
			msg_u32(m, NF_FLOW_QOS_A_ENTRY_DSCP, (uint32_t)e->dscp);
	}
	if (keep)
		msg_u32(m, NF_FLOW_QOS_A_ENTRY_KEEP, keep);
	msg_nest_end(m, nest);
}

static int entry_store(const struct nlattr *a, void *data)
{
	const struct nlattr *tb[NF_FLOW_QOS_A_ENTRY_MAX + 1];
	struct map *map = data;
	uint32_t class;
	struct entry *e;

	if (mnl_attr_get_type(a) != NF_FLOW_QOS_A_MAP_ENTRY)
		return MNL_CB_OK;
	attrs_nested(a, tb, NF_FLOW_QOS_A_ENTRY_MAX);
	class = attr_u32(tb[NF_FLOW_QOS_A_ENTRY_CLASS], CLASSES);
	if (class >= CLASSES)
		return MNL_CB_OK;
	e = &map->e[class];
	if (tb[NF_FLOW_QOS_A_ENTRY_PRIO])
		e->prio = attr_u32(tb[NF_FLOW_QOS_A_ENTRY_PRIO], 0);
	if (tb[NF_FLOW_QOS_A_ENTRY_PCP])
		e->pcp = (int)attr_u32(tb[NF_FLOW_QOS_A_ENTRY_PCP], 0);
	if (tb[NF_FLOW_QOS_A_ENTRY_DSCP])
		e->dscp = (int)attr_u32(tb[NF_FLOW_QOS_A_ENTRY_DSCP], 0);
	return MNL_CB_OK;
}

void map_decode(const struct nlmsghdr *nlh, struct map *map)
{
	const struct nlattr *tb[NF_FLOW_QOS_A_MAP_MAX + 1];
	size_t i;

	memset(map, 0, sizeof(*map));
	for (i = 0; i < CLASSES; i++)
		map->e[i] = (struct entry){ KEEP, KEEP, KEEP };
	attrs_of(nlh, tb, NF_FLOW_QOS_A_MAP_MAX);
	attr_str(tb[NF_FLOW_QOS_A_MAP_NAME], map->name, sizeof(map->name));
	map->bound = attr_u32(tb[NF_FLOW_QOS_A_MAP_BOUND], 0);
	map->generation = attr_u32(tb[NF_FLOW_QOS_A_MAP_GENERATION], 0);
	mnl_attr_parse(nlh, GENL_HDRLEN, entry_store, map);
}

int maps_collect(const struct nlmsghdr *nlh, void *data)
{
	struct maps *maps = data;

	maps->v = xrealloc(maps->v, maps->n + 1, sizeof(*maps->v));
	map_decode(nlh, &maps->v[maps->n++]);
	return ST_OK;
}

static int map_order(const void *a, const void *b)
{
	const struct map *x = a, *y = b;

	/* default first, as in the kernel's own listing. */
	if (!strcmp(x->name, "default") || !strcmp(y->name, "default"))
		return strcmp(y->name, "default") ? -1 : strcmp(x->name, "default") != 0;
	return strcmp(x->name, y->name);
}

void maps_sort(struct maps *maps)
{
	if (maps->n)
		qsort(maps->v, maps->n, sizeof(*maps->v), map_order);
}

/* Output */

/* As tc writes handles: 1:10 for what does not fit 16 bits. */
const char *prio_text(int64_t prio, char *buf, size_t size)
{
	if (prio == KEEP)
		snprintf(buf, size, "keep");
	else if (prio > 0xffff)
		snprintf(buf, size, "%x:%x", (unsigned int)(prio >> 16),
			 (unsigned int)(prio & 0xffff));
	else
		snprintf(buf, size, "%" PRId64, prio);
	return buf;
}

const char *pcp_text(int pcp, char *buf, size_t size)
{
	if (pcp == KEEP)
		snprintf(buf, size, "keep");
	else if (pcp == NF_FLOW_QOS_PCP_VLAN)
		snprintf(buf, size, "vlan");
	else
		snprintf(buf, size, "%d", pcp);
	return buf;
}

const char *dscp_text(int dscp, char *buf, size_t size)
{
	if (dscp != KEEP)
		return class_text((uint32_t)dscp, buf, size);
	snprintf(buf, size, "keep");
	return buf;
}

static void print_entry(uint32_t class, const struct entry *e)
{
	const char *name = class_name(class);

	out_item();
	out_u64("dscp", NULL, class, NULL);
	if (name)
		out_str("name", NULL, name);
	if (e->prio == KEEP)
		out_null("prio", NULL, NULL);
	else
		out_u64("prio", NULL, (uint64_t)e->prio, NULL);
	if (e->pcp == KEEP)
		out_null("pcp", NULL, NULL);
	else if (e->pcp == NF_FLOW_QOS_PCP_VLAN)
		out_str("pcp", NULL, "vlan");
	else
		out_u64("pcp", NULL, (uint64_t)e->pcp, NULL);
	if (e->dscp == KEEP)
		out_null("set_dscp", NULL, NULL);
	else
		out_u64("set_dscp", NULL, (uint64_t)e->dscp, NULL);
	out_item_end();
}

/* JSON keys of a map, inside an object. */
void map_print_keys(const struct map *map)
{
	uint32_t i;

	out_str("name", NULL, map->name);
	out_u64("bound", NULL, map->bound, NULL);
	out_array("entries");
	if (opts.json)
		for (i = 0; i < CLASSES; i++)
			print_entry(i, &map->e[i]);
	out_array_end();
}

static void print_group(const char *classes, const struct entry *e)
{
	char buf[24];

	out_item();
	out_str(NULL, "CLASS", classes);
	out_str(NULL, "PRIO", prio_text(e->prio, buf, sizeof(buf)));
	out_str(NULL, "PCP", pcp_text(e->pcp, buf, sizeof(buf)));
	out_str(NULL, "DSCP", dscp_text(e->dscp, buf, sizeof(buf)));
	out_item_end();
}

/* Classes that get the same as class i, which must be the first of them. */
static uint64_t group_of(const struct entry *e, uint32_t i)
{
	uint64_t set = 0;
	uint32_t j;

	for (j = 0; j < CLASSES; j++) {
		if (!entry_equal(&e[i], &e[j]))
			continue;
		if (j < i)
			return 0;
		set |= BIT64(j);
	}
	return set;
}

static void print_text(const struct map *map)
{
	char buf[CLASSES_TEXT_MAX];
	uint32_t i, others = CLASSES;
	uint64_t set;
	int most = LIST_MAX;

	for (i = 0; i < CLASSES; i++) {
		set = group_of(map->e, i);
		if (set != UINT64_MAX && __builtin_popcountll(set) > most) {
			most = __builtin_popcountll(set);
			others = i;
		}
	}
	out_text("map %s, bound to %u device%s\n", map->name, map->bound,
		 map->bound == 1 ? "" : "s");
	out_list(NULL, NULL);
	for (i = 0; i < CLASSES; i++) {
		set = group_of(map->e, i);
		if (set && i != others)
			print_group(classes_text(set, buf, sizeof(buf)), &map->e[i]);
	}
	if (others < CLASSES)
		print_group("all others", &map->e[others]);
	out_list_end();
}

static void print_maps(const struct maps *maps)
{
	size_t i;

	if (!opts.json) {
		for (i = 0; i < maps->n; i++) {
			if (i)
				out_text("\n");
			print_text(&maps->v[i]);
		}
		return;
	}
	out_list(NULL, NULL);
	for (i = 0; i < maps->n; i++) {
		out_item();
		map_print_keys(&maps->v[i]);
		out_item_end();
	}
	out_list_end();
}

/* Handlers */

int map_show(int argc, char **argv)
{
	char name[NF_FLOW_QOS_NAME_MAX + 1];
	struct maps maps = { 0 };
	struct msg m;
	int ret;

	if (argc) {
		ret = take_name(&argc, &argv, name);
		if (!ret)
			ret = no_more(argc, argv);
		if (ret)
			return ret;
		msg_init(&m, NF_FLOW_QOS_CMD_MAP_GET, 0, "map \"%s\"", name);
		msg_str(&m, NF_FLOW_QOS_A_MAP_NAME, name);
	} else {
		msg_init(&m, NF_FLOW_QOS_CMD_MAP_GET, NLM_F_DUMP, "%s", "");
	}
	ret = nl_run(&m, maps_collect, &maps);
	if (!ret) {
		maps_sort(&maps);
		out_begin();
		print_maps(&maps);
		ret = out_end();
	}
	free(maps.v);
	return ret;
}

int map_add(int argc, char **argv)
{
	struct map_new n;
	struct msg m;
	uint32_t i;
	int ret;

	ret = parse_map_add(argc, argv, &n);
	if (ret)
		return ret;
	msg_init(&m, NF_FLOW_QOS_CMD_MAP_NEW, 0, "map \"%s\"", n.name);
	msg_str(&m, NF_FLOW_QOS_A_MAP_NAME, n.name);
	if (n.source == SOURCE_MAP)
		msg_str(&m, NF_FLOW_QOS_A_MAP_FROM, n.from);
	if (n.source == SOURCE_PRESET)
		for (i = 0; i < CLASSES; i++)
			put_entry(&m, i, ACT_PRIO | ACT_PCP, &n.e[i]);
	return nl_run(&m, NULL, NULL);
}

int map_set(int argc, char **argv)
{
	struct map_change c;
	struct msg m;
	uint32_t i;
	int ret;

	ret = parse_map_set(argc, argv, &c);
	if (ret)
		return ret;
	msg_init(&m, NF_FLOW_QOS_CMD_MAP_SET, 0, "map \"%s\"", c.name);
	msg_str(&m, NF_FLOW_QOS_A_MAP_NAME, c.name);
	for (i = 0; i < CLASSES; i++)
		if (c.classes & BIT64(i))
			put_entry(&m, i, c.acts, &c.e);
	return nl_run(&m, NULL, NULL);
}

int map_del(int argc, char **argv)
{
	char name[NF_FLOW_QOS_NAME_MAX + 1];
	struct msg m;
	int ret;

	ret = take_name(&argc, &argv, name);
	if (!ret)
		ret = no_more(argc, argv);
	if (ret)
		return ret;
	msg_init(&m, NF_FLOW_QOS_CMD_MAP_DEL, 0, "map \"%s\"", name);
	msg_str(&m, NF_FLOW_QOS_A_MAP_NAME, name);
	return nl_run(&m, NULL, NULL);
}

int map_presets(int argc, char **argv)
{
	struct preset *list;
	size_t n, i;
	int ret;

	ret = no_more(argc, argv);
	if (!ret)
		ret = preset_list(&list, &n);
	if (ret)
		return ret;
	out_begin();
	out_list(NULL, NULL);
	for (i = 0; i < n; i++) {
		out_item();
		out_str("name", "PRESET", list[i].name);
		out_str("description", "DESCRIPTION", list[i].description);
		out_item_end();
	}
	out_list_end();
	free(list);
	return out_end();
}
