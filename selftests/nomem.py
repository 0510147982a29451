#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Operations that run out of memory. Standard library only.

  nomem.py change DEVS COMMAND...
	Commands of ftqos that change something, in the namespace of a router with
	these devices (separated by commas). What they change "ftqos save" and the
	hooks on the devices tell; who listens learns of it, or that it was lost.
  nomem.py begin DEV COMMAND...
	The same, each in a new namespace, whose first it is, with this device.
  nomem.py look COMMAND...
	Commands that show something: all of it, or an error.
  nomem.py reset STATE UNDO COMMAND
	One that changes what is not configuration: two lines for the shell, of which
	the first prints it, and the second brings it back.
  nomem.py ip STATE UNDO COMMAND
	The same of a command of ip.
  nomem.py load MODULE.ko NS
	Loading the module, which then knows the namespace.

Each operation is done again and again, the first time with its first allocation in the
kernel failing, then its second, and so on until none is left to fail. It has to do all
that it does without failures, or nothing. One that ends well has done all, at once or,
where the module does it by itself, soon; of one that does not, only the answer may be
what was lost, and then it says that it does not know.

A line for each operation: what is wrong, or how often it failed, and behind a "+" how
often it did in spite of a failed allocation.
"""

import ctypes
import json
import os
import select
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hooks import hooks  # noqa: E402

MOST = 5000
# Seconds until what is done later has to be done
LATER = 5
FILE = "/tmp/nomem.before"


class Wrong(Exception):
    pass


def ftqos(*args):
    return subprocess.run(("ftqos",) + args, check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def shell(line):
    return subprocess.run(line, shell=True, check=False, text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout


def set_nth(pid, nth):
    with open(f"/proc/{pid}/fail-nth", "w", encoding="ascii") as f:
        f.write(f"{nth}\n")


def wait_for(pid, said, nth, reap):
    """Its status, what it said, and whether an allocation failed."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with open(f"/proc/{pid}/fail-nth", encoding="ascii") as f:
        left = int(f.read())
    return reap(), said, nth and not left


def waits_for_input(pid, program):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        name, rest = f.read().rsplit(")", 1)
    return name.endswith(f"({program}") and rest.split()[0] == "S"


