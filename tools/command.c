// SPDX-License-Identifier: GPL-2.0
/*
 * The table of commands. It dispatches, prints the help, answers the shell's
 * completion, and a unit test holds the manual page against it.
 */
#include <string.h>

#include "ftqos.h"
#include "plan.h"

#define CLASSES_NOTE							\
	"CLASSES := CLASS[,CLASS]...  each a name (df be cs0..cs7 af11..af43 va nqb\n" \
	"           ef le), a number (0..63, 0x2e), a range of numbers (40-47), or all"

const struct command commands[] = {
	{
		.object = "map", .name = "show", .run = map_show,
		.args = "[NAME]",
		.help = "show maps: what each class gets",
	}, {
		.object = "map", .name = "add", .run = map_add, .plan = plan_map_add,
		.args = "NAME [preset PRESET | from NAME]",
		.help = "add a map, with the built-in values, a preset's, or another map's",
		.notes = "PRESET := one of 'ftqos map presets'; constant N (0..7) gives every class N",
	}, {
		.object = "map", .name = "set", .run = map_set, .plan = plan_map_set,
		.args = "NAME CLASSES ACTION...",
		.help = "change what classes get",
		.notes = "ACTION  := prio N|MAJ:MIN|keep | pcp 0..7|keep|vlan | dscp CLASS|keep\n"
			 "           each at most once, at least one\n" CLASSES_NOTE,
	}, {
		.object = "map", .name = "del", .run = map_del, .plan = plan_map_del,
		.args = "NAME",
		.help = "delete a map that is not bound",
	}, {
		.object = "map", .name = "presets", .run = map_presets,
		.args = "",
		.help = "list the presets for 'map add'",
	}, {
		.object = "dev", .name = "show", .run = dev_show,
		.args = "[DEV|any]",
		.help = "show bindings and their state",
	}, {
		.object = "dev", .name = "set", .run = dev_set, .plan = plan_dev_set,
		.args = "DEV|any [map NAME] [trust dscp|pcp|none|ctmark MASK [STATEMASK]] [scope offloaded|all] [sticky on|off|all] [absent]",
		.help = "bind a device, or change its binding where named",
		.notes = "A new binding has map default, trust dscp, scope offloaded, sticky off.\n"
			 "map    for packets that leave through the device\n"
			 "trust  where the class of packets that enter through it comes from; ctmark:\n"
			 "       bits MASK (six, side by side) of the conntrack mark, if one of STATEMASK\n"
			 "       is set or there is none, else the DSCP; 0x80 and 128 are the same\n"
			 "scope  which packets that leave through it are changed\n"
			 "sticky what offloaded packets keep of what rules gave their flow before\n"
			 "absent allows a device that is not there yet",
	}, {
		.object = "dev", .name = "del", .run = dev_del, .plan = plan_dev_del,
		.args = "DEV|any",
		.help = "delete a binding",
	}, {
		.object = "flow", .name = "show", .run = flow_show,
		.args = "[dev DEV] [iif DEV] [oif DEV] [proto tcp|udp|gre] [src PREFIX] [dst PREFIX] [sport N] [dport N] [dscp CLASS] [-s]",
		.help = "show offloaded flows that match all that is named",
		.notes = "Addresses and ports are those of the packet as it enters, before NAT.\n"
			 "dev matches either side; dscp is the DSCP as it came; gre has no ports\n"
			 "-s adds what conntrack has: the mark, and addresses and ports after NAT",
	}, {
		.object = "flow", .name = "explain", .run = flow_explain,
		.args = "proto tcp|udp|gre src ADDRESS [sport N] dst ADDRESS [dport N] iif DEV",
		.help = "tell step by step why a flow gets what it gets",
		.notes = "Addresses and ports are those of the packet as it enters through DEV, before NAT.\n"
			 "Without a port: of the flows that match, the one with the last packet",
	}, {
		.object = "flow", .name = "flush", .run = flow_flush,
		.args = "",
		.help = "forget flow counters and what was learned; this does not stop offload",
	}, {
		.object = "stats", .name = "show", .run = stats_show,
		.args = "",
		.help = "show counters of the network namespace",
	}, {
		.object = "stats", .name = "reset", .run = stats_reset,
		.args = "",
		.help = "set the counters to 0",
	}, {
		.object = "config", .name = "show", .run = config_show,
		.args = "",
		.help = "show limits",
	}, {
		.object = "config", .name = "set", .run = config_set,
		.plan = plan_config_set,
		.args = "[flow-limit N] [flow-timeout SECONDS]",
		.help = "change limits; at least one",
		.notes = "flow-limit counts entries, one a direction; 0 turns flow accounting off\n"
			 "flow-timeout is 1..86400",
	}, {
		.object = "status", .run = status_show,
		.args = "",
		.help = "show module, devices, flowtables, and what is wrong",
	}, {
		.object = "monitor", .run = monitor,
		.args = "[flows]",
		.help = "print changes as they happen, until interrupted",
		.notes = "flows  also flows as they are offloaded and forgotten, with their totals",
		.no_batch = true,
	}, {
		.object = "save", .run = save,
		.args = "[FILE]",
		.help = "write the configuration as commands for restore or -b",
	}, {
		.object = "restore", .run = restore,
		.args = "[FILE]",
		.help = "replace the configuration by a file's, all of it or nothing",
		.no_batch = true,
	},
};

