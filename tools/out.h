/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Text and JSON from the same calls.
 *
 * Everything is kept until out_end(), so an error leaves no half of a JSON
 * document behind. A value has a key (NULL: not in the JSON) and a head (NULL: not
 * in the text).
 */
#ifndef FTQOS_OUT_H
#define FTQOS_OUT_H

#include "ftqos.h"

void out_begin(void);
/* Write it all; reports an error of writing. */
int out_end(void);
/* Throw it away. */
void out_drop(void);

/* An array of objects; in text a table with one column for each head. */
void out_list(const char *key, const char *title);
void out_list_end(void);
/*
 * The order of the columns of a table that comes next; NULL ends it. Columns
 * without a value are left out. Without this, they stand as they come.
 */
void out_columns(const char *const *columns);
void out_item(void);
void out_item_end(void);
/*
 * After an item: put what there is aside if that is much, into a file in memory.
 * That is cheaper than memory that grows: none is moved, and no page of it is
 * faulted in. With JSON only, since a table's columns have to be seen whole.
 */
int out_part(void);
/* One object; in text one line for each value. */
void out_record(void);
void out_record_end(void);

void out_str(const char *key, const char *head, const char *v);
/* text: how the number reads in the text, NULL: as it is. */
void out_u64(const char *key, const char *head, uint64_t v, const char *text);
void out_s64(const char *key, const char *head, int64_t v);
void out_null(const char *key, const char *head, const char *text);
void out_bool(const char *key, const char *head, bool v);
/* Seconds with three decimals. */
void out_ms(const char *key, uint64_t ms);

/* Inside an object, JSON only: an array of plain values or of objects. */
void out_array(const char *key);
void out_array_end(void);

/* Text only; nothing with -j. */
void out_text(const char *fmt, ...) __printf(1, 2);

/* Tests look at what was made. */
const char *out_peek(void);

/* 1234567 -> "1.23 MB", 83000 -> "1 m 23 s" */
const char *bytes_text(uint64_t v, char *buf, size_t size);
const char *ms_text(uint64_t ms, char *buf, size_t size);

#endif
