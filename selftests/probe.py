#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A probe on what the kernel knows of a packet. Standard library only.

  probe.py start FUNCTION REGISTER [PAST]
	From now on, each call of the kernel's function with an skb in the
	register (si: the second argument) is a line of the trace: fields of
	the skb and the first 128 octets from PAST (default: 14) before its
	data on, which is where an Ethernet frame begins.
  probe.py read [MAC]
	Prints the lines without what differs between two calls with the same
	packet: times, processors, addresses. With MAC only frames whose source
	address begins so. Of the octets only those that the packet has. The
	checksum over all of a packet is folded: what a tunnel's header was does
	not show. Then forgets them.
  probe.py clear
  probe.py stop

Where the fields are is read from the kernel's own description of its types
(BTF), so that this works on any kernel with kprobe events.
"""

import os
import re
import struct
import sys

TRACING = "/sys/kernel/tracing"
EVENT = "ftqos/seen"

# Wanted of struct sk_buff, where the kernel has it
FIELDS = ("len", "data_len", "mac_len", "protocol", "priority", "mark",
          "pkt_type", "ip_summed", "csum", "csum_level", "csum_valid",
          "csum_complete_sw", "vlan_present", "vlan_all", "vlan_proto",
          "vlan_tci", "mac_header", "network_header", "transport_header",
          "skb_iif", "cloned", "tc_index", "encapsulation", "nf_trace")

STRUCT, UNION = 4, 5
# What follows struct btf_type, in octets for each of its elements or in all
PER_ELEMENT = {STRUCT: 12, UNION: 12, 6: 8, 13: 8, 15: 12, 19: 12}
ONCE = {1: 4, 3: 12, 14: 4, 17: 4}


class Btf:
    """BTF, see Documentation/bpf/btf.rst of the kernel."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        head, types, types_len, strings, strings_len = struct.unpack_from(
            "<4x5I", data)
        self.types = data[head + types:head + types + types_len]
        self.strings = data[head + strings:head + strings + strings_len]
        self.at = [0]
        at = 0
        unpack = struct.Struct("<4xI").unpack_from
        while at < types_len:
            self.at.append(at)
            info, = unpack(self.types, at)
            kind, count = info >> 24 & 31, info & 0xffff
            at += 12 + PER_ELEMENT.get(kind, 0) * count + ONCE.get(kind, 0)

    def name(self, offset):
        return self.strings[offset:self.strings.index(0, offset)].decode()

    def struct_at(self, name):
        word = struct.pack("<I", self.strings.index(
            b"\0" + name.encode() + b"\0") + 1)
        for at in self.at[1:]:
            if (self.types[at:at + 4] == word and
                    self.types[at + 7] & 31 == STRUCT):
                return at
        raise LookupError(name)

    def size(self, number):
        """Octets of a type, through typedefs and qualifiers."""
        while True:
            at = self.at[number]
            info, number = struct.unpack_from("<4xII", self.types, at)
            kind = info >> 24 & 31
            if kind == 2:
                return 8
            if kind not in (8, 9, 10, 11, 18):
                return number

    def members(self, at, base=0):
        """name: (bit offset, bits), of anonymous members, too."""
        out = {}
        info, = struct.unpack_from("<4xI", self.types, at)
        for i in range(info & 0xffff):
            name, number, where = struct.unpack_from("<3I", self.types,
                                                     at + 12 + 12 * i)
            bits = 0
            if info >> 31:
                bits, where = where >> 24, where & 0xffffff
            if self.strings[name]:
                out[self.name(name)] = (base + where,
                                        bits or 8 * self.size(number))
                continue
            inner = self.at[number]
            if self.types[inner + 7] & 31 in (STRUCT, UNION):
                out.update(self.members(inner, base + where))
        return out


def fetch(name, register, where, bits):
    """An argument of a kprobe event."""
    if bits in (8, 16, 32) and where % bits == 0:
        return f"{name}=+{where // 8}(%{register}):x{bits}"
    # The octet, or the word, that a bit field lies in
    container = 8 if where // 8 == (where + bits - 1) // 8 else 32
    start = where - where % container
    return (f"{name}=+{start // 8}(%{register}):"
            f"b{bits}@{where - start}/{container}")


def write(name, text, how=os.O_TRUNC):
    # Not open(): to append it would seek, which these files cannot
    file = os.open(f"{TRACING}/{name}", os.O_WRONLY | how)
    os.write(file, text.encode())
    os.close(file)


def start(function, register, past="14"):
    btf = Btf("/sys/kernel/btf/vmlinux")
    members = btf.members(btf.struct_at("sk_buff"))
    args = [fetch(name, register, *members[name])
            for name in FIELDS if name in members]
    data = members["data"][0] // 8
    for i in range(2):
        args.append(f"octets{i}={64 * i - int(past):+d}"
                    f"(+{data}(%{register})):x8[64]")
    write("kprobe_events", f"p:{EVENT} {function} {' '.join(args)}\n", os.O_APPEND)
    write("trace", " ")
    write(f"events/{EVENT}/enable", "1")
    print(" ".join(name for name in FIELDS if name not in members))


def read(mac=""):
    with open(f"{TRACING}/trace", encoding="ascii") as file:
        for line in file:
            found = re.search(r" seen: \([^)]*\) (.*?) octets0=\{(.*?)\} "
                              r"octets1=\{(.*)\}", line)
            if not found:
                continue
            fields, *octets = found.groups()
            octets = "".join(f"{int(n, 16):02x}"
                             for n in ",".join(octets).split(","))
            if "ip_summed=2 " in fields:
                fields = re.sub(r"csum=(\w+)", lambda csum:
                                f"csum={int(csum[1], 16) % 0xffff:#x}", fields)
            length = int(re.match(r"len=(\w+)", fields)[1], 16)
            octets = octets[:2 * (length + 14)]
            if octets[12:].startswith(mac):
                print(fields, octets)
    write("trace", " ")


def stop():
    if os.path.exists(f"{TRACING}/events/{EVENT}/enable"):
        write(f"events/{EVENT}/enable", "0")
        write("kprobe_events", f"-:{EVENT}\n", os.O_APPEND)


if __name__ == "__main__":
    jobs = {"start": start, "read": read, "stop": stop,
            "clear": lambda: write("trace", " ")}
    if not sys.argv[1:] or sys.argv[1] not in jobs:
        sys.exit(__doc__)
    jobs[sys.argv[1]](*sys.argv[2:])
