#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Frames that are cut short or lie about their sizes, behind every encapsulation:
# counted as not_parsed where they should be IP and are not, no flow comes of
# them, good packets between them get what their class gets, and what the router
# makes of them is what it makes of them with nothing bound. The kernel's log is
# looked at by whoever runs this. Random ones after the exact ones: FTQOS_SEED
# repeats a run.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft conntrack python3 jq ftqos
load_module
seed=${FTQOS_SEED:-$RANDOM}
note "FTQOS_SEED=$seed"

got=$(mktemp -d)
defer rm -rf "$got"
topo_router --vlan7
topo_nft
keep_flows
quiet_neighbours
# Only what talk and the good frames are can become a flow
in_ns "$router" nft -f - <<- END || bail "nft refuses the rules"
	insert rule inet ftq forward meta l4proto tcp accept
	insert rule inet ftq forward th sport . th dport != { 4000 . 5000, 5000 . 4000 } accept
	insert rule inet ftq forward ip saddr . ip daddr != { $lan4.2 . $wan4.2, $wan4.2 . $lan4.2 } accept
	insert rule inet ftq forward ip6 saddr . ip6 daddr != { $lan6:2 . $wan6:2, $wan6:2 . $lan6:2 } accept
END
talk_serve "$server"
talk_start "$client"
talk_or_bail "open u4 udp $wan4.2 5000 0xb8 4000" \
	"open u6 udp $wan6:2 5000 0xb8 4000" "ping 3 64 *"
both_offloaded()
{
	[ "$({ offloaded udp 5000; offloaded udp 5000 ipv6; } | wc -l)" = 2 ]
}
check "both flows are offloaded" busywait 10 both_offloaded
lan=$(mac_of "$router" lan0)
wan_mac=$(mac_of "$router" wan0)

sniff_n=0
# sniff VAR NS DEV FILE
sniff()
{
	local fifo line=''

	fifo=${TMPDIR:-/tmp}/sniff.$$.$((++sniff_n))
	mkfifo "$fifo" || bail "cannot make $fifo"
	ip netns exec "$2" python3 -I -S "$LIB_DIR/frames.py" sniff "$3" "$4" \
		"$fifo" &
	eval "$1=$!"
	defer kill $!
	read -r -t 30 line <> "$fifo"
	rm -f "$fifo"
	[ "$line" = ready ] || bail "frames.py sniff: not ready"
}

# up, down [OPTIONS]: frames from the client, from the server
up()
{
	in_ns "$client" python3 -I -S "$LIB_DIR/frames.py" malformed cl0 "$lan" \
		"$lan4.2" "$wan4.2" "$lan6:2" "$wan6:2" 4000 5000 "$@" ||
		bail "cannot send"
	talk_or_bail
}
down()
{
	in_ns "$server" python3 -I -S "$LIB_DIR/frames.py" malformed srv0 \
		"$wan_mac" "$wan4.2" "$lan4.2" "$wan6:2" "$lan6:2" 5000 4000 \
		--vid 7 "$@" || bail "cannot send"
	talk_or_bail
}

# good FILE TAG: the good ones in it with that tag (-: none), of either family. Chance
# may give others their length, but not the end of their data.
good()
{
	awk -v tag="$2" '$1 == tag && (length($2) == 404 || length($2) == 444) &&
		$2 ~ /0c131a21282f363d$/' "$1" | wc -l
}

# others FILE: what came of the malformed ones, without PCP, and without priority
# frames (encapsulation 4), which are slow without us and may be fast with us: the
# fast path looks at less. ID and flow label are the encapsulation's number.
others()
{
	awk 'length($2) != 404 && length($2) != 444 {
			id = substr($2, 29, 1) == 4 ? substr($2, 37, 4) :
						      substr($2, 33, 4)
			if (id == "0004")
				next
			sub(/\..../, "", $1)
			print
		}' "$1" | sort
}

flows()
{
	ftqos -n "$router" -j flow show |
		jq -c 'map([.iif, .family, .proto, .src, .sport, .dst, .dport,
			.vlan]) | sort'
}

# Everything once with nothing bound
sniff pid "$server" srv0 "$got/up0"
sent=$(up)
pkt_stop "$pid"
note "exact: $sent"
goods=$(jq .good <<< "$sent")
check "there are thousands" test "$(jq .frames <<< "$sent")" -gt 4000
check_eq "unbound: good frames arrive, PCP 0" "$goods" \
	"$(good "$got/up0" 8100.0007)"

ftqos -n "$router" dev set any || bail "cannot bind"
hooked()
{
	ftqos -n "$router" -j status |
		jq -e '[.flowtables[].state] == ["hooked", "hooked"]'
}
check "any is bound, hooks are in place" busywait 10 hooked
talk_or_bail "ping 3 64 *"
check "both flows are offloaded" busywait 10 both_offloaded
ftqos -n "$router" stats reset
before=$(flows)
check_eq "flows that are known" 4 "$(jq length <<< "$before")"
sniff pid "$server" srv0 "$got/up1"
sent=$(up)
pkt_stop "$pid"
stats=$(ftqos -n "$router" -j stats show)
check_eq "not_parsed is what cannot be read" "$(jq .broken <<< "$sent")" \
	"$(jq .not_parsed <<< "$stats")"
check_eq "bound: good frames arrive, PCP 5" "$goods" \
	"$(good "$got/up1" 8100.a007)"
check_eq "no flow came of it" "$before" "$(flows)"
n=$(others "$got/up0" | wc -l)
note "$n of the malformed frames get through"
check "some of the malformed frames get through" test "$n" -gt 50
check_eq "the same as with nothing bound" "$(others "$got/up0" | md5sum)" \
	"$(others "$got/up1" | md5sum)"
if [ "$(others "$got/up0" | md5sum)" != "$(others "$got/up1" | md5sum)" ]; then
	diff <(others "$got/up0") <(others "$got/up1") | head -n 20 | cut -c1-200
fi

# Random ones, from both sides
for where in up down; do
	talk_or_bail "ping 3 64 *"
	busywait 10 both_offloaded > /dev/null || bail "not offloaded"
	class=$(ftqos -n "$router" -j stats show |
		jq '[.classes[] | select(.class == 46).packets] | add // 0')
	if [ $where = up ]; then
		sniff pid "$server" srv0 "$got/random"
	else
		sniff pid "$client" cl0 "$got/random"
	fi
	sent=$($where --random 1500 --seed "$seed")
	pkt_stop "$pid"
	tag=-
	[ $where = down ] || tag=8100.a007
	check_eq "random, $where: good frames arrive as they should" \
		"$(jq .good <<< "$sent")" "$(good "$got/random" $tag)"
	class=$(($(ftqos -n "$router" -j stats show |
		jq '[.classes[] | select(.class == 46).packets] | add') - class))
	check "random, $where: and are classified" \
		test "$class" -ge "$(jq .good <<< "$sent")"
	check_eq "random, $where: no flow came of it" "$before" "$(flows)"
done
finish
