#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Frames that no socket would send, octet by octet. Standard library only.

  frames.py refused DEV MAC SRC DST SPORT DPORT [--tags LIST[;LIST]...]
                    [--kinds KIND[,KIND]...] [--big N] [--mark N]
	One frame of each kind for each list of tags (as pkt.py's). Its source
	address is 02:66:71:MARK:NUMBER OF TAGS' LIST:NUMBER OF KIND.

  frames.py malformed DEV MAC SRC4 DST4 SRC6 DST6 SPORT DPORT
                    [--random N --seed N] [--vid N]
	Every length and every wrong size, or N frames of random changes. Behind
	every 50 of them a good one of either family, 160 octets of data long.
	With --vid those are in this VLAN. IP's ID and flow label have the number
	of the encapsulation. Prints a line of JSON: how many frames, good ones,
	how many should be called broken IP, and how many the kernel drops before
	any hook.

  frames.py sniff DEV FILE [FIFO]
	Writes what DEV receives and has our mark in its data, a line of hex
	each, until it is ended; "ready" to FIFO first.

  frames.py air FILE [FIFO]
	Writes what is sent on the air of mac80211_hwsim (device hwsim0), a line
	of JSON for each IP packet with a port: tid (null: not a QoS frame), dscp,
	family, sport, dport. Until it is ended.

Several jobs can be given to one process, separated by "+".

The kinds, of which a flowtable takes good ones only: good, partial (checksum
left to the device, TTL 1), ttl1, frag (first), fraglast, options (IPv6:
hop-by-hop), dstopts (IPv6), big, fin and rst (TCP).
"""

import os
import random
import select
import signal
import socket
import struct
import sys

MARK = b"ftqs"
KINDS = ("good", "partial", "ttl1", "frag", "fraglast", "options", "dstopts",
         "big", "fin", "rst")
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_VNET_HDR = 15
IP, IP6, PPPOE, CTAG, STAG = 0x0800, 0x86dd, 0x8864, 0x8100, 0x88a8


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


class Packet:
    """An IP packet; what is not said otherwise is as it should be."""

    def __init__(self, src, dst, sport, dport, proto=17, size=160, tos=0xb8):
        self.six = ":" in src
        family = socket.AF_INET6 if self.six else socket.AF_INET
        self.src = socket.inet_pton(family, src)
        self.dst = socket.inet_pton(family, dst)
        self.ports = struct.pack("!HH", sport, dport)
        self.proto, self.tos, self.ttl = proto, tos, 64
        self.flags, self.fragment, self.options = 0x10, 0, b""
        self.extension = None
        self.data = MARK + bytes(i * 7 & 0xff for i in range(size - 4))
        self.partial = False
        self.id = 7

    def layer4(self):
        if self.proto == 17:
            head, where = self.ports + struct.pack("!HH", 8 + len(self.data),
                                                   0), 6
        else:
            head, where = self.ports + struct.pack(
                "!IIHHHH", 0x12345678, 0x9abcdef, 5 << 12 | self.flags, 1024,
                0, 0), 16
        pseudo = self.src + self.dst + struct.pack(
            "!II", len(head) + len(self.data), self.proto)
        value = checksum(pseudo) if self.partial else \
            ~checksum(pseudo + head + self.data) & 0xffff or 0xffff
        return (head[:where] + struct.pack("!H", value) + head[where + 2:] +
                self.data)

    def header(self, length):
        if self.six:
            first, extra = self.proto, b""
            if self.extension is not None:
                first, extra = self.extension[0], bytes(
                    [self.proto]) + self.extension[1]
            return struct.pack("!IHBB", 6 << 28 | self.tos << 20 | self.id,
                               len(extra) + length, first,
                               self.ttl) + self.src + self.dst + extra
        words = 5 + len(self.options) // 4
        head = struct.pack("!BBHHHBBH", 4 << 4 | words, self.tos,
                           4 * words + length, self.id, self.fragment, self.ttl,
                           self.proto, 0) + self.src + self.dst + self.options
        value = ~checksum(head) & 0xffff
        return head[:10] + struct.pack("!H", value) + head[12:]

    def octets(self):
        inner = self.layer4()
        return self.header(len(inner)) + inner


def of_kind(kind, src, dst, sport, dport, big):
    packet = Packet(src, dst, sport, dport,
                    6 if kind in ("fin", "rst") else 17,
                    big if kind == "big" else 160)
    if kind in ("ttl1", "partial"):
        packet.ttl = 1
    packet.partial = kind == "partial"
    if kind == "frag":
        packet.fragment = 0x2000
        packet.extension = 44, struct.pack("!BHI", 0, 1, 99)
    elif kind == "fraglast":
        packet.fragment = 20
        packet.extension = 44, struct.pack("!BHI", 0, 160, 99)
    elif kind == "options":
        packet.options = b"\1\1\1\0"
        packet.extension = 0, b"\0\1\4\0\0\0\0"
    elif kind == "dstopts":
        packet.extension = 60, b"\0\1\4\0\0\0\0"
    elif kind == "fin":
        packet.flags = 0x11
    elif kind == "rst":
        packet.flags = 0x14
    return packet


def tags_of(text):
    out = b""
    for tag in text.split(",") if text else []:
        vid, pcp, dei, *_ = [int(n) for n in
                             tag.removeprefix("ad").split(":")] + [0, 0]
        out += struct.pack("!HH", STAG if tag.startswith("ad") else CTAG,
                           pcp << 13 | dei << 12 | vid)
    return out


def raw_socket(dev):
    # talk.py's processor: what that sends afterwards comes after these
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((dev, 0))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    return sock


def mac_of(text):
    return bytes.fromhex(text.replace(":", ""))


def refused(dev, mac, src, dst, sport, dport, *words):
    options = dict(zip(words[::2], words[1::2]))
    kinds = options.get("--kinds", "good").split(",")
    sock = raw_socket(dev)
    sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    for number, text in enumerate(options.get("--tags", "").split(";")):
        tags = tags_of(text)
        for kind in kinds:
            packet = of_kind(kind, src, dst, int(sport), int(dport),
                             int(options.get("--big", 1600)))
            source = b"\x02\x66\x71" + bytes(
                [int(options.get("--mark", 0)), number, KINDS.index(kind)])
            vnet = bytes(10)
            if packet.partial:
                start = 14 + len(tags) + (40 if packet.six else 20)
                vnet = struct.pack("=BBHHHH", 1, 0, 0, 0, start, 6)
            sock.send(vnet + mac_of(mac) + source + tags +
                      struct.pack("!H", IP6 if packet.six else IP) +
                      packet.octets())


# --- malformed ------------------------------------------------------------

def wrap(kind, octets, how):
    """Behind what: a list of ("c" or "s", VID) and ("p", SESSION)."""
    for what, number in reversed(how):
        if what == "p":
            ppp = {IP: 0x21, IP6: 0x57}.get(kind, 0xc021)
            octets = struct.pack("!BBHHH", 0x11, 0, number, len(octets) + 2,
                                 ppp) + octets
            kind = PPPOE
        else:
            octets = struct.pack("!HH", number, kind) + octets
            kind = CTAG if what == "c" else STAG
    return kind, octets


ENCAPSULATIONS = ([], [("c", 7)], [("s", 7)], [("c", 7 | 5 << 13)],
                  [("c", 0xa000)], [("s", 7 | 0xf000), ("c", 8 | 0xb000)],
                  [("c", 7), ("c", 8 | 0x6000)], [("p", 77)],
                  [("c", 7), ("p", 77)], [("s", 0), ("c", 0)],
                  [("c", 7 | 0x2000), ("c", 8), ("p", 77)],
                  [("s", 7), ("c", 8), ("c", 7), ("c", 6), ("c", 5)])


def broken(kind, octets):
    """What the module's counter should say of a frame: is it IP, behind at most
    two tags and a PPPoE header, whose headers cannot be read?  None: the kernel
    drops it before any hook."""
    tagged = False
    if kind in (CTAG, STAG):
        # The outermost tag, with what follows, is taken off by the kernel
        if len(octets) < 6:
            return None
        kind, octets, tagged = *struct.unpack_from("!2xH", octets), octets[4:], 1
    if kind in (CTAG, STAG):
        if len(octets) < 4:
            return False
        kind, octets = *struct.unpack_from("!2xH", octets), octets[4:]
    if kind == PPPOE:
        if len(octets) < 8:
            return False
        ppp, = struct.unpack_from("!6xH", octets)
        kind, octets = {0x21: IP, 0x57: IP6}.get(ppp, 0), octets[8:]
    if kind == IP:
        if len(octets) < 20 or octets[0] >> 4 != 4 or octets[0] & 15 < 5:
            return True
        proto, start = octets[9], (octets[0] & 15) * 4
    elif kind == IP6:
        if len(octets) < 40 or octets[0] >> 4 != 6:
            return True
        proto, start = octets[6], 40
    else:
        return False
    return proto in (6, 17) and len(octets) < start + 4


def sizes(octets):
    """Where what a header says of its own size is, and what it could be."""
    out = [(0, bytes([n << 4 | octets[0] & 15])) for n in range(16)]
    if octets[0] >> 4 == 4:
        out += [(0, bytes([4 << 4 | n])) for n in range(16)]
        at, proto, layer4 = 2, octets[9], 20
    else:
        at, proto, layer4 = 4, octets[6], 40
    lengths = [0, 1, 4, 7, 19, 20, 21, 39, 40, len(octets) - 1,
               len(octets) + 1, 1500, 0x7fff, 0xffff]
    out += [(at, struct.pack("!H", n)) for n in lengths]
    if proto == 17:
        out += [(layer4 + 4, struct.pack("!H", n)) for n in lengths]
    else:
        out += [(layer4 + 12, bytes([n << 4])) for n in range(16)]
    return out


def exact(packets):
    """Kind and octets behind the Ethernet header. All lengths, and all that the
    headers say wrong about their sizes and versions, behind all encapsulations."""
    for number, how in enumerate(ENCAPSULATIONS):
        for packet in packets:
            packet.id = number
            kind = IP6 if packet.six else IP
            octets = packet.octets()
            headers = len(octets) - len(packet.data)
            outer, whole = wrap(kind, octets, how)
            for length in range(len(whole) - len(octets) + headers + 1):
                yield outer, whole[:length]
            for where, what in sizes(octets):
                yield wrap(kind, octets[:where] + what +
                           octets[where + len(what):], how)
    # PPPoE's own header
    for packet in packets[::2]:
        kind = IP6 if packet.six else IP
        for how in ([("p", 77)], [("c", 7), ("p", 77)]):
            outer, whole = wrap(kind, packet.octets(), how)
            start = 4 * (len(how) - 1)
            for where, what in [
                    (0, b"\x12"), (0, b"\x21"), (0, b"\0"), (1, b"\x09"),
                    (1, b"\xa7"), (2, b"\0\0"), (2, b"\xff\xff"), (4, b"\0\0"),
                    (4, b"\0\1"), (4, b"\xff\xff"), (6, b"\x21\x45"),
                    (6, b"\xc0\x21"), (6, b"\x00\xfd"), (6, b"\0\x57"),
                    (6, b"\0\x21")]:
                where += start
                yield outer, whole[:where] + what + whole[where + len(what):]


def nested(packets, rng):
    """IP in IP, up to five times, cut somewhere."""
    packet = rng.choice(packets)
    kind, octets = IP6 if packet.six else IP, packet.octets()
    for _ in range(rng.randint(1, 5)):
        around = Packet("192.0.2.2", "198.51.100.2", 0, 0) \
            if rng.random() < .5 else \
            Packet("2001:db8:1::2", "2001:db8:2::2", 0, 0)
        around.proto = 41 if kind == IP6 else 4
        octets = around.header(len(octets)) + octets
        kind = IP6 if around.six else IP
    return wrap(kind, octets, rng.choice(ENCAPSULATIONS))


def changed(packets, rng):
    if rng.random() < .2:
        kind, octets = nested(packets, rng)
    else:
        packet = rng.choice(packets)
        kind, octets = wrap(IP6 if packet.six else IP, packet.octets(),
                            rng.choice(ENCAPSULATIONS))
    octets = bytearray(octets)
    for _ in range(rng.randint(1, 4)):
        octets[rng.randrange(min(len(octets), 90))] = rng.randrange(256)
    if rng.random() < .5:
        del octets[rng.randrange(len(octets)):]
    return rng.choice((kind, kind, kind, rng.randrange(65536))), bytes(octets)


def malformed(dev, mac, src4, dst4, src6, dst6, sport, dport, *words):
    options = dict(zip(words[::2], words[1::2]))
    rng = random.Random(int(options.get("--seed", 0)))
    ports = int(sport), int(dport)
    good = [(IP, Packet(src4, dst4, *ports).octets()),
            (IP6, Packet(src6, dst6, *ports).octets())]
    # Of a flow, so that what is wrong is all that the flowtable can object to
    packets = [Packet(src, dst, *ports, proto, 24)
               for src, dst in ((src4, dst4), (src6, dst6))
               for proto in (17, 6)]
    sock = raw_socket(dev)
    own = sock.getsockname()[4]
    number = int(options.get("--random", 0))
    todo = ((changed(packets, rng) for _ in range(number)) if number
            else exact(packets))
    frames = goods = count = dropped = 0
    vlan = tags_of(options.get("--vid", ""))
    if vlan:
        good = [(CTAG, vlan[2:] + struct.pack("!H", kind) + octets)
                for kind, octets in good]
    for kind, octets in todo:
        sock.send(mac_of(mac) + own + struct.pack("!H", kind) + octets)
        frames += 1
        wrong = broken(kind, octets)
        dropped += wrong is None
        count += bool(wrong)
        if frames % 50 == 0:
            for kind, octets in good:
                sock.send(mac_of(mac) + own + struct.pack("!H", kind) + octets)
                goods += 1
    print(f'{{"frames": {frames}, "good": {goods}, "broken": {count}, '
          f'"dropped": {dropped}}}')


def until_ended(sock, fifo, work):
    """Calls work(frame, ancillary data, address) for all that comes."""
    stop = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.append(1))
    wake_r, wake_w = socket.socketpair()
    wake_w.setblocking(False)
    signal.set_wakeup_fd(wake_w.fileno())
    if fifo:
        with open(fifo, "w", encoding="ascii") as file:
            file.write("ready\n")
    while True:
        # Once told to stop, only what has arrived already
        readable = select.select([sock] if stop else [sock, wake_r], [], [],
                                 0 if stop else None)[0]
        if sock in readable:
            frame, extra, _, where = sock.recvmsg(65600, 256)
            work(frame, extra, where)
        elif stop:
            return
        else:
            wake_r.recv(64)


def listening(dev):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.bind((dev, 3))
    return sock


def sniff(dev, path, fifo=None):
    with open(path, "w", encoding="ascii") as out:
        def line(frame, extra, where):
            if where[2] == 4 or MARK not in frame:
                return
            tag = ""
            for _, _, data in extra:
                status, value, tpid = struct.unpack_from("=I12xHH", data)
                if status & 0x10:
                    tag = f"{tpid:04x}.{value:04x}"
            out.write(f"{tag or '-'} {frame.hex()}\n")
        until_ended(listening(dev), fifo, line)


def air(path, fifo=None):
    with open(path, "w", 1, encoding="ascii") as out:
        def line(frame, _, __):
            at = struct.unpack_from("<H", frame, 2)[0]
            # Data frames with data, IEEE 802.11 clause 9.2.4.1
            control = frame[at]
            if control & 0x4c != 0x08:
                return
            tid, start = "null", at + 24
            if control & 0x80:
                tid, start = frame[start] & 15, start + 2
            kind, = struct.unpack_from("!H", frame, start + 6)
            at = start + 8
            if kind == IP:
                tos, ports = frame[at + 1], at + 20
            elif kind == IP6:
                tos = struct.unpack_from("!H", frame, at)[0] >> 4 & 255
                ports = at + 40
            else:
                return
            sport, dport = struct.unpack_from("!HH", frame, ports)
            out.write(f'{{"tid": {tid}, "dscp": {tos >> 2}, "family": '
                      f'{4 if kind == IP else 6}, "sport": {sport}, '
                      f'"dport": {dport}}}\n')

        def safe(*words):
            try:
                line(*words)
            except (struct.error, IndexError):
                pass
        until_ended(listening("hwsim0"), fifo, safe)


if __name__ == "__main__":
    jobs = {"refused": refused, "malformed": malformed, "sniff": sniff,
            "air": air}
    if not sys.argv[1:] or sys.argv[1] not in jobs:
        sys.exit(__doc__)
    words = sys.argv[1:]
    while words:
        end = words.index("+") if "+" in words else len(words)
        jobs[words[0]](*words[1:end])
        words = words[end + 1:]
