// SPDX-License-Identifier: GPL-2.0
/* Save: the configuration as the commands that make it. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model.h"
#include "parse.h"

#define CLASSES NF_FLOW_QOS_CLASSES
#define TRIES 5

/* Classes that get the same as class i and are not built in like that. */
static uint64_t changed_like(const struct map *map, const struct entry *builtin,
			     uint32_t i, uint32_t *acts)
{
	uint64_t set = 0;
	uint32_t j;

	*acts = 0;
	for (j = 0; j < CLASSES; j++) {
		if (entry_equal(&map->e[j], &builtin[j]) ||
		    !entry_equal(&map->e[i], &map->e[j]))
			continue;
		if (map->e[j].prio != builtin[j].prio)
			*acts |= ACT_PRIO;
		if (map->e[j].pcp != builtin[j].pcp)
			*acts |= ACT_PCP;
		if (map->e[j].dscp != builtin[j].dscp)
			*acts |= ACT_DSCP;
		set |= BIT64(j);
	}
	return set;
}

static void save_map(FILE *f, const struct map *map)
{
	char classes[CLASSES_TEXT_MAX], buf[24];
	struct entry builtin[CLASSES];
	uint64_t done = 0, set;
	uint32_t i, acts;

	builtin_entries(builtin);
	if (strcmp(map->name, "default"))
		fprintf(f, "map add %s\n", map->name);
	for (i = 0; i < CLASSES; i++) {
		const struct entry *e = &map->e[i];

		if (done & BIT64(i) || entry_equal(e, &builtin[i]))
			continue;
		set = changed_like(map, builtin, i, &acts);
		done |= set;
		fprintf(f, "map set %s %s", map->name,
			classes_text(set, classes, sizeof(classes)));
		if (acts & ACT_PRIO)
			fprintf(f, " prio %s", prio_text(e->prio, buf, sizeof(buf)));
		if (acts & ACT_PCP)
			fprintf(f, " pcp %s", pcp_text(e->pcp, buf, sizeof(buf)));
		if (acts & ACT_DSCP)
			fprintf(f, " dscp %s", dscp_text(e->dscp, buf, sizeof(buf)));
		fputc('\n', f);
	}
}

static void save_dev(FILE *f, const struct dev *d)
{
	char trust[TRUST_TEXT_MAX];

	fputs("dev set ", f);
	word_write(f, d->name);
	/* All of it: with -b the binding may be there, and keeps what is not named. */
	fprintf(f, " map %s trust %s scope %s sticky %s", d->map,
		trust_text(d, trust, sizeof(trust)), scope_name(d->scope),
		sticky_name(d->sticky));
	fputs(strcmp(d->name, "any") ? " absent\n" : "\n", f);
}

void save_text(FILE *f, const struct maps *maps, const struct devs *devs,
	       const struct limits *limits)
{
	size_t i;

	fputs("# Configuration of nf_flow_qos, for ftqos restore or ftqos -b.\n", f);
	fprintf(f, "config set flow-limit %u flow-timeout %u\n", limits->flow_limit,
		limits->flow_timeout);
	for (i = 0; i < maps->n; i++)
		save_map(f, &maps->v[i]);
	for (i = 0; i < devs->n; i++)
		save_dev(f, &devs->v[i]);
}

static int map_generation(const struct nlmsghdr *nlh, void *data)
{
	struct map map;

	map_decode(nlh, &map);
	*(uint32_t *)data = map.generation;
	return ST_OK;
}

static int collect_once(struct maps *maps, struct devs *devs, struct limits *limits,
			bool *changed)
{
	uint32_t generation = 0;
	struct msg m;
	int ret;

	msg_init(&m, NF_FLOW_QOS_CMD_MAP_GET, NLM_F_DUMP, "%s", "");
	ret = nl_run(&m, maps_collect, maps);
	if (ret)
		return ret;
	msg_init(&m, NF_FLOW_QOS_CMD_DEV_GET, NLM_F_DUMP, "%s", "");
	ret = nl_run(&m, devs_collect, devs);
	if (ret)
		return ret;
	msg_init(&m, NF_FLOW_QOS_CMD_CONFIG_GET, 0, "%s", "");
	ret = nl_run(&m, limits_decode, limits);
	if (ret)
		return ret;
	msg_init(&m, NF_FLOW_QOS_CMD_MAP_GET, 0, "%s", "");
	msg_str(&m, NF_FLOW_QOS_A_MAP_NAME, "default");
	ret = nl_run(&m, map_generation, &generation);
	*changed = !maps->n || generation != maps->v[0].generation;
	return ret;
}

