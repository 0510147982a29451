/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is around the command when it is fuzzed: a kernel whose answers are what
 * libFuzzer makes up, files that are in memory, an output that is looked at. These
 * functions stand in the place of libraries' and of a few of the command's own, see
 * WRAP and RENAME in the Makefile; all else of the command is as it is.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <stdio.h>
#include <stdlib.h>

#include "ftqos.h"

/* What must hold does not: libFuzzer keeps the input. */
#define FAIL_IF(cond) do {						\
	if (cond) {							\
		dprintf(2, "%s:%d: %s\n", __FILE__, __LINE__, #cond);	\
		abort();						\
	}								\
} while (0)

/* The rest of an input. */
struct bytes {
	const uint8_t *p;
	size_t n;
};

/* Take n of them, or all that is left and zeros. */
void take(struct bytes *from, void *to, size_t n);

/*
 * An answer of the kernel, as it stands in an input; size octets follow.
 *
 * @kind: enum record_kind, and RECORD_ bits
 * @cmd: of a message; of RECORD_ERRNO the error
 * @size: of what follows, if there is so much
 */
struct record {
	uint8_t kind;
	uint8_t cmd;
	uint16_t size;
};

/*
 * RECORD_MESSAGE: attributes of one. RECORD_ACK, RECORD_DONE: payload of it.
 * RECORD_ERRNO: an error of recvmsg(). RECORD_RAW: messages with their headers.
 */
enum record_kind { RECORD_MESSAGE, RECORD_ACK, RECORD_DONE, RECORD_ERRNO, RECORD_RAW };

#define RECORD_KIND	0x07
#define RECORD_CONTROL	0x08	/* of the family nlctrl, or to a question to it */
#define RECORD_INTR	0x10
#define RECORD_TLVS	0x20
#define RECORD_CAPPED	0x40

bool next_record(struct bytes *from, struct record *r, struct bytes *payload);

/* Begin: the kernel answers with these records, then with empty answers. */
void world_begin(struct bytes answers);
/* The file of this name that is read next; "fuzz.preset" may be in any directory. */
void world_file(const char *name, const void *data, size_t n);
FILE *open_bytes(const void *data, size_t n);
/*
 * End: what was printed, ended by a NUL, until the next one begins. The command has
 * forgotten what it knew of the kernel.
 */
const char *world_end(size_t *n);

/* In main.c it has its usual name. */
int ftqos_main(int argc, char **argv);

/* JSON documents, one behind the other, and nothing else. */
bool json_valid(const char *text, size_t n);
/* No character that a terminal takes for more than text. */
bool text_valid(const char *text, size_t n);

#endif
