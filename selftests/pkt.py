#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Packets for the selftests: send, capture, echo. Standard library only.

  pkt.py send DST [--tos N] [--sport N] [--dport N] [--count N] [--size N]
  pkt.py raw --dev DEV --dst-mac MAC --src A --dst A [--proto udp|tcp]
             [--tags [ad]VID[:PCP[:DEI]],...] [--tos N] [--sport N] [--dport N]
             [--count N] [--size N] [--pad N]     frames of at least N octets
             [--ttl N] [--odd fragment|options|syn]  what no flowtable takes
  pkt.py capture DEV [--out FILE] [--count N] [--timeout S] [--direction in|out]
             [--hex 1]                               DEV any: all, with "dev"
  pkt.py echo ADDRESS [--port N] [--tos N]           UDP, until it is ended
  pkt.py server ADDRESS [--port N] [--tos N]         TCP, sends back
  pkt.py client ADDRESS [--port N] [--tos N] [--sport N] [--count N] [--size N]
  pkt.py stream DST [--rate N] [--sport N] [--ports N] [--dport N] [--tos N]
             [--size N] [--stat FILE]                UDP, until it is ended

SIGUSR1 makes capture write {"phase": N}, N from 1 on, behind all that was
captured so far, and everything to the file; then the word "phase" to --ready's FIFO.

Several jobs can be given to one process, separated by "+". "pkt.py -" reads such
jobs, a line each time, and says "ok" or what went wrong.

A tag that begins with "ad" is an S-tag (802.1ad). The TOS is the whole octet (DSCP << 2). With --ready FIFO the word "ready" is
written there as soon as packets are captured or answered.

A captured packet is a line of JSON: tags (outermost first; tpid, vid, pcp,
dei), vid, pcp and dei of the outermost (null if there is none), dscp, ecn,
ttl (IPv6: hop limit), sum (1: that of the IPv4 header is right), family, proto, src, dst, sport, dport, len (of the IP
packet), frame (of the frame as it was on the wire), dir ("in" or "out"), and
seq (what send, raw and client put into the payload), time (milliseconds of the
monotonic clock), inner (of proto "ipip" and "ipv6": the packet inside); with
--hex 1 also hex, the frame with all its tags.

