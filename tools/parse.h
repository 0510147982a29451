/* SPDX-License-Identifier: GPL-2.0 */
/* Words of the command line; every function reports its own error. */
#ifndef FTQOS_PARSE_H
#define FTQOS_PARSE_H

#include "ftqos.h"

struct prefix {
	int family;		/* AF_INET or AF_INET6 */
	unsigned int len;
	uint8_t addr[16];	/* network order, bits beyond len are 0 */
};

/* Decimal or 0x, no sign, no blanks; what names the value in the error. */
int parse_u32(const char *what, const char *s, uint32_t min, uint32_t max,
	      uint32_t *v);
int parse_prio(const char *s, uint32_t *v);
int parse_class(const char *s, uint32_t *class);
int parse_classes(const char *s, uint64_t *classes);
int parse_prefix(const char *what, const char *s, struct prefix *p);
/* Index of a word in a list of n, or ST_USAGE with the list in the error. */
int parse_word(const char *what, const char *s, const char *const *words,
	       size_t n, uint32_t *v);

/* Name of a class, or NULL. */
const char *class_name(uint32_t class);
/* Name or number. */
const char *class_text(uint32_t class, char *buf, size_t size);
#define CLASSES_TEXT_MAX 512
/* The shortest list that parse_classes() reads back as the same set. */
const char *classes_text(uint64_t classes, char *buf, size_t size);

/* Lines of a batch file. */
struct words {
	char **v;
	int n;
};

/*
 * Read the next command: blanks separate words, # where a word would begin
 * starts a comment, a backslash takes the next character as it is (or joins
 * the next line), '...' and "..." quote. line counts, first is the line that
 * the command begins on. Returns 1, 0 at the end, -1 with errno (0: the text
 * is bad, in last_error) on failure.
 */
int words_read(FILE *f, unsigned int *line, unsigned int *first,
	       struct words *w);
void words_free(struct words *w);
/* A word as words_read() reads it back. */
void word_write(FILE *f, const char *word);

#endif
