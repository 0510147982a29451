// SPDX-License-Identifier: GPL-2.0
/*
 * The packet path's parsers of packets, kmod/parse.h and frame.h as they are, on what
 * libFuzzer makes up. Beside what ASan and UBSan see: where the octets lie does not
 * matter, the short way says what the long one says, the way in and the way out read
 * the same of one frame, and what is said of a packet agrees with itself.
 *
 * An input is a struct given, then a frame; see corpus.py.
 */
#include <linux/if_arp.h>

#include "parse.h"
#include "frame.h"

/**
 * struct given - what of an skb is not in its frame; the machine's order if not said
 * @flags: GIVEN_ bits
 * @protocol: skb->protocol at ingress, if GIVEN_PROTOCOL; network order
 * @tci: of the tag in the skb, if GIVEN_TAG
 * @headlen: octets of the frame that are in the linear part, if it has so many
 * @gso_size: 0: it is one packet
 * @inner: inner_transport_header
 * @zeros: 16 octets each, behind the frame
 */
struct given {
	u16	flags;
	__be16	protocol;
	u16	tci;
	u16	headlen;
	u16	gso_size;
	u16	inner;
	u16	zeros;
};

#define GIVEN_TAG		0x01
#define GIVEN_STAG		0x02
#define GIVEN_VLAN0		0x04
#define GIVEN_ENCAPSULATION	0x08
#define GIVEN_GSO_TCP		0x10
#define GIVEN_PROTOCOL		0x20
#define GIVEN_RAW		0x40
#define GIVEN_HEADER		0x80

static int create(struct sk_buff *skb, struct net_device *dev)
{
	return 0;
}

static const struct header_ops with_header = { .create = create };
static const struct header_ops without_header;
static struct net_device vlan0 = { .ifindex = 8 };

/* As drivers do it: so what is behind Ethernet's header is at a multiple of four. */
#define IP_ALIGN	2

static void *copy_of(const void *data, size_t n, size_t before)
{
	char *copy = malloc(before + n);

	if (!copy)
		abort();
	if (n)
		memcpy(copy + before, data, n);
	return copy;
}

/* @align: octets of nothing before the frame; @pull: those of it before skb->data */
static void make_skb(struct sk_buff *skb, const struct given *given, const u8 *frame,
		     unsigned int n, unsigned int headlen, unsigned int align,
		     unsigned int pull)
{
	memset(skb, 0, sizeof(*skb));
	skb->head = copy_of(frame, headlen, align);
	skb->data = skb->head + align + pull;
	skb->tail_len = n - headlen;
	skb->tail = copy_of(frame + headlen, skb->tail_len, 0);
	skb->zeros = given->zeros * 16;
	skb->data_len = skb->tail_len + skb->zeros;
	skb->len = headlen - pull + skb->data_len;
	skb->protocol = given->protocol;
	if (!(given->flags & GIVEN_PROTOCOL) && n >= ETH_HLEN)
		memcpy(&skb->protocol, frame + ETH_HLEN - 2, 2);
	if (given->flags & GIVEN_TAG) {
		skb->vlan_present = true;
		skb->vlan_proto = given->flags & GIVEN_STAG ? htons(ETH_P_8021AD) :
							      htons(ETH_P_8021Q);
		skb->vlan_tci = given->tci;
	}
	skb->encapsulation = given->flags & GIVEN_ENCAPSULATION;
	skb->inner_transport_header = given->inner;
	skb->shared.gso_size = given->gso_size;
	skb->shared.gso_type = given->flags & GIVEN_GSO_TCP ? SKB_GSO_TCPV4 : 0;
}

static void free_skb(struct sk_buff *skb)
{
	free(skb->head);
	free((void *)skb->tail);
}

/* Keys */

