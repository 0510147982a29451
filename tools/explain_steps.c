// SPDX-License-Identifier: GPL-2.0
/* The steps of an explanation, from what is known of the flow. */
#include <inttypes.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "explain.h"
#include "out.h"
#include "parse.h"

#define CT_OFFLOADED (IPS_OFFLOAD | IPS_HW_OFFLOAD)
/* Conntrack counts in seconds. */
#define CT_SLACK_MS 3000
/* A flowtable looks once a second which flows it lets go of, on a busy machine later. */
#define CT_LATE_MS 10000

/* A step without a value; the words are its reason, "" none. */
static struct step *add(struct steps *steps, const char *name, const char *fmt, ...)
	__printf(3, 4);

static struct step *add(struct steps *steps, const char *name, const char *fmt, ...)
{
	struct step *s;
	va_list ap;

	steps->v = xrealloc(steps->v, steps->n + 1, sizeof(*steps->v));
	s = &steps->v[steps->n++];
	memset(s, 0, sizeof(*s));
	s->name = name;
	va_start(ap, fmt);
	if (fmt[0] && vasprintf(&s->from, fmt, ap) < 0)
		s->from = NULL;
	va_end(ap);
	return s;
}

static void set_text(struct step *s, const char *text)
{
	s->text = xstrdup(text);
}

static void set_number(struct step *s, uint64_t v)
{
	s->number = true;
	s->v = v;
}

static void set_maybe(struct step *s, const struct maybe *v)
{
	if (v->there)
		set_number(s, v->v);
}

void steps_free(struct steps *steps)
{
	size_t i;

	for (i = 0; i < steps->n; i++) {
		free(steps->v[i].text);
		free(steps->v[i].from);
	}
	free(steps->v);
	memset(steps, 0, sizeof(*steps));
}

/* A TCP connection that ends, or has ended. */
static bool tcp_ended(const struct ct_entry *entry)
{
	return entry->tcp_state >= TCP_CONNTRACK_FIN_WAIT &&
	       entry->tcp_state <= TCP_CONNTRACK_CLOSE;
}

static bool on_flowtable(const struct facts *f)
{
	struct link_set set = { 0 };
	const struct link *link = links_find(&f->s.links, f->q.iif);
	bool on = false;
	size_t i;

	if (!link)
		return true;
	set_add(&set, link);
	links_below(&f->s.links, link, &set);
	links_above(&f->s.links, link, &set);
	for (i = 0; i < f->s.nft; i++)
		on |= set_has(&set, f->s.ft[i].ifindex);
	set_free(&set);
	return on;
}

/* Where a route was taken that only marked packets have. */
static void by_mark(const struct facts *f, bool leaves, char *buf, size_t size)
{
	buf[0] = '\0';
	if (leaves && !f->found && f->route.mark)
		snprintf(buf, size, " (if packets have conntrack's mark 0x%x)",
			 f->route.mark);
}

/* Why the module may not have a flow, the first reason that is true. */
static void add_not_found(const struct facts *f, struct steps *steps)
{
	uint32_t status = f->ct.entry ? f->ct.entry->status : 0;
	struct step *s;
	char mark[96];

	by_mark(f, true, mark, sizeof(mark));
	if (f->elsewhere)
		s = add(steps, "flow", "there is one that enters through %s: ask with 'iif %s'",
			link_name(f, f->elsewhere), link_name(f, f->elsewhere));
	else if (route_ends(&f->route) && !(status & IPS_OFFLOAD))
		s = add(steps, "flow", "%s%s", route_ends(&f->route), mark);
	else if (!f->s.devs.n)
		s = add(steps, "flow", "no device is bound, so no packet is looked at: 'ftqos dev set DEV'");
	else if (!f->limits.flow_limit)
		s = add(steps, "flow", "flows are not counted: 'ftqos config set flow-limit N'");
	else if (!on_flowtable(f))
		s = add(steps, "flow", "there is no flowtable on %s: nothing that enters there is offloaded",
			f->q.dev);
	else if (status & IPS_HW_OFFLOAD)
		s = add(steps, "flow", "the hardware forwards it: its packets reach no map");
	else if (f->ct.entry && !(status & IPS_OFFLOAD) && tcp_ended(f->ct.entry))
		s = add(steps, "flow", "the connection has ended: no flowtable takes what comes of it");
	else if (f->ct.entry && !(status & IPS_OFFLOAD))
		s = add(steps, "flow", "it is not offloaded: 'flow add' in nft's forward chain has to see it%s",
			status & IPS_SEEN_REPLY ? "" : ", and it has not had an answer yet");
	else if (f->dropped)
		s = add(steps, "flow",
			"no packet for %u s (flow-timeout), or no room (flow-limit %u): %llu were not counted",
			f->limits.flow_timeout, f->limits.flow_limit,
			(unsigned long long)f->dropped);
	else
		s = add(steps, "flow", "no packet of this direction for %u s (flow-timeout), or none since the device was bound",
			f->limits.flow_timeout);
	set_text(s, "not found");
}

