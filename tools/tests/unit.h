/* SPDX-License-Identifier: GPL-2.0 */
/* A check counts against the test it stands in; a test is one TAP line. */
#ifndef FTQOS_UNIT_H
#define FTQOS_UNIT_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "ftqos.h"

extern const char *tools_dir;
extern unsigned int failures;	/* of the test that runs */

#define CHECK(cond) do {						\
	if (!(cond)) {							\
		failures++;						\
		printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);	\
	}								\
} while (0)

#define CHECK_INT(got, want) do {					\
	long long got_ = (long long)(got), want_ = (long long)(want);	\
									\
	if (got_ != want_) {						\
		failures++;						\
		printf("# %s:%d: %s is %lld, not %lld\n", __FILE__,	\
		       __LINE__, #got, got_, want_);			\
	}								\
} while (0)

#define CHECK_STR(got, want) do {					\
	const char *got_ = (got), *want_ = (want);			\
									\
	if (strcmp(got_, want_)) {					\
		failures++;						\
		printf("# %s:%d: %s is \"%s\", not \"%s\"\n", __FILE__,	\
		       __LINE__, #got, got_, want_);			\
	}								\
} while (0)

/* A call that is refused, and whose error has these words. */
#define CHECK_ERROR(call, status, words) do {				\
	last_error[0] = '\0';						\
	CHECK_INT(call, status);					\
	if (!strstr(last_error, words)) {				\
		failures++;						\
		printf("# %s:%d: the error is \"%s\", without \"%s\"\n",	\
		       __FILE__, __LINE__, last_error, words);		\
	}								\
} while (0)

/* Words of a text as argv, until the next call; "" is none. */
#define UNIT_WORDS 16
int split(const char *words, char **argv);

/* In the place of the C library's and libmnl's, see WRAP in the Makefile. */
struct mnl_socket;
struct msghdr;

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *nl, const void *buf,
				 size_t len);
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *nl, void *buf, size_t size);
ssize_t __wrap_recvmsg(int fd, struct msghdr *mh, int flags);

struct test {
	const char *name;
	void (*run)(void);
};

extern const struct test parse_tests[], config_tests[], nl_tests[],
	out_tests[], command_tests[], warn_tests[], explain_tests[];

#endif
