/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FAMILY_CHECK_H
#define FAMILY_CHECK_H

#include "kernel.h"

/* Those who ask have CAP_NET_ADMIN. */
extern bool privileged;

/* A message with data, an answer or, where nothing was asked, a notification. */
void check_reply(const struct nlmsghdr *nlh, const struct op *asked, void *arg);
/* How a request was answered. */
void check_answer(const struct message *msg, const struct link *link,
		  const struct answer *answer);

#endif