static void add_flow(const struct facts *f, struct steps *steps)
{
	char src[END_TEXT_MAX], dst[END_TEXT_MAX], idle[32], tags[64] = "", more[48] = "";
	const struct flow *flow = &f->flow;
	size_t i, n = 0;

	if (!f->found) {
		add_not_found(f, steps);
		return;
	}
	for (i = 0; i < flow->nvlan && n < sizeof(tags); i++)
		n += (size_t)snprintf(tags + n, sizeof(tags) - n, "%s%u",
				      i ? "." : ", VLAN ", flow->vlan[i]);
	if (f->nfound > 1)
		snprintf(more, sizeof(more), "the latest of %zu, ", f->nfound);
	set_text(add(steps, "flow", "%s%s to %s, through %s%s%s; %" PRIu64 " packets, the last one %s ago",
		     more, end_text(&flow->tuple, false, src, sizeof(src)),
		     end_text(&flow->tuple, true, dst, sizeof(dst)),
		     link_name(f, flow->iif), tags, flow->tunneled ? ", in a tunnel" : "",
		     flow->packets, ms_text(flow->idle_ms, idle, sizeof(idle))), "found");
}

static void add_conntrack(const struct facts *f, struct steps *steps)
{
	char src[END_TEXT_MAX], dst[END_TEXT_MAX], zone[24] = "", text[2 * END_TEXT_MAX + 8];
	const struct ct_entry *entry = f->ct.entry;
	struct tuple nat;

	if (f->ct_unread[0]) {
		set_text(add(steps, "conntrack", "%s", f->ct_unread), "unknown");
		return;
	}
	if (!entry) {
		set_text(add(steps, "conntrack", "%s", f->ct.ambiguous ?
			     "more than one zone has this tuple" : ""),
			 f->ct.ambiguous ? "ambiguous" : "none");
		return;
	}
	if (entry->zone)
		snprintf(zone, sizeof(zone), ", zone %u", entry->zone);
	set_text(add(steps, "conntrack", "%s direction%s",
		     f->ct.dir == CT_REPLY ? "reply" : "original", zone),
		 entry->status & IPS_HW_OFFLOAD ? "hardware" :
		 entry->status & IPS_OFFLOAD ? "offloaded" : "not offloaded");
	nat = ct_after_nat(entry, f->ct.dir);
	if (tuple_equal(&nat, &f->tuple))
		return;
	snprintf(text, sizeof(text), "%s to %s", end_text(&nat, false, src, sizeof(src)),
		 end_text(&nat, true, dst, sizeof(dst)));
	set_text(add(steps, "nat", "what it leaves with"), text);
}

