#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measure Penumbra: the translator on the real CPU, nanobench, Linux guests.

usage: bench/run.py [--quick] [-o DIR] [--only PART,...] [--merge]
       bench/run.py [-o DIR] --redraw REPORT.json

Writes report.md, report.json and charts (SVG, PNG) to DIR (build/bench).
Parts: programs, nano, linux; with --merge the others stay as DIR has them.
--redraw makes page and charts of an old run.
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

from suite import linux, nano, programs, report, size, targets  # noqa: E402

PARTS = {"programs": programs, "nano": nano, "linux": linux}
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


def old_parts(folder, parts):
    """What the report in `folder` has of the parts not measured now."""
    try:
        old = json.loads((folder / "report.json").read_text())
    except OSError:
        return {"failed": []}
    kept = {name: old[name] for name in PARTS if name in old
            and name not in parts}
    kept["failed"] = [text for text in old["failed"]
                      if text.partition(":")[0] in kept]
    return kept


def measure(quick, parts, kept):
    run = {"machine": machine(quick), **kept}
    for name in parts:
        tell(name)
        run[name] = PARTS[name].measure(
            quick, tell,
            lambda why, name=name: run["failed"].append(f"{name}: {why}"))
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
    for text in run["failed"]:
        tell(f"failed: {text.splitlines()[0]}")
    met = sum(row["met"] for row in run["targets"])
    tell(f"{folder}/report.md: {met} of {len(run['targets'])} targets met")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("-o", default="build/bench", type=pathlib.Path)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--merge", action="store_true")
    parser.add_argument("--redraw", type=pathlib.Path)
    args = parser.parse_args()
    parts = args.only.split(",")
    if not set(parts) <= set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}")
    run = json.loads(args.redraw.read_text()) if args.redraw else \
        measure(args.quick, parts, old_parts(args.o, parts) if args.merge
                else {"failed": []})
    write(run, args.o)
    return 1 if run["failed"] and not args.redraw else 0


if __name__ == "__main__":
    sys.exit(main())
