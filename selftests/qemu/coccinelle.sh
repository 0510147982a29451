#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# coccinelle.sh: put the newest kernel's semantic patches into the cache, with the script
# that "make coccicheck" is, and print where its scripts/ are. Debian's headers have neither.

set -e -u -o pipefail
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/common.sh"

top=$CACHE/kernels/source
current=$top/coccinelle-current
mkdir -p "$top"
lock coccinelle
if [ "${FTQOS_REFRESH:-0}" = 0 ] && [ -e "$current" ] &&
   [ -z "$(find "$current" -mtime +30)" ]; then
	cat "$current"
	exit
fi
if ! package=$("$QEMU_DIR/kernel.sh" linux-source); then
	[ -e "$current" ] || die "no semantic patches, and none in the cache"
	msg "taking the semantic patches from the cache"
	cat "$current"
	exit
fi
name=${package##*=}
dir=$top/coccinelle-${name//\~/.}
if [ ! -d "$dir" ]; then
	rm -rf "$dir.tmp"
	mkdir -p "$dir.tmp"
	"$QEMU_DIR/kernel.sh" linux-source "$dir.tmp/deb" > /dev/null
	dpkg-deb --fsys-tarfile "$dir.tmp"/deb/*.deb |
		tar -x -O "./usr/src/${package%=*}.tar.xz" | xz -dc -T0 |
		tar -C "$dir.tmp" -x --strip-components=1 --wildcards \
			'*/scripts/coccicheck' '*/scripts/coccinelle/*'
	rm -rf "$dir.tmp/deb"
	mv "$dir.tmp" "$dir"
fi
echo "$dir" > "$current"
cat "$current"
