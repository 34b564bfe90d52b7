# SPDX-License-Identifier: MIT
"""The benchmarks' own parts: that they run, and that what they derive is
right. What they measure is `make bench`'s business, but for exact counts."""
import json
import pathlib
import re
import sys
import tempfile

from .case import BUILD, ROOT, Case, command

sys.path.insert(0, str(ROOT / "bench"))
from suite import (attempt, cost, gaps, linux, nano, profile,  # noqa: E402
                   programs, reasons, report, same, targets)
from suite.boot import base_of  # noqa: E402

TRANSLATOR = BUILD / "bench/translator"
# Host instructions an operation may take in the cache: exact, so no slack.
STEPS_MOST = {"nop": 0, "add": 1.2, "cli": 1.2, "sti": 5.2, "call+ret": 15.2,
              "call+ret indirect": 23.2}


def program(path):
    """Translated code computes what the CPU does, and is checked by both."""
    native = command([path], 60).split()[0]
    lines = command([TRANSLATOR, path], 60).splitlines()
    assert lines[0].split()[0] == native, f"{lines[0]} against {native}"
    work = json.loads(lines[1])
    assert work["instructions"] >= work["blocks"] > 10, work
    bare = command([TRANSLATOR, "--no-verify", path], 60).splitlines()
    assert bare[0].split()[0] == native, f"{bare[0]} against {native}"
    assert json.loads(bare[1])["blocks"] == work["blocks"], bare[1]


def steps():
    counts = json.loads(command([TRANSLATOR, "--steps"], 60))
    over = {name: counts[name] for name, most in STEPS_MOST.items()
            if not counts[name] <= most}
    assert not over, f"more host instructions than before: {over}"


def profiled():
    """Samples fall to the instructions that a program is made of."""
    for name, kind, least in (("calls", "returns", .6),
                              ("virtual", "indirect calls and jumps", .25),
                              ("sort", "loads and stores", .25)):
        lines = command([TRANSLATOR, "--profile",
                         BUILD / "bench/programs" / name], 60).splitlines()
        counts = json.loads(lines[2])
        total = sum(counts.values())
        assert total > 50, f"{name}: {total} samples"
        assert counts[kind] >= least * total, f"{name}: {counts}"


def refuses():
    """What is no program is refused in words."""
    try:
        command([TRANSLATOR, ROOT / "README.md"], 20)
    except AssertionError as why:
        assert "not a 32-bit x86 program" in str(why), why
        return
    raise AssertionError("a text was run as a program")


def derived():
    work = {"blocks": 2, "instructions": 10, "guest_bytes": 40,
            "host_bytes": 100, "translate_cycles": 5000,
            "verify_cycles": 1000}
    rows = [programs.derive({"name": "a", "native": 100, "bt": 200,
                             "qemu": 600, "work": work}),
            programs.derive({"name": "b", "native": 100, "bt": 50,
                             "qemu": 400, "work": work})]
    total = programs.summary(rows)
    assert abs(total["ratio"] - 1) < 1e-9 and total["ratio_worst"] == 2
    assert total["against_qemu_worst"] == 3, total
    assert abs(total["against_qemu"] - 24 ** 0.5) < 1e-9, total
    assert total["translate_verified"] == 600 and total["expansion"] == 2.5


NANO_LOG = """begin
row: empty loop
penumbra-marks: {"callouts": 9}
penumbra-marks: {"instructions_kernel": 200}
row: in 80h
penumbra-marks: {"callouts": 50}
nanobench-json: {"paging": "PAE", "rows": [{"name": "empty loop", "n": 100, \
"ticks": 200}, {"name": "in 80h", "n": 50, "ticks": 1000}]}
exit 0
"""


def nano_parsed():
    rows = nano.parse(NANO_LOG)
    assert rows["empty loop"]["ticks"] == 2, rows
    assert rows["empty loop"]["events"] == {"instructions_kernel": 2}, rows
    assert rows["in 80h"]["ticks"] == 18, "the loop is not taken off"
    assert rows["in 80h"]["events"]["callouts"] == 1, rows


