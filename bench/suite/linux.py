# SPDX-License-Identifier: MIT
"""Linux guests: boot to the shell and the workloads of bench/linux, each
timed in the guest by the TSC, with the monitor's events where there is one."""
import json
import pathlib
import re

from penumbra_lib.guest import Guest
from penumbra_lib.session import run_guest

from .attempt import attempt

from .audit import OPTION, audited

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUEST = ROOT / "build/guest"
READY, END = "PENUMBRA-GUEST-READY", "BENCH-END"
MEMORY = "256M"
TIMEOUT = 3600
# (emulator, engine): percent of the workloads' counts. A boot under the
# interpreter takes half an hour on QEMU, and hours on Bochs.
FULL = {("qemu", "bare"): 100, ("qemu", "bt"): 100, ("qemu", "interp"): 0,
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
    marks = "" if engine == "bare" else f"marks=on {OPTION} {options}"
    out = run_guest(guest, engine, on, timeout=TIMEOUT, options=marks,
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


def measure(quick, tell=lambda text: None, failed=print):
    """failed(text): a run that gave no figures; the others go on."""
    result = {}
    for (on, engine), percent in (QUICK if quick else FULL).items():
        tell(f"Linux {on}/{engine}")
        attempt(run, result, f"{on}/{engine}", failed, on, engine, percent)
    if not quick:
        tell("Linux qemu/bt/cache=1M")
        attempt(run, result, "qemu/bt/cache=1M", failed, "qemu", "bt", 0,
                "cache=1M", False)
    return result
