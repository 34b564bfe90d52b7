# SPDX-License-Identifier: MIT
"""nanobench on each engine and emulator: ticks an operation, and the events
that the monitor counted for each row (bench/guest, vm/marks.c)."""
import json
import pathlib
import re

from penumbra_lib.guest import Guest
from penumbra_lib.session import run_guest

from .attempt import attempt

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
    """The largest relative difference of two runs' ticks, and its row."""
    worst = max(first, key=lambda name: difference(first, second, name))
    return {"row": worst, "difference": difference(first, second, worst)}


def difference(first, second, name):
    a, b = first[name]["ticks"], second[name]["ticks"]
    return abs(a - b) / max(a, b, 1.0)


def measure(quick, tell=lambda text: None, failed=print):
    """failed(text): a run that gave no figures; the others go on."""
    result, again = {}, {}
    for on, engines in (QUICK if quick else ENGINES).items():
        for engine, forms in engines.items():
            for form in forms:
                tell(f"nanobench {on}/{engine}{form}")
                attempt(run, result, f"{on}/{engine}{form}", failed, on,
                        engine, form)
    for engine in () if quick else AGAIN:
        key = f"bochs/{engine}"
        tell(f"nanobench {key} again")
        attempt(run, again, key, failed, "bochs", engine)
        if key in result and key in again:
            result.setdefault("spread", {})[key] = spread(result[key],
                                                          again[key])
    return result
