#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What "make check" makes of results: a skip is accepted on the kernels, of the
# script and for the reason that selftests/expected-skips has, and no other; a
# line of that file which is none is a failure. Runs anywhere.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

tmp=$(mktemp -d)
defer rm -rf "$tmp"

# verdict KERNEL SCRIPT TEST [LIST]: what becomes of that skip
verdict()
{
	printf 'skip\t%s\t%s\t%s\n' "$1" "$2" "$3" |
		awk -v list="${4-$LIB_DIR/expected-skips}" \
			-f "$LIB_DIR/qemu/skips.awk" | cut -f1,4
}
refused=$'not ok\tunexpected skip: '
xfrm='asynchronous ESP # SKIP no pcrypt'
facts='F1 # SKIP not in README.md for Linux'
is_refused()
{
	check_eq "$1" "$refused$4" "$(verdict "$2" "$3" "$4")"
}
is_accepted()
{
	check_eq "$1" "skip"$'\t'"$4" "$(verdict "$2" "$3" "$4")"
}

is_accepted "7.3 cannot make pcrypt" 7.3 xfrm.sh "$xfrm"
is_accepted "... nor can it with PREEMPT_RT" 7.3-rt xfrm.sh "$xfrm"
is_accepted "... nor will later ones" 7.10 xfrm.sh "$xfrm"
is_accepted "... nor these" 8.0 xfrm.sh "$xfrm"
is_refused "6.1 can" 6.1 xfrm.sh "$xfrm"
is_refused "6.12 can, of a higher minor number" 6.12 xfrm.sh "$xfrm"
is_refused "nothing is said of kernels without a number" own xfrm.sh "$xfrm"
is_refused "of another script" 7.3 gre.sh "$xfrm"
is_refused "for another reason" 7.3 xfrm.sh "all: needs tc"
is_refused "the table has 7.3" 7.3 facts.sh "$facts"
is_accepted "... but not 6.18, and that alone" 6.18 facts.sh "$facts"
is_refused "... which is not 6.17" 6.17 facts.sh "$facts"
is_accepted "... nor what will come" 7.4 facts.sh "$facts"

printf '%s\n' '# a comment' '' 'own dsa.sh no .* here # why' > "$tmp/list"
check_eq "a name instead of a number" $'skip\tx # SKIP no DSA here' \
	"$(verdict own dsa.sh 'x # SKIP no DSA here' "$tmp/list")"
check_eq "... is that one alone" "${refused}x # SKIP no DSA here" \
	"$(verdict own-noegress dsa.sh 'x # SKIP no DSA here' "$tmp/list")"
echo 'xfrm.sh asynchronous # as it was once' >> "$tmp/list"
check_eq "a line without a kernel is told" 1 \
	"$(verdict 7.3 xfrm.sh "$xfrm" "$tmp/list" | grep -c '^not ok.no KERNEL')"
check_eq "... and accepts nothing" "$refused$xfrm" \
	"$(verdict 7.3 xfrm.sh "$xfrm" "$tmp/list" | tail -n 1)"
check "no list is a failure" grep '^not ok' \
	<(verdict 7.3 xfrm.sh "$xfrm" "$tmp/none")
check_eq "what is no skip stays as it is" $'ok\t6.1\tx.sh\ty' \
	"$(printf 'ok\t6.1\tx.sh\ty\n' | awk -v list="$LIB_DIR/expected-skips" \
		-f "$LIB_DIR/qemu/skips.awk")"
finish
