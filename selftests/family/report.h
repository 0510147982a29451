/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FAMILY_REPORT_H
#define FAMILY_REPORT_H

#include "make.h"

/* The message that is looked at, its number, and what it is drawn from; for fault(). */
void report_about(const struct message *msg, uint64_t number);
/* Note something that must not be; shows the message. */
void fault(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* How many there were. */
unsigned int faults(void);
/* The program cannot go on. */
void give_up(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Count a refusal by its words. */
void report_refusal(const char *text);
/* Append what was counted to a file. */
void report_refusals(const char *path);

#endif