stream sends --rate packets a second from --ports source ports in turn, counts
what comes back, and keeps "SENT RECEIVED" in the file. Errors of the network
do not end it.
"""

import os
import select
import signal
import socket
import struct
import sys
import time

ETH_P_ALL = 0x0003
ETH_P_PPP_SES = 0x8864
VLAN_TPIDS = (0x8100, 0x88a8)
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_OUTGOING = 4
TP_STATUS_VLAN_VALID = 0x10
TP_STATUS_VLAN_TPID_VALID = 0x40
PROTOS = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmpv6", 47: "gre", 4: "ipip",
          41: "ipv6", 50: "esp"}
TUNNELS = {4: 0x0800, 41: 0x86dd}
DSTOPTS = 60
MAGIC = b"ftqs"


def to_json(value):
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{k}": {to_json(v)}'
                               for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(to_json(v) for v in value) + "]"
    return str(value) if isinstance(value, int) else f'"{value}"'


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def set_tos(sock, family, tos):
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)


def payload(seq, size):
    return (MAGIC + struct.pack("!I", seq)).ljust(size, b".")


def ready(args):
    """Says so. What it returns takes what else there is to say, a line each."""
    if not args.ready:
        return None
    fifo = open(args.ready, "w", 1, encoding="ascii")
    fifo.write("ready\n")
    return fifo


def same_cpu():
    # That of talk.py: what it sends afterwards comes after what is sent here
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def send(args):
    same_cpu()
    family = family_of(args.address)
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        set_tos(sock, family, args.tos)
        sock.bind(("", args.sport))
        for seq in range(args.count):
            sock.sendto(payload(seq, args.size), (args.address, args.dport))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip_packet(args, seq):
    family = family_of(args.src)
    src = socket.inet_pton(family, args.src)
    dst = socket.inet_pton(family, args.dst)
    data = payload(seq, args.size)
    proto = 6 if args.proto == "tcp" else 17
    if proto == 17:
        l4 = struct.pack("!4H", args.sport, args.dport, 8 + len(data), 0)
        where = 6
    else:
        l4 = struct.pack("!2H2I4H", args.sport, args.dport, seq, 0,
                         0x5002 if args.odd == "syn" else 0x5010, 1024, 0, 0)
        where = 16
    l4 += data
    pseudo = src + dst + struct.pack("!2I", len(l4), proto)
    value = checksum(pseudo + l4) or 0xffff
    l4 = l4[:where] + struct.pack("!H", value) + l4[where + 2:]
    if family == socket.AF_INET6:
        if args.odd == "fragment":
            l4 = struct.pack("!BBHI", proto, 0, 1, seq) + l4
            proto = 44
        elif args.odd == "options":
            l4 = struct.pack("!BBBB4x", proto, 0, 1, 4) + l4
            proto = 60
        return struct.pack("!IHBB", 6 << 28 | args.tos << 20, len(l4), proto,
                           args.ttl) + src + dst + l4
    options = b"\1" * 4 if args.odd == "options" else b""
    head = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, args.tos,
                       20 + len(options) + len(l4), seq & 0xffff,
                       0x2000 if args.odd == "fragment" else 0, args.ttl,
                       proto, 0) + src + dst + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + l4


def raw(args):
    same_cpu()
    tags = b""
    for tag in args.tags.split(",") if args.tags else []:
        tpid = 0x88a8 if tag.startswith("ad") else 0x8100
        vid, pcp, dei, *_ = [int(n) for n in
                             tag.removeprefix("ad").split(":")] + [0, 0]
        tags += struct.pack("!HH", tpid, pcp << 13 | dei << 12 | vid)
    mac = bytes.fromhex(args.dst_mac.replace(":", ""))
    ethertype = 0x86dd if ":" in args.src else 0x0800
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((args.dev, 0))
        own = sock.getsockname()[4]
        for seq in range(args.count):
            frame = (mac + own + tags + struct.pack("!H", ethertype) +
                     ip_packet(args, seq))
            sock.send(frame.ljust(args.pad, b"\xff"))


def tci(tpid, value):
    return {"tpid": f"{tpid:#06x}", "vid": value & 0xfff, "pcp": value >> 13,
            "dei": value >> 12 & 1}


def parse(frame, aux):
    """One frame without the tag that the kernel took off, which is in aux."""
    out = {"tags": [], "vid": None, "pcp": None, "dei": None,
           "frame": len(frame)}
    if aux is not None:
        out["tags"].append(aux)
        out["frame"] += 4
    kind, at = struct.unpack_from("!H", frame, 12)[0], 14
    while kind in VLAN_TPIDS:
        value, inner = struct.unpack_from("!HH", frame, at)
        out["tags"].append(tci(kind, value))
        kind, at = inner, at + 4
    if out["tags"]:
        for key in ("vid", "pcp", "dei"):
            out[key] = out["tags"][0][key]
    if kind == ETH_P_PPP_SES:
        out["pppoe"] = struct.unpack_from("!H", frame, at + 2)[0]
        ppp = struct.unpack_from("!H", frame, at + 6)[0]
        kind, at = {0x21: 0x0800, 0x57: 0x86dd}.get(ppp, 0), at + 8
    out["ethertype"] = f"{kind:#06x}"
    out.update(parse_ip(frame, at, kind))
    return out


def parse_ip(frame, at, kind):
    out = {}
    if kind == 0x0800:
        octets, tos, length = struct.unpack_from("!BBH", frame, at)
        out.update(family="ipv4", len=length,
                   sum=int(not checksum(frame[at:at + (octets & 15) * 4])))
        family = socket.AF_INET
        fragment = struct.unpack_from("!H", frame, at + 6)[0] & 0x1fff
        ttl, proto = frame[at + 8], frame[at + 9]
        src, dst = frame[at + 12:at + 16], frame[at + 16:at + 20]
        at += (octets & 15) * 4
    elif kind == 0x86dd:
        word, length, proto, ttl = struct.unpack_from("!IHBB", frame, at)
        out.update(family="ipv6", len=length + 40)
        family = socket.AF_INET6
        tos, fragment = word >> 20 & 0xff, 0
        src, dst = frame[at + 8:at + 24], frame[at + 24:at + 40]
        at += 40
        if proto == DSTOPTS:
            proto, at = frame[at], at + (frame[at + 1] + 1) * 8
    else:
        return out
    out.update(dscp=tos >> 2, ecn=tos & 3, ttl=ttl,
               proto=PROTOS.get(proto, str(proto)),
               src=socket.inet_ntop(family, src),
               dst=socket.inet_ntop(family, dst))
    if proto in TUNNELS and not fragment:
        out["inner"] = parse_ip(frame, at, TUNNELS[proto])
    if proto in (6, 17) and not fragment and len(frame) >= at + 8:
        out["sport"], out["dport"] = struct.unpack_from("!HH", frame, at)
        data = at + (8 if proto == 17 else (frame[at + 12] >> 4) * 4)
        if frame[data:data + 4] == MAGIC and len(frame) >= data + 8:
            out["seq"] = struct.unpack_from("!I", frame, data + 4)[0]
    return out


def with_tag(frame, aux):
    if aux is None:
        return frame
    value = aux["pcp"] << 13 | aux["dei"] << 12 | aux["vid"]
    return (frame[:12] + struct.pack("!HH", int(aux["tpid"], 16), value) +
            frame[12:])


def softirq_threads():
    """The stat files of the kernel's threads that do what a CPU has put off."""
    files = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            file = open(f"/proc/{pid}/stat", encoding="utf-8",
                        errors="replace")
            if "(ksoftirqd/" in file.read():
                files.append(file)
        except OSError:
            continue
    return files


