#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# accel.sh DIR: prints "kvm" if a guest with the kernel of that directory (kernel.sh) really
# comes up under it, else "tcg", or $FTQOS_ACCEL: nested and half-working KVMs are common in
# containers. Found out once per boot of this machine.

set -e -u -o pipefail
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/common.sh"

if [ -n "${FTQOS_ACCEL-}" ]; then
	echo "$FTQOS_ACCEL"
	exit
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/ftqos-accel.XXXXXX")
trap 'rm -rf "$work"' EXIT
mark=$CACHE/accel-$(cut -c1-8 /proc/sys/kernel/random/boot_id)
lock accel
if [ ! -e "$mark" ]; then
	echo tcg > "$mark.tmp"
	if [ -w /dev/kvm ]; then
		mkdir -p "$work/probe/dev"
		cp "$(command -v busybox)" "$work/probe/busybox"
		printf '%s\n' '#!/busybox sh' \
			'/busybox mount -t devtmpfs dev /dev' \
			'echo ftqos-probe-ok > /dev/console' \
			'/busybox poweroff -f' > "$work/probe/init"
		chmod +x "$work/probe/init"
		(cd "$work/probe" && find . | cpio -o -H newc --quiet) > "$work/probe.cpio"
		timeout -k 2 20 qemu-system-x86_64 -accel kvm -cpu host -m 512 -smp 2 \
			-nodefaults -no-user-config -display none -no-reboot \
			-serial "file:$work/probe.log" -kernel "$1/vmlinux" \
			-initrd "$work/probe.cpio" -append "console=ttyS0 panic=-1" \
			> /dev/null 2>&1 || :
		grep -q ftqos-probe-ok "$work/probe.log" 2> /dev/null &&
			echo kvm > "$mark.tmp"
	fi
	mv "$mark.tmp" "$mark"
fi
cat "$mark"