static void add_binding(const struct facts *f, struct steps *steps, const char *name,
			const char *verb, const struct decider *d)
{
	const char *dev = link_name(f, d->ifindex);
	char how[192], mark[96];

	by_mark(f, !strcmp(verb, "leaves"), mark, sizeof(mark));
	if (!d->dev) {
		if (d->ifindex)
			add(steps, name, "it %s through %s%s, which no binding covers",
			    verb, dev, mark);
		else if (!f->found && route_ends(&f->route))
			add(steps, name, "%s%s", route_ends(&f->route), mark);
		else
			add(steps, name, f->found ?
			    "no binding covers the device that the last packet left through" :
			    "the device that it leaves through is not known");
		set_text(&steps->v[steps->n - 1], "none");
		return;
	}
	if (d->by == BY_OWN)
		snprintf(how, sizeof(how), "it %s through it%s", verb, mark);
	else
		snprintf(how, sizeof(how), "it %s through %s%s, %s", verb, dev, mark,
			 d->by == BY_ABOVE ? "below that" :
			 d->by == BY_BELOW ? "above that" : "which has none of its own");
	set_text(add(steps, name, "%s; %s%s%s", how, dev_state_name(d->dev->state),
		     d->dev->reason ? ": " : "", d->dev->reason ? d->dev->reason : ""),
		 d->dev->name);
}

/* The class that a mark gives, if it gives one. The device has a mask. */
static struct maybe class_of_mark(const struct dev *dev, uint32_t mark)
{
	struct maybe class = { .there = false };

	if (dev->ctmark_statemask && !(mark & dev->ctmark_statemask))
		return class;
	class.there = true;
	class.v = (mark & dev->ctmark_mask) >> (ffs((int)dev->ctmark_mask) - 1);
	return class;
}

/* Does the last packet say that the mark, or the trust, was another when it came? */
static bool mark_was_another(const struct facts *f, const struct maybe *of_mark)
{
	uint32_t source = f->flow.source.v;

	if (!f->found || !f->flow.source.there)
		return false;
	if (!of_mark->there)
		return source == NF_FLOW_QOS_SOURCE_CTMARK;
	return source == NF_FLOW_QOS_SOURCE_DSCP || f->flow.class != of_mark->v;
}

static bool trust_was_another(const struct facts *f, uint32_t trust)
{
	switch (f->flow.source.v) {
	case NF_FLOW_QOS_SOURCE_DSCP:
		return trust != NF_FLOW_QOS_TRUST_DSCP &&
		       trust != NF_FLOW_QOS_TRUST_CTMARK;
	case NF_FLOW_QOS_SOURCE_PCP:
		return trust != NF_FLOW_QOS_TRUST_PCP;
	case NF_FLOW_QOS_SOURCE_NONE:
		return trust != NF_FLOW_QOS_TRUST_NONE;
	case NF_FLOW_QOS_SOURCE_CTMARK:
		return trust != NF_FLOW_QOS_TRUST_CTMARK;
	}
	/* That of what was learned does not tell. */
	return false;
}

static void add_mark(const struct facts *f, struct steps *steps, const struct dev *dev,
		     const struct maybe *of_mark)
{
	const char *was = mark_was_another(f, of_mark) ?
			  "; that was another when the last packet came" : "";
	uint32_t mark = f->ct.entry->mark;
	char buf[12];

	if (of_mark->there)
		add(steps, "mark", "0x%x & 0x%x, shifted by %d, is %s%s", mark,
		    dev->ctmark_mask, ffs((int)dev->ctmark_mask) - 1,
		    class_text(of_mark->v, buf, sizeof(buf)), was);
	else
		add(steps, "mark", "0x%x & 0x%x is 0, so the DSCP counts%s", mark,
		    dev->ctmark_statemask, was);
	set_number(&steps->v[steps->n - 1], mark);
}

