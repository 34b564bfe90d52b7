# SPDX-License-Identifier: MIT
"""The speeds to reach, a row each, and what a run saw of them."""
from .boot import boot_ratio

class Row:
    """value(run) is None where the run did not measure it."""

    def __init__(self, name, target, value, least=False):
        self.name, self.target, self.value = name, target, value
        self.least = least  # the target is a lower bound

    def judge(self, run):
        try:
            value = self.value(run)
        except (KeyError, TypeError, ZeroDivisionError):
            value = None
        if value is None:
            return None
        met = value >= self.target if self.least else value <= self.target
        return {"name": self.name, "target": self.target,
                "value": round(value, 4), "met": met}


def summary(key):
    return lambda run: run["programs"]["summary"][key]


def steps(key):
    return lambda run: run["programs"]["steps"][key]


def nano(where, row):
    return lambda run: run["nano"][where][row]["ticks"]


def extra(where, row):
    """Instructions beyond those of the guest alone."""
    on = where.split("/")[0]
    return lambda run: run["nano"][where][row]["ticks"] - \
        run["nano"][f"{on}/bare"][row]["ticks"]


def event(where, row, *keys):
    return lambda run: sum(run["nano"][where][row]["events"].get(key, 0)
                           for key in keys)


def workload(where, name):
    """Ticks, as a multiple of bare's."""
    on = where.split("/")[0]
    return lambda run: run["linux"][where]["workloads"][name]["ticks"] / \
        run["linux"][f"{on}/bare"]["workloads"][name]["ticks"]


def boot(where, base):
    return lambda run: boot_ratio(run["linux"][where], run["linux"][base])


def fork_event(where, key):
    return lambda run: run["linux"][where]["workloads"]["forkwait"]["events"] \
        .get(key, 0)


def call_pair(run):
    """Call and return against native: ticks of one on the real CPU."""
    return run["programs"]["call_ratio"]


PTE = ("PTE, presence unchanged", "PTE, present to not",
       "PTE, not to present")
# Where the work on speed began: events of one fork + exit + wait under bt.
FORK_START = {"hidden_faults": 22.1, "traced_writes": 1.0}

ROWS = [
    Row("translated / native, geometric mean", 1.25, summary("ratio")),
    Row("translated / native, worst", 2.2, summary("ratio_worst")),
    Row("times faster than qemu-i386, geometric mean", 2.7,
        summary("against_qemu"), least=True),
    Row("times faster than qemu-i386, worst", 1.0,
        summary("against_qemu_worst"), least=True),
    Row("call + return / native", 3.5, call_pair),
    Row("call + return, host instructions", 8, steps("call+ret")),
    Row("cli, host instructions", 3, steps("cli")),
    Row("sti, host instructions", 3, steps("sti")),
    *(Row(f"{name}, bt: hardware faults", 0.02,
          event("bochs/bt", name, "host_faults")) for name in PTE),
    *(Row(f"{name}, bt: monitor instructions", 60, extra("bochs/bt", name))
      for name in PTE),
    *(Row(f"{name}, vmx: exits", 0.05, event("bochs/vmx", name, "vm_exits"))
      for name in PTE),
    Row("INT 80h, bt: hardware events", 1.05,
        event("bochs/bt", "syscall by INT 80h", "host_faults")),
    Row("INT 80h, bt: monitor instructions", 350,
        extra("bochs/bt", "syscall by INT 80h")),
    Row("INT 80h, vmx: exits", 0.02,
        event("bochs/vmx", "syscall by INT 80h", "vm_exits")),
    Row("true page fault, bt: hardware faults", 1.05,
        event("bochs/bt", "true page fault", "host_faults")),
    Row("true page fault, bt: monitor instructions", 600,
        extra("bochs/bt", "true page fault")),
    Row("true page fault, vmx: exits", 0.02,
        event("bochs/vmx", "true page fault", "vm_exits")),
    Row("in 21h (PIC), bt: hardware faults", 0.02,
        event("bochs/bt", "in 21h (PIC)", "host_faults")),
    Row("in 21h (PIC), bt: monitor instructions", 120,
        extra("bochs/bt", "in 21h (PIC)")),
    Row("fork + exit + wait, bt on QEMU / bare", 2.5,
        workload("qemu/bt", "forkwait")),
    Row("fork + exit + wait, vmx on Bochs / bare", 2.0,
        workload("bochs/vmx", "forkwait")),
    *(Row(f"{key} a fork, bt on QEMU", start / 2, fork_event("qemu/bt", key))
      for key, start in FORK_START.items()),
    Row("boot to shell, bt on QEMU / bare", 1.6,
        boot("qemu/bt", "qemu/bare")),
    Row("boot to shell, vmx on Bochs / bare", 1.3,
        boot("bochs/vmx", "bochs/bare")),
    Row("compile in the guest, bt on QEMU / bare", 1.3,
        workload("qemu/bt", "compile")),
    Row("user code, bt on QEMU / bare", 1.01,
        workload("qemu/bt", "compute")),
    Row("user code, bt on Bochs / bare", 1.01,
        workload("bochs/bt", "compute")),
    Row("user code, vmx on Bochs / bare", 1.01,
        workload("bochs/vmx", "compute")),
    Row("translation, cycles an instruction, verified", 1500,
        summary("translate_verified")),
    Row("boot with a 1 MiB cache / the default one, bt on QEMU", 1.3,
        boot("qemu/bt/cache=1M", "qemu/bt")),
    Row("monitor memory beside a guest of 256 MiB, MiB", 24,
        lambda run: run["size"]["memory"] / (1 << 20)),
    Row("image, KiB", 512, lambda run: run["size"]["image"] / 1024),
]


def judge(run):
    return [said for said in (row.judge(run) for row in ROWS) if said]
