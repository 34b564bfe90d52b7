# SPDX-License-Identifier: MIT
"""The benchmarks' own parts: that they run, and that what they derive is
right. What they measure is `make bench`'s business, but for exact counts."""
import json
import sys

from .case import BUILD, ROOT, Case, command

sys.path.insert(0, str(ROOT / "bench"))
from suite import programs  # noqa: E402

TRANSLATOR = BUILD / "bench/translator"
# Host instructions an operation may take in the cache: exact, so no slack.
STEPS_MOST = {"nop": 0, "add": 1.2, "cli": 1.2, "sti": 5.2, "call+ret": 25.2,
              "call+ret indirect": 39.2}


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


def cases():
    for path in sorted((ROOT / "bench/programs").glob("*.c")):
        built = BUILD / "bench/programs" / path.stem
        if "u32 work(void)\n" in path.read_text():
            yield Case(f"bench/program/{path.stem}", program, built)
    yield Case("bench/steps", steps)
    yield Case("bench/refuses", refuses)
    yield Case("bench/derived", derived)
