#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tools.sh ARCHITECTURE: build the command of this tree, as it is, for a guest
# of that architecture and print where it is. For this machine's own that is
# in the tree, for another one in the cache, where a warning is an error.
#
# FTQOS_TREE: another tree than the one this script is in.

set -e -u -o pipefail
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/common.sh"

[ $# = 1 ] || die "usage: tools.sh amd64|arm64|armhf|s390x"
tree=${FTQOS_TREE:-$TREE}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# build DIR VARIABLE...
build()
{
	make -s -C "$1/tools" -j"$(nproc)" "${@:2}" all > "$log" 2>&1 && return
	cat "$log" >&2
	die "the command does not build"
}

if [ "$1" = amd64 ]; then
	lock tools
	build "$tree"
	echo "$tree/tools/ftqos"
	exit
fi
cross=$(triplet "$1")
# No guest has armhf
# shellcheck disable=SC2086 # a list
case $1 in
armhf)	sys=$("$QEMU_DIR/sysroot.sh" "$1" $PKGS_tools) ;;
*)	sys=$("$QEMU_DIR/base.sh" -s "$1") ;;
esac
dir=$CACHE/build/$(echo "$tree" | sha256sum | cut -c1-8)-tools-$1
lock "build-$(basename "$dir")"
cd "$tree"
key="$sys $(find VERSION include tools -type f \( -name '*.[ch]' -o -name Makefile \
	-o -name VERSION \) -print0 | sort -z | xargs -0 sha256sum |
	sha256sum | cut -c1-16)"
if [ "$(cat "$dir/done" 2> /dev/null)" != "$key" ]; then
	rm -rf "$dir"
	mkdir -p "$dir"
	cp -a VERSION include tools "$dir/"
	make -s -C "$dir/tools" clean > /dev/null
	export PKG_CONFIG_LIBDIR=$sys/usr/lib/$cross/pkgconfig
	export PKG_CONFIG_SYSROOT_DIR=$sys
	# What is in the usual place there is not in the compiler's
	export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
	build "$dir" CC="$cross-gcc-12" CFLAGS="-O2 -g -Werror"
	echo "$key" > "$dir/done"
fi
echo "$dir/tools/ftqos"
