#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What insn.sh measured, as a table, compared with the baseline.

  insn.py BASELINE JSON COMMIT KEY=FILE...

BASELINE has what the module added to a packet at a commit, by KEY (versions of
kernel and compiler). Where FILE has figures of an older module ("base"), these are
what is compared with. With COMMIT, if it is not empty, BASELINE is written.
Ends with 1 if something grew, or was not measured.
"""

import json
import sys

# What is allowed: counts vary by some instructions
PERCENT = 3
INSTRUCTIONS = 5


def read(path):
    """Figures by (module, variant), and what each is compared with"""
    figures = {}
    try:
        with open(path) as f:
            for line in f:
                variant, ref, module, insn = line.split()
                figures[module, variant] = float(insn), ref
    except OSError:
        pass
    return figures


def added(figures, module):
    """What each variant of that module ("-": none) adds to its reference"""
    result = {}
    for (m, variant), (insn, ref) in figures.items():
        if m == module and ("-", ref) in figures:
            result[variant] = round(insn - figures["-", ref][0], 1)
    return result


def grew(now, before):
    return now - before > max(before * PERCENT / 100, INSTRUCTIONS)


def table(key, figures, before):
    """Prints the table of one kernel. Returns what is wrong."""
    wrong = []
    print("Linux %s: instructions a packet" % key)
    print("%-14s %9s %8s %6s %9s %7s" %
          ("variant", "packet", "added", "ratio", "baseline", "change"))
    for (module, variant), (insn, ref) in figures.items():
        if module == "base":
            continue
        line = "%-14s %9.1f" % (variant, insn)
        if ("-", ref) in figures:
            plain = figures["-", ref][0]
            plus = insn - plain
            line += " %8.1f %6.3f" % (plus, insn / plain)
            if module == "head" and variant in before:
                line += " %9.1f %+7.1f" % (before[variant], plus - before[variant])
                if grew(plus, before[variant]):
                    line += "  GREW"
                    wrong.append("%s grew" % variant)
        print(line)
    for variant in before:
        if ("head", variant) not in figures:
            wrong.append("%s was not measured" % variant)
    print()
    return wrong


def main(path, out, commit, *results):
    try:
        with open(path) as f:
            baseline = json.load(f)
    except OSError:
        baseline = {"kernels": {}}
    new = {"commit": commit, "kernels": {}}
    everything = {}
    failed = False
    for result in results:
        key, _, name = result.partition("=")
        figures = read(name)
        head = added(figures, "head")
        before = added(figures, "base") or baseline["kernels"].get(key, {})
        if commit:
            before = {}
        wrong = table(key, figures, before)
        if not head:
            wrong.append("nothing was measured")
        for w in wrong:
            print("%s: %s" % (key, w))
        failed |= bool(wrong)
        new["kernels"][key] = head
        everything[key] = [
            {"variant": variant, "module": module, "instructions": insn,
             "added": round(insn - figures["-", ref][0], 2)
             if ("-", ref) in figures else None,
             "reference": ref if ref != "-" else None}
            for (module, variant), (insn, ref) in figures.items()]
    with open(out, "w") as f:
        json.dump(everything, f, indent=1)
        f.write("\n")
    if commit and not failed:
        with open(path, "w") as f:
            json.dump(new, f, indent=1)
            f.write("\n")
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
