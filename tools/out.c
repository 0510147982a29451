// SPDX-License-Identifier: GPL-2.0
/* Text and JSON from the same calls. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "out.h"

#define COLUMNS 24
#define DEPTH 8
#define PART 65536

static FILE *mem;
static char *mem_buf;
static size_t mem_len;
/* What came before it, see out_part(); -1: nothing. */
static int spool = -1;

/* JSON */
static unsigned int depth;
static bool first[DEPTH];

/* Text: a table that is open; a record is one of two columns, no heads. */
static const char *heads[COLUMNS];
static bool right[COLUMNS], used[COLUMNS];
static size_t ncols, nrows;
static char **cells;		/* nrows * COLUMNS, with room for more rows */
static size_t room;
static bool in_table, in_record;
static const char *table_title;

void out_begin(void)
{
	out_drop();
	mem = open_memstream(&mem_buf, &mem_len);
	if (!mem) {
		refuse("out of memory");
		exit(ST_REFUSED);
	}
	depth = 0;
	first[0] = true;
}

static void table_clear(void)
{
	size_t i;

	for (i = 0; i < nrows * COLUMNS; i++)
		free(cells[i]);
	free(cells);
	cells = NULL;
	room = 0;
	nrows = 0;
	ncols = 0;
}

static void row_add(void)
{
	if (nrows == room) {
		room = room ? 2 * room : 16;
		cells = xrealloc(cells, room * COLUMNS, sizeof(*cells));
	}
	memset(&cells[nrows * COLUMNS], 0, COLUMNS * sizeof(*cells));
	nrows++;
}

static void spool_drop(void)
{
	if (spool >= 0)
		close(spool);
	spool = -1;
}

void out_drop(void)
{
	if (!mem)
		return;
	fclose(mem);
	free(mem_buf);
	mem = NULL;
	mem_buf = NULL;
	spool_drop();
	table_clear();
	in_table = false;
	in_record = false;
}

const char *out_peek(void)
{
	fflush(mem);
	return mem_buf;
}

static int cannot_write(void)
{
	return refuse("cannot write the output: %s", strerror(errno));
}

static bool write_all(int fd, const char *buf, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, buf, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		buf += n;
		len -= (size_t)n;
	}
	return true;
}

int out_part(void)
{
	if (!opts.json || ftello(mem) < PART)
		return ST_OK;
	if (spool < 0)
		spool = memfd_create("ftqos", MFD_CLOEXEC);
	/* A kernel without such files: it stays where it is. */
	if (spool < 0)
		return ST_OK;
	if (fflush(mem) || !write_all(spool, mem_buf, mem_len))
		return cannot_write();
	/* The same memory again. */
	rewind(mem);
	return ST_OK;
}

/* Copy the spool to standard output, behind what is in its buffer. */
static bool spool_out(void)
{
	char *buf;
	off_t at = 0;
	ssize_t n;
	bool ok;

	if (spool < 0)
		return true;
	ok = !fflush(stdout);
	buf = xrealloc(NULL, PART, 1);
	while (ok) {
		n = pread(spool, buf, PART, at);
		if (n <= 0) {
			ok = !n;
			break;
		}
		ok = write_all(STDOUT_FILENO, buf, (size_t)n);
		at += n;
	}
	free(buf);
	spool_drop();
	return ok;
}

int out_end(void)
{
	bool bad;

	if (opts.json)
		fputc('\n', mem);
	bad = fclose(mem) != 0;
	mem = NULL;
	if (!bad)
		bad = !spool_out() ||
		      fwrite(mem_buf, 1, mem_len, stdout) != mem_len;
	if (fflush(stdout))
		bad = true;
	free(mem_buf);
	mem_buf = NULL;
	return bad ? cannot_write() : ST_OK;
}

/* Length of the UTF-8 sequence at s, 0 if it is none. */
static size_t utf8_len(const unsigned char *s)
{
	uint32_t c, min;
	size_t n, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2, c = s[0] & 0x1f, min = 0x80;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3, c = s[0] & 0x0f, min = 0x800;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4, c = s[0] & 0x07, min = 0x10000;
	else
		return 0;
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return n;
}

/* Is what begins at s, of utf8_len(), something that a terminal obeys: C0, DEL, C1? */
static bool is_control(const unsigned char *s)
{
	return *s < ' ' || *s == 0x7f || (*s == 0xc2 && s[1] < 0xa0);
}

