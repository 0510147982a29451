#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A flowtable that goes and comes again at once. Standard library only.

  again.py SECONDS DEV...

Makes the flowtable of "table inet ftq" on the devices, and waits until the module says that
it is hooked on the first one; deletes it, and makes it again, and has the module look each
time. Until the module then says that it is not hooked, which has to be seen while the second
since it was hooked lasts: so one process does it all, in some milliseconds. Ends with 1 if
that is not seen within so many seconds. The flowtable stays.
"""

import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from leaks import ASKED, NETLINK_GENERIC, NLM_F_ACK, NLM_F_DUMP, \
    NLM_F_REQUEST, NLMSG_ERROR, STATUS_FLOWTABLE, ask, messages, resolve  # noqa: E402
from nlattr import attribute, attributes  # noqa: E402

# linux/netfilter/nfnetlink.h and nf_tables.h
NETLINK_NETFILTER, NFPROTO_INET, NESTED = 12, 1, 0x8000
NLM_F_CREATE = 0x400
BATCH_BEGIN, BATCH_END, SUBSYS_NFTABLES = 0x10, 0x11, 10
NEWTABLE, DELTABLE, NEWFLOWTABLE = 0, 2, 22
TABLE_NAME = 1
FLOWTABLE_TABLE, FLOWTABLE_NAME, FLOWTABLE_HOOK = 1, 2, 3
HOOK_NUM, HOOK_PRIORITY, HOOK_DEVS, DEVICE_NAME = 1, 2, 3, 1
# enum nf_flow_qos_a_flowtable, enum nf_flow_qos_flowtable_state
NAME, STATE = 2, 4
HOOKED, SHADOWED, UNHOOKED = range(3)


def text(kind, value):
    return attribute(kind, value.encode() + b"\0")


def message(kind, flags, family, resource, data=b""):
    return struct.pack("=IHHIIBBH", 20 + len(data), kind, NLM_F_REQUEST | flags, 1, 0,
                       family, 0, socket.htons(resource)) + data


def commit(sock, *changes):
    """All of them or none: (kind, flags, attributes)."""
    sock.send(message(BATCH_BEGIN, 0, 0, SUBSYS_NFTABLES) +
              b"".join(message(SUBSYS_NFTABLES << 8 | kind, NLM_F_ACK | flags,
                               NFPROTO_INET, 0, data) for kind, flags, data in changes) +
              message(BATCH_END, 0, 0, SUBSYS_NFTABLES))
    left = len(changes)
    while left:
        for kind, payload in messages(sock.recv(1 << 16)):
            error = struct.unpack_from("=i", payload)[0]
            if kind != NLMSG_ERROR or error:
                sys.exit(f"nf_tables: {os.strerror(-error)}")
            left -= 1


def make(sock, devs):
    hook = (attribute(HOOK_NUM, struct.pack("!I", 0)) +
            attribute(HOOK_PRIORITY, struct.pack("!i", 0)) +
            attribute(HOOK_DEVS | NESTED, b"".join(text(DEVICE_NAME, d) for d in devs)))
    commit(sock, (NEWTABLE, NLM_F_CREATE, text(TABLE_NAME, "ftq")),
           (NEWFLOWTABLE, NLM_F_CREATE, text(FLOWTABLE_TABLE, "ftq") +
            text(FLOWTABLE_NAME, "ft") + attribute(FLOWTABLE_HOOK | NESTED, hook)))


def delete(sock):
    commit(sock, (DELTABLE, 0, text(TABLE_NAME, "ftq")))


def state(sock, family, dev):
    """Of the flowtable there; the module looks when it is asked. None: there is none."""
    command, _ = ASKED["status-get"]
    for payload in ask(sock, family, command, NLM_F_DUMP):
        for kind, nest in attributes(payload[4:]):
            if kind != STATUS_FLOWTABLE:
                continue
            table = dict(attributes(nest))
            if table[NAME].rstrip(b"\0").decode() == dev:
                return struct.unpack("=I", table[STATE])[0]
    return None


def main():
    end, devs = time.monotonic() + float(sys.argv[1]), sys.argv[2:]
    nft = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    genl = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
    for sock in nft, genl:
        sock.bind((0, 0))
        sock.settimeout(20)
    family, _ = resolve(genl)
    tries, took = 0, 0
    make(nft, devs)
    while time.monotonic() < end:
        if state(genl, family, devs[0]) != HOOKED:
            continue
        tries, since = tries + 1, time.monotonic()
        delete(nft)
        state(genl, family, devs[0])
        make(nft, devs)
        now = state(genl, family, devs[0])
        took = time.monotonic() - since
        if now == UNHOOKED:
            return
    sys.exit(f"hooked each time, {tries} times; the last time took {took * 1000:.0f} ms")


if __name__ == "__main__":
    main()
