// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel says has to be what the specification lets it say.
 */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "report.h"

bool privileged;

static void check_string(const char *where, const struct attr *attr, const char *text,
			 size_t len)
{
	if (!len || memchr(text, '\0', len) != text + len - 1)
		fault("%s: a string that does not end where the attribute ends", where);
	else if (attr->bounded && len > attr->max + 1)
		fault("%s: a string of %zu octets", where, len - 1);
}

static void check_attrs(const char *op, const struct set *set, uint64_t allowed,
			const uint8_t *data, size_t len);

static void check_attr(const char *op, const struct attr *attr, bool nested,
		       const uint8_t *data, size_t len)
{
	static const size_t sizes[] = { [KIND_U32] = 4, [KIND_U64] = 8 };
	uint32_t value;

	if (attr->address && !privileged)
		fault("%s.%s: told to who may not know", op, attr->name);
	switch (attr->kind) {
	case KIND_U32:
	case KIND_U64:
		if (len != sizes[attr->kind]) {
			fault("%s.%s: %zu octets", op, attr->name, len);
			break;
		}
		memcpy(&value, data, sizeof(value));
		if (attr->kind == KIND_U32 &&
		    ((attr->bounded && value > attr->max) ||
		     (attr->mask && value & ~attr->mask)))
			fault("%s.%s: %u is out of range", op, attr->name, value);
		break;
	case KIND_STRING:
		check_string(attr->name, attr, (const char *)data, len);
		break;
	case KIND_BINARY:
		if (attr->bounded && len != attr->max)
			fault("%s.%s: %zu octets", op, attr->name, len);
		break;
	case KIND_FLAG:
		if (len)
			fault("%s.%s: a flag of %zu octets", op, attr->name, len);
		break;
	case KIND_NEST:
		if (!nested)
			fault("%s.%s: not said to be a nest", op, attr->name);
		check_attrs(op, attr->nest, attr->nest->has, data, len);
		break;
	default:
		break;
	}
}

static void check_attrs(const char *op, const struct set *set, uint64_t allowed,
			const uint8_t *data, size_t len)
{
	const struct nlattr *attr;
	uint64_t seen = 0;
	unsigned int type;
	size_t step;

	while (len) {
		attr = (const struct nlattr *)data;
		if (len < NLA_HDRLEN || attr->nla_len < NLA_HDRLEN || attr->nla_len > len) {
			fault("%s: %zu octets that are no attribute", op, len);
			return;
		}
		type = attr->nla_type & NLA_TYPE_MASK;
		if (type > set->last || !(set->has & BIT64(type)) ||
		    (!(allowed & BIT64(type)) && set->attr[type].kind != KIND_PAD)) {
			fault("%s: attribute %u of %s in an answer", op, type, set->name);
		} else {
			if (seen & BIT64(type) && !set->attr[type].multi &&
			    set->attr[type].kind != KIND_PAD)
				fault("%s.%s: there twice", op, set->attr[type].name);
			check_attr(op, &set->attr[type], attr->nla_type & NLA_F_NESTED,
				   data + NLA_HDRLEN, attr->nla_len - NLA_HDRLEN);
			seen |= BIT64(type);
		}
		step = NLA_ALIGN(attr->nla_len);
		if (step > len)
			step = len;
		data += step;
		len -= step;
	}
}

void check_reply(const struct nlmsghdr *nlh, const struct op *asked, void *arg)
{
	const struct genlmsghdr *genl = NLMSG_DATA(nlh);
	const struct op *op;

	(void)arg;
	if (nlh->nlmsg_len < MESSAGE_HEAD || !genl->cmd || genl->cmd >= nr_ops) {
		fault("an answer without a command that is known");
		return;
	}
	op = &ops[genl->cmd];
	if (asked ? op != asked : !op->notify) {
		fault("%s is answered by %s", asked ? asked->name : "nothing", op->name);
		return;
	}
	check_attrs(op->name, op->set, op->reply,
		    (const uint8_t *)nlh + MESSAGE_HEAD, nlh->nlmsg_len - MESSAGE_HEAD);
}

/* Errors that the family's operations are described with, and those of the core. */
static bool known_error(int error)
{
	switch (-error) {
	case EINVAL:
	case ERANGE:
	case ENOENT:
	case EEXIST:
	case ENOSPC:
	case EPERM:
	case EBUSY:
	case ENODEV:
	case EOPNOTSUPP:
		return true;
	}
	return false;
}

static void check_refusal(const struct message *msg, const struct link *link,
			  const struct answer *answer)
{
	int error = answer->error;

	/* No part of the dump has room beside what is not read yet: netlink_dump(). */
	if (error == -ENOBUFS && msg->dump && link->small)
		return;
	if (!known_error(error))
		fault("error %d (%s), %s", error, strerror(-error), answer->text);
	if (answer->where && (answer->where < MESSAGE_HEAD || answer->where % 4 ||
			      answer->where >= msg->len))
		fault("the attribute at fault is at %u of %zu", answer->where, msg->len);
	report_refusal(answer->text[0] ? answer->text : strerror(-error));

	/* What the core refuses before anybody could say why; a dump goes on already. */
	if (answer->text[0] || msg->core || msg->odd || error == -EBUSY ||
	    (error == -EPERM && !privileged && msg->op->admin))
		return;
	fault("refused without a word: error %d (%s)", error, strerror(-error));
}

/* An operation without attributes that nothing comes with: what could it be refused for? */
static bool has_to_be_done(const struct message *msg)
{
	return !msg->core && !msg->dump && !msg->op->do_request && msg->len == MESSAGE_HEAD &&
	       (privileged || !msg->op->admin);
}

void check_answer(const struct message *msg, const struct link *link,
		  const struct answer *answer)
{
	bool sure = !msg->odd && !link->lost && !(link->small && link->dump);

	if (!answer->over) {
		if (sure)
			fault("not answered");
		return;
	}
	if (answer->error > 0) {
		fault("an error of %d", answer->error);
		return;
	}
	if (answer->error) {
		check_refusal(msg, link, answer);
		if (sure && has_to_be_done(msg))
			fault("%s is refused, error %d: %s", msg->op->name, answer->error,
			      answer->text);
		return;
	}
	if (!sure)
		return;
	if (msg->core)
		fault("done, though there is no such operation, or none with such a header");
	else if (msg->wrong)
		fault("done, though the specification does not let it pass");
	else if (msg->op->admin && !privileged)
		fault("done for who may not");
	else if (!msg->dump && msg->op->reply && answer->replies != 1)
		fault("answered by %u messages", answer->replies);
	else if (!msg->op->reply && answer->replies)
		fault("answered by %u messages", answer->replies);
}
