// SPDX-License-Identifier: GPL-2.0
/*
 * Presets are files, NAME.preset:
 *
 *	# comment
 *	description WORDS...
 *	kind pcp|wifi|vlan|constant
 *	values N...			64 of 0..7, on this and further lines
 *
 * pcp: prio and pcp are the value. wifi: prio is 256 + value, which mac80211
 * takes as a user priority, and pcp is kept. vlan: prio is the value, pcp
 * comes from the VLAN device's egress-qos-map. constant: no values, the user
 * names one.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model.h"
#include "parse.h"

#ifndef PRESET_DIR
#define PRESET_DIR "/usr/local/share/ftqos/presets"
#endif
#define SUFFIX ".preset"
#define WIFI_BASE 256

/* Environment, then beside the command (a build tree), then installed. */
const char *preset_dir(void)
{
	const char *env = getenv("FTQOS_PRESETS");
	static char dir[4096];
	struct stat st;
	char *slash;
	ssize_t n;

	if (env && *env)
		return env;
	n = readlink("/proc/self/exe", dir, sizeof(dir) - sizeof("/presets"));
	if (n > 0) {
		dir[n] = '\0';
		slash = strrchr(dir, '/');
		if (slash) {
			strcpy(slash, "/presets");
			if (!stat(dir, &st) && S_ISDIR(st.st_mode))
				return dir;
		}
	}
	return PRESET_DIR;
}

static int parse_kind(const char *word, enum preset_kind *kind)
{
	static const char *const words[] = { "pcp", "wifi", "vlan", "constant" };
	uint32_t v;
	int err = parse_word("kind", word, words, ARRAY_SIZE(words), &v);

	if (!err)
		*kind = (enum preset_kind)v;
	return err;
}

static int take_values(struct preset *p, const struct words *w, int i, size_t *n)
{
	uint32_t v;
	int err;

	for (; i < w->n; i++) {
		if (*n == NF_FLOW_QOS_CLASSES)
			return usage_error("more than %d values", NF_FLOW_QOS_CLASSES);
		err = parse_u32("value", w->v[i], 0, 7, &v);
		if (err)
			return err;
		p->value[(*n)++] = (uint8_t)v;
	}
	return ST_OK;
}

static int take_line(struct preset *p, const struct words *w, bool *kind,
		     bool *values, size_t *n)
{
	size_t len = 0;
	int i;

	if (!strcmp(w->v[0], "description")) {
		for (i = 1; i < w->n && len < PRESET_DESC_MAX; i++)
			len += (size_t)snprintf(p->description + len,
						PRESET_DESC_MAX - len, "%s%s",
						i > 1 ? " " : "", w->v[i]);
		return ST_OK;
	}
	if (!strcmp(w->v[0], "kind") && w->n == 2) {
		*kind = true;
		return parse_kind(w->v[1], &p->kind);
	}
	if (!strcmp(w->v[0], "values")) {
		*values = true;
		return take_values(p, w, 1, n);
	}
	if (*values)
		return take_values(p, w, 0, n);
	return usage_error("unknown word \"%s\"", w->v[0]);
}

static int preset_read(FILE *f, struct preset *p, unsigned int *at)
{
	bool kind = false, values = false;
	unsigned int line = 1;
	size_t n = 0, want;
	struct words w;
	int got, err;

	for (;;) {
		got = words_read(f, &line, at, &w);
		if (got < 0 && errno)
			return refuse("%s", strerror(errno));
		/* The reason is in last_error. */
		if (got < 0)
			return ST_REFUSED;
		if (!got)
			break;
		err = take_line(p, &w, &kind, &values, &n);
		words_free(&w);
		if (err)
			return ST_REFUSED;
	}
	want = p->kind == PRESET_CONSTANT ? 0 : NF_FLOW_QOS_CLASSES;
	if (!kind || n != want)
		return refuse("a preset has a kind and %zu values, this one %zu", want, n);
	return ST_OK;
}

static int preset_open(const char *name, struct preset *p)
{
	char path[4096 + 64], text[ERROR_MAX];
	bool mute = error_mute;
	unsigned int line = 1;
	FILE *f;
	int ret;

	memset(p, 0, sizeof(*p));
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(path, sizeof(path), "%s/%s" SUFFIX, preset_dir(), name);
	f = fopen(path, "re");
	if (!f) {
		if (errno == ENOENT)
			return refuse("unknown preset \"%s\"; 'ftqos map presets' lists them",
				      name);
		return refuse("cannot read %s: %s", path, strerror(errno));
	}
	/* In a batch the error begins with the batch's line, not the preset's. */
	error_mute = true;
	ret = preset_read(f, p, &line);
	error_mute = mute;
	fclose(f);
	if (!ret)
		return ST_OK;
	snprintf(text, sizeof(text), "%s", last_error);
	return refuse("%s:%u: %s", path, line, text);
}

/* The name becomes a file name. */
static bool preset_name(const char *name, size_t n)
{
	return n && n <= NF_FLOW_QOS_NAME_MAX && name[0] != '.' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") >= n;
}

int preset_load(const char *name, struct preset *p)
{
	if (!preset_name(name, strlen(name)))
		return refuse("unknown preset \"%s\"; 'ftqos map presets' lists them", name);
	return preset_open(name, p);
}

void preset_entries(const struct preset *p, struct entry *e)
{
	size_t i;

	for (i = 0; i < NF_FLOW_QOS_CLASSES; i++) {
		int v = p->value[i];

		e[i] = (struct entry){ .prio = v, .pcp = v, .dscp = KEEP };
		if (p->kind == PRESET_WIFI) {
			e[i].prio = WIFI_BASE + v;
			e[i].pcp = KEEP;
		} else if (p->kind == PRESET_VLAN) {
			e[i].pcp = NF_FLOW_QOS_PCP_VLAN;
		}
	}
}

static int is_preset(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > strlen(SUFFIX) &&
	       !strcmp(d->d_name + n - strlen(SUFFIX), SUFFIX) &&
	       preset_name(d->d_name, n - strlen(SUFFIX));
}

static int by_name(const void *a, const void *b)
{
	const struct preset *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* A preset for the list; a bad file is told of and left out. */
static bool preset_usable(const char *name, struct preset *p)
{
	bool mute = error_mute;
	char text[ERROR_MAX];
	int ret;

	error_mute = true;
	ret = preset_load(name, p);
	error_mute = mute;
	if (!ret)
		return true;
	snprintf(text, sizeof(text), "%s", last_error);
	warning("%s", text);
	return false;
}

int preset_list(struct preset **list, size_t *n)
{
	struct dirent **names;
	int i, count;

	/* Without a function the order is any, as POSIX has it. */
	/* cppcheck-suppress nullPointer */
	count = scandir(preset_dir(), &names, is_preset, NULL);
	if (count < 0)
		return refuse("cannot read the presets in %s: %s; FTQOS_PRESETS names another directory",
			      preset_dir(), strerror(errno));
	*list = xrealloc(NULL, (size_t)count + 1, sizeof(**list));
	*n = 0;
	for (i = 0; i < count; i++) {
		names[i]->d_name[strlen(names[i]->d_name) - strlen(SUFFIX)] = '\0';
		if (preset_usable(names[i]->d_name, &(*list)[*n]))
			(*n)++;
		free(names[i]);
	}
	free(names);
	qsort(*list, *n, sizeof(**list), by_name);
	return ST_OK;
}
