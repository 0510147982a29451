// SPDX-License-Identifier: GPL-2.0
/*
 * ftqos __complete WORD...: what may follow these words, one a line, for the
 * shell. It reads the syntax of the table, so there is no second list.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "parse.h"

#define SYNTAX_WORDS 64

static int print_map_name(const struct nlmsghdr *nlh, void *data)
{
	struct map map;

	(void)data;
	map_decode(nlh, &map);
	puts(map.name);
	return ST_OK;
}

static void print_maps(void)
{
	struct msg m;

	msg_init(&m, NF_FLOW_QOS_CMD_MAP_GET, NLM_F_DUMP, "%s", "");
	nl_run(&m, print_map_name, NULL);
}

static void print_devices(void)
{
	struct if_nameindex *list = if_nameindex(), *i;

	for (i = list; i && i->if_name; i++)
		puts(i->if_name);
	if (list)
		if_freenameindex(list);
}

static void print_presets(void)
{
	struct preset *list;
	size_t n, i;

	if (preset_list(&list, &n))
		return;
	for (i = 0; i < n; i++)
		puts(list[i].name);
	free(list);
}

static void print_classes(void)
{
	uint32_t i;

	for (i = 0; i < NF_FLOW_QOS_CLASSES; i++)
		if (class_name(i))
			puts(class_name(i));
}

/* One alternative of the syntax: a word is itself, capitals are a kind. */
static void print_kind(const char *word)
{
	if (!strcmp(word, "NAME"))
		print_maps();
	else if (!strcmp(word, "DEV"))
		print_devices();
	else if (!strcmp(word, "PRESET"))
		print_presets();
	else if (!strcmp(word, "CLASSES") || !strcmp(word, "CLASS"))
		print_classes();
	else if (!strncmp(word, "ACTION", 6))
		puts("prio\npcp\ndscp");
	else if (islower((unsigned char)word[0]))
		puts(word);
}

static void print_alternatives(const char *words)
{
	char buf[128], *save = NULL, *w;

	snprintf(buf, sizeof(buf), "%s", words);
	for (w = strtok_r(buf, "|", &save); w; w = strtok_r(NULL, "|", &save))
		print_kind(w);
}

/*
 * The syntax as words: "[map NAME]" is a keyword with its value, words before
 * the first bracket are positions.
 */
struct syntax {
	char buf[512];
	const char *pos[8];
	int npos;
	const char *key[SYNTAX_WORDS];
	const char *value[SYNTAX_WORDS];	/* NULL: none */
	int nkey;
};

static void syntax_parse(struct syntax *s, const char *args)
{
	char *save = NULL, *w, *p;
	bool optional = false;

	memset(s, 0, sizeof(*s));
	snprintf(s->buf, sizeof(s->buf), "%s", args);
	for (w = strtok_r(s->buf, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		bool opens = w[0] == '[', key;

		w += opens;
		p = strchr(w, ']');
		if (p)
			*p = '\0';
		if (opens)
			optional = true;
		if (!strcmp(w, "|"))
			continue;
		key = optional && (islower((unsigned char)w[0]) || w[0] == '-') &&
		      (opens || !s->nkey || s->value[s->nkey - 1]);
		if (key && s->nkey < SYNTAX_WORDS)
			s->key[s->nkey++] = w;
		else if (optional && s->nkey && !s->value[s->nkey - 1])
			s->value[s->nkey - 1] = w;
		else if (optional)
			continue;	/* a mask: what it can be is not a list */
		else if (s->npos < (int)ARRAY_SIZE(s->pos))
			s->pos[s->npos++] = w;
	}
}

static void print_values(const struct command *c, int argc, char **argv)
{
	struct syntax s;
	int i, j;

	syntax_parse(&s, c->args);
	if (argc < s.npos) {
		print_alternatives(s.pos[argc]);
		return;
	}
	/* ACTION... is pairs of a word and its value. */
	if (s.npos && !strcmp(s.pos[s.npos - 1], "ACTION...")) {
		const char *last = argv[argc - 1];

		if ((argc - s.npos) % 2)
			print_kind("ACTION");
		else if (!strcmp(last, "pcp"))
			puts("keep\nvlan");
		else if (!strcmp(last, "dscp"))
			print_alternatives("keep|CLASS");
		else
			puts("keep");
		return;
	}
	for (i = s.npos; i < argc; i++) {
		for (j = 0; j < s.nkey && strcmp(s.key[j], argv[i]); j++)
			;
		if (j == s.nkey)
			continue;
		if (s.value[j] && ++i == argc) {
			print_alternatives(s.value[j]);
			return;
		}
		s.key[j] = "";
	}
	for (j = 0; j < s.nkey; j++)
		if (s.key[j][0])
			puts(s.key[j]);
}

int complete(int argc, char **argv)
{
	const char *last = "";
	size_t i;

	error_mute = true;
	for (i = 0; i < ncommands; i++) {
		const struct command *c = &commands[i];

		if (!argc) {
			if (strcmp(last, c->object))
				puts(c->object);
			last = c->object;
			continue;
		}
		if (strcmp(c->object, argv[0]))
			continue;
		if (!c->name)
			print_values(c, argc - 1, argv + 1);
		else if (argc == 1)
			puts(c->name);
		else if (!strcmp(c->name, argv[1]))
			print_values(c, argc - 2, argv + 2);
	}
	if (argc < 2)
		puts("help");
	return ST_OK;
}
