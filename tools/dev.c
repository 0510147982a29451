// SPDX-License-Identifier: GPL-2.0
/* Bindings of devices. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "out.h"
#include "parse.h"

static const char *const trusts[] = {
	[NF_FLOW_QOS_TRUST_DSCP] = "dscp",
	[NF_FLOW_QOS_TRUST_PCP] = "pcp",
	[NF_FLOW_QOS_TRUST_NONE] = "none",
	[NF_FLOW_QOS_TRUST_CTMARK] = "ctmark",
};

static const char *const scopes[] = {
	[NF_FLOW_QOS_SCOPE_OFFLOADED] = "offloaded",
	[NF_FLOW_QOS_SCOPE_ALL] = "all",
};

static const char *const stickies[] = {
	[NF_FLOW_QOS_STICKY_OFF] = "off",
	[NF_FLOW_QOS_STICKY_ON] = "on",
	[NF_FLOW_QOS_STICKY_ALL] = "all",
};

static const char *const states[] = {
	[NF_FLOW_QOS_DEV_STATE_ABSENT] = "absent",
	[NF_FLOW_QOS_DEV_STATE_DOWN] = "down",
	[NF_FLOW_QOS_DEV_STATE_UNRESOLVED] = "unresolved",
	[NF_FLOW_QOS_DEV_STATE_NO_FLOWTABLE] = "no-flowtable",
	[NF_FLOW_QOS_DEV_STATE_NO_EGRESS_HOOK] = "no-egress-hook",
	[NF_FLOW_QOS_DEV_STATE_ORDER_BLOCKED] = "order-blocked",
	[NF_FLOW_QOS_DEV_STATE_ACTIVE] = "active",
};

const char *trust_name(uint32_t trust)
{
	return trust < ARRAY_SIZE(trusts) ? trusts[trust] : "unknown";
}

const char *trust_text(const struct dev *dev, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%s", trust_name(dev->trust));

	if (dev->ctmark_mask)
		n += snprintf(buf + n, size - (size_t)n, " 0x%x", dev->ctmark_mask);
	if (dev->ctmark_statemask)
		snprintf(buf + n, size - (size_t)n, " 0x%x", dev->ctmark_statemask);
	return buf;
}

const char *scope_name(uint32_t scope)
{
	return scope < ARRAY_SIZE(scopes) ? scopes[scope] : "unknown";
}

const char *sticky_name(uint32_t sticky)
{
	return sticky < ARRAY_SIZE(stickies) ? stickies[sticky] : "unknown";
}

const char *dev_state_name(uint32_t state)
{
	return state < ARRAY_SIZE(states) ? states[state] : "unknown";
}

/* The kernel's rules for names (dev_valid_name()). */
int parse_dev_name(const char *s, char *name)
{
	size_t n = strlen(s), i;

	if (!n || n >= IFNAMSIZ)
		return usage_error("device name \"%s\" is not 1..%d characters long", s,
				   IFNAMSIZ - 1);
	if (!strcmp(s, ".") || !strcmp(s, ".."))
		return usage_error("\"%s\" is not a device name", s);
	for (i = 0; i < n; i++)
		if (strchr("/: \t\n\v\f\r\xa0", s[i]))
			return usage_error("device name \"%s\" has a blank, '/' or ':'", s);
	memcpy(name, s, n + 1);
	return ST_OK;
}

static int take_dev(int *argc, char ***argv, char *name)
{
	if (*argc < 1)
		return usage_error("the name of the device is missing (any: every device)");
	(*argc)--;
	return parse_dev_name(*(*argv)++, name);
}

static const char *const set_words[] = { "map", "trust", "scope", "sticky", "absent" };

static bool is_set_word(const char *s)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(set_words); i++)
		if (!strcmp(s, set_words[i]))
			return true;
	return false;
}

#define MASK_IS								\
	"MASK is the six bits, side by side, of the conntrack mark that are the class, as 0xfc or 0xfc0000"

/*
 * What follows trust ctmark: MASK, and STATEMASK if there is a number, which no other
 * word begins like. Return: ST_OK, and how many there are in *n.
 */
static int parse_ctmark(int argc, char **argv, struct dev_change *c, int *n)
{
	uint32_t class = NF_FLOW_QOS_CLASSES - 1;
	int err;

	*n = 0;
	if (argc < 1 || is_set_word(argv[0]))
		return usage_error("trust ctmark needs a MASK: " MASK_IS);
	if (!isdigit((unsigned char)argv[0][0]))
		return usage_error("mask \"%s\" is not a number (0x..., or decimal): " MASK_IS,
				   argv[0]);
	err = parse_u32("mask", argv[0], 0, UINT32_MAX, &c->ctmark_mask);
	if (err)
		return err;
	while (class < c->ctmark_mask && class << 1 > class)
		class <<= 1;
	if (class != c->ctmark_mask)
		return usage_error("mask %s is not six bits side by side: " MASK_IS, argv[0]);
	c->named |= DEV_CTMARK;
	*n = 1;

	if (argc < 2 || !isdigit((unsigned char)argv[1][0]))
		return ST_OK;
	err = parse_u32("statemask", argv[1], 0, UINT32_MAX, &c->ctmark_statemask);
	if (err)
		return err;
	if (!c->ctmark_statemask)
		return usage_error("statemask %s never counts: leave it out for one that always does",
				   argv[1]);
	if (c->ctmark_statemask & c->ctmark_mask)
		return usage_error("statemask %s has bits of the mask %s: it has to be apart from these",
				   argv[1], argv[0]);
	*n = 2;
	return ST_OK;
}

