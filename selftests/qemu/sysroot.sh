#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# sysroot.sh ARCHITECTURE PACKAGE...: unpack these packages of Debian 12 for
# that architecture and all that they depend on into the cache, programs,
# libraries, headers and settings. Prints the directory.

set -e -u -o pipefail
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=selftests/qemu/archive.sh
. "$QEMU_DIR/archive.sh"

[ $# -ge 2 ] || die "usage: sysroot.sh ARCHITECTURE PACKAGE..."
key=$({ cat "$0" "$QEMU_DIR/archive.sh"; echo "$@"; } | sha256sum | cut -c1-8)
top=$CACHE/sysroot/$1
current=$top/current-$key
mkdir -p "$top"
lock "sysroot-$1"
if fresh "$current" 7; then
	cat "$current"
	exit
fi
use_release bookworm "$1"
lock archive
for try in 1 2; do
	pkgs=()
	# Dependencies of installation scripts only are left out
	! apt_update || mapfile -t pkgs < <(closure "${@:2}" | sort |
		grep -v -E 'perl|^(adduser|debconf|passwd|usrmerge)=')
	if [ ${#pkgs[@]} = 0 ]; then
		[ -e "$current" ] ||
			die "no packages for $1: archive out of reach, cache empty"
		msg "archive out of reach, taking the packages for $1 from the cache"
		cat "$current"
		exit
	fi
	dir=$top/$({ echo "$key"; echo "${pkgs[@]}"; } | sha256sum | cut -c1-16)
	[ ! -d "$dir" ] || break
	msg "fetching ${#pkgs[@]} packages for $1"
	rm -rf "$dir.tmp"
	! download "$dir.tmp/deb" "${pkgs[@]}" || break
	tail -n 20 "$apt/download.log" >&2
	[ "$try" = 1 ] || die "cannot download the packages for $1"
	rm -f "$apt/stamp"
done
unlock archive
if [ ! -d "$dir" ]; then
	# Merged directories, like an installed Debian 12
	mkdir -p "$dir.tmp/root/usr"/{bin,sbin,lib,lib64}
	for d in bin sbin lib lib64; do
		ln -s usr/$d "$dir.tmp/root/$d"
	done
	for d in "$dir.tmp"/deb/*.deb; do
		dpkg-deb --fsys-tarfile "$d" | tar -C "$dir.tmp/root" -x \
			--keep-directory-symlink --exclude='./usr/share' \
			--exclude='./usr/lib/*/gconv' --exclude='./var' \
			--exclude='./run'
	done
	mv "$dir.tmp/root" "$dir"
	rm -rf "$dir.tmp"
	find "$top" -mindepth 1 -maxdepth 1 -type d -mtime +30 \
		! -path "$dir" -exec rm -rf {} +
fi
echo "$dir" > "$current"
echo "$dir"