def nano_spread():
    """Ticks and events of two runs, by the largest difference."""
    one = {"a": row(100.0, callouts=1.0), "b": row(.5)}
    assert nano.spread(one, one)["difference"] == 0
    said = nano.spread(one, {**one, "a": row(100.0, callouts=1.1)})
    assert said["row"] == "a" and abs(said["difference"] - .1 / 1.1) < 1e-9
    assert nano.spread(one, {**one, "b": row(.75)})["difference"] == .25
    assert nano.spread(one, {"a": one["a"]})["row"] == "b", "a row was lost"
    failed = []
    runs = {"bochs/bt": one, f"bochs/bt{nano.SECOND}": {**one, "b": row(.75)}}
    said = nano.spreads(runs, failed.append)
    assert list(runs) == list(said) == ["bochs/bt"], "the second is left"
    assert len(failed) == 1, failed


def same_reports():
    """Two reports: alike, apart, and with nothing in common."""
    one, two = canned(), canned()
    assert same.differences(one, two) == ([], 6, 0), same.differences(one, two)
    two["nano"]["bochs/bt"]["true page fault"]["ticks"] = 614.0
    wrong, _, largest = same.differences(one, two)
    assert [name for name, *_ in wrong] == \
        ["bochs/bt: true page fault: ticks"], wrong
    assert abs(largest - 10 / 614) < 1e-9, largest
    del two["nano"]["bochs/vmx"]["true page fault"]["events"]["vm_exits"]
    assert len(same.differences(one, two)[0]) == 2, "a count that is gone"
    del two["nano"]["bochs/bt"]
    assert same.differences(one, two)[1] == 3, "a run that is gone"


def same_again(engine):
    """Two runs on Bochs count the same, to within 1 %."""
    said = nano.spread(*(nano.run("bochs", engine, budget=100000)
                         for _ in range(2)))
    assert said["difference"] <= nano.SPREAD_MOST, said


def nano_rows(bits):
    """The names in the image's own tables."""
    names = []
    for pattern in ("ops_*.c", f"machine{bits}.c"):
        for path in sorted((ROOT / "bench/guest").glob(pattern)):
            names += re.findall(r'\.name = "([^"]*)"', path.read_text())
    assert len(names) > 30, names
    return set(names)


def nanobench(engine, on, form):
    """Every row is there, and costs what it must: an event of its own."""
    budget = 400000
    rows = nano.run(on, engine, form, budget=budget)
    cpuid = rows["cpuid"]
    assert cpuid["n"] * cpuid["ticks"] < 20 * budget, f"not in {budget}: {cpuid}"
    missing = nano_rows(64 if form == "/long" else 32) - set(rows) - \
        {"syscall by SYSENTER"}
    assert not missing, f"not measured: {missing}"
    if engine != "bt":
        return
    for name, event in (("in 80h", "callouts"),
                        ("true page fault", "host_faults"),
                        ("syscall by INT 80h", "user_entries")):
        count = rows[name]["events"].get(event, 0)
        assert .9 < count < 1.3, f"{name}: {count} {event} each"
    for name, most in (("call + ret", 1), ("indirect call, 64 targets", 2)):
        count = rows[name]["events"]["indirect_hits"]
        assert abs(count - most) < .1, f"{name}: {count} look-ups each"


LINUX_LOG = """[    3.500000] Run /init as init process
PENUMBRA-GUEST-READY 6.1.0-50-686 up 4.00
penumbra-marks: {"callouts": 30}
bench: forkwait 10 5000
bench: gzip 1 700
BENCH-END
"""


