// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sanitizer/asan_interface.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "links.h"
#include "model.h"
#include "out.h"
#include "world.h"

#define FAMILY 0x77

static struct bytes answers;
static struct nlmsghdr request;
/* Messages of the family that are left of an answer that was not made up. */
static unsigned int canned;
/*
 * What is behind an answer in its buffer, which nobody reads. A buffer that was freed
 * is ASan's own business.
 */
static const char *poisoned;
static size_t npoisoned;
static const char *file_name;
static const void *file_data;
static size_t file_size;
static int output = -1;

void take(struct bytes *from, void *to, size_t n)
{
	size_t have = n < from->n ? n : from->n;

	memset(to, 0, n);
	if (have)
		memcpy(to, from->p, have);
	from->p += have;
	from->n -= have;
}

bool next_record(struct bytes *from, struct record *r, struct bytes *payload)
{
	if (from->n < sizeof(*r))
		return false;
	take(from, r, sizeof(*r));
	payload->p = from->p;
	payload->n = r->size < from->n ? r->size : from->n;
	from->p += payload->n;
	from->n -= payload->n;
	return true;
}

/* Standard output is a file in memory: what is written by its number counts as well. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	output = memfd_create("stdout", 0);
	FAIL_IF(output < 0 || dup2(output, STDOUT_FILENO) < 0);
	/* libFuzzer has taken the old one already. */
	stderr = fopen("/dev/null", "we");
	FAIL_IF(!stderr);
	setvbuf(stderr, NULL, _IOFBF, 4096);
	return 0;
}

void world_begin(struct bytes from)
{
	answers = from;
	canned = 0;
	file_name = NULL;
	opts = (struct options){ .json = false };
	where = (struct where){ .file = NULL };
	last_error[0] = '\0';
	FAIL_IF(ftruncate(output, 0) || lseek(output, 0, SEEK_SET));
}

void world_file(const char *name, const void *data, size_t n)
{
	file_name = name;
	file_data = data;
	file_size = n;
}

const char *world_end(size_t *n)
{
	static const uint8_t gone[] = { RECORD_ACK, 0, 4, 0, 0xfe, 0xff, 0xff, 0xff };
	static char *text;
	struct stat st;
	struct msg m;
	size_t i;

	fflush(stdout);
	FAIL_IF(fstat(output, &st));
	*n = (size_t)st.st_size;
	free(text);
	text = malloc(*n + 1);
	FAIL_IF(!text || pread(output, text, *n, 0) != (ssize_t)*n);
	text[*n] = '\0';
	for (i = 0; last_error[i]; i++)
		FAIL_IF((unsigned char)last_error[i] < ' ');

	/* -ENOENT and no text is what it gets when the module is gone. */
	out_drop();
	canned = 0;
	answers = (struct bytes){ gone, sizeof(gone) };
	msg_init(&m, NF_FLOW_QOS_CMD_MAP_DEL, 0, "%s", "");
	nl_run(&m, NULL, NULL);
	flow_devices_changed();
	return text;
}

/* Sockets */

struct mnl_socket *__wrap_mnl_socket_open2(int bus, int flags)
{
	static char sock;

	(void)bus;
	(void)flags;
	return (void *)&sock;
}

int __wrap_mnl_socket_bind(struct mnl_socket *nl, unsigned int groups, pid_t pid)
{
	(void)nl;
	(void)groups;
	(void)pid;
	return 0;
}

int __wrap_mnl_socket_close(struct mnl_socket *nl)
{
	(void)nl;
	return 0;
}

int __wrap_mnl_socket_get_fd(const struct mnl_socket *nl)
{
	(void)nl;
	return -1;
}

unsigned int __wrap_mnl_socket_get_portid(const struct mnl_socket *nl)
{
	(void)nl;
	return 4711;
}

int __wrap_mnl_socket_setsockopt(const struct mnl_socket *nl, int type, void *buf,
				 socklen_t len)
{
	(void)nl;
	(void)type;
	(void)buf;
	(void)len;
	return 0;
}

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *nl, const void *buf, size_t len)
{
	(void)nl;
	memcpy(&request, buf, sizeof(request));
	FAIL_IF(request.nlmsg_len != len);
	/* The buffer of its answer is a new one. */
	npoisoned = 0;
	return (ssize_t)len;
}

/* A message with the request's number: header, genlmsghdr or not, payload. */
static size_t frame(char *buf, uint16_t type, uint16_t flags, int cmd,
		    struct bytes payload)
{
	struct genlmsghdr gh = { .cmd = (uint8_t)cmd, .version = 1 };
	struct nlmsghdr nlh = {
		.nlmsg_type = type, .nlmsg_flags = flags,
		.nlmsg_seq = request.nlmsg_seq, .nlmsg_pid = 4711,
	};
	size_t n = NLMSG_HDRLEN;

	if (cmd >= 0) {
		memcpy(buf + n, &gh, sizeof(gh));
		n += GENL_HDRLEN;
	}
	if (payload.n)
		memcpy(buf + n, payload.p, payload.n);
	n += payload.n;
	nlh.nlmsg_len = (uint32_t)n;
	memcpy(buf, &nlh, sizeof(nlh));
	return n;
}

