# SPDX-License-Identifier: MIT
"""Where a Linux guest under bt spends QEMU's time: the machine is stopped some
hundred times a second, and its instruction pointer says whether it was in user
code, in translated kernel code, or where in the monitor. Boot and a
thousand forks of a shell, apart. What QEMU takes for one instruction or another
differs, so this is about QEMU, not about a processor."""
import collections
import pathlib
import re
import subprocess
import tempfile
import time

from penumbra_lib.guest import Guest, guest_iso
from penumbra_lib.machines import Qemu
from penumbra_lib.session import Session, machine_memory

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUEST = ROOT / "build/guest"
MONITOR = ROOT / "build/penumbra.elf"
FORKS = {True: 200, False: 1000}  # quick or not
TIMEOUT = 300
PERIOD = 0.004
ENTRY = "guest entry: "
# Phase, and the line that ends it; before the first nothing is counted.
PHASES = ((None, ENTRY), ("boot", "PENUMBRA-FORKS-BEGIN"),
          ("forks", "PENUMBRA-FORKS-END"))
# The executable mapping of the cache (kernel/paging.h).
CACHE = range(0xffffffffc0000000, 0xfffffffff0000000)
REGISTERS = re.compile(r"[ER]IP=([0-9a-f]+).*?CPL=(\d)")
KERNEL, USER = "translated kernel code", "user code, which runs as it is"


class Sampled(Qemu):
    """QEMU that is looked at whenever its serial line is."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.samples = []  # (bytes read by then, CPL, RIP)
        self.bytes = 0

    def read(self, seconds):
        data = super().read(PERIOD)
        self.bytes += len(data)
        if self.qmp:
            self.sample()
        return data

    def sample(self):
        self.command_qmp("stop")
        text = self.command_qmp("human-monitor-command", **{
            "command-line": "info registers"}) or ""
        self.command_qmp("cont")
        match = REGISTERS.search(text)
        if match:
            self.samples.append((self.bytes, int(match.group(2)),
                                 int(match.group(1), 16)))


def phase_ends(log):
    """[(phase, bytes of the log before its end)] of those that ended."""
    ends = []
    for phase, text in PHASES:
        at = log.find(text.encode())
        if at < 0:
            raise ValueError(f"the profiled guest never said {text}")
        ends.append((phase, at))
    return ends


def phase_of(ends, at):
    return next((phase for phase, end in ends if at <= end), None)


def places(addresses):
    """{address: "file: function"} by the monitor's debug information."""
    if not addresses:
        return {}
    said = subprocess.run(
        ["addr2line", "-f", "-e", str(MONITOR), *map(hex, addresses)],
        check=True, text=True, stdout=subprocess.PIPE).stdout.splitlines()
    return {address: f"{short(file)}: {function}" for address, function, file
            in zip(addresses, said[::2], said[1::2])}


def short(place):
    """A source file's last two names, without the line."""
    return "/".join(place.split(":")[0].split("/")[-2:])


def kind(cpl, rip, where):
    if cpl == 3:
        return USER
    return KERNEL if rip in CACHE else where.get(rip, "elsewhere")


def sort(samples, log):
    """{phase: {place: samples}}"""
    ends = phase_ends(log)
    own = {rip for _, cpl, rip in samples if cpl != 3 and rip not in CACHE}
    where = places(sorted(own))
    counts = {phase: collections.Counter() for phase, _ in PHASES if phase}
    for at, cpl, rip in samples:
        phase = phase_of(ends, at)
        if phase:
            counts[phase][kind(cpl, rip, where)] += 1
    return {phase: dict(count.most_common())
            for phase, count in counts.items()}


def run(forks):
    guest = Guest("linux", GUEST / "vmlinuz-686", GUEST / "initrd.gz",
                  f"pentest=forks:{forks},poweroff")
    with tempfile.TemporaryDirectory(prefix="penumbra-") as folder:
        iso = pathlib.Path(folder) / "guest.iso"
        guest_iso(iso, guest, "bt", "on-exit=qemu")
        machine = Sampled(iso, machine_memory(guest, "bt"), folder)
        out = Session(machine, True, [("expect", PHASES[-1][1])],
                      TIMEOUT).run()
    if out.missed:
        raise ValueError(f"never seen: {out.missed}, {out.end} {out.message}")
    return sort(machine.samples, out.log)


def measure(quick, only, jobs, tell=lambda text: None, failed=print):
    tell("profile of Linux under bt on QEMU")
    try:
        return run(FORKS[quick])
    except ValueError as why:
        failed(f"qemu/bt: {why}")
        return {}
