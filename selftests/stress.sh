#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# stress.sh [SECONDS]: everything at once, in random order. Several workers bind and
# unbind, change maps, restore, flush, list and listen, load and unload the module,
# reload rules, empty conntrack, take devices down, delete them, move them to another
# namespace and back, make and delete namespaces with bound devices; meanwhile UDP and
# TCP, IPv4 and IPv6, begin on both sides of the router and are answered.
#
# No operation fails but for what another one does (stress_ops.sh), no answer is
# another than what was sent, and behind all that nothing is left: no flow, hook,
# reference, namespace or memory. And traffic is offloaded and classified as ever.
#
# What each worker draws is the same with the same FTQOS_SEED; which of them is first
# is not. SECONDS is $FTQOS_STRESS by default, and else what "make check" has time for.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/stress_ops.sh
. "$(dirname "$0")/stress_ops.sh"
need_tools ip nft conntrack ethtool python3 jq ftqos
[ ! -d /sys/module/nf_flow_qos ] || skip_all "the module is loaded"

seconds=${1:-${FTQOS_STRESS:-8}}
seed=${FTQOS_SEED:-$RANDOM}
note "FTQOS_SEED=$seed"
tmp=$(mktemp -d)
defer rm -rf "$tmp"
load_module
topo_router --vlan7
setup_ns other
in_ns "$router" bash -c 'for d in all default; do
	echo 1 > /proc/sys/net/ipv6/conf/$d/keep_addr_on_down
done'
load_rules "$router" < <(stress_rules inet 0 "lan0, wan0") || bail "no rules"
cat > "$tmp/wanted" <<- END
	map add m1 preset constant 1
	map add m2
	map set m2 ef dscp 46
	dev set wan0.7 absent sticky on
	dev set lan0 absent map m1
END
ftqos -n "$router" restore "$tmp/wanted" || bail "cannot bind"

# --- traffic -------------------------------------------------------------------

# serve NS: answers there
serve()
{
	local fifo=$tmp/ready line=''

	mkfifo "$fifo"
	ip netns exec "$1" python3 -I -S "$LIB_DIR/stress.py" --ready "$fifo" \
		serve 5600 &
	defer kill $!
	read -r -t 60 line <> "$fifo"
	rm -f "$fifo"
	[ "$line" = ready ] || bail "stress.py: not ready"
}

# ask NS NAME ADDRESS...: asks for them, from now on
ask()
{
	ip netns exec "$1" python3 -I -S "$LIB_DIR/stress.py" \
		talk 5600 "$tmp/$2" "$seed" "${@:3}" &
	defer kill $!
}

# mark_answers: what is counted begins here
mark_answers()
{
	cp "$tmp/up" "$tmp/up.then" && cp "$tmp/down" "$tmp/down.then"
}

# answered N: so many of each kind, on both sides, and so few are
answered()
{
	awk -v n="$1" '
		FNR == 1 { side = FILENAME; sub(".*/", "", side); sub(/\..*/, "", side) }
		$1 == "wrong" { next }
		FILENAME ~ /then$/ { then[side $1] = $2; next }
		{ kinds++; got = $2 - then[side $1] }
		got < n { print side, $1, got; few = 1 }
		END { exit few || kinds != 8 }' "$tmp"/{up,down}{.then,}
}

# What comes to the server of EF, by its PCP
in_ns "$server" nft -f - <<- END || bail "nft refuses the counters"
	table netdev wire {
		counter ef5 { }
		counter other { }
		chain srv {
			type filter hook ingress device srv0 priority 0
			vlan id 7 ip dscp ef vlan pcp 5 counter name ef5
			vlan id 7 ip dscp ef vlan pcp != 5 counter name other
			vlan id 7 ip6 dscp ef vlan pcp 5 counter name ef5
			vlan id 7 ip6 dscp ef vlan pcp != 5 counter name other
		}
	}
