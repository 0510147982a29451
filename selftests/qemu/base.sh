#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# base.sh [ARCHITECTURE]: make the part of the guests' initramfs that is the same
# for all of them: busybox, bash and the tools of this machine's Debian packages
# with the libraries they need, Python with PyYAML. Prints the cpio archive. For
# another architecture than amd64 the packages are unpacked to the cache first;
# base.sh -s ARCHITECTURE prints where. jq is Debian 13's: that of 12 takes a quarter of a
# second to start in a guest, and some scripts start it hundreds of times.

set -e -u -o pipefail
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=selftests/qemu/archive.sh
. "$QEMU_DIR/archive.sh"

# Packages that are taken whole, but for documentation and the like
packages=(bash coreutils diffutils findutils grep gawk mawk sed jq kmod procps
	util-linux util-linux-extra iproute2 nftables conntrack iperf3 tcpdump
	ethtool python3.11-minimal libpython3.11-minimal libpython3.11-stdlib
	python3-yaml python3-minimal ppp pppoe iw socat libnl-3-200
	libnl-route-3-200)

# Neither documentation nor what only developers of Python want
unwanted='/(__pycache__|lib2to3|pydoc_data|idlelib|tkinter|test)/'
unwanted+='|/(turtledemo|ensurepip|distutils|python3/debian)/'
unwanted+='|/systemd/|/(sysctl|modprobe)\.d/'

sysroot()
{
	# shellcheck disable=SC2086 # a list
	"$QEMU_DIR/sysroot.sh" "$1" "${packages[@]}" busybox-static $PKGS_tools
}

if [ "${1-}" = -s ]; then
	sysroot "$2"
	exit
