// SPDX-License-Identifier: GPL-2.0
/* The table: abbreviations, misuse, and the manual page. */
#include <stdlib.h>

#include "plan.h"
#include "unit.h"

/* Run words against a plan, so that no kernel is needed. */
static int run(const char *words)
{
	char *argv[UNIT_WORDS];
	int argc = split(words, argv), ret;
	struct plan p;

	plan_init(&p);
	ret = dispatch(&p, argc, argv);
	plan_free(&p);
	return ret;
}

static void abbreviations(void)
{
	CHECK_INT(run("ma a x"), ST_OK);
	CHECK_INT(run("d set eth0"), ST_OK);
	CHECK_INT(run("c se flow-limit 1"), ST_OK);
	CHECK_INT(run("config set flow-limit 1"), ST_OK);
	CHECK_ERROR(run("m add x"), ST_USAGE, "ambiguous object \"m\": map, monitor");
	CHECK_ERROR(run("s"), ST_USAGE, "ambiguous object \"s\": stats, status, save");
	CHECK_ERROR(run("stat"), ST_USAGE, "ambiguous object \"stat\": stats, status");
	CHECK_ERROR(run("map s x"), ST_USAGE, "ambiguous command \"s\": show, set");
	CHECK_ERROR(run("flow f"), ST_USAGE, "flow flush does not change");
	CHECK_ERROR(run("map sh"), ST_USAGE, "map show does not change");
	CHECK_ERROR(run("map"), ST_USAGE, "map show does not change");
	CHECK_ERROR(run("map l"), ST_USAGE, "map show does not change");
	CHECK_ERROR(run("map list"), ST_USAGE, "map show does not change");
	CHECK_ERROR(run("dev ls"), ST_USAGE, "dev show does not change");
	CHECK_ERROR(run("dev lst"), ST_USAGE, "dev show does not change");
	CHECK_ERROR(run("r"), ST_USAGE, "restore does not change");
	CHECK_ERROR(run("status sh"), ST_USAGE, "status does not change");
	CHECK_ERROR(run("mapp add x"), ST_USAGE, "unknown object \"mapp\"");
	CHECK_ERROR(run("map adds x"), ST_USAGE, "unknown command \"adds\"");
	CHECK_ERROR(run("map add"), ST_USAGE, "name of the map is missing");
	CHECK_ERROR(run("map add x y"), ST_USAGE, "unknown word \"y\"");
	CHECK_ERROR(run("flow e"), ST_USAGE, "flow explain does not change");
}

