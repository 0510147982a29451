// SPDX-License-Identifier: GPL-2.0
/* Numbers, classes, prefixes and lines. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

#define CLASSES 64

/* The first name of a class is the one that is printed. */
static const struct {
	const char *name;
	uint8_t class;
} class_names[] = {
	{ "df", 0 }, { "be", 0 }, { "cs0", 0 }, { "le", 1 }, { "cs1", 8 },
	{ "af11", 10 }, { "af12", 12 }, { "af13", 14 }, { "cs2", 16 },
	{ "af21", 18 }, { "af22", 20 }, { "af23", 22 }, { "cs3", 24 },
	{ "af31", 26 }, { "af32", 28 }, { "af33", 30 }, { "cs4", 32 },
	{ "af41", 34 }, { "af42", 36 }, { "af43", 38 }, { "cs5", 40 },
	{ "va", 44 }, { "nqb", 45 }, { "ef", 46 }, { "cs6", 48 },
	{ "cs7", 56 },
};

const char *class_name(uint32_t class)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(class_names); i++)
		if (class_names[i].class == class)
			return class_names[i].name;
	return NULL;
}

const char *class_text(uint32_t class, char *buf, size_t size)
{
	const char *name = class_name(class);

	if (name)
		return name;
	snprintf(buf, size, "%u", class);
	return buf;
}

/* Digits up to the end of the word; -1 if it is none, saturates. */
static int64_t digits(const char *s, size_t n, unsigned int base)
{
	uint64_t v = 0;
	size_t i;

	if (!n)
		return -1;
	for (i = 0; i < n; i++) {
		unsigned char c = s[i];
		unsigned int d;

		if (c >= '0' && c <= '9')
			d = c - '0';
		else if (base == 16 && isxdigit(c))
			d = (unsigned int)(tolower(c) - 'a') + 10;
		else
			return -1;
		v = v * base + d;
		if (v > UINT32_MAX)
			v = UINT32_MAX + 1ULL;
	}
	return (int64_t)v;
}

static int64_t number(const char *s, size_t n)
{
	if (n > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		return digits(s + 2, n - 2, 16);
	return digits(s, n, 10);
}

int parse_u32(const char *what, const char *s, uint32_t min, uint32_t max,
	      uint32_t *v)
{
	int64_t n = number(s, strlen(s));

	if (n < 0)
		return usage_error("%s \"%s\" is not a number", what, s);
	if (n < min || n > max)
		return usage_error("%s %s is out of range (%u..%u)", what, s,
				   min, max);
	*v = (uint32_t)n;
	return ST_OK;
}

/* A number, or a tc handle MAJ:MIN; "1:" is 1:0. */
int parse_prio(const char *s, uint32_t *v)
{
	const char *colon = strchr(s, ':');
	int64_t maj, min;

	if (!colon)
		return parse_u32("prio", s, 0, UINT32_MAX, v);
	maj = digits(s, (size_t)(colon - s), 16);
	min = colon[1] ? digits(colon + 1, strlen(colon + 1), 16) : 0;
	if (maj < 0 || min < 0)
		return usage_error("prio \"%s\" is not a handle MAJ:MIN (hexadecimal)", s);
	if (maj > 0xffff || min > 0xffff)
		return usage_error("prio %s is out of range (0:0..ffff:ffff)", s);
	*v = (uint32_t)maj << 16 | (uint32_t)min;
	return ST_OK;
}

static int class_of(const char *s, size_t n, uint32_t *class)
{
	int64_t v;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(class_names); i++) {
		if (strlen(class_names[i].name) == n &&
		    !memcmp(class_names[i].name, s, n)) {
			*class = class_names[i].class;
			return ST_OK;
		}
	}
	v = number(s, n);
	if (v < 0)
		return usage_error("unknown class \"%.*s\": a name (df, ef, af41, in lower case) or 0..63",
				   (int)n, s);
	if (v >= CLASSES)
		return usage_error("class %.*s is out of range (0..63)", (int)n, s);
	*class = (uint32_t)v;
	return ST_OK;
}