int parse_dev_set(int argc, char **argv, struct dev_change *c)
{
	int err;

	memset(c, 0, sizeof(*c));
	err = take_dev(&argc, &argv, c->name);
	for (; !err && argc > 0; argc--, argv++) {
		const char *word = argv[0];
		uint32_t bit;
		int masks;

		if (!is_set_word(word))
			return usage_error("unknown word \"%s\"", word);
		if (!strcmp(word, "map"))
			bit = DEV_MAP;
		else if (!strcmp(word, "trust"))
			bit = DEV_TRUST;
		else if (!strcmp(word, "scope"))
			bit = DEV_SCOPE;
		else if (!strcmp(word, "sticky"))
			bit = DEV_STICKY;
		else
			bit = DEV_ABSENT;
		if (c->named & bit)
			return usage_error("%s is given twice", word);
		c->named |= bit;
		if (bit == DEV_ABSENT)
			continue;
		argc--;
		argv++;
		if (!argc)
			return usage_error("%s needs a value", word);
		if (bit == DEV_MAP)
			err = parse_map_name(argv[0], c->map);
		else if (bit == DEV_TRUST)
			err = parse_word("trust", argv[0], trusts, ARRAY_SIZE(trusts),
					 &c->trust);
		else if (bit == DEV_SCOPE)
			err = parse_word("scope", argv[0], scopes, ARRAY_SIZE(scopes),
					 &c->scope);
		else
			err = parse_word("sticky", argv[0], stickies,
					 ARRAY_SIZE(stickies), &c->sticky);
		if (err || bit != DEV_TRUST || c->trust != NF_FLOW_QOS_TRUST_CTMARK)
			continue;
		err = parse_ctmark(argc - 1, argv + 1, c, &masks);
		argc -= masks;
		argv += masks;
	}
	return err;
}

void put_dev_change(struct msg *m, const struct dev_change *c)
{
	msg_str(m, NF_FLOW_QOS_A_DEV_NAME, c->name);
	if (c->named & DEV_MAP)
		msg_str(m, NF_FLOW_QOS_A_DEV_MAP, c->map);
	if (c->named & DEV_TRUST)
		msg_u32(m, NF_FLOW_QOS_A_DEV_TRUST, c->trust);
	if (c->named & DEV_CTMARK)
		msg_u32(m, NF_FLOW_QOS_A_DEV_CTMARK_MASK, c->ctmark_mask);
	if (c->named & DEV_CTMARK && c->ctmark_statemask)
		msg_u32(m, NF_FLOW_QOS_A_DEV_CTMARK_STATEMASK, c->ctmark_statemask);
	if (c->named & DEV_SCOPE)
		msg_u32(m, NF_FLOW_QOS_A_DEV_SCOPE, c->scope);
	if (c->named & DEV_STICKY)
		msg_u32(m, NF_FLOW_QOS_A_DEV_STICKY, c->sticky);
	if (c->named & DEV_ABSENT)
		msg_put(m, NF_FLOW_QOS_A_DEV_ABSENT, NULL, 0);
}

void dev_decode(const struct nlmsghdr *nlh, struct dev *dev)
{
	const struct nlattr *tb[NF_FLOW_QOS_A_DEV_MAX + 1];
	char reason[512];

	memset(dev, 0, sizeof(*dev));
	attrs_of(nlh, tb, NF_FLOW_QOS_A_DEV_MAX);
	attr_str(tb[NF_FLOW_QOS_A_DEV_NAME], dev->name, sizeof(dev->name));
	attr_str(tb[NF_FLOW_QOS_A_DEV_MAP], dev->map, sizeof(dev->map));
	dev->ifindex = attr_u32(tb[NF_FLOW_QOS_A_DEV_IFINDEX], 0);
	dev->trust = attr_u32(tb[NF_FLOW_QOS_A_DEV_TRUST], 0);
	dev->ctmark_mask = attr_u32(tb[NF_FLOW_QOS_A_DEV_CTMARK_MASK], 0);
	dev->ctmark_statemask = attr_u32(tb[NF_FLOW_QOS_A_DEV_CTMARK_STATEMASK], 0);
	dev->scope = attr_u32(tb[NF_FLOW_QOS_A_DEV_SCOPE], 0);
	dev->sticky = attr_u32(tb[NF_FLOW_QOS_A_DEV_STICKY], 0);
	dev->state = attr_u32(tb[NF_FLOW_QOS_A_DEV_STATE], UINT32_MAX);
	dev->generation = attr_u32(tb[NF_FLOW_QOS_A_DEV_GENERATION], 0);
	if (attr_str(tb[NF_FLOW_QOS_A_DEV_REASON], reason, sizeof(reason)) && reason[0])
		dev->reason = xstrdup(reason);
}

