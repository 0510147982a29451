// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration: read, compared, restored, and whether a client could have set it.
 */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "config.h"
#include "report.h"

uint32_t config_limit = SPEC_FLOW_LIMIT_MAX;

/* What the messages of a dump are read into. */
struct reading {
	struct config	*config;
	uint32_t	generation;
	bool		changed;
};

static uint32_t value_of(const struct nlattr *attr)
{
	uint32_t value;

	memcpy(&value, attr + 1, sizeof(value));
	return value;
}

static void text_of(const struct nlattr *attr, char *text, size_t size)
{
	snprintf(text, size, "%.*s", attr->nla_len - NLA_HDRLEN, (const char *)(attr + 1));
}

/* What check_reply() has found to be well formed is taken as it comes. */
#define for_each_attr(attr, type, data, len)						\
	for (attr = (const struct nlattr *)(data);					\
	     (const uint8_t *)attr + NLA_HDRLEN <= (const uint8_t *)(data) + (len) &&	\
	     attr->nla_len >= NLA_HDRLEN &&						\
	     (type = attr->nla_type & NLA_TYPE_MASK, true);				\
	     attr = (const struct nlattr *)((const uint8_t *)attr +			\
					    NLA_ALIGN(attr->nla_len)))

static bool is(const struct set *set, unsigned int type, const char *name)
{
	return type <= set->last && set->has & BIT64(type) &&
	       !strcmp(set->attr[type].name, name);
}

static void seen_generation(struct reading *reading, uint32_t generation)
{
	if (reading->generation && reading->generation != generation)
		reading->changed = true;
	reading->generation = generation;
}

static void read_entry(const struct nlattr *nest, struct config_map *map)
{
	struct config_entry *entry = &map->entry[map->nr];
	const struct nlattr *attr;
	unsigned int type;

	if (map->nr == SPEC_CLASSES) {
		fault("map %s: more than 64 entries", map->name);
		return;
	}
	map->nr++;
	for_each_attr(attr, type, nest + 1, nest->nla_len - NLA_HDRLEN) {
		if (is(&set_entry, type, "class"))
			entry->class = value_of(attr);
		else if (is(&set_entry, type, "prio"))
			entry->prio = value_of(attr);
		else if (is(&set_entry, type, "pcp"))
			entry->pcp = value_of(attr);
		else if (is(&set_entry, type, "dscp"))
			entry->dscp = value_of(attr);
		else if (is(&set_entry, type, "keep"))
			entry->keep = value_of(attr);
		entry->given |= 1U << type;
	}
}

static void read_map(struct reading *reading, const struct nlmsghdr *nlh)
{
	const uint8_t *data = (const uint8_t *)nlh + MESSAGE_HEAD;
	size_t len = nlh->nlmsg_len - MESSAGE_HEAD;
	struct config *config = reading->config;
	struct config_map *map = &config->map[config->nr_maps];
	const struct nlattr *attr;
	unsigned int type;

	if (config->nr_maps > SPEC_MAPS_MAX)
		return;
	config->nr_maps++;
	for_each_attr(attr, type, data, len) {
		if (is(&set_map, type, "name"))
			text_of(attr, map->name, sizeof(map->name));
		else if (is(&set_map, type, "bound"))
			map->bound = value_of(attr);
		else if (is(&set_map, type, "generation"))
			seen_generation(reading, value_of(attr));
		else if (is(&set_map, type, "entry"))
			read_entry(attr, map);
	}
}