def wait_idle(files):
    """Until each of these threads has been idle, or two seconds have passed."""
    end = time.monotonic() + 2
    for file in files:
        while time.monotonic() < end:
            file.seek(0)
            # With PREEMPT_RT it can wait for a lock, too
            if file.read().rsplit(")", 1)[-1].split()[0] not in "RD":
                break
            time.sleep(0.001)


def capture(args):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                         socket.htons(ETH_P_ALL))
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    # More than rmem_max allows, root may
    sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
    # Bound to no device it gets the packets of all
    everywhere = args.dev == "any"
    if not everywhere:
        sock.bind((args.dev, ETH_P_ALL))
    out = (open(args.out, "w", 1, encoding="ascii") if args.out
           else sys.stdout)
    stop = []
    marks = []
    signal.signal(signal.SIGUSR1, lambda *_: marks.append(1))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.append(1))
    # Signals interrupt select() through this pair
    wake_r, wake_w = socket.socketpair()
    wake_w.setblocking(False)
    signal.set_wakeup_fd(wake_w.fileno())
    told = ready(args)
    end = time.monotonic() + args.timeout if args.timeout else None
    n = phase = 0
    threads = None
    waited = False
    while not (args.count and n >= args.count):
        # Once told to stop or to mark, only what has arrived already
        left = None if end is None else end - time.monotonic()
        if left is not None and left < 0:
            break
        if stop or marks:
            left = 0
        readable = select.select([sock] if left == 0 else [sock, wake_r], [],
                                 [], left)[0]
        if sock not in readable:
            if marks and not waited:
                # Packets on their way that a slow CPU has put off
                if threads is None:
                    threads = softirq_threads()
                wait_idle(threads)
                waited = True
                continue
            if marks:
                waited = False
                marks.pop()
                phase += 1
                out.write(to_json({"phase": phase}) + "\n")
                out.flush()
                if told:
                    told.write("phase\n")
                continue
            if stop or not readable:
                break
            wake_r.recv(64)
            continue
        frame, ancillary, _, where = sock.recvmsg(65600, 256)
        outgoing = where[2] == PACKET_OUTGOING
        if args.direction and outgoing != (args.direction == "out"):
            continue
        aux = None
        for level, kind, data in ancillary:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, _, _, _, _, value, tpid = struct.unpack_from(
                    "=IIIHHHH", data)
                if status & TP_STATUS_VLAN_VALID:
                    valid = status & TP_STATUS_VLAN_TPID_VALID
                    aux = tci(tpid if valid else 0x8100, value)
        try:
            packet = parse(frame, aux)
        except (struct.error, IndexError):
            packet = {"short": frame.hex(), "frame": len(frame)}
        packet["dir"] = "out" if outgoing else "in"
        if args.hex:
            packet["hex"] = with_tag(frame, aux).hex()
        if everywhere:
            packet["dev"] = where[0]
        packet["time"] = int(time.monotonic() * 1000)
        out.write(to_json(packet) + "\n")
        n += 1
    out.flush()


def echo(args):
    family = family_of(args.address)
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        set_tos(sock, family, args.tos)
        sock.bind((args.address, args.port))
        ready(args)
        while True:
            data, peer = sock.recvfrom(65536)
            sock.sendto(data, peer)


