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

make_opts=(ARCH=um SUBARCH=x86_64 CC=gcc-12 HOSTCC=gcc-12)

# kmake ARGUMENTS...: make in the source; what it says goes to the log
kmake()
{
	echo "+ make ${make_opts[*]} $*" >> "$log"
	make -C "$src" "${make_opts[@]}" "$@" < /dev/null >> "$log" 2>&1 || {
		grep -E 'error|warning|\*\*\*|undefined' "$log" |
			tail -n 20 >&2
		tail -n 5 "$log" >&2
		die "the kernel does not build; log: $log"
	}
}

# configure FRAGMENT: on top of allnoconfig; every line of it has to come true
configure()
{
	local line missing

	kmake KCONFIG_ALLCONFIG="$1" allnoconfig
	missing=$(grep '^CONFIG_' "$1" | while read -r line; do
		case $line in
		*=n)	! grep -q "^${line%n}" "$src/.config" ;;
		*)	grep -q -x -F "$line" "$src/.config" ;;
		esac || echo "$line"
	done)
	[ -z "$missing" ] || die "own.config: not in this kernel: $missing"
}

# unpack: the source, into $src
unpack()
{
	local tarball

	mkdir "$src"
	tarball=$(dpkg-deb -c "$work"/deb/*.deb |
		grep -o '\./usr/src/linux-source.*\.tar\.xz$')
	dpkg-deb --fsys-tarfile "$work"/deb/*.deb | tar -x -O "$tarball" |
		xz -dc -T0 | tar -C "$src" -x --strip-components=1
	rm -rf "$work/deb"
	# Without a tag the kernel does not take the device for a conduit
	grep -q 'return DSA_TAG_PROTO_NONE;' "$src/drivers/net/dsa/dsa_loop.c" ||
		die "dsa_loop's tag is not where it was"
	sed -i 's/return DSA_TAG_PROTO_NONE;/return DSA_TAG_PROTO_TRAILER;/' \
		"$src/drivers/net/dsa/dsa_loop.c"
}

# collect DIR: what guests and builds of modules want of a kernel that was built
collect()
{
	local rel

	kmake modules_install INSTALL_MOD_PATH="$1/root" DEPMOD=true
	rel=$(< "$src/include/config/kernel.release")
	rm -f "$1/root/lib/modules/$rel"/{build,source}
	depmod -b "$1/root" "$rel"
	echo "$rel" > "$1/release"
	echo um > "$1/arch"
	echo "$package" > "$1/packages"
	cp "$src/linux" "$1/linux"
	mkdir "$1/build"
	tar -C "$src" -c --exclude='arch/*.[coSa]' --exclude='*.o' \
		--exclude='*.cmd' Makefile .config Module.symvers include \
		scripts arch/um arch/x86 | tar -C "$1/build" -x
}

# build NAME: both kernels, to be put into directories of that name
build()
{
	local tmp variant without="NETFILTER_EGRESS|NF_CONNTRACK_MARK"

	work=$CACHE/kernels/own/work src=$work/linux log=$CACHE/kernels/own/log
	rm -rf "$work"
	mkdir -p "$work"
	: > "$log"
	"$QEMU_DIR/kernel.sh" linux-source "$work/deb" > /dev/null
	msg "building kernels of our own from $package (some minutes, once)"
	unpack
	for variant in own own-noegress; do
		tmp=$CACHE/kernels/$variant/$1.tmp
		rm -rf "$tmp" "${tmp%.tmp}"
		mkdir -p "$tmp"
		cp "$QEMU_DIR/own.config" "$work/config"
		[ $variant = own ] ||
			sed -i -E "s/^(CONFIG_($without))=y/\1=n/" "$work/config"
		configure "$work/config"
		kmake -j"$(nproc)" linux modules
		collect "$tmp"
		mv "$tmp" "${tmp%.tmp}"
		# Older ones that nobody has used for a month
		find "$CACHE/kernels/$variant" -mindepth 1 -maxdepth 1 \
			-type d -mtime +30 ! -name "$1" -exec rm -rf {} +
	done
	rm -rf "$work"
}

case ${1-} in
own|own-noegress) ;;
*)	die "usage: own.sh own|own-noegress" ;;
esac
key=$(cat "$0" "$QEMU_DIR/own.config" | sha256sum | cut -c1-8)
current=$CACHE/kernels/$1/current-$key
mkdir -p "$CACHE/kernels/$1"
lock kernel-own
if [ "${FTQOS_REFRESH:-0}" = 0 ] && [ -e "$current" ] &&
   [ -z "$(find "$current" -mtime +7)" ]; then
	cat "$current"
	exit
fi
need own
if ! package=$("$QEMU_DIR/kernel.sh" linux-source); then
	[ -e "$current" ] || die "no source for $1, and none in the cache"
	msg "taking $1 from the cache"
	cat "$current"
	exit
fi
name=${package##*=}
name=${name//\~/.}-$key
[ -d "$CACHE/kernels/$1/$name" ] || build "$name"
echo "$CACHE/kernels/$1/$name" > "$current"
cat "$current"
