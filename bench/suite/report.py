# SPDX-License-Identifier: MIT
"""A run as a page for people: tables of what was measured, the targets, and
beside them what the paper saw."""
from . import cost, gaps, reasons
from .boot import SHORT, base_of, boot_ratio
from .profile import KERNEL, USER

SOFTWARE, HARDWARE = "bt", "vmx"


def number(value):
    if value is None:
        return ""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(head, rows):
    """Markdown; the first column is words, the rest numbers."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" + "---:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(map(str, row)) + " |"
    yield ""


def machine_part(run):
    yield "# Penumbra, measured"
    yield ""
    for key, value in run["machine"].items():
        yield f"- {key}: {value}"
    yield ""


def target_part(run):
    targets = run["targets"]
    met = sum(row["met"] for row in targets)
    yield f"## Targets: {met} of {len(targets)} measured ones met"
    yield ""
    yield from table(
        ("what", "target", "seen", "met"),
        ((row["name"], number(row["target"]), number(row["value"]),
          "yes" if row["met"] else "**no**") for row in targets))
    names = reasons.unmeasured(run)
    if names:
        yield f"Not measured in this run: {'; '.join(names)}."
        yield ""


def missed_part(run):
    groups = reasons.grouped(run)
    if groups:
        yield "## Missed: by how much, why, and what was tried"
        yield ""
    for reason, rows in groups:
        for row in rows:
            yield (f"- **{row['name']}**: {number(row['value'])}, "
                   f"{reasons.by_how_much(row)} {number(row['target'])}")
        yield ""
        if reason:
            yield f"  Why: {reason['why']}"
            yield ""
            yield f"  Tried: {reason['tried']}"
        else:
            yield f"  Why: {reasons.NONE}"
        yield ""


def failed_part(run):
    if run["failed"]:
        yield "## Runs that gave no figures"
        yield ""
        yield from (f"- {text.splitlines()[0]}" for text in run["failed"])
        yield ""


def program_part(run):
    programs = run.get("programs")
    if not programs:
        return
    yield "## The translator on the real CPU"
    yield ""
    yield "Best times in ms; ratios to the program as a process of its own."
    yield ""
    yield from table(
        ("program", "native", "bt", "bt / native", "qemu-i386 / native",
         "qemu-i386 / bt", "bytes out / in", "cycles an instruction",
         "verified"),
        ((row["name"], number(row["native"] / 1e6), number(row["bt"] / 1e6),
          number(row["ratio"]), number(row["qemu"] / row["native"]),
          number(row["against_qemu"]), number(row["expansion"]),
          number(row["translate"]), number(row["translate_verified"]))
         for row in programs["rows"]))
    total = programs["summary"]
    yield (f"Geometric means: bt {total['ratio']:.2f}x native, qemu-i386 "
           f"{total['qemu_ratio']:.2f}x native, bt {total['against_qemu']:.2f}"
           f" times as fast as qemu-i386. Call + return: "
           f"{programs['call_ratio']:.2f}x native.")
    yield ""
    yield "Host instructions of an operation when all is linked and predicted:"
    yield ""
    yield from table(("operation", "instructions"),
                     ((name, number(count)) for name, count
                      in programs["steps"].items()))


def nano_part(run):
    nano = {key: rows for key, rows in run.get("nano", {}).items()
            if key != "spread"}
    if not nano:
        return
    yield "## Nanobenchmarks"
    yield ""
    yield ("TSC ticks an operation, the empty loop taken off. On Bochs a tick "
           "is an instruction, of the guest or of the monitor; on QEMU a cycle "
           "of the machine that QEMU ran on.")
    yield ""
    names = dict.fromkeys(name for rows in nano.values() for name in rows)
    yield from table(
        ("operation", *nano),
        ((name, *(number(rows[name]["ticks"]) if name in rows else "-"
                  for rows in nano.values())) for name in names))
    yield from gap_lines(run, "nano")
    for key, spread in run["nano"].get("spread", {}).items():
        yield (f"Two runs of {key} differ by {100 * spread['difference']:.2f} "
               f"% at most ({spread['row']}).")
        yield ""


def gap_lines(run, part):
    lines = list(gaps.lines(run, part))
    if lines:
        yield "Not there, and why:"
        yield ""
        yield from lines
        yield ""


EVENTS = ("host_faults", "vm_exits", "hidden_faults", "traced_writes",
          "callouts", "blocks_translated", "dispatches")


def event_part(run):
    for key in ("bochs/bt", "bochs/vmx", "bochs/vmx/long", "qemu/bt"):
        rows = run.get("nano", {}).get(key)
        if not rows:
            continue
        seen = [e for e in EVENTS if any(row["events"].get(e, 0) > .004
                                         for row in rows.values())]
        yield f"## Events an operation: {key}"
        yield ""
        yield from table(
            ("operation", *(e.replace("_", " ") for e in seen)),
            ((name, *(f"{row['events'].get(e, 0):.2f}" for e in seen))
             for name, row in rows.items()))


def cost_part(run):
    lines = cost.table(run.get("nano", {}))
    if not lines:
        return
    _, shown = cost.weights()
    paper = {row["row"]: row for row in cost.paper()["rows"]}
    yield "## Modelled cycles beside the paper's"
    yield ""
    yield ("Counts from Bochs, priced by generation (bench/data/costs.json): "
           "instructions, exits with their entries, faults with their "
           "returns. Columns are bare / bt / vmx; the paper's are native / "
           "software / hardware on a Pentium 4.")
    yield ""
    yield from table(
        ("operation", "instructions", "exits", "faults", *shown, "paper"),
        ((line["name"],
          triple(line, lambda e: e["ticks"]),
          triple(line, lambda e: e["exits"]),
          triple(line, lambda e: e["faults"]),
          *(triple(line, lambda e, g=g: e["cycles"][g]) for g in shown),
          paper_cell(paper.get(line["name"]))) for line in lines))


def triple(line, value):
    return " / ".join(number(value(line[engine])) if engine in line else "-"
                      for engine in ("bare", "bt", "vmx"))


def paper_cell(row):
    if not row:
        return ""
    return f"{row['native']} / {row['software']} / {row['hardware']}"


def linux_part(run):
    linux = run.get("linux")
    if not linux:
        return
    yield "## Linux guests"
    yield ""
    yield ("Debian's 686 kernel; TSC ticks of one operation, and as a multiple "
           "of the bare machine's on the same emulator.")
    yield ""
    names = dict.fromkeys(name for part in linux.values()
                          for name in part["workloads"])
    yield from table(
        ("what", *linux),
        [("boot to shell", *(boot_cell(linux, key) for key in linux)),
         *((name, *(linux_cell(linux, key, workload_ticks, name)
                    for key in linux)) for name in names)])
    if f"qemu/interp/{SHORT}" in linux:
        yield ("The interpreter's runs are short, and so are the bare "
               "machine's that they are compared with: kernel and initrd are "
               "unpacked beforehand, the kernel's own tests and what it "
               "prepares for tracing are left out, of each workload there is "
               "the least. Its guest's time is the count of instructions "
               "(time=icount), since 250 interrupts a second would take all "
               "of its time; the ticks here are the machine's.")
        yield ""
    yield from gap_lines(run, "linux")
    for key, part in linux.items():
        forks = part["workloads"].get("forkwait", {}).get("events", {})
        seen = [f"{forks[e]:.1f} {e.replace('_', ' ')}"
                for e in EVENTS if forks.get(e, 0) >= .05]
        if seen:
            yield f"A fork + exit + wait, {key}: {', '.join(seen)}."
            yield ""


def boot_cell(linux, key):
    """Bochs' ticks or QEMU's seconds."""
    part, base = linux[key], linux.get(base_of(key))
    text = number(part["boot_ticks"]) if "bochs" in key and \
        part["boot_ticks"] else f"{part['boot_seconds']:.2f} s"
    return text if base in (None, part) else \
        f"{text} ({boot_ratio(part, base):.2f}x)"


def workload_ticks(part, name):
    row = part["workloads"].get(name)
    return row and row["ticks"]


def linux_cell(linux, key, value, *args):
    mine = value(linux[key], *args)
    base = linux.get(base_of(key))
    theirs = value(base, *args) if base else None
    if not mine:
        return "-"
    return number(mine) + (f" ({mine / theirs:.2f}x)"
                           if theirs and linux[key] is not base else "")


TIMES = (("guest and engine", "tsc_guest"), ("run loop, devices",
         "tsc_monitor"), ("translator", "tsc_translate"), ("idle", "tsc_idle"))


def time_part(run):
    stats = {key: part["stats"] for key, part
             in run.get("linux", {}).items() if part["stats"]}
    if not stats:
        return
    yield "## Where the time goes: a boot with its workloads"
    yield ""
    yield from table(
        ("per cent of all ticks", *stats),
        ((text, *(f"{share(s, key):.1f}" for s in stats.values()))
         for text, key in TIMES))


def program_profile_part(run):
    profile = run.get("programs", {}).get("profile")
    if not profile:
        return
    yield "## Where translated programs spend their time"
    yield ""
    yield ("Per cent of the samples of a run on the real CPU, by the guest "
           "instruction that the host's was made for (bench/translator/"
           "profile.c).")
    yield ""
    kinds = list(next(iter(profile.values())))
    yield from table(("program", *kinds), (
        (name, *(f"{per_cent(counts, kind):.1f}" for kind in kinds))
        for name, counts in profile.items()))


def per_cent(counts, key):
    return 100 * counts.get(key, 0) / max(sum(counts.values()), 1)


PROFILE_ROWS = 16  # of the monitor


def guest_profile_part(run):
    profile = run.get("profile")
    if not profile:
        return
    yield "## Where Linux under bt spends QEMU's time"
    yield ""
    yield (f"Per cent of the samples of {', of '.join(profile)}. Of the "
           "monitor, the functions with the most; what is inlined has its own "
           "name.")
    yield ""
    rows = [(name, (name,)) for name in (USER, KERNEL)]
    names = monitor_functions(profile)
    rows += [("the monitor", names)]
    rows += [(f"of it {name}", (name,)) for name in names[:PROFILE_ROWS]]
    yield from table(("where", *profile), (
        (text, *(f"{sum(per_cent(counts, name) for name in names):.1f}"
                 for counts in profile.values())) for text, names in rows))


def monitor_functions(profile):
    """Those with the most samples first."""
    total = {}
    for counts in profile.values():
        for name in counts:
            total[name] = total.get(name, 0) + per_cent(counts, name)
    return [name for name in sorted(total, key=total.get, reverse=True)
            if name not in (USER, KERNEL)]


def share(stats, key):
    """The translator works within the engine's time."""
    total = stats["tsc_guest"] + stats["tsc_monitor"] + stats["tsc_idle"]
    ticks = stats[key]
    if key == "tsc_guest":
        ticks -= stats["tsc_translate"]
    return 100 * ticks / total


def size_part(run):
    size = run.get("size", {})
    if "memory" in size:
        yield (f"Monitor: image {size['image'] / 1024:.0f} KiB, memory "
               f"{size['memory'] / (1 << 20):.1f} MiB beside a guest of 256 "
               "MiB.")
        yield ""


PARTS = (machine_part, target_part, missed_part, failed_part, program_part,
         program_profile_part, nano_part, event_part, cost_part, linux_part,
         time_part, guest_profile_part, size_part)


def markdown(run, charts=()):
    lines = [line for part in PARTS for line in part(run)]
    for name in charts:
        lines += [f"![{name}]({name}.svg)", ""]
    return "\n".join(lines)