static void check_key(u64 key)
{
	const __be16 protos[] = { htons(ETH_P_8021Q), htons(ETH_P_8021AD) };
	u64 outer = key >> 32 & 0xffff, inner = key >> 16 & 0xffff, more;
	unsigned int i;

	FAIL_IF(key >> 48);
	FAIL_IF(outer >> 12 > 2 || inner >> 12 > 2);
	/* Without a kind there is no VLAN ID, without an outer tag no inner one. */
	FAIL_IF((outer && !(outer >> 12)) || (inner && !(inner >> 12)));
	FAIL_IF(inner && !outer);
	FAIL_IF(ftq_key_vid(key) != (outer & VLAN_VID_MASK));
	FAIL_IF(outer && ftq_key_tag(ftq_key_proto(key), ftq_key_vid(key)) != outer);
	for (i = 0; i < 2; i++) {
		more = key;
		FAIL_IF(ftq_key_outside(&more, protos[i], 0xf005) != !inner);
		FAIL_IF(inner && more != key);
		if (inner)
			continue;
		FAIL_IF(ftq_key_untagged(more) != key);
		FAIL_IF(ftq_key_vid(more) != 5 || ftq_key_proto(more) != protos[i]);
	}
}

/* The way in */

/* What tags and session there are in the packet's bytes, of which @end is behind. */
struct encap {
	bool	tagged;
	u16	tci;
	__be16	type;
	unsigned int end;
};

/* Of a packet that ftq_parse() could read; so all of it is there. */
static void read_encap(const struct sk_buff *skb, struct encap *encap)
{
	__be16 ppp;

	memset(encap, 0, sizeof(*encap));
	encap->type = skb->protocol;
	if (eth_type_vlan(encap->type)) {
		encap->tagged = true;
		FAIL_IF(skb_copy_bits(skb, 0, &encap->tci, 2));
		FAIL_IF(skb_copy_bits(skb, 2, &encap->type, 2));
		encap->tci = ntohs(encap->tci);
		encap->end = 4;
	}
	if (encap->type == htons(ETH_P_PPP_SES)) {
		FAIL_IF(skb_copy_bits(skb, encap->end + 6, &ppp, 2));
		encap->type = ppp == htons(PPP_IP) ? htons(ETH_P_IP) : htons(ETH_P_IPV6);
		encap->end += 8;
	}
}

/* IP bytes as the outermost header tells them. */
static u32 read_total(const struct sk_buff *skb, const struct encap *encap)
{
	bool six = encap->type == htons(ETH_P_IPV6);
	__be16 len;

	FAIL_IF(skb_copy_bits(skb, encap->end + (six ? 4 : 2), &len, 2));
	if (!len)
		return skb->len - encap->end;
	return ntohs(len) + (six ? 40 : 0);
}

static void check_packet(const struct sk_buff *skb, const struct net_device *in,
			 const struct ftq_packet *pkt)
{
	const struct ftq_tuple *tuple = &pkt->tuple;
	bool ports = tuple->proto == IPPROTO_TCP || tuple->proto == IPPROTO_UDP;
	struct encap encap;
	u32 total, headers;
	u16 session;

	read_encap(skb, &encap);
	total = read_total(skb, &encap);
	FAIL_IF(tuple->family !=
		(encap.type == htons(ETH_P_IP) ? NFPROTO_IPV4 : NFPROTO_IPV6));
	FAIL_IF(tuple->iif != (u32)in->ifindex);
	FAIL_IF(!ports && (tuple->sport || tuple->dport));
	FAIL_IF(tuple->family == NFPROTO_IPV4 && (tuple->src[1] || tuple->dst[3]));
	FAIL_IF(pkt->dscp > 63);
	FAIL_IF(pkt->hashed);

	check_key(pkt->key);
	session = pkt->key;
	FAIL_IF(tuple->pppoe != htons(session));
	FAIL_IF(tuple->vid[0] != (pkt->key >> 32 & VLAN_VID_MASK));
	FAIL_IF(tuple->vid[1] != (pkt->key >> 16 & VLAN_VID_MASK));
	FAIL_IF(pkt->vlan && tuple->vid[0] != skb_vlan_tag_get_id(skb));
	FAIL_IF(pkt->vlan && !skb->vlan_present);
	FAIL_IF(pkt->tci != (skb->protocol == htons(ETH_P_8021Q) ? encap.tci : 0));

	if (!skb_is_gso(skb)) {
		FAIL_IF(pkt->segs != 1 || pkt->bytes != total);
		return;
	}
	FAIL_IF(!pkt->segs);
	FAIL_IF(!tuple->tunneled && pkt->len != total);
	if (pkt->segs == 1) {
		FAIL_IF(pkt->bytes != total);
		return;
	}
	if (pkt->bytes == U32_MAX)
		return;
	/* Each more adds the headers, and has as much of the data as one can have. */
	FAIL_IF(pkt->bytes < total || (pkt->bytes - total) % (pkt->segs - 1));
	headers = (pkt->bytes - total) / (pkt->segs - 1);
	FAIL_IF(headers >= total);
	FAIL_IF(pkt->segs != DIV_ROUND_UP(total - headers, skb->shared.gso_size) &&
		pkt->segs != U16_MAX);
}

