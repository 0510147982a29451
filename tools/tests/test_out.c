// SPDX-License-Identifier: GPL-2.0
/* Text and JSON. */
#include <stdlib.h>
#include <unistd.h>

#include "out.h"
#include "unit.h"

static const char *json_of(const char *s)
{
	static char buf[256];

	opts.json = true;
	out_begin();
	out_record();
	out_str("k", NULL, s);
	out_record_end();
	snprintf(buf, sizeof(buf), "%s", out_peek());
	out_drop();
	opts.json = false;
	return buf;
}

static void escapes(void)
{
	CHECK_STR(json_of("eth0"), "{\"k\":\"eth0\"}");
	CHECK_STR(json_of("a\"b\\c/"), "{\"k\":\"a\\\"b\\\\c/\"}");
	CHECK_STR(json_of("\n\t\x01\x7f"), "{\"k\":\"\\u000a\\u0009\\u0001\\u007f\"}");
	CHECK_STR(json_of("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"),
		  "{\"k\":\"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\"}");
	/* The first and the last of C1; what follows is none. */
	CHECK_STR(json_of("\xc2\x80\xc2\x9f\xc2\xa0"), "{\"k\":\"\\u0080\\u009f\xc2\xa0\"}");
	/* Not UTF-8: alone, cut, overlong, surrogate, too high. */
	CHECK_STR(json_of("\xff"), "{\"k\":\"\\ufffd\"}");
	CHECK_STR(json_of("a\xc3"), "{\"k\":\"a\\ufffd\"}");
	CHECK_STR(json_of("\xc0\xaf"), "{\"k\":\"\\ufffd\\ufffd\"}");
	CHECK_STR(json_of("\xe0\x80\xaf"), "{\"k\":\"\\ufffd\\ufffd\\ufffd\"}");
	CHECK_STR(json_of("\xed\xa0\x80"), "{\"k\":\"\\ufffd\\ufffd\\ufffd\"}");
	CHECK_STR(json_of("\xf5\x80\x80\x80"), "{\"k\":\"\\ufffd\\ufffd\\ufffd\\ufffd\"}");
}

static void build(void)
{
	out_record();
	out_str("name", "name", "x");
	out_bool("yes", "yes", true);
	out_null("none", "none", "keep");
	out_u64("big", "big", UINT64_MAX, NULL);
	out_s64("low", "low", -5);
	out_u64(NULL, "only text", 1, NULL);
	out_ms("time", 1234005);
	out_list("rows", "Rows");
	out_item();
	out_str("a", "A", "long value");
	out_u64("n", "N", 1, NULL);
	out_item_end();
	out_item();
	out_str("a", "A", "b");
	out_u64("n", "N", 100, NULL);
	out_str("extra", "EXTRA", "e\x1b[1m");
	out_item_end();
	out_list_end();
	out_list("empty", "Empty");
	out_list_end();
	out_array("w");
	if (opts.json) {
		out_str(NULL, NULL, "one");
		out_u64(NULL, NULL, 2, NULL);
	}
	out_array_end();
	out_record_end();
}

static void json(void)
{
	opts.json = true;
	out_begin();
	build();
	CHECK_STR(out_peek(),
		  "{\"name\":\"x\",\"yes\":true,\"none\":null,\"big\":18446744073709551615,\"low\":-5,\"time\":1234.005,\"rows\":[{\"a\":\"long value\",\"n\":1},{\"a\":\"b\",\"n\":100,\"extra\":\"e\\u001b[1m\"}],\"empty\":[],\"w\":[\"one\",2]}");
	out_drop();
	opts.pretty = true;
	out_begin();
	out_list(NULL, NULL);
	out_item();
	out_u64("n", NULL, 1, NULL);
	out_item_end();
	out_list_end();
	CHECK_STR(out_peek(), "[\n    {\n        \"n\": 1\n    }\n]");
	out_drop();
	out_begin();
	out_list(NULL, NULL);
	out_list_end();
	CHECK_STR(out_peek(), "[]");
	out_drop();
	opts.pretty = false;
	opts.json = false;
}

static void text(void)
{
	out_begin();
	build();
	CHECK_STR(out_peek(),
		  "name       x\n"
		  "yes        yes\n"
		  "none       keep\n"
		  "big        18446744073709551615\n"
		  "low        -5\n"
		  "only text  1\n"
		  "\nRows\n"
		  "A             N  EXTRA\n"
		  "long value    1  -\n"
		  "b           100  e?[1m\n");
	out_drop();
}

