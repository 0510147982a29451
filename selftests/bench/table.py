#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tables of what bench.sh, scale.sh and smp.sh measured. Standard library only.

  table.py DIR ABOUT [TO]    DIR: what they wrote; ABOUT: lines KEY=VALUE; with TO,
                             also TO.txt, TO.json, and TO.svg, which gnuplot draws

A figure is the median of all rounds, its spread half the distance between the
quartiles. Ratio and added time are medians of the rounds' own, each against the
reference in the same round; the interval holds the ratio with 95 %. Of two CPUs each has
its own median; all else is of the mean of both.
"""

import json
import math
import os
import statistics
import subprocess
import sys


def lines(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        return [l.rstrip("\n").split("\t") for l in f]


def interval(values):
    """Order statistics around the median: 95 % by the binomial distribution."""
    values = sorted(values)
    n, k, p = len(values), 0, 0.0
    while k < n // 2:
        p += math.comb(n, k) / 2 ** n
        if p > 0.025:
            break
        k += 1
    if k == 0:
        return [values[0], values[-1]]
    return [values[k - 1], values[n - k]]


def spread(values):
    if len(values) < 2:
        return 0.0
    q = statistics.quantiles(values, n=4, method="inclusive")
    return (q[2] - q[0]) / 2


def read(where, of_cpus=False):
    rounds, cpus = {}, {}
    for name, nr, *ns in lines(f"{where}/raw"):
        ns = [float(v) for v in ns]
        rounds.setdefault(name, {})[int(nr)] = statistics.mean(ns)
        cpus.setdefault(name, []).append(ns)
    rows = []
    for name, ref, unit, gives, title in lines(f"{where}/variants"):
        if name not in rounds:
            continue
        mine = rounds[name]
        row = {"name": name, "title": title, "gives": gives, "unit": unit,
               "rounds": len(mine), "ns": round(statistics.median(mine.values()), 1),
               "spread": round(spread(mine.values()), 1)}
        if of_cpus:
            row["cpus"] = [round(statistics.median(c), 1) for c in zip(*cpus[name])]
        both = [r for r in mine if r in rounds.get(ref, {})]
        if both:
            ratios = [mine[r] / rounds[ref][r] for r in both]
            row.update({
                "reference": ref,
                "ratio": round(statistics.median(ratios), 3),
                "interval": [round(v, 3) for v in interval(ratios)],
                "added": round(statistics.median(mine[r] - rounds[ref][r]
                                                 for r in both), 1)})
        rows.append(row)
    return rows


def goals(rows, scale):
    """What the project wants, and what it has."""
    by = {r["name"]: r for r in rows}
    out = []

    def goal(what, want, value, limit, within=None):
        if value is None:
            return
        row = {"what": what, "goal": want, "value": round(value, 3),
               "met": value <= limit}
        # Such small ratios are known no better than their interval
        if within:
            row["interval"] = within
            row["decided"] = within[1] <= limit or within[0] > limit
        out.append(row)

    def small(what, want, name, limit):
        row = by.get(name, {})
        goal(what, want, row.get("ratio"), limit, row.get("interval"))

    def ratio(name):
        return by.get(name, {}).get("ratio")

    def added(name):
        return by.get(name, {}).get("added")

    def part(a, b):
        return None if a is None or not b or b <= 0 else a / b

    small("module loaded, unbound", "1.00 of plain", "unbound", 1.005)
    small("another namespace bound", "<= 1.01", "other-netns", 1.01)
    small("another device bound", "<= 1.04", "other-device", 1.04)
    goal("... added to that of its floor", "<= 1.2",
         part(added("other-device"), added("floor-device")), 1.2)
    small("priority and PCP, no accounting", "<= 1.03", "prio-pcp", 1.03)
    goal("... added to that of its floor", "<= 1.2",
         part(added("prio-pcp"), added("floor-prio-pcp")), 1.2)
    small("everything on", "<= 1.06", "all", 1.06)
    goal("... added to that of its floor", "<= 1.2",
         part(added("all"), added("floor-all")), 1.2)
    goal("... added to that of skbedit", "< 1", part(added("all"), added("skbedit")),
         0.999)
    goal("... to that of the nft map", "<= 0.5", part(added("all"), added("nft-map")),
         0.5)
    for name in ("all-sticky", "all-learned"):
        small(by.get(name, {}).get("title", ""), "<= 1.10", name, 1.10)
        goal("... added to that of its floor", "<= 1.2",
             part(added(name), added("floor-sticky")), 1.2)
    goal("added with many flows to that with one", "<= 3",
         part(added("all-many"), added("all")), 3)
    goal("... added to that of its floor", "<= 1.2",
         part(added("all-many"), added("floor-all-many")), 1.2)
    goal("a miss", "<= 1.08", ratio("all-miss"), 1.08)
    goal("... added to that of its floor", "<= 1.2",
         part(added("all-miss"), added("floor-miss-all")), 1.2)
    if "all" in by and "slow-nft" in by:
        goal("to no flowtable, nft classifies", "<= 0.52",
             by["all"]["ns"] / by["slow-nft"]["ns"], 0.52)
    for s in scale:
        if s["what"] == "ftqos -j to conntrack":
            goal("dump, to that of conntrack", "<= 1", s["value"], 1)
        if s["what"] == "... and with its share of the table of a million":
            goal("octets of a flow", "<= 192", s["value"], 192)
        if s["what"] == "flows held":
            out.append({"what": s["what"], "goal": ">= 1000000", "value": s["value"],
                        "met": s["value"] >= 1e6})
    return out


def table(head, body, right):
    widths = [max(len(r[i]) for r in [head] + body) for i in range(len(head))]
    for r in [head] + body:
        cells = [v.rjust(w) if i in right else v.ljust(w)
                 for i, (v, w) in enumerate(zip(r, widths))]
        yield "  ".join(cells).rstrip()


def number(value):
    return f"{value:.3f}" if value < 100 else f"{value:.0f}"


def told(goal):
    text = "met" if goal["met"] else "not met"
    if not goal.get("decided", True):
        text += ", may be otherwise: {:.3f}-{:.3f}".format(*goal["interval"])
    return text


def compared(row):
    """Cells: spread, and what there is to its reference."""
    yield f"{row['spread']:.1f}"
    if "ratio" in row:
        yield f"{row['ratio']:.3f}"
        yield "{:.3f}-{:.3f}".format(*row["interval"])
        yield f"{row['added']:+.1f}"
        yield row["reference"]
    else:
        yield from [""] * 4
    yield str(row["rounds"])


COMPARED = ["spread", "ratio", "95 %", "added", "to", "rounds"]


def show(about, rows, smp, absent, scale, wanted):
    yield f"{about['kernel']}, user-mode Linux, {about['date']}"
    yield f"{about['cpu']}, {about['compiler']}"
    if rows:
        yield f"{about['load']} CPUs were busy meanwhile; idle but for this: 1"
        yield ""
        yield from table(["variant", "gives", "ns"] + COMPARED,
                         [[r["title"], r["gives"], f"{r['ns']:.1f}", *compared(r)]
                          for r in rows], (2, 3, 4, 5, 6, 8))
        yield ""
        yield "TCP: nanoseconds of 1000 octets. All others: of a packet."
    for name, why in absent:
        yield f"not measured: {name}: {why}"
    if smp:
        yield ""
        yield from table(["two CPUs", "CPU 0 ns", "CPU 1 ns"] + COMPARED,
                         [[r["title"], *[f"{c:.1f}" for c in r["cpus"]],
                           *[""] * (2 - len(r["cpus"])), *compared(r)]
                          for r in smp], (1, 2, 3, 4, 5, 6, 8))
        yield ""
        yield f"{about['load_smp']} CPUs were busy meanwhile; idle but for this: 1 to 2"
    if scale:
        yield ""
        yield from table(["many flows", "", ""],
                         [[s["what"], f"{s['value']:.10g}", s["unit"]] for s in scale], (1,))
    if wanted:
        yield ""
        yield from table(["goal", "", "is", ""],
                         [[g["what"], g["goal"], number(g["value"]), told(g)]
                          for g in wanted], (2,))


def draw(rows, about, to):
    """Bars: what is added to the reference."""
    data = [r for r in rows if "added" in r and r["unit"] == "packet" and
            r["reference"] == "plain" and not r["name"].startswith("slow")]
    text = [
        "set terminal svg size 800,480 font 'sans,12' background 'white'",
        f"set output '{to}.svg'",
        f'set title "Added to a packet of the plain flowtable: {about["kernel"]},'
        f' {about["date"]}\\n{about["cpu"]}" noenhanced',
        "set ylabel 'nanoseconds'", "set grid y", "unset key",
        "set style fill solid 0.7", "set boxwidth 0.6",
        "set xtics rotate by -40 noenhanced",
        "set yrange [*<0:*]", "set offsets 0, 0, graph 0.08, 0",
        "plot '-' using 0:2:xtic(1) with boxes lc rgb '#4472a8',"
        " '-' using 0:2:(sprintf('%.0f', $2)) with labels offset 0,0.7"]
    points = [f"\"{r['name']}\" {r['added']}" for r in data]
    text += points + ["e"] + points + ["e"]
    subprocess.run(["gnuplot"], input="\n".join(text) + "\n", text=True, check=True)


def main():
    where, path = sys.argv[1:3]
    with open(path, encoding="utf-8") as f:
        about = dict(l.rstrip("\n").split("=", 1) for l in f if "=" in l)
    rows, smp = read(where), read(f"{where}/smp", True)
    if not rows and not smp:
        sys.exit("nothing was measured")
    absent = lines(f"{where}/absent")
    scale = [{"what": what, "value": float(value), "unit": unit}
             for what, value, unit in lines(f"{where}/scale")]
    wanted = goals(rows, scale)
    text = "\n".join(show(about, rows, smp, absent, scale, wanted))
    print(text)
    if len(sys.argv) > 3:
        to = sys.argv[3]
        os.makedirs(os.path.dirname(to), exist_ok=True)
        with open(f"{to}.txt", "w", encoding="utf-8") as f:
            f.write(text + "\n")
        with open(f"{to}.json", "w", encoding="utf-8") as f:
            json.dump({**about, "variants": rows, "two_cpus": smp,
                       "not_measured": [{"name": n, "why": w} for n, w in absent],
                       "scale": scale, "goals": wanted}, f, indent=1)
            f.write("\n")
        draw(rows, about, to)


main()
