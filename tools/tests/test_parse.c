// SPDX-License-Identifier: GPL-2.0
/* Numbers, classes, handles, prefixes, lines, names. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "model.h"
#include "parse.h"
#include "unit.h"

static void numbers(void)
{
	uint32_t v = 7;

	CHECK_INT(parse_u32("n", "0", 0, 9, &v), ST_OK);
	CHECK_INT(v, 0);
	CHECK_INT(parse_u32("n", "0x2e", 0, 63, &v), ST_OK);
	CHECK_INT(v, 46);
	CHECK_INT(parse_u32("n", "0X2E", 0, 63, &v), ST_OK);
	CHECK_INT(parse_u32("n", "010", 0, 63, &v), ST_OK);
	CHECK_INT(v, 10);
	CHECK_INT(parse_u32("n", "4294967295", 0, UINT32_MAX, &v), ST_OK);
	CHECK_INT(v, UINT32_MAX);
	v = 7;
	CHECK_ERROR(parse_u32("n", "4294967296", 0, UINT32_MAX, &v), ST_USAGE,
		    "n 4294967296 is out of range (0..4294967295)");
	CHECK_ERROR(parse_u32("n", "18446744073709551617", 0, UINT32_MAX, &v), ST_USAGE,
		    "out of range");
	CHECK_ERROR(parse_u32("n", "0", 1, 9, &v), ST_USAGE, "out of range (1..9)");
	CHECK_ERROR(parse_u32("n", "", 0, 9, &v), ST_USAGE, "not a number");
	CHECK_ERROR(parse_u32("n", "0x", 0, 9, &v), ST_USAGE, "not a number");
	CHECK_ERROR(parse_u32("n", "+1", 0, 9, &v), ST_USAGE, "not a number");
	CHECK_ERROR(parse_u32("n", "-1", 0, 9, &v), ST_USAGE, "not a number");
	CHECK_ERROR(parse_u32("n", " 1", 0, 9, &v), ST_USAGE, "not a number");
	CHECK_ERROR(parse_u32("n", "1a", 0, 9, &v), ST_USAGE, "not a number");
	CHECK_INT(v, 7);
}

static void handles(void)
{
	uint32_t v = 0;

	CHECK_INT(parse_prio("1:10", &v), ST_OK);
	CHECK_INT(v, 0x10010);
	CHECK_INT(parse_prio("1:", &v), ST_OK);
	CHECK_INT(v, 0x10000);
	CHECK_INT(parse_prio("ffff:FFFF", &v), ST_OK);
	CHECK_INT(v, 0xffffffff);
	CHECK_INT(parse_prio("0:6", &v), ST_OK);
	CHECK_INT(v, 6);
	CHECK_INT(parse_prio("261", &v), ST_OK);
	CHECK_INT(v, 261);
	CHECK_INT(parse_prio("0xffffffff", &v), ST_OK);
	CHECK_ERROR(parse_prio("10000:0", &v), ST_USAGE, "out of range");
	CHECK_ERROR(parse_prio("1:10000", &v), ST_USAGE, "out of range");
	CHECK_ERROR(parse_prio(":1", &v), ST_USAGE, "not a handle");
	CHECK_ERROR(parse_prio(":", &v), ST_USAGE, "not a handle");
	CHECK_ERROR(parse_prio("1:2:3", &v), ST_USAGE, "not a handle");
	CHECK_ERROR(parse_prio("1:g", &v), ST_USAGE, "not a handle");
	CHECK_ERROR(parse_prio("0x1:2", &v), ST_USAGE, "not a handle");
	CHECK_ERROR(parse_prio("high", &v), ST_USAGE, "not a number");
}

/* RFC 2474, 2597, 3246, 5865, 8622 and the registry of IANA. */
static void class_names(void)
{
	uint32_t v, i, j;
	char name[8];

	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "cs%u", i);
		CHECK_INT(parse_class(name, &v), ST_OK);
		CHECK_INT(v, 8 * i);
	}
	for (i = 1; i <= 4; i++) {
		for (j = 1; j <= 3; j++) {
			snprintf(name, sizeof(name), "af%u%u", i, j);
			CHECK_INT(parse_class(name, &v), ST_OK);
			CHECK_INT(v, 8 * i + 2 * j);
			CHECK_STR(class_name(v), name);
		}
	}
	CHECK_INT(parse_class("be", &v), ST_OK);
	CHECK_INT(v, 0);
	CHECK_INT(parse_class("df", &v), ST_OK);
	CHECK_INT(v, 0);
	CHECK_INT(parse_class("le", &v), ST_OK);
	CHECK_INT(v, 1);
	CHECK_INT(parse_class("va", &v), ST_OK);
	CHECK_INT(v, 44);
	CHECK_INT(parse_class("nqb", &v), ST_OK);
	CHECK_INT(v, 45);
	CHECK_INT(parse_class("ef", &v), ST_OK);
	CHECK_INT(v, 46);
	CHECK_STR(class_name(0), "df");
	CHECK_STR(class_name(56), "cs7");
	CHECK(!class_name(2));
	CHECK(!class_name(63));
	for (i = 0, j = 0; i < 64; i++)
		j += !!class_name(i);
	CHECK_INT(j, 24);
	CHECK_ERROR(parse_class("EF", &v), ST_USAGE, "unknown class \"EF\"");
	CHECK_ERROR(parse_class("af14", &v), ST_USAGE, "unknown class \"af14\"");
	CHECK_ERROR(parse_class("af1x", &v), ST_USAGE, "unknown class \"af1x\"");
	CHECK_ERROR(parse_class("e", &v), ST_USAGE, "unknown class \"e\"");
	CHECK_ERROR(parse_class("64", &v), ST_USAGE, "class 64 is out of range (0..63)");
}