def linux_parsed():
    rows = linux.parse(LINUX_LOG)
    assert rows["forkwait"]["ticks"] == 500, rows
    assert rows["forkwait"]["events"] == {"callouts": 3}, rows
    assert rows["gzip"]["events"] == {}, "events of another workload"
    assert linux.timeline(LINUX_LOG) == [("init", 3.5), ("shell", 4)]
    counted = {"workloads": {"exec": row(9.0, tsc_guest=70, tsc_monitor=20)}}
    assert linux.by_host_time(counted)["workloads"]["exec"]["ticks"] == 90
    assert base_of("qemu/bt/cache=1M") == base_of("qemu/bt") == "qemu/bare"
    assert base_of("qemu/interp/short") == "qemu/bare/short"


WORKLOADS = set("forkwait exec pipe mmap signals select getppid compute "
                "compile gzip sort hackbench stress-cpu stress-switch "
                "stress-fault stress-vm stress-fork stress-mmap".split())


def short():
    """What the interpreter is given has every row, though there is little of
    it: by the bare machine, for the time."""
    part = linux.run_short("bare")
    rows = part["workloads"]
    assert set(rows) == WORKLOADS, f"missing: {WORKLOADS - set(rows)}"
    assert all(row["ticks"] > 0 and row["n"] <= 5 for row in rows.values()), \
        rows
    assert [name for name, _ in part["timeline"]] == \
        [*(name for name, _ in linux.LANDMARKS), "shell"], part["timeline"]


def workloads():
    """All of them run under bt, the compiler, gzip and hackbench included."""
    rows = linux.run("qemu", "bt", 1)["workloads"]
    assert set(rows) == WORKLOADS, f"missing: {WORKLOADS - set(rows)}"
    forks = rows["forkwait"]["events"]
    assert forks["user_entries"] >= 2 and forks["hidden_faults"] > 0, forks


def row(ticks, **events):
    return {"n": 10, "ticks": ticks, "events": events}


def canned():
    """A run as bench/run.py makes it, with figures that are easy to check."""
    fault = "true page fault"
    forks = {"hidden_faults": 9.0}
    part = {"boot_seconds": 5.0, "stats": None,
            "timeline": [["init", 3.0], ["shell", 4.0]]}
    return {
        "machine": {"date": "today"}, "failed": ["nanobench x: timeout"],
        "nano": {
            "bochs/bare": {fault: row(4.0)},
            "bochs/bt": {fault: row(604.0, guest_faults=1, host_faults=1)},
            "bochs/vmx": {fault: row(4.0, vm_exits=0.5)}},
        "linux": {
            "qemu/bare": {**part, "boot_ticks": None, "workloads": {
                "forkwait": row(10.0)}},
            "qemu/bt": {**part, "boot_ticks": 150.0, "boot_seconds": 7.5,
                        "workloads": {
                "forkwait": row(30.0, **forks)}, "stats": {
                    "tsc_guest": 70, "tsc_monitor": 20, "tsc_idle": 10,
                    "tsc_translate": 30, "monitor_bytes": 0}}},
        "profile": {"forks": {profile.USER: 10, profile.KERNEL: 50,
                              "bt/cache.c: find": 40}},
        "size": {"image": 1 << 20}}


def short_alone():
    """What a run of the interpreter's part alone has."""
    run = canned()
    bt, bare = (run["linux"].pop(f"qemu/{name}") for name in ("bt", "bare"))
    bt["workloads"]["forkwait"]["events"] = {"instructions_interpreted": 9.0}
    return {"machine": run["machine"], "failed": [], "size": run["size"],
            "linux": {"qemu/bare/short": bare, "qemu/interp/short": bt}}


def judged():
    """Targets: met, missed, not measured; at most and at least."""
    said = {t["name"]: t for t in targets.judge(canned())}
    boot = said["boot to shell, bt on QEMU / bare"]
    assert boot["value"] == 1.5 and boot["met"], boot
    forks = said["fork + exit + wait, bt on QEMU / bare"]
    assert forks["value"] == 3 and not forks["met"], forks
    assert said["true page fault, bt: monitor instructions"]["met"]
    assert not said["true page fault, vmx: exits"]["met"]
    assert said["hidden_faults a fork, bt on QEMU"]["met"]
    assert not said["image, KiB"]["met"]
    assert "translated / native, worst" not in said, "it was not measured"
    least = targets.Row("least", 2, lambda run: 3, least=True).judge({})
    assert least["met"], least


