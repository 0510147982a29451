#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What the fuzzers begin with. Standard library only.

  corpus.py DIR
	Writes DIR/parse, DIR/text and DIR/reply, a file for each input.
"""

import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
sys.dont_write_bytecode = True
import frames  # noqa: E402

# struct given of parse.c
TAG, STAG, VLAN0, ENCAPSULATION, GSO_TCP, PROTOCOL, RAW, HEADER = (
    1 << n for n in range(8))
MACS = bytes(range(2, 14))


def given(flags=0, protocol=0, tci=0, headlen=0xffff, gso_size=0, inner=0,
          zeros=0):
    return (struct.pack("=H", flags) + struct.pack("!H", protocol) +
            struct.pack("=HHHHH", tci, headlen, gso_size, inner, zeros))


def packets():
    """One of each protocol and family, and what no flowtable takes."""
    ends = (("192.0.2.2", "198.51.100.2"), ("2001:db8:1::2", "2001:db8:2::2"))
    for src, dst in ends:
        for proto in (17, 6):
            yield frames.Packet(src, dst, 4000, 5000, proto, 24)
        for kind in ("frag", "fraglast", "options", "dstopts"):
            yield frames.of_kind(kind, src, dst, 4000, 5000, 0)


def tunnels():
    """IP in IP, one and two deep; with the encapsulation limit, too."""
    for packet in packets():
        octets = packet.octets()
        ends = (("2001:db8:3::2", "2001:db8:4::2") if packet.six else
                ("203.0.113.2", "203.0.113.3"))
        for deep in range(2):
            around = frames.Packet(*ends, 0, 0, 41 if packet.six else 4)
            if deep and packet.six:
                around.extension = 60, b"\0\4\1\4\1\1\0"
            octets = around.header(len(octets)) + octets
            yield frames.IP6 if packet.six else frames.IP, octets


def frame(kind, octets):
    return MACS + struct.pack("!H", kind) + octets


def parse():
    plain = [(frames.IP6 if p.six else frames.IP, p.octets()) for p in packets()]
    for how in frames.ENCAPSULATIONS:
        for kind, octets in plain[::3]:
            yield given() + frame(*frames.wrap(kind, octets[:100], how))
    for kind, octets in plain + list(tunnels()):
        octets = octets[:140]
        yield given() + frame(kind, octets)
        yield given(headlen=14) + frame(kind, octets)
        yield given(TAG, tci=7 | 5 << 13, headlen=40) + frame(kind, octets)
        yield given(TAG | STAG, tci=0) + frame(kind, octets)
        yield given(TAG | VLAN0, tci=0) + frame(*frames.wrap(kind, octets, [("c", 7)]))
        yield given(RAW) + octets
        yield given(gso_size=7) + frame(kind, octets)
        for inner in 40, 41:
            yield given(ENCAPSULATION | GSO_TCP, gso_size=1,
                        inner=2 + 14 + inner) + frame(kind, octets)
    # Cut short anywhere
    for kind, octets in plain[0], plain[6]:
        for how in [], [("c", 7), ("p", 77)]:
            outer, whole = frames.wrap(kind, octets, how)
            for length in range(len(whole) - len(octets) + 45):
                yield given() + frame(outer, whole[:length])
    # BIG TCP: no length in the header, much data
    for six in False, True:
        kind, octets = plain[7 if six else 1]
        at = 4 if six else 2
        octets = octets[:at] + b"\0\0" + octets[at + 2:]
        for size in 1448, 1:
            yield given(GSO_TCP, gso_size=size, zeros=12000) + frame(kind, octets)


# --- the command --------------------------------------------------------------

def numbers():
    """The enumerators of the uapi header; each enum begins with its own number."""
    out, number = {}, 0
    with open(os.path.join(HERE, "../../include/uapi/linux/nf_flow_qos.h"),
              encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    for body in re.findall(r"enum\s*\w*\s*\{(.*?)\}", text, flags=re.S):
        number = 0
        for name, value in re.findall(r"(\w+)(?:\s*=\s*(\w+))?\s*,", body):
            if value:
                number = int(value, 0)
            out[name.removeprefix("NF_FLOW_QOS_")] = number
            number += 1
    return out


N = numbers()
MESSAGE, ACK, DONE, ERRNO, RAW, CONTROL, INTR, TLVS, CAPPED = (
    0, 1, 2, 3, 4, 0x08, 0x10, 0x20, 0x40)
NESTED = 0x8000


def attr(kind, data):
    kind = N[kind] if isinstance(kind, str) else kind
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def u32(kind, value):
    return attr(kind, struct.pack("=I", value & 0xffffffff))


def u64(kind, value):
    return attr(kind, struct.pack("=Q", value))


def text_attr(kind, value):
    return attr(kind, value.encode() + b"\0")


def nest(kind, *inside):
    return attr(N[kind] | NESTED if isinstance(kind, str) else kind | NESTED,
                b"".join(inside))


def record(kind, cmd=0, data=b""):
    return struct.pack("=BBH", kind, cmd, len(data)) + data


DONE_0 = record(DONE, 0, bytes(4))
ACK_0 = record(ACK | CAPPED, 0, bytes(4))


def map_message(name, cmd="CMD_MAP_GET"):
    entries = [nest("A_MAP_ENTRY", u32("A_ENTRY_CLASS", c), u32("A_ENTRY_PRIO", c),
                    u32("A_ENTRY_PCP", c // 8), u32("A_ENTRY_KEEP", 4))
               for c in (0, 8, 46)]
    return record(MESSAGE, N[cmd], text_attr("A_MAP_NAME", name) + b"".join(entries) +
                  u32("A_MAP_BOUND", 1) + u32("A_MAP_GENERATION", 3))


def dev_message(name, ifindex, cmd="CMD_DEV_GET"):
    return record(MESSAGE, N[cmd], text_attr("A_DEV_NAME", name) +
                  u32("A_DEV_IFINDEX", ifindex) + text_attr("A_DEV_MAP", "default") +
                  u32("A_DEV_TRUST", 3) + u32("A_DEV_SCOPE", 1) +
                  u32("A_DEV_STATE", 1) + text_attr("A_DEV_REASON", "why\xe9\x1b[m\x9bm") +
                  u32("A_DEV_STICKY", 1) + u32("A_DEV_CTMARK_MASK", 0xfc) +
                  u32("A_DEV_GENERATION", 3))


def flow_message(six, cmd="CMD_FLOW_GET"):
    family = "V6" if six else "V4"
    packet = list(packets())[8 if six else 0]
    out = (u32("A_FLOW_IIF", 1) + u32("A_FLOW_OIF", 2) + u32("A_FLOW_DEV", 1) +
           u32("A_FLOW_FAMILY", 10 if six else 2) + u32("A_FLOW_PROTO", 17) +
           attr(f"A_FLOW_SRC_{family}", packet.src) +
           attr(f"A_FLOW_DST_{family}", packet.dst) +
           u32("A_FLOW_SPORT", 4000) + u32("A_FLOW_DPORT", 5000))
    out += u32("A_FLOW_VLAN", 7) + u32("A_FLOW_PPPOE", 77)
    for name in ("CLASS", "DSCP", "DSCP_OUT", "PRIO", "PCP", "SOURCE",
                 "LEARNED_PRIO", "LEARNED_DSCP", "LEARNED_PCP",
                 "LEARNED_AMBIGUOUS"):
        out += u32(f"A_FLOW_{name}", 5)
    for name in ("PACKETS", "BYTES", "AGE_MS", "IDLE_MS"):
        out += u64(f"A_FLOW_{name}", 83123456)
    if six:
        out += attr("A_FLOW_TUN_SRC_V6", packet.dst) + attr("A_FLOW_TUN_DST_V6",
                                                            packet.src)
    return record(MESSAGE, N[cmd], out)


def stats_message():
    out = b"".join(u64(number, 12345) for name, number in N.items()
                   if name.startswith("A_STATS_") and
                   name not in ("A_STATS_CLASS", "A_STATS_PAD"))
    return record(MESSAGE, N["CMD_STATS_GET"], out + nest(
        "A_STATS_CLASS", u32("A_CLASS_STATS_CLASS", 46),
        u64("A_CLASS_STATS_PACKETS", 1), u64("A_CLASS_STATS_BYTES", 1500)))


def config_message(cmd="CMD_CONFIG_GET"):
    return record(MESSAGE, N[cmd], u32("A_CONFIG_FLOW_LIMIT", 65536) +
                  u32("A_CONFIG_FLOW_TIMEOUT", 60))


def status_message():
    tables = [nest("A_STATUS_FLOWTABLE", u32("A_FLOWTABLE_IFINDEX", n),
                   text_attr("A_FLOWTABLE_NAME", f"dev{n}"),
                   u32("A_FLOWTABLE_PRIORITY", -n), u32("A_FLOWTABLE_STATE", n % 3),
                   u32("A_FLOWTABLE_ID", 1), u32("A_FLOWTABLE_FLAGS", n))
              for n in (1, 2)]
    return record(MESSAGE, N["CMD_STATUS_GET"], text_attr("A_STATUS_VERSION", "1.0") +
                  u32("A_STATUS_EGRESS_HOOK", 1) + u32("A_STATUS_XMIT_LOWEST", 1) +
                  b"".join(tables) +
                  nest("A_STATUS_SESSION", u32("A_SESSION_IFINDEX", 6),
                       u32("A_SESSION_LOWER", 5)))


def conntrack_message(six):
    """linux/netfilter/nfnetlink_conntrack.h; numbers in network order."""
    packet = list(packets())[8 if six else 0]
    out = b""
    for which, ends in ((1, (packet.src, packet.dst)), (2, (packet.dst, packet.src))):
        ports = (4000, 5000) if which == 1 else (5000, 4000)
        first = 3 if six else 1
        out += nest(which, nest(1, attr(first, ends[0]), attr(first + 1, ends[1])),
                    nest(2, attr(1, b"\x11"), attr(2, struct.pack("!H", ports[0])),
                         attr(3, struct.pack("!H", ports[1]))))
    for kind in (3, 7, 8, 12):
        out += attr(kind, struct.pack("!I", 14))
    out += nest(4, nest(1, attr(1, b"\x03"))) + attr(18, b"\0\1")
    return record(MESSAGE, 0, out)


def links():
    """struct made_link of world.c: a bridge of two, VLANs and a session on a bond."""
    made = [(1, 0, 0, 3, 1, 2, 0, 0), (2, 0, 0, 3, 0, 4, 0, 0),
            (3, 2, 0, 0, 0, 0, 0, 0), (4, 3, 0, 0, 2, 1, 0, 0),
            (5, 1, 4, 0, 4, 0, 7, 2), (6, 4, 0, 0, 0, 5, 0, 0),
            (7, 5, 5, 0, 0, 0, 0, 0), (8, 0, 0, 4, 0, 7, 0, 0)]
    return record(MESSAGE, 0, b"".join(bytes(m) for m in made))


def ack(error, attrs, capped=True):
    head = struct.pack("=iIHHII", -error, 20, 30, 1, 1, 0)
    return record(ACK_TLVS | (CAPPED if capped else 0), 0, head + attrs)


ACK_TLVS = ACK | TLVS


def status_answers():
    return (status_message() + DONE_0 + dev_message("dev1", 1) +
            dev_message("dev5", 5) + dev_message("any", 0) + DONE_0 +
            map_message("default") + DONE_0 + links())


def answers():
    """By the number of the command in reply.c's list: what it is told."""
    maps = map_message("default") + map_message("voice") + DONE_0
    devs = dev_message("dev1", 1) + dev_message("any", 0) + DONE_0
    flows = flow_message(False) + flow_message(True) + DONE_0
    conntrack = conntrack_message(False) + conntrack_message(True) + DONE_0
    explained = (status_answers() + flow_message(False) + flow_message(True) + DONE_0 +
                 config_message() + ACK_0 + stats_message() + ACK_0 + conntrack)
    events = (map_message("m", "CMD_MAP_SET_NTF") + map_message("m", "CMD_MAP_DEL_NTF") +
              dev_message("dev1", 1, "CMD_DEV_SET_NTF") +
              dev_message("dev1", 1, "CMD_DEV_STATE_NTF") +
              config_message("CMD_CONFIG_SET_NTF") +
              flow_message(True, "CMD_FLOW_NEW_NTF") +
              flow_message(False, "CMD_FLOW_END_NTF") +
              record(CONTROL, 2, text_attr(2, "nf_flow_qos")))
    refused = ack(2, text_attr(1, "no such map") + u32(2, 20))
    missing = ack(22, u32(5, 1) + u32(6, 20), False)
    told = [maps, map_message("m") + ACK_0, devs, dev_message("any", 0) + ACK_0,
            flows + conntrack, flow_message(False) + DONE_0 + conntrack, explained,
            explained, stats_message() + ACK_0, config_message() + ACK_0,
            status_answers(), events, events, refused, refused, missing, refused,
            missing, ACK_0, maps + devs + config_message() + ACK_0 +
            map_message("default") + ACK_0, maps]
    everything = maps + devs + flows + explained + conntrack + refused + missing
    return told, everything, refused, missing