/* Three answers of one moment: none changed from the first to the last. */
static int collect(struct maps *maps, struct devs *devs, struct limits *limits)
{
	bool changed = true;
	int i, ret = ST_OK;

	for (i = 0; i < TRIES && changed && !ret; i++) {
		maps->n = 0;
		devs_free(devs);
		ret = collect_once(maps, devs, limits, &changed);
	}
	if (!ret && changed)
		ret = refuse("the configuration kept changing while it was read; try again");
	maps_sort(maps);
	devs_sort(devs);
	return ret;
}

static int write_file(FILE *f, const char *text, size_t n, const char *name)
{
	bool bad = fwrite(text, 1, n, f) != n || fflush(f) || ferror(f);

	if (bad)
		return refuse("cannot write \"%s\": %s", name, strerror(errno));
	return ST_OK;
}

/* A new file takes the place of the old one, so there is never half of one. */
static int replace_file(const char *name, const char *text, size_t n, mode_t mode,
			const struct stat *old)
{
	char path[PATH_MAX];
	int fd, ret;
	FILE *f;

	if ((size_t)snprintf(path, sizeof(path), "%s.XXXXXX", name) >= sizeof(path))
		return refuse("cannot write \"%s\": %s", name, strerror(ENAMETOOLONG));
	fd = mkstemp(path);
	if (fd < 0)
		return refuse("cannot write \"%s\": %s", name, strerror(errno));
	f = fdopen(fd, "w");
	if (!f) {
		ret = refuse("cannot write \"%s\": %s", name, strerror(errno));
		close(fd);
		unlink(path);
		return ret;
	}
	ret = write_file(f, text, n, name);
	/* Before the mode, some of whose bits a new owner takes away. */
	if (!ret && old && fchown(fd, old->st_uid, old->st_gid))
		ret = refuse("cannot keep the owner of \"%s\": %s", name,
			     strerror(errno));
	if (!ret && (fchmod(fd, mode) || fsync(fd)))
		ret = refuse("cannot write \"%s\": %s", name, strerror(errno));
	fclose(f);
	if (!ret && rename(path, name))
		ret = refuse("cannot write \"%s\": %s", name, strerror(errno));
	if (ret)
		unlink(path);
	return ret;
}

int save_to(const char *name, const char *text, size_t n)
{
	char real[PATH_MAX];
	mode_t mask = umask(0);
	struct stat st;
	FILE *f;
	int ret;

	umask(mask);
	if (!strcmp(name, "-"))
		return write_file(stdout, text, n, "standard output");
	/* A link to a file that is not there yet: it is made through the link. */
	if (stat(name, &st) && lstat(name, &st))
		return replace_file(name, text, n, 0666 & ~mask, NULL);
	if (S_ISREG(st.st_mode)) {
		/* Through a symbolic link: the link stays. */
		if (!realpath(name, real))
			return refuse("cannot write \"%s\": %s", name, strerror(errno));
		return replace_file(real, text, n, st.st_mode & 07777, &st);
	}
	f = fopen(name, "we");
	if (!f)
		return refuse("cannot write \"%s\": %s", name, strerror(errno));
	ret = write_file(f, text, n, name);
	fclose(f);
	return ret;
}

int save(int argc, char **argv)
{
	struct maps maps = { 0 };
	struct devs devs = { 0 };
	struct limits limits = { 0 };
	char *text = NULL;
	size_t n = 0;
	FILE *mem;
	int ret;

	ret = argc ? no_more(argc - 1, argv + 1) : ST_OK;
	if (ret)
		return ret;
	ret = collect(&maps, &devs, &limits);
	if (!ret) {
		mem = open_memstream(&text, &n);
		if (!mem) {
			ret = refuse("out of memory");
		} else {
			save_text(mem, &maps, &devs, &limits);
			fclose(mem);
			ret = save_to(argc ? argv[0] : "-", text, n);
			free(text);
		}
	}
	free(maps.v);
	devs_free(&devs);
	return ret;
}
