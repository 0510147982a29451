// SPDX-License-Identifier: GPL-2.0
/* Actions, presets, the built-in map, configurations as text and message. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parse.h"
#include "plan.h"
#include "unit.h"

static int map_words(const char *words, struct map_change *c)
{
	char *argv[UNIT_WORDS];
	int argc = split(words, argv);

	return parse_map_set(argc, argv, c);
}

static int add_words(const char *words, struct map_new *n)
{
	char *argv[UNIT_WORDS];
	int argc = split(words, argv);

	return parse_map_add(argc, argv, n);
}

static int dev_words(const char *words, struct dev_change *c)
{
	char *argv[UNIT_WORDS];
	int argc = split(words, argv);

	return parse_dev_set(argc, argv, c);
}

static int limit_words(const char *words, struct limits_change *c)
{
	char *argv[UNIT_WORDS];
	int argc = split(words, argv);

	return parse_config_set(argc, argv, c);
}

static void actions(void)
{
	struct map_change c;

	CHECK_INT(map_words("m ef prio 1:10 pcp vlan dscp af41", &c), ST_OK);
	CHECK_STR(c.name, "m");
	CHECK(c.classes == BIT64(46));
	CHECK_INT(c.acts, ACT_PRIO | ACT_PCP | ACT_DSCP);
	CHECK_INT(c.e.prio, 0x10010);
	CHECK_INT(c.e.pcp, NF_FLOW_QOS_PCP_VLAN);
	CHECK_INT(c.e.dscp, 34);
	CHECK_INT(map_words("m all dscp keep prio keep pcp keep", &c), ST_OK);
	CHECK_INT(c.e.prio, KEEP);
	CHECK_INT(c.e.pcp, KEEP);
	CHECK_INT(c.e.dscp, KEEP);
	CHECK_INT(map_words("m 0 prio 0xffffffff", &c), ST_OK);
	CHECK_INT(c.e.prio, UINT32_MAX);
	CHECK_INT(c.acts, ACT_PRIO);
	CHECK_ERROR(map_words("", &c), ST_USAGE, "name of the map is missing");
	CHECK_ERROR(map_words("m", &c), ST_USAGE, "list of classes is missing");
	CHECK_ERROR(map_words("m ef", &c), ST_USAGE, "no action");
	CHECK_ERROR(map_words("m ef pcp", &c), ST_USAGE, "pcp needs a value");
	CHECK_ERROR(map_words("m ef pcp 8", &c),
		    ST_USAGE, "pcp 8 is out of range (0..7)");
	CHECK_ERROR(map_words("m ef pcp 1 pcp 1", &c), ST_USAGE, "pcp is given twice");
	CHECK_ERROR(map_words("m ef mark 1", &c), ST_USAGE, "unknown action \"mark\"");
	CHECK_ERROR(map_words("m ef dscp 64", &c), ST_USAGE, "class 64 is out of range");
	CHECK_ERROR(map_words("m ef prio vlan", &c),
		    ST_USAGE, "prio \"vlan\" is not a number");
}

static void bindings(void)
{
	struct dev_change c;

	CHECK_INT(dev_words("eth0", &c), ST_OK);
	CHECK_STR(c.name, "eth0");
	CHECK_INT(c.named, 0);
	CHECK_INT(dev_words("any absent scope all trust none map m", &c), ST_OK);
	CHECK_INT(c.named, DEV_MAP | DEV_TRUST | DEV_SCOPE | DEV_ABSENT);
	CHECK_INT(c.trust, NF_FLOW_QOS_TRUST_NONE);
	CHECK_INT(c.scope, NF_FLOW_QOS_SCOPE_ALL);
	CHECK_STR(c.map, "m");
	CHECK_ERROR(dev_words("", &c), ST_USAGE, "name of the device is missing");
	CHECK_ERROR(dev_words("eth0 map", &c), ST_USAGE, "map needs a value");
	CHECK_ERROR(dev_words("eth0 trust pcp trust pcp", &c),
		    ST_USAGE, "trust is given twice");
	CHECK_ERROR(dev_words("eth0 trust vlan", &c),
		    ST_USAGE, "unknown trust \"vlan\": one of dscp, pcp, none, ctmark");
	CHECK_INT(dev_words("eth0 sticky all", &c), ST_OK);
	CHECK_INT(c.named, DEV_STICKY);
	CHECK_INT(c.sticky, NF_FLOW_QOS_STICKY_ALL);
	CHECK_ERROR(dev_words("eth0 sticky", &c), ST_USAGE, "sticky needs a value");
	CHECK_ERROR(dev_words("eth0 sticky yes", &c),
		    ST_USAGE, "unknown sticky \"yes\": one of off, on, all");
}

static void ctmarks(void)
{
	struct dev_change c;

	CHECK_ERROR(dev_words("eth0 trust ctmark", &c), ST_USAGE,
		    "needs a MASK: MASK is the six bits, side by side");
	CHECK_ERROR(dev_words("eth0 trust ctmark scope all", &c), ST_USAGE,
		    "trust ctmark needs a MASK: ");
	CHECK_ERROR(dev_words("eth0 trust ctmark fc", &c), ST_USAGE,
		    "mask \"fc\" is not a number (0x..., or decimal): MASK is the six bits");
	CHECK_ERROR(dev_words("eth0 trust ctmark 0xff", &c), ST_USAGE,
		    "mask 0xff is not six bits side by side: MASK is the six bits");
	CHECK_INT(dev_words("eth0 trust ctmark 0xfc scope all", &c), ST_OK);
	CHECK_INT(c.trust, NF_FLOW_QOS_TRUST_CTMARK);
	CHECK_INT(c.named, DEV_TRUST | DEV_CTMARK | DEV_SCOPE);
	CHECK_INT(c.ctmark_mask, 0xfc);
	CHECK_INT(c.ctmark_statemask, 0);
	CHECK_INT(dev_words("eth0 trust ctmark 63 128 absent", &c), ST_OK);
	CHECK_INT(c.named, DEV_TRUST | DEV_CTMARK | DEV_ABSENT);
	CHECK_INT(c.ctmark_mask, 0x3f);
	CHECK_INT(c.ctmark_statemask, 0x80);
	CHECK_INT(dev_words("eth0 trust ctmark 0xfc000000 0x2000000", &c), ST_OK);
	CHECK(c.ctmark_mask == 0xfc000000);
	CHECK(c.ctmark_statemask == 0x2000000);
	CHECK_ERROR(dev_words("eth0 trust ctmark 0", &c),
		    ST_USAGE, "mask 0 is not six bits side by side");
	CHECK_ERROR(dev_words("eth0 trust ctmark 0x1f", &c), ST_USAGE, "mask 0x1f is not six");
	CHECK_ERROR(dev_words("eth0 trust ctmark 0x7f", &c), ST_USAGE, "mask 0x7f is not six");
	CHECK_ERROR(dev_words("eth0 trust ctmark 0x5f", &c), ST_USAGE, "mask 0x5f is not six");
	CHECK_ERROR(dev_words("eth0 trust ctmark 0xf8000000", &c),
		    ST_USAGE, "mask 0xf8000000 is not six");
	CHECK_ERROR(dev_words("eth0 trust ctmark 0xffffffff", &c),
		    ST_USAGE, "mask 0xffffffff is not six");
	CHECK_ERROR(dev_words("eth0 trust ctmark 0x100000003f", &c),
		    ST_USAGE, "mask 0x100000003f is ");
	CHECK_ERROR(dev_words("eth0 trust ctmark 0xfg", &c),
		    ST_USAGE, "mask \"0xfg\" is not a number");
	CHECK_ERROR(dev_words("eth0 trust ctmark 0xfc 0", &c),
		    ST_USAGE, "statemask 0 never counts");
	CHECK_ERROR(dev_words("eth0 trust ctmark 0xfc 0x104", &c),
		    ST_USAGE, "statemask 0x104 has bits of the mask 0xfc");
	CHECK_ERROR(dev_words("eth0 trust ctmark 0xfc 1 2", &c),
		    ST_USAGE, "unknown word \"2\"");
	CHECK_ERROR(dev_words("eth0 trust dscp 0xfc", &c),
		    ST_USAGE, "unknown word \"0xfc\"");
}

static void limits(void)
{
	struct limits_change c;

	CHECK_INT(limit_words("flow-timeout 1 flow-limit 0", &c), ST_OK);
	CHECK_INT(c.v.flow_limit, 0);
	CHECK_INT(c.v.flow_timeout, 1);
	CHECK_ERROR(limit_words("", &c), ST_USAGE, "nothing to set");
	CHECK_ERROR(limit_words("flow-timeout 0", &c),
		    ST_USAGE, "out of range (1..86400)");
	CHECK_ERROR(limit_words("flow-timeout 86401", &c), ST_USAGE, "out of range");
	CHECK_ERROR(limit_words("flow-limit", &c), ST_USAGE, "needs a value");
	CHECK_ERROR(limit_words("limit 1", &c), ST_USAGE, "unknown word");
}

/*
 * The values once more, from the rules they come from and not from the files:
 * traffic types of IEEE 802.1Q for the classes of RFC 4594.
 */
