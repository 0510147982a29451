#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Streams that run while something happens. Standard library only.

  streams.py [--ready FIFO] send LOG DEV RATE PCP NAME=ADDRESS...
	UDP packets of EF to port 5000 of each address, RATE a second each, until
	it is ended; what comes back through DEV is noted in LOG. An address that
	begins with "-" is only known, not sent to.

  streams.py [--ready FIFO] serve LOG DEV,DEV... NAME=ADDRESS/PCP...
	Sends back, with EF, what comes to port 5000, until it is ended; what comes
	in through the devices is noted in LOG.

Of every frame with a VLAN tag that comes in through DEV and is of a stream, LOG
has a line

	MILLISECONDS up|down NAME KIND

by the monotonic clock; KIND is s for the slow path (the router's forward chain
sets the TTL to 99), c for a packet that was offloaded and has the PCP that is
given here in its outermost tag, u for one that was offloaded and has another. The
devices may come and go.
"""

import array
import os
import select
import socket
import struct
import sys
import time

EF = 0xb8
PORT = 5000
SLOW_TTL = 99
ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_OUTGOING = 4
SO_RCVBUFFORCE = 33
SO_ATTACH_FILTER = 26
VLAN_TPIDS = (0x8100, 0x88a8)
ETH_P_PPP_SES = 0x8864

# What was sent by this host, and what has no tag, is not looked at:
#	ld pkttype; jeq #PACKET_OUTGOING, drop
#	ld vlan_tag_present; jeq #0, drop; ret #65535; drop: ret #0
FILTER = [(0x20, 0, 0, 0xfffff004), (0x15, 3, 0, PACKET_OUTGOING),
          (0x20, 0, 0, 0xfffff030), (0x15, 1, 0, 0), (0x06, 0, 0, 65535),
          (0x06, 0, 0, 0)]


def capture_socket():
    """Of no device, so that devices may come and go."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                         socket.htons(ETH_P_ALL))
    code = array.array("B", b"".join(struct.pack("=HBBI", *line)
                                     for line in FILTER))
    program = struct.pack("@HP", len(FILTER), code.buffer_info()[0])
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    sock.setblocking(False)
    return sock


def inside(frame):
    """TTL, addresses and ports of the UDP packet in a frame, or None."""
    kind, at = struct.unpack_from("!H", frame, 12)[0], 14
    while kind in VLAN_TPIDS:
        kind, at = struct.unpack_from("!H", frame, at + 2)[0], at + 4
    if kind == ETH_P_PPP_SES:
        ppp = struct.unpack_from("!H", frame, at + 6)[0]
        kind, at = {0x21: 0x0800, 0x57: 0x86dd}.get(ppp, 0), at + 8
    if kind == 0x0800 and frame[at + 9] == 17:
        at4 = at + (frame[at] & 15) * 4
        return (frame[at + 8], frame[at + 12:at + 16], frame[at + 16:at + 20],
                *struct.unpack_from("!HH", frame, at4))
    if kind == 0x86dd and frame[at + 6] == 17:
        return (frame[at + 7], frame[at + 8:at + 24], frame[at + 24:at + 40],
                *struct.unpack_from("!HH", frame, at + 40))
    return None


class Watch:
    """Writes down what comes in."""

    def __init__(self, path, devices, way, streams):
        self.sock = capture_socket()
        self.log = open(path, "w", 1, encoding="ascii")
        self.devices, self.way, self.streams = devices, way, streams

    def look(self):
        while True:
            try:
                frame, extra, _, where = self.sock.recvmsg(2048, 256)
            except BlockingIOError:
                return
            if where[0] not in self.devices:
                continue
            try:
                got = inside(frame)
            except (struct.error, IndexError):
                continue
            if got is None:
                continue
            ttl, src, dst, sport, dport = got
            up = self.way == "up"
            stream = self.streams.get(dst if up else src)
            if stream is None or (dport if up else sport) != PORT:
                continue
            for level, kind, data in extra:
                if level == SOL_PACKET and kind == PACKET_AUXDATA:
                    pcp = struct.unpack_from("=H", data, 16)[0] >> 13
            kind = ("s" if ttl == SLOW_TTL else
                    "c" if pcp == stream[1] else "u")
            now = int(time.monotonic() * 1000)
            self.log.write(f"{now} {self.way} {stream[0]} {kind}\n")


def udp_sockets(port):
    socks = {}
    for family in (socket.AF_INET, socket.AF_INET6):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, EF)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, EF)
        sock.bind(("", port))
        sock.setblocking(False)
        socks[family] = sock
    return socks


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def packed(address):
    return socket.inet_pton(family_of(address), address)


def ready(fifo):
    if fifo:
        with open(fifo, "w", encoding="ascii") as out:
            out.write("ready\n")


def serve(words, fifo):
    log, devices, *names = words
    streams = {}
    for word in names:
        name, _, rest = word.partition("=")
        address, _, pcp = rest.partition("/")
        streams[packed(address)] = (name, int(pcp))
    watch = Watch(log, devices.split(","), "up", streams)
    socks = list(udp_sockets(PORT).values())
    ready(fifo)
    while True:
        for sock in select.select([watch.sock] + socks, [], [])[0]:
            if sock is watch.sock:
                watch.look()
                continue
            try:
                data, peer = sock.recvfrom(2048)
                sock.sendto(data, peer)
            except OSError:
                pass


def send(words, fifo):
    log, device, rate, pcp, *names = words
    streams, targets = {}, []
    for word in names:
        name, _, address = word.partition("=")
        if not address.startswith("-"):
            targets.append((family_of(address), address.lstrip("-")))
        streams[packed(address.lstrip("-"))] = (name, int(pcp))
    watch = Watch(log, [device], "down", streams)
    socks = udp_sockets(PORT - 1)
    ready(fifo)
    step = 1 / (float(rate) * len(targets))
    at, turn = time.monotonic(), 0
    while True:
        family, address = targets[turn % len(targets)]
        turn += 1
        try:
            socks[family].sendto(b"." * 64, (address, PORT))
        except OSError:
            pass
        # A machine that fell behind does not send a burst
        at = max(at + step, time.monotonic() - 0.1)
        while True:
            left = max(0, at - time.monotonic())
            readable = select.select([watch.sock, *socks.values()], [], [],
                                     left)[0]
            for sock in readable:
                if sock is watch.sock:
                    watch.look()
                    continue
                try:
                    sock.recv(2048)
                except OSError:
                    pass
            if left == 0:
                break


def main():
    words, fifo = sys.argv[1:], None
    if words[:1] == ["--ready"]:
        fifo, words = words[1], words[2:]
    jobs = {"send": send, "serve": serve}
    if not words or words[0] not in jobs:
        sys.exit(__doc__)
    os.nice(-5)
    jobs[words[0]](words[1:], fifo)


if __name__ == "__main__":
    main()
