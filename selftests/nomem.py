#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Configuration commands that run out of memory. Standard library only.

  nomem.py DEVS COMMAND...	in the namespace of the router

Each COMMAND is given to ftqos again and again, the first time with its first
allocation in the kernel failing, then its second, and so on until none is left
to fail. It has to do all that it does without failures, or nothing, which
"ftqos save" and the hooks on the devices (separated by commas) tell. A command
that ends well has done all; of one that does not, only the answer may be what
was lost, and then it says that it does not know.

A line for each command: what is wrong, or how often it failed, and behind a "+"
how often it did in spite of a failed allocation.
"""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hooks import hooks  # noqa: E402

MOST = 1000
DEVS = sys.argv[1].split(",")
FILE = "/tmp/nomem.before"


def ftqos(*args):
    return subprocess.run(("ftqos",) + args, check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def state():
    # Where a hook is put back it is in another place of the list
    ours = sorted(h for h in hooks(DEVS) if h[3].startswith("ftq_"))
    return ftqos("save"), ours


def waits_for_input(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        name, rest = f.read().rsplit(")", 1)
    return name.endswith("(ftqos") and rest.split()[0] == "S"


def run(command, nth):
    """Its status, what it said, and whether an allocation failed."""
    argv, text = ("ftqos", "-b", "-"), command + "\n"
    # Not in a file of commands
    if command.startswith("restore "):
        argv = ("ftqos", "restore")
        with open(command.split()[1], encoding="ascii") as f:
            text = f.read()
    with subprocess.Popen(argv, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True) as proc:
        while not waits_for_input(proc.pid):
            time.sleep(0.0005)
        with open(f"/proc/{proc.pid}/fail-nth", "w", encoding="ascii") as f:
            f.write(f"{nth}\n")
        proc.stdin.write(text)
        proc.stdin.close()
        os.waitid(os.P_PID, proc.pid, os.WEXITED | os.WNOWAIT)
        with open(f"/proc/{proc.pid}/fail-nth", encoding="ascii") as f:
            left = int(f.read())
        said = proc.stdout.read().strip()
        return proc.wait(), said, nth and not left


def attempt(command):
    before = state()
    with open(FILE, "w", encoding="ascii") as f:
        f.write(before[0])
    status, said, _ = run(command, 0)
    if status:
        return f"does not do without failures: {said}"
    after = state()
    ftqos("restore", FILE)
    if state() != before:
        return "cannot be undone"

    failed, despite = 0, 0
    for nth in range(1, MOST):
        status, said, injected = run(command, nth)
        now = state()
        if now == after:
            if status and "may have been done" not in said:
                return f"{nth}: done, with status {status}: {said}"
            despite += status == 0 and bool(injected)
        elif now != before:
            return f"{nth}: half done, with status {status}: {now}"
        elif status == 0:
            return f"{nth}: not done, with status 0: {said}"
        failed += status != 0
        if status > 2 or status < 0:
            return f"{nth}: status {status}: {said}"
        if now != before:
            ftqos("restore", FILE)
        if not injected:
            return f"ok {failed} + {despite}" if failed else "nothing failed"
    return "has no end"


for line in sys.argv[2:]:
    print(f"{line}: {attempt(line)}", flush=True)
