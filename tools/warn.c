// SPDX-License-Identifier: GPL-2.0
/* Warnings that follow from what the module says. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "status.h"

void warn(struct status *s, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	s->warnings = xrealloc(s->warnings, s->nwarnings + 1, sizeof(*s->warnings));
	s->warnings[s->nwarnings++] = text;
}

/* What a state means, where the module does not say, and what to do. */
static const struct {
	const char *reason;
	const char *remedy;
} advice[] = {
	[NF_FLOW_QOS_DEV_STATE_ABSENT] = {
		"there is no device of that name",
		"'ftqos dev del' removes the binding",
	},
	[NF_FLOW_QOS_DEV_STATE_DOWN] = {
		"the device is down", "set it up with ip link",
	},
	[NF_FLOW_QOS_DEV_STATE_UNRESOLVED] = {
		"the devices below it are not known yet", "see ip link",
	},
	[NF_FLOW_QOS_DEV_STATE_NO_FLOWTABLE] = {
		"nothing is offloaded",
		"add a flowtable with nft and offload flows to it",
	},
	[NF_FLOW_QOS_DEV_STATE_NO_EGRESS_HOOK] = {
		"the kernel has no netdev egress hooks",
		"build it with CONFIG_NETFILTER_EGRESS for PCP, DSCP and maps of single devices",
	},
	[NF_FLOW_QOS_DEV_STATE_ORDER_BLOCKED] = {
		"another ingress chain stands before a flowtable",
		"give it another priority than the flowtable's, or load it before the flowtable",
	},
	[NF_FLOW_QOS_DEV_STATE_ACTIVE] = { NULL, NULL },
};

static void warn_devices(struct status *s)
{
	size_t i;

	for (i = 0; i < s->devs.n; i++) {
		const struct dev *d = &s->devs.v[i];
		const char *reason = d->reason;

		if (d->state == NF_FLOW_QOS_DEV_STATE_ACTIVE) {
			if (reason)
				warn(s, "%s is active: %s", d->name, reason);
			continue;
		}
		if (d->state >= ARRAY_SIZE(advice)) {
			warn(s, "%s is in a state that this command does not know: install both from one release",
			     d->name);
			continue;
		}
		if (!reason)
			reason = advice[d->state].reason;
		warn(s, "%s is %s: %s; %s", d->name, dev_state_name(d->state), reason,
		     advice[d->state].remedy);
	}
}

static void warn_flowtables(struct status *s)
{
	size_t i;

	/* Without a binding there are no hooks, and that is as it should be. */
	for (i = 0; s->devs.n && i < s->nft; i++) {
		const struct flowtable *ft = &s->ft[i];

		if (ft->state == NF_FLOW_QOS_FLOWTABLE_STATE_SHADOWED)
			warn(s, "flowtable on %s (priority %d) is shadowed: another ingress chain stands before it, its packets are not classified; give that chain another priority",
			     ft->dev, ft->priority);
		else if (ft->state == NF_FLOW_QOS_FLOWTABLE_STATE_UNHOOKED)
			warn(s, "flowtable on %s (priority %d) is unhooked: its packets are not classified; if this lasts for more than a few seconds, see dmesg",
			     ft->dev, ft->priority);
	}
}

/* Once for each flowtable, with all devices that it is on. */
static void warn_hardware(struct status *s)
{
	size_t i, k, len;
	char *devs;
	FILE *f;

	for (i = 0; s->devs.n && i < s->nft; i++) {
		const struct flowtable *ft = &s->ft[i];

		for (k = 0; k < i && s->ft[k].id != ft->id; k++)
			;
		if (k < i || !(ft->flags & NF_FLOW_QOS_FLOWTABLE_FLAG_HW_OFFLOAD))
			continue;
		devs = NULL;
		f = open_memstream(&devs, &len);
		if (!f)
			return;
		for (; k < s->nft; k++)
			if (s->ft[k].id == ft->id)
				fprintf(f, "%s%s", k == i ? "" : ", ", s->ft[k].dev);
		fclose(f);
		warn(s, "flowtable on %s (priority %d) has hardware offload on: packets of flows that the hardware takes never reach the module, no map holds for them; remove 'flags offload' from it, or accept that",
		     devs, ft->priority);
		free(devs);
	}
}

/* Do packets of different classes get different things? Where that is open: yes. */
static bool map_differs(const struct status *s, const char *name)
{
	size_t i, k;

	for (i = 0; i < s->maps.n; i++) {
		const struct map *map = &s->maps.v[i];

		if (strcmp(map->name, name))
			continue;
		for (k = 1; k < NF_FLOW_QOS_CLASSES; k++)
			if (!entry_equal(&map->e[k], &map->e[0]))
				return true;
		return false;
	}
	return true;
}

static bool trusts_otherwise(const struct dev *dev)
{
	return dev->state != NF_FLOW_QOS_DEV_STATE_ABSENT &&
	       dev->trust != NF_FLOW_QOS_TRUST_DSCP;
}

/**
 * enters_otherwise() - do packets enter whose class is not their DSCP
 * @s: status
 * @out: binding that they leave by
 * @more: set to how many other bindings let them, if not NULL
 *
 * Return: the first binding by which they do, or NULL.
 */
const struct dev *enters_otherwise(const struct status *s, const struct dev *out,
				   size_t *more)
{
	const struct dev *in = NULL;
	size_t k, n = 0;

	for (k = 0; k < s->devs.n; k++) {
		/* What enters by a device leaves by another; any is several. */
		if (!trusts_otherwise(&s->devs.v[k]) ||
		    (&s->devs.v[k] == out && strcmp(out->name, "any")))
			continue;
		if (in)
			n++;
		else
			in = &s->devs.v[k];
	}
	if (more)
		*more = n;
	return in;
}

/*
 * Scope all knows the class of a packet that is not offloaded by its DSCP only. One
 * warning for each binding that has it, whatever the number of those that packets enter
 * by.
 */
static void warn_classes(struct status *s)
{
	char trust[TRUST_TEXT_MAX];
	size_t i, more;

	for (i = 0; i < s->devs.n; i++) {
		const struct dev *out = &s->devs.v[i], *in;

		if (out->state == NF_FLOW_QOS_DEV_STATE_ABSENT ||
		    out->scope != NF_FLOW_QOS_SCOPE_ALL || !map_differs(s, out->map))
			continue;
		in = enters_otherwise(s, out, &more);
		if (!in)
			continue;
		warn(s, "packets that enter through %s%s (trust %s) and leave through %s (scope all) go by their own DSCP until they are offloaded: use 'ftqos dev set %s trust dscp', or 'ftqos dev set %s scope offloaded', which leaves the first ones alone",
		     in->name, more ? " and others" : "",
		     trust_text(in, trust, sizeof(trust)), out->name, in->name, out->name);
	}
}

void make_warnings(struct status *s)
{
	if (strcmp(s->version, FTQOS_VERSION))
		warn(s, "the module is version %s, this command %s: install both from one release",
		     s->version, FTQOS_VERSION);
	if (!s->egress_hook)
		warn(s, "the kernel is built without CONFIG_NETFILTER_EGRESS: PCP and DSCP cannot be set, and prio comes from the any binding alone");
	warn_devices(s);
	warn_flowtables(s);
	warn_hardware(s);
	warn_classes(s);
	/* Without a binding nothing is expected of devices. */
	if (!s->devs.n)
		return;
	if (s->unread[0])
		warn(s, "devices and qdiscs cannot be read (%s): warnings about them are missing here; try again",
		     s->unread);
	else
		warn_stack(s);
}
