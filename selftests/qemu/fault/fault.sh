#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Load the module that makes the mistake $FAULT. Passes: that the kernel, or leaks.sh,
# has seen it is for fault/run, which has made the module, to see.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/../../lib.sh"
need_tools insmod rmmod
fault=$LIB_DIR/../files/nf_flow_qos_fault.ko
[ -e "$fault" ] || skip_all "only for qemu/fault/run"

check "a module that makes a mistake: ${FAULT:-none}" \
	insmod "$fault" "kind=${FAULT:-none}"
check "... and goes" rmmod nf_flow_qos_fault
finish
