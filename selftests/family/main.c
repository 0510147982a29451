// SPDX-License-Identifier: GPL-2.0
/*
 * family [-n MESSAGES] [-s SEED] [-e EVERY] [-j PROCESSES] [-u] [-l LIMIT] [-r FILE]: send
 * messages to the family, those of the specification and others that are nearly so, and
 * look at what it answers and at the configuration that comes of it.
 *
 * The same seed sends the same messages. Each -e messages, and at the end, the
 * configuration has to be one that a client could have set, and can be restored. With
 * -j several processes do so at once, every third in a network namespace of its own; what
 * one changes the others see, so that less is known of what must be. With -u nothing may
 * change at all. -l is the highest flow-limit that may be set. -r appends the words of
 * refusals to FILE, with how often there were.
 *
 * Ends with 0 if nothing was found.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "config.h"
#include "report.h"

/* Two of them with a receive buffer as small as can be. */
#define LINKS 4

/**
 * struct run - what one process does
 * @source: where messages are drawn from
 * @link: sockets that ask
 * @own: socket that reads the configuration
 * @hear: socket that is told of changes
 * @msg: message
 * @shared: others change the configuration as well
 * @sent: messages so far
 * @done: of these, not refused
 * @refused: of these, refused; what became of the others is lost, or to come
 * @parts: parts of dumps that went on while other messages were sent
 * @audits: looks at the configuration
 * @missed: of these, there was none that stood still
 */
struct run {
	struct source	source;
	struct link	link[LINKS];
	struct link	own;
	struct link	hear;
	struct message	msg;
	bool		shared;
	uint64_t	sent;
	uint64_t	done;
	uint64_t	refused;
	uint64_t	parts;
	uint64_t	audits;
	uint64_t	missed;
};

static uint64_t messages = 10000;
static uint64_t every = 1000;
static uint64_t seed = 1;
static const char *refusals;

/* What is heard has to be well formed; that some is lost is what the buffer is for. */
static void listen_to(struct run *run)
{
	struct answer answer = { };

	while (link_receive(&run->hear, RECEIVE_MAX, 0, NULL, &answer, check_reply, NULL))
		;
	run->hear.lost = false;
}

/* Is it one that could be, and can it be restored? */
static void audit(struct run *run)
{
	static struct config config, again;
	static struct message msg;
	struct answer answer;
	char what[128];

	run->audits++;
	if (!config_read(&run->own, &config)) {
		run->missed++;
		return;
	}
	config_check(&config);
	listen_to(run);
	if (run->shared || !privileged)
		return;

	config_restore(&config, &msg);
	link_ask(&run->own, &msg, &answer, check_reply, NULL);
	if (!answer.over || answer.error) {
		fault("cannot be restored: error %d, %s", answer.error, answer.text);
		return;
	}
	config_read(&run->own, &again);
	if (!config_same(&config, &again, what, sizeof(what)))
		fault("restored it is not what it was: %s", what);
}

/* Go on with a dump by one part, or a piece of that. */
static void go_on(struct run *run, struct link *link)
{
	size_t max = one_in(&run->source, 8) ? 1 + below(&run->source, 4000) : RECEIVE_MAX;
	struct answer answer = { };

	run->parts++;
	if (link_receive(link, max, link->dump_seq, link->dump_op, &answer, check_reply,
			 NULL))
		return;
	if (!link->dump_lost)
		fault("a dump of %s stops", link->dump_op->name);
	link->dump = false;
}

static void ask(struct run *run)
{
	struct link *link = &run->link[below(&run->source, LINKS)];
	bool all = one_in(&run->source, 2);
	struct answer answer = { };

	/* What was not read to its end goes on, or is in the way of the next. */
	while (link->dump && !one_in(&run->source, 4))
		go_on(run, link);
	link->lost = false;

	make_message(&run->source, family.id, &run->msg);
	report_about(&run->msg, run->sent);
	run->sent++;
	if (!link_send(link, &run->msg)) {
		fault("not sent: %s", strerror(errno));
		return;
	}
	if (run->msg.dump && !run->msg.core && !run->msg.odd && !link->dump) {
		link->dump = true;
		link->dump_lost = false;
		link->dump_seq = link->seq;
		link->dump_op = run->msg.op;
	}
	while (!answer.over &&
	       link_receive(link, RECEIVE_MAX, link->seq, run->msg.op, &answer,
			    check_reply, NULL)) {
		/* The rest later. */
		if (!all && link->dump && link->dump_seq == link->seq)
			return;
	}
	check_answer(&run->msg, link, &answer);
	run->done += answer.over && !answer.error;
	run->refused += answer.over && answer.error;
	if (!answer.over && link->dump_lost)
		link->dump = false;
}