static int dot1q(int dscp)
{
	switch (dscp) {
	case 1:				/* LE: background */
		return 1;
	case 44:			/* VOICE-ADMIT, */
	case 45:			/* NQB and */
	case 46:			/* EF are as voice */
		return 5;
	}
	if (dscp % 8 == 0)		/* CS: their own number */
		return dscp / 8;
	if (dscp > 16 && dscp < 40 && dscp % 2 == 0)
		return dscp / 8;	/* AF2x to AF4x, drop precedences alike */
	return 0;			/* AF1x and unassigned */
}

/* RFC 8325 section 4.3; LE as background by RFC 8622. */
static int rfc8325(int dscp)
{
	switch (dscp) {
	case 1:
	case 8:
		return 1;
	case 18: case 20: case 22:
		return 3;
	case 24: case 26: case 28: case 30:
	case 32: case 34: case 36: case 38:
		return 4;
	case 40:
		return 5;
	case 44: case 46:
		return 6;
	case 48: case 56:
		return 7;
	}
	return 0;
}

/* cfg80211_classify8021d(): exceptions by DSCP, else the upper three bits. */
static int cfg80211(int dscp)
{
	switch (dscp) {
	case 10: case 12: case 14: case 16:
		return 0;
	case 18: case 20: case 22:
		return 3;
	case 24: case 26: case 28: case 30:
		return 4;
	case 44: case 46:
		return 6;
	case 48:
		return 7;
	}
	return dscp >> 3;
}