int parse_class(const char *s, uint32_t *class)
{
	return class_of(s, strlen(s), class);
}

static int add_classes(uint64_t *set, uint32_t first, uint32_t last)
{
	uint32_t c;

	for (c = first; c <= last; c++) {
		if (*set & BIT64(c)) {
			const char *name = class_name(c);

			return usage_error("class %u%s%s%s is named twice", c,
					   name ? " (" : "", name ? name : "",
					   name ? ")" : "");
		}
		*set |= BIT64(c);
	}
	return ST_OK;
}

static int add_item(uint64_t *set, const char *s, size_t n)
{
	const char *dash = memchr(s, '-', n);
	uint32_t first, last = 0;
	int err;

	if (!n)
		return usage_error("empty element in the list of classes");
	if (n == 3 && !memcmp(s, "all", 3))
		return add_classes(set, 0, CLASSES - 1);
	if (dash) {
		size_t left = (size_t)(dash - s), right = n - left - 1;

		if (number(s, left) < 0 || number(dash + 1, right) < 0)
			return usage_error("range \"%.*s\" is not made of two numbers",
					   (int)n, s);
		err = class_of(s, left, &first);
		if (!err)
			err = class_of(dash + 1, right, &last);
		if (err)
			return err;
		if (last < first)
			return usage_error("range \"%.*s\" is reversed", (int)n, s);
		return add_classes(set, first, last);
	}
	err = class_of(s, n, &first);
	if (err)
		return err;
	return add_classes(set, first, first);
}

int parse_classes(const char *s, uint64_t *classes)
{
	uint64_t set = 0;

	for (;;) {
		size_t n = strcspn(s, ",");
		int err = add_item(&set, s, n);

		if (err)
			return err;
		if (!s[n])
			break;
		s += n + 1;
	}
	*classes = set;
	return ST_OK;
}

const char *classes_text(uint64_t classes, char *buf, size_t size)
{
	uint32_t c = 0;
	size_t n = 0;

	if (classes == UINT64_MAX) {
		snprintf(buf, size, "all");
		return buf;
	}
	buf[0] = '\0';
	while (c < CLASSES && n < size) {
		uint32_t end = c;
		char num[8];

		if (!(classes & BIT64(c))) {
			c++;
			continue;
		}
		while (end + 1 < CLASSES && classes & BIT64(end + 1))
			end++;
		/* Short runs read better as names: cs5,va,nqb,ef. */
		if (end - c >= 3) {
			n += (size_t)snprintf(buf + n, size - n, "%s%u-%u",
					      n ? "," : "", c, end);
		} else {
			end = c;
			n += (size_t)snprintf(buf + n, size - n, "%s%s",
					      n ? "," : "",
					      class_text(c, num, sizeof(num)));
		}
		c = end + 1;
	}
	return buf;
}

int parse_prefix(const char *what, const char *s, struct prefix *p)
{
	const char *slash = strchr(s, '/');
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	char addr[INET6_ADDRSTRLEN];
	unsigned int max, i;
	int64_t len;

	memset(p, 0, sizeof(*p));
	if (!n || n >= sizeof(addr))
		return usage_error("%s \"%s\" is not an IPv4 or IPv6 address", what, s);
	memcpy(addr, s, n);
	addr[n] = '\0';
	if (inet_pton(AF_INET, addr, p->addr) == 1)
		p->family = AF_INET;
	else if (inet_pton(AF_INET6, addr, p->addr) == 1)
		p->family = AF_INET6;
	else
		return usage_error("%s \"%s\" is not an IPv4 or IPv6 address", what, s);
	max = p->family == AF_INET ? 32 : 128;
	len = slash ? digits(slash + 1, strlen(slash + 1), 10) : max;
	if (len < 0)
		return usage_error("%s \"%s\": the prefix length is not a number", what, s);
	if (len > max)
		return usage_error("%s \"%s\": prefix length is out of range (0..%u)",
				   what, s, max);
	p->len = (unsigned int)len;
	for (i = p->len; i < max; i++)
		p->addr[i / 8] &= (uint8_t)~(0x80 >> i % 8);
	return ST_OK;
}

