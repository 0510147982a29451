#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Large transfers, and what both ends know about every packet of them. Standard
library only.

  bulk.py [--ready FIFO] serve
  bulk.py talk		reads commands, a line each, answers with a line:

	open NAME ADDRESS SPORT		a TCP connection and a UDP socket to it
	ping NAME COUNT			small packets both ways, by TCP and UDP
	tcp NAME up|down OCTETS
	udp NAME up|down BATCHES SEGMENTS SIZE

"ok", or "error: ...", or for tcp and udp a line of shell assignments:

  up_packets, up_bytes, down_packets, down_bytes
	packets that came to the other end and their octets of IP
  lost, reordered
	TCP: segments sent again, and such that came out of order; UDP: numbers that
	did not come, and such that came after a higher one

TCP's figures are those of TCP_INFO; UDP's of numbers in the packets, of which the
sender hands SEGMENTS of SIZE over as one (UDP_SEGMENT). What came has to be what
was sent. The server is asked for its figures by a connection of its own, to
port 5999; the other ports are 5300.
"""

import errno
import json
import os
import select
import socket
import struct
import sys
import time

PORT, CONTROL = 5300, 5999
UDP_SEGMENT = 103
TCP_QUICKACK = 12
WAIT = 10
PATTERN = bytes(i * 7 & 0xff for i in range(1 << 16))


def new_socket(family, kind):
    sock = socket.socket(family, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Windows that no queue on the way is too short for
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 400000)
    sock.settimeout(WAIT)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def tcp_info(sock):
    """struct tcp_info of linux/tcp.h, what is used of it, and nothing that waits to
    be acknowledged."""
    sock.setsockopt(socket.IPPROTO_TCP, TCP_QUICKACK, 1)
    data = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return {
        "retrans": struct.unpack_from("=I", data, 100)[0],
        "received": struct.unpack_from("=Q", data, 128)[0],
        "segs_out": struct.unpack_from("=I", data, 136)[0],
        "segs_in": struct.unpack_from("=I", data, 140)[0],
        "out_of_order": struct.unpack_from("=I", data, 224)[0],
    }


class Numbers:
    """UDP packets that came: counted, by the numbers in them."""

    def __init__(self):
        self.packets = self.octets = self.reordered = 0
        self.highest = -1
        self.seen = set()

    def add(self, data):
        number = struct.unpack_from("!I", data)[0]
        if data[4:] != PATTERN[number & 0xfff:][:len(data) - 4]:
            raise OSError("a packet is not what was sent")
        self.packets += 1
        self.octets += len(data)
        self.reordered += number < self.highest
        self.highest = max(self.highest, number)
        self.seen.add(number)


def receive_udp(sock, count):
    """Tell the sender of every 32nd packet, and of the last."""
    numbers, acks = Numbers(), 0
    sock.settimeout(3)
    while len(numbers.seen) < count:
        try:
            data, peer = sock.recvfrom(65536)
        except TimeoutError:
            break
        if len(data) < 100:
            continue
        numbers.add(data)
        if not numbers.packets % 32 or len(numbers.seen) == count:
            sock.sendto(struct.pack("!I", numbers.packets), peer)
            acks += 1
    sock.settimeout(WAIT)
    return {"packets": numbers.packets, "octets": numbers.octets,
            "lost": count - len(numbers.seen), "acks": acks,
            "reordered": numbers.reordered}


def send_udp(sock, peer, batches, segments, size):
    """Not more than 96 packets on their way. Older kernels cannot cut what they have
    no checksum offload for; then one by one. Return: acknowledgements."""
    count, sent, known, acks = batches * segments, 0, 0, 0
    one = False
    sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
    while known < count:
        if sent < count and sent - known <= 96:
            data = [struct.pack("!I", n) + PATTERN[n & 0xfff:][:size - 4]
                    for n in range(sent, sent + segments)]
            sent += segments
            if not one:
                try:
                    sock.sendto(b"".join(data), peer)
                    continue
                except OSError as error:
                    if error.errno != errno.EIO:
                        raise
                one = True
                sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 0)
            for packet in data:
                sock.sendto(packet, peer)
            continue
        try:
            known = struct.unpack("!I", sock.recv(100))[0]
            acks += 1
        except TimeoutError:
            break
    sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 0)
    return acks


def send_tcp(sock, octets):
    data = PATTERN * (octets // len(PATTERN) + 1)
    sock.sendall(data[:octets])


def receive_tcp(sock, octets):
    got = bytearray()
    while len(got) < octets:
        more = sock.recv(min(1 << 17, octets - len(got)))
        if not more:
            raise OSError("connection closed")
        got += more
    if bytes(got) != (PATTERN * (octets // len(PATTERN) + 1))[:octets]:
        raise OSError("what came is not what was sent")


class Lines:
    """A connection for lines of JSON."""

    def __init__(self, sock):
        self.file = sock.makefile("rw", encoding="ascii")

    def write(self, what):
        self.file.write(json.dumps(what) + "\n")
        self.file.flush()

    def read(self):
        line = self.file.readline()
        if not line:
            raise OSError("the other end is gone")
        return json.loads(line)


def serve_one(control, tcp, udp):
    """What the client says, one after the other."""
    peer = None
    while True:
        what, *args = control.read()
        if what == "echo":
            for _ in range(args[0]):
                tcp.sendall(tcp.recv(100))
                data, peer = udp.recvfrom(65536)
                udp.sendto(data, peer)
            control.write(0)
        elif what == "info":
            control.write(tcp_info(tcp))
        elif what == "send-tcp":
            send_tcp(tcp, args[0])
        elif what == "receive-tcp":
            receive_tcp(tcp, args[0])
            control.write(0)
        elif what == "send-udp":
            control.write(send_udp(udp, peer, *args))
        elif what == "receive-udp":
            control.write(receive_udp(udp, args[0]))


def serve(fifo):
    listening = {}
    for family in (socket.AF_INET, socket.AF_INET6):
        for port in (PORT, CONTROL):
            sock = new_socket(family, socket.SOCK_STREAM)
            sock.bind(("", port))
            sock.listen(8)
            listening[family, port] = sock
    if fifo:
        with open(fifo, "w", encoding="ascii") as out:
            out.write("ready\n")
    while True:
        for sock in select.select(list(listening.values()), [], [])[0]:
            if sock.getsockname()[1] != CONTROL:
                continue
            family = sock.family
            control = sock.accept()[0]
            if os.fork():
                control.close()
                continue
            udp = new_socket(family, socket.SOCK_DGRAM)
            # From the address that the client speaks to
            udp.bind((control.getsockname()[0], PORT))
            lines = Lines(control)
            lines.write(0)
            tcp = listening[family, PORT].accept()[0]
            tcp.settimeout(WAIT)
            tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                serve_one(lines, tcp, udp)
            except OSError as error:
                print(f"# bulk.py serve: {error}", flush=True)
                os._exit(0)


class Flow:
    def __init__(self, address, sport):
        family = family_of(address)
        self.head = 40 if family == socket.AF_INET6 else 20
        sock = new_socket(family, socket.SOCK_STREAM)
        sock.connect((address, CONTROL))
        self.control = Lines(sock)
        self.control.read()
        self.tcp = new_socket(family, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tcp.bind(("", int(sport)))
        self.tcp.connect((address, PORT))
        self.udp = new_socket(family, socket.SOCK_DGRAM)
        self.udp.bind(("", int(sport)))
        self.peer = (address, PORT)
        self.differ = None

    def ask(self, *what):
        self.control.write(what)
        return self.control.read()

    def ping(self, count):
        self.control.write(("echo", count))
        for _ in range(count):
            self.tcp.sendall(b"." * 20)
            self.tcp.recv(100)
            self.tcp.setsockopt(socket.IPPROTO_TCP, TCP_QUICKACK, 1)
            self.udp.sendto(b"." * 20, self.peer)
            self.udp.recv(100)
        self.control.read()

    def settled(self):
        """Both ends' figures, when all segments have come. The two do not count the
        same segments of the handshake."""
        end = time.monotonic() + WAIT
        same, last = 0, None
        while True:
            near, far = tcp_info(self.tcp), self.ask("info")
            differ = (near["segs_out"] - far["segs_in"],
                      near["segs_in"] - far["segs_out"])
            same = same + 1 if differ == last else 0
            last = differ
            if self.differ is None and same >= 5:
                self.differ = differ
            if differ == self.differ:
                return near, far
            if time.monotonic() > end:
                raise OSError(f"the ends do not agree: {near} {far}")
            time.sleep(0.02)

    def run_tcp(self, way, octets):
        near, far = self.settled()
        if way == "up":
            self.control.write(("receive-tcp", octets))
            send_tcp(self.tcp, octets)
            self.control.read()
        else:
            self.control.write(("send-tcp", octets))
            receive_tcp(self.tcp, octets)
        near2, far2 = self.settled()
        near = {key: near2[key] - near[key] for key in near}
        far = {key: far2[key] - far[key] for key in far}
        # A header of TCP with timestamps
        head = self.head + 32
        return {"up_packets": far["segs_in"],
                "up_bytes": far["received"] + far["segs_in"] * head,
                "down_packets": near["segs_in"],
                "down_bytes": near["received"] + near["segs_in"] * head,
                "lost": near["retrans"] + far["retrans"],
                "reordered": near["out_of_order"] + far["out_of_order"]}

    def run_udp(self, way, batches, segments, size):
        if way == "up":
            self.control.write(("receive-udp", batches * segments))
            acks = send_udp(self.udp, self.peer, batches, segments, size)
            got = self.control.read()
        else:
            self.control.write(("send-udp", batches, segments, size))
            got = receive_udp(self.udp, batches * segments)
            acks = self.control.read()
        head = self.head + 8
        one = (got["packets"], got["octets"] + got["packets"] * head)
        two = (acks, acks * (head + 4))
        if way == "down":
            one, two = two, one
        return {"up_packets": one[0], "up_bytes": one[1],
                "down_packets": two[0], "down_bytes": two[1],
                "lost": got["lost"] + got["acks"] - acks,
                "reordered": got["reordered"]}


def talk():
    flows = {}
    for line in sys.stdin:
        what, name, *words = line.split()
        try:
            if what == "open":
                flows[name] = Flow(*words)
                answer = "ok"
            elif what == "ping":
                flows[name].ping(int(words[0]))
                answer = "ok"
            elif what in ("tcp", "udp"):
                got = getattr(flows[name], f"run_{what}")(
                    words[0], *[int(word) for word in words[1:]])
                answer = " ".join(f"{key}={value}"
                                  for key, value in got.items())
            else:
                answer = "error: what?"
        except (OSError, KeyError, TypeError, ValueError) as error:
            answer = f"error: {line.strip()}: {error}"
        print(answer, flush=True)


def main():
    words, fifo = sys.argv[1:], None
    # veth receives on the CPU that sends: packets that a process sent before it was
    # moved to another CPU may come after those that it sends there
    os.sched_setaffinity(0, {0})
    if words[:1] == ["--ready"]:
        fifo, words = words[1], words[2:]
    if words == ["serve"]:
        serve(fifo)
    elif words == ["talk"]:
        talk()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