/* iw_qos_map_set 0,0,2,16,1,1,255,255,18,22,24,38,40,40,44,46,48,56 and gaps. */
static int openwrt(int dscp)
{
	if (dscp == 1)
		return 1;
	if (dscp <= 16)
		return 0;
	if (dscp == 17 || dscp == 23)
		return 2;
	if (dscp <= 22)
		return 3;
	if (dscp <= 39)
		return 4;
	if (dscp <= 43 || dscp == 47)
		return 5;
	return dscp <= 46 ? 6 : 7;
}

static int precedence(int dscp)
{
	return dscp >> 3;
}

/* ip_tos2prio[] by the four TOS bits, two of which are in the DSCP. */
static int tos2prio(int dscp)
{
	static const int prio[16] = {
		0, 0, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4,
	};

	return prio[((dscp << 2) & 0x1e) >> 1];
}

static int no_background(int dscp)
{
	return dot1q(dscp) == 1 ? 0 : dot1q(dscp);
}

static void preset_values(void)
{
	static const struct {
		const char *name;
		int (*value)(int dscp);
		int prio_base, pcp;	/* pcp 0: as the value */
	} want[] = {
		{ "dot1q", dot1q, 0, 0 },
		{ "dot1q-no-bk", no_background, 0, 0 },
		{ "rfc8325", rfc8325, 256, KEEP },
		{ "cfg80211", cfg80211, 256, KEEP },
		{ "openwrt", openwrt, 256, KEEP },
		{ "precedence", precedence, 0, 0 },
		{ "linux-tos2prio", tos2prio, 0, 0 },
		{ "vlan-qos-map", dot1q, 0, NF_FLOW_QOS_PCP_VLAN },
	};
	struct map_new n;
	char words[64];
	size_t i;
	int c;

	for (i = 0; i < ARRAY_SIZE(want); i++) {
		snprintf(words, sizeof(words), "m preset %s", want[i].name);
		CHECK_INT(add_words(words, &n), ST_OK);
		for (c = 0; c < 64; c++) {
			int v = want[i].value(c);

			if (n.e[c].prio != want[i].prio_base + v ||
			    n.e[c].pcp != (want[i].pcp ? want[i].pcp : v) ||
			    n.e[c].dscp != KEEP) {
				printf("# %s: class %d is prio %d pcp %d\n", want[i].name,
				       c, (int)n.e[c].prio, n.e[c].pcp);
				failures++;
			}
		}
	}
}