/* Words that no command takes are refused before the kernel is asked. */
static void wrong(void)
{
	static const struct {
		const char *words;
		const char *error;
	} bad[] = {
		{ "map show a b", "unknown word \"b\"" },
		{ "map show A", "other characters" },
		{ "map del", "name of the map is missing" },
		{ "map presets x", "unknown word \"x\"" },
		{ "map set m ef", "no action" },
		{ "dev show a b", "unknown word \"b\"" },
		{ "dev show a/b", "'/'" },
		{ "dev del", "name of the device is missing" },
		{ "flow show dev", "dev needs a value" },
		{ "flow show dev a dev b", "dev is given twice" },
		{ "flow show port 1", "unknown filter \"port\"" },
		{ "flow show proto icmp", "unknown proto \"icmp\"" },
		{ "flow show proto gre dport 1", "gre has no ports" },
		{ "flow show dport 1 proto gre", "gre has no ports" },
		{ "flow show sport 65536", "out of range (0..65535)" },
		{ "flow show dscp 64", "out of range (0..63)" },
		{ "flow show src 10.0.0.1 dst ::1", "different address families" },
		{ "flow show src 10.0.0.0/33", "out of range (0..32)" },
		{ "flow show -s port 1", "unknown filter \"port\"" },
		{ "flow show sport 65536 --stats", "out of range (0..65535)" },
		{ "flow show dev -s dev -s", "dev is given twice" },
		{ "flow show -stat -statisticsx", "unknown filter \"-statisticsx\"" },
		{ "flow flush -s", "options come before the object" },
		{ "flow explain", "proto is missing" },
		{ "flow explain proto udp", "src is missing" },
		{ "flow explain proto udp src ::1 dst ::2", "iif is missing" },
		{ "flow explain proto icmp", "unknown proto \"icmp\"" },
		{ "flow explain src 10.0.0.0/8", "src \"10.0.0.0/8\" is not one address" },
		{ "flow explain dst 10.0.0.1 src ::1", "different address families" },
		{ "flow explain sport 1 sport 1", "sport is given twice" },
		{ "flow explain dport 65536", "out of range (0..65535)" },
		{ "flow explain iif", "iif needs a value" },
		{ "flow explain dev lan0", "unknown word \"dev\"" },
		{ "flow explain proto gre src 1.1.1.1 dst 1.1.1.2 sport 1 iif a",
		  "gre has no ports" },
		{ "flow flush all", "unknown word \"all\"" },
		{ "stats show x", "unknown word \"x\"" },
		{ "stats reset x", "unknown word \"x\"" },
		{ "config show x", "unknown word \"x\"" },
		{ "config set", "nothing to set" },
		{ "status x", "unknown word \"x\"" },
		{ "status -j", "options come before the object" },
		{ "map -j", "options come before the object" },
		{ "monitor x", "unknown word \"x\"" },
		{ "monitor flows x", "unknown word \"x\"" },
		{ "save a b", "unknown word \"b\"" },
		{ "restore a b", "unknown word \"b\"" },
	};
	char *argv[UNIT_WORDS];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		int argc = split(bad[i].words, argv);

		CHECK_ERROR(dispatch(NULL, argc, argv), ST_USAGE, bad[i].error);
	}
	argv[1] = (char *)"";
	argv[0] = (char *)"status";
	CHECK_ERROR(dispatch(NULL, 2, argv), ST_USAGE, "unknown word \"\"");
	argv[0] = (char *)"map";
	CHECK_ERROR(dispatch(NULL, 2, argv), ST_USAGE, "unknown command \"\"");
	CHECK_ERROR(dispatch(NULL, 1, argv + 1), ST_USAGE, "unknown object \"\"");
	/* The shell's words are none of a file's. */
	where = (struct where){ "t", 1 };
	argv[0] = (char *)"__complete";
	CHECK_ERROR(dispatch(NULL, 1, argv), ST_USAGE, "unknown object \"__complete\"");
	where = (struct where){ 0 };
}

static bool help_words(const char *words)
{
	char *argv[UNIT_WORDS];
	int argc = split(words, argv);

	return wants_help(argc, argv);
}

static void help_wanted(void)
{
	CHECK(help_words("help"));
	CHECK(help_words("h"));
	CHECK(help_words("map help"));
	CHECK(help_words("map h"));
	CHECK(help_words("status help"));
	CHECK(!help_words(""));
	CHECK(!help_words("map"));
	CHECK(!help_words("map show help"));
	CHECK(!help_words("status"));
	CHECK(!help_words("nothing help"));
}

/* A heading for each command, in the order of the table, with its syntax. */
static void manual(void)
{
	char path[4096], line[512], got[512], want[512];
	size_t n = 0, i, j;
	FILE *f;

	snprintf(path, sizeof(path), "%s/ftqos.8", tools_dir);
	f = fopen(path, "r");
	CHECK(f);
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, ".SS ftqos ", 10))
			continue;
		for (i = 4, j = 0; line[i] && line[i] != '\n'; i++)
			if (line[i] != '\\' || line[i + 1] != '-')
				got[j++] = line[i];
		got[j] = '\0';
		if (n >= ncommands) {
			printf("# the manual has \"%s\"\n", got);
			failures++;
			continue;
		}
		snprintf(want, sizeof(want), "ftqos %s%s%s%s%s", commands[n].object,
			 commands[n].name ? " " : "",
			 commands[n].name ? commands[n].name : "",
			 commands[n].args[0] ? " " : "", commands[n].args);
		CHECK_STR(got, want);
		n++;
	}
	fclose(f);
	CHECK_INT(n, ncommands);
}

/* Every row says what it does, and rows of an object stand together. */
static void table(void)
{
	size_t i, j;

	for (i = 0; i < ncommands; i++) {
		CHECK(commands[i].run && commands[i].help && commands[i].args);
		for (j = i + 1; j < ncommands; j++) {
			if (strcmp(commands[i].object, commands[j].object))
				continue;
			CHECK(commands[i].name && commands[j].name);
			CHECK(!strcmp(commands[j - 1].object, commands[j].object));
		}
	}
}

const struct test command_tests[] = {
	{ "abbreviations", abbreviations },
	{ "misuse", wrong },
	{ "help is wanted", help_wanted },
	{ "the table of commands", table },
	{ "the manual page has every command", manual },
	{ NULL, NULL },
};
