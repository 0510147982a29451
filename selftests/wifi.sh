#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Wi-Fi (mac80211_hwsim, two radios that are peers): mac80211 chooses the user
# priority of a packet by its DSCP unless skb->priority is 256 to 263. Under "any",
# whatever its map says, the frames on the air have the same one as with nothing
# bound; the binding of wlan0 itself decides, and the frames follow.
#
#  $station                    $router                       $server
#  wlan1 203.0.113.2  ~ ~ ~ ~  wlan0 203.0.113.1  wan0 ----- srv0
#        2001:db8:3::2               2001:db8:3::1

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
need_tools ip iw nft conntrack python3 jq ftqos
modprobe mac80211_hwsim radios=2 || skip_all "no mac80211_hwsim"
defer rmmod mac80211_hwsim
load_module

air=$(mktemp)
defer rm -f "$air"
topo_router
setup_ns station
# The radios by the devices that they made
radio()
{
	cat "/sys/class/net/$1/phy80211/name"
}
join()
{
	iw phy "$(radio "$2")" set netns name "$1" &&
	iw_ns "$1" dev "$2" set type ibss &&
	ip -n "$1" link set "$2" up &&
	iw_ns "$1" dev "$2" ibss join ftqos 2412 fixed-freq 02:66:74:71:6f:73
}
iw_ns()
{
	in_ns "$1" iw "${@:2}"
}
join "$router" wlan0 && join "$station" wlan1 || bail "no radios"
ip link set hwsim0 up || bail "no air to listen to"
addresses()
{
	ip -n "$router" -batch - <<- END &&
		addr add 203.0.113.1/24 dev wlan0
		addr add 2001:db8:3::1/64 dev wlan0 nodad
	END
	ip -n "$station" -batch - <<- END
		addr add 203.0.113.2/24 dev wlan1
		addr add 2001:db8:3::2/64 dev wlan1 nodad
		route add default via 203.0.113.1
		route add default via 2001:db8:3::1
	END
}
addresses || bail "no addresses"
busywait 30 in_ns "$station" ping -q -c 1 -W 1 "$wan4.2" > /dev/null ||
	bail "no way over the air (IPv4)"
busywait 30 in_ns "$station" ping -q -c 1 -W 1 "$wan6:2" > /dev/null ||
	bail "no way over the air (IPv6)"
topo_nft --devices "wlan0, wan0"
keep_flows

fifo=$(mktemp -u)
mkfifo "$fifo" || bail "cannot make $fifo"
python3 -I -S "$LIB_DIR/frames.py" air "$air" "$fifo" &
defer kill $!
read -r -t 30 line <> "$fifo"
rm -f "$fifo"
[ "$line" = ready ] || bail "frames.py air: not ready"

# Answers of the server, which go over the air to the station
talk_serve "$server"
talk_start "$station"
dscps="0 1 8 18 34 44 46 48 56"
open=()
for dscp in $dscps; do
	tos=$((dscp * 4))
	open+=("open a$dscp udp $wan4.2 5000 0 $((4000 + dscp)) $tos"
		"open b$dscp udp $wan6:2 5000 0 $((4000 + dscp)) $tos")
done
talk_or_bail "${open[@]}" "ping 2 64 *"
all_offloaded()
{
	talk "ping 1 64 *" > /dev/null
	[ "$({ offloaded udp 5000; offloaded udp 5000 ipv6; } | wc -l)" = 18 ]
}
check "all flows over the air are offloaded" busywait 20 all_offloaded

# on_air: "DSCP:TID ..." of the packets that a ping makes go to the station, which
# the fast path sends
on_air()
{
	local n slow

	n=$(wc -l < "$air")
	slow=$(slow_packets)
	talk_or_bail "ping 2 64 *"
	[ "$(slow_packets)" = "$slow" ] || echo "(slow packets)"
	tail -n +$((n + 1)) "$air" | jq -r 'select(.sport == 5000) |
		"\(.dscp):\(.tid)"' | sort -n | uniq | xargs
}
# A peer takes QoS frames once its beacons have said so
qos()
{
	on_air | grep -q '46:[0-9]'
}
check "frames have a user priority" busywait 30 qos
free=$(on_air)
note "mac80211's own choice: $free"
check_eq "mac80211 has one for each class" "$(wc -w <<< "$dscps")" \
	"$(wc -w <<< "$free")"

ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map add up3 preset constant 3
	map set up3 all prio 259
	dev set any map up3
END
hooked()
{
	ftqos -n "$router" -j status |
		jq -e '[.flowtables[].state] == ["hooked", "hooked"]'
}
check "any is bound, hooks are in place" busywait 10 hooked
check_eq "any: mac80211's own choice stays" "$free" "$(on_air)"
check "any: the packets were classified all the same" \
	jq -e '.offloaded_packets >= 72' \
	<<< "$(ftqos -n "$router" -j stats show)"

# wanted MAP: the user priorities that it asks for
wanted()
{
	ftqos -n "$router" -j map show "$1" | jq -r --arg dscps "$dscps" '
		($dscps / " " | map(tonumber)) as $want | .[0].entries[] |
		select(.dscp as $d | $want | index($d)) |
		"\(.dscp):\(.prio - 256)"' | xargs
}
ftqos -n "$router" -b - <<- END || bail "cannot bind"
	map add wifi preset rfc8325
	dev set wlan0 map wifi
END
check_eq "wlan0's own binding: what RFC 8325 says" "$(wanted wifi)" "$(on_air)"
ftqos -n "$router" map set wifi all prio 258 || bail "cannot set"
check_eq "wlan0's own binding: a change is on the air at once" "$(wanted wifi)" \
	"$(on_air)"
ftqos -n "$router" map set wifi all prio keep || bail "cannot set"
check_eq "wlan0's own binding: keep" "$free" "$(on_air)"
finish