/* What is made up, or where that ends an empty answer. */
static ssize_t answer(char *buf, size_t size)
{
	static const struct bytes nothing = { (const uint8_t *)"\0\0\0\0", 4 };
	uint16_t flags = NLM_F_MULTI, type = FAMILY;
	struct bytes payload;
	struct record r;
	uint32_t *raw;

	if (!next_record(&answers, &r, &payload) || payload.n + 64 > size)
		return (ssize_t)frame(buf, NLMSG_DONE, NLM_F_MULTI, -1, nothing);
	if (r.kind & RECORD_INTR)
		flags |= NLM_F_DUMP_INTR;
	if (r.kind & RECORD_TLVS)
		flags |= NLM_F_ACK_TLVS;
	if (r.kind & RECORD_CAPPED)
		flags |= NLM_F_CAPPED;
	if (request.nlmsg_type == GENL_ID_CTRL || r.kind & RECORD_CONTROL)
		type = GENL_ID_CTRL;
	else if (request.nlmsg_type == RTM_GETROUTE)
		type = RTM_NEWROUTE;
	switch (r.kind & RECORD_KIND) {
	case RECORD_ACK:
		return (ssize_t)frame(buf, NLMSG_ERROR, flags, -1, payload);
	case RECORD_DONE:
		return (ssize_t)frame(buf, NLMSG_DONE, flags, -1, payload);
	case RECORD_ERRNO:
		errno = r.cmd & 1 ? ENOBUFS : EIO;
		return -1;
	case RECORD_RAW:
		memcpy(buf, payload.p, payload.n);
		if (payload.n >= NLMSG_HDRLEN) {
			raw = (uint32_t *)buf;
			raw[2] = request.nlmsg_seq;
			raw[3] = 4711;
		}
		return (ssize_t)payload.n;
	default:
		return (ssize_t)frame(buf, type, flags, r.cmd, payload);
	}
}

/* The family is known, and has its groups, unless its answer is made up, too. */
static ssize_t family_answer(char *buf)
{
	static const uint8_t family[] = {
		6, 0, CTRL_ATTR_FAMILY_ID, 0, FAMILY, 0, 0, 0,
		8, 0, CTRL_ATTR_VERSION, 0, NF_FLOW_QOS_FAMILY_VERSION, 0, 0, 0,
		52, 0, CTRL_ATTR_MCAST_GROUPS, 0,
		24, 0, 1, 0, 11, 0, CTRL_ATTR_MCAST_GRP_NAME, 0,
		'c', 'o', 'n', 'f', 'i', 'g', 0, 0, 8, 0, CTRL_ATTR_MCAST_GRP_ID, 0, 5, 0, 0, 0,
		24, 0, 2, 0, 10, 0, CTRL_ATTR_MCAST_GRP_NAME, 0,
		'f', 'l', 'o', 'w', 's', 0, 0, 0, 8, 0, CTRL_ATTR_MCAST_GRP_ID, 0, 6, 0, 0, 0,
	};
	struct bytes attrs = { family, sizeof(family) };
	struct bytes ok = { (const uint8_t *)"\0\0\0\0", 4 };

	if (canned++ & 1)
		return (ssize_t)frame(buf, NLMSG_ERROR, NLM_F_CAPPED, -1, ok);
	return (ssize_t)frame(buf, GENL_ID_CTRL, 0, CTRL_CMD_NEWFAMILY, attrs);
}

/* An input that begins with a record for the control family has the answer itself. */
static bool family_is_made_up(void)
{
	return answers.n >= sizeof(struct record) && answers.p[0] & RECORD_CONTROL;
}

/*
 * libmnl takes a length of 2 GiB and more for a negative one, and looks for the next message
 * far away. It is the kernel that it trusts, which sends none.
 */
static ssize_t sane(void *buf, ssize_t n)
{
	struct nlmsghdr *nlh = buf;
	ssize_t left = n;

	while (left >= (ssize_t)sizeof(*nlh)) {
		nlh->nlmsg_len &= INT32_MAX;
		if (nlh->nlmsg_len < sizeof(*nlh) || NLMSG_ALIGN(nlh->nlmsg_len) > (size_t)left)
			break;
		left -= NLMSG_ALIGN(nlh->nlmsg_len);
		nlh = (void *)((char *)nlh + NLMSG_ALIGN(nlh->nlmsg_len));
	}
	return n;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *mh, int flags)
{
	char *buf = mh->msg_iov->iov_base;
	size_t size = mh->msg_iov->iov_len;
	ssize_t n;

	(void)fd;
	(void)flags;
	__asan_unpoison_memory_region(poisoned, npoisoned);
	npoisoned = 0;
	memset(mh->msg_name, 0, mh->msg_namelen);
	mh->msg_flags = 0;
	if (request.nlmsg_type == GENL_ID_CTRL && !family_is_made_up())
		n = family_answer(buf);
	else
		n = sane(buf, answer(buf, size));
	if (n < 0)
		return n;
	poisoned = buf + n;
	npoisoned = size - (size_t)n;
	__asan_poison_memory_region(poisoned, npoisoned);
	return n;
}

