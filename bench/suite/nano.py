# SPDX-License-Identifier: MIT
"""nanobench on each engine and emulator: ticks an operation, and the events
that the monitor counted for each row (bench/guest, vm/marks.c)."""
import functools
import json
import pathlib
import re

from penumbra_lib.guest import Guest
from penumbra_lib.session import run_guest

from .attempt import Plan, carry_out, shares
from .audit import OPTION, audited

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGES = ROOT / "build/bench/guest"
TIMEOUT = 600
EMPTY = "empty loop"
# TSC ticks a row may take. Bochs' TSC counts instructions, at some tens of
# millions a second.
BUDGET = {"qemu": 20000000, "bochs": 1500000}
# Paging: the image, and its command line.
FORMATS = {"": ("nanobench", ""), "/pae": ("nanobench", " pae"),
           "/long": ("nanobench64", "")}
# bt offers no long mode; the interpreter's pace is one in all formats.
ENGINES = {"qemu": {"bare": FORMATS, "bt": ("", "/pae"), "interp": ("",)},
           "bochs": {"bare": FORMATS, "bt": ("", "/pae"), "vmx": FORMATS,
                     "interp": ("",)}}
QUICK = {"qemu": {"bare": ("",), "bt": ("",)},
         "bochs": {"bare": ("",), "bt": ("",), "vmx": ("",)}}
AGAIN = ("bt", "vmx")  # on Bochs, whose counts are to be the same
SECOND = ", again"
SPREAD_MOST = .01
NO_ROW = {"ticks": 0.0, "events": {}}

ROW = re.compile(r"^row: (.*)$")
MARKS = re.compile(r"^penumbra-marks: (\{.*\})$")
RESULT = re.compile(r"^nanobench-json: (\{.*\})$", re.M)


def events_of(log):
    """{row: the monitor's last count before the next row}"""
    events, row = {}, None
    for line in log.splitlines():
        begun, told = ROW.match(line), MARKS.match(line)
        if begun:
            row = begun.group(1)
        elif told and row:
            events[row] = json.loads(told.group(1))
    return events


def parse(log):
    """{row: {"ticks": an operation, "n": how often, "events": an operation}}
    The loop around each is the empty row's, and is taken off."""
    match = RESULT.search(log)
    if not match:
        raise ValueError("nanobench did not come to its end")
    events = events_of(log)
    rows = {}
    for row in json.loads(match.group(1))["rows"]:
        n = row["n"]
        rows[row["name"]] = {
            "n": n, "ticks": row["ticks"] / n,
            "events": {key: count / n for key, count
                       in events.get(row["name"], {}).items()}}
    loop = rows[EMPTY]["ticks"]
    for name, row in rows.items():
        if name != EMPTY:
            row["ticks"] = max(row["ticks"] - loop, 0.0)
    return rows


def run(on, engine, form="", budget=None):
    image, words = FORMATS[form]
    guest = Guest("multiboot", IMAGES / f"{image}.elf", memory="32M",
                  append=f"budget={budget or BUDGET[on]}{words}")
    out = run_guest(guest, engine, on, timeout=TIMEOUT,
                    options="" if engine == "bare" else f"marks=on {OPTION}")
    if out.end != "exit-port" or out.status:
        raise ValueError(f"nanobench, {engine} on {on}: {out.end}, status "
                         f"{out.status} {out.message}")
    audited(out)
    return parse(out.log.decode(errors="replace").replace("\r", ""))


def spread(first, second):
    """The largest relative difference of two runs' ticks and events, and its
    row."""
    worst = max(first, key=lambda name: difference(first, second, name))
    return {"row": worst, "difference": difference(first, second, worst)}


def counts(row):
    """Not the times by part: they are told apart where the monitor looks at the
    clock, which a timer's phase moves from one row to the next."""
    return {"ticks": row["ticks"], **{
        event: count for event, count in row["events"].items()
        if not event.startswith("tsc_")}}


def difference(first, second, name):
    """Of less than one an operation, the difference itself."""
    a, b = counts(first[name]), counts(second.get(name) or NO_ROW)
    return max(abs(a.get(key, 0) - b.get(key, 0)) /
               max(a.get(key, 0), b.get(key, 0), 1.0)
               for key in {**a, **b})


def plans(quick):
    """Every run of nanobench, the second ones behind."""
    for on, engines in (QUICK if quick else ENGINES).items():
        for engine, forms in engines.items():
            for form in forms:
                yield Plan(f"{on}/{engine}{form}", functools.partial(
                    run, on, engine, form), shares(on, engine))
    for engine in () if quick else AGAIN:
        yield Plan(f"bochs/{engine}{SECOND}", functools.partial(
            run, "bochs", engine), True)


def spreads(result, failed):
    """{engine on Bochs: how far its two runs are apart}; the second goes."""
    said = {}
    for key in [key for key in result if key.endswith(SECOND)]:
        second, base = result.pop(key), key.removesuffix(SECOND)
        if base not in result:
            continue
        said[base] = spread(result[base], second)
        if said[base]["difference"] > SPREAD_MOST:
            failed(f"{base}: two runs differ: {said[base]}")
    return said


def measure(quick, only, jobs, tell=lambda text: None, failed=print):
    """failed(text): a run that gave no figures; the others go on."""
    result = carry_out([plan for plan in plans(quick)
                        if plan.key.startswith(only)], jobs,
                       lambda key: tell(f"nanobench {key}"), failed)
    said = spreads(result, failed)
    return {**result, "spread": said} if said else result