/* A message of which it is known that, refused, it changes nothing. */
static void ask_and_compare(struct run *run, const struct config *before)
{
	static struct config after;
	uint64_t refused = run->refused;
	char what[128];

	ask(run);
	if (run->refused == refused && privileged)
		return;
	config_read(&run->own, &after);
	if (!config_same(before, &after, what, sizeof(what)))
		fault("changed by what was refused: %s", what);
}

static void open_links(struct run *run)
{
	unsigned int i;
	int error;

	for (i = 0; i < LINKS; i++)
		link_open(&run->link[i], i % 2 ? 0 : 1 << 18);
	link_open(&run->own, 1 << 20);
	link_open(&run->hear, 1 << 16);
	for (i = 0; i < nr_groups; i++) {
		error = link_join(&run->hear, i);
		/* Its messages have addresses. */
		if (!strcmp(groups[i], "flows") && !privileged) {
			if (error != EPERM)
				fault("who may not joins the group flows: %d", error);
		} else if (error) {
			fault("cannot join the group %s: %s", groups[i], strerror(error));
		}
	}
}

/* All that one process does; how much was wrong. */
static unsigned int run_one(uint64_t from, bool shared)
{
	static struct config before, first;
	static struct run run;
	unsigned int i;

	run.source.state = from;
	run.shared = shared;
	make_devices();
	open_links(&run);
	config_read(&run.own, &first);
	while (run.sent < messages) {
		if (!shared && privileged && one_in(&run.source, 8)) {
			if (config_read(&run.own, &before))
				config_check(&before);
			ask_and_compare(&run, &before);
		} else if (!privileged && one_in(&run.source, 64)) {
			ask_and_compare(&run, &first);
		} else {
			ask(&run);
		}
		if (one_in(&run.source, 64))
			listen_to(&run);
		if (run.sent % every == 0)
			audit(&run);
	}
	/* With dumps that nobody reads to their end. */
	for (i = 0; i < LINKS; i++)
		link_close(&run.link[i]);
	audit(&run);
	link_close(&run.own);
	link_close(&run.hear);
	if (run.missed == run.audits)
		fault("the configuration was never read in one piece");
	if (refusals)
		report_refusals(refusals);
	printf("# %llu messages, %llu not refused, %llu parts of dumps in between, %llu audits, %llu of what did not stand still\n",
	       (unsigned long long)run.sent, (unsigned long long)run.done,
	       (unsigned long long)run.parts, (unsigned long long)run.audits,
	       (unsigned long long)run.missed);
	fflush(stdout);
	return faults();
}

/* In a process of its own. */
static pid_t start_one(unsigned int number)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid)
		return pid;
	if (number % 3 == 2 && unshare(CLONE_NEWNET))
		give_up("no network namespace: %s", strerror(errno));
	exit(run_one(seed + number, number % 3 != 2) ? 1 : 0);
}

static unsigned int run_several(unsigned int processes)
{
	static struct config config;
	struct link link;
	unsigned int i;
	int status;

	for (i = 0; i < processes; i++)
		if (start_one(i) < 0)
			give_up("fork: %s", strerror(errno));
	while (wait(&status) > 0)
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			fault("a process ended with %#x", status);
	link_open(&link, 1 << 20);
	if (!config_read(&link, &config))
		fault("the configuration does not stand still at the end");
	config_check(&config);
	link_close(&link);
	return faults();
}

static uint64_t number(const char *text)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || *end || end == text)
		give_up("\"%s\" is not a number", text);
	return value;
}

int main(int argc, char **argv)
{
	unsigned int processes = 0, bad;
	int option;

	privileged = true;
	while ((option = getopt(argc, argv, "n:s:e:j:ul:r:")) != -1) {
		switch (option) {
		case 'n':
			messages = number(optarg);
			break;
		case 's':
			seed = number(optarg);
			break;
		case 'e':
			every = number(optarg) ?: 1;
			break;
		case 'j':
			processes = number(optarg);
			break;
		case 'u':
			privileged = false;
			break;
		case 'l':
			config_limit = number(optarg);
			break;
		case 'r':
			refusals = optarg;
			break;
		default:
			give_up("usage: family [-n MESSAGES] [-s SEED] [-e EVERY] [-j PROCESSES] [-u] [-l LIMIT] [-r FILE]");
		}
	}
	if (!family_find())
		give_up("there is no family %s", FAMILY);
	bad = processes ? run_several(processes) : run_one(seed, false);
	if (bad)
		printf("# %u faults, seed %llu\n", bad, (unsigned long long)seed);
	return bad ? 1 : 0;
}
