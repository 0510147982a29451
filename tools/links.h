/* SPDX-License-Identifier: GPL-2.0 */
/* Devices as rtnetlink tells of them, and how they stand on each other. */
#ifndef FTQOS_LINKS_H
#define FTQOS_LINKS_H

#include <net/if.h>

#include "ftqos.h"

/* What a flowtable looks through, and what else frames are found below. */
enum link_kind { LINK_OTHER, LINK_VLAN, LINK_BRIDGE, LINK_BOND, LINK_PPP,
		 LINK_TUNNEL };

/* A pair of an egress-qos-map. */
struct qos_pair {
	uint32_t prio;
	uint32_t pcp;
};

struct link {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	enum link_kind kind;
	bool encaps;		/* puts an IP header before packets */
	uint32_t lower;		/* the device it stands on; 0: none, or in another netns */
	uint32_t master;	/* of a port; 0: none */
	bool tagged;		/* a bridge's port with VLANs that leave tagged */
	char qdisc[32];		/* at its root, "" if there is none */
	bool qdisc_default;	/* the kernel put it there, nobody else */
	uint32_t vid;		/* of a VLAN device */
	bool tags_first;	/* a VLAN device that tags before its own qdisc */
	struct qos_pair *egress;	/* of a VLAN device */
	size_t negress;
};

/* Sorted by ifindex. */
struct links {
	struct link *v;
	size_t n;
};

/* Links, each once. Point into the struct links that they are of. */
struct link_set {
	const struct link **v;
	size_t n;
};

/*
 * Read all of this network namespace. False: it could not be read, links is
 * empty, and why is in err.
 */
bool links_read(struct links *links, char *err, size_t size);
void links_sort(struct links *links);
void links_free(struct links *links);
/* NULL: there is none */
const struct link *links_find(const struct links *links, uint32_t ifindex);
/* What rtnetlink does not tell: a PPPoE device and the device below it. */
void links_session(struct links *links, uint32_t ifindex, uint32_t lower);

/* False if it was there. */
bool set_add(struct link_set *set, const struct link *link);
bool set_has(const struct link_set *set, uint32_t ifindex);
void set_free(struct link_set *set);

/* Each of these adds to the set. All that is below, or above, at any depth. */
void links_below(const struct links *links, const struct link *link,
		 struct link_set *set);
void links_above(const struct links *links, const struct link *link,
		 struct link_set *set);
/*
 * Where the way down ends that a flowtable knows: through VLAN, PPPoE and bridge
 * devices, not through a bond's. The device itself, if it is none of these;
 * nothing, if the end is not known.
 */
void links_lowest(const struct links *links, const struct link *link,
		  struct link_set *set);
/*
 * The VLAN devices on this way that tag a frame after it was in the qdisc of the
 * device, which may be one of them.
 */
void links_vlans(const struct links *links, const struct link *link,
		 struct link_set *set);
/* Does a frame with a VLAN tag ever leave through the device? */
bool links_tagged(const struct links *links, const struct link *link);

/* Does a flowtable know what is below the device? */
bool link_looked_through(const struct link *link);
/* The PCP that a VLAN device gives to a priority. */
uint32_t link_pcp(const struct link *vlan, uint32_t prio);

#endif
