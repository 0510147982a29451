#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The flowtable's own selftest (tools/testing/selftests/net/netfilter of the
# kernel's source) with any bound in its routers' namespaces: the subtests that pass
# without the module have to pass. It knows nothing of us: a command "ip" before the
# real one in PATH binds any when it sees a ruleset being loaded, and tells at the
# end whether the module took part.
#
# Where every subtest passes with the module that is all. Else it runs without, and
# what passes there is what has to pass; it waits in real seconds for what emulated
# CPUs do, so that a second try with the module is granted then.
#
# FTQOS_SELFTESTS: where tools/testing/selftests is. By its own parameters it gets
# the sizes of links that are its default, so that it does not repeat itself with
# random ones, and a file of half its default's size.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft socat conntrack jq ftqos sysctl
dir=${FTQOS_SELFTESTS:-/linux/tools/testing/selftests}/net/netfilter
[ -e "$dir/nft_flowtable.sh" ] || skip_all "no nft_flowtable.sh in $dir"

work=$(mktemp -d)
defer rm -rf "$work"
real=$(command -v ip)
mkdir "$work/bin"
cat > "$work/bin/ip" <<- 'END'
	#!/bin/bash
	# ip netns exec NS nft -f FILE: any is bound then, and again after every
	# ruleset, since that looks at once for what is new. Before the namespace goes
	# what the module did in it is written down.
	if [ "$1 $2" = "netns exec" ] && [ "$4 $5" = "nft -f" ]; then
		"$FTQOS_IP" "$@"
		rc=$?
		flows=$("$FTQOS_IP" netns exec "$3" nft list flowtables 2> /dev/null)
		if [ -n "$flows" ]; then
			ftqos -n "$3" dev set any >> "$FTQOS_SAID" 2>&1 &&
				ftqos -n "$3" config set flow-timeout 3600 \
					>> "$FTQOS_SAID" 2>&1
		fi
		exit $rc
	fi
	if [ "$1 $2" = "netns delete" ] || [ "$1 $2" = "netns del" ]; then
		ftqos -n "$3" -j stats show 2> /dev/null >> "$FTQOS_SEEN"
	fi
	exec "$FTQOS_IP" "$@"
END
chmod 755 "$work/bin/ip"

# results NAME: subtests and how they ended, without numbers that differ
results()
{
	grep -E '^(PASS|FAIL|SKIP|ERROR)' "$work/$1" | sed 's/ [0-9].*//'
}

# selftest NAME: leaves its status in $rc
selftest()
{
	local start

	start=$(now_ms)
	(cd "$dir" && bash ./nft_flowtable.sh -o 9000 -l 1500 -r 2000 -s 1048576) \
		> "$work/$1" 2>&1
	rc=$?
	cp "$work/$1" "${FTQOS_OUT:-$work}" 2> /dev/null
	results "$1" | sed "s/^/# $1: /"
	note "$1: ended with $rc after $((($(now_ms) - start) / 1000)) s"
}

# with NAME
with()
{
	load_module
	: > "$work/seen"
	PATH=$work/bin:$PATH selftest "$1"
	rc_with=$rc
	rmmod nf_flow_qos
}

# lost NAME: subtests that pass without the module and not in this one
lost()
{
	results without | grep ^PASS | sort > "$work/wanted"
	results "$1" | grep ^PASS | sort | comm -23 "$work/wanted" -
}

export FTQOS_IP=$real FTQOS_SEEN=$work/seen FTQOS_SAID=$work/said
: > "$work/said"
last=with
with with
if [ "$rc_with" != 0 ] || results with | grep -q -v ^PASS; then
	selftest without
	if [ -n "$(lost with)" ]; then
		note "lost at first: $(lost with | xargs)"
		last="with, again"
		with "with, again"
		[ "$rc" = 0 ] || selftest "without, again"
	fi
	check_eq "no subtest that passes without the module is lost" "" "$(lost "$last")"
	check "it ends as it does without" test "$rc_with" = 0 -o "$rc_with" = "$rc"
else
	pass "no subtest that passes without the module is lost"
	pass "it ends as it does without"
fi
passed=$(results "$last" | grep -c ^PASS)
note "$passed subtests pass"
check "it has subtests that pass" test "$passed" -ge 10
check_eq "any could be bound every time" "" "$(cat "$work/said")"
taken=$(jq -s 'map(.offloaded_packets // 0) | add // 0' "$work/seen")
note "$taken packets were offloaded under our eyes"
check "the module saw packets being offloaded" test "$taken" -ge 1000
finish
