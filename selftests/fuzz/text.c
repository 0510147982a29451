// SPDX-License-Identifier: GPL-2.0
/*
 * What people and files tell the command: files for restore and -b, presets, a module's
 * file, words of the command line. What is read and written again is the same, a
 * message that is made of a file is well formed, and each part of it has its line.
 *
 * An input is an octet that says what it is, then that; see corpus.py.
 */
#include <linux/netlink.h>
#include <string.h>

#include "parse.h"
#include "plan.h"
#include "world.h"

#define FILE_NAME "fuzz"

enum { IS_RESTORE, IS_BATCH, IS_PRESET, IS_MODULE, IS_WORDS, IS_COMMAND_LINE, KINDS };

/* All attributes of a nest, which is well formed. */
static void check_attrs(const struct msg *m, size_t from, size_t to, unsigned int depth,
			const struct spans *spans, unsigned int lines)
{
	const struct nlattr *a;
	char path[96];
	unsigned int line;

	for (; from < to; from += NLA_ALIGN(a->nla_len)) {
		FAIL_IF(to - from < NLA_HDRLEN);
		a = (const void *)(m->buf + from);
		FAIL_IF(a->nla_len < NLA_HDRLEN || a->nla_len > to - from);
		FAIL_IF(!attr_path(m->buf, m->len, m->cmd, (uint32_t)from, path,
				   sizeof(path)));
		line = spans_line(spans, (uint32_t)from);
		FAIL_IF(!line || line > lines);
		if (a->nla_type & NLA_F_NESTED)
			check_attrs(m, from + NLA_HDRLEN, from + a->nla_len, depth + 1,
				    spans, lines);
	}
	FAIL_IF(from != to || depth > 2);
}

/* The same file as a plan; what its message tells. */
static void check_plan(struct bytes in)
{
	struct spans spans = { .n = 0 };
	unsigned int lines = 1;
	struct plan plan;
	struct msg m;
	size_t i;
	FILE *f;

	for (i = 0; i < in.n; i++)
		lines += in.p[i] == '\n';
	f = open_bytes(in.p, in.n);
	plan_init(&plan);
	if (!read_commands(f, FILE_NAME, &plan)) {
		msg_init(&m, NF_FLOW_QOS_CMD_RESTORE, 0, "%s", "");
		plan_message(&plan, &m, &spans);
		check_attrs(&m, NLMSG_HDRLEN + GENL_HDRLEN, m.len, 0, &spans, lines);
		msg_free(&m);
		free(spans.v);
	}
	FAIL_IF(where.file);
	plan_free(&plan);
	fclose(f);
}

/* The kernel's answer comes first: a record. */
static void restore_file(struct bytes in)
{
	char *argv[3] = { (char *)"restore", (char *)FILE_NAME, NULL };
	struct bytes payload, answer = in;
	struct record r;

	if (!next_record(&in, &r, &payload) || !in.n)
		return;
	answer.n -= in.n;
	world_begin(answer);
	world_file(FILE_NAME, in.p, in.n);
	dispatch(NULL, 2, argv);
	check_plan(in);
}

static void batch_file(struct bytes in)
{
	world_begin((struct bytes){ NULL, 0 });
	world_file(FILE_NAME, in.p, in.n);
	opts.json = in.p[0] & 1;
	batch(FILE_NAME);
	FAIL_IF(where.file);
}

static void preset_file(struct bytes in)
{
	struct entry e[NF_FLOW_QOS_CLASSES];
	struct preset p;
	size_t i;

	world_begin((struct bytes){ NULL, 0 });
	world_file("fuzz.preset", in.p, in.n);
	if (preset_load("fuzz", &p))
		return;
	FAIL_IF(strlen(p.description) >= sizeof(p.description));
	preset_entries(&p, e);
	for (i = 0; i < NF_FLOW_QOS_CLASSES; i++)
		FAIL_IF(p.value[i] > 7 || e[i].prio < 0 || e[i].prio > 263);
}