static void read_dev(struct reading *reading, const struct nlmsghdr *nlh)
{
	const uint8_t *data = (const uint8_t *)nlh + MESSAGE_HEAD;
	size_t len = nlh->nlmsg_len - MESSAGE_HEAD;
	struct config *config = reading->config;
	struct config_dev *dev = &config->dev[config->nr_devs];
	const struct nlattr *attr;
	unsigned int type;

	if (config->nr_devs > SPEC_DEVS_MAX)
		return;
	config->nr_devs++;
	for_each_attr(attr, type, data, len) {
		if (is(&set_dev, type, "name"))
			text_of(attr, dev->name, sizeof(dev->name));
		else if (is(&set_dev, type, "map"))
			text_of(attr, dev->map, sizeof(dev->map));
		else if (is(&set_dev, type, "trust"))
			dev->trust = value_of(attr);
		else if (is(&set_dev, type, "scope"))
			dev->scope = value_of(attr);
		else if (is(&set_dev, type, "sticky"))
			dev->sticky = value_of(attr);
		else if (is(&set_dev, type, "ctmark-mask"))
			dev->mask = value_of(attr);
		else if (is(&set_dev, type, "ctmark-statemask"))
			dev->statemask = value_of(attr);
		else if (is(&set_dev, type, "ifindex"))
			dev->ifindex = value_of(attr);
		else if (is(&set_dev, type, "state"))
			dev->state = value_of(attr);
		else if (is(&set_dev, type, "generation"))
			seen_generation(reading, value_of(attr));
	}
}

static void read_reply(const struct nlmsghdr *nlh, const struct op *asked, void *arg)
{
	const uint8_t *data = (const uint8_t *)nlh + MESSAGE_HEAD;
	size_t len = nlh->nlmsg_len - MESSAGE_HEAD;
	struct reading *reading = arg;
	const struct nlattr *attr;
	unsigned int type;

	check_reply(nlh, asked, NULL);
	if (!asked)
		return;
	if (asked->set == &set_map) {
		read_map(reading, nlh);
	} else if (asked->set == &set_dev) {
		read_dev(reading, nlh);
	} else if (asked->set == &set_config) {
		for_each_attr(attr, type, data, len) {
			if (is(&set_config, type, "flow-limit"))
				reading->config->limit = value_of(attr);
			else if (is(&set_config, type, "flow-timeout"))
				reading->config->timeout = value_of(attr);
		}
	}
}

/* Ask for one part of it. */
static void read_part(struct link *link, const char *op, bool dump, const char *name,
		      struct reading *reading)
{
	static struct message msg;
	struct answer answer;

	message_begin(&msg, family.id, op_number(op),
		      NLM_F_REQUEST | NLM_F_ACK | (dump ? NLM_F_DUMP : 0));
	if (name)
		message_put(&msg, &set_map, 0, attr_number(&set_map, "name"), name,
			    strlen(name) + 1);
	message_end(&msg);
	link_ask(link, &msg, &answer, read_reply, reading);
	if (!answer.over || answer.error)
		fault("cannot read the configuration: %s: %d, %s", op, answer.error,
		      answer.over ? answer.text : "no answer");
	reading->changed |= answer.interrupted;
}

bool config_read(struct link *link, struct config *config)
{
	static struct config again;
	struct reading last = { .config = &again };
	struct reading reading = { .config = config };
	unsigned int tries;

	for (tries = 0; tries < 50; tries++) {
		memset(config, 0, sizeof(*config));
		reading.generation = 0;
		reading.changed = false;
		read_part(link, "map-get", true, NULL, &reading);
		read_part(link, "dev-get", true, NULL, &reading);
		read_part(link, "config-get", false, NULL, &reading);
		config->generation = reading.generation;
		/* Whether it was one piece is told by the generation at the end. */
		again.nr_maps = 0;
		again.map[0].nr = 0;
		last.generation = 0;
		read_part(link, "map-get", false, "default", &last);
		if (!reading.changed && last.generation == reading.generation)
			return true;
	}
	return false;
}

