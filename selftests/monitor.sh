#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `ftqos monitor flows` tells of each flow when it is offloaded, and when it is
# forgotten, then with the totals that `flow show` had; `monitor` tells of the
# configuration alone, to anybody.
#
# A monitor listens as soon as it has told of a change of the configuration that
# is made until it does. Traffic rests while totals are compared.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip nft conntrack ethtool python3 jq ftqos setpriv

tmp=$(mktemp -d)
chmod 755 "$tmp"
defer rm -rf "$tmp"
topo_router
topo_nft --masquerade
quiet_neighbours
keep_flows
load_module
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	dev set wan0
	dev set lan0
END
hooked()
{
	ftqos -n "$router" -j status |
		jq -e '[.flowtables[].state] | length == 2 and all(. == "hooked")'
}
busywait 10 hooked > /dev/null || bail "hooks are not in place"

# kick FILE WORDS: a change of the configuration, and whether FILE tells of one
kick()
{
	# Another value each time: what does not change is not told
	ftqos -n "$router" config set \
		flow-timeout $((600 + $(now_ms) / 10 % 1000))
	grep -q "$2" "$1"
}

# listen VAR FILE COMMAND...: a monitor in the background that listens
listen()
{
	local var=$1 file=$2

	shift 2
	# No function, which would be a shell that gets the signals
	ip netns exec "$router" "$@" > "$file" 2> "$file.err" &
	eval "$var=\$!"
	defer kill $!
	busywait 20 kick "$file" config-set ||
		bail "the monitor tells nothing: $(< "$file.err")"
}

# events FILE EVENT: the flows that it told of, as identities
identity='[.iif, .oif, .family, .proto, .src, .dst, .sport, .dport]'
events()
{
	jq -c "select(.event == \"$2\") | $identity" "$1" | sort
}
shown()
{
	ftqos -n "$router" -j flow show | jq -c ".[] | $identity" | sort
}

listen json "$tmp/json" ftqos -j monitor flows
listen text "$tmp/text" ftqos monitor flows
listen config "$tmp/config" setpriv --reuid 65534 --regid 65534 \
	--clear-groups ftqos -j monitor

# --- flows come ----------------------------------------------------------------

talk_serve "$server"
talk_start "$client"
talk_or_bail "open ef.udp udp $wan4.2 5000 0xb8 4001 0x2c" \
	"open le.udp udp $wan6:2 5000 0x04 4003 0xb8" \
	"open af.tcp tcp $wan4.2 5000 0x88 4004 0x88"
# Both directions of three flows
all_offloaded()
{
	talk "ping 1 64 *" && [ "$(shown | wc -l)" = 6 ]
}
check "six directions are offloaded" busywait 20 all_offloaded
talk_or_bail "ping 5 100 ef.udp" "ping 3 200 *.tcp"
all_told()
{
	[ "$(events "$tmp/json" "$1" | wc -l)" -ge 6 ]
}
check "the monitor tells of six new flows" busywait 10 all_told flow-new
check_eq "they are those of flow show, each once" "$(shown)" \
	"$(events "$tmp/json" flow-new)"
check "new flows have the values of their first packet" jq -es '
	[.[] | select(.event == "flow-new")] |
	length == 6 and all(.packets == 1 and .bytes > 28 and .age_ms < 1000 and
		(.class | type) == "number" and .prio != null and
		(.time | type) == "number")' "$tmp/json"
check "the class is that of the packet" jq -es '
	any(.event == "flow-new" and .sport == 4001 and .dscp == 46 and
	    .class == 46 and .prio == 5)' "$tmp/json"
check_eq "no flow has ended" "" "$(events "$tmp/json" flow-end)"

# --- and go ----------------------------------------------------------------------

totals='[.iif, .proto, .src, .dst, .sport, .dport, .class, .dscp, .prio,
	.packets, .bytes]'
