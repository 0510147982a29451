#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Everything that the family tells, octet by octet. Standard library only.

  leaks.py [--as UID] FIFO ADDRESS...

Listens to both groups, as root of its namespace or as another user, says "ready"
to the FIFO, and, as soon as that says something, asks for all that can be asked
for. Prints a line of each: "KEY VALUE"

  answers    messages that came
  refused    names of what was refused with EPERM
  pointers   octets that are the address of something in the kernel, in hex
  looked     whether these are known: where they look like any number, they are not
  missed     of the module's own addresses those that would not have been found
  addresses  which of ADDRESS (IPv4) were in it
  ids        how many ids of flowtables there are
  low        how many different values their lowest three bits have
"""

import errno
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from nlattr import attribute, attributes  # noqa: E402

NETLINK_GENERIC, GENL_ID_CTRL = 16, 16
CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 3, 1, 2
CTRL_ATTR_MCAST_GROUPS, MCAST_NAME, MCAST_ID = 7, 1, 2
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1

# enum nf_flow_qos_cmd: what only shows, and whether it is a dump
MAP_GET, DEV_GET, FLOW_GET, STATS_GET, CONFIG_GET, STATUS_GET = \
    1, 7, 13, 15, 17, 20
ASKED = {"map-get": (MAP_GET, 1), "dev-get": (DEV_GET, 1),
         "flow-get": (FLOW_GET, 1), "stats-get": (STATS_GET, 0),
         "config-get": (CONFIG_GET, 0), "status-get": (STATUS_GET, 1)}
STATUS_FLOWTABLE, FLOWTABLE_ID = 3, 5


def messages(data):
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        yield kind, data[16:length]
        data = data[(length + 3) & ~3:]


def ask(sock, family, command, flags, data=b""):
    """All that is answered; OSError if it is refused."""
    sock.send(struct.pack("=IHHIIBBH", 20 + len(data), family,
                          NLM_F_REQUEST | flags, 1, 0, command, 1, 0) + data)
    out = []
    while True:
        for kind, payload in messages(sock.recv(1 << 16)):
            if kind not in (NLMSG_DONE, NLMSG_ERROR):
                out.append(payload)
                continue
            error = struct.unpack_from("=i", payload)[0]
            if error:
                raise OSError(-error, os.strerror(-error))
            return out


def resolve(sock):
    answer = ask(sock, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK,
                 attribute(CTRL_ATTR_FAMILY_NAME, b"nf_flow_qos\0"))[0][4:]
    tb = dict(attributes(answer))
    groups = {}
    for _, group in attributes(tb[CTRL_ATTR_MCAST_GROUPS]):
        one = dict(attributes(group))
        groups[one[MCAST_NAME].rstrip(b"\0").decode()] = \
            struct.unpack("=I", one[MCAST_ID])[0]
    return struct.unpack("=H", tb[CTRL_ATTR_FAMILY_ID])[0], groups


def listen(groups, refused):
    """A socket that has joined all groups that it may."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
    sock.bind((0, 0))
    for name, number in groups.items():
        try:
            sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, number)
        except PermissionError:
            refused.append(name)
    return sock


def heard(sock):
    """What has come, and what comes until nothing does for a second."""
    out = []
    sock.settimeout(1)
    try:
        while True:
            out += [payload for _, payload in messages(sock.recv(1 << 16))]
    except TimeoutError:
        return out


def first_of(path, key):
    """The line of a file of /proc that begins so."""
    with open(path, encoding="ascii") as lines:
        return next((line for line in lines if line.startswith(key)), "")


def lowest_symbol():
    with open("/proc/kallsyms", encoding="ascii") as symbols:
        return next(value for value in (int(line.split()[0], 16) for line in symbols)
                    if value >> 16)


def kernel_addresses():
    """From where to where they are; at which octets of a message they may begin."""
    if "User Mode Linux" in first_of("/proc/cpuinfo", "vendor_id"):
        # A program's: its text, its memory behind that, vmalloc. So few of 64 bits are
        # other than 0 that numbers look like it which are two, if not aligned.
        text = lowest_symbol()
        size = int(first_of("/proc/meminfo", "MemTotal").split()[1]) << 10
        return [(text, text + 2 * size)], 4
    machine = os.uname().machine
    if machine == "x86_64":
        # Direct mapping, vmalloc, vmemmap; text and modules. Wherever they begin: their
        # upper half is that of no other value here
        return [(0xffff888000000000, 0xfffff00100000000),
                (0xffffffff80000000, 0xffffffffff000000)], 1
    if machine == "aarch64":
        # With 48 bits, direct mapping and all others
        return [(0xffff000000000000, 0xffffff0000000000)], 4
    # s390x has its memory from 0 on
    return [], 1


def is_address(ranges, value):
    return any(first <= value < end for first, end in ranges)


def pointers(ranges, step, payload):
    values = (struct.unpack_from("=Q", payload, at)[0]
              for at in range(0, len(payload) - 7, step))
    return [f"{value:x}" for value in values if is_address(ranges, value)]


def own_addresses():
    """Of the module's sections, which root may read."""
    for section in ".text", ".data":
        with open(f"/sys/module/nf_flow_qos/sections/{section}",
                  encoding="ascii") as address:
            yield int(address.read(), 16)


def flowtable_ids(answers):
    for payload in answers:
        for kind, nest in attributes(payload[4:]):
            if kind == STATUS_FLOWTABLE:
                yield struct.unpack("=I", dict(attributes(nest))[FLOWTABLE_ID])[0]


def main():
    words = sys.argv[1:]
    ranges, step = kernel_addresses()
    missed = [a for a in own_addresses() if not is_address(ranges, a)]
    if words[0] == "--as":
        user = int(words[1])
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        words = words[2:]
    fifo = words.pop(0)
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
    sock.bind((0, 0))
    sock.settimeout(20)
    family, groups = resolve(sock)
    refused, ids, answers = [], [], []
    group = listen(groups, refused)
    with open(fifo, "w", encoding="ascii") as told:
        told.write("ready\n")
    with open(fifo, encoding="ascii") as told:
        told.readline()
    answers += heard(group)
    for name, (command, dump) in ASKED.items():
        try:
            got = ask(sock, family, command, NLM_F_DUMP if dump else NLM_F_ACK)
        except OSError as error:
            if error.errno != errno.EPERM:
                raise
            refused.append(name)
            continue
        answers += got
        if name == "status-get":
            ids = list(flowtable_ids(got))
    everything = b"".join(answers)
    print("answers", len(answers))
    print("refused", *refused)
    print("pointers", *{p for a in answers for p in pointers(ranges, step, a)})
    print("looked", "yes" if ranges else "no")
    print("missed", *(f"{a:x}" for a in missed))
    print("addresses", *(a for a in words if socket.inet_aton(a) in everything))
    print("ids", len(set(ids)))
    print("low", len({i & 7 for i in ids}))


if __name__ == "__main__":
    main()
