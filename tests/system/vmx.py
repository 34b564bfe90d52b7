# SPDX-License-Identifier: MIT
"""vmx on Bochs' CPU models: which engine is chosen and why, Linux to its
shell. The test images' rows for vmx are in guest.py."""
import pathlib
import re
import tempfile

from penumbra_lib.guest import MONITOR, Guest, write_iso
from penumbra_lib.session import STOP_LINE, machine_memory, run_iso

from .case import AUDIT, BUILD, Case, check_audit, keep_log
from .guest import VMX
from .linux import boot, linux

NO_VTX = "athlon64_venice"
CHOSEN = "VT-x has all that it needs"
ABSENT = "the CPU has no VT-x"
LOCKED = "VT-x is locked off by the firmware"
# The kernel's tests of its ciphers are most of a boot, and all the same to us.
BOOT = "cryptomgr.notests pentest=forks:20,poweroff"
LOCK = "wrmsr 0x3a 0x1"  # IA32_FEATURE_CONTROL: locked, VMX not enabled

# name, asked for, CPU, firmware, what GRUB does first, engine, reason
CHOICES = (
    *((name, "auto", cpu, "bios", [], "vmx", CHOSEN)
      for name, cpu in VMX.items()),
    ("none", "auto", NO_VTX, "bios", [], "bt", ABSENT),
    ("unlocked", "auto", VMX["penryn"], "seabios", [], "vmx", CHOSEN),
    ("locked-off", "auto", VMX["penryn"], "seabios", [LOCK], "bt", LOCKED),
)
# As above; there is no engine.
REFUSALS = (
    ("none", NO_VTX, "bios", [], ABSENT),
    ("locked-off", VMX["penryn"], "seabios", [LOCK], LOCKED),
)


def hello(engine, cpu, firmware, first):
    """The smallest guest, with commands that GRUB runs before the monitor."""
    guest = Guest("multiboot", BUILD / "guest/tests/hello.elf", memory="32M")
    with tempfile.TemporaryDirectory(prefix="penumbra-vmx-") as folder:
        iso = pathlib.Path(folder) / "vmx.iso"
        write_iso(iso, [*first, *guest.hosted_config(
            engine, f"on-exit=qemu {AUDIT}")],
                  {"/boot/penumbra.elf": MONITOR, **guest.files()})
        return run_iso(iso, "bochs", machine_memory(guest, engine), True,
                       timeout=120, cpu=cpu, firmware=firmware)


def chosen(name, asked, cpu, firmware, first, engine, reason):
    out = hello(asked, cpu, firmware, first)
    log = keep_log(f"vmx-choice-{name}", out.log)
    line = f"penumbra: engine: {engine} ({reason})".encode()
    assert line in out.log, f"no line {line} (see {log})"
    assert out.status == 0 and b"sum 5050" in out.log, \
        f"{out.end}, status {out.status} (see {log})"
    assert out.stats and out.stats["engine"] == engine, f"see {log}"
    check_audit(out, engine, log)


def refused(name, cpu, firmware, first, reason):
    out = hello("vmx", cpu, firmware, first)
    log = keep_log(f"vmx-refused-{name}", out.log)
    assert out.status == 5, f"status {out.status}, {out.end} (see {log})"
    assert STOP_LINE.findall(out.log) == [f"engine=vmx: {reason}".encode()], \
        f"not the one line (see {log})"


ROW = re.compile(rb"^  (\S.*?) +\d+\r?$", re.M)
EXITS = b"hardware exits: "


def statistics():
    """The same rows under bt and vmx, and exits by reason under vmx."""
    rows, keys = {}, {}
    for engine in ("bt", "vmx"):
        out = hello(engine, VMX["penryn"], "bios", [])
        log = keep_log(f"vmx-statistics-{engine}", out.log)
        rows[engine] = ROW.findall(out.log)
        keys[engine] = list(out.stats)
        assert EXITS + b"all" in rows[engine], f"no table (see {log})"
    plain = {engine: [row for row in names if not row.startswith(EXITS)]
             for engine, names in rows.items()}
    assert len(plain["bt"]) > 40 and plain["bt"] == plain["vmx"], \
        f"other rows: {set(plain['bt']) ^ set(plain['vmx'])}"
    assert keys["bt"] == keys["vmx"], "other keys in the JSON line"
    assert EXITS + b"I/O instruction" in rows["vmx"], "no exits by reason"


def shell(model, flavour):
    """To the shell and a few programs, by the engine that `auto` chooses."""
    name = f"vmx-linux-{model}-{flavour}"
    out, log = boot(name, linux(flavour, BOOT), engine="auto",
                    on="bochs", cpu=VMX[model], timeout=900,
                    dialog=[("expect", "PENUMBRA-GUEST-READY"),
                            ("expect", "FORKS-END")])
    assert b"segfault" not in out.log, f"a program died (see {log})"
    assert out.status == 0, f"status {out.status}, {out.end} (see {log})"
    assert out.stats and out.stats["engine"] == "vmx", f"see {log}"
    exits = out.stats["hardware_exits"]
    assert exits["all"] == sum(times for reason, times in exits.items()
                               if reason != "all") > 0, f"see {log}"


# Mark, since when, and at most so many times the bare machine's TSC ticks.
# On Bochs they count instructions, so a busy host does not matter.
SPEED = (("PENUMBRA-GUEST-READY", "entry", 1.5),
         ("FORKS-END", "FORKS-BEGIN", 2.5))
FORKS = 500
SPEED_PAIR = ("penryn", "686")  # on the way it is booted to its shell


def speed():
    """vmx against bare on the oldest model, as the guest's clock has it."""
    marks = ("PENUMBRA-GUEST-READY", "FORKS-BEGIN", "FORKS-END")
    model, flavour = SPEED_PAIR
    guest = linux(flavour, f"cryptomgr.notests pentest=forks:{FORKS},poweroff")
    outs = {engine: boot(f"vmx-speed-{engine}", guest, engine=engine,
                         on="bochs", cpu=VMX[model], timeout=900,
                         dialog=[("expect", mark) for mark in marks])[0]
            for engine in ("bare", "auto")}
    stats = outs["auto"].stats
    assert stats and stats["engine"] == "vmx", "not by vmx"
    for mark, since, most in SPEED:
        bare, vmx = (out.tick_span(mark, since) for out in outs.values())
        print(f"     {mark}: bare {bare / 1e6:.1f}M ticks, "
              f"vmx {vmx / 1e6:.1f}M, {vmx / bare:.2f}x (at most {most}x), "
              f"idle {stats['tsc_idle']}")
        assert vmx <= most * bare, f"{mark}: {vmx / bare:.2f} times bare"


def cases():
    yield Case("vmx/speed", speed)
    for model in VMX:
        for flavour in ("686", "686-pae", "amd64"):
            if (model, flavour) != SPEED_PAIR:
                yield Case(f"vmx/linux/{model}/{flavour}", shell, model,
                           flavour)
    yield Case("vmx/statistics", statistics)
    for row in CHOICES:
        yield Case(f"vmx/choice/{row[0]}", chosen, *row)
    for row in REFUSALS:
        yield Case(f"vmx/refused/{row[0]}", refused, *row)