/* Where the class comes from; returns it. */
static struct maybe add_class(const struct facts *f, struct steps *steps,
			      const struct decider *in)
{
	static const char *const reasons[] = {
		[NF_FLOW_QOS_SOURCE_DSCP] = "the DSCP that it came with",
		[NF_FLOW_QOS_SOURCE_PCP] = "8 times the PCP of its outermost tag, 0 without one",
		[NF_FLOW_QOS_SOURCE_NONE] = "trust none: nothing of the packet counts",
		[NF_FLOW_QOS_SOURCE_CTMARK] = "a part of conntrack's mark",
		[NF_FLOW_QOS_SOURCE_LEARNED] = "values that the slow path gave come first, the map has the rest",
	};
	uint32_t trust = in->dev ? in->dev->trust : NF_FLOW_QOS_TRUST_DSCP;
	struct maybe class = { .there = false }, of_mark = { .there = false };
	bool has_mark = f->ct.entry && f->ct.entry->has_mark;
	char buf[12], text[TRUST_TEXT_MAX], masks[TRUST_TEXT_MAX + 2] = "";
	uint32_t source = f->flow.source.v, mark;

	if (trust == NF_FLOW_QOS_TRUST_CTMARK)
		snprintf(masks, sizeof(masks), ": %s",
			 trust_text(in->dev, text, sizeof(text)));
	set_text(add(steps, "trust", "%s%s%s%s", in->dev ? "binding of " : "what holds without a binding",
		     in->dev ? in->dev->name : "", masks,
		     f->found && f->flow.source.there && trust_was_another(f, trust) ?
		     "; the last packet came before it was that" : ""), trust_name(trust));
	mark = has_mark ? f->ct.entry->mark : 0;
	if (has_mark && trust == NF_FLOW_QOS_TRUST_CTMARK && in->dev->ctmark_mask) {
		of_mark = class_of_mark(in->dev, mark);
		add_mark(f, steps, in->dev, &of_mark);
	} else if (has_mark) {
		set_number(add(steps, "mark", "0x%x; not asked for by trust %s", mark,
			       trust_name(trust)), mark);
	}
	if (f->found) {
		set_number(add(steps, "dscp-in", "%s, as the last packet came",
			       class_text(f->flow.dscp, buf, sizeof(buf))), f->flow.dscp);
		class = (struct maybe){ true, f->flow.class };
		if (f->flow.source.there)
			set_text(add(steps, "source", "%s", source < ARRAY_SIZE(reasons) ?
				     reasons[source] : ""), source_name(source));
		set_number(add(steps, "class", "%s, of the last packet",
			       class_text(class.v, buf, sizeof(buf))), class.v);
		return class;
	}
	if (trust == NF_FLOW_QOS_TRUST_NONE)
		class = (struct maybe){ true, 0 };
	else
		class = of_mark;
	/* Nobody has noted the DSCP or the PCP of its packets. */
	if (class.there)
		set_number(add(steps, "class", "%s, once it is offloaded",
			       class_text(class.v, buf, sizeof(buf))), class.v);
	return class;
}

/*
 * Does the binding that decides see the packet only behind a tunnel's header? Then it
 * keeps its DSCP, and so does that header.
 */
static bool behind_header(const struct facts *f, const struct decider *out)
{
	const struct link *link = links_find(&f->s.links, f->route.oif);

	if (!link || !link->encaps)
		return false;
	if (f->found)
		return f->flow.oif != link->ifindex;
	/* Such a flowtable puts the header there itself. */
	return out->by == BY_BELOW || (link->kind == LINK_TUNNEL && f->s.xmit_lowest);
}

/* Does the binding that decides use what was learned? */
static bool uses_learned(const struct decider *out)
{
	return out->dev && out->dev->sticky != NF_FLOW_QOS_STICKY_OFF;
}

static bool has_learned(const struct facts *f)
{
	return f->flow.source.there && f->flow.source.v == NF_FLOW_QOS_SOURCE_LEARNED;
}

/* One value of the last packet. */
struct result {
	const char *name;
	const struct maybe *given;
	const struct maybe *learned;
	int64_t map;		/* KEEP: nothing, or that is not known */
};

