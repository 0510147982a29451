#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Drives the family with the kernel's own YNL client and with bare netlink.

  ynl.py YNL_DIR SPEC FLOWS

Runs in the router's namespace, where wan0 is not bound yet and FLOWS flows, of
two directions each, from 192.0.2.2 to UDP port 5000 are offloaded as soon as it
is. A line per result: pass|NAME or fail|NAME|WHY.
"""

import errno
import os
import socket
import struct
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, sys.argv[1])
from lib import YnlFamily, NlError  # noqa: E402
from nlattr import attribute, attributes  # noqa: E402

NETLINK_GENERIC = 16
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLM_F_MULTI, NLM_F_DUMP_INTR = 2, 0x10
NLMSG_ERROR, NLMSG_DONE = 2, 3
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
# What a netlink socket reads at least at a time
SMALL = 4096


def result(name, good, why=""):
    text = str(why).replace("\n", " ")[:300]
    print(f"pass|{name}" if good else f"fail|{name}|{text}", flush=True)


def equal(name, wanted, got):
    result(name, wanted == got, f"wanted {wanted!r}, got {got!r}")


class Raw:
    """One request at a time, an answer a part at a time."""

    def __init__(self, family):
        self.family = family
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                                  NETLINK_GENERIC)
        self.sock.bind((0, 0))
        self.sock.settimeout(20)
        self.done = False

    def ask(self, command, flags=0, data=b"", version=1):
        self.done = False
        self.sock.send(struct.pack("=IHHIIBBH", 20 + len(data), self.family,
                                   NLM_F_REQUEST | flags, 1, 0, command,
                                   version, 0) + data)

    def part(self, size=SMALL):
        """Messages of one read: (flags, payload). Sets done at the end."""
        data, out = self.sock.recv(size), []
        while len(data) >= 16:
            length, kind, flags = struct.unpack_from("=IHH", data)
            if kind in (NLMSG_DONE, NLMSG_ERROR):
                self.done = True
                error = struct.unpack_from("=i", data, 16)[0]
                out.append((flags, None))
                if error:
                    raise OSError(-error, os.strerror(-error))
            else:
                out.append((flags, data[20:length]))
            data = data[(length + 3) & ~3:]
        return out

    def rest(self, size=SMALL):
        out = []
        while not self.done:
            out += self.part(size)
        return out

    def refusal(self, *args, **kwargs):
        """The error that a request ends with, or 0."""
        try:
            self.ask(*args, **kwargs)
            self.rest()
        except OSError as error:
            return error.errno
        return 0


def release():
    """Of the kernel: (6, 12)."""
    return tuple(int(n) for n in os.uname().release.split(".")[:2])


def names(messages):
    """The first attribute of each, which is a name."""
    return [next(attributes(data))[1].rstrip(b"\0").decode()
            for _, data in messages if data is not None]


def flow_key(data):
    """What tells flows apart: everything from iif to the tags."""
    return tuple((kind, value) for kind, value in attributes(data)
                 if kind not in (2, 15, 16, 17, 18, 19, 20, 21, 22, 23, 30))


def interrupted(messages):
    return any(flags & NLM_F_DUMP_INTR for flags, _ in messages)


def refused(ynl, name, wanted, method, request, code=errno.EINVAL):
    """wanted: what the extended ack has to say at least."""
    try:
        ynl.do(method, request)
    except NlError as error:
        ack = dict(error.nl_msg.extack or {})
        got = {key: ack.get(key) for key in wanted}
        equal(name, (code, wanted), (-error.nl_msg.error, got))
        result(name + ", in words", bool(ack.get("msg")), ack)
    else:
        result(name, False, "was not refused")


def maps(ynl):
    reply = ynl.do("map-get", {"name": "default"})
    equal("do: a map has 64 entries in order", list(range(64)),
          [entry["class"] for entry in reply["entry"]])
    entry = reply["entry"][46]
    equal("do: EF gets 5", (5, 5, {"dscp"}),
          (entry["prio"], entry["pcp"], set(entry["keep"])))

    ynl.do("map-new", {"name": "lab", "entry": [
        {"class": 46, "prio": 0x10010, "keep": ["pcp"]},
        {"class": 0, "pcp": 1}]})
    ynl.do("map-set", {"name": "lab", "entry": {"class": 8, "prio": 7}})
    got = ynl.do("map-get", {"name": "lab"})["entry"]
    equal("do: what map-new and map-set set", (0x10010, None, 1, 7, 1),
          (got[46]["prio"], got[46].get("pcp"), got[0]["pcp"], got[8]["prio"],
           got[8]["pcp"]))
    equal("dump: maps", ["default", "lab"],
          [m["name"] for m in ynl.dump("map-get", {})])


def devices(ynl):
    ynl.do("dev-set", {"name": "wan0", "map": "lab"})
    ynl.do("dev-set", {"name": "any", "trust": "pcp"})
    ynl.do("dev-set", {"name": "ppp7", "trust": "none", "absent": True})
    got = {d["name"]: (d.get("ifindex"), d["map"], d["trust"], d["scope"],
                       d["state"]) for d in ynl.dump("dev-get", {})}
    equal("dump: bindings", {
        "wan0": (socket.if_nametoindex("wan0"), "lab", "dscp", "offloaded",
                 "active"),
        "any": (None, "default", "pcp", "offloaded", "active"),
        "ppp7": (None, "default", "none", "offloaded", "absent")}, got)
    result("do: a binding says why it is as it is",
           "no device" in ynl.do("dev-get", {"name": "ppp7"})["reason"])
    ynl.do("dev-del", {"name": "any"})
    ynl.do("dev-del", {"name": "ppp7"})
    equal("do: a map knows how often it is bound", 1,
          ynl.do("map-get", {"name": "lab"})["bound"])


def other(ynl):
    ynl.do("config-set", {"flow-timeout": 3600})
    equal("do: config", {"flow-limit": 65536, "flow-timeout": 3600},
          ynl.do("config-get", {}))
    got = ynl.dump("status-get", {})
    equal("dump: status, the module first", 1, got[0].get("egress-hook"))
    tables = [m["flowtable"] for m in got[1:]]
    equal("dump: status, then flowtables", [("lan0", 0, "hooked"),
                                            ("wan0", 0, "hooked")],
          sorted((t["name"], t["priority"], t["state"]) for t in tables))

    end = time.monotonic() + 40
    before = 0
    while before < 100 and time.monotonic() < end:
        before = ynl.do("stats-get", {})["offloaded-packets"]
    ynl.do("stats-reset", {})
    after = ynl.do("stats-get", {})
    result("do: reset", after["offloaded-packets"] < before,
           f"{before}, then {after['offloaded-packets']}")
    end = time.monotonic() + 20
    while "class" not in after and time.monotonic() < end:
        after = ynl.do("stats-get", {})
    result("do: counters of the classes that were seen",
           {c["class"] for c in after.get("class", [])} <= {8, 46} and
           sum(c["packets"] for c in after.get("class", [])) ==
           after["offloaded-packets"] > 0, after)


def refusals(ynl, raw):
    refused(ynl, "a map that is not there is the attribute at fault",
            {"bad-attr": ".map"}, "dev-set", {"name": "wan0", "map": "nix"},
            errno.ENOENT)
    refused(ynl, "a missing attribute is named", {"miss-type": "name"},
            "map-set", {"entry": {"class": 1, "prio": 1}})
    refused(ynl, "the attribute of a nest is named",
            {"bad-attr": ".entry.dscp"}, "map-set",
            {"name": "lab", "entry": {"class": 1, "dscp": 64}}, errno.ERANGE)
    refused(ynl, "a value out of range is the attribute at fault",
            {"bad-attr": ".entry.pcp"}, "map-set",
            {"name": "lab", "entry": {"class": 1, "pcp": 9}}, errno.ERANGE)
    refused(ynl, "restore names what it refuses", {"bad-attr": ".dev.map"},
            "restore", {"map": [{"name": "one"}], "dev": [
                {"name": "wan0", "map": "one"},
                {"name": "lan0", "map": "two"}]}, errno.ENOENT)
    ctmarks(ynl)
    equal("... and changes nothing", ["default", "lab"],
          [m["name"] for m in ynl.dump("map-get", {})])

    value = struct.pack("=I", 1)
    name = attribute(1, b"default\0")
    for what, command, data in (
            ("an attribute that nobody knows", "map-get",
             name + attribute(60, value)),
            ("an attribute of an operation that has none", "stats-get",
             attribute(1, value)),
            ("a second attribute where one is known", "map-get",
             name + attribute(3, b"")),
            ("bytes behind the last attribute", "map-get", name + b"\1\0\0"),
            ("a string without its end", "map-get", attribute(1, b"default")),
            ("a number of three bytes", "config-set", attribute(1, b"\1\0\0"))):
        got = raw.refusal(ynl.ops[command].req_value, NLM_F_ACK, data)
        result(f"strict: {what} is refused",
               got in (errno.EINVAL, errno.ERANGE), errno.errorcode.get(got))


def ctmarks(ynl):
    """The masks of trust ctmark: whole or not at all, by the attribute at fault."""
    for mask in (0, 1, 0x1f, 0x7f, 0x5f, 0xfd, 0xffffffff, 0xf8000000):
        refused(ynl, f"mask {mask:#x} of a conntrack mark",
                {"bad-attr": ".ctmark-mask"}, "dev-set",
                {"name": "wan0", "trust": "ctmark", "ctmark-mask": mask})
    for state in (0, 4, 0x1fc):
        refused(ynl, f"statemask {state:#x} of a conntrack mark",
                {"bad-attr": ".ctmark-statemask"}, "dev-set",
                {"name": "wan0", "trust": "ctmark", "ctmark-mask": 0xfc,
                 "ctmark-statemask": state})
    refused(ynl, "trust ctmark without a mask", {"bad-attr": ".trust"}, "dev-set",
            {"name": "wan0", "trust": "ctmark"})
    refused(ynl, "a mask without trust ctmark", {"bad-attr": ".ctmark-mask"},
            "dev-set", {"name": "wan0", "ctmark-mask": 0xfc})
    refused(ynl, "a statemask with another trust",
            {"bad-attr": ".ctmark-statemask"}, "dev-set",
            {"name": "wan0", "trust": "pcp", "ctmark-statemask": 1})
    refused(ynl, "restore names the mask that it refuses",
            {"bad-attr": ".dev.ctmark-statemask"}, "restore", {"dev": [
                {"name": "wan0", "trust": "ctmark", "ctmark-mask": 0xfc},
                {"name": "lan0", "trust": "ctmark", "ctmark-mask": 0xfc,
                 "ctmark-statemask": 0xfc}]})
    got = ynl.do("dev-get", {"name": "wan0"})
    equal("no refusal changed the binding", ("lab", "dscp", None, None),
          (got["map"], got["trust"], got.get("ctmark-mask"),
           got.get("ctmark-statemask")))

    masks = {"trust": "ctmark", "ctmark-mask": 0xfc000000, "ctmark-statemask": 1}
    ynl.do("dev-set", {"name": "wan0"} | masks)
    ynl.do("dev-set", {"name": "wan0", "ctmark-statemask": 2})
    got = ynl.do("dev-get", {"name": "wan0"})
    equal("a statemask alone leaves the mask", masks | {"ctmark-statemask": 2},
          {key: got.get(key) for key in masks})
    ynl.do("dev-set", {"name": "wan0", "trust": "dscp"})
    got = ynl.do("dev-get", {"name": "wan0"})
    equal("another trust forgets the masks", {"trust": "dscp"},
          {key: got[key] for key in masks if key in got})


def resumed(ynl, raw):
    """Dumps in many parts: nothing twice, nothing left out, no mark."""
    for i in range(62):
        ynl.do("map-new", {"name": f"m{i}"})
    for i in range(200):
        ynl.do("dev-set", {"name": f"x{i}", "absent": True})

    for what, wanted in (
            ("map", ["default", "lab"] + [f"m{i}" for i in range(62)]),
            ("dev", ["wan0"] + [f"x{i}" for i in range(200)])):
        raw.ask(ynl.ops[what + "-get"].req_value, NLM_F_DUMP)
        got, parts = [], 0
        while not raw.done:
            got += raw.part()
            parts += 1
        equal(f"{what} dump in small parts: all, once, in order", wanted,
              names(got))
        result(f"{what} dump in small parts: really was", parts > 5, parts)
        result(f"{what} dump without a change is not marked",
               not interrupted(got))

    changes = {
        "map": lambda: ynl.do("map-del", {"name": "m61"}),
        "dev": lambda: ynl.do("dev-set", {"name": "x199", "trust": "pcp",
                                          "absent": True}),
    }
    for what, change in changes.items():
        raw.ask(ynl.ops[what + "-get"].req_value, NLM_F_DUMP)
        first = raw.part()
        change()
        got = raw.rest()
        result(f"{what} dump with a change in the middle is marked",
               not interrupted(first) and interrupted(got))
    raw.ask(ynl.ops["dev-get"].req_value, NLM_F_DUMP)
    first = raw.part()
    os.system("ip link add x199 type dummy")
    got = raw.rest()
    os.system("ip link del x199")
    result("dev dump with a device that comes in the middle is marked",
           not interrupted(first) and interrupted(got))

    ynl.do("restore", {"map": [{"name": "lab"}],
                       "dev": [{"name": "wan0", "map": "lab"}],
                       "config": {"flow-timeout": 3600}})
    equal("restore replaces everything", (["default", "lab"], ["wan0"]),
          ([m["name"] for m in ynl.dump("map-get", {})],
           [d["name"] for d in ynl.dump("dev-get", {})]))


def flows(ynl, raw, count):
    """count flows a direction are being used now."""
    end = time.monotonic() + 40
    while time.monotonic() < end:
        got = ynl.dump("flow-get", {})
        if len(got) >= 2 * count:
            break
        time.sleep(0.2)
    equal("dump: flows, both directions", 2 * count, len(got))
    address = struct.unpack("!I", socket.inet_aton("192.0.2.2"))[0]
    lan = socket.if_nametoindex("lan0")
    wan = socket.if_nametoindex("wan0")
    for what, request, wanted in (
            ("sport", {"sport": 20003}, 1),
            ("dport", {"dport": 5000}, count),
            ("proto", {"proto": 17}, 2 * count),
            ("another proto", {"proto": 6}, 0),
            ("src", {"src-v4": address}, count),
            ("a prefix", {"src-v4": address & ~0xff, "src-len": 24}, count),
            ("dst", {"dst-v4": address, "dst-len": 32}, count),
            ("the other family", {"src-v6": b"\0" * 16, "src-len": 0}, 0),
            ("iif", {"iif": lan}, count),
            ("oif", {"oif": wan}, count),
            ("dev", {"dev": wan}, 2 * count),
            ("dscp", {"dscp": 46}, count),
            ("several", {"iif": lan, "dscp": 46, "sport": 20001}, 1)):
        equal(f"dump: flows by {what}", wanted,
              len(ynl.dump("flow-get", request)))
    refused_dump(ynl)
    sources(ynl, lan)

    command = ynl.ops["flow-get"].req_value
    # The kernel's parts are as large as the largest read of the socket so far
    large = Raw(raw.family)
    large.ask(command, NLM_F_DUMP)
    all_of = [flow_key(d) for _, d in large.rest(1 << 17) if d is not None]
    raw.ask(command, NLM_F_DUMP)
    got, parts = [], 0
    while not raw.done:
        got += [flow_key(d) for _, d in raw.part() if d is not None]
        parts += 1
    equal("flow dump in small parts: none twice", len(got), len(set(got)))
    result("flow dump in small parts: none left out", set(got) == set(all_of),
           f"{len(got)} and {len(all_of)}")
    result("flow dump in small parts: really was", parts > 10, parts)

    # Another table takes the place of the one that is being dumped
    raw.ask(command, NLM_F_DUMP)
    got = [flow_key(d) for _, d in raw.part() if d is not None]
    ynl.do("config-set", {"flow-limit": 1000})
    got += [flow_key(d) for _, d in raw.rest() if d is not None]
    result("flow dump while the limit changes: none left out",
           set(got) >= set(all_of), f"{len(set(got))} and {len(all_of)}")
    raw.ask(command, NLM_F_DUMP)
    raw.part()
    ynl.do("flow-flush", {})
    raw.rest()
    result("flow dump while flows are flushed ends", True)


def sources(ynl, lan):
    """Where the class comes from: the mark, which is 0 and counts, or the DSCP."""
    for what, request, wanted in (
            ("the mark", {"name": "lan0", "trust": "ctmark", "ctmark-mask": 0xfc},
             {(0, "ctmark")}),
            ("no mark that counts",
             {"name": "lan0", "trust": "ctmark", "ctmark-mask": 0xfc,
              "ctmark-statemask": 1}, {(46, "dscp")}),
            ("trust none", {"name": "lan0", "trust": "none"}, {(0, "none")})):
        ynl.do("dev-set", request)
        got, end = None, time.monotonic() + 20
        while got != wanted and time.monotonic() < end:
            got = {(flow["class"], flow["source"])
                   for flow in ynl.dump("flow-get", {"iif": lan})}
        equal(f"source of the class: {what}", wanted, got)
    ynl.do("dev-del", {"name": "lan0"})


def refused_dump(ynl):
    for what, request, wanted in (
            ("ports with GRE", {"proto": 47, "sport": 1}, ".sport"),
            ("a length without an address", {"src-len": 3}, ".src-len"),
            ("33 bits of IPv4", {"src-v4": 1, "src-len": 33}, ".src-len"),
            ("two families", {"src-v4": 1, "src-v6": b"\0" * 16}, ".src-v6"),
            ("a port of 17 bits", {"dport": 65536}, ".dport")):
        try:
            ynl.dump("flow-get", request)
            result(f"filter refused: {what}", False, "was not refused")
        except NlError as error:
            ack = error.nl_msg.extack or {}
            result(f"filter refused, in words: {what}", "msg" in ack, ack)
            # Before 6.9 the end of a dump carries but the words
            if "bad-attr" in ack or release() >= (6, 9):
                equal(f"filter refused, by name: {what}", wanted,
                      ack.get("bad-attr"))


def notifications(spec):
    """What a listener hears of changes that others make."""
    listener = YnlFamily(spec, schema="")
    listener.ntf_subscribe("config")
    ynl = YnlFamily(spec, schema="")

    def heard(name, wanted, do, seconds=10):
        """wanted: notification and what it has to say at least."""
        do()
        end = time.monotonic() + seconds
        seen = []
        while time.monotonic() < end:
            listener.check_ntf()
            seen += listener.async_msg_queue
            listener.async_msg_queue = []
            for ntf in seen:
                if ntf["name"] == wanted[0] and wanted[1].items() <= \
                        {k: v for k, v in ntf["msg"].items()
                         if not isinstance(v, list)}.items():
                    result(f"notified: {name}", True)
                    return
            time.sleep(0.02)
        result(f"notified: {name}", False, [(n["name"], n["msg"].get("name"),
                                             n["msg"].get("state"))
                                            for n in seen])

    heard("map added", ("map-set-ntf", {"name": "n"}),
          lambda: ynl.do("map-new", {"name": "n"}))
    heard("map changed", ("map-set-ntf", {"name": "n"}),
          lambda: ynl.do("map-set", {"name": "n",
                                     "entry": {"class": 0, "prio": 9}}))
    heard("map deleted", ("map-del-ntf", {"name": "n"}),
          lambda: ynl.do("map-del", {"name": "n"}))
    heard("limits", ("config-set-ntf", {"flow-limit": 77}),
          lambda: ynl.do("config-set", {"flow-limit": 77}))
    heard("binding", ("dev-set-ntf", {"name": "lan0", "trust": "pcp"}),
          lambda: ynl.do("dev-set", {"name": "lan0", "trust": "pcp"}))
    heard("binding deleted", ("dev-del-ntf", {"name": "lan0"}),
          lambda: ynl.do("dev-del", {"name": "lan0"}))
    heard("flowtable gone",
          ("dev-state-ntf", {"name": "wan0", "state": "no-flowtable"}),
          lambda: subprocess.run(["nft", "delete", "table", "inet", "ftq"],
                                 check=True))
    heard("flowtable there",
          ("dev-state-ntf", {"name": "wan0", "state": "active"}),
          lambda: subprocess.run(
              ["nft", "add table inet b; add flowtable inet b f { hook ingress"
               " priority 0; devices = { wan0 }; }"], check=True))
    heard("device down", ("dev-state-ntf", {"name": "wan0", "state": "down"}),
          lambda: subprocess.run(["ip", "link", "set", "wan0", "down"],
                                 check=True))
    ynl.do("map-set", {"name": "lab", "entry": {"class": 8, "prio": 7}})
    time.sleep(0.1)
    listener.check_ntf()
    ynl.do("map-set", {"name": "lab", "entry": {"class": 8, "prio": 7}})
    listener.async_msg_queue = []
    listener.check_ntf()
    equal("not notified: nothing changed", [], listener.async_msg_queue)


def groups(ynl):
    """Without CAP_NET_ADMIN the group with addresses is closed."""
    for group, wanted in (("config", 0), ("flows", errno.EPERM)):
        number = ynl.nlproto.get_mcast_id(group, ynl.mcast_groups)
        pid = os.fork()
        if not pid:
            code = 0
            try:
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
                sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                                     NETLINK_GENERIC)
                sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, number)
            except OSError as error:
                code = error.errno
            os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        equal(f"anybody joins the group {group}: "
              f"{'refused' if wanted else 'allowed'}", wanted, code)


def main():
    spec, count = sys.argv[2], int(sys.argv[3])
    ynl = YnlFamily(spec, schema="")
    raw = Raw(ynl.nlproto.family_id)
    for test, args in ((maps, (ynl,)), (devices, (ynl,)), (other, (ynl,)),
                       (refusals, (ynl, raw)), (resumed, (ynl, raw)),
                       (flows, (ynl, raw, count)), (groups, (ynl,)),
                       (notifications, (spec,))):
        try:
            test(*args)
        except Exception as error:  # one test's, the others go on
            result(test.__name__, False, f"{error!r} " + " ".join(
                traceback.format_tb(error.__traceback__)[-1:]))


if __name__ == "__main__":
    main()
