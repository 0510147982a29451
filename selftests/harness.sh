#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What "make check" makes of results: a skip is accepted on the kernels, of the
# script and for the reason that selftests/expected-skips has, and no other; a
# line of that file which is none is a failure. And which scripts are run once more, and
# which words of a kernel name a bug.
# Runs anywhere.

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
is_accepted "... nor 7.3 when it looks for mistakes" kcsan-7.3-rt xfrm.sh "$xfrm"
is_accepted "kernels that look for mistakes have no BTF" debug-6.1 refused.sh "all: no BTF"
is_refused "... others have" 6.1 refused.sh "all: no BTF"
is_accepted "one CPU has no pcrypt" debug-6.1-um xfrm.sh "$xfrm"
is_refused "... two have" debug-6.1 xfrm.sh "$xfrm"
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

# again MAX RESULT...: what is run once more, of results "VERDICT KERNEL SCRIPT TEST"
again()
{
	printf '%s\n' "${@:2}" |
		awk -v max="$1" -v long="${long-}" -f "$LIB_DIR/qemu/again.awk" | xargs
}
bad=$'not ok\t'
good=$'ok\t6.1\tx.sh\ty'
check_eq "nothing failed: nothing is run again" "" "$(again 5 "$good")"
check_eq "a script of which two tests failed is, once" "6.1 x.sh" \
	"$(again 5 "$good" "$bad"$'6.1\tx.sh\ta' "$bad"$'6.1\tx.sh\tb')"
check_eq "... on each kernel where one did" "6.1 x.sh 7.3 x.sh" \
	"$(again 2 "$bad"$'6.1\tx.sh\ta' "$bad"$'7.3\tx.sh\ta')"
check_eq "... but not if that are too many" "" \
	"$(again 1 "$bad"$'6.1\tx.sh\ta' "$bad"$'7.3\tx.sh\ta')"
check_eq "... nor leaks.sh, which has nothing to find by itself" "" \
	"$(again 5 "$bad"$'6.1\tleaks.sh\ta')"
check_eq "... nor stress.sh" "" "$(long=1 again 5 "$bad"$'6.1\tstress.sh\ta')"
check_eq "... but where it is not run for long" "6.1 stress.sh" \
	"$(again 5 "$bad"$'6.1\tstress.sh\ta')"
check_eq "... nor if the kernel complained during it" "6.1 z.sh" \
	"$(again 5 "$bad"$'6.1\tx.sh\ta' "$bad"$'6.1\tx.sh\tkernel log: BUG: b' \
		"$bad"$'6.1\tz.sh\ta')"
check_eq "... or at an unknown time" "7.3 x.sh" \
	"$(again 5 "$bad"$'6.1\tx.sh\ta' "$bad"$'6.1\trun\tkernel log: BUG: b' \
		"$bad"$'7.3\tx.sh\ta')"
check_eq "... or it did not end" "" "$(again 5 "$bad"$'6.1\tx.sh\tstopped after 9 s')"
cut='no plan: the script did not reach its end'
check_eq "... or broke off" "" \
	"$(again 5 "$bad"$'6.1\tx.sh\ta' "$bad"$'6.1\tx.sh\t'"$cut")"
check_eq "... but where its set-up failed it is" "6.1 x.sh" \
	"$(again 5 "$bad"$'6.1\tx.sh\tset-up' "$bad"$'6.1\tx.sh\t'"$cut")"
check_eq "... nor where scripts before it have lost memory" "" \
	"$(again 5 "$bad"$'6.1\tleaks.sh\tnothing is leaked')"
check_eq "lint and unit tests are not" "" \
	"$(again 5 "$bad"$'here\tlint\ta' "$bad"$'here\tharness.sh\ta')"

# merged KERNEL [RESULT]: what is left of a script of which a test failed, and one passed, and
# which passed when it was run again, or had that RESULT then; and of another one
merged()
{
	local b

	b=$(printf 'ok\t%s\tx.sh\tb' "$1")
	printf '%s\n' "$bad$1"$'\tx.sh\ta' "$b" "${b/x.sh/y.sh}" > "$tmp/results"
	printf '%s\n' "${b/%b/a}" "${2-$b}" > "$tmp/again"
	(
		# shellcheck source=selftests/guests.sh
		. "$LIB_DIR/guests.sh"
		rm -rf "$logs"
		merge_again "$1" x.sh "$tmp/results" "$tmp/again"
	) | sort | cut -f 1,3- | tr '\t\n' ' ;'
}
check_eq "the second result of a script counts" "ok x.sh a;ok x.sh b;ok y.sh b;" \
	"$(merged 6.1)"
for k in debug-6.1-um debug-7.3-rt kcsan-7.3; do
	check_eq "... but not on $k" "not ok x.sh a;ok x.sh b;ok y.sh b;" "$(merged $k)"
done
check_eq "... where what fails the second time is told as well" \
	"not ok x.sh a;not ok x.sh c;ok x.sh b;ok y.sh b;" \
	"$(merged kcsan-7.3 "$bad"$'kcsan-7.3\tx.sh\tc')"

# bugs LINE...: how many of what a kernel said name a bug
bugs()
{
	printf '[    1.234567] %s\n' "$@" | awk -f "$LIB_DIR/qemu/bugs.awk" | wc -l
}
check_eq "what a kernel says of itself is no bug" 0 \
	"$(bugs 'kasan: KernelAddressSanitizer initialized' 'kcsan: enabled early' \
		'kmemleak: Kernel memory leak detector initialized' \
		'Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar' \
		'TCP: request_sock_TCP: Possible SYN flooding on port 5000.' \
		'nf_flow_qos: loading out-of-tree module taints kernel.')"
for line in 'BUG: KASAN: use-after-free in f+0x1/0x2' 'BUG: scheduling while atomic: ip/9' \
	'WARNING: possible circular locking dependency detected' \
	'WARNING: CPU: 0 PID: 9 at net/core/dev.c:1 f+0x1/0x2' \
	'UBSAN: shift-out-of-bounds in f.c:1:2' 'INFO: trying to register non-static key.' \
	'INFO: task ip:9 blocked for more than 120 seconds.' \
	'rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:' \
	'ODEBUG: free active (active state 0) object type: timer_list' \
	'kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)' \
	'unregister_netdevice: waiting for wan0 to become free. Usage count = 2' \
	'refcount_t: underflow; use-after-free.' 'general protection fault, 0000 [#1]' \
	'kernel BUG at net/core/skbuff.c:1!' 'Call trace:' \
	'Oops: 0002 [#1] PREEMPT SMP KASAN' 'Kernel panic - not syncing: Fatal exception'; do
	check_eq "a bug: $line" 1 "$(bugs "$line")"
done
race='BUG: KCSAN: data-race in'
ends=$(printf '=%.0s' {1..66})
check_eq "two of the kernel's own functions at the same octets are none" 0 \
	"$(bugs "$ends" "$race f / g" 'read to 0x1 of 8 bytes by task 9 on cpu 0:' \
		' f+0x1/0x2 [nf_tables]' "$ends" "$race h" ' h+0x1/0x2' "$ends")"
check_eq "... but one of ours is" 1 \
	"$(bugs "$ends" "$race f / g" 'read to 0x1 of 8 bytes by task 9 on cpu 0:' \
		' f+0x1/0x2 [nf_flow_qos]' "$ends")"
check_eq "... also where the report has no end" 1 "$(bugs "$ends" "$race f / ftq_x")"
check_eq "... and what else is said in between" 2 \
	"$(bugs "$ends" "$race ftq_x" 'WARNING: y' "$ends")"
finish
