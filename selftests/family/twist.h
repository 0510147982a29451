/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FAMILY_TWIST_H
#define FAMILY_TWIST_H

#include "make.h"

/* Change something of a message that the specification would let pass. */
void twist(struct source *source, struct message *msg);
/* ... of its headers, mostly nothing; it is complete. */
void twist_head(struct source *source, struct message *msg);

#endif
