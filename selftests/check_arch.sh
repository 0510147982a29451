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
logs=$(mktemp -d "${TMPDIR:-/tmp}/ftqos-check.XXXXXX")
: > "$logs/results"

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
	selftests/qemu/run -q -s -k "$arch" -o "$logs/guest" \
		$(make -s -C selftests list-core) < /dev/null
	if [ -s "$logs/guest/results" ]; then
		cat "$logs/guest/results" >> "$logs/results"
	else
		printf 'not ok\t%s\trun\tthe guest did not start\n' "$arch" \
			>> "$logs/results"
	fi
fi
awk -v list=selftests/expected-skips -f "$QEMU_DIR/skips.awk" "$logs/results" \
	> "$logs/final"
passed=$(grep -c '^ok' "$logs/final")
failed=$(grep -c '^not ok' "$logs/final")
skipped=$(grep -c '^skip' "$logs/final")
if [ "$failed" -gt 0 ]; then
	echo
	sed -n 's/\t/ /g; /^not ok/p' "$logs/final"
	echo "logs: $logs"
else
	rm -rf "$logs"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