static void class_lists(void)
{
	uint64_t v = 5;

	CHECK_INT(parse_classes("ef", &v), ST_OK);
	CHECK(v == BIT64(46));
	CHECK_INT(parse_classes("0x2e,cs1,0", &v), ST_OK);
	CHECK(v == (BIT64(46) | BIT64(8) | 1));
	CHECK_INT(parse_classes("40-47", &v), ST_OK);
	CHECK(v == 0xffULL << 40);
	CHECK_INT(parse_classes("0x28-0x2f,63", &v), ST_OK);
	CHECK(v == (0xffULL << 40 | BIT64(63)));
	CHECK_INT(parse_classes("5-5", &v), ST_OK);
	CHECK(v == BIT64(5));
	CHECK_INT(parse_classes("0-63", &v), ST_OK);
	CHECK(v == UINT64_MAX);
	CHECK_INT(parse_classes("all", &v), ST_OK);
	CHECK(v == UINT64_MAX);
	v = 5;
	CHECK_ERROR(parse_classes("ef,46", &v), ST_USAGE, "class 46 (ef) is named twice");
	CHECK_ERROR(parse_classes("40-47,43", &v), ST_USAGE, "class 43 is named twice");
	CHECK_ERROR(parse_classes("be,cs0", &v), ST_USAGE, "class 0 (df) is named twice");
	CHECK_ERROR(parse_classes("all,ef", &v), ST_USAGE, "class 46 (ef) is named twice");
	CHECK_ERROR(parse_classes("47-40", &v), ST_USAGE, "range \"47-40\" is reversed");
	CHECK_ERROR(parse_classes("5-4", &v), ST_USAGE, "range \"5-4\" is reversed");
	CHECK_ERROR(parse_classes("60-64", &v), ST_USAGE, "class 64 is out of range");
	CHECK_ERROR(parse_classes("cs1-cs3", &v), ST_USAGE, "not made of two numbers");
	CHECK_ERROR(parse_classes("1-2-3", &v), ST_USAGE, "not made of two numbers");
	CHECK_ERROR(parse_classes("-3", &v), ST_USAGE, "not made of two numbers");
	CHECK_ERROR(parse_classes("3-", &v), ST_USAGE, "not made of two numbers");
	CHECK_ERROR(parse_classes("", &v), ST_USAGE, "empty element");
	CHECK_ERROR(parse_classes("ef,", &v), ST_USAGE, "empty element");
	CHECK_ERROR(parse_classes(",ef", &v), ST_USAGE, "empty element");
	CHECK_ERROR(parse_classes("1,,2", &v), ST_USAGE, "empty element");
	CHECK_ERROR(parse_classes("ef,af1x", &v), ST_USAGE, "unknown class \"af1x\"");
	CHECK_ERROR(parse_classes("ef af41", &v), ST_USAGE, "unknown class");
	CHECK(v == 5);
}