int devs_collect(const struct nlmsghdr *nlh, void *data)
{
	struct devs *devs = data;

	devs->v = xrealloc(devs->v, devs->n + 1, sizeof(*devs->v));
	dev_decode(nlh, &devs->v[devs->n++]);
	return ST_OK;
}

static int dev_order(const void *a, const void *b)
{
	const struct dev *x = a, *y = b;

	if (!strcmp(x->name, "any") || !strcmp(y->name, "any"))
		return strcmp(y->name, "any") ? -1 : strcmp(x->name, "any") != 0;
	return strcmp(x->name, y->name);
}

void devs_sort(struct devs *devs)
{
	if (devs->n)
		qsort(devs->v, devs->n, sizeof(*devs->v), dev_order);
}

void devs_free(struct devs *devs)
{
	size_t i;

	for (i = 0; i < devs->n; i++)
		free(devs->v[i].reason);
	free(devs->v);
	memset(devs, 0, sizeof(*devs));
}

/* Masks are read in bits. */
static void print_mask(const char *key, const char *head, uint32_t mask)
{
	char buf[16];

	if (!mask)
		return;
	snprintf(buf, sizeof(buf), "0x%x", mask);
	out_u64(key, head, mask, buf);
}

/* Inside an item. Keys that an event of a binding lacks are left out. */
void dev_print_keys(const struct dev *dev)
{
	out_str("dev", "DEV", dev->name);
	if (dev->ifindex)
		out_u64("ifindex", "IFINDEX", dev->ifindex, NULL);
	if (dev->map[0]) {
		out_str("map", "MAP", dev->map);
		out_str("trust", "TRUST", trust_name(dev->trust));
		print_mask("ctmark_mask", "MASK", dev->ctmark_mask);
		print_mask("ctmark_statemask", "STATEMASK", dev->ctmark_statemask);
		out_str("scope", "SCOPE", scope_name(dev->scope));
		if (opts.json || dev->sticky)
			out_str("sticky", "STICKY", sticky_name(dev->sticky));
	}
	if (dev->state != UINT32_MAX)
		out_str("state", "STATE", dev_state_name(dev->state));
	if (dev->reason)
		out_str("reason", "REASON", dev->reason);
}

void devs_print(const char *key, const char *title, const struct devs *devs)
{
	static const char *const columns[] = {
		"DEV", "IFINDEX", "MAP", "TRUST", "MASK", "STATEMASK", "SCOPE", "STICKY", "STATE",
		"REASON", NULL,
	};
	size_t i;

	out_list(key, title);
	out_columns(columns);
	for (i = 0; i < devs->n; i++) {
		out_item();
		dev_print_keys(&devs->v[i]);
		out_item_end();
	}
	out_list_end();
}

int dev_show(int argc, char **argv)
{
	struct devs devs = { 0 };
	char name[IFNAMSIZ];
	struct msg m;
	int ret;

	if (argc) {
		ret = take_dev(&argc, &argv, name);
		if (!ret)
			ret = no_more(argc, argv);
		if (ret)
			return ret;
		msg_init(&m, NF_FLOW_QOS_CMD_DEV_GET, 0, "device \"%s\"", name);
		msg_str(&m, NF_FLOW_QOS_A_DEV_NAME, name);
	} else {
		msg_init(&m, NF_FLOW_QOS_CMD_DEV_GET, NLM_F_DUMP, "%s", "");
	}
	ret = nl_run(&m, devs_collect, &devs);
	if (!ret) {
		devs_sort(&devs);
		out_begin();
		devs_print(NULL, NULL, &devs);
		ret = out_end();
	}
	devs_free(&devs);
	return ret;
}

int dev_set(int argc, char **argv)
{
	struct dev_change c;
	struct msg m;
	int ret;

	ret = parse_dev_set(argc, argv, &c);
	if (ret)
		return ret;
	msg_init(&m, NF_FLOW_QOS_CMD_DEV_SET, 0, "device \"%s\"", c.name);
	put_dev_change(&m, &c);
	return nl_run(&m, NULL, NULL);
}

int dev_del(int argc, char **argv)
{
	char name[IFNAMSIZ];
	struct msg m;
	int ret;

	ret = take_dev(&argc, &argv, name);
	if (!ret)
		ret = no_more(argc, argv);
	if (ret)
		return ret;
	msg_init(&m, NF_FLOW_QOS_CMD_DEV_DEL, 0, "device \"%s\"", name);
	msg_str(&m, NF_FLOW_QOS_A_DEV_NAME, name);
	return nl_run(&m, NULL, NULL);
}
