#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# An S-tag (802.1ad) alone, as providers have it, in both directions, both
# families, UDP and TCP. The server's own VLAN device gives its frames a PCP, which
# the flowtable alone does not take (F3): they are taken. Frames that no flowtable takes
# (of no flow, TTL 1, fragments, options) leave the hook byte for byte as they
# came, with their mark and priority.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/encaps.sh
. "$(dirname "$0")/encaps.sh"
# shellcheck source=selftests/tags.sh
. "$(dirname "$0")/tags.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos
load_module

tags_start "S-tag" 802.1ad:100
pcp_from "$server" srv0.100 3
before=$(cleared)
both_ways "S-tag, answers with PCP 3" 0x88a8:100:5:0 wan0 5 "" lan0 4
check_eq "S-tag: answers are sent with PCP 3" \
	"$(all_kinds "0x88a8:100:3:0 34")" "$sent"
check "S-tag: and are taken only because of that" \
	test $(($(cleared) - before)) -ge 12
check_eq "S-tag: it is the VLAN device that decided" wan0.100 "$(decided lan0)"
check_eq "S-tag: flows from there have its VLAN ID" "[[100]]" \
	"$(ftqos -n "$router" -j flow show iif wan0 | jq -c 'map(.vlan) | unique')"
taken "S-tag, PCP and DEI" from_server ad100:7:1 ad100:0:1
ftqos -n "$router" dev set wan0.100 trust pcp
from_server ad100:6:1
talk_or_bail
check_eq "S-tag: trust pcp" "[[48,34,6]]" "$(ftqos -n "$router" -j flow show \
	iif wan0 | jq -c 'map([.class, .dscp, .prio]) | unique')"
ftqos -n "$router" dev set wan0.100 trust dscp
as_sent "S-tag, not taken" ad100:3:1
captures_end
finish
