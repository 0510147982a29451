#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# debug.sh NAME: a kernel that looks for mistakes while it runs, built of Debian's source
# for QEMU with debug.config and
#
#   debug-SERIES     debug-locks.config, debug-kasan.config: use after free, locks, RCU,
#                    sleeping in atomic context, leaks, undefined behaviour
#   debug-SERIES-rt  debug-locks.config, debug-rt.config: the same without KASAN and
#                    UBSAN, with PREEMPT_RT; from 6.12 on
#   kcsan-SERIES     debug-kcsan.config: data races
#
# SERIES is one that Debian has the source of (6.1, 7.3), or "newest". Prints the
# directory, which is as that of kernel.sh. Built once for each source and configuration,
# in some minutes.

set -e -u -o pipefail
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=selftests/qemu/archive.sh
. "$QEMU_DIR/archive.sh"
# shellcheck source=selftests/qemu/build.sh
. "$QEMU_DIR/build.sh"

# Counted up when what is made of the same source and configuration changes
layout=1
make_opts=(ARCH=x86_64 CC=gcc-12 HOSTCC=gcc-12)

# fragments PART...: their lines for $series. "CONFIG_X=y # PATTERN" is for those that the
# pattern matches.
fragments()
{
	local line p

	for p; do
		grep '^CONFIG_' "$QEMU_DIR/debug$p.config"
	done | while read -r line; do
		# shellcheck disable=SC2053 # a pattern
		[[ $line != *' # '* ]] || [[ $series == ${line##* # } ]] || continue
		echo "${line%% # *}"
	done
}

# build DIR
build()
{
	unpack
	msg "building $name of $package=$version (some minutes, once)"
	echo "$config" > "$work/config"
	configure "$work/config"
	kmake -j"$(nproc)" bzImage modules
	collect "$1" amd64 arch/x86 tools/objtool/objtool
	cp "$src/arch/x86/boot/bzImage" "$1/vmlinuz"
	ln -s vmlinuz "$1/vmlinux"
	rm -rf "$work"
}

name=${1-}
series=${name#*-}
series=${series%-rt}
if [ "$series" = newest ]; then
	series=$(series -b newest)
	name=${name/newest/$series}
fi
case $name in
debug-[0-9]*-rt) config=$(fragments '' -locks -rt) ;;
debug-[0-9]*)	config=$(fragments '' -locks -kasan) ;;
kcsan-[0-9]*)	config=$(fragments '' -kcsan) ;;
*)	die "usage: debug.sh debug-SERIES[-rt] | kcsan-SERIES" ;;
esac
work=$CACHE/kernels/$name/building log=$CACHE/kernels/$name/log
key=$({ echo "$layout"; echo "$config"; } | sha256sum | cut -c1-8)
current=$CACHE/kernels/$name/current-$key
lock "kernel-$name"
if fresh "$current" 7; then
	cat "$current"
	exit
fi
need own
find_source "$series"
built "$name" "$key" build
