# SPDX-License-Identifier: MIT
"""Linux guests: boot to the shell and the workloads of bench/linux, each
timed in the guest by the TSC, with the monitor's events where there is one."""
import functools
import gzip
import json
import pathlib
import re
import tempfile

from penumbra_lib.guest import Guest
from penumbra_lib.session import run_guest
from penumbra_lib.unpack import unpack_linux

from .attempt import Plan, carry_out, shares
from .audit import OPTION, audited
from .boot import SHORT

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUEST = ROOT / "build/guest"
# Without RDRAND, which Bochs gives from the time of day: no two runs alike.
BOCHS_CPU = "core2_penryn_t9600"
READY, END = "PENUMBRA-GUEST-READY", "BENCH-END"
MEMORY = "256M"
TIMEOUT = 3600
# (emulator, engine): percent of the workloads' counts. Bochs does some sixty
# million instructions a second.
FULL = {("qemu", "bare"): 100, ("qemu", "bt"): 100,
        ("bochs", "bare"): 4, ("bochs", "bt"): 4, ("bochs", "vmx"): 4}
QUICK = {("qemu", "bare"): 10, ("qemu", "bt"): 10}

LINE = re.compile(r"^bench: (\S+) (\d+) (\d+)$")
MARKS = re.compile(r"^penumbra-marks: (\{.*\})$")


def parse(log):
    """{workload: {"n", "ticks", "events"}}, ticks and events of one each."""
    rows, events = {}, {}
    for line in log.splitlines():
        told, result = MARKS.match(line), LINE.match(line)
        if told:
            events = json.loads(told.group(1))
        elif result:
            name, n, ticks = result.group(1), *map(int, result.group(2, 3))
            rows[name] = {"n": n, "ticks": ticks / max(n, 1), "events": {
                key: count / max(n, 1) for key, count in events.items()}}
            events = {}
    return rows


# Where a boot stands when the kernel says so, in order.
LANDMARKS = (("memory", "Memory: "), ("devices", "Trying to unpack rootfs"),
             ("initrd unpacked", "Freeing initrd memory"),
             ("drivers", "Freeing unused kernel image"),
             ("init", "Run /init as init process"))
KERNEL_LINE = re.compile(r"^\[ *([\d.]+)\] (.*)$")
UPTIME = re.compile(READY + r" \S+ up ([\d.]+)")


def timeline(log):
    """[(landmark, seconds of the kernel's own clock)], the shell last."""
    seen = {}
    for line in log.splitlines():
        said = KERNEL_LINE.match(line)
        for name, text in LANDMARKS:
            if said and text in said.group(2):
                seen.setdefault(name, float(said.group(1)))
    ready = UPTIME.search(log)
    return [*seen.items(), *([("shell", float(ready.group(1)))]
                             if ready else [])]


def run(on, engine, percent, options="", workloads=True):
    jobs = f"bench:{percent},poweroff" if workloads else "poweroff"
    guest = Guest("linux", GUEST / "vmlinuz-686", GUEST / "initrd-bench.gz",
                  f"pentest={jobs}", MEMORY)
    return run_one(guest, on, engine, options, workloads)


# What of a boot the interpreter would take minutes for and nothing depends on: the
# kernel's own tests, ISA cards, what tracing prepares, a certificate's signature.
NOT_SHORT = ("ftrace_check_for_weak_functions", "trace_eval_init",
             "load_system_certificate_list")
SHORT_WORDS = "nokaslr cryptomgr.notests=1 noisapnp " \
    f"initcall_blacklist={','.join(NOT_SHORT)}"
# Timers that leave it time for others between two interrupts.
SHORT_OPTIONS = "time=icount"
HOST_TIME = ("tsc_guest", "tsc_monitor", "tsc_idle")


def by_host_time(part):
    """The guest's TSC counts instructions; the monitor's counters have the
    machine's own ticks."""
    for row in part["workloads"].values():
        row["ticks"] = sum(row["events"][key] for key in HOST_TIME
                           if key in row["events"])
    return part


def run_short(engine):
    """On QEMU, for an engine that is very slow: kernel and initrd unpacked
    beforehand, of each workload the least there is."""
    options = "" if engine == "bare" else SHORT_OPTIONS
    with tempfile.TemporaryDirectory(prefix="penumbra-short-") as folder:
        kernel, initrd = (pathlib.Path(folder) / name
                          for name in ("kernel", "initrd"))
        unpack_linux(GUEST / "vmlinuz-686", kernel)
        initrd.write_bytes(gzip.decompress(
            (GUEST / "initrd-bench.gz").read_bytes()))
        guest = Guest("linux", kernel, initrd,
                      f"{SHORT_WORDS} pentest=bench:0,poweroff", MEMORY)
        part = run_one(guest, "qemu", engine, options, True)
    return by_host_time(part) if options else part


def run_one(guest, on, engine, options, workloads):
    marks = "" if engine == "bare" else f"marks=on {OPTION} {options}"
    out = run_guest(guest, engine, on, timeout=TIMEOUT, options=marks,
                    cpu=BOCHS_CPU if on == "bochs" else None,
                    dialog=[("expect", READY)] +
                    [("expect", END)] * workloads)
    log = out.log.decode(errors="replace").replace("\r", "")
    if out.missed:
        raise ValueError(f"Linux, {engine} on {on}: never seen: {out.missed},"
                         f" {out.end} {out.message}\n{log[-1500:]}")
    audited(out)
    return {"boot_seconds": out.span(READY),
            "boot_ticks": out.tick_span(READY),
            "timeline": timeline(log), "workloads": parse(log),
            "stats": out.stats}


def plans(quick):
    for (on, engine), percent in (QUICK if quick else FULL).items():
        yield Plan(f"{on}/{engine}", functools.partial(
            run, on, engine, percent), shares(on, engine))
    if quick:
        return
    yield Plan("qemu/bt/cache=1M", functools.partial(
        run, "qemu", "bt", 0, "cache=1M", False))
    for engine in ("bare", "interp"):
        yield Plan(f"qemu/{engine}/{SHORT}", functools.partial(
            run_short, engine), shares("qemu", engine))


def measure(quick, only, jobs, tell=lambda text: None, failed=print):
    """failed(text): a run that gave no figures; the others go on."""
    return carry_out([plan for plan in plans(quick)
                      if plan.key.startswith(only)], jobs,
                     lambda key: tell(f"Linux {key}"), failed)