END
# wire NAME: so many packets
wire()
{
	in_ns "$server" nft list counter netdev wire "$1" |
		sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

# classified: the next packets of EF all have PCP 5
classified()
{
	local ef5 other

	other=$(wire other) ef5=$(wire ef5)
	busywait 5 more_ef5 || return
	[ "$(wire other)" = "$other" ] || { echo "$(($(wire other) - other)) are not"; false; }
}
more_ef5()
{
	[ "$(wire ef5)" -ge $((ef5 + 20)) ]
}

serve "$server"
serve "$client"
touch "$tmp"/{up,down}.then
ask "$client" up "$wan4.2" "$wan6:2"
ask "$server" down "$lan4.2" "$lan6:2"
check "traffic of all kinds begins" busywait 60 answered 1
check "... and is classified" busywait 30 classified

# --- all at once ---------------------------------------------------------------

# work N NAME...: one worker, until it is over; how much it did is noted. The
# pause is drawn: who is in the way of whom shall change.
work()
{
	local n=$1 ops=0 refused=0 unloads=0 pause

	shift
	worker=worker$n
	RANDOM=$((seed + n))
	while [ ! -e "$tmp/over" ]; do
		draw "$@"
		"work_$drawn"
		pause=$((RANDOM % 4))
		read -r -t 0.$pause <> "$tmp/nothing"
	done
	echo "$* $ops $refused $unloads" > "$tmp/$worker.done"
}

mkfifo "$tmp/nothing"
: > "$tmp/complaints"
container=
if unshare -rn true 2> /dev/null; then
	container=container
else
	skip "containers come and go" "no user namespaces"
fi
workers=(
	"config config config restore"
	"config look look look"
	"rules"
	"links"
	"namespaces namespaces namespaces $container"
	"module rest rest rest"
)
started=()
for i in "${!workers[@]}"; do
	# shellcheck disable=SC2086 # words
	work "$i" ${workers[i]} &
	started+=($!)
	defer kill $!
done
sleep "$seconds"
# In use whenever it was tried, by chance: some more
check "the module went and came meanwhile" busywait 60 test -s "$tmp/unloaded"
: > "$tmp/over"
all_done()
{
	local left=()

	for i in "${!workers[@]}"; do
		[ -e "$tmp/worker$i.done" ] || left+=("${workers[i]}")
	done
	[ ${#left[@]} = 0 ] || { echo "not: ${left[*]@Q}"; return 1; }
}
check "all workers end" busywait 120 all_done || kill "${started[@]}"
wait "${started[@]}"
note "operations, refused, unloaded: $(awk '
	{ ops += $(NF - 2); refused += $(NF - 1); unloads += $NF }
	END { print ops, refused, unloads }' "$tmp"/worker*.done)"
sed 's/^/# /' "$tmp"/worker*.done
check_eq "nothing was refused without a reason" "" "$(head -c 3000 "$tmp/complaints")"
check_eq "no answer was another than what was sent" "0 0" \
	"$(awk '$1 == "wrong" { print $2 }' "$tmp/up" "$tmp/down" | xargs)"
check_eq "each worker had its turn" "" "$(awk '$(NF - 2) == 0' "$tmp"/worker*.done)"

# --- is all as it was? -----------------------------------------------------------

insert || fail "the module is loaded"
ip -n "$router" -batch - <<- END || fail "the devices are as they were"
	link set lan0 up
	link set wan0 up
	link set wan0.7 up
END
load_rules "$router" < <(stress_rules inet 0 "lan0, wan0") || fail "rules can be loaded"
ftqos -n "$router" restore "$tmp/wanted" || fail "the configuration can be restored"
check "hooks stand before the flowtables" busywait 20 hooks_are_placed
mark_answers
check "traffic of all kinds goes on" busywait 60 answered 10
check "... is offloaded" busywait 20 offloaded udp 5600
check "... and IPv6" busywait 20 offloaded tcp 5600 ipv6
check "... and is classified" busywait 30 classified
accounted()
{
	ftqos -n "$router" -j flow show dport 5600 | jq -e 'length > 0'
}
check "... and accounted" busywait 10 accounted
# With traffic, whose flows are not accounted any more
ftqos -n "$router" config set flow-limit 0
check_eq "flows are forgotten, all of them" 0 "$(counters flows)"

# ours NS: hooks of the module there, or why that is not known
ours()
{
	local devs hooks

	# Not bonding_masters, which is a file
	devs=$(in_ns "$1" sh -c 'cd /sys/class/net && for d in */; do echo "${d%/}"; done')
	# shellcheck disable=SC2086 # words
	hooks=$(in_ns "$1" python3 -I -S "$LIB_DIR/hooks.py" $devs 2>&1) || {
		echo "hooks are not listed: $hooks"
		return 1
	}
	grep ftq_ <<< "$hooks"
}
echo "config set flow-limit 100" > "$tmp/nothing_bound"
# Built in or not; stock 6.1 and 6.18 have none
if modprobe -q nfnetlink_hook; then
	check "the router has hooks" ours "$router"
	check "all are unbound" ftqos -n "$router" restore "$tmp/nothing_bound"
	check_eq "... and no hook is left" "" \
		"$(ours "$router"; ours "$other"; ours "$client"; ours "$server")"
else
	check "all are unbound" ftqos -n "$router" restore "$tmp/nothing_bound"
	skip "... and no hook is left" "this kernel does not list hooks"
fi
check_eq "the module is held by nobody" 0 \
	"$(awk '$1 == "nf_flow_qos" { print $3 }' /proc/modules)"
check "... and can be unloaded" rmmod nf_flow_qos
# A cache that the kernel merged with another is a link, which it leaves behind
[ -L /sys/kernel/slab/ftq_flow ] ||
	check_not "... and its memory is gone" test -e /sys/kernel/slab/ftq_flow
# Through devices that had its hooks
mark_answers
check "traffic goes on without it" busywait 30 answered 2
ip -batch - <<- END || fail "the namespaces can be connected"
	link add e1 netns $client type veth peer name end netns $router
	link add e2 netns $client type veth peer name end netns $other
END
del_ns "$router"
del_ns "$other"
ends_are_gone()
{
	! ip -n "$client" -br link | grep '^e[0-9]'
}
check "the namespaces end" busywait 60 ends_are_gone
check_leaks "at the end"
finish