static void class_list_text(void)
{
	char buf[CLASSES_TEXT_MAX];
	uint64_t set, back, x = 88172645463325252ULL;
	int i;

	CHECK_STR(classes_text(UINT64_MAX, buf, sizeof(buf)), "all");
	CHECK_STR(classes_text(BIT64(46) | BIT64(45) | BIT64(44), buf, sizeof(buf)),
		  "va,nqb,ef");
	CHECK_STR(classes_text(0xfULL << 40 | 1, buf, sizeof(buf)), "df,40-43");
	CHECK_STR(classes_text(3ULL << 62, buf, sizeof(buf)), "62,63");
	/* Whatever the set, the text says it; the longest one fits. */
	for (i = 0; i < 20000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		set = i == 0 ? 0x5555555555555555ULL : i & 1 ? x : x & (x >> 1);
		if (!set)
			continue;
		classes_text(set, buf, sizeof(buf));
		if (parse_classes(buf, &back) || back != set) {
			printf("# %016llx -> %s\n", (unsigned long long)set, buf);
			failures++;
			return;
		}
	}
}

static void prefixes(void)
{
	static const uint8_t net[4] = { 10, 1, 0, 0 }, zero[16];
	struct prefix p;
	uint8_t six[16];

	CHECK_INT(parse_prefix("src", "10.1.2.3/16", &p), ST_OK);
	CHECK_INT(p.family, AF_INET);
	CHECK_INT(p.len, 16);
	CHECK(!memcmp(p.addr, net, 4));
	CHECK_INT(parse_prefix("src", "192.0.2.1", &p), ST_OK);
	CHECK_INT(p.len, 32);
	CHECK_INT(p.addr[3], 1);
	CHECK_INT(parse_prefix("src", "255.255.255.255/0", &p), ST_OK);
	CHECK(!memcmp(p.addr, zero, 16));
	CHECK_INT(parse_prefix("src", "192.0.2.255/25", &p), ST_OK);
	CHECK_INT(p.addr[3], 128);
	CHECK_INT(parse_prefix("dst", "2001:db8::1", &p), ST_OK);
	CHECK_INT(p.family, AF_INET6);
	CHECK_INT(p.len, 128);
	CHECK_INT(parse_prefix("dst", "2001:db8:ffff::1/33", &p), ST_OK);
	inet_pton(AF_INET6, "2001:db8:8000::", six);
	CHECK(!memcmp(p.addr, six, 16));
	CHECK_INT(parse_prefix("dst", "::/0", &p), ST_OK);
	CHECK_INT(parse_prefix("dst", "::ffff:192.0.2.1", &p), ST_OK);
	CHECK_INT(p.family, AF_INET6);
	CHECK_ERROR(parse_prefix("src", "10.0.0.0/33", &p), ST_USAGE, "out of range (0..32)");
	CHECK_ERROR(parse_prefix("src", "::/129", &p), ST_USAGE, "out of range (0..128)");
	CHECK_ERROR(parse_prefix("src", "10.0.0.0/", &p), ST_USAGE, "not a number");
	CHECK_ERROR(parse_prefix("src", "10.0.0.0/0x8", &p), ST_USAGE, "not a number");
	CHECK_ERROR(parse_prefix("src", "10.0.0.0/-1", &p), ST_USAGE, "not a number");
	CHECK_ERROR(parse_prefix("src", "10/8", &p), ST_USAGE, "src \"10/8\" is not an");
	CHECK_ERROR(parse_prefix("src", "", &p), ST_USAGE, "is not an");
	CHECK_ERROR(parse_prefix("src", "/8", &p), ST_USAGE, "is not an");
	CHECK_ERROR(parse_prefix("src", "fe80::1%eth0", &p), ST_USAGE, "is not an");
	CHECK_ERROR(parse_prefix("src", "10.0.0.256", &p), ST_USAGE, "is not an");
	CHECK_ERROR(parse_prefix("src", "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/1",
				 &p), ST_USAGE, "is not an");
}

static void names(void)
{
	char map[NF_FLOW_QOS_NAME_MAX + 1], dev[IFNAMSIZ];

	CHECK_INT(parse_map_name("a_b.c-9", map), ST_OK);
	CHECK_STR(map, "a_b.c-9");
	CHECK_INT(parse_map_name("abcdefghijklmnopqrstuvwxyz01234", map), ST_OK);
	CHECK_ERROR(parse_map_name("abcdefghijklmnopqrstuvwxyz012345", map), ST_USAGE,
		    "1..31");
	CHECK_ERROR(parse_map_name("", map), ST_USAGE, "1..31");
	CHECK_ERROR(parse_map_name("Voice", map), ST_USAGE, "other characters");
	CHECK_ERROR(parse_map_name("a b", map), ST_USAGE, "other characters");
	CHECK_INT(parse_dev_name("eth0.7", dev), ST_OK);
	CHECK_INT(parse_dev_name("abcdefghijklmno", dev), ST_OK);
	CHECK_STR(dev, "abcdefghijklmno");
	CHECK_INT(parse_dev_name("#x\"y", dev), ST_OK);
	CHECK_ERROR(parse_dev_name("abcdefghijklmnop", dev), ST_USAGE, "1..15");
	CHECK_ERROR(parse_dev_name("", dev), ST_USAGE, "1..15");
	CHECK_ERROR(parse_dev_name(".", dev), ST_USAGE, "not a device name");
	CHECK_ERROR(parse_dev_name("..", dev), ST_USAGE, "not a device name");
	CHECK_ERROR(parse_dev_name("a/b", dev), ST_USAGE, "'/'");
	CHECK_ERROR(parse_dev_name("a:b", dev), ST_USAGE, "':'");
	CHECK_ERROR(parse_dev_name("a b", dev), ST_USAGE, "blank");
	CHECK_ERROR(parse_dev_name("a\tb", dev), ST_USAGE, "blank");
}