/* What it was given, and what the next packet gets if that is something else. */
static void add_result(const struct facts *f, struct steps *steps,
		       const struct decider *out, const struct result *r, const char *what)
{
	bool learned = uses_learned(out) && r->learned->there;
	bool dscp = r->given == &f->flow.dscp_out;
	int64_t next = learned ? r->learned->v : r->map;
	char why[128] = "";

	/* What it was not given it may have no place for (a PCP without a tag). */
	if (dscp && next != KEEP && behind_header(f, out))
		snprintf(why, sizeof(why), "; none is written behind a tunnel's header");
	else if (r->given->there && next != KEEP && next != r->given->v)
		snprintf(why, sizeof(why), "; %s, which the next packet gets%s",
			 learned ? "another was learned since" : "the map has another now",
			 dscp ? " unless IPsec or a tunnel puts a header before it" : "");
	else if (learned && has_learned(f))
		snprintf(why, sizeof(why), "; learned, not from the map");
	set_maybe(add(steps, r->name, "of the last packet; %s%s", what, why), r->given);
}

/*
 * What was learned only of a packet that has got it: else the module knows it, but uses it
 * for none.
 */
static void add_learned(const struct facts *f, struct steps *steps,
			const struct decider *out)
{
	const struct flow *flow = &f->flow;
	char text[96], prio[24], pcp[16], dscp[24], buf[16];

	if (!uses_learned(out))
		return;
	if (!f->found) {
		set_text(add(steps, "learned",
			     "told when a flowtable has taken a packet of the flow"),
			 "unknown");
		return;
	}
	if (flow->learned_ambiguous) {
		set_text(add(steps, "learned",
			     "one of another conntrack zone looks the same: the map decides"),
			 "ambiguous");
		return;
	}
	if (!has_learned(f) ||
	    (!flow->learned_prio.there && !flow->learned_pcp.there &&
	     !flow->learned_dscp.there))
		return;
	prio_text(flow->learned_prio.v, buf, sizeof(buf));
	snprintf(prio, sizeof(prio), " prio %s", buf);
	snprintf(pcp, sizeof(pcp), " pcp %u", flow->learned_pcp.v);
	snprintf(dscp, sizeof(dscp), " dscp %s", class_text(flow->learned_dscp.v, buf, 12));
	snprintf(text, sizeof(text), "%s%s%s", flow->learned_prio.there ? prio : "",
		 flow->learned_pcp.there ? pcp : "", flow->learned_dscp.there ? dscp : "");
	set_text(add(steps, "learned", "from a packet of the slow path; comes before the map"),
		 text + 1);
}

/* The map's entry, NULL if it is not known. */
static const struct entry *add_map(const struct facts *f, struct steps *steps,
				   const struct decider *out, const struct maybe *class)
{
	char text[96], prio[24], pcp[12], dscp[12], name[12];
	const struct map *map = NULL;
	const struct entry *e;
	size_t i;

	if (!out->dev)
		return NULL;
	set_text(add(steps, "map", "binding of %s, scope %s", out->dev->name,
		     scope_name(out->dev->scope)), out->dev->map);
	for (i = 0; i < f->s.maps.n; i++)
		if (!strcmp(f->s.maps.v[i].name, out->dev->map))
			map = &f->s.maps.v[i];
	if (!map || !class->there || class->v >= NF_FLOW_QOS_CLASSES)
		return NULL;
	e = &map->e[class->v];
	snprintf(text, sizeof(text), "prio %s pcp %s dscp %s",
		 prio_text(e->prio, prio, sizeof(prio)), pcp_text(e->pcp, pcp, sizeof(pcp)),
		 dscp_text(e->dscp, dscp, sizeof(dscp)));
	set_text(add(steps, "map-entry", "what %s has for %s%s", map->name,
		     class_text(class->v, name, sizeof(name)),
		     e->dscp != KEEP && behind_header(f, out) ?
		     "; no DSCP is written behind a tunnel's header" : ""), text);
	return e;
}