def explained():
    """What is missed says why, or that nobody has; so do empty cells."""
    names = {target.name for target in targets.ROWS}
    assert set(reasons.reasons()) <= names, set(reasons.reasons()) - names
    for reason in reasons.reasons().values():
        assert reason["why"] and reason["tried"], reason
    run = canned()
    run["targets"] = targets.judge(run)
    assert reasons.missing(run) == ["true page fault, vmx: exits",
                                    "image, KiB"], reasons.missing(run)
    page = report.markdown(run)
    forks = "fork + exit + wait, bt on QEMU / bare"
    for text in (f"- **{forks}**: 3.00, 1.20 times the target of 2.50",
                 f"Tried: {reasons.reasons()[forks]['tried']}",
                 f"  Why: {reasons.NONE}", "Not measured in this run: "):
        assert text in page, f"not in the report: {text}"
    assert reasons.by_how_much({"value": 1.5, "target": 2}) == \
        "25 % below the target of"


def gaps_told():
    run = canned()
    run["nano"]["bochs/vmx/long"] = {"mov to CR8": row(1.0)}
    del run["nano"]["bochs/bt"]["true page fault"]
    lines = "\n".join(gaps.lines(run, "nano"))
    assert "bochs/bare, bochs/bt, bochs/vmx: no mov to CR8: only 64-bit code" \
        in lines and "qemu/vmx is not run: " in lines, lines
    assert gaps.missing(run) == [
        "bochs/bt: true page fault", "bochs/vmx/long: true page fault"]
    assert f"{reasons.NONE}: bochs/bt: true page fault is not there" in \
        reasons.unexplained({**run, "targets": []})
    run = short_alone()
    run["linux"]["qemu/bare/short"]["workloads"]["gzip"] = row(1.0)
    assert gaps.missing(run) == ["qemu/interp/short: gzip"], gaps.missing(run)


def carried_out():
    """Runs alone come first, a failure stops no other, order is the plan's."""
    told, failed = [], []

    def fails():
        raise ValueError("no luck")

    plans = [attempt.Plan("shared", lambda: 1, True),
             attempt.Plan("bad", fails), attempt.Plan("alone", lambda: 2)]
    result = attempt.carry_out(plans, 2, told.append, failed.append)
    assert told == ["bad", "alone", "shared"], told
    assert list(result.items()) == [("shared", 1), ("alone", 2)], result
    assert failed == ["bad: no luck"], failed


def sampled():
    """Samples of QEMU fall to boot or forks, cache or monitor."""
    for text in ("EAX=0 EIP=08048010 EFL=202 [-------] CPL=3 II=0",
                 "RAX=0\nRIP=0000000008048010 RFL=00000202 [---] CPL=3 II=0"):
        assert int(profile.REGISTERS.search(text).group(1), 16) == 0x8048010
        assert profile.REGISTERS.search(text).group(2) == "3"
    log = b"xx guest entry: 1\nPENUMBRA-FORKS-BEGIN\nPENUMBRA-FORKS-END\n"
    cache = profile.CACHE.start
    samples = [(1, 0, cache), (9, 0, cache), (9, 3, 0x8048000),
               (30, 0, cache + 5), (30, 3, 0x8048000), (30, 3, 0x8048001),
               (len(log), 0, cache)]
    assert profile.sort(samples, log) == {
        "boot": {profile.KERNEL: 1, profile.USER: 1},
        "forks": {profile.USER: 2, profile.KERNEL: 1}}, \
        profile.sort(samples, log)
    try:
        profile.sort(samples, b"guest entry: ")
    except ValueError as why:
        assert "FORKS-BEGIN" in str(why), why
        return
    raise AssertionError("a guest that ended early has a profile")


