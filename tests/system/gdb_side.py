# SPDX-License-Identifier: MIT
"""What the tests' gdb runs of Python: sessions too long for a list of
commands. Sourced by gdb, which provides the module gdb."""
import gdb

FUNCTIONS = 100


def pc():
    return int(gdb.parse_and_eval("(unsigned) $eip"))


def run(command):
    return gdb.execute(command, to_string=True)


def hundred():
    """Break in each of the image's functions at once; meet all in order."""
    first = int(gdb.parse_and_eval("(unsigned) &functions"))
    for n in range(FUNCTIONS):
        gdb.Breakpoint(f"*{first + 4 * n}")
    met = []
    for _ in range(FUNCTIONS):
        run("continue")
        met.append(pc())
    right = met == [first + 4 * n for n in range(FUNCTIONS)]
    print(f"met {len(set(met))} of {FUNCTIONS}{' in order' * right}")


def walk(count):
    """Single steps; where they lead."""
    path = [pc()]
    for _ in range(count):
        run("stepi")
        path.append(pc())
    for at in range(0, len(path), 16):
        print("path", *(f"{here:x}" for here in path[at:at + 16]))


def steps_until(mode, most):
    for _ in range(most):
        run("stepi")
        if mode in run("info threads"):
            print("now in", mode)
            return
    print("never in", mode)
