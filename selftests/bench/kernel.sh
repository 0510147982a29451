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
# shellcheck source=selftests/qemu/build.sh
. "$QEMU_DIR/build.sh"

BENCH=$TREE/selftests/bench
# Counted up when what is made of the same source and configuration changes
layout=1
make_opts=(ARCH=um SUBARCH=x86_64 CC=gcc-12 HOSTCC=gcc-12)

# build DIR
build()
{
	unpack
	if [ -n "$smp" ]; then
		patch -d "$src" -p1 -F0 < "$BENCH/smp.patch" >> "$log" ||
			die "smp.patch does not apply to $package; log: $log"
	fi
	msg "building $name of $package=$version (some minutes, once)"
	echo "$config" > "$work/config"
	configure "$work/config"
	kmake -j"$(nproc)" linux modules
	collect "$1" um arch/um arch/x86
	cp "$src/linux" "$1/linux"
	rm -rf "$work"
}

name=${1-}
smp=
series=${name#own-bench-}
case $name in
own-bench-[0-9]*-smp) smp=1 series=${series%-smp} ;;
own-bench-[0-9]*) ;;
*)	die "usage: kernel.sh own-bench-SERIES[-smp]" ;;
esac
config=$(fragments ../bench/kernel)
[ -z "$smp" ] || config+=$'\nCONFIG_SMP=y'
key=$({ echo "$layout"; echo "$config"; [ -z "$smp" ] || cat "$BENCH/smp.patch"; } |
	sha256sum | cut -c1-8)
built "$name" "$key" "$series" build