int parse_word(const char *what, const char *s, const char *const *words,
	       size_t n, uint32_t *v)
{
	char list[128] = "";
	size_t i, len = 0;

	for (i = 0; i < n; i++) {
		if (!strcmp(s, words[i])) {
			*v = (uint32_t)i;
			return ST_OK;
		}
		if (len < sizeof(list))
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
						i ? ", " : "", words[i]);
	}
	return usage_error("unknown %s \"%s\": one of %s", what, s, list);
}

static void words_add(struct words *w, char *buf)
{
	/* One more than is used, for the NULL that ends argv. */
	w->v = xrealloc(w->v, (size_t)w->n + 2, sizeof(*w->v));
	w->v[w->n++] = xstrdup(buf);
	w->v[w->n] = NULL;
}

struct reader {
	FILE *f;
	unsigned int *line;
	char *buf;
	size_t n, cap;
};

static void reader_add(struct reader *r, int c)
{
	if (r->n + 1 >= r->cap) {
		r->cap = r->cap ? 2 * r->cap : 128;
		r->buf = xrealloc(r->buf, r->cap, 1);
	}
	r->buf[r->n++] = (char)c;
	r->buf[r->n] = '\0';
}

static int reader_get(struct reader *r)
{
	int c = getc(r->f);

	if (c == '\n')
		(*r->line)++;
	return c;
}

static int bad_text(const char *why)
{
	snprintf(last_error, sizeof(last_error), "%s", why);
	errno = 0;
	return -1;
}

int words_read(FILE *f, unsigned int *line, unsigned int *first,
	       struct words *w)
{
	struct reader r = { .f = f, .line = line };
	bool word = false;
	int quote = 0, ret = -1, c;

	memset(w, 0, sizeof(*w));
	*first = *line;
	for (;;) {
		c = reader_get(&r);
		if (!c) {
			bad_text("the line has a NUL character");
			break;
		}
		if (c == EOF && ferror(f))
			break;
		if (quote && (c == EOF || c == '\n')) {
			*first = c == EOF ? *line : *line - 1;
			bad_text("a quote is not closed");
			break;
		}
		if (c == '\\' && quote != '\'') {
			c = reader_get(&r);
			if (c == '\n')
				continue;
			if (c == EOF || !c) {
				bad_text("a backslash with nothing after it");
				break;
			}
			reader_add(&r, c);
			word = true;
			continue;
		}
		if (quote) {
			if (c == quote)
				quote = 0;
			else
				reader_add(&r, c);
			continue;
		}
		if (c == '\'' || c == '"') {
			quote = c;
			word = true;
			continue;
		}
		if (c == '#' && !word)
			while (c != '\n' && c != EOF)
				c = reader_get(&r);
		if (c != EOF && c != '\n' && !isspace(c)) {
			reader_add(&r, c);
			word = true;
			continue;
		}
		if (word) {
			words_add(w, r.n ? r.buf : (char *)"");
			r.n = 0;
			word = false;
		}
		if (c == '\n') {
			if (w->n) {
				ret = 1;
				break;
			}
			*first = *line;
		}
		if (c == EOF) {
			ret = w->n ? 1 : 0;
			break;
		}
	}
	if (ret < 0) {
		int saved = errno;

		words_free(w);
		errno = saved;
	}
	free(r.buf);
	return ret;
}

void words_free(struct words *w)
{
	int i;

	for (i = 0; i < w->n; i++)
		free(w->v[i]);
	free(w->v);
	memset(w, 0, sizeof(*w));
}

void word_write(FILE *f, const char *word)
{
	if (!*word)
		fputs("\"\"", f);
	for (; *word; word++) {
		if (strchr("\\'\"#", *word) || isspace((unsigned char)*word))
			fputc('\\', f);
		fputc(*word, f);
	}
}
