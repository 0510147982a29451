#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Netdev hooks of devices in this namespace. Standard library only.

  hooks.py DEV...

A line for each, in the order in which they run: device, "ingress" or "egress",
priority, function.
"""

import errno
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from nlattr import attribute, attributes  # noqa: E402

NETLINK_NETFILTER = 12
NFNL_SUBSYS_HOOK = 12
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
NFPROTO_NETDEV = 5
HOOKNUM, PRIORITY, DEV, FUNCTION = 1, 2, 3, 4
HOOKS = ("ingress", "egress")


def dump(sock, dev, num):
    body = struct.pack("=BBH", NFPROTO_NETDEV, 0, 0)
    body += attribute(HOOKNUM, struct.pack("!I", num))
    body += attribute(DEV, dev.encode() + b"\0")
    sock.send(struct.pack("=IHHII", len(body) + 16, NFNL_SUBSYS_HOOK << 8,
                          NLM_F_REQUEST | NLM_F_DUMP, num + 1, 0) + body)
    found = []
    while True:
        data = sock.recv(1 << 16)
        while data:
            size, kind = struct.unpack_from("=IH", data)
            if kind in (NLMSG_ERROR, NLMSG_DONE):
                error = -struct.unpack_from("=i", data, 16)[0]
                # Those are what kernels without such hooks answer
                if error and error not in (errno.EOPNOTSUPP,
                                           errno.EPROTONOSUPPORT):
                    sys.exit(f"{dev}: {os.strerror(error)}")
                return found
            hook = dict(attributes(data[20:size]))
            found.append((dev, HOOKS[num],
                          struct.unpack("!i", hook[PRIORITY])[0],
                          hook.get(FUNCTION, b"?").rstrip(b"\0").decode()))
            data = data[(size + 3) & ~3:]


def hooks(devs):
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    return [hook for dev in devs for num in range(len(HOOKS))
            for hook in dump(sock, dev, num)]


if __name__ == "__main__":
    for found in hooks(sys.argv[1:]):
        print(*found)
