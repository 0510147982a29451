#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# coccinelle.sh: put the newest kernel's semantic patches into the cache, with the script
# that "make coccicheck" is, and print where its scripts/ are. Debian's headers have neither.

set -e -u -o pipefail
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=selftests/qemu/archive.sh
. "$QEMU_DIR/archive.sh"
# shellcheck source=selftests/qemu/build.sh
. "$QEMU_DIR/build.sh"

top=$CACHE/kernels/source
current=$top/coccinelle-current
mkdir -p "$top"
lock coccinelle
if fresh "$current" 30; then
	cat "$current"
	exit
fi
find_source "$(series -b newest)"
if [ -z "$version" ]; then
	[ -e "$current" ] || die "no semantic patches, and none in the cache"
	msg "taking the semantic patches from the cache"
	cat "$current"
	exit
fi
dir=$top/coccinelle-${version//\~/.}
if [ ! -d "$dir" ]; then
	fetch "$dir.tmp" --wildcards '*/scripts/coccicheck' '*/scripts/coccinelle/*'
	mv "$dir.tmp" "$dir"
fi
echo "$dir" > "$current"
cat "$current"
