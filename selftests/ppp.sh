# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# PPPoE for the tests: pppd with its kernel plugin in the router, rp-pppoe's server
# in the server. Sourced after lib.sh; uses the addresses of topo_router.

# ppp_setup: what both need, and an empty $tmp for their logs
ppp_setup()
{
	modprobe -a pppoe ppp_generic 2> /dev/null
	[ -c /dev/ppp ] || mknod /dev/ppp c 108 0 || skip_all "no /dev/ppp"
	tmp=$(mktemp -d)
	defer rm -rf "$tmp"
	mkdir -p /etc/ppp /run/pppd/lock
	: > /etc/ppp/options
	printf '%s\n' noauth nodefaultroute nobsdcomp nodeflate noccp \
		ipcp-accept-remote "lcp-echo-interval 0" > "$tmp/server.opts"
}

# ppp_serve DEV: sessions for whoever asks on the server's device
ppp_serve()
{
	ip netns exec "$server" pppoe-server -F -I "$1" -L "$wan4.2" \
		-R "$wan4.1" -N 4 -O "$tmp/server.opts" \
		>> "$tmp/server.log" 2>&1 &
	pppoe_server=$!
	defer kill "$pppoe_server"
}

# ppp_connect DEV: a session through the router's device, ppp0, with addresses of
# both families on either side; the process in $pppd
ppp_connect()
{
	# pppoe-server would give each session another address
	ip netns exec "$router" pppd "$wan4.1:$wan4.2" plugin pppoe.so \
		"nic-$1" noauth nodetach ifname ppp0 nodefaultroute noccp \
		lcp-echo-interval 0 > "$tmp/pppd.log" 2>&1 &
	pppd=$!
	defer kill "$pppd"
	busywait 40 ppp_has_address || {
		sed 's/^/# /' "$tmp"/*.log
		bail "no PPP session"
	}
	peer=$(ip -n "$server" -j addr show to "$wan4.2" | jq -r '.[-1].ifname')
	ip -n "$router" addr add "$wan6:1/64" dev ppp0 nodad
	ip -n "$server" addr add "$wan6:2/64" dev "$peer" nodad
	ip -n "$server" route replace default dev "$peer"
	ip -n "$server" -6 route replace default dev "$peer"
	busywait 20 in_ns "$client" ping -q -c 1 -W 1 "$wan4.2" > /dev/null ||
		bail "no way through the session (IPv4)"
	busywait 20 in_ns "$client" ping -q -c 1 -W 1 "$wan6:2" > /dev/null ||
		bail "no way through the session (IPv6)"
}

ppp_has_address()
{
	ip -n "$router" addr show dev ppp0 2> /dev/null | grep -q "inet $wan4.1"
}

# ppp_end: the session is over, and the device gone
ppp_end()
{
	kill "$pppd"
	wait "$pppd" 2> /dev/null
	check "the session ends" busywait 20 ppp_gone
}

ppp_gone()
{
	! ip -n "$router" link show ppp0 > /dev/null 2>&1
}