static void preset_words(void)
{
	struct map_new n;
	int i;

	CHECK_INT(add_words("m preset constant 3", &n), ST_OK);
	CHECK_INT(n.source, SOURCE_PRESET);
	for (i = 0; i < 64; i++) {
		CHECK_INT(n.e[i].prio, 3);
		CHECK_INT(n.e[i].pcp, 3);
	}
	CHECK_ERROR(add_words("m preset constant", &n), ST_USAGE, "needs a value (0..7)");
	CHECK_ERROR(add_words("m preset constant 8", &n),
		    ST_USAGE, "value 8 is out of range (0..7)");
	CHECK_ERROR(add_words("m preset dot1q 3", &n), ST_USAGE, "unknown word \"3\"");
	CHECK_ERROR(add_words("m preset nosuch", &n),
		    ST_REFUSED, "unknown preset \"nosuch\"");
	CHECK_ERROR(add_words("m preset ../presets/dot1q", &n),
		    ST_REFUSED, "unknown preset");
	CHECK_ERROR(add_words("m preset", &n), ST_USAGE, "preset needs a name");
	CHECK_INT(add_words("m from x", &n), ST_OK);
	CHECK_INT(n.source, SOURCE_MAP);
	CHECK_STR(n.from, "x");
	CHECK_INT(add_words("m", &n), ST_OK);
	CHECK_INT(n.source, SOURCE_BUILTIN);
	CHECK_ERROR(add_words("m from x preset y", &n),
		    ST_USAGE, "unknown word \"preset\"");
}

static void presets_listed(void)
{
	static const char *const want[] = {
		"cfg80211", "constant", "dot1q", "dot1q-no-bk", "linux-tos2prio",
		"openwrt", "precedence", "rfc8325", "vlan-qos-map",
	};
	struct preset *list;
	size_t n = 0, i;

	CHECK_INT(preset_list(&list, &n), ST_OK);
	CHECK_INT(n, ARRAY_SIZE(want));
	for (i = 0; i < n && i < ARRAY_SIZE(want); i++) {
		CHECK_STR(list[i].name, want[i]);
		CHECK(list[i].description[0]);
	}
	free(list);
}

static void preset_file(const char *dir, const char *name, const char *text)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = text ? fopen(path, "w") : NULL;
	if (f) {
		fputs(text, f);
		fclose(f);
	} else {
		unlink(path);
	}
}

/* One bad file does not take the others with it, and is told by its line. */
static void preset_bad(void)
{
	static const char *const files[][2] = {
		{ "good.preset", "description fine\nkind constant\n" },
		{ "Bad Name.preset", "kind constant\n" },
		{ "quote.preset", "description x\nkind 'pcp\n" },
		{ "short.preset", "kind pcp\nvalues 1 2\n" },
	};
	char dir[] = "/tmp/ftqos-unit-XXXXXX", want[4096];
	char *old = xstrdup(getenv("FTQOS_PRESETS"));
	struct preset *list, p;
	size_t n = 0, i;

	CHECK(mkdtemp(dir));
	for (i = 0; i < ARRAY_SIZE(files); i++)
		preset_file(dir, files[i][0], files[i][1]);
	setenv("FTQOS_PRESETS", dir, 1);
	CHECK_INT(preset_list(&list, &n), ST_OK);
	CHECK_INT(n, 1);
	if (n)
		CHECK_STR(list[0].name, "good");
	free(list);
	snprintf(want, sizeof(want), "%s/quote.preset:2: a quote is not closed", dir);
	where = (struct where){ "t", 7 };
	CHECK_ERROR(preset_load("quote", &p), ST_REFUSED, want);
	CHECK_INT(where.line, 7);
	where = (struct where){ 0 };
	snprintf(want, sizeof(want), "%s/short.preset:", dir);
	CHECK_ERROR(preset_load("short", &p), ST_REFUSED, want);
	CHECK(strstr(last_error, "64 values, this one 2"));
	setenv("FTQOS_PRESETS", old, 1);
	free(old);
	for (i = 0; i < ARRAY_SIZE(files); i++)
		preset_file(dir, files[i][0], NULL);
	rmdir(dir);
}