static void module_file(struct bytes in)
{
	char release[64];

	world_begin((struct bytes){ NULL, 0 });
	world_file(FILE_NAME, in.p, in.n);
	if (module_release(FILE_NAME, release, sizeof(release)))
		FAIL_IF(strlen(release) >= sizeof(release) || !release[0]);
	module_listed(FILE_NAME);
}

/* What these words say, said again and read again. */
static void check_word(const char *word)
{
	char buf[CLASSES_TEXT_MAX];
	uint32_t v, w = 0, class;
	uint64_t set, again = 0;
	struct prefix prefix;
	char name[64];

	if (!parse_prio(word, &v)) {
		FAIL_IF(parse_prio(prio_text(v, buf, sizeof(buf)), &w));
		FAIL_IF(v != w);
	}
	if (!parse_u32("number", word, 3, 99, &v))
		FAIL_IF(v < 3 || v > 99);
	if (!parse_class(word, &class)) {
		FAIL_IF(class > 63);
		FAIL_IF(parse_class(class_text(class, buf, sizeof(buf)), &w));
		FAIL_IF(class != w);
	}
	if (!parse_classes(word, &set)) {
		FAIL_IF(!set);
		FAIL_IF(parse_classes(classes_text(set, buf, sizeof(buf)), &again));
		FAIL_IF(set != again);
	}
	if (!parse_prefix("src", word, &prefix))
		FAIL_IF(prefix.len > 128);
	if (!parse_map_name(word, name))
		FAIL_IF(strcmp(word, name));
	if (!parse_dev_name(word, name))
		FAIL_IF(strcmp(word, name) || strlen(name) >= IFNAMSIZ);
}

static void words(struct bytes in)
{
	unsigned int line = 1, first, other_line, other_first;
	struct words w, other;
	FILE *f, *mem;
	char *text;
	size_t n;
	int i;

	world_begin((struct bytes){ NULL, 0 });
	f = open_bytes(in.p, in.n);
	while (words_read(f, &line, &first, &w) > 0) {
		FAIL_IF(!w.n || first > line);
		mem = open_memstream(&text, &n);
		FAIL_IF(!mem);
		for (i = 0; i < w.n; i++) {
			check_word(w.v[i]);
			fputc(' ', mem);
			word_write(mem, w.v[i]);
		}
		fclose(mem);
		mem = open_bytes(text, n);
		other_line = 1;
		FAIL_IF(words_read(mem, &other_line, &other_first, &other) != 1);
		FAIL_IF(w.n != other.n);
		for (i = 0; i < w.n; i++)
			FAIL_IF(strcmp(w.v[i], other.v[i]));
		fclose(mem);
		free(text);
		words_free(&other);
		words_free(&w);
	}
	fclose(f);
}

/* Each word ends with a NUL. */
static void command_line(struct bytes in)
{
	char *argv[64] = { (char *)"ftqos" }, *buf;
	int argc = 1;
	size_t at;

	world_begin((struct bytes){ NULL, 0 });
	world_file(FILE_NAME, in.p, in.n);
	buf = malloc(in.n + 1);
	FAIL_IF(!buf);
	memcpy(buf, in.p, in.n);
	buf[in.n] = '\0';
	for (at = 0; at < in.n && argc < 63; at += strlen(buf + at) + 1)
		argv[argc++] = buf + at;
	argv[argc] = NULL;
	ftqos_main(argc, argv);
	opts = (struct options){ .json = false };
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static void (*const read_it[])(struct bytes in) = {
		[IS_RESTORE] = restore_file, [IS_BATCH] = batch_file,
		[IS_PRESET] = preset_file, [IS_MODULE] = module_file,
		[IS_WORDS] = words, [IS_COMMAND_LINE] = command_line,
	};
	size_t n;

	if (size < 2 || input[0] >= KINDS)
		return -1;
	read_it[input[0]]((struct bytes){ input + 1, size - 1 });
	world_end(&n);
	return 0;
}