def modelled():
    """Events priced: a fault of the guest's own costs all but bt one."""
    line = cost.table(canned()["nano"])[0]
    weight = cost.weights()[0]["Penryn (2007)"]
    cycles = {engine: line[engine]["cycles"]["Penryn (2007)"]
              for engine in ("bare", "bt", "vmx")}
    assert cycles["bare"] == 4 + weight["fault"], cycles
    assert cycles["bt"] == 604 + weight["fault"], cycles
    assert cycles["vmx"] == 4 + .5 * weight["exit"] + weight["fault"], cycles


def reported():
    run = canned()
    run["targets"] = targets.judge(run)
    page = report.markdown(run, ["linux"])
    for text in ("## Targets", "| boot to shell | 5.00 s | 7.50 s (1.50x) |",
                 "nanobench x: timeout", "1093 / 3927 / 11242",
                 "| the monitor | 40.0 |", "| of it bt/cache.c: find | 40.0 |",
                 "](linux.svg)"):
        assert text in page, f"not in the report: {text}"


def redrawn(run, pictures):
    """Page and JSON made from a run's JSON, by the Python that make bench
    uses; these pictures and no other are there."""
    python = "/usr/bin/python3" if pathlib.Path("/usr/bin/python3").exists() \
        else sys.executable
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "old.json").write_text(json.dumps(run))
        command([python, "bench/run.py", "--redraw", folder / "old.json",
                 "-o", folder / "new"], 120)
        page = (folder / "new/report.md").read_text()
        again = json.loads((folder / "new/report.json").read_text())
        assert re.findall(r"\]\((\w+)\.svg\)", page) == pictures, page
        for name in pictures:
            for kind in ("svg", "png"):
                size = (folder / f"new/{name}.{kind}").stat().st_size
                assert size > 5000, f"{name}.{kind}: {size} bytes"
    return page, again


def drawn():
    """A whole run, and runs of a part."""
    page, again = redrawn(canned(), ["nanobench", "linux", "times", "boot"])
    assert "| translator | 30.0 |" in page, "no shares of time"
    assert again["targets"] == targets.judge(canned()), again["targets"]
    page, _ = redrawn(short_alone(), ["times"])
    assert "| forkwait | 10.0 | 30.0 (3.00x) |" in page, page
    assert "A fork + exit + wait" not in page, "events of which there are none"
    alone = canned()
    del alone["linux"]["qemu/bare"]
    redrawn(alone, ["nanobench", "times", "boot"])


def cases():
    for path in sorted((ROOT / "bench/programs").glob("*.c")):
        built = BUILD / "bench/programs" / path.stem
        if "u32 work(void)\n" in path.read_text():
            yield Case(f"bench/program/{path.stem}", program, built)
    yield Case("bench/steps", steps)
    yield Case("bench/refuses", refuses)
    yield Case("bench/derived", derived)
    yield Case("bench/judged", judged)
    yield Case("bench/explained", explained)
    yield Case("bench/gaps", gaps_told)
    yield Case("bench/carried-out", carried_out)
    yield Case("bench/sampled", sampled)
    yield Case("bench/profiled", profiled)
    yield Case("bench/modelled", modelled)
    yield Case("bench/reported", reported)
    yield Case("bench/drawn", drawn)
    yield Case("bench/nano-parsed", nano_parsed)
    yield Case("bench/nano-spread", nano_spread)
    yield Case("bench/same-reports", same_reports)
    for engine in nano.AGAIN:
        yield Case(f"bench/same/{engine}", same_again, engine)
    yield Case("bench/linux-parsed", linux_parsed)
    yield Case("bench/linux", workloads)
    yield Case("bench/linux-short", short)
    for engine, on, form in (("bare", "qemu", ""), ("bt", "qemu", ""),
                             ("bt", "qemu", "/pae"), ("vmx", "bochs", "/pae"),
                             ("bare", "qemu", "/long"),
                             ("vmx", "bochs", "/long")):
        yield Case(f"bench/nanobench/{engine}/{on}{form}", nanobench, engine,
                   on, form)
