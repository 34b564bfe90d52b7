# SPDX-License-Identifier: MIT
"""Guests gone mad: random code at CPL 3, then at CPL 0. A guest may end itself
in any way, or hang; the monitor must neither panic nor give up."""
from penumbra_lib.guest import Guest
from penumbra_lib.session import run_guest

from .case import AUDIT, BUILD, Case, check_audit, keep_log
from .guest import VMX, VMX_ALL

USER_DONE = b"user: done "
QEMUS_FAULT = "virtual-8086"  # its IRET at CPL 3; told in one line, and a stop

# Engine, emulator, CPU; seeds; rounds at CPL 3 and at CPL 0; seconds.
ROWS = (
    ("bt", "qemu", None, (12, 13, 15), 600, 40, 20),
    ("vmx", "bochs", VMX[VMX_ALL], (12, 13, 15), 300, 40, 30),
)


def run(engine, on, cpu, seed, user_rounds, kernel_rounds, seconds):
    guest = Guest("multiboot", BUILD / "guest/tests/fuzz.elf", memory="32M",
                  append=f"{seed} {user_rounds} {kernel_rounds}")
    out = run_guest(guest, engine, on, cpu=cpu, timeout=seconds,
                    options=AUDIT)
    log = keep_log(f"fuzz-{engine}-{seed}", out.log)
    check_audit(out, engine, log)
    said = f"{out.end}, status {out.status} {out.message} (see {log})"
    assert out.end != "panic", said
    if out.end == "stopped":
        assert on == "qemu" and QEMUS_FAULT in out.message, said
    elif out.end != "emulator-failed":  # it may give up on such code itself
        assert USER_DONE in out.log, f"CPL 3 did not come to an end: {said}"


def cases():
    for engine, on, cpu, seeds, *rest in ROWS:
        for seed in seeds:
            yield Case(f"fuzz/{engine}/{seed}", run, engine, on, cpu, seed,
                       *rest)
