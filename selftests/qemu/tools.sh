#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tools.sh ARCHITECTURE [family]: build the command of this tree, as it is, for a guest
# of that architecture, or the generator of messages in selftests/family, and print where
# it is. For this machine's own that is in the tree, for another one in the cache, where a
# warning is an error.
#
# FTQOS_TREE: another tree than the one this script is in.

set -e -u -o pipefail
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/common.sh"

what=${2-tools}
case $what in
tools)	src=tools program=tools/ftqos
	sources=(VERSION include tools) ;;
family)	src=selftests/family program=selftests/family/build/family
	sources=(Documentation/netlink/specs selftests/family) ;;
*)	die "usage: tools.sh amd64|arm64|armhf|s390x [family]" ;;
esac
tree=${FTQOS_TREE:-$TREE}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# build DIR VARIABLE...
build()
{
	make -s -C "$1/$src" -j"$(nproc)" "${@:2}" all > "$log" 2>&1 && return
	cat "$log" >&2
	die "$program does not build"
}

if [ "$1" = amd64 ]; then
	lock tools
	build "$tree"
	echo "$tree/$program"
	exit
fi
cross=$(triplet "$1")
# No guest has armhf
# shellcheck disable=SC2086 # a list
case $1 in
armhf)	sys=$("$QEMU_DIR/sysroot.sh" "$1" $PKGS_tools) ;;
*)	sys=$("$QEMU_DIR/base.sh" -s "$1") ;;
esac
dir=$CACHE/build/$(echo "$tree" | sha256sum | cut -c1-8)-$what-$1
lock "build-$(basename "$dir")"
cd "$tree"
key="$sys $(find "${sources[@]}" -type f \( -name '*.[ch]' -o -name Makefile \
	-o -name VERSION -o -name '*.py' -o -name '*.yaml' \) ! -path '*/build/*' \
	-print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)"
if [ "$(cat "$dir/done" 2> /dev/null)" != "$key" ]; then
	rm -rf "$dir"
	mkdir -p "$dir"
	cp -a --parents "${sources[@]}" "$dir/"
	make -s -C "$dir/$src" clean > /dev/null
	export PKG_CONFIG_LIBDIR=$sys/usr/lib/$cross/pkgconfig
	export PKG_CONFIG_SYSROOT_DIR=$sys
	# What is in the usual place there is not in the compiler's
	export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
	build "$dir" CC="$cross-gcc-12" CFLAGS="-O2 -g -Werror"
	echo "$key" > "$dir/done"
fi
echo "$dir/$program"
