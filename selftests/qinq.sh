#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A C-tag in an S-tag (QinQ), as providers have it, in both directions, both
# families, UDP and TCP. The server's own VLAN devices give its frames a PCP in
# each tag, which the flowtable alone does not take (F3): they are taken, also where
# only the inner one has it. Frames that no flowtable takes (of no flow, TTL 1,
# fragments, options) leave the hook byte for byte as they came, with their mark
# and priority. (Bindings of each of the devices are in vlans.sh.)

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/encaps.sh
. "$(dirname "$0")/encaps.sh"
# shellcheck source=selftests/tags.sh
. "$(dirname "$0")/tags.sh"
need_tools ip nft tc conntrack ethtool python3 jq ftqos
load_module

tags_start "QinQ" "802.1ad:100 802.1Q:5"
pcp_from "$server" srv0.100 3
pcp_from "$server" srv0.100.5 6
before=$(cleared)
both_ways "QinQ, answers with two PCPs" "0x88a8:100:5:0 0x8100:5:5:0" \
	wan0 5 "" lan0 4
check_eq "QinQ: answers are sent with two PCPs" \
	"$(all_kinds "0x88a8:100:3:0 0x8100:5:6:0 34")" "$sent"
pcp_from "$server" srv0.100 0
both_ways "QinQ, answers with an inner PCP" "0x88a8:100:5:0 0x8100:5:5:0" \
	wan0 5 "" lan0 4
check_eq "QinQ: answers are sent with an inner PCP" \
	"$(all_kinds "0x88a8:100:0:0 0x8100:5:6:0 34")" "$sent"
check "QinQ: they are taken only because of that" \
	test $(($(cleared) - before)) -ge 24
taken "QinQ, PCP and DEI" from_server ad100:0:1,5:0:1 ad100:7:1,5:3:0
check_eq "QinQ: it is the uppermost device that decided" wan0.100.5 \
	"$(decided lan0)"
as_sent "QinQ, not taken" ad100:3:1,5:6:1 ad100,5:0:1
captures_end
finish