/* What takes this number, and the queue that it meets. */
static void prio_meaning(const struct facts *f, const struct decider *out, uint32_t prio,
			 char *buf, size_t size)
{
	const struct link *link = links_find(&f->s.links, out->ifindex);
	struct link_set lowest = { 0 };
	const char *queue = "", *dev = "";
	char handle[24];
	size_t i;

	if (link)
		links_lowest(&f->s.links, link, &lowest);
	for (i = 0; i < lowest.n; i++) {
		if (lowest.v[i]->qdisc[0]) {
			queue = lowest.v[i]->qdisc;
			dev = lowest.v[i]->name;
		}
	}
	set_free(&lowest);
	if (prio > 0xffff)
		snprintf(buf, size, "class %s of a qdisc with classes",
			 prio_text(prio, handle, sizeof(handle)));
	else if (prio >= 256 && prio < 264)
		snprintf(buf, size, "user priority %u on Wi-Fi", prio - 256);
	else
		snprintf(buf, size, "place %u in a priority map of tc", prio & 15);
	i = strlen(buf);
	if (queue[0])
		snprintf(buf + i, size - i, "; the queue is %s on %s", queue, dev);
}

static void add_results(const struct facts *f, struct steps *steps,
			const struct decider *out, const struct entry *e)
{
	static const struct entry keep = { KEEP, KEEP, KEEP };
	const struct flow *flow = &f->flow;
	struct result prio = { "prio", &flow->prio, &flow->learned_prio, KEEP };
	struct result pcp = { "pcp", &flow->pcp, &flow->learned_pcp, KEEP };
	struct result dscp = { "dscp", &flow->dscp_out, &flow->learned_dscp, KEEP };
	char what[128], buf[12];

	if (!f->found)
		return;
	if (!e)
		e = &keep;
	prio.map = e->prio;
	/* That of the VLAN device's map is not known here. */
	pcp.map = e->pcp == NF_FLOW_QOS_PCP_VLAN ? KEEP : e->pcp;
	dscp.map = e->dscp;
	if (flow->prio.there)
		prio_meaning(f, out, flow->prio.v, what, sizeof(what));
	else
		snprintf(what, sizeof(what), "as the flowtable has it, 0 as a rule");
	add_result(f, steps, out, &prio, what);
	add_result(f, steps, out, &pcp, flow->pcp.there ?
		   "in its VLAN tag" : "it has no tag, or the PCP of the VLAN device");
	if (!flow->dscp_out.there)
		snprintf(what, sizeof(what), "that inside the tunnel was not looked at");
	else
		snprintf(what, sizeof(what), "%s%s",
			 class_text(flow->dscp_out.v, buf, sizeof(buf)),
			 flow->dscp_out.v == flow->dscp ? ", as it came" : "");
	add_result(f, steps, out, &dscp, what);
}

/*
 * How long ago the last packet was that conntrack saw, one of the slow path, if that
 * has given it so many seconds. UINT64_MAX: that cannot be.
 */
static uint64_t slow_ago_ms(const struct facts *f, uint32_t timeout)
{
	const struct ct_entry *entry = f->ct.entry;

	if (!entry->has_timeout || timeout < entry->timeout)
		return UINT64_MAX;
	return 1000ULL * (timeout - entry->timeout);
}

/*
 * Can it be that a flowtable has set conntrack's timeout when it let go of the flow? It
 * leaves what is left since the last packet that it took, or, by the kernel and by why it
 * lets go, subtracts its own timeout once more or not at all.
 */
static bool let_go_fits(const struct facts *f)
{
	uint64_t ago_ms = slow_ago_ms(f, f->ct_timeout_after);
	uint64_t keep_ms = 1000ULL * f->ft_timeout;
	uint64_t late_ms = ago_ms >= keep_ms ? CT_LATE_MS : CT_SLACK_MS;

	return ago_ms != UINT64_MAX && f->idle_ms <= ago_ms + late_ms &&
	       ago_ms <= f->idle_ms + keep_ms + CT_SLACK_MS;
}

/*
 * Of a flow that the module has and conntrack has not offloaded any more. A packet of
 * the slow path, of either direction, sets conntrack's timeout to its full length; so
 * does, nearly, a flowtable that lets go of the flow. What conntrack saw so much later
 * than the module saw its last packet that it was not the flowtable was slow.
 */