void text_clean(char *text, bool lines)
{
	unsigned char *s = (unsigned char *)text, *to = s;
	size_t n;

	while (*s) {
		n = utf8_len(s);
		if (lines && *s == '\n') {
			*to++ = *s++;
		} else if (!n || is_control(s)) {
			/* Of what is no UTF-8 an octet may be C1, too. */
			*to++ = '?';
			s += n ? n : 1;
		} else {
			memmove(to, s, n);
			to += n;
			s += n;
		}
	}
	*to = '\0';
}

static void json_string(const char *str)
{
	const unsigned char *s = (const unsigned char *)str;

	fputc('"', mem);
	while (*s) {
		size_t n = utf8_len(s);

		if (!n) {
			/* Device names are bytes, JSON is text. */
			fputs("\\ufffd", mem);
			s++;
			continue;
		}
		if (*s == '"' || *s == '\\')
			fprintf(mem, "\\%c", *s);
		else if (is_control(s))
			fprintf(mem, "\\u%04x", s[n - 1]);
		else
			fwrite(s, 1, n, mem);
		s += n;
	}
	fputc('"', mem);
}

static void json_newline(void)
{
	if (opts.pretty)
		fprintf(mem, "\n%*s", (int)(4 * depth), "");
}

/* Comma, indentation and key before a value. */
static void json_lead(const char *key)
{
	/* Documents are not a list. */
	if (!first[depth])
		fputc(depth ? ',' : '\n', mem);
	first[depth] = false;
	if (depth)
		json_newline();
	if (key) {
		json_string(key);
		fputs(opts.pretty ? ": " : ":", mem);
	}
}

static void json_open(const char *key, char c)
{
	json_lead(key);
	fputc(c, mem);
	if (depth + 1 < DEPTH)
		depth++;
	first[depth] = true;
}

static void json_close(char c)
{
	bool empty = first[depth];

	depth--;
	if (!empty)
		json_newline();
	fputc(c, mem);
}

/* A copy for a cell. */
static char *text_copy(const char *s)
{
	char *copy = xstrdup(s);

	text_clean(copy, false);
	return copy;
}

static size_t text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		if ((*s & 0xc0) != 0x80)
			n++;
	return n;
}

static void cell(const char *head, const char *v, bool num)
{
	size_t i;

	if (!head)
		return;
	if (in_record) {
		row_add();
		cells[(nrows - 1) * COLUMNS] = xstrdup(head);
		cells[(nrows - 1) * COLUMNS + 1] = text_copy(v);
		ncols = 2;
		right[0] = false;
		right[1] = false;
		used[0] = true;
		used[1] = true;
		return;
	}
	for (i = 0; i < ncols && strcmp(heads[i], head); i++)
		;
	if (i == COLUMNS || !nrows)
		return;
	if (i == ncols) {
		heads[ncols++] = head;
		used[i] = false;
	}
	if (!used[i])
		right[i] = num;
	used[i] = true;
	free(cells[(nrows - 1) * COLUMNS + i]);
	cells[(nrows - 1) * COLUMNS + i] = text_copy(v);
}

static void table_print(void)
{
	size_t width[COLUMNS] = { 0 }, i, r, last = 0;
	bool begun;

	for (i = 0; i < ncols; i++) {
		width[i] = in_record ? 0 : strlen(heads[i]);
		for (r = 0; r < nrows; r++) {
			const char *v = cells[r * COLUMNS + i];
			size_t n = v ? text_width(v) : 1;

			if (n > width[i])
				width[i] = n;
		}
	}
	for (i = 0; i < ncols; i++)
		if (used[i])
			last = i;
	for (r = in_record ? 1 : 0; r <= nrows && nrows; r++) {
		begun = false;
		for (i = 0; i < ncols; i++) {
			const char *v = r ? cells[(r - 1) * COLUMNS + i] : heads[i];
			size_t pad;

			if (!used[i])
				continue;
			if (!v)
				v = "-";
			pad = width[i] - text_width(v);
			if (begun)
				fputs("  ", mem);
			begun = true;
			if (right[i])
				fprintf(mem, "%*s", (int)pad, "");
			fputs(v, mem);
			if (!right[i] && i != last)
				fprintf(mem, "%*s", (int)pad, "");
		}
		fputc('\n', mem);
	}
	table_clear();
}

void out_list(const char *key, const char *title)
{
	if (opts.json) {
		json_open(key, '[');
		return;
	}
	if (in_record)
		table_print();
	in_table = true;
	table_title = title;
}

