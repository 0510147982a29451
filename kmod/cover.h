/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_COVER_H
#define FTQ_COVER_H

#include <linux/types.h>

struct ftq_binding;
struct ftq_net;
struct net_device;

/**
 * struct ftq_where - frames of an upper device, as they are on one below it
 * @key: encapsulation (key.h)
 * @tagged: a tag or a session lies between, so that @key tells these frames from
 *	those of other upper devices; else all frames of the device are meant
 * @depth: number of devices between, and one
 */
struct ftq_where {
	u64	key;
	bool	tagged;
	u8	depth;
};

/**
 * struct ftq_cover - a device on which the frames of a bound one are found
 * @binding: of the upper device
 * @ifindex: of the device below it
 * @at: how they are found there
 */
struct ftq_cover {
	struct ftq_binding	*binding;
	u32			ifindex;
	struct ftq_where	at;
};

/**
 * struct ftq_covers - those of all bindings of a namespace; RTNL
 * @cover: array of @nr, in the order of bindings
 * @nr: used
 * @room: allocated
 */
struct ftq_covers {
	struct ftq_cover	*cover;
	unsigned int		nr;
	unsigned int		room;
};

typedef int ftq_below_fn(struct net_device *lower, const struct ftq_where *at,
			 void *arg);

int ftq_below(struct net_device *dev, const struct ftq_where *at,
	      ftq_below_fn *fn, void *arg, bool *unresolved);
u32 ftq_cover_session(struct net_device *dev);
int ftq_covers_make(struct ftq_net *fn, struct ftq_covers *covers);
void ftq_covers_free(struct ftq_covers *covers);
bool ftq_covers_equal(const struct ftq_covers *a, const struct ftq_covers *b);

#endif /* FTQ_COVER_H */