/* Two answers for the same packet; what need not be set has another value before. */
static void check_same_packet(const struct sk_buff *skb, enum ftq_parsed parsed,
			      const struct ftq_packet *pkt, enum ftq_parsed other_parsed,
			      const struct ftq_packet *other)
{
	FAIL_IF(parsed != other_parsed);
	if (parsed != FTQ_PARSED_IP)
		return;
	FAIL_IF(memcmp(&pkt->tuple, &other->tuple, sizeof(pkt->tuple)));
	FAIL_IF(pkt->tuple.tunneled &&
		memcmp(&pkt->tunnel, &other->tunnel, sizeof(pkt->tunnel)));
	FAIL_IF(pkt->key != other->key);
	FAIL_IF(pkt->bytes != other->bytes || pkt->segs != other->segs);
	FAIL_IF((skb_is_gso(skb) || pkt->tuple.tunneled) && pkt->len != other->len);
	FAIL_IF(pkt->tci != other->tci || pkt->dscp != other->dscp);
	FAIL_IF(pkt->vlan != other->vlan || pkt->hashed != other->hashed);
}

/* Would ftq_path_ingress() take it for one of the most common shape, and is it one? */
static bool is_simple(const struct sk_buff *skb, enum ftq_parsed parsed,
		      const struct ftq_packet *pkt)
{
	bool four = skb->protocol == htons(ETH_P_IP);
	__be16 len;

	if (parsed != FTQ_PARSED_IP || skb_is_gso(skb) || pkt->tuple.tunneled ||
	    skb_headlen(skb) < (four ? 24 : 44))
		return false;
	if (four && skb->data[0] != 0x45)
		return false;
	memcpy(&len, skb->data + (four ? 2 : 4), 2);
	return len && (pkt->tuple.proto == IPPROTO_TCP || pkt->tuple.proto == IPPROTO_UDP);
}

static void check_simple(const struct sk_buff *skb, struct net_device *in,
			 enum ftq_parsed parsed, const struct ftq_packet *pkt)
{
	bool tagged = skb_vlan_tag_present(skb), simple_is;
	u16 vid = tagged ? skb_vlan_tag_get_id(skb) : 0;
	struct ftq_simple simple;
	struct ftq_packet other;
	u8 family;

	if (skb->protocol == htons(ETH_P_IP))
		family = NFPROTO_IPV4;
	else if (skb->protocol == htons(ETH_P_IPV6))
		family = NFPROTO_IPV6;
	else
		return;
	if (tagged && !vid)
		return;
	simple_is = ftq_parse_simple(skb, in, family, vid, &simple);
	FAIL_IF(simple_is != is_simple(skb, parsed, pkt));
	if (!simple_is)
		return;
	memset(&other, 0x5a, sizeof(other));
	other.key = tagged ? ftq_key_inside(0, skb->vlan_proto, vid) : 0;
	other.vlan = tagged;
	other.dscp = simple.dscp;
	other.tci = 0;
	ftq_parse_words(&simple, &other.tuple);
	ftq_parse_fill(&simple, family, &other);
	check_same_packet(skb, parsed, pkt, FTQ_PARSED_IP, &other);
}

