#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make check ARCH=arm64|s390x|armhf: what depends on the architecture. Module and command
# are built, without a complaint, and where there is a guest for it CORE_PROGS are run. The
# last line is "N passed, N failed, N skipped"; a skip that selftests/expected-skips does
# not list is a failure.

set -u
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/qemu/common.sh"
cd "$TREE" || exit 1
arch=${1-} build_only=()
case $arch in
arm64|s390x) ;;
armhf)	build_only=(-b) ;;
*)	die "ARCH=$arch: not one of arm64, s390x, armhf" ;;
esac
need lint vm || exit 1
need_for "$arch" || exit 1
# shellcheck source=selftests/guests.sh
. "$TREE/selftests/guests.sh"

# built WHAT COMMAND...
built()
{
	local what="$1 builds for $arch without a complaint"

	if "${@:2}" > /dev/null 2> "$logs/built"; then
		printf 'ok\t%s\tbuild\t%s\n' "$arch" "$what" >> "$logs/results"
	else
		cat "$logs/built"
		printf 'not ok\t%s\tbuild\t%s\n' "$arch" "$what" >> "$logs/results"
	fi
}

dir=$("$QEMU_DIR/kernel.sh" "${build_only[@]}" "$arch") || exit 1
echo "[$arch] $(head -n 1 "$dir/packages")"
"$QEMU_DIR/kernel.sh" source > /dev/null || exit 1
built "module" "$QEMU_DIR/module.sh" --strict "${build_only[@]}" "$arch"
built "command" "$QEMU_DIR/tools.sh" "$arch"
if [ ${#build_only[@]} = 0 ]; then
	# shellcheck disable=SC2046 # a list
	plan "$arch" $(make -s -C selftests list-core)
	run_guests -s
	wait
	collect_results
fi
finish_results