before=$(ftqos -n "$router" -j flow show | jq -c ".[] | $totals" | sort)
ftqos -n "$router" flow flush
check "the monitor tells of six flows that end" busywait 10 all_told flow-end
check_eq "with the totals of flow show before the flush" "$before" \
	"$(jq -c "select(.event == \"flow-end\") | $totals" "$tmp/json" | sort)"

line="flow-new iif lan0 oif wan0 proto udp src $lan4.2 sport 4001 dst $wan4.2"
line+=" dport 5000 dscp ef class ef prio 5"
in_text()
{
	grep -qE "^[0-9T:.-]+ $1" "$tmp/text"
}
check "a new flow as text" busywait 10 in_text "$line .*packets 1 bytes [0-9]+ age "
packets=$(jq -r 'select(.[1] == "udp" and .[4] == 4001) | .[9]' <<< "$before")
check "the end of a flow as text" busywait 10 in_text \
	"${line/new/end} .*packets $packets bytes "

# Offload went on: the next packets are of new flows, which then time out
talk_or_bail "ping 1 64 ef.udp"
told_again()
{
	[ "$(events "$tmp/json" "$1" | wc -l)" = 8 ]
}
check "flows that go on after a flush are new" busywait 10 told_again flow-new
ftqos -n "$router" config set flow-timeout 1
check "the monitor tells of flows that time out" \
	busywait 20 told_again flow-end
ftqos -n "$router" config set flow-timeout 600

# --- a limit -------------------------------------------------------------------

talk_or_bail "ping 1 64 ef.udp"
ftqos -n "$router" config set flow-limit 0
ended()
{
	[ "$(events "$tmp/json" flow-end | wc -l)" = "$1" ]
}
check "a limit of 0 ends flows" busywait 10 ended 10
ftqos -n "$router" config set flow-limit 100

# --- the configuration -----------------------------------------------------------

ftqos -n "$router" -b - <<- END || bail "cannot configure"
	map add voice
	map set voice ef prio 7
	dev set wan0 map voice
	dev del lan0
	map add other
	map del other
END
# has_event EVENT NAME FILE
has_event()
{
	jq -es "any(.event == \"$1\" and (.name == \"$2\" or .dev == \"$2\"))" \
		"$3"
}
for words in 'map-set voice' 'map-del other' 'dev-set wan0' 'dev-del lan0'; do
	# shellcheck disable=SC2086 # two words
	for file in json config; do
		check "$words: $file" \
			busywait 10 has_event $words "$tmp/$file"
	done
	check "$words: text" busywait 10 in_text "$words"
done
ftqos -n "$router" dev set wan0 trust ctmark 0xfc0000 0x80 || bail "cannot configure"
check "masks: text" busywait 10 in_text \
	"dev-set wan0 map voice trust ctmark 0xfc0000 0x80 scope offloaded state "
masks()
{
	jq -es 'any(.event == "dev-set" and .dev == "wan0" and
		.ctmark_mask == 16515072 and .ctmark_statemask == 128)' "$1"
}
for file in json config; do
	check "masks: $file" busywait 10 masks "$tmp/$file"
done
check_eq "without the word flows there are none" "" \
	"$(grep -o flow-new "$tmp/config")$(grep -o flow-end "$tmp/config")"

# --- refused -------------------------------------------------------------------

err=$(in_ns "$router" setpriv --reuid 65534 --regid 65534 --clear-groups \
	ftqos monitor flows 2>&1)
check_eq "nobody else hears of flows: status" 2 $?
check_eq "nobody else hears of flows: why" \
	"Error: cannot join the group flows: Operation not permitted; this needs CAP_NET_ADMIN (try sudo)" \
	"$err"

# --- the end -------------------------------------------------------------------

kill -TERM "$config"
wait "$config"
check_eq "a monitor that is interrupted ends with 0" 0 $?
talk_or_bail "ping 2 64 *"
check "the module goes while flows are told of" rmmod nf_flow_qos
for pid in "$json" "$text"; do
	wait "$pid"
	check_eq "a monitor ends when the module goes" 2 $?
done
check_eq "and says so" "Error: the module nf_flow_qos was unloaded" \
	"$(< "$tmp/json.err")"
finish