def server(args):
    family = family_of(args.address)
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        set_tos(listener, family, args.tos)
        listener.bind((args.address, args.port))
        listener.listen(16)
        ready(args)
        peers = []
        while True:
            for sock in select.select([listener] + peers, [], [])[0]:
                if sock is listener:
                    peer = listener.accept()[0]
                    set_tos(peer, family, args.tos)
                    peers.append(peer)
                    continue
                try:
                    data = sock.recv(65536)
                    if data:
                        sock.sendall(data)
                        continue
                except OSError:
                    pass
                peers.remove(sock)
                sock.close()


def client(args):
    """Ping-pong, so that every write is a packet of its own."""
    family = family_of(args.address)
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        set_tos(sock, family, args.tos)
        sock.settimeout(30)
        sock.bind(("", args.sport))
        sock.connect((args.address, args.port))
        for seq in range(args.count):
            sock.sendall(payload(seq, args.size))
            left = args.size
            while left:
                data = sock.recv(left)
                if not data:
                    sys.exit("the server closed the connection")
                left -= len(data)


def stream(args):
    family = family_of(args.address)
    stat = open(args.stat, "w", encoding="ascii") if args.stat else None
    poll = select.poll()
    socks = {}
    for port in range(args.sport, args.sport + args.ports):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        set_tos(sock, family, args.tos)
        sock.setblocking(False)
        sock.bind(("", port))
        socks[sock.fileno()] = sock
        poll.register(sock, select.POLLIN)
    ready(args)
    turn = list(socks.values())
    sent = received = 0
    at = time.monotonic()
    while True:
        try:
            turn[sent % len(turn)].sendto(payload(sent, args.size),
                                          (args.address, args.dport))
        except OSError:
            pass
        sent += 1
        # A machine that fell behind does not send a burst
        at = max(at + 1 / args.rate, time.monotonic() - 0.1)
        while True:
            left = max(0, at - time.monotonic())
            for number, _ in poll.poll(left * 1000):
                try:
                    socks[number].recv(65536)
                    received += 1
                except OSError:
                    pass
            if left == 0:
                break
        if stat:
            stat.seek(0)
            stat.write(f"{sent:10} {received:10}\n")
            stat.flush()


# Short options of all commands, and those that take text
DEFAULTS = {"tos": 0, "sport": 0, "dport": 5000, "port": 5000, "count": 1,
            "size": 64, "timeout": 0, "dev": None, "dst_mac": None, "src": None,
            "dst": None, "proto": "udp", "tags": "", "out": None,
            "direction": None, "address": None, "rate": 50, "ports": 1,
            "stat": None, "pad": 0, "ttl": 64, "odd": None, "hex": 0}
TEXT = ("dev", "dst_mac", "src", "dst", "proto", "tags", "out", "direction",
        "stat", "odd")


class Args:
    """One job. Not argparse: a start of Python costs enough under emulation."""

    def __init__(self, words, fifo):
        self.__dict__.update(DEFAULTS)
        self.ready = fifo
        words = list(words)
        self.what = words.pop(0) if words else ""
        if self.what == "capture":
            self.count = 0
        while words:
            word = words.pop(0)
            if not word.startswith("--"):
                self.address = self.dev = word
                continue
            key = word[2:].replace("-", "_")
            if key not in DEFAULTS or not words:
                sys.exit(f"pkt.py: {word}?\n{__doc__}")
            value = words.pop(0)
            if key == "timeout":
                value = float(value)
            elif key not in TEXT:
                value = int(value, 0)
            setattr(self, key, value)


JOBS = {"send": send, "raw": raw, "capture": capture, "echo": echo,
        "server": server, "client": client, "stream": stream}


def run(words, fifo):
    while words:
        end = words.index("+") if "+" in words else len(words)
        args = Args(words[:end], fifo)
        words = words[end + 1:]
        if args.what not in JOBS or not args.dev:
            sys.exit(__doc__)
        JOBS[args.what](args)


def main():
    words, fifo = sys.argv[1:], None
    if words[:1] == ["--ready"]:
        fifo, words = words[1], words[2:]
    if words != ["-"]:
        run(words, fifo)
        return
    for line in sys.stdin:
        try:
            run(line.split(), None)
            print("ok", flush=True)
        except (OSError, ValueError, SystemExit) as error:
            print("error:", *str(error).split("\n")[:1], flush=True)


if __name__ == "__main__":
    main()
