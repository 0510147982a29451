#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Flows whose packets are sent when a test says so. Standard library only.

  talk.py [--ready FIFO] serve [PORT...]
	Answers on the ports (default: 5000), UDP and TCP, IPv4 and IPv6, with
	what it gets, until it is ended. The sender's ninth octet is the TOS
	of the answers.

  talk.py talk
	Reads commands, a line each; says "ok" when what they sent has been
	answered and gone all its way, or "error: ..." and then "ok":

	open NAME udp|tcp ADDRESS PORT TOS SPORT [TOS OF ANSWERS]
	ping COUNT SIZE NAME...		one packet at a time, waits for each answer
	send COUNT SIZE NAME...		does not wait for answers
	gso COUNT SIZE NAME...		UDP: COUNT packets of SIZE handed over as one
	bulk BYTES NAME...		TCP: a stream, and the same back
	close NAME...
	sync				only this one is answered with "ok"

NAME is a shell pattern but for open. What comes back has to be what was sent.

Both run on one CPU, so that what they send goes through the queues between
namespaces in order, and a packet that comes back says that all before it are
through.
"""

import os
import select
import socket
import struct
import sys
import time

MAGIC = b"ftqs"
IP_PKTINFO = 8
TCP_QUICKACK = 12
UDP_SEGMENT = 103
WAIT = 10


def set_tos(sock, tos):
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)


def new_socket(family, kind):
    sock = socket.socket(family, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def serve(ports, ready):
    poll = select.poll()
    listening, streams = {}, {}
    for port in ports:
        for family in (socket.AF_INET, socket.AF_INET6):
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                sock = new_socket(family, kind)
                sock.bind(("", port))
                if kind == socket.SOCK_STREAM:
                    sock.listen(128)
                elif family == socket.AF_INET:
                    sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
                listening[sock.fileno()] = sock
                poll.register(sock, select.POLLIN)
    if ready:
        with open(ready, "w", encoding="ascii") as fifo:
            fifo.write("ready\n")
    while True:
        for number, _ in poll.poll():
            sock = listening.get(number)
            if sock is None:
                sock = streams[number]
                try:
                    data = sock.recv(1 << 18)
                    if data[:4] == MAGIC:
                        set_tos(sock, data[8])
                    if data:
                        sock.sendall(data)
                        continue
                except OSError:
                    pass
                poll.unregister(sock)
                del streams[number]
                sock.close()
            elif sock.type == socket.SOCK_STREAM:
                sock = sock.accept()[0]
                sock.settimeout(WAIT)
                streams[sock.fileno()] = sock
                poll.register(sock, select.POLLIN)
            else:
                data, extra, _, peer = sock.recvmsg(65536, 64)
                set_tos(sock, data[8])
                # From the address that it was sent to
                extra = [(level, what, struct.pack("=i4s4x", 0, info[4:8]))
                         for level, what, info in extra if what == IP_PKTINFO]
                sock.sendmsg([data], extra, 0, peer)


class Flow:
    def __init__(self, proto, address, port, tos, sport, answers="0"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM
        self.tcp = proto == "tcp"
        self.answers = int(answers, 0)
        self.sock = new_socket(family, kind)
        self.sock.settimeout(WAIT)
        set_tos(self.sock, int(tos, 0))
        self.sock.bind(("", int(sport)))
        self.sock.connect((address, int(port)))
        self.seq = 0

    def payload(self, size):
        self.seq += 1
        head = MAGIC + struct.pack("!IB", self.seq, self.answers)
        # No two octets of a packet may change places unnoticed
        return head + bytes(i * 7 & 0xff for i in range(size - len(head)))

    def expect(self, data):
        got = b""
        while len(got) < len(data):
            more = self.sock.recv(len(data) - len(got) if self.tcp else 65536)
            if not more:
                raise OSError("connection closed")
            got += more
        if got != data:
            raise OSError("the answer is not what was sent")
        if self.tcp:
            # Now, not when a timer says so
            self.sock.setsockopt(socket.IPPROTO_TCP, TCP_QUICKACK, 1)

    def drain(self):
        """What others sent here in our name."""
        while not self.tcp and select.select([self.sock], [], [], 0)[0]:
            self.sock.recv(65536)

    def ping(self, count, size):
        self.drain()
        for _ in range(count):
            data = self.payload(size)
            self.sock.sendall(data)
            self.expect(data)

    def send(self, count, size):
        for _ in range(count):
            self.sock.sendall(self.payload(size))

    def gso(self, count, size):
        self.drain()
        data = [self.payload(size) for _ in range(count)]
        self.sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
        self.sock.send(b"".join(data))
        self.sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 0)
        for one in data:
            self.expect(one)

    def bulk(self, size):
        data = self.payload(size)
        got = bytearray()
        left = memoryview(data)
        end = time.monotonic() + 3 * WAIT
        while len(got) < size:
            can = select.select([self.sock], [self.sock] if left else [], [],
                                WAIT)
            if time.monotonic() > end or not (can[0] or can[1]):
                raise OSError(f"stuck after {len(got)} octets")
            if can[0]:
                more = self.sock.recv(1 << 18)
                if not more:
                    raise OSError("connection closed")
                got += more
            if can[1]:
                left = left[self.sock.send(left, socket.MSG_DONTWAIT):]
        if bytes(got) != data:
            raise OSError("the answer is not what was sent")
        self.sock.setsockopt(socket.IPPROTO_TCP, TCP_QUICKACK, 1)


def matches(pattern, name):
    """fnmatch with * only; the module costs a start-up."""
    first, *rest = pattern.split("*")
    if not name.startswith(first):
        return False
    at = len(first)
    for part in rest:
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return at == len(name) or pattern.endswith("*")


def settle(fence):
    """What was sent before is through: no way has more than six queues."""
    for _ in range(6):
        fence.send(b".")
        fence.recv(16)


def talk():
    flows = {}
    fence = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fence.settimeout(WAIT)
    fence.bind(("127.0.0.1", 0))
    fence.connect(fence.getsockname())

    def chosen(patterns):
        names = [n for n in flows if any(matches(p, n) for p in patterns)]
        if not names:
            raise OSError(f"no flow is called {patterns}")
        return names

    for line in sys.stdin:
        words = line.split()
        if not words:
            continue
        what, *words = words
        try:
            if what == "sync":
                settle(fence)
                print("ok", flush=True)
            elif what == "open":
                flows[words[0]] = Flow(*words[1:])
            elif what == "close":
                for name in chosen(words):
                    flows.pop(name).sock.close()
            elif what == "bulk":
                for name in chosen(words[1:]):
                    flows[name].bulk(int(words[0]))
            elif what in ("ping", "send", "gso"):
                for name in chosen(words[2:]):
                    getattr(flows[name], what)(int(words[0]), int(words[1]))
            else:
                raise OSError("what?")
        except (OSError, TypeError, ValueError) as error:
            print(f"error: {line.strip()}: {error}", flush=True)


def main():
    words, ready = sys.argv[1:], None
    if words[:1] == ["--ready"]:
        ready, words = words[1], words[2:]
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if words[:1] == ["serve"]:
        serve([int(word) for word in words[1:]] or [5000], ready)
    elif words == ["talk"]:
        talk()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
