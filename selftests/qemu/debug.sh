#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# debug.sh NAME: a kernel that looks for mistakes while it runs, built of Debian's source.
# With debug.config, for QEMU with debug-machine.config and
#
#   debug-SERIES     debug-locks.config, debug-kasan.config: use after free, locks, RCU,
#                    sleeping in atomic context, leaks, undefined behaviour
#   debug-SERIES-rt  debug-locks.config, debug-rt.config: the same without KASAN and
#                    UBSAN, with PREEMPT_RT; from 6.12 on
#   kcsan-SERIES     debug-kcsan.config: data races
#
# and, as user-mode Linux, with own.config and debug-um.config, with one CPU, ten times as
# fast,
#
#   debug-SERIES-um  what debug-SERIES has, but for what wants two CPUs, or kprobes; up to
#                    6.18 without preemption and UBSAN
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
layout=3

# change_6_1: user-mode Linux. That a process begins without this lock, or where it must not
# sleep, would be reported at each boot; and it counts what sleeping is looked for by, though
# nothing is preempted.
change_6_1()
{
	sed -i '/^void force_flush_all/,/^}/ {
		s/^	for_each_vma(vmi, vma)$/	mmap_read_lock(mm);\n&/
		s/^		fix_range(mm, .*, 1);$/&\n	mmap_read_unlock(mm);/
	}' "$src/arch/um/kernel/tlb.c"
	sed -i '/^void fork_handler/,/^}/ {
		s/^	force_flush_all();$//
		s/^	schedule_tail(.*);$/&\n	force_flush_all();/
	}' "$src/arch/um/kernel/process.c"
	sed -i '/^config DEBUG_ATOMIC_SLEEP/,/help/ { /!ARCH_NO_PREEMPT/d }' \
		"$src/lib/Kconfig.debug"
}

# build DIR
build()
{
	unpack
	msg "building $name of $package=$version (some minutes, once)"
	echo "$config" > "$work/config"
	if [[ $name = *-um ]]; then
		uml_ignores_initrd
		[ "$series" != 6.1 ] || change_6_1
		configure "$work/config"
		kmake -j"$(nproc)" linux modules
		collect "$1" um arch/um arch/x86
		cp "$src/linux" "$1/linux"
	else
		configure "$work/config"
		kmake -j"$(nproc)" bzImage modules
		collect "$1" amd64 arch/x86 tools/objtool/objtool
		cp "$src/arch/x86/boot/bzImage" "$1/vmlinuz"
		ln -s vmlinuz "$1/vmlinux"
	fi
	rm -rf "$work"
}

name=${1-}
series=${name#*-}
series=${series%-rt}
series=${series%-um}
if [ "$series" = newest ]; then
	series=$(series -b newest)
	name=${name/newest/$series}
fi
make_opts=(ARCH=x86_64 CC=gcc-12 HOSTCC=gcc-12)
case $name in
debug-[0-9]*-rt) config=$(fragments debug-machine debug debug-locks debug-rt) ;;
debug-[0-9]*-um)
	make_opts=(ARCH=um SUBARCH=x86_64 CC=gcc-12 HOSTCC=gcc-12)
	# Addresses are looked at by a call, which is half of the code. One CPU has no
	# packets to pass to another; there are no kprobes
	no='KASAN_INLINE|KASAN_STACK|KPROBES|KPROBE_EVENTS|RPS|CRYPTO_PCRYPT'
	[[ $series != 6.* ]] || no+='|PREEMPT|DEBUG_PREEMPT|UBSAN.*'
	# What own.config has in the kernel is a module, as on stock kernels, if debug.config
	# has it so
	config=$(fragments debug-um debug debug-locks debug-kasan own |
		awk -F = '!n[$1]++' | grep -v -E "^CONFIG_($no)=") ;;
debug-[0-9]*)	config=$(fragments debug-machine debug debug-locks debug-kasan) ;;
kcsan-[0-9]*)	config=$(fragments debug-machine debug debug-kcsan) ;;
*)	die "usage: debug.sh debug-SERIES[-rt|-um] | kcsan-SERIES" ;;
esac
key=$({ echo "$layout"; echo "$config"; } | sha256sum | cut -c1-8)
built "$name" "$key" "$series" build
