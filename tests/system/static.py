# SPDX-License-Identifier: MIT
"""What can be checked without running anything: layers, headers."""
import re
import subprocess

from .case import ROOT, Case, command

FLAGS = """-std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter
    -ffreestanding -fno-pic -mgeneral-regs-only -mcmodel=kernel -fsyntax-only
    -I. -Iinclude -x c -""".split()


def headers_alone():
    """Every header compiles when it is the first and only one."""
    layers = (ROOT / "tools/layers").read_text().splitlines()
    modules = [line.split(":")[0] for line in layers if ":" in line
               and not line.startswith("#")]
    bad = []
    for module in ["include", *modules]:
        for header in sorted((ROOT / module).rglob("*.h")):
            text = f'#include "{header.relative_to(ROOT)}"\n' * 2
            done = subprocess.run(["gcc", *FLAGS], cwd=ROOT, input=text,
                                  text=True, stderr=subprocess.PIPE)
            if done.returncode:
                bad.append(done.stderr.splitlines()[0])
    assert not bad, "\n".join(bad)


def commands_known():
    """Each command of the monitor is in the documentation and in a test."""
    names = re.findall(r"^\tX\((\w+), ", (ROOT / "debug/monitor.h").read_text(),
                       re.M)
    page = (ROOT / "docs/debugging.md").read_text()
    tests = (ROOT / "tests/system/debug_monitor.py").read_text()
    for name in names:
        assert re.search(rf"^\|.*`{name}\b.*\|", page, re.M), \
            f"{name} is not in docs/debugging.md"
        assert re.search(rf"\b{name}\b", tests), f"nothing tests {name}"
    assert len(names) > 15, names


def cases():
    yield Case("static/commands", commands_known)
    yield Case("static/layers", command, ["tools/check-layers"], 60)
    yield Case("static/headers", headers_alone)