fi
# make_jq DIR: the newer jq, its libraries, among them that of C, and a program that
# starts it with these
make_jq()
{
	local deb lib=root/usr/lib/x86_64-linux-gnu

	use_release trixie
	apt_update && download "$1/deb" jq libjq1 libonig5 libc6 || return
	(
		cd "$1" || exit
		for deb in deb/*.deb; do
			dpkg-deb -x "$deb" root || exit
		done
		mkdir lib
		cp root/usr/bin/jq $lib/{ld-linux-x86-64.so.2,libjq.so.1} \
			$lib/{libonig.so.5,libc.so.6,libm.so.6} lib/ || exit
		cat > start.c <<- END
			#include <string.h>
			#include <unistd.h>

			int main(int argc, char **argv)
			{
				char *args[argc + 5];

				args[0] = "/usr/lib/jq/ld-linux-x86-64.so.2";
				args[1] = "--library-path";
				args[2] = "/usr/lib/jq";
				args[3] = "/usr/lib/jq/jq";
				memcpy(args + 4, argv + 1, argc * sizeof(*argv));
				execv(args[0], args);
				return 127;
			}
		END
		gcc -O2 -static -o start start.c &&
			lib/ld-linux-x86-64.so.2 --library-path lib lib/jq --version > version &&
			rm -rf deb root
	)
}

# newer_jq: where it is, or nothing if there is none to be had
newer_jq()
{
	local dir=$CACHE/jq

	lock jq
	if [ ! -e "$dir/version" ]; then
		rm -rf "$dir" "$dir.tmp"
		mkdir "$dir.tmp"
		if ! make_jq "$dir.tmp" > /dev/null; then
			msg "no newer jq for the guests, they will be slower"
			return
		fi
		mv "$dir.tmp" "$dir"
	fi
	unlock jq
	echo "$dir"
}

arch=${1-amd64}
jq=
if [ "$arch" = amd64 ]; then
	need build
	jq=$(newer_jq)
	from=/
	mapfile -t have < <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' \
		"${packages[@]}" 2> /dev/null | sed -n 's/^installed //p')
	key=$(dpkg-query -W "${have[@]}" busybox-static libc6 2> /dev/null || :)
else
	from=$(sysroot "$arch")
	key=$from
fi
key=$({ echo "$key"; cat ${jq:+"$jq/version"} "$0"; } | sha256sum | cut -c1-16)
out=$CACHE/initramfs/base-$key.cpio
lock initramfs
if [ -e "$out" ]; then
	echo "$out"
	exit
fi
msg "making the guests' file system ($arch)"
mkdir -p "$CACHE/initramfs"
root=$(mktemp -d "$CACHE/initramfs/tmp.XXXXXX")
trap 'rm -rf "$root"' EXIT

mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$root"/{dev,proc,sys,run,tmp,root} \
	"$root"/etc "$root"/var/{lib,tmp} "$root"/mnt
for d in bin sbin lib lib64; do
	ln -s usr/$d "$root/$d"
done
ln -s /run "$root/var/run"

# list_installed: the packages' files
list_installed()
{
	local f

	dpkg -L "${have[@]}" | sort -u |
		grep -E '^(/usr)?/(s?bin|lib|etc)/|^/etc/iproute2/' |
		grep -v -E "$unwanted" |
		while read -r f; do
			if [ ! -d "$f" ] || [ -L "$f" ]; then
				echo "$f"
			fi
		done
	echo /etc/services
	echo /etc/protocols
}

# list_needed: libraries of the files of standard input that the dynamic linker
# would load, by the name it asks for and by the name of the file
list_needed()
{
	local f

	while read -r f; do
		case $(head -c 4 "$f" 2> /dev/null | tr -d '\0') in
		?ELF)	ldd "$f" 2> /dev/null | grep -o '/[^ ]*' || : ;;
		esac
	done | sort -u | while read -r f; do
		echo "$f"
		readlink -f "$f"
	done
}

# list_unpacked: the files of the unpacked packages, which have their libraries
list_unpacked()
{
	(cd "$from" && find usr/bin usr/sbin usr/lib usr/lib64 etc ! -type d) |
		sed 's,^,/,' |
		grep -v -E "$unwanted"'|\.(a|o|pc|h)$|^/etc/(init\.d|cron|pam)'
	# Of the same content everywhere
	cp /etc/services /etc/protocols "$root/etc/"
}

if [ "$arch" = amd64 ]; then
	list_installed > "$root/list"
	list_needed < "$root/list" > "$root/needed"
	cat "$root/needed" >> "$root/list"
	rm "$root/needed"
else
	list_unpacked > "$root/list"
fi
# All to /usr: the guests have merged directories, like Debian 12
sed -E 's,^/(usr/)?(bin|sbin|lib|lib64)/,/usr/\2/,; s,^/,,' "$root/list" |
	sort -u | while read -r f; do
		if [ -e "$from/$f" ] || [ -L "$from/$f" ]; then
			echo "$f"
		fi
	done | tar -C "$from" -c --no-recursion -T - | tar -C "$root" -x
rm "$root/list"
if [ -n "$jq" ]; then
	cp -r "$jq/lib" "$root/usr/lib/jq"
	rm "$root/usr/bin/jq"
	cp "$jq/start" "$root/usr/bin/jq"
fi

# busybox fills the gaps only; what this machine's can do the other can
[ "$arch" != amd64 ] ||
	cp "$(command -v busybox)" "$root/usr/bin/busybox"
busybox --list | while read -r a; do
	for d in bin sbin; do
		[ -e "$root/usr/$d/$a" ] || [ -L "$root/usr/$d/$a" ] &&
			continue 2
	done
	ln -s busybox "$root/usr/bin/$a"
done
ln -sf bash "$root/usr/bin/sh"
[ -e "$root/usr/bin/awk" ] || ln -s mawk "$root/usr/bin/awk"
ln -sf python3.11 "$root/usr/bin/python3"

echo 'root:x:0:0:root:/root:/bin/bash' > "$root/etc/passwd"
printf 'nobody:x:65534:65534:nobody:/:/bin/false\n' >> "$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' > "$root/etc/group"
echo '127.0.0.1 localhost' > "$root/etc/hosts"
echo 'passwd: files' > "$root/etc/nsswitch.conf"
/usr/bin/python3 -m compileall -q -s "$root" -j 0 "$root/usr/lib/python3.11" \
	"$root/usr/lib/python3" --invalidation-mode unchecked-hash || :

(cd "$root" && find . -print0 | cpio -0 -o -H newc --quiet) > "$out.tmp"
mv "$out.tmp" "$out"
find "$CACHE/initramfs" -name 'base-*.cpio' ! -newer "$0" -mtime +30 -delete
echo "$out"
