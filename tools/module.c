// SPDX-License-Identifier: GPL-2.0
/* The module's file: for which kernel it was built, where it is. */
#include <errno.h>
#include <glob.h>
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
	glob_t found;
	int n;

	if (uname(&uts))
		return refuse("uname: %s", strerror(errno));

	snprintf(path, sizeof(path), "/lib/modules/%s/updates/" MODULE_FILE "*",
		 uts.release);
	n = glob(path, 0, NULL, &found);
	if (!n)
		globfree(&found);
	if (!n)
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