void out_list_end(void)
{
	bool record = in_record;

	if (opts.json) {
		json_close(']');
		return;
	}
	in_record = false;
	if (nrows && table_title)
		fprintf(mem, "\n%s\n", table_title);
	table_print();
	in_table = false;
	in_record = record;
}

void out_columns(const char *const *columns)
{
	for (ncols = 0; ncols < COLUMNS && columns[ncols]; ncols++) {
		heads[ncols] = columns[ncols];
		used[ncols] = false;
	}
}

void out_item(void)
{
	if (opts.json) {
		json_open(NULL, '{');
		return;
	}
	row_add();
}

void out_item_end(void)
{
	if (opts.json)
		json_close('}');
}

void out_record(void)
{
	if (opts.json)
		json_open(NULL, '{');
	else
		in_record = true;
}

void out_record_end(void)
{
	if (opts.json) {
		json_close('}');
		return;
	}
	table_print();
	in_record = false;
}

static void text_cell(const char *head, const char *v, bool num)
{
	bool record = in_record;

	/* A list inside a record makes columns of its own. */
	in_record = record && !in_table;
	cell(head, v, num);
	in_record = record;
}

void out_str(const char *key, const char *head, const char *v)
{
	if (!opts.json) {
		text_cell(head, v, false);
	} else if (key || !head) {
		json_lead(key);
		json_string(v);
	}
}

void out_u64(const char *key, const char *head, uint64_t v, const char *text)
{
	char buf[24];

	if (!opts.json) {
		snprintf(buf, sizeof(buf), "%" PRIu64, v);
		text_cell(head, text ? text : buf, true);
	} else if (key || !head) {
		json_lead(key);
		fprintf(mem, "%" PRIu64, v);
	}
}

void out_s64(const char *key, const char *head, int64_t v)
{
	char buf[24];

	if (!opts.json) {
		snprintf(buf, sizeof(buf), "%" PRId64, v);
		text_cell(head, buf, true);
	} else if (key) {
		json_lead(key);
		fprintf(mem, "%" PRId64, v);
	}
}

void out_null(const char *key, const char *head, const char *text)
{
	if (!opts.json) {
		text_cell(head, text, false);
	} else if (key) {
		json_lead(key);
		fputs("null", mem);
	}
}

void out_bool(const char *key, const char *head, bool v)
{
	if (!opts.json) {
		text_cell(head, v ? "yes" : "no", false);
	} else if (key) {
		json_lead(key);
		fputs(v ? "true" : "false", mem);
	}
}

void out_ms(const char *key, uint64_t ms)
{
	if (!opts.json)
		return;
	json_lead(key);
	fprintf(mem, "%" PRIu64 ".%03u", ms / 1000, (unsigned int)(ms % 1000));
}

void out_array(const char *key)
{
	if (opts.json)
		json_open(key, '[');
}

void out_array_end(void)
{
	if (opts.json)
		json_close(']');
}

void out_text(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	if (opts.json)
		return;
	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	text_clean(text, true);
	fputs(text, mem);
	free(text);
}

const char *bytes_text(uint64_t v, char *buf, size_t size)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	uint64_t div = 1;
	size_t u = 0;

	while (u + 1 < ARRAY_SIZE(units) && v / div >= 1000) {
		div *= 1000;
		u++;
	}
	if (!u)
		snprintf(buf, size, "%" PRIu64 " B", v);
	else if (v / div >= 100)
		snprintf(buf, size, "%" PRIu64 " %s", v / div, units[u]);
	else if (v / div >= 10)
		snprintf(buf, size, "%" PRIu64 ".%u %s", v / div,
			 (unsigned int)(v % div / (div / 10)), units[u]);
	else
		snprintf(buf, size, "%" PRIu64 ".%02u %s", v / div,
			 (unsigned int)(v % div / (div / 100)), units[u]);
	return buf;
}

const char *ms_text(uint64_t ms, char *buf, size_t size)
{
	uint64_t s = ms / 1000;

	if (s < 60)
		snprintf(buf, size, "%" PRIu64 ".%u s", s, (unsigned int)(ms % 1000 / 100));
	else if (s < 3600)
		snprintf(buf, size, "%" PRIu64 " m %u s", s / 60, (unsigned int)(s % 60));
	else
		snprintf(buf, size, "%" PRIu64 " h %u m", s / 3600,
			 (unsigned int)(s / 60 % 60));
	return buf;
}