static void check_map(const struct config *config, const struct config_map *map)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";
	static const char *const actions[] = { "prio", "pcp", "dscp" };
	const struct config_entry *entry;
	unsigned int i, a, bound = 0;
	bool given, kept;

	if (!map->name[0] || strspn(map->name, letters) != strlen(map->name))
		fault("a map is called \"%s\"", map->name);
	for (i = 0; &config->map[i] != map; i++)
		if (!strcmp(config->map[i].name, map->name))
			fault("two maps are called %s", map->name);
	for (i = 0; i < config->nr_devs; i++)
		bound += !strcmp(config->dev[i].map, map->name);
	if (bound != map->bound)
		fault("map %s: bound %u times, not %u", map->name, bound, map->bound);
	if (map->nr != SPEC_CLASSES)
		fault("map %s: %u entries", map->name, map->nr);

	for (i = 0; i < map->nr; i++) {
		entry = &map->entry[i];
		if (entry->class != i)
			fault("map %s: class %u where %u should be", map->name,
			      entry->class, i);
		for (a = 0; a < 3; a++) {
			given = entry->given & 1U << attr_number(&set_entry, actions[a]);
			kept = entry->keep & 1U << a;
			if (given == kept)
				fault("map %s: %s of class %u is %s", map->name, actions[a],
				      i, given ? "set and kept" : "neither set nor kept");
		}
	}
}

static bool six_bits(uint32_t mask)
{
	return mask && !(mask & 1) ? six_bits(mask >> 1) : mask == 0x3f;
}

static void check_dev(const struct config *config, const struct config_dev *dev)
{
	bool ctmark = dev->trust == set_dev.attr[attr_number(&set_dev, "trust")].max;
	bool any = !strcmp(dev->name, "any");
	char name[IF_NAMESIZE];
	unsigned int i;

	if (!dev->name[0] || strpbrk(dev->name, "/: \t\n") || !strcmp(dev->name, ".") ||
	    !strcmp(dev->name, ".."))
		fault("a binding is called \"%s\"", dev->name);
	for (i = 0; &config->dev[i] != dev; i++)
		if (!strcmp(config->dev[i].name, dev->name))
			fault("%s is bound twice", dev->name);
	for (i = 0; i < config->nr_maps && strcmp(config->map[i].name, dev->map); i++)
		;
	if (i == config->nr_maps)
		fault("%s: its map %s is none", dev->name, dev->map);

	if (ctmark ? !six_bits(dev->mask) : dev->mask || dev->statemask)
		fault("%s: mask %#x/%#x with trust %u", dev->name, dev->mask,
		      dev->statemask, dev->trust);
	if (dev->mask & dev->statemask)
		fault("%s: statemask %#x has bits of %#x", dev->name, dev->statemask,
		      dev->mask);

	if (!any && !dev->ifindex != !dev->state)
		fault("%s: state %u, ifindex %u", dev->name, dev->state, dev->ifindex);
	if (any && dev->ifindex)
		fault("any has ifindex %u", dev->ifindex);
	if (dev->ifindex && (!if_indextoname(dev->ifindex, name) || strcmp(name, dev->name)))
		fault("%s: ifindex %u is another device's", dev->name, dev->ifindex);
}

void config_check(const struct config *config)
{
	unsigned int i;
	bool found = false;

	if (config->nr_maps > SPEC_MAPS_MAX || config->nr_devs > SPEC_DEVS_MAX)
		fault("%u maps, %u bindings", config->nr_maps, config->nr_devs);
	if (config->limit > config_limit || !config->timeout ||
	    config->timeout > SPEC_FLOW_TIMEOUT_MAX)
		fault("flow-limit %u, flow-timeout %u", config->limit, config->timeout);
	for (i = 0; i < config->nr_maps && i < SPEC_MAPS_MAX; i++) {
		check_map(config, &config->map[i]);
		found |= !strcmp(config->map[i].name, "default");
	}
	if (!found)
		fault("there is no map default");
	for (i = 0; i < config->nr_devs && i < SPEC_DEVS_MAX; i++)
		check_dev(config, &config->dev[i]);
}

static const struct config_map *same_map(const struct config *config, const char *name)
{
	unsigned int i;

	for (i = 0; i < config->nr_maps; i++)
		if (!strcmp(config->map[i].name, name))
			return &config->map[i];
	return NULL;
}

