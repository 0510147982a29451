// SPDX-License-Identifier: GPL-2.0
/* Is it JSON (RFC 8259)? Is it text that a terminal can be given? */
#include <ctype.h>
#include <string.h>

#include "world.h"

#define DEPTH_MAX 64

static const char *value(const char *s, unsigned int depth);

static const char *blanks(const char *s)
{
	return s + strspn(s, " \t\r\n");
}

/* Behind a sequence of UTF-8 that is as short as it can be and no surrogate, or NULL. */
static const char *utf8(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;
	unsigned int i, more = u[0] >= 0xf0 ? 3 : u[0] >= 0xe0 ? 2 : 1;

	if (u[0] < 0x80)
		return s + 1;
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return NULL;
	if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ||
	    (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
		return NULL;
	for (i = 1; i <= more; i++)
		if (u[i] >> 6 != 2)
			return NULL;
	return s + 1 + more;
}

/* What a terminal obeys, of well-formed UTF-8: C0, DEL, C1. */
static bool is_control(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;

	return u[0] < ' ' || u[0] == 0x7f || (u[0] == 0xc2 && u[1] < 0xa0);
}

static const char *string(const char *s)
{
	unsigned int i;

	if (*s++ != '"')
		return NULL;
	while (s && *s != '"') {
		if (is_control(s))
			return NULL;
		if (*s != '\\') {
			s = utf8(s);
			continue;
		}
		s++;
		if (*s == 'u') {
			for (i = 0; i < 4; i++)
				if (!isxdigit((unsigned char)*++s))
					return NULL;
		} else if (!*s || !strchr("\"\\/bfnrt", *s)) {
			return NULL;
		}
		s++;
	}
	return s ? s + 1 : NULL;
}

static const char *digits(const char *s)
{
	return isdigit((unsigned char)*s) ? s + strspn(s, "0123456789") : NULL;
}

static const char *number(const char *s)
{
	s += *s == '-';
	s = *s == '0' ? s + 1 : digits(s);
	if (s && *s == '.')
		s = digits(s + 1);
	if (s && (*s == 'e' || *s == 'E')) {
		s++;
		s += *s == '-' || *s == '+';
		s = digits(s);
	}
	return s;
}

/* Members of an object, or elements of an array. */
static const char *members(const char *s, char end, unsigned int depth)
{
	s = blanks(s + 1);
	if (*s == end)
		return s + 1;
	for (;;) {
		if (end == '}') {
			s = string(s);
			if (!s)
				return NULL;
			s = blanks(s);
			if (*s++ != ':')
				return NULL;
		}
		s = value(blanks(s), depth);
		if (!s)
			return NULL;
		s = blanks(s);
		if (*s == end)
			return s + 1;
		if (*s++ != ',')
			return NULL;
		s = blanks(s);
	}
}

static const char *value(const char *s, unsigned int depth)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t i;

	if (depth > DEPTH_MAX)
		return NULL;
	if (*s == '{' || *s == '[')
		return members(s, *s == '{' ? '}' : ']', depth + 1);
	if (*s == '"')
		return string(s);
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (!strncmp(s, words[i], strlen(words[i])))
			return s + strlen(words[i]);
	return number(s);
}

bool json_valid(const char *text, size_t n)
{
	const char *s = blanks(text);

	if (strlen(text) != n)
		return false;
	while (*s) {
		s = value(s, 0);
		if (!s)
			return false;
		s = blanks(s);
	}
	return true;
}

bool text_valid(const char *text, size_t n)
{
	const char *s = text;

	while (s && *s)
		s = is_control(s) && *s != '\n' ? NULL : utf8(s);
	return s == text + n;
}
