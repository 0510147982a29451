// SPDX-License-Identifier: GPL-2.0
/* The module's file: for which kernel it was built, where it is. */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "ftqos.h"

#define MODULE_FILE "nf_flow_qos.ko"

/*
 * The kernel release that a module was built for: the first word of vermagic,
 * which stands in its .modinfo section as text. False: it cannot be told.
 */
bool module_release(const char *path, char *release, size_t size)
{
	static const char key[] = "vermagic=";
	FILE *f = fopen(path, "re");
	size_t at = 0, n = 0;
	int c;

	if (!f)
		return false;
	/* The key's first letter occurs once, so a mismatch begins anew. */
	while (at < sizeof(key) - 1 && (c = getc(f)) != EOF)
		at = c == key[at] ? at + 1 : c == key[0];
	if (at == sizeof(key) - 1)
		while (n + 1 < size && (c = getc(f)) != EOF && c > ' ' && c < 127)
			release[n++] = (char)c;
	fclose(f);
	release[n] = '\0';
	return n;
}

/*
 * Whether modules.dep has the module, wherever the distribution puts it. Lines
 * are "PATH: what it needs", the file may be compressed.
 */
bool module_listed(const char *dep)
{
	static const char file[] = "/" MODULE_FILE;
	FILE *f = fopen(dep, "re");
	char *line = NULL, *at;
	bool found = false;
	size_t size = 0;

	if (!f)
		return false;
	while (!found && getline(&line, &size, f) > 0) {
		line[strcspn(line, ":")] = '\0';
		at = strstr(line, file);
		found = at && (!at[sizeof(file) - 1] || at[sizeof(file) - 1] == '.');
	}
	free(line);
	fclose(f);
	return found;
}

/* Installed for this kernel; without modules.dep, where make install puts it. */
static bool module_installed(const char *release)
{
	char path[4096];
	glob_t found;

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	if (module_listed(path))
		return true;
	snprintf(path, sizeof(path), "/lib/modules/%s/updates/" MODULE_FILE "*",
		 release);
	if (glob(path, 0, NULL, &found))
		return false;
	globfree(&found);
	return true;
}

/* A build tree's module, beside the command's own directory. */
static bool module_built(char *path, size_t size)
{
	static const char rel[] = "/../kmod/" MODULE_FILE;
	ssize_t n = readlink("/proc/self/exe", path, size - sizeof(rel));
	char *slash;

	if (n <= 0)
		return false;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return false;
	strcpy(slash, rel);
	return !access(path, R_OK);
}

/* Why the kernel does not know the family, and what to do about it. */
int module_absent(void)
{
	char path[4096], built[64] = "";
	struct utsname uts;

	if (uname(&uts))
		return refuse("uname: %s", strerror(errno));

	if (module_installed(uts.release))
		return refuse("the module nf_flow_qos is not loaded: modprobe nf_flow_qos");

	if (!module_built(path, sizeof(path)) ||
	    !module_release(path, built, sizeof(built)))
		return refuse("the module nf_flow_qos is not loaded, and not installed for this kernel (%s): make && make install, then modprobe nf_flow_qos",
			      uts.release);
	if (strcmp(built, uts.release))
		return refuse("the module nf_flow_qos is not loaded: %s was built for kernel %s, and this is %s: make module KDIR=/lib/modules/%s/build",
			      MODULE_FILE, built, uts.release, uts.release);
	return refuse("the module nf_flow_qos is not loaded: insmod %s (after modprobe -a nf_tables nf_flow_table_inet)",
		      path);
}
