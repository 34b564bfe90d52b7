# SPDX-License-Identifier: MIT
"""Guests gone mad: random code at CPL 3, then at CPL 0. A guest may end itself
in any way, or hang; the monitor must neither panic nor give up."""
from penumbra_lib.guest import Guest
from penumbra_lib.session import run_guest

from .case import AUDIT, BUILD, Case, check_audit, keep_log

SEEDS = (12, 13, 15)
USER_ROUNDS, KERNEL_ROUNDS = 600, 40
USER_DONE = b"user: done "
SECONDS = 20
QEMUS_FAULT = "virtual-8086"  # its IRET at CPL 3; told in one line, and a stop


def run(seed):
    guest = Guest("multiboot", BUILD / "guest/tests/fuzz.elf", memory="32M",
                  append=f"{seed} {USER_ROUNDS} {KERNEL_ROUNDS}")
    out = run_guest(guest, "bt", "qemu", timeout=SECONDS, options=AUDIT)
    log = keep_log(f"fuzz-{seed}", out.log)
    check_audit(out, "bt", log)
    said = f"{out.end}, status {out.status} {out.message} (see {log})"
    assert out.end != "panic", said
    if out.end == "stopped":
        assert QEMUS_FAULT in out.message, said
    elif out.end != "emulator-failed":  # TCG itself may give up on such code
        assert USER_DONE in out.log, f"CPL 3 did not come to an end: {said}"


def cases():
    for seed in SEEDS:
        yield Case(f"fuzz/{seed}", run, seed)
