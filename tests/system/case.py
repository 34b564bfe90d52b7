# SPDX-License-Identifier: MIT
"""A test case, and what several kinds of cases share."""
import os
import pathlib
import re
import subprocess

from penumbra_lib.guest import MORE_OPTIONS

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
LOGS = BUILD / "check"


class Case:
    """A name and a function that raises AssertionError when it fails.

    alone: it measures time, so nothing else may run beside it.
    long: it takes minutes, and runs only where it is asked for.
    """

    def __init__(self, name, function, *args, alone=False, long=False):
        self.name = name
        self.alone = alone
        self.long = long
        self.function = function
        self.args = args

    def run(self):
        self.function(*self.args)


def keep_log(name, log):
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / (name.replace("/", ".") + ".log")
    path.write_bytes(log)
    return path.relative_to(ROOT)


def switched_off():
    """Names of what run.py --without has switched off in every monitor."""
    said = re.search(r"\bno=(\S+)", os.environ.get(MORE_OPTIONS, ""))
    return said.group(1).split(",") if said else []


# Times a limit, without what makes that much of a guest's speed: Linux boots
# in two minutes without `chain`.
SLOW_WITHOUT = {"chain": 3}


def patience():
    """How much longer than they are written limits are."""
    return max([SLOW_WITHOUT.get(name, 1) for name in switched_off()],
               default=1)


AUDIT = "audit=1"  # the monitor checks its shadow tables in the end


def check_audit(out, engine, log):
    """Every shadow entry agreed with the guest's tables at the end."""
    if engine not in ("bt", "vmx", "auto") or not out.stats:
        return
    wrong = out.stats.get("audit")
    assert wrong == 0, f"audit: {wrong} differences (see {log})"


def command(words, timeout):
    """Run it; what it said. Fails the case when it fails."""
    done = subprocess.run(words, cwd=ROOT, timeout=timeout, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, errors="replace")
    said = done.stdout[-3000:]
    assert done.returncode == 0, f"status {done.returncode}\n{said}"
    return done.stdout