def reply():
    told, everything, refused, missing = answers()
    # An answer too many
    yield bytes([8, 1]) + 2 * stats_message() + ACK_0
    for number, octets in enumerate(told):
        for flags in (0, 1, 7):
            yield bytes([number, flags]) + octets
        yield bytes([number, 1]) + refused
        yield bytes([number, 1]) + missing
        yield bytes([number, 0]) + record(ERRNO, 1) + octets
        yield bytes([number, 0]) + octets.replace(DONE_0, record(DONE | INTR, 0, bytes(4)))
        # The family itself is told
        yield bytes([number, 0]) + record(CONTROL, 1, u32(1, 0x77) + u32(3, 1)) + record(
            ACK | CONTROL, 0, bytes(4)) + octets
    yield b"\xff\0" + everything
    for octets in told:
        yield b"\xff\0" + octets


RESTORE, BATCH, PRESET, MODULE, WORDS, COMMAND_LINE = range(6)

CONFIGURATION = """\
# Configuration
config set flow-limit 65536 flow-timeout 60
map add voice preset rfc8325
map add \\
    copy from voice
map set voice ef,va,40-43 prio 1:10 pcp vlan dscp af41
map set default all prio keep pcp 7 dscp keep
dev set dev1 map voice trust ctmark 0xfc 0x100 scope all sticky on absent
dev set 'dev 2' trust pcp
dev set "any" map copy
map add gone
map del gone
dev del dev1
"""

