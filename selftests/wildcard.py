#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Add a flowtable on all devices whose names begin so, which nft of Debian 12
cannot say: wildcard.py TABLE FLOWTABLE PREFIX...

The table is of family inet and there already, the flowtable's hook ingress,
priority filter. Kernels from 6.16 on know NFTA_DEVICE_PREFIX. Ends with 3 if
this one does not, with 1 if something else is wrong. Standard library only.
"""

import errno
import os
import socket
import struct
import sys

NETLINK_NETFILTER = 12
NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE = 1, 4, 0x400
NLMSG_ERROR = 2
NFNL_SUBSYS_NFTABLES = 10
BATCH_BEGIN, BATCH_END = 0x10, 0x11
NFT_MSG_NEWFLOWTABLE = 22
NFPROTO_INET = 1
NLA_F_NESTED = 0x8000
# NFTA_FLOWTABLE_*, NFTA_FLOWTABLE_HOOK_*, NFTA_DEVICE_*
TABLE, NAME, HOOK = 1, 2, 3
NUM, PRIORITY, DEVS = 1, 2, 3
PREFIX = 2


def attr(kind, data):
    if isinstance(data, str):
        data = data.encode() + b"\0"
    pad = -len(data) % 4
    return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * pad


def nest(kind, *attrs):
    return attr(kind | NLA_F_NESTED, b"".join(attrs))


def message(kind, flags, seq, family, res_id, data=b""):
    return struct.pack("=IHHII", 20 + len(data), kind, NLM_F_REQUEST | flags,
                       seq, 0) + struct.pack("=BBH", family, 0, res_id) + data


def main():
    table, name, *prefixes = sys.argv[1:]
    devices = [attr(PREFIX, prefix) for prefix in prefixes]
    hook = nest(HOOK, attr(NUM, struct.pack("!I", 0)),
                attr(PRIORITY, struct.pack("!i", 0)), nest(DEVS, *devices))
    subsys = socket.htons(NFNL_SUBSYS_NFTABLES)
    batch = (message(BATCH_BEGIN, 0, 1, 0, subsys) +
             message(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWFLOWTABLE,
                     NLM_F_ACK | NLM_F_CREATE, 2, NFPROTO_INET, 0,
                     attr(TABLE, table) + attr(NAME, name) + hook) +
             message(BATCH_END, 0, 3, 0, subsys))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                       NETLINK_NETFILTER) as sock:
        sock.bind((0, 0))
        sock.settimeout(10)
        sock.send(batch)
        answer = sock.recv(65536)
    _, kind = struct.unpack_from("=IH", answer)
    error = -struct.unpack_from("=i", answer, 16)[0]
    if kind != NLMSG_ERROR or error:
        print(f"the kernel refuses it: {os.strerror(error)}", file=sys.stderr)
        sys.exit(3 if error in (errno.EINVAL, errno.EOPNOTSUPP) else 1)


if __name__ == "__main__":
    main()
