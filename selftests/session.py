#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A PPPoE session that nobody negotiates, both ends in one process:
session.py [--ready FIFO] SESSION NAME NS DEV NS DEV

NS are namespaces of ip netns, DEV the Ethernet devices that the session is on. In
each the PPP device NAME is there until this process is ended; then the session
is gone as if the line were cut. Standard library only.
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys

AF_PPPOX = 24
PX_PROTO_OE = 0
PPPIOCGCHAN = 0x80047437
PPPIOCATTCHAN = 0x40047438
PPPIOCCONNECT = 0x4004743a
PPPIOCNEWUNIT = 0xc004743e
SIOCSIFNAME = 0x8923
SIOCGIFHWADDR = 0x8927
CLONE_NEWNET = 0x40000000


def number(fd, what, value=-1):
    """An ioctl that takes and gives an int."""
    data = bytearray(struct.pack("=i", value))
    fcntl.ioctl(fd, what, data)
    return struct.unpack("=i", data)[0]


def enter(libc, name):
    with open(f"/run/netns/{name}", "rb") as file:
        if libc.setns(file.fileno(), CLONE_NEWNET):
            sys.exit(f"setns: {os.strerror(ctypes.get_errno())}")


def mac_of(sock, dev):
    data = fcntl.ioctl(sock, SIOCGIFHWADDR, struct.pack("=16s24x", dev.encode()))
    return data[18:24]


def end(libc, session, name, dev, mac):
    """One end of the session, in the namespace that we are in."""
    address = struct.pack("=HI", AF_PPPOX, PX_PROTO_OE) + struct.pack(
        "!H6s16s", session, mac, dev.encode())
    sock = socket.socket(AF_PPPOX, socket.SOCK_STREAM, PX_PROTO_OE)
    if libc.connect(sock.fileno(), address, len(address)):
        sys.exit(f"connect: {os.strerror(ctypes.get_errno())}")
    channel = os.open("/dev/ppp", os.O_RDWR)
    number(channel, PPPIOCATTCHAN, number(sock, PPPIOCGCHAN))
    unit_fd = os.open("/dev/ppp", os.O_RDWR)
    unit = number(unit_fd, PPPIOCNEWUNIT)
    number(channel, PPPIOCCONNECT, unit)
    if f"ppp{unit}" != name:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_sock:
            fcntl.ioctl(any_sock, SIOCSIFNAME,
                        struct.pack("=16s16s8x", f"ppp{unit}".encode(),
                                    name.encode()))
    return sock, channel, unit_fd


def main():
    words, fifo = sys.argv[1:], None
    if words[:1] == ["--ready"]:
        fifo, words = words[1], words[2:]
    session, name, *ends = words
    ends = list(zip(ends[::2], ends[1::2]))
    libc = ctypes.CDLL(None, use_errno=True)
    macs, kept = [], []
    for space, dev in ends:
        enter(libc, space)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_sock:
            macs.append(mac_of(any_sock, dev))
    for (space, dev), mac in zip(ends, reversed(macs)):
        enter(libc, space)
        kept.append(end(libc, int(session), name, dev, mac))
    if fifo:
        with open(fifo, "w", encoding="ascii") as out:
            out.write("ready\n")
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