static enum ftq_parsed check_ingress(const struct given *given, const u8 *frame,
				     unsigned int n, struct ftq_packet *pkt)
{
	struct net_device in = {
		.ifindex = 7, .type = ARPHRD_ETHER,
		.vlan0 = given->flags & GIVEN_VLAN0 ? &vlan0 : NULL,
	};
	unsigned int headlen = given->headlen < n ? given->headlen : n;
	enum ftq_parsed parsed, other_parsed;
	struct sk_buff linear, parts;
	struct ftq_packet other;

	make_skb(&linear, given, frame, n, n, IP_ALIGN, ETH_HLEN);
	make_skb(&parts, given, frame, n, headlen < ETH_HLEN ? ETH_HLEN : headlen,
		 IP_ALIGN, ETH_HLEN);
	memset(pkt, 0, sizeof(*pkt));
	memset(&other, 0xff, sizeof(other));
	parsed = ftq_parse(&linear, &in, pkt);
	other_parsed = ftq_parse(&parts, &in, &other);
	check_same_packet(&linear, parsed, pkt, other_parsed, &other);
	if (parsed == FTQ_PARSED_IP)
		check_packet(&linear, &in, pkt);
	check_simple(&linear, &in, parsed, pkt);
	check_simple(&parts, &in, parsed, pkt);
	free_skb(&linear);
	free_skb(&parts);
	return parsed;
}

/* The way out */

/**
 * struct leaving - all that is asked of a frame that leaves
 * @frame: ftq_frame_read()
 * @ip: ftq_frame_ip(); then @dscp, @proto and @fragment are set
 * @inside: ftq_frame_inside(); then @family and @inner are set
 */
struct leaving {
	struct ftq_frame	frame;
	bool			ip;
	u8			dscp;
	u8			proto;
	bool			fragment;
	bool			inside;
	u8			family;
	u8			inner;
};

static void read_frame(const struct sk_buff *skb, const struct net_device *dev,
		       struct leaving *out)
{
	ftq_frame_read(skb, dev, &out->frame);
	out->ip = ftq_frame_ip(skb, &out->frame, &out->dscp, &out->proto);
	if (out->ip)
		out->fragment = ftq_frame_fragment(skb, &out->frame);
	out->inside = ftq_frame_inside(skb, &out->frame, &out->family, &out->inner);
}

static void check_frame(const struct sk_buff *skb, const struct net_device *dev,
			const struct leaving *out)
{
	const struct ftq_frame *frame = &out->frame;
	unsigned int i, tags = !!skb_vlan_tag_present(skb);

	check_key(frame->key);
	FAIL_IF(frame->nr_tci > FTQ_TAGS);
	for (i = 0; i < frame->nr_tci; i++) {
		FAIL_IF(frame->tci[i] != ETH_HLEN + VLAN_HLEN * i);
		FAIL_IF(frame->tci[i] + 4 > skb->len);
	}
	FAIL_IF(frame->family && frame->family != NFPROTO_IPV4 &&
		frame->family != NFPROTO_IPV6);
	FAIL_IF(frame->family && frame->ip > skb->len);
	if (dev->type == ARPHRD_ETHER) {
		tags += frame->nr_tci;
		FAIL_IF(!!(frame->key & FTQ_KEY_OUTER) != (tags > 0));
		FAIL_IF(!!(frame->key & FTQ_KEY_INNER) != (tags > 1));
	} else {
		FAIL_IF(frame->key || frame->nr_tci);
		FAIL_IF(frame->family && frame->ip);
	}
	if (ftq_frame_bare(skb, dev)) {
		FAIL_IF(frame->nr_tci || frame->key & FTQ_KEY_SESSION);
		FAIL_IF(!frame->family || frame->ip != ETH_HLEN);
	}
	FAIL_IF(out->ip && (!frame->family || out->dscp > 63));
	FAIL_IF(out->inside && (!out->ip || out->fragment));
	FAIL_IF(out->inside && out->family != NFPROTO_IPV4 && out->family != NFPROTO_IPV6);
}