/* Words of the n-th command of a text, joined by '|', or the error. */
static const char *line_of(const char *text, size_t size, int n, unsigned int *first)
{
	static char out[ERROR_MAX + 32];
	unsigned int line = 1;
	struct words w;
	FILE *f = fmemopen((void *)text, size, "r");
	int got, i;

	snprintf(out, sizeof(out), "END");
	while ((got = words_read(f, &line, first, &w)) > 0) {
		out[0] = '\0';
		for (i = 0; i < w.n; i++) {
			strcat(out, i ? "|" : "");
			strcat(out, w.v[i]);
		}
		CHECK(!w.v[w.n]);
		words_free(&w);
		if (!n--)
			break;
		snprintf(out, sizeof(out), "END");
	}
	if (got < 0)
		snprintf(out, sizeof(out), "ERROR %d %s", errno, last_error);
	fclose(f);
	return out;
}

#define LINE(text, n, want, at) do {					\
	unsigned int first_ = 0;					\
									\
	CHECK_STR(line_of(text, sizeof(text) - 1, n, &first_), want);	\
	CHECK_INT(first_, at);						\
} while (0)

static void lines(void)
{
	LINE("map show\n", 0, "map|show", 1);
	LINE("map show", 0, "map|show", 1);
	LINE("\n# c\n  \t\n  map\tshow  \r\n", 0, "map|show", 4);
	LINE("a\nb c\n", 1, "b|c", 2);
	LINE("a # b c\nd#e\n", 0, "a", 1);
	LINE("a # b c\nd#e\n", 1, "d#e", 2);
	LINE("a\\\nb \\\n c\nd\n", 0, "ab|c", 1);
	LINE("a\\\nb \\\n c\nd\n", 1, "d", 4);
	LINE("a \\# \\\"b\\'\n", 0, "a|#|\"b'", 1);
	LINE("'a b' \"c # d\" \"\" '\\'\n", 0, "a b|c # d||\\", 1);
	LINE("a", 1, "END", 1);
	LINE("# only\n", 0, "END", 2);
	LINE("ok\nx 'y\n", 1, "ERROR 0 a quote is not closed", 2);
	LINE("x \"y", 0, "ERROR 0 a quote is not closed", 1);
	LINE("a\0b\n", 0, "ERROR 0 the line has a NUL character", 1);
	LINE("a \\", 0, "ERROR 0 a backslash with nothing after it", 1);
}

static void words_round_trip(void)
{
	static const char *const names[] = {
		"eth0", "#x", "a#", "\"q\"", "'", "\\", "a\\#'\"b", "\x01\x7f\xff",
	};
	unsigned int line = 1, first;
	char *text = NULL;
	size_t n = 0, i;
	struct words w;
	FILE *f = open_memstream(&text, &n);

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		word_write(f, names[i]);
		fputc(' ', f);
	}
	fclose(f);
	f = fmemopen(text, n, "r");
	CHECK_INT(words_read(f, &line, &first, &w), 1);
	CHECK_INT(w.n, ARRAY_SIZE(names));
	for (i = 0; i < (size_t)w.n; i++)
		CHECK_STR(w.v[i], names[i]);
	words_free(&w);
	fclose(f);
	free(text);
}

const struct test parse_tests[] = {
	{ "numbers", numbers },
	{ "prio handles MAJ:MIN", handles },
	{ "class names", class_names },
	{ "class lists", class_lists },
	{ "class lists as text and back", class_list_text },
	{ "prefixes", prefixes },
	{ "names of maps and devices", names },
	{ "lines of a batch file", lines },
	{ "words written and read back", words_round_trip },
	{ NULL, NULL },
};
