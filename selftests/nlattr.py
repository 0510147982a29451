# SPDX-License-Identifier: GPL-2.0
"""Netlink attributes, octet by octet. Standard library only."""

import struct


def attribute(kind, data):
    return struct.pack("=HH", len(data) + 4, kind) + data + \
        b"\0" * (-len(data) % 4)


def attributes(data):
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & 0x3fff, data[4:length]
        data = data[(length + 3) & ~3:]
