# SPDX-License-Identifier: MIT
"""The cost model: what a row would take on a real processor, from its count
of instructions on Bochs and the events that Bochs does not price.

    cycles = instructions * CPI + exits * exit + faults * fault

Instructions are the guest's and the monitor's, as Bochs' TSC counts them.
Faults are hardware exceptions and interrupts, each with its return: those that
the monitor took (`host_faults`, `host_irqs`) and those that the processor gave
to the guest itself. Under bt the guest's own never reach it but through the
monitor; under vmx those that cause no exit do, and on the bare machine all.
Left out: what TLB misses after exits and CR3 loads cost, and VMREAD and VMWRITE
beyond their instruction. The weights are data (bench/data/costs.json).
"""
import json
import pathlib

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"


def weights():
    data = json.loads((DATA / "costs.json").read_text())
    cpi = data["instruction"]["cycles"]
    return {g["name"]: {"exit": g["exit"], "fault": g["fault"], "cpi": cpi}
            for g in data["generations"]}, data["shown"]


def paper():
    return json.loads((DATA / "paper.json").read_text())


def own_events(bt_events):
    """Exceptions and interrupts of the guest itself in an operation, as bt
    counted them: it delivers every one."""
    return sum(bt_events.get(key, 0) for key in
               ("guest_faults", "software_interrupts", "interrupts_injected"))


def priced_events(engine, events, bt_events):
    """(exits, faults) of an operation."""
    own = own_events(bt_events)
    if engine == "bare":
        return 0.0, own
    if engine == "vmx":
        injected = events.get("guest_faults", 0) + \
            events.get("interrupts_injected", 0)
        return events.get("vm_exits", 0), max(own - injected, 0.0)
    return 0.0, events.get("host_faults", 0) + events.get("host_irqs", 0)


def model(row, exits, faults, weight):
    return (row["ticks"] * weight["cpi"] + exits * weight["exit"] +
            faults * weight["fault"])


def by_engine(nano, form):
    """The runs on Bochs with one paging format."""
    return {engine: nano[f"bochs/{engine}{form}"] for engine in
            ("bare", "bt", "vmx") if f"bochs/{engine}{form}" in nano}


def line_of(name, runs, bt_events):
    line = {"name": name}
    for engine, rows in runs.items():
        if name not in rows:
            continue
        row = rows[name]
        exits, faults = priced_events(engine, row["events"], bt_events)
        line[engine] = {
            "ticks": row["ticks"], "exits": exits, "faults": faults,
            "cycles": {g: model(row, exits, faults, w)
                       for g, w in weights()[0].items()}}
    return line


def table(nano):
    """[{name, engine: {ticks, exits, faults, cycles: {generation: n}}}] of
    the rows that Bochs ran under bare, bt and vmx; behind them those that only
    64-bit code has, none of which faults."""
    runs, wide = by_engine(nano, ""), by_engine(nano, "/long")
    if "bt" not in runs:
        return []
    names = dict.fromkeys(name for rows in wide.values() for name in rows)
    return [line_of(name, runs, row["events"])
            for name, row in runs["bt"].items()] + \
        [line_of(name, wide, {}) for name in names if name not in runs["bt"]]
