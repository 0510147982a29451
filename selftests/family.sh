#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The generic netlink family, asked by who does not keep to its specification: messages
# that are made up (selftests/family), as root, by several processes at once, in a user
# namespace of an unprivileged user, and as one who may change nothing. Answers have to be
# what the specification has, refusals have words, what is refused changes nothing, and
# the configuration that comes of it all is one that a client could have set. Flows come
# and go meanwhile.
#
# FTQOS_RUNS: messages, half of them of one process as root. FTQOS_SEED: what they are
# drawn from; the same seed sends the same.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft ftqos ftqos-family setpriv unshare
runs=${FTQOS_RUNS:-16000}
seed=${FTQOS_SEED:-1}
note "FTQOS_SEED=$seed"
tmp=$(mktemp -d)
chmod 1777 "$tmp"
defer rm -rf "$tmp"

load_module
topo_router --vlan7
topo_nft
ip -n "$router" -batch - <<- END || bail "no devices"
	link add d0 type dummy
	link property add dev d0 altname other0
	link add br0 type bridge
	link set d0 master br0
END
pkt_bg echo "$server" echo 198.51.100.2
pkt_bg stream "$client" stream 198.51.100.2 --tos 0xb8 --sport 20000 \
	--ports 40 --rate 40

# family NAME ARGUMENTS...: as whoever $as is
as=(in_ns "$router")
sent=0
family()
{
	local n out rc=0

	out=$("${as[@]}" ftqos-family -s "$seed" -r "$tmp/refusals.$ktap_n" "${@:2}" 2>&1) ||
		rc=$?
	sed 's/^[^#]/# &/' <<< "$out"
	while read -r n; do
		sent=$((sent + n))
	done < <(sed -n 's/^# \([0-9]*\) messages,.*/\1/p' <<< "$out")
	check_eq "$1: nothing found" 0 "$rc"
}

save()
{
	"${as[@]}" ftqos save
}

family "root" -n $((runs / 2))
save > "$tmp/before"
check "what came of it can be restored" "${as[@]}" ftqos restore "$tmp/before"
save > "$tmp/after"
check "... and is the same then" cmp "$tmp/before" "$tmp/after"

family "three processes" -n $((runs / 12)) -j 3
save > "$tmp/before"
check "what came of that can be restored" "${as[@]}" ftqos restore "$tmp/before"
save > "$tmp/after"
check "... and is the same then" cmp "$tmp/before" "$tmp/after"

# What the others look at
"${as[@]}" ftqos -b - <<- END || bail "cannot configure"
	map add mine from default
	dev set any map mine sticky on
	config set flow-limit 1000
END
save > "$tmp/before"
# What the host may have a container may have, no more
old=$(ftqos -j config show)
defer ftqos config set flow-limit "$(sed 's/.*"flow_limit": *\([0-9]*\).*/\1/' <<< "$old")"
ftqos config set flow-limit 70000
ftqos save > "$tmp/host"

nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
as=(in_ns "$router" "${nobody[@]}")
family "an unprivileged user" -n $((runs / 8)) -u
if "${nobody[@]}" unshare -rn true 2> /dev/null; then
	as=("${nobody[@]}" unshare -rn)
	family "the root of a user namespace" -n $((runs / 8)) -l 70000
	family "several of these" -n $((runs / 32)) -j 3 -l 70000
else
	skip "the root of a user namespace" "no user namespaces"
fi
as=(in_ns "$router")
save > "$tmp/after"
check "neither has changed the router" cmp "$tmp/before" "$tmp/after"
ftqos save > "$tmp/after"
check "... nor what the host has" cmp "$tmp/host" "$tmp/after"

awk -F '\t' '{ n[$2] += $1 } END { for (text in n) print n[text] "\t" text }' \
	"$tmp"/refusals.* | sort -n -r > "$tmp/sum"
note "$sent messages, $(wc -l < "$tmp/sum") kinds of refusal:"
sed 's/^/#   /' "$tmp/sum"

# What the module itself can say, but for what this router, or the kernel, has no reason to
unheard()
{
	sed -n '/NL_SET_ERR\|_msg = \|ftq_nl_missing(/,/;/p' "$LIB_DIR"/../kmod/{nl_*,netlink}.c |
		grep -o '"[^"]*"' | tr -d '"' | sort -u |
		grep -v -x -e 'out of memory.*' -e '.* needs a kernel with .*' \
			-e 'a device has more netfilter hooks than .*' |
		grep -v -x -F -f <(cut -f 2- "$tmp/sum")
}
if [ -e "$LIB_DIR/../kmod/netlink.c" ]; then
	note "refusals of the module that were not provoked:"
	unheard | sed 's/^/#   /'
	[ "$runs" -lt 100000 ] ||
		check_eq "every refusal that there is was provoked" "" "$(unheard)"
fi
finish