static bool has_text(const char *path, const char *want)
{
	char text[64] = "";
	FILE *f = fopen(path, "r");

	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return !strcmp(text, want);
}

/* What is saved over keeps owner and mode; links stay links. */
static void save_over(void)
{
	char dir[] = "/tmp/ftqos-unit-XXXXXX", file[64], link[64];
	struct stat st;

	CHECK(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/file", dir);
	snprintf(link, sizeof(link), "%s/link", dir);
	CHECK(!symlink("file", link));
	CHECK_INT(save_to(link, "one", 3), ST_OK);
	CHECK(has_text(file, "one"));
	CHECK(!chmod(file, 0640));
	if (!geteuid())
		CHECK(!chown(file, 12, 34));
	CHECK_INT(save_to(link, "two", 3), ST_OK);
	CHECK(has_text(file, "two"));
	CHECK(!lstat(link, &st) && S_ISLNK(st.st_mode));
	CHECK(!stat(file, &st));
	CHECK_INT(st.st_mode & 07777, 0640);
	if (!geteuid()) {
		CHECK_INT(st.st_uid, 12);
		CHECK_INT(st.st_gid, 34);
	}
	CHECK_ERROR(save_to("/nowhere/file", "x", 1), ST_REFUSED, "cannot write");
	unlink(file);
	unlink(link);
	/* Nothing temporary is left. */
	CHECK(!rmdir(dir));
}

static void batch_files(void)
{
	CHECK_ERROR(batch("/tmp"), ST_REFUSED, "cannot open \"/tmp\": Is a directory");
}

/* A file without commands must not wipe the configuration. */
static void restore_empty(void)
{
	char path[] = "/tmp/ftqos-unit-XXXXXX", *argv[] = { path, NULL };
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	CHECK_ERROR(restore(1, argv), ST_REFUSED, "nothing was changed");
	CHECK(write(fd, "# only this\n\n", 13) == 13);
	CHECK_ERROR(restore(1, argv), ST_REFUSED, "no commands in /tmp/ftqos-unit-");
	CHECK(write(fd, "map 'x\n", 7) == 7);
	CHECK_ERROR(restore(1, argv), ST_USAGE, "a quote is not closed");
	CHECK_ERROR(batch(path), ST_USAGE, "a quote is not closed");
	close(fd);
	unlink(path);
}

static void builtin(void)
{
	struct entry e[64];
	int i;

	builtin_entries(e);
	for (i = 0; i < 64; i++) {
		CHECK_INT(e[i].prio, dot1q(i));
		CHECK_INT(e[i].pcp, dot1q(i));
		CHECK_INT(e[i].dscp, KEEP);
	}
}

/* Read a text into a plan; the status, with the error in last_error. */
static int read_text(struct plan *p, const char *text)
{
	FILE *f = fmemopen((void *)text, strlen(text), "r");
	int ret;

	plan_init(p);
	ret = read_commands(f, "t", p);
	fclose(f);
	return ret;
}

static void plans(void)
{
	struct plan p;

	CHECK_INT(read_text(&p, "map add m\nmap set m ef prio 6\nmap add n from m\n"
			    "dev set eth0 map m absent\ndev set eth0 trust pcp\n"
			    "config set flow-limit 5\nconfig set flow-timeout 9\n"), ST_OK);
	CHECK_INT(p.nmaps, 3);
	CHECK_STR(p.maps[2].name, "n");
	CHECK_INT(p.maps[2].e[46].prio, 6);
	CHECK_INT(p.maps[2].e[46].pcp, 5);
	CHECK_INT(p.maps[2].acts[46], ACT_PRIO);
	CHECK_INT(p.maps[2].entry_line[46], 3);
	CHECK_INT(p.maps[1].entry_line[46], 2);
	CHECK_INT(p.ndevs, 1);
	CHECK_STR(p.devs[0].c.map, "m");
	CHECK_INT(p.devs[0].c.trust, NF_FLOW_QOS_TRUST_PCP);
	CHECK_INT(p.devs[0].c.named, DEV_MAP | DEV_TRUST | DEV_ABSENT);
	CHECK_INT(p.devs[0].line, 4);
	CHECK_INT(p.limits.v.flow_limit, 5);
	CHECK_INT(p.limits.v.flow_timeout, 9);
	plan_free(&p);
	CHECK_INT(read_text(&p, "map add m\ndev set a map m\ndev del a\nmap del m\n"), ST_OK);
	CHECK_INT(p.nmaps, 1);
	CHECK_INT(p.ndevs, 0);
	plan_free(&p);
	/* Masks stay until they are named again, or the trust is another. */
	CHECK_INT(read_text(&p, "dev set a trust ctmark 0xfc 1\ndev set a scope all\n"
			    "dev set b trust ctmark 0xfc 1\ndev set b trust ctmark 0x3f\n"
			    "dev set c trust ctmark 0xfc\ndev set c trust pcp\n"), ST_OK);
	CHECK_INT(p.devs[0].c.named, DEV_TRUST | DEV_CTMARK | DEV_SCOPE);
	CHECK_INT(p.devs[0].c.ctmark_statemask, 1);
	CHECK_INT(p.devs[1].c.ctmark_mask, 0x3f);
	CHECK_INT(p.devs[1].c.ctmark_statemask, 0);
	CHECK_INT(p.devs[1].ctmark_line, 4);
	CHECK_INT(p.devs[2].c.named, DEV_TRUST);
	plan_free(&p);
	CHECK_ERROR(read_text(&p, "map add default\n"), ST_REFUSED, "name exists");
	plan_free(&p);
	CHECK_ERROR(read_text(&p, "map add m from n\n"), ST_REFUSED, "map \"n\"");
	plan_free(&p);
	CHECK_ERROR(read_text(&p, "map set m ef pcp 1\n"), ST_REFUSED, "map \"m\"");
	plan_free(&p);
	CHECK_ERROR(read_text(&p, "dev set eth0 map m\n"), ST_REFUSED, "map \"m\"");
	plan_free(&p);
	CHECK_ERROR(read_text(&p, "map del default\n"), ST_REFUSED, "built in");
	plan_free(&p);
	CHECK_ERROR(read_text(&p, "map add m\ndev set a map m\nmap del m\n"), ST_REFUSED,
		    "bound to a");
	plan_free(&p);
	CHECK_ERROR(read_text(&p, "dev del eth0\n"), ST_REFUSED, "eth0");
	plan_free(&p);
	CHECK_ERROR(read_text(&p, "map show\n"), ST_USAGE, "does not change");
	plan_free(&p);
	CHECK_ERROR(read_text(&p, "stats reset\n"), ST_USAGE, "does not change");
	plan_free(&p);
	CHECK_ERROR(read_text(&p, "-n x map add y\n"), ST_USAGE, "option \"-n\"");
	plan_free(&p);
}

static void make_config(struct maps *maps, struct devs *devs, struct limits *v)
{
	static struct map m[3];
	static struct dev d[3];
	size_t i;

	memset(m, 0, sizeof(m));
	memset(d, 0, sizeof(d));
	for (i = 0; i < ARRAY_SIZE(m); i++)
		builtin_entries(m[i].e);
	strcpy(m[0].name, "default");
	m[0].e[46] = (struct entry){ 0x10010, KEEP, 34 };
	m[0].e[10].pcp = 1;
	strcpy(m[1].name, "plain");
	strcpy(m[2].name, "wild");
	for (i = 0; i < 64; i++)
		m[2].e[i] = (struct entry){
			i % 3 ? (int64_t)i * 70000 : KEEP,
			i % 5 ? (int)i % 8 : NF_FLOW_QOS_PCP_VLAN,
			i % 7 ? KEEP : (int)i,
		};
	strcpy(d[0].name, "any");
	strcpy(d[0].map, "default");
	strcpy(d[1].name, "#odd\"'\\name");
	strcpy(d[1].map, "wild");
	d[1].trust = NF_FLOW_QOS_TRUST_PCP;
	d[1].scope = NF_FLOW_QOS_SCOPE_ALL;
	d[1].sticky = NF_FLOW_QOS_STICKY_ON;
	strcpy(d[2].name, "eth0.7");
	strcpy(d[2].map, "plain");
	d[2].trust = NF_FLOW_QOS_TRUST_CTMARK;
	d[2].ctmark_mask = 0xfc00;
	d[2].ctmark_statemask = 0x80;
	*maps = (struct maps){ m, ARRAY_SIZE(m) };
	*devs = (struct devs){ d, ARRAY_SIZE(d) };
	*v = (struct limits){ 1234, 56 };
}

static char *saved(const struct maps *maps, const struct devs *devs,
		   const struct limits *v)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	save_text(f, maps, devs, v);
	fclose(f);
	return text;
}