static void add_path_ended(const struct facts *f, struct steps *steps)
{
	uint64_t slow_ms = slow_ago_ms(f, f->ct_timeout), idle_ms = f->idle_ms, sure_ms;
	char idle[32], slow[32];

	ms_text(f->flow.idle_ms, idle, sizeof(idle));
	ms_text(slow_ms, slow, sizeof(slow));
	sure_ms = slow_ms + CT_LATE_MS;
	if (f->ft_timeout > CT_LATE_MS / 1000)
		sure_ms = slow_ms + 1000ULL * f->ft_timeout;
	if (tcp_ended(f->ct.entry))
		set_text(add(steps, "path",
			     "the connection has ended, and is not offloaded any more"),
			 "slow");
	else if (slow_ms == UINT64_MAX || idle_ms <= slow_ms + CT_SLACK_MS ||
		 (let_go_fits(f) && f->ct_timeout == f->ct_timeout_after))
		set_text(add(steps, "path",
			     "a flowtable took it %s ago; the flow is not offloaded any more, the next one takes the slow path",
			     idle),
			 "fast");
	else if (let_go_fits(f) || idle_ms < sure_ms)
		set_text(add(steps, "path",
			     "a flowtable took one %s ago; the flow is not offloaded any more, and conntrack's timeout does not tell whether one came since",
			     idle),
			 "unknown");
	else
		set_text(add(steps, "path",
			     "by conntrack's timeout one came %s ago, in this direction or the other; the last one that a flowtable took was %s ago, and the flow is not offloaded any more",
			     slow, idle),
			 "slow");
}

/* Which way the last packet took. */
static void add_path(const struct facts *f, struct steps *steps)
{
	const struct ct_entry *entry = f->ct.entry;
	bool offloaded = entry && entry->status & CT_OFFLOADED;
	const char *more = "";
	char ago[32];

	if (f->found && entry && !offloaded) {
		add_path_ended(f, steps);
	} else if (f->found) {
		/* When it saw one of such a flow, conntrack does not tell. */
		if (offloaded && entry->status & IPS_HW_OFFLOAD)
			more = "; now the hardware has the flow, whose packets are not counted";
		else if (offloaded && f->flow.idle_ms >= 5000)
			more = "; any that came since took the slow path (fragment, too large)";
		else if (!offloaded && !f->ct_unread[0] && !f->ct.ambiguous)
			more = "; conntrack has no entry any more, the flow has ended";
		set_text(add(steps, "path", "a flowtable took the last one that was counted, %s ago%s",
			     ms_text(f->flow.idle_ms, ago, sizeof(ago)), more), "fast");
	} else if (offloaded) {
		set_text(add(steps, "path", "%s", entry->status & IPS_HW_OFFLOAD ?
			     "the hardware has the flow" :
			     "it is offloaded, but the module has counted none"),
			 "unknown");
	} else if (entry) {
		if (slow_ago_ms(f, f->ct_timeout) == UINT64_MAX)
			add(steps, "path", "it is not offloaded");
		else
			add(steps, "path", "it is not offloaded; the last one came %s ago",
			    ms_text(slow_ago_ms(f, f->ct_timeout), ago, sizeof(ago)));
		set_text(&steps->v[steps->n - 1], "slow");
	} else {
		set_text(add(steps, "path", "%s", ""), "unknown");
	}
}

void make_steps(const struct facts *f, struct steps *steps)
{
	struct decider in = decider_in(f), out = decider_out(f);
	const struct entry *entry;
	struct maybe class;
	size_t i;

	add_flow(f, steps);
	add_conntrack(f, steps);
	add_binding(f, steps, "iif-binding", "enters", &in);
	class = add_class(f, steps, &in);
	add_learned(f, steps, &out);
	add_binding(f, steps, "oif-binding", "leaves", &out);
	entry = add_map(f, steps, &out, &class);
	add_results(f, steps, &out, entry);
	add_path(f, steps);
	for (i = 0; i < f->s.nwarnings; i++)
		if (warning_concerns(f, f->s.warnings[i]))
			set_text(add(steps, "warning", "%s", "status"), f->s.warnings[i]);
	if (f->s.unread[0])
		set_text(add(steps, "warning", "%s", "links"),
			 "devices cannot be read: bindings of upper and lower devices are not known here");
}
