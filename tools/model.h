/* SPDX-License-Identifier: GPL-2.0 */
/* Maps, bindings and limits as the command holds them. */
#ifndef FTQOS_MODEL_H
#define FTQOS_MODEL_H

#include <linux/nf_flow_qos.h>
#include <net/if.h>

#include "ftqos.h"
#include "nl.h"

#define KEEP (-1)
#define ACT_PRIO NF_FLOW_QOS_ACTION_PRIO
#define ACT_PCP NF_FLOW_QOS_ACTION_PCP
#define ACT_DSCP NF_FLOW_QOS_ACTION_DSCP

/* What one class gets. */
struct entry {
	int64_t prio;		/* skb->priority, or KEEP */
	int pcp;		/* 0..7, NF_FLOW_QOS_PCP_VLAN, or KEEP */
	int dscp;		/* 0..63, or KEEP */
};

struct map {
	char name[NF_FLOW_QOS_NAME_MAX + 1];
	struct entry e[NF_FLOW_QOS_CLASSES];
	uint32_t bound;
	uint32_t generation;
};

struct dev {
	char name[IFNAMSIZ];
	uint32_t ifindex;	/* 0: none */
	char map[NF_FLOW_QOS_NAME_MAX + 1];
	uint32_t trust;
	uint32_t ctmark_mask;	/* 0: none */
	uint32_t ctmark_statemask;
	uint32_t scope;
	uint32_t sticky;
	uint32_t state;
	char *reason;		/* or NULL */
	uint32_t generation;
};

struct limits {
	uint32_t flow_limit;
	uint32_t flow_timeout;
};

/* A change: the actions in acts, for the classes in classes. */
struct map_change {
	char name[NF_FLOW_QOS_NAME_MAX + 1];
	uint64_t classes;
	uint32_t acts;
	struct entry e;
};

enum map_source { SOURCE_BUILTIN, SOURCE_PRESET, SOURCE_MAP };

struct map_new {
	char name[NF_FLOW_QOS_NAME_MAX + 1];
	enum map_source source;
	char from[NF_FLOW_QOS_NAME_MAX + 1];
	struct entry e[NF_FLOW_QOS_CLASSES];	/* SOURCE_PRESET */
};

#define DEV_MAP 1
#define DEV_TRUST 2
#define DEV_SCOPE 4
#define DEV_ABSENT 8
#define DEV_CTMARK 16
#define DEV_STICKY 32

struct dev_change {
	char name[IFNAMSIZ];
	uint32_t named;		/* DEV_* bits of what the words name */
	char map[NF_FLOW_QOS_NAME_MAX + 1];
	uint32_t trust;
	uint32_t ctmark_mask;	/* DEV_CTMARK: both masks */
	uint32_t ctmark_statemask;
	uint32_t scope;
	uint32_t sticky;
};

#define LIMIT_FLOWS 1
#define LIMIT_TIMEOUT 2

struct limits_change {
	uint32_t named;
	struct limits v;
};

struct maps {
	struct map *v;
	size_t n;
};

struct devs {
	struct dev *v;
	size_t n;
};

/* map.c */
void builtin_entries(struct entry *e);
bool entry_equal(const struct entry *a, const struct entry *b);
int parse_map_name(const char *s, char *name);
int parse_map_set(int argc, char **argv, struct map_change *c);
int parse_map_add(int argc, char **argv, struct map_new *n);
void put_entry(struct msg *m, uint32_t class, uint32_t acts, const struct entry *e);
void map_decode(const struct nlmsghdr *nlh, struct map *map);
int maps_collect(const struct nlmsghdr *nlh, void *data);
void maps_sort(struct maps *maps);
void map_print_keys(const struct map *map);
const char *prio_text(int64_t prio, char *buf, size_t size);
const char *pcp_text(int pcp, char *buf, size_t size);
const char *dscp_text(int dscp, char *buf, size_t size);

/* dev.c */
int parse_dev_name(const char *s, char *name);
int parse_dev_set(int argc, char **argv, struct dev_change *c);
void put_dev_change(struct msg *m, const struct dev_change *c);
const char *trust_name(uint32_t trust);
/* With its masks, as dev set takes it. */
#define TRUST_TEXT_MAX 32
const char *trust_text(const struct dev *dev, char *buf, size_t size);
const char *scope_name(uint32_t scope);
const char *sticky_name(uint32_t sticky);
const char *dev_state_name(uint32_t state);
void dev_decode(const struct nlmsghdr *nlh, struct dev *dev);
int devs_collect(const struct nlmsghdr *nlh, void *data);
void devs_sort(struct devs *devs);
void devs_free(struct devs *devs);
void devs_print(const char *key, const char *title, const struct devs *devs);
void dev_print_keys(const struct dev *dev);

/* flow.c */
void flow_print_keys(const struct nlmsghdr *nlh);
void flow_print_line(const struct nlmsghdr *nlh);
/* Devices may have other names than when they were printed last. */
void flow_devices_changed(void);

/* stats.c */
int parse_config_set(int argc, char **argv, struct limits_change *c);
int limits_decode(const struct nlmsghdr *nlh, void *data);
void limits_print_keys(const struct limits *v);

/* preset.c */
#define PRESET_DESC_MAX 160

enum preset_kind { PRESET_PCP, PRESET_WIFI, PRESET_VLAN, PRESET_CONSTANT };

struct preset {
	char name[NF_FLOW_QOS_NAME_MAX + 1];
	char description[PRESET_DESC_MAX];
	enum preset_kind kind;
	uint8_t value[NF_FLOW_QOS_CLASSES];
};

const char *preset_dir(void);
int preset_load(const char *name, struct preset *p);
void preset_entries(const struct preset *p, struct entry *e);
/* All presets, sorted; *list is the caller's to free. */
int preset_list(struct preset **list, size_t *n);

/* save.c */
/* Over a file; "-" is standard output. */
int save_to(const char *name, const char *text, size_t n);
void save_text(FILE *f, const struct maps *maps, const struct devs *devs,
	       const struct limits *limits);

#endif