static void save_restore(void)
{
	struct limits v;
	struct maps maps;
	struct devs devs;
	struct plan p;
	size_t i, j;
	char *text;

	make_config(&maps, &devs, &v);
	text = saved(&maps, &devs, &v);
	CHECK(strstr(text, "\ndev set any map default trust dscp scope offloaded sticky off\n"));
	CHECK(strstr(text, "trust ctmark 0xfc00 0x80 scope offloaded sticky off absent\n"));
	CHECK_INT(read_text(&p, text), ST_OK);
	CHECK_INT(p.nmaps, maps.n);
	for (i = 0; i < p.nmaps && i < maps.n; i++) {
		CHECK_STR(p.maps[i].name, maps.v[i].name);
		for (j = 0; j < 64; j++)
			if (!entry_equal(&p.maps[i].e[j], &maps.v[i].e[j])) {
				printf("# map %s class %zu\n", maps.v[i].name, j);
				failures++;
			}
	}
	CHECK_INT(p.ndevs, devs.n);
	for (i = 0; i < p.ndevs && i < devs.n; i++) {
		CHECK_STR(p.devs[i].c.name, devs.v[i].name);
		CHECK_STR(p.devs[i].c.map, devs.v[i].map);
		CHECK_INT(p.devs[i].c.trust, devs.v[i].trust);
		CHECK_INT(p.devs[i].c.ctmark_mask, devs.v[i].ctmark_mask);
		CHECK_INT(p.devs[i].c.ctmark_statemask, devs.v[i].ctmark_statemask);
		CHECK_INT(p.devs[i].c.scope, devs.v[i].scope);
		CHECK_INT(p.devs[i].c.sticky, devs.v[i].sticky);
		CHECK_INT(p.devs[i].c.named & DEV_ABSENT ? 1 : 0, i != 0);
	}
	CHECK_INT(p.limits.v.flow_limit, 1234);
	CHECK_INT(p.limits.v.flow_timeout, 56);
	plan_free(&p);
	free(text);
}

