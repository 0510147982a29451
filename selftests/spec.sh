#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The specification is what the uapi header was made from: the kernel's
# ynl-gen-c makes the same one of it, after checking it against the schema.
# Runs here, without a guest. 4: the generator or its Python modules are not
# there.

set -e -u -o pipefail
# shellcheck source=selftests/qemu/common.sh
. "$(dirname "$0")/qemu/common.sh"
python=/usr/bin/python3
"$python" -c 'import jsonschema, yaml' 2> /dev/null || {
	echo "needs python3-yaml and python3-jsonschema"
	exit 4
}
linux=$("$QEMU_DIR/kernel.sh" source) || exit 4
work=$(mktemp -d "${TMPDIR:-/tmp}/ftqos-spec.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The generator looks for the top of a kernel tree, and for the schema above
# the specification
netlink=$work/Documentation/netlink
mkdir -p "$netlink/specs" "$work/tools/net"
: > "$work/MAINTAINERS"
cp "$linux"/Documentation/netlink/*.yaml "$netlink/"
cp "$TREE/Documentation/netlink/specs/nf_flow_qos.yaml" "$netlink/specs/"
cp -r "$linux/tools/net/ynl" "$work/tools/net/"
cd "$work"
"$python" tools/net/ynl/ynl-gen-c.py --mode uapi --header \
	--spec Documentation/netlink/specs/nf_flow_qos.yaml -o "$work/made.h"
diff -u --label include/uapi/linux/nf_flow_qos.h --label "made from the spec" \
	"$TREE/include/uapi/linux/nf_flow_qos.h" "$work/made.h"