bool config_same(const struct config *a, const struct config *b, char *what, size_t size)
{
	const struct config_map *map;
	struct config_dev one, other;
	unsigned int i;

	snprintf(what, size, "%u and %u maps, %u and %u bindings", a->nr_maps, b->nr_maps,
		 a->nr_devs, b->nr_devs);
	if (a->nr_maps != b->nr_maps || a->nr_devs != b->nr_devs)
		return false;
	snprintf(what, size, "flow-limit %u and %u, flow-timeout %u and %u", a->limit,
		 b->limit, a->timeout, b->timeout);
	if (a->limit != b->limit || a->timeout != b->timeout)
		return false;
	for (i = 0; i < a->nr_maps; i++) {
		snprintf(what, size, "map %s", a->map[i].name);
		map = same_map(b, a->map[i].name);
		if (!map || memcmp(map, &a->map[i], sizeof(*map)))
			return false;
	}
	for (i = 0; i < a->nr_devs; i++) {
		snprintf(what, size, "binding %s", a->dev[i].name);
		one = a->dev[i];
		other = b->dev[i];
		/* What devices do meanwhile is nobody's configuration. */
		one.ifindex = 0;
		other.ifindex = 0;
		one.state = 0;
		other.state = 0;
		if (memcmp(&one, &other, sizeof(one)))
			return false;
	}
	return true;
}

static void put_value(struct message *msg, const struct set *set, const char *name,
		      uint32_t value)
{
	message_put(msg, set, set->has, attr_number(set, name), &value, sizeof(value));
}

static void put_text(struct message *msg, const struct set *set, const char *name,
		     const char *text)
{
	message_put(msg, set, set->has, attr_number(set, name), text, strlen(text) + 1);
}

static void put_map(struct message *msg, const struct config_map *map)
{
	const struct config_entry *entry;
	struct part *nest, *inner;
	unsigned int i;

	nest = message_nest(msg, &set_restore, set_restore.has,
			    attr_number(&set_restore, "map"));
	put_text(msg, &set_restore_map, "name", map->name);
	for (i = 0; i < map->nr; i++) {
		entry = &map->entry[i];
		inner = message_nest(msg, &set_restore_map, set_restore_map.has,
				     attr_number(&set_restore_map, "entry"));
		put_value(msg, &set_entry, "class", entry->class);
		if (!(entry->keep & 1))
			put_value(msg, &set_entry, "prio", entry->prio);
		if (!(entry->keep & 2))
			put_value(msg, &set_entry, "pcp", entry->pcp);
		if (!(entry->keep & 4))
			put_value(msg, &set_entry, "dscp", entry->dscp);
		put_value(msg, &set_entry, "keep", entry->keep);
		message_nest_end(msg, inner);
	}
	message_nest_end(msg, nest);
}

static void put_dev(struct message *msg, const struct config_dev *dev)
{
	const struct set *set = &set_restore_dev;
	struct part *nest;

	nest = message_nest(msg, &set_restore, set_restore.has,
			    attr_number(&set_restore, "dev"));
	put_text(msg, set, "name", dev->name);
	put_text(msg, set, "map", dev->map);
	put_value(msg, set, "trust", dev->trust);
	put_value(msg, set, "scope", dev->scope);
	put_value(msg, set, "sticky", dev->sticky);
	if (dev->mask)
		put_value(msg, set, "ctmark-mask", dev->mask);
	if (dev->statemask)
		put_value(msg, set, "ctmark-statemask", dev->statemask);
	message_put(msg, set, set->has, attr_number(set, "absent"), NULL, 0);
	message_nest_end(msg, nest);
}

void config_restore(const struct config *config, struct message *msg)
{
	struct part *nest;
	unsigned int i;

	message_begin(msg, family.id, op_number("restore"), NLM_F_REQUEST | NLM_F_ACK);
	for (i = 0; i < config->nr_maps; i++)
		put_map(msg, &config->map[i]);
	for (i = 0; i < config->nr_devs; i++)
		put_dev(msg, &config->dev[i]);
	nest = message_nest(msg, &set_restore, set_restore.has,
			    attr_number(&set_restore, "config"));
	put_value(msg, &set_restore_config, "flow-limit", config->limit);
	put_value(msg, &set_restore_config, "flow-timeout", config->timeout);
	message_nest_end(msg, nest);
	message_end(msg);
}