static void check_same_frame(const struct leaving *a, const struct leaving *b)
{
	FAIL_IF(a->frame.key != b->frame.key || a->frame.family != b->frame.family);
	FAIL_IF(a->frame.nr_tci != b->frame.nr_tci);
	FAIL_IF(memcmp(a->frame.tci, b->frame.tci,
		       a->frame.nr_tci * sizeof(a->frame.tci[0])));
	FAIL_IF(a->frame.family && a->frame.ip != b->frame.ip);
	FAIL_IF(a->ip != b->ip || a->inside != b->inside);
	FAIL_IF(a->ip && (a->dscp != b->dscp || a->proto != b->proto ||
			  a->fragment != b->fragment));
	FAIL_IF(a->inside && (a->family != b->family || a->inner != b->inner));
}

static void check_egress(const struct given *given, const u8 *frame, unsigned int n,
			 struct leaving *out)
{
	const struct net_device dev = {
		.ifindex = 9,
		.type = given->flags & GIVEN_RAW ? ARPHRD_PPP : ARPHRD_ETHER,
		.header_ops = given->flags & GIVEN_HEADER ? &with_header : &without_header,
	};
	unsigned int headlen = given->headlen < n ? given->headlen : n;
	unsigned int align = dev.type == ARPHRD_ETHER ? IP_ALIGN : 0;
	struct sk_buff linear, parts;
	struct leaving other;

	make_skb(&linear, given, frame, n, n, align, 0);
	make_skb(&parts, given, frame, n, headlen, align, 0);
	memset(out, 0, sizeof(*out));
	memset(&other, 0xff, sizeof(other));
	read_frame(&linear, &dev, out);
	read_frame(&parts, &dev, &other);
	check_same_frame(out, &other);
	check_frame(&linear, &dev, out);
	check_frame(&parts, &dev, &other);
	free_skb(&linear);
	free_skb(&parts);
}

/*
 * Of a packet that could be read as it entered, a frame of the same octets tells the same.
 * But a tag that is only a priority is no encapsulation on the way in, and one on the
 * way out, where it is written to.
 */
static void check_both(const struct ftq_packet *pkt, const struct leaving *out,
		       const u8 *frame)
{
	const struct ftq_tuple *tuple = &pkt->tuple;
	u16 tci;

	FAIL_IF(out->frame.nr_tci > 1);
	if (out->frame.nr_tci) {
		memcpy(&tci, frame + out->frame.tci[0], 2);
		if (!(ntohs(tci) & VLAN_VID_MASK))
			return;
	}
	FAIL_IF(out->frame.key != pkt->key);
	FAIL_IF(out->frame.family != tuple->family);
	FAIL_IF(!out->ip || out->dscp != pkt->dscp);
	if (!tuple->tunneled) {
		FAIL_IF(out->proto != tuple->proto);
		return;
	}
	FAIL_IF(!out->inside);
	FAIL_IF(out->family != tuple->family || out->inner != tuple->proto);
}

int LLVMFuzzerTestOneInput(const u8 *input, size_t size)
{
	const u8 *frame = input + sizeof(struct given);
	enum ftq_parsed parsed = FTQ_PARSED_OTHER;
	struct ftq_packet pkt;
	struct leaving out;
	struct given given;
	unsigned int n;

	if (size < sizeof(given))
		return -1;
	memcpy(&given, input, sizeof(given));
	n = size - sizeof(given);
	if (n >= ETH_HLEN)
		parsed = check_ingress(&given, frame, n, &pkt);
	check_egress(&given, frame, n, &out);
	if (parsed == FTQ_PARSED_IP && pkt.vlan == !!(given.flags & GIVEN_TAG) &&
	    !(given.flags & (GIVEN_PROTOCOL | GIVEN_RAW)))
		check_both(&pkt, &out, frame);
	return 0;
}