const size_t ncommands = ARRAY_SIZE(commands);

static bool usage_shown;

bool is_long(const char *arg, const char *name)
{
	if (arg[0] != '-')
		return false;
	arg += arg[1] == '-' ? 2 : 1;
	return strlen(arg) > 1 && !strncmp(name, arg, strlen(arg));
}

static void print_indented(FILE *f, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		fprintf(f, "    %.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static void print_syntax(FILE *f, const struct command *c)
{
	fprintf(f, "ftqos %s%s%s%s%s\n", c->object, c->name ? " " : "",
		c->name ? c->name : "", c->args[0] ? " " : "", c->args);
}

void print_usage(FILE *f, const struct command *c)
{
	fputs("Usage: ", f);
	print_syntax(f, c);
	print_indented(f, c->help);
	if (c->notes)
		print_indented(f, c->notes);
}

void print_help(FILE *f, const char *object)
{
	size_t i;

	if (!object) {
		fputs("Usage: ftqos [-j] [-p] [-s] [-n NETNS] [-b FILE] OBJECT COMMAND ...\n"
		      "    -j, -json           print JSON\n"
		      "    -p, -pretty         indent the JSON\n"
		      "    -s, -statistics     flow show: also conntrack's mark and NAT\n"
		      "    -n, -netns NETNS    a name of ip-netns(8), or a path\n"
		      "    -b, -batch FILE     read commands from FILE, - is standard input\n"
		      "    -V, -Version        print the version\n"
		      "    -h, -help           print this\n\n", f);
	}
	for (i = 0; i < ncommands; i++) {
		if (object && strcmp(commands[i].object, object))
			continue;
		if (object) {
			print_usage(f, &commands[i]);
		} else {
			print_syntax(f, &commands[i]);
			print_indented(f, commands[i].help);
		}
	}
	if (!object)
		fputs("ftqos help | OBJECT help\n"
		      "    print this, or the help of an object's commands\n", f);
}

/* Candidates for a word: the answer it means, and the list for the error. */
struct matches {
	const char *word;
	const char *meaning;	/* first match; "" none */
	bool exact;
	bool ambiguous;
	char list[160];
};

static void match(struct matches *m, const char *candidate, const char *meaning)
{
	size_t n = strlen(m->list);

	if (m->exact || strncmp(candidate, m->word, strlen(m->word)))
		return;
	if (!candidate[strlen(m->word)]) {
		m->exact = true;
		m->ambiguous = false;
		m->meaning = meaning;
		return;
	}
	if (!m->meaning)
		m->meaning = meaning;
	else if (strcmp(m->meaning, meaning))
		m->ambiguous = true;
	else
		return;
	snprintf(m->list + n, sizeof(m->list) - n, "%s%s", n ? ", " : "", candidate);
}

static int option_late(const char *word)
{
	return usage_error("option \"%s\": options come before the object, and not in a file of commands",
			   word);
}

static int resolve(struct matches *m, const char *what)
{
	if (m->word[0] && m->meaning && !m->ambiguous)
		return ST_OK;
	if (m->word[0] && m->ambiguous)
		return usage_error("ambiguous %s \"%s\": %s", what, m->word, m->list);
	if (m->word[0] == '-')
		return option_late(m->word);
	return usage_error("unknown %s \"%s\"", what, m->word);
}

static bool has_name(const char *object, const char *name)
{
	size_t i;

	for (i = 0; i < ncommands; i++)
		if (!strcmp(commands[i].object, object) && commands[i].name &&
		    !strcmp(commands[i].name, name))
			return true;
	return false;
}

static int find_object(const char *word, const char **object)
{
	struct matches m = { .word = word };
	const char *last = "";
	size_t i;
	int err;

	for (i = 0; i < ncommands; i++) {
		if (strcmp(commands[i].object, last))
			match(&m, commands[i].object, commands[i].object);
		last = commands[i].object;
	}
	match(&m, "help", "help");
	err = resolve(&m, "object");
	*object = m.meaning;
	return err;
}

static int find_name(const char *object, const char *word, const char **name)
{
	static const char *const shows[] = { "list", "ls", "lst" };
	struct matches m = { .word = word };
	size_t i;
	int err;

	for (i = 0; i < ncommands; i++)
		if (!strcmp(commands[i].object, object) && commands[i].name)
			match(&m, commands[i].name, commands[i].name);
	if (has_name(object, "show"))
		for (i = 0; i < ARRAY_SIZE(shows); i++)
			match(&m, shows[i], "show");
	match(&m, "help", "help");
	err = resolve(&m, "command");
	*name = m.meaning;
	return err;
}

static const struct command *find(const char *object, const char *name)
{
	size_t i;

	for (i = 0; i < ncommands; i++)
		if (!strcmp(commands[i].object, object) &&
		    (!commands[i].name || !strcmp(commands[i].name, name)))
			return &commands[i];
	return NULL;
}

/* status is a command without a name, but "status show" is what people type. */
static bool means_show(const char *object, const char *word)
{
	return word[0] && !strcmp(object, "status") &&
	       (!strncmp("show", word, strlen(word)) || !strcmp(word, "list") ||
		!strcmp(word, "ls") || !strcmp(word, "lst"));
}

static int run_row(struct plan *p, const struct command *c, int argc, char **argv)
{
	int ret;

	if (p && !c->plan)
		ret = usage_error("%s%s%s does not change the configuration, restore does not know it",
				  c->object, c->name ? " " : "",
				  c->name ? c->name : "");
	else if (where.file && c->no_batch)
		ret = usage_error("%s does not work in a file of commands", c->object);
	else
		ret = p ? c->plan(p, argc, argv) : c->run(argc, argv);
	if (p && !ret)
		p->commands++;
	if (ret == ST_USAGE && !usage_shown && !error_mute) {
		print_usage(stderr, c);
		usage_shown = true;
	}
	return ret;
}

int misuse(const char *object)
{
	if (!usage_shown && !error_mute) {
		print_help(stderr, object);
		/* All of the help is longer than a screen. */
		if (!object)
			error_again();
	}
	usage_shown = true;
	return ST_USAGE;
}

bool wants_help(int argc, char **argv)
{
	const char *object, *name = "";
	bool mute = error_mute;
	int err;

	if (!argc)
		return false;
	error_mute = true;
	err = find_object(argv[0], &object);
	if (!err && strcmp(object, "help") && argc > 1) {
		if (find(object, ""))
			name = argv[1];
		else
			err = find_name(object, argv[1], &name);
	}
	error_mute = mute;
	return !err && (!strcmp(object, "help") || !strcmp(name, "help"));
}

int dispatch(struct plan *p, int argc, char **argv)
{
	const char *object, *name = "show";
	const struct command *c;

	if (argc < 1)
		return ST_OK;
	if (argv[0][0] == '-') {
		option_late(argv[0]);
		return misuse(NULL);
	}
	if (!strcmp(argv[0], "__complete") && !p && !where.file)
		return complete(argc - 1, argv + 1);
	if (find_object(argv[0], &object))
		return misuse(NULL);
	argc--;
	argv++;
	if (!strcmp(object, "help")) {
		if (argc && find_object(argv[0], &object))
			return misuse(NULL);
		print_help(stdout, argc && strcmp(object, "help") ? object : NULL);
		return ST_OK;
	}
	c = find(object, "");
	if (c) {
		/* The object is the command. */
		if (argc && !strcmp(argv[0], "help")) {
			print_help(stdout, object);
			return ST_OK;
		}
		if (argc && means_show(object, argv[0])) {
			argc--;
			argv++;
		}
		return run_row(p, c, argc, argv);
	}
	if (argc) {
		if (find_name(object, argv[0], &name))
			return misuse(object);
		argc--;
		argv++;
	}
	if (!strcmp(name, "help")) {
		print_help(stdout, object);
		return ST_OK;
	}
	return run_row(p, find(object, name), argc, argv);
}

int no_more(int argc, char **argv)
{
	if (argc > 0 && argv[0][0] == '-')
		return option_late(argv[0]);
	if (argc > 0)
		return usage_error("unknown word \"%s\"", argv[0]);
	return ST_OK;
}
