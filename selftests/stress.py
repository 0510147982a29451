#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Traffic through a router that things happen to. Standard library only.

  stress.py [--ready FIFO] serve PORT
	Sends back what comes to the port, UDP and TCP, IPv4 and IPv6, until it is
	ended.

  stress.py talk PORT STAT SEED ADDRESS...
	Two UDP flows and two TCP connections to each address, one of EF and one of a
	DSCP that is drawn, until it is ended. STAT has the answers so far: a line
	"udp4 N", ..., and "wrong N": those that are not what was sent. Errors
	of the network end nothing: a flow that gets no answers for a second is given
	up, and another begins at another port.
"""

import os
import random
import select
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from talk import new_socket as waiting_socket, set_tos  # noqa: E402

EF = 0xb8
SILENCE = 1
PAUSE = 0.05
# Chunks of a TCP stream that are on their way at most, and their size
AHEAD, CHUNK = 4, 1000


def new_socket(family, kind):
    sock = waiting_socket(family, kind)
    sock.setblocking(False)
    return sock


def serve(port, ready):
    poll = select.poll()
    listening, streams = {}, {}
    for family in (socket.AF_INET, socket.AF_INET6):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            sock = new_socket(family, kind)
            sock.bind(("", port))
            if kind == socket.SOCK_STREAM:
                sock.listen(128)
            listening[sock.fileno()] = sock
            poll.register(sock, select.POLLIN)
    if ready:
        with open(ready, "w", encoding="ascii") as fifo:
            fifo.write("ready\n")
    while True:
        for number, _ in poll.poll():
            sock = listening.get(number)
            try:
                if sock is None:
                    sock = streams[number]
                    # What is sent is little: a buffer that is full is a dead peer's
                    data = sock.recv(1 << 16)
                    if data and sock.send(data) == len(data):
                        continue
                elif sock.type == socket.SOCK_STREAM:
                    sock = sock.accept()[0]
                    sock.setblocking(False)
                    streams[sock.fileno()] = sock
                    poll.register(sock, select.POLLIN)
                    continue
                else:
                    data, peer = sock.recvfrom(1 << 16)
                    # The sender's DSCP, so that both directions have one
                    set_tos(sock, data[0])
                    sock.sendto(data, peer)
                    continue
            except OSError:
                pass
            if number in streams:
                poll.unregister(number)
                streams.pop(number).close()


class Flow:
    """One after the other of the same kind."""

    def __init__(self, kind, address, port, draw, tos=None):
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.tcp = kind == socket.SOCK_STREAM
        self.name = ("tcp" if self.tcp else "udp") + ("6" if ":" in address
                                                      else "4")
        self.kind, self.to, self.draw = kind, (address, port), draw
        self.fixed_tos = tos
        self.answers, self.wrong, self.sock = 0, 0, None
        self.begin(0)

    def begin(self, now):
        if self.sock:
            self.sock.close()
        self.sock = new_socket(self.family, self.kind)
        self.tos = self.fixed_tos or self.draw.randrange(64) << 2
        set_tos(self.sock, self.tos)
        self.sent, self.got, self.heard = 0, 0, now
        # What was sent to one before it, at the same port by chance, is not its own
        self.mark = self.draw.randbytes(4)
        try:
            self.sock.connect(self.to)
        except OSError:
            pass

    def octets(self, at, size):
        """Of a TCP stream, from there on: each chunk has others."""
        first = at // CHUNK
        data = b"".join(struct.pack("!II", n, n ^ self.tos) * (CHUNK // 8)
                        for n in range(first, (at + size) // CHUNK + 1))
        return data[at - first * CHUNK:][:size]

    def packet(self, number, size):
        head = struct.pack("!B4sI", self.tos, self.mark, number)
        return head + bytes((number + i) & 255 for i in range(size - len(head)))

    def send(self):
        if self.tcp:
            if self.sent - self.got < AHEAD * CHUNK:
                self.sent += self.sock.send(self.octets(self.sent, CHUNK))
        else:
            self.sent += 1
            size = self.draw.choice((16, 64, 400))
            self.sock.send(self.packet(self.sent, size))

    def take(self):
        data = self.sock.recv(1 << 16)
        if self.tcp:
            if not data:
                raise ConnectionError
            right = data == self.octets(self.got, len(data))
            self.got += len(data)
        else:
            if data[1:5] != self.mark:
                return
            number = struct.unpack_from("!I", data, 5)[0]
            right = (number <= self.sent and
                     data == self.packet(number, len(data)))
        self.answers += right
        self.wrong += not right

    def step(self, now, readable):
        try:
            if readable:
                self.take()
                self.heard = now
            else:
                self.send()
        except BlockingIOError:
            pass
        except OSError:
            # A TCP connection that is no more, or an ICMP error of a moment
            if self.tcp:
                self.begin(now)
        if now - self.heard > SILENCE:
            self.begin(now)


def talk(port, stat, seed, addresses):
    draw = random.Random(seed)
    flows = [Flow(kind, address, port, draw, tos) for address in addresses
             for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)
             for tos in (EF, None)]
    due, wrote = 0, 0
    while True:
        now = time.monotonic()
        readable = select.select([f.sock for f in flows], [], [],
                                 max(0, due - now))[0]
        now = time.monotonic()
        for flow in flows:
            if flow.sock in readable:
                flow.step(now, True)
        if now >= due:
            # A machine that fell behind does not send a burst
            due = now + PAUSE
            for flow in flows:
                flow.step(now, False)
        if now > wrote + 0.2:
            wrote = now
            count = {"wrong": sum(flow.wrong for flow in flows)}
            for flow in flows:
                count[flow.name] = count.get(flow.name, 0) + flow.answers
            with open(stat + ".new", "w", encoding="ascii") as out:
                out.writelines(f"{k} {n}\n" for k, n in sorted(count.items()))
            os.rename(stat + ".new", stat)


def main():
    words, ready = sys.argv[1:], None
    if words[:1] == ["--ready"]:
        ready, words = words[1], words[2:]
    if words[:1] == ["serve"] and len(words) == 2:
        serve(int(words[1]), ready)
    elif words[:1] == ["talk"] and len(words) > 4:
        talk(int(words[1]), words[2], int(words[3]), words[4:])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