def run_with(argv, text, nth, program):
    """It has to read what it is to do."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as proc:
        while not waits_for_input(proc.pid, program):
            time.sleep(0.0005)
        set_nth(proc.pid, nth)
        proc.stdin.write(text)
        proc.stdin.close()
        said = proc.stdout.read().strip()
        return wait_for(proc.pid, said, nth, proc.wait)


def run_ftqos(command, nth, before=(), options=()):
    argv, text = ("-b", "-"), command + "\n"
    # Not in a file of commands
    if command.startswith("restore "):
        argv = ("restore",)
        with open(command.split()[1], encoding="ascii") as f:
            text = f.read()
    return run_with((*before, "ftqos", *options, *argv), text, nth, "ftqos")


class Listener:
    """What "ftqos monitor" tells."""

    def __init__(self):
        self.proc = subprocess.Popen(("ftqos", "-j", "monitor"),
                                     stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT)
        self.rest, self.marks = b"", 0
        # It listens as soon as it has told of something
        while self.events(0.2) is None:
            pass

    def lines(self, wait):
        while select.select([self.proc.stdout], [], [], wait)[0]:
            data = os.read(self.proc.stdout.fileno(), 1 << 16)
            if not data:
                return
            *whole, self.rest = (self.rest + data).split(b"\n")
            yield from (line.decode() for line in whole)

    def events(self, wait=10):
        """Those until now, without their times. A state may change later."""
        self.marks += 1
        mark = f"nomem.{self.marks}"
        subprocess.run(("ftqos", "-b", "-"), check=True, text=True,
                       input=f"map add {mark}\nmap del {mark}\n")
        told = []
        for line in self.lines(wait):
            if not line.startswith("{"):
                told.append(line)
                continue
            event = json.loads(line)
            del event["time"]
            if event == {"event": "map-del", "name": mark}:
                return told
            if (event["event"] != "dev-state" and
                    not event.get("name", "").startswith("nomem.")):
                told.append(event)
        return None


class Change:
    """In this namespace."""

    patient = False
    listener = None

    def __init__(self, command, devs):
        self.command, self.devs = command, devs.split(",")
        Change.listener = Change.listener or Listener()

    def start(self):
        with open(FILE, "w", encoding="ascii") as f:
            f.write(ftqos("save"))

    def run(self, nth):
        return run_ftqos(self.command, nth)

    def state(self):
        # Where a hook is put back it is in another place of the list
        ours = sorted(h for h in hooks(self.devs) if h[3].startswith("ftq_"))
        return ftqos("save"), ours

    def told(self):
        return self.listener.events()

    def undo(self):
        ftqos("restore", FILE)
        self.listener.events()


class Reset(Change):
    """Of what is not configuration: a line for the shell prints it, one undoes it."""

    patient = True

    def __init__(self, command, state, redo):
        super().__init__(command, "lo")
        self.lines = (state, redo)

    def start(self):
        self.undo()

    def state(self):
        return shell(self.lines[0])

    def undo(self):
        shell(self.lines[1])


class Begin(Change):
    """In a namespace that has none of the module's memory yet."""

    NAME = "nomem-begin"

    def __init__(self, command, dev):
        self.command, self.dev = command, dev
        self.within = ("ip", "netns", "exec", self.NAME)

    def start(self):
        subprocess.run(("ip", "netns", "add", self.NAME), check=True)
        subprocess.run(("ip", "-n", self.NAME, "link", "add", self.dev,
                        "type", "dummy"), check=True)

    def run(self, nth):
        return run_ftqos(self.command, nth, self.within)

    def state(self):
        here = os.path.dirname(os.path.abspath(__file__))
        return shell(f"ftqos -n {self.NAME} save; {' '.join(self.within)} "
                     f"python3 -I -S {here}/hooks.py {self.dev}")

    def told(self):
        return None

    def undo(self):
        subprocess.run(("ip", "netns", "del", self.NAME), check=True)
        self.start()

    def end(self):
        subprocess.run(("ip", "netns", "del", self.NAME), check=True)


class Ip(Reset):
    """Followed by what the module does of it."""

    listener = None

    def __init__(self, command, state, undo):
        self.command, self.lines = command, (state, undo)

    def start(self):
        pass

    def run(self, nth):
        return run_with(("ip", "-batch", "-"), self.command + "\n", nth, "ip")

    def told(self):
        return None

    def undo(self):
        shell(self.lines[1])


class Load:
    """insmod reads nothing before it begins: so this does it itself."""

    FINIT_MODULE = {"x86_64": 313, "aarch64": 273, "s390x": 344}
    patient = False

    def __init__(self, module, ns):
        self.module, self.ns = module, ns
        self.call = ctypes.CDLL(None, use_errno=True).syscall
        self.number = self.FINIT_MODULE[os.uname().machine]

    def start(self):
        pass

    def run(self, nth):
        pid = os.fork()
        if not pid:
            fd = os.open(self.module, os.O_RDONLY)
            set_nth("self", nth)
            os._exit(2 if self.call(self.number, fd, b"", 0) else 0)
        return wait_for(pid, "", nth, lambda: os.waitstatus_to_exitcode(
            os.waitpid(pid, 0)[1]))

    def state(self):
        # Who asks for it loads it
        if os.path.exists("/sys/module/nf_flow_qos"):
            return ftqos("-n", self.ns, "-j", "map", "show")
        return [name for name in os.listdir("/sys/kernel/slab")
                if name.startswith("ftq_")]

    def told(self):
        return None

    def undo(self):
        subprocess.run(("rmmod", "nf_flow_qos"), check=True)