ASKS = """\
map show
map presets
map show voice
dev show
flow show proto udp src 192.0.2.0/24 dst 198.51.100.2 sport 4000 dscp ef
flow explain proto tcp src ::1 dst ::2 iif dev1
stats show
config show
status
help
dev help
flow flush
stats reset
save -
"""

LINES = ("-j -p map show", "-s flow show -s", "-n lan status", "-b fuzz",
         "-V", "-h", "--json --pretty stats show", "map set m ef prio 1",
         "__complete map set m ef", "__complete dev set eth0 trust", "monitor flows",
         "__complete flow show proto", "restore fuzz", "save -", "m s", "map ls",
         "flow explain proto gre src 10.0.0.1 dst 10.0.0.2 iif dev1", "-- status",
         "config set flow-timeout 5 flow-limit 0x10", "-batch fuzz -netns x")


def text():
    refusals = (ACK_0, ack(2, text_attr(1, "no such map") + u32(2, 40)),
                ack(22, u32(5, 3) + u32(6, 60)))
    for refusal in refusals:
        yield bytes([RESTORE]) + refusal + CONFIGURATION.encode()
    for line in CONFIGURATION.replace("\\\n", "").splitlines():
        yield bytes([RESTORE]) + ACK_0 + (
            "map add voice\nmap add copy\ndev set dev1\n" + line).encode()
    yield bytes([BATCH]) + (CONFIGURATION + ASKS).encode()
    for line in ASKS.splitlines():
        yield bytes([BATCH]) + line.encode()
    presets = os.path.join(HERE, "../../tools/presets")
    for name in sorted(os.listdir(presets)):
        with open(os.path.join(presets, name), "rb") as file:
            yield bytes([PRESET]) + file.read()
    yield bytes([PRESET]) + b"description " + 100 * b"long " + b"\nkind constant\n"
    yield bytes([MODULE]) + b"\0vvermagivermagic=6.1.0-56-amd64 SMP mod"
    yield bytes([MODULE]) + b"a/b.ko:\nupdates/dkms/nf_flow_qos.ko: a/b.ko\n"
    yield bytes([WORDS]) + CONFIGURATION.encode()
    yield bytes([WORDS]) + (b"0 1:10 0x2e ef be,8-15,all all 40-47 192.0.2.1/24 "
                            b"2001:db8::/32 ::ffff:1.2.3.4 ffff:ffff 4294967295 dev1 "
                            b"'a b' \\# \"\" x# 63,62,61,60")
    for line in LINES:
        yield bytes([COMMAND_LINE]) + line.replace(" ", "\0").encode() + b"\0"


def write(directory, inputs):
    os.makedirs(directory, exist_ok=True)
    for number, octets in enumerate(inputs):
        with open(os.path.join(directory, f"{number:04}"), "wb") as file:
            file.write(octets)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for name, inputs in (("parse", parse), ("text", text), ("reply", reply)):
        write(os.path.join(sys.argv[1], name), inputs())


if __name__ == "__main__":
    main()
