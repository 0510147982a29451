/* SPDX-License-Identifier: GPL-2.0 */
/* What is known of one flow, and the steps that follow from it. */
#ifndef FTQOS_EXPLAIN_H
#define FTQOS_EXPLAIN_H

#include "flow.h"
#include "status.h"

/* The flow that is asked for. */
struct question {
	struct tuple tuple;
	bool has_sport;
	bool has_dport;
	char dev[IFNAMSIZ];
	uint32_t iif;
};

/* What the kernel says of the way of a packet. */
struct route {
	uint32_t oif;		/* 0: not known */
	uint8_t type;		/* RTN_*, RTN_UNSPEC: no answer, or an error */
	int err;		/* its errno, 0: none */
	uint32_t mark;		/* without this one it would be another; 0: none */
};

struct facts {
	struct question q;
	struct tuple tuple;	/* the question's, with the ports of what was found */
	struct status s;
	struct limits limits;
	uint64_t dropped;	/* flows that were not counted */

	bool found;		/* the module has the flow */
	struct flow flow;
	size_t nfound;		/* as many match, this one had the last packet */
	uint32_t elsewhere;	/* none does, but one that enters through this device */

	struct ct_table conntrack;
	char ct_unread[128];	/* why there is none, "" if there is one */
	struct ct_match ct;
	/*
	 * Seconds that conntrack gives such an entry with each packet, and those of which
	 * a flowtable leaves a part when it lets go of it; 0: not known.
	 */
	uint32_t ct_timeout;
	uint32_t ct_timeout_after;
	uint32_t ft_timeout;	/* a flowtable keeps a flow without a packet so long */
	uint64_t idle_ms;	/* since the last packet taken, of either direction */

	struct route route;	/* as packets are routed now */
};

/*
 * A step: its name is part of the interface. The value is a text, a number, or NULL
 * for one that is not set.
 */
struct step {
	const char *name;
	char *text;
	bool number;
	uint64_t v;
	char *from;		/* NULL: nothing to say */
};

struct steps {
	struct step *v;
	size_t n;
};

/* explain_bind.c */
enum decided_by { BY_NONE, BY_OWN, BY_ABOVE, BY_BELOW, BY_ANY };

struct decider {
	const struct dev *dev;	/* NULL: none */
	enum decided_by by;
	uint32_t ifindex;	/* about packets of this device; 0: not known */
};

/* The binding that decides about packets that enter. */
struct decider decider_in(const struct facts *f);
/* About those that leave: where the last one left, or where the route leads. */
struct decider decider_out(const struct facts *f);
/* The device of the network layer that the flow enters through. */
uint32_t network_device(const struct facts *f);
/* Does a flow enter through the device that is asked for, or what is above or below? */
bool enters_through(const struct facts *f, const struct flow *flow);
const char *link_name(const struct facts *f, uint32_t ifindex);
/* Is the warning about devices of the flow, or about none alone? */
bool warning_concerns(const struct facts *f, const char *text);

/* explain_route.c */
void ask_route(struct facts *f);
/* Why such a packet is not forwarded; NULL: it is, or that is not known. */
const char *route_ends(const struct route *route);

/* explain_steps.c */
void make_steps(const struct facts *f, struct steps *steps);
void steps_free(struct steps *steps);

#endif