def soon(op, want):
    """The state, which may become what is wanted a little later."""
    end = time.monotonic() + LATER
    now = op.state()
    while op.patient and now != want and time.monotonic() < end:
        time.sleep(0.05)
        now = op.state()
    return now


def undo(op, before):
    op.undo()
    now = soon(op, before)
    if now != before:
        raise Wrong(f"cannot be undone: {now}")


def compare(op, want, nth):
    """Do it once, with a failure. Counts: it failed, it did nevertheless, none was left."""
    before, after, events = want
    status, said, injected = op.run(nth)
    if status > 2 or status < 0:
        raise Wrong(f"{nth}: status {status}: {said}")
    now = op.state() if status else soon(op, after)
    told = op.told()
    lost = any("lost" in event for event in told or ())
    if now == after:
        if status and "may have been done" not in said:
            raise Wrong(f"{nth}: done, with status {status}: {said}")
        if told != events and not lost:
            raise Wrong(f"{nth}: not told: {told} instead of {events}")
    elif now != before:
        raise Wrong(f"{nth}: half done, with status {status}: {said}: {now}")
    elif status == 0:
        raise Wrong(f"{nth}: not done, with status 0: {said}")
    elif told and not lost:
        raise Wrong(f"{nth}: not done, but told: {told}")
    if now != before:
        undo(op, before)
    return status != 0, status == 0 and bool(injected), not injected


def until_none(attempt):
    failed, despite = 0, 0
    for nth in range(1, MOST):
        bad, good, end = attempt(nth)
        failed, despite = failed + bad, despite + good
        if end:
            return (f"ok {failed} + {despite}" if failed or despite else
                    "nothing failed")
    return "has no end"


def all_or_nothing(op):
    op.start()
    before = op.state()
    status, said, _ = op.run(0)
    if status:
        return f"does not do without failures: {said}"
    want = before, op.state(), op.told()
    if want[1] == before:
        return "changes nothing"
    try:
        undo(op, before)
        return until_none(lambda nth: compare(op, want, nth))
    except Wrong as wrong:
        return str(wrong)
    finally:
        if hasattr(op, "end"):
            op.end()


def still(text):
    """Without what time changes."""
    try:
        shown = json.loads(text)
    except ValueError:
        return text
    for record in shown if isinstance(shown, list) else []:
        for key in ("age_ms", "idle_ms"):
            record.pop(key, None)
    return shown


def look(command):
    def attempt(nth):
        status, said, injected = run_ftqos(command, nth, (), ("-j",))
        if status > 2 or status < 0:
            raise Wrong(f"{nth}: status {status}: {said}")
        if status == 0 and still(said) != want:
            raise Wrong(f"{nth}: status 0, and not all: {said}")
        return status != 0, status == 0 and bool(injected), not injected

    status, said, _ = run_ftqos(command, 0, (), ("-j",))
    want = still(said)
    if status or isinstance(want, str) or not want:
        return f"does not do without failures: {said}"
    try:
        return until_none(attempt)
    except Wrong as wrong:
        return str(wrong)


def main():
    mode, *words = sys.argv[1:] or [""]
    if mode == "load" and len(words) == 2:
        print(f"the module: {all_or_nothing(Load(*words))}")
    elif mode == "look":
        for line in words:
            print(f"{line}: {look(line)}", flush=True)
    elif mode in ("reset", "ip") and len(words) == 3:
        kind = Reset if mode == "reset" else Ip
        print(f"{words[2]}: {all_or_nothing(kind(words[2], *words[:2]))}")
    elif mode in ("change", "begin"):
        kind = Change if mode == "change" else Begin
        for line in words[1:]:
            print(f"{line}: {all_or_nothing(kind(line, words[0]))}", flush=True)
    else:
        sys.exit(__doc__)
    if Change.listener:
        Change.listener.proc.kill()


if __name__ == "__main__":
    main()