static void save_compact(void)
{
	struct limits v = { 65536, 60 };
	struct devs devs = { 0 };
	struct map m[2];
	struct maps maps = { m, 2 };
	char *text;
	int i;

	memset(m, 0, sizeof(m));
	strcpy(m[0].name, "default");
	builtin_entries(m[0].e);
	m[0].e[46].pcp = KEEP;
	m[0].e[45].pcp = KEEP;
	m[0].e[1].dscp = 0;
	strcpy(m[1].name, "c");
	for (i = 0; i < 64; i++)
		m[1].e[i] = (struct entry){ 9, KEEP, KEEP };
	text = saved(&maps, &devs, &v);
	CHECK_STR(text, "# Configuration of nf_flow_qos, for ftqos restore or ftqos -b.\n"
		  "config set flow-limit 65536 flow-timeout 60\n"
		  "map set default le dscp df\nmap set default nqb,ef pcp keep\n"
		  "map add c\nmap set c all prio 9 pcp keep\n");
	free(text);
}

const struct test config_tests[] = {
	{ "actions of map set", actions },
	{ "words of dev set", bindings },
	{ "masks of trust ctmark", ctmarks },
	{ "words of config set", limits },
	{ "values of all presets", preset_values },
	{ "words of map add", preset_words },
	{ "presets are listed in order", presets_listed },
	{ "bad files among the presets", preset_bad },
	{ "save over a file", save_over },
	{ "a batch is no directory", batch_files },
	{ "restore of nothing", restore_empty },
	{ "built-in values", builtin },
	{ "configuration in memory", plans },
	{ "what save writes, restore reads", save_restore },
	{ "save groups classes", save_compact },
	{ NULL, NULL },
};