/* Conntrack's */
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *nl, void *buf, size_t size)
{
	(void)nl;
	return sane(buf, answer(buf, size));
}

/* An event, while there are some; then the signal that ends it. */
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	(void)timeout;
	FAIL_IF(n != 2);
	fds[0].revents = answers.n >= sizeof(struct record) ? POLLIN : 0;
	fds[1].revents = fds[0].revents ? 0 : POLLIN;
	return 1;
}

int __wrap_signalfd(int fd, const sigset_t *mask, int flags)
{
	(void)fd;
	(void)mask;
	(void)flags;
	/* Events come next: into a new buffer, and to no question. */
	npoisoned = 0;
	memset(&request, 0, sizeof(request));
	return -1;
}

int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	(void)how;
	(void)set;
	(void)old;
	return 0;
}

/* Devices */

/* One octet or two for each thing that rtnetlink tells. */
struct made_link {
	uint8_t ifindex;
	uint8_t kind;
	uint8_t lower;
	uint8_t master;
	uint8_t flags;
	uint8_t qdisc;
	uint8_t vid;
	uint8_t pairs;
};

bool __wrap_links_read(struct links *links, char *err, size_t size)
{
	static const char *const qdiscs[] = { "", "mq", "fq_codel", "pfifo_fast", "htb",
					      "cake", "prio", "mqprio" };
	struct bytes payload = { .n = 0 };
	struct made_link made;
	struct record r;
	struct link *link;
	size_t i;

	memset(links, 0, sizeof(*links));
	if (!next_record(&answers, &r, &payload)) {
		snprintf(err, size, "no more");
		return false;
	}
	while (payload.n) {
		take(&payload, &made, sizeof(made));
		/* Each number once */
		if (links_find(links, made.ifindex))
			continue;
		links->v = xrealloc(links->v, links->n + 1, sizeof(*links->v));
		link = &links->v[links->n++];
		*link = (struct link){
			.ifindex = made.ifindex, .kind = made.kind % (LINK_TUNNEL + 1),
			.lower = made.lower, .master = made.master,
			.tagged = made.flags & 1, .qdisc_default = made.flags & 2,
			.tags_first = made.flags & 4, .vid = made.vid,
			.negress = made.pairs % 4,
		};
		snprintf(link->name, sizeof(link->name), "dev%u", made.ifindex);
		snprintf(link->qdisc, sizeof(link->qdisc), "%s", qdiscs[made.qdisc % 8]);
		if (link->negress)
			link->egress = xrealloc(NULL, link->negress, sizeof(*link->egress));
		for (i = 0; i < link->negress; i++)
			link->egress[i] = (struct qos_pair){ made.vid + (uint32_t)i,
							     made.pairs & 7 };
		links_sort(links);
	}
	return true;
}

unsigned int __wrap_if_nametoindex(const char *name)
{
	unsigned int ifindex;
	char end;

	return sscanf(name, "dev%3u%c", &ifindex, &end) == 1 ? ifindex : 0;
}

char *__wrap_if_indextoname(unsigned int ifindex, char *name)
{
	if (ifindex > 255)
		return NULL;
	snprintf(name, IFNAMSIZ, "dev%u", ifindex);
	return name;
}

int __wrap_module_absent(void)
{
	return refuse("absent");
}

/* Files: one to read, none to write */

static ssize_t read_bytes(void *cookie, char *buf, size_t size)
{
	struct bytes *from = cookie;
	size_t n = size < from->n ? size : from->n;

	take(from, buf, n);
	return (ssize_t)n;
}

static int close_bytes(void *cookie)
{
	free(cookie);
	return 0;
}

/* fmemopen() would end at a NUL. */
FILE *open_bytes(const void *data, size_t n)
{
	const cookie_io_functions_t io = { .read = read_bytes, .close = close_bytes };
	struct bytes *from = xrealloc(NULL, 1, sizeof(*from));
	FILE *f;

	*from = (struct bytes){ data, n };
	f = fopencookie(from, "r", io);
	FAIL_IF(!f);
	return f;
}

FILE *world_fopen(const char *path, const char *mode)
{
	static const char preset[] = "/fuzz.preset";
	size_t n = strlen(path);

	if (file_name && mode[0] == 'r' &&
	    (!strcmp(path, file_name) ||
	     (n > strlen(preset) && !strcmp(path + n - strlen(preset), preset))))
		return open_bytes(file_data, file_size);
	if (mode[0] == 'r' && n > 7 && !strcmp(path + n - 7, ".preset"))
		return fopen(path, mode);
	errno = ENOENT;
	return NULL;
}

int world_open(const char *path, int flags, ...)
{
	(void)path;
	(void)flags;
	errno = ENOENT;
	return -1;
}

int world_mkstemp(char *path)
{
	(void)path;
	errno = EROFS;
	return -1;
}