/* Nothing that a terminal obeys, in a cell, in other text and in an error. */
static void controls(void)
{
	static const char from[] = "\x1b\x7f\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0\xc3\xbc\x9b\n",
		wide[] = "\xc2\x9b\x9b";

	out_begin();
	out_list(NULL, NULL);
	out_item();
	out_str("a", "A", wide);
	out_str("b", "B", from);
	out_item_end();
	out_list_end();
	out_text("%s", from);
	CHECK_STR(out_peek(),
		  "A   B\n??  ?????\xc2\xa0\xc3\xbc??\n?????\xc2\xa0\xc3\xbc?\n");
	out_drop();
	CHECK_ERROR(refuse("<%s>", from), ST_REFUSED, "<?????\xc2\xa0\xc3\xbc??>");
	CHECK_ERROR(refuse("%s", wide), ST_REFUSED, "??");
}

/* Columns in the order named, whatever row has them first; empty ones not. */
static void columns(void)
{
	static const char *const order[] = { "A", "NONE", "N", "Z", NULL };

	out_begin();
	out_list(NULL, NULL);
	out_columns(order);
	out_item();
	out_str("z", "Z", "z");
	out_str("a", "A", "a");
	out_item_end();
	out_item();
	out_u64("n", "N", 10, NULL);
	out_item_end();
	out_list_end();
	CHECK_STR(out_peek(), "A   N  Z\na   -  z\n-  10  -\n");
	out_drop();
	out_begin();
	out_list(NULL, NULL);
	out_columns(order);
	out_list_end();
	CHECK_STR(out_peek(), "");
	out_drop();
}

/* How much was in memory at most. */
static size_t long_list(bool in_parts, bool fails)
{
	size_t most = 0;
	unsigned int i;

	out_begin();
	out_list(NULL, NULL);
	for (i = 0; i < 20000; i++) {
		out_item();
		out_u64("number", "NUMBER", i, NULL);
		out_str("text", "TEXT", "abcdefgh");
		out_item_end();
		if (in_parts)
			CHECK_INT(out_part(), ST_OK);
		if (i % 500 == 0 && strlen(out_peek()) > most)
			most = strlen(out_peek());
	}
	if (fails) {
		out_drop();
		return most;
	}
	out_list_end();
	CHECK_INT(out_end(), ST_OK);
	return most;
}

/* What comes from a list, and from one before it that failed, if it did. */
static size_t written(bool in_parts, bool fails, char **text)
{
	FILE *f = tmpfile();
	int to = dup(STDOUT_FILENO);
	size_t most;
	long len;

	fflush(stdout);
	dup2(fileno(f), STDOUT_FILENO);
	if (fails)
		long_list(in_parts, true);
	most = long_list(in_parts, false);
	dup2(to, STDOUT_FILENO);
	close(to);
	len = lseek(fileno(f), 0, SEEK_END);
	*text = calloc(1, (size_t)len + 1);
	CHECK_INT(pread(fileno(f), *text, (size_t)len, 0), len);
	fclose(f);
	return most;
}

/* JSON in parts is the same, is not kept in memory, and comes to its end or not at all. */
static void long_lists(void)
{
	char *whole, *parts;

	opts.json = true;
	CHECK(written(false, false, &whole) > 600000);
	CHECK(written(true, false, &parts) < 70000);
	CHECK(strlen(whole) > 650000);
	CHECK(!strcmp(whole, parts));
	free(parts);
	written(true, true, &parts);
	CHECK(!strcmp(whole, parts));
	free(whole);
	free(parts);
	opts.json = false;
	written(false, false, &whole);
	written(true, false, &parts);
	CHECK(!strcmp(whole, parts));
	free(whole);
	free(parts);
}

static void units(void)
{
	char buf[32];

	CHECK_STR(bytes_text(0, buf, sizeof(buf)), "0 B");
	CHECK_STR(bytes_text(999, buf, sizeof(buf)), "999 B");
	CHECK_STR(bytes_text(1000, buf, sizeof(buf)), "1.00 kB");
	CHECK_STR(bytes_text(1050, buf, sizeof(buf)), "1.05 kB");
	CHECK_STR(bytes_text(12345678, buf, sizeof(buf)), "12.3 MB");
	CHECK_STR(bytes_text(999999999, buf, sizeof(buf)), "999 MB");
	CHECK_STR(bytes_text(UINT64_MAX, buf, sizeof(buf)), "18.4 EB");
	CHECK_STR(ms_text(0, buf, sizeof(buf)), "0.0 s");
	CHECK_STR(ms_text(1260, buf, sizeof(buf)), "1.2 s");
	CHECK_STR(ms_text(83000, buf, sizeof(buf)), "1 m 23 s");
	CHECK_STR(ms_text(3723000, buf, sizeof(buf)), "1 h 2 m");
}

const struct test out_tests[] = {
	{ "JSON strings", escapes },
	{ "JSON documents", json },
	{ "text tables", text },
	{ "columns of a table", columns },
	{ "control characters", controls },
	{ "long lists", long_lists },
	{ "units", units },
	{ NULL, NULL },
};
