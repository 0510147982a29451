// SPDX-License-Identifier: GPL-2.0
/* Options, then one command or a file of them. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ftqos.h"

#define NETNS_DIR "/run/netns"

static int name_error(const char *text)
{
	usage_error("%s", text);
	return misuse(NULL);
}

static int enter_netns(const char *name)
{
	char path[4096];
	int fd, ret = ST_OK, n;

	if (!*name)
		return name_error("the name of a network namespace is empty");
	if (strchr(name, '/'))
		n = snprintf(path, sizeof(path), "%s", name);
	else
		n = snprintf(path, sizeof(path), NETNS_DIR "/%s", name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return name_error("the name of the network namespace is too long");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return refuse("cannot open network namespace \"%s\": %s", name,
			      strerror(errno));
	if (setns(fd, CLONE_NEWNET))
		ret = refuse("cannot enter network namespace \"%s\": %s", name,
			     errno == EINVAL ? "it is not one" : strerror(errno));
	close(fd);
	return ret;
}

static int option_error(const char *arg)
{
	usage_error("unknown option \"%s\"", arg);
	print_help(stderr, NULL);
	return ST_USAGE;
}

enum { GO_ON = -1 };

/* The flags of one word; -jp is two. */
static int short_options(const char *arg)
{
	const char *s;

	for (s = arg + 1; *s; s++) {
		switch (*s) {
		case 'j':
			opts.json = true;
			break;
		case 'p':
			opts.pretty = true;
			break;
		case 's':
			opts.stats = true;
			break;
		case 'h':
			print_help(stdout, NULL);
			return ST_OK;
		case 'V':
			printf("ftqos %s\n", FTQOS_VERSION);
			return ST_OK;
		default:
			return option_error(arg);
		}
	}
	return GO_ON;
}

static int take_value(int argc, char **argv, int *i, const char **value)
{
	if (*i + 1 >= argc) {
		usage_error("option \"%s\" needs a value", argv[*i]);
		print_help(stderr, NULL);
		return ST_USAGE;
	}
	*value = argv[++*i];
	return GO_ON;
}

static int options(int argc, char **argv, int *i)
{
	for (*i = 1; *i < argc && argv[*i][0] == '-' && argv[*i][1]; ++*i) {
		const char *arg = argv[*i];
		int ret = GO_ON;

		if (!strcmp(arg, "--")) {
			++*i;
			break;
		}
		if (!strcmp(arg, "-n") || is_long(arg, "netns"))
			ret = take_value(argc, argv, i, &opts.netns);
		else if (!strcmp(arg, "-b") || is_long(arg, "batch"))
			ret = take_value(argc, argv, i, &opts.batch);
		else if (is_long(arg, "json"))
			opts.json = true;
		else if (is_long(arg, "pretty"))
			opts.pretty = true;
		else if (is_long(arg, "stats") || is_long(arg, "statistics"))
			opts.stats = true;
		else if (is_long(arg, "help"))
			ret = short_options("-h");
		else if (is_long(arg, "Version") || is_long(arg, "version"))
			ret = short_options("-V");
		else if (arg[1] == '-')
			ret = option_error(arg);
		else
			ret = short_options(arg);
		if (ret != GO_ON)
			return ret;
	}
	return GO_ON;
}

int main(int argc, char **argv)
{
	int i, ret;

	ret = options(argc, argv, &i);
	if (ret != GO_ON)
		return ret;
	if (opts.batch && i < argc) {
		usage_error("option -b takes its commands from the file, not from the command line");
		print_help(stderr, NULL);
		return ST_USAGE;
	}
	/* Help needs no namespace. */
	if (opts.netns && !wants_help(argc - i, argv + i)) {
		ret = enter_netns(opts.netns);
		if (ret)
			return ret;
	}
	if (opts.batch)
		return batch(opts.batch);
	if (i >= argc) {
		print_help(stdout, NULL);
		return ST_OK;
	}
	return dispatch(NULL, argc - i, argv + i);
}
