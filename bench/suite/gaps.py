# SPDX-License-Identifier: MIT
"""What the report's tables do not have, and why: runs that no engine can do,
and cells that a run leaves empty. A gap without a reason is a failure."""
import re

# Runs that are not among those measured: part, run, why.
NO_RUN = (
    ("nano", "qemu/vmx", "QEMU's software emulation has no VT-x"),
    ("nano", "qemu/bt/long", "bt offers guests no long mode"),
    ("nano", "bochs/bt/long", "bt offers guests no long mode"),
    ("nano", "qemu/interp/pae", "the interpreter's pace is the same in all "
     "paging formats"),
    ("nano", "bochs/interp/pae", "the interpreter's pace is the same in all "
     "paging formats"),
    ("linux", "qemu/vmx", "QEMU's software emulation has no VT-x"),
    ("linux", "bochs/interp", "a boot would take hours: some 2,000 million "
     "instructions of the guest, each some hundred of the monitor"),
)
# Cells: part, run, row, why.
NO_CELL = (
    ("nano", r".*/long", "push \\+ pop es", "64-bit code has no such "
     "instruction"),
    ("nano", r".*/long", "syscall by SYSENTER", "the row of 64 bits is "
     "SYSCALL"),
    ("nano", r"(?!.*/long).*", "mov (to|from) CR8|syscall by SYSCALL",
     "only 64-bit code has it"),
    ("linux", r".*/cache=1M", ".*", "run for its boot alone"),
)
PARTS = ("nano", "linux")
NONE = "no reason recorded"


def rows_of(part, figures):
    return figures["workloads"] if part == "linux" else figures


def runs_of(run, part):
    return {key: rows_of(part, figures) for key, figures
            in run.get(part, {}).items() if key != "spread"}


def holes(run, part):
    """[(run, row)] of the cells that are empty."""
    runs = runs_of(run, part)
    names = dict.fromkeys(name for rows in runs.values() for name in rows)
    return [(key, name) for key, rows in runs.items() for name in names
            if name not in rows]


def why(part, key, name):
    """None: nobody has said."""
    return next((text for where, run, row, text in NO_CELL
                 if where == part and re.fullmatch(run, key) and
                 re.fullmatch(row, name)), None)


def missing(run):
    """Cells that are empty without a reason."""
    return [f"{key}: {name}" for part in PARTS
            for key, name in holes(run, part)
            if why(part, key, name) is None]


def lines(run, part):
    """For below the part's table."""
    reasons = {}
    for key, name in holes(run, part):
        by_run = reasons.setdefault(
            why(part, key, name) or NONE, {})
        by_run.setdefault(key, []).append(name)
    for text, by_run in reasons.items():
        yield f"- {listed(by_run)}: {text}."
    for where, key, text in NO_RUN:
        if where == part and key not in run.get(part, {}):
            yield f"- {key} is not run: {text}."


def listed(by_run):
    """Runs whose gaps are the same stand together."""
    same = {}
    for key, names in by_run.items():
        same.setdefault(", ".join(names), []).append(key)
    return "; ".join(f"{', '.join(keys)}: no {names}"
                     for names, keys in same.items())
