#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh own-bench-SERIES[-smp]: a kernel to measure on, built of Debian's source of
# that series (6.1, 7.3, ...) with kernel.config, as user-mode Linux: a program, whose
# code runs as it is, so that its nanoseconds are real ones. With -smp it has several
# CPUs, for which the source has to be new enough, and smp.patch. Prints the directory,
# which is as that of qemu/own.sh. Built once for each source and configuration, in some
# minutes.

set -e -u -o pipefail
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/../qemu/common.sh"
# shellcheck source=selftests/qemu/archive.sh
. "$QEMU_DIR/archive.sh"

BENCH=$TREE/selftests/bench
make_opts=(ARCH=um SUBARCH=x86_64 CC=gcc-12 HOSTCC=gcc-12)

# kmake ARGUMENTS...: make in the source; what it says goes to the log
kmake()
{
	echo "+ make ${make_opts[*]} $*" >> "$log"
	make -C "$src" "${make_opts[@]}" "$@" < /dev/null >> "$log" 2>&1 || {
		grep -E 'error|\*\*\*|undefined' "$log" | tail -n 20 >&2
		die "the kernel does not build; log: $log"
	}
}

# configure: kernel.config on top of allnoconfig; every line of it has to come true
configure()
{
	local line missing

	{
		cat "$BENCH/kernel.config"
		[ -z "$smp" ] || echo "CONFIG_SMP=y"
	} > "$work/config"
	kmake KCONFIG_ALLCONFIG="$work/config" allnoconfig
	missing=$(grep '^CONFIG_' "$work/config" | while read -r line; do
		case $line in
		# Newer ones have no such option, but what it stood for
		CONFIG_PROC_SYSCTL=y)
			grep -q PROC_SYSCTL "$src/fs/proc/Kconfig" || continue
			grep -q -x "$line" "$src/.config" ;;
		*=n)	! grep -q "^${line%n}" "$src/.config" ;;
		*)	grep -q -x -F "$line" "$src/.config" ;;
		esac || echo "$line"
	done)
	[ -z "$missing" ] || die "kernel.config: not in $series: $missing"
}

# unpack: the source, into $src
unpack()
{
	lock archive
	msg "fetching $package=$version"
	download "$work/deb" "$package=$version" || {
		tail -n 20 "$apt/download.log" >&2
		die "cannot download $package"
	}
	unlock archive
	mkdir "$src"
	dpkg-deb --fsys-tarfile "$work"/deb/*.deb |
		tar -x -O "./usr/src/$package.tar.xz" | xz -dc -T0 |
		tar -C "$src" -x --strip-components=1
	rm -rf "$work/deb"
}

# collect DIR: what guests and builds of modules want of it
collect()
{
	local rel

	kmake modules_install INSTALL_MOD_PATH="$1/root" DEPMOD=true
	rel=$(< "$src/include/config/kernel.release")
	rm -f "$1/root/lib/modules/$rel"/{build,source}
	depmod -b "$1/root" "$rel"
	echo "$rel" > "$1/release"
	echo um > "$1/arch"
	echo "$package=$version" > "$1/packages"
	cp "$src/linux" "$1/linux"
	mkdir "$1/build"
	tar -C "$src" -c --exclude='arch/*.[coSa]' --exclude='*.o' \
		--exclude='*.cmd' Makefile .config Module.symvers include \
		scripts arch/um arch/x86 | tar -C "$1/build" -x
}

case ${1-} in
own-bench-[0-9]*) ;;
*)	die "usage: kernel.sh own-bench-SERIES[-smp]" ;;
esac
smp=
series=${1#own-bench-}
case $series in
*-smp)	smp=1 series=${series%-smp} ;;
esac
package=linux-source-$series
top=$CACHE/kernels/$1
key=$(cat "$0" "$BENCH/kernel.config" ${smp:+"$BENCH/smp.patch"} | sha256sum | cut -c1-8)
current=$top/current-$key
mkdir -p "$top"
lock "kernel-$1"
if [ -e "$current" ] && fresh "$current" 7; then
	cat "$current"
	exit
fi
need own
case $series in
6.1|6.12) use_release bookworm ;;
*)	use_release trixie ;;
esac
lock archive
version=
! apt_update || version=$(version "$package")
unlock archive
if [ -z "$version" ]; then
	[ -e "$current" ] || die "no $package: Debian has none, or is out of reach"
	msg "taking $1 from the cache"
	cat "$current"
	exit
fi
dir=$top/${version//\~/.}-$key
if [ ! -d "$dir" ]; then
	work=$top/building
	src=$work/linux log=$top/log
	rm -rf "$work" "$dir.tmp"
	mkdir -p "$work" "$dir.tmp"
	: > "$log"
	unpack
	if [ -n "$smp" ]; then
		patch -d "$src" -p1 -F0 < "$BENCH/smp.patch" >> "$log" ||
			die "smp.patch does not apply to $package; log: $log"
	fi
	msg "building $1 of $package (some minutes, once)"
	configure
	kmake -j"$(nproc)" linux modules
	collect "$dir.tmp"
	mv "$dir.tmp" "$dir"
	rm -rf "$work"
	# Older ones that nobody has used for a month
	find "$top" -mindepth 1 -maxdepth 1 -type d -mtime +30 \
		! -path "$dir" -exec rm -rf {} +
fi
echo "$dir" > "$current"
cat "$current"
