/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_CTMARK_H
#define FTQ_CTMARK_H

#include <linux/netfilter.h>

#include "binding.h"
#include "flow.h"
#include "parse.h"
#include "path.h"

bool ftq_ctmark_mask_valid(u32 mask);
struct ftq_flow *
ftq_ctmark_class(struct ftq_window *win, const struct ftq_target *target,
		 const struct ftq_packet *pkt,
		 const struct nf_hook_entries *entries,
		 const struct nf_hook_entry *flowtable);

#endif /* FTQ_CTMARK_H */
