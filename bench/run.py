#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measure Penumbra: the translator on the real CPU, nanobench, Linux guests.

usage: bench/run.py [--quick] [-j JOBS] [-o DIR] [--only PART,...] [--merge]
       bench/run.py [-o DIR] --redraw REPORT.json
       bench/run.py --same REPORT.json REPORT.json

Writes report.md, report.json and charts (SVG, PNG) to DIR (build/bench).
Parts: programs, profile, nano, linux; of the last two also the runs whose names
begin with what follows, as linux/qemu or nano/bochs/bt. With --merge all else
stays as DIR has it. --redraw makes page and charts of an old run. --same
compares what two runs counted on Bochs. JOBS: how many runs at once, of those
that others do not disturb.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tools")]
os.chdir(ROOT)

from suite import (linux, nano, profile, programs, reasons,  # noqa: E402
                   report, same, size, targets)

PARTS = {"programs": programs, "profile": profile, "nano": nano,
         "linux": linux}
VERSIONS = {"QEMU": ["qemu-system-x86_64", "--version"],
            "Bochs": ["dpkg-query", "-W", "-f", "${Version}", "bochs"],
            "GCC": ["gcc", "-dumpfullversion"],
            "Penumbra": ["git", "describe", "--always", "--dirty"]}


def tell(text):
    print(f"  BENCH {text}", flush=True)


def first_line(words):
    try:
        done = subprocess.run(words, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
    except OSError:
        return "not there"
    return (done.stdout.splitlines() or ["unknown"])[0]


def machine(quick):
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = [line.split(":")[1].strip() for line in info.splitlines()
             if line.startswith("model name")]
    now = datetime.datetime.now(datetime.timezone.utc)
    return {"date": now.strftime("%Y-%m-%d %H:%M UTC"),
            "CPU": f"{model[0] if model else 'unknown'}, "
                   f"{os.cpu_count()} processors",
            "system": platform.platform(),
            **{name: first_line(words) for name, words in VERSIONS.items()},
            "kind of run": "quick" if quick else "full"}


def wanted(only):
    """{part: how the names of its runs may begin}"""
    chosen = {}
    for word in only.split(","):
        part, _, start = word.partition("/")
        chosen[part] = (*chosen.get(part, ()), start)
    return chosen


def old_runs(folder, chosen):
    """What the report in `folder` has of the runs not measured now."""
    try:
        old = json.loads((folder / "report.json").read_text())
    except OSError:
        return {"failed": []}
    kept = {name: {key: figures for key, figures in old[name].items()
                   if not key.startswith(chosen.get(name, ()))}
            for name in PARTS if name in old}
    again = tuple(f"{part}: {start}" for part, starts in chosen.items()
                  for start in starts)
    kept["failed"] = [text for text in old["failed"]
                      if not text.startswith(again)]
    return kept


def merge(old, new):
    """Figures of two runs of a part, in which each run is a key."""
    spread = {**old.get("spread", {}), **new.get("spread", {})}
    return {**old, **new, **({"spread": spread} if spread else {})}


def measure(args, chosen, kept):
    run = {"machine": machine(args.quick), **kept}
    for name, starts in chosen.items():
        tell(name)
        run[name] = merge(run.get(name, {}), PARTS[name].measure(
            args.quick, starts, args.j, tell,
            lambda why, name=name: run["failed"].append(f"{name}: {why}")))
    run["size"] = size.measure(run.get("linux", {}))
    return run


def write(run, folder):
    folder.mkdir(parents=True, exist_ok=True)
    run["targets"] = targets.judge(run)
    (folder / "report.json").write_text(json.dumps(run, indent=1) + "\n")
    try:
        from suite import charts
        drawn = charts.draw(run, folder)
    except ImportError:
        drawn = []
        tell("no charts: python3-matplotlib is not there (tools/deps)")
    (folder / "report.md").write_text(report.markdown(run, drawn))
    for text in run["failed"] + reasons.unexplained(run):
        tell(f"failed: {text.splitlines()[0]}")
    met = sum(row["met"] for row in run["targets"])
    tell(f"{folder}/report.md: {met} of {len(run['targets'])} targets met")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("-j", default=os.cpu_count() or 1, type=int)
    parser.add_argument("-o", default="build/bench", type=pathlib.Path)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--merge", action="store_true")
    parser.add_argument("--redraw", type=pathlib.Path)
    parser.add_argument("--same", type=pathlib.Path, nargs=2)
    args = parser.parse_args()
    if args.same:
        return same.tell(*(json.loads(path.read_text())
                           for path in args.same))
    chosen = wanted(args.only)
    if not set(chosen) <= set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}")
    run = json.loads(args.redraw.read_text()) if args.redraw else \
        measure(args, chosen, old_runs(args.o, chosen) if args.merge
                else {"failed": []})
    write(run, args.o)
    return 1 if (run["failed"] or reasons.unexplained(run)) and not args.redraw else 0


if __name__ == "__main__":
    sys.exit(main())
