#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# own.sh own|own-noegress: the kernels that no stock one can stand in for, built
# of Debian's source of the newest series with own.config, as user-mode Linux:
# programs, which need neither QEMU nor root. They have a switch chip that is
# none (dsa_loop), a device that offloads to nowhere (netdevsim), faults to order,
# and check locks and leaks; own-noegress lacks CONFIG_NETFILTER_EGRESS and
# CONFIG_NF_CONNTRACK_MARK. Prints the directory, which is as that of kernel.sh, but for
#
#   linux            the kernel
#   arch             um
#
# Both are built at one go, which takes some minutes, once for each source and
# configuration.

set -e -u -o pipefail
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=selftests/qemu/archive.sh
. "$QEMU_DIR/archive.sh"
# shellcheck source=selftests/qemu/build.sh
. "$QEMU_DIR/build.sh"

# Counted up when what is made of the same source and configuration changes
layout=2
make_opts=(ARCH=um SUBARCH=x86_64 CC=gcc-12 HOSTCC=gcc-12)

# build DIR: both kernels, that which was asked for into the directory, the other one into
# one of the same name beside it
build()
{
	local dir variant without="NETFILTER_EGRESS|NF_CONNTRACK_MARK"

	unpack
	# Without a tag the kernel does not take the device for a conduit
	grep -q 'return DSA_TAG_PROTO_NONE;' "$src/drivers/net/dsa/dsa_loop.c" ||
		die "dsa_loop's tag is not where it was"
	sed -i 's/return DSA_TAG_PROTO_NONE;/return DSA_TAG_PROTO_TRAILER;/' \
		"$src/drivers/net/dsa/dsa_loop.c"
	uml_ignores_initrd
	msg "building kernels of our own from $package (some minutes, once)"
	for variant in own own-noegress; do
		dir=$CACHE/kernels/$variant/$(basename "$1")
		if [ "$dir" != "$1" ]; then
			# Guests may use it
			[ ! -d "${dir%.tmp}" ] || continue
			rm -rf "$dir"
		fi
		mkdir -p "$dir"
		fragments own > "$work/config"
		[ $variant = own ] ||
			sed -i -E "s/^(CONFIG_($without))=y/\1=n/" "$work/config"
		configure "$work/config"
		kmake -j"$(nproc)" linux modules
		collect "$dir" um arch/um arch/x86
		cp "$src/linux" "$dir/linux"
		[ "$dir" = "$1" ] || mv "$dir" "${dir%.tmp}"
	done
	rm -rf "$work"
}

case ${1-} in
own|own-noegress) ;;
*)	die "usage: own.sh own|own-noegress" ;;
esac
series=$(series -b newest)
key=$({ echo "$layout"; fragments own; } | sha256sum | cut -c1-8)
built "$1" "$key" "$series" build own
