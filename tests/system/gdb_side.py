# SPDX-License-Identifier: MIT
"""What the tests' gdb runs of Python: sessions too long for a list of
commands. Sourced by gdb, which provides the module gdb."""
import re
import signal
import threading

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


def interrupt_after(seconds):
    """A ^C so long after each time that the guest is let run."""
    main = threading.main_thread().ident

    def resumed(_event):
        threading.Timer(seconds, signal.pthread_kill,
                        (main, signal.SIGINT)).start()

    gdb.events.cont.connect(resumed)


def walk(count):
    """Single steps; where they lead."""
    path = [pc()]
    for _ in range(count):
        run("stepi")
        path.append(pc())
    for at in range(0, len(path), 16):
        print("path", *(f"{here:x}" for here in path[at:at + 16]))


def show_code(function):
    at = int(gdb.parse_and_eval(f"(unsigned) &{function}"))
    gdb.execute(f"monitor tb {at:x}")


def steps_until(mode, most):
    for _ in range(most):
        run("stepi")
        if mode in run("info threads"):
            print("now in", mode)
            return
    print("never in", mode)


# What `stats new` says of the guest's time: in the engine, and around it.
SPENT = re.compile(r"^TSC ticks in (?:engines|the run loop\b.*?) +(\d+)$", re.M)


def timed(entry, stack, back, rounds):
    """TSC ticks that one call of work() takes, from its first instruction.
    None are counted while the guest stands, and on Bochs they are exact."""
    run(f"set $esp = {stack}")
    run(f"set $eip = {entry}")
    run(f"set *(unsigned *) $esp = {back}")
    run(f"set *(unsigned *) ($esp + 4) = {rounds}")
    run("monitor stats new")
    run("continue")
    spent = SPENT.findall(run("monitor stats new"))
    assert len(spent) == 2, spent
    return sum(map(int, spent))


def speed(rounds, runs):
    """How much slower work() is with a hundred stops elsewhere."""
    gdb.execute("tbreak *work")
    run("continue")
    entry, stack, back = (int(gdb.parse_and_eval(text)) for text in
                          ("(unsigned) $eip", "(unsigned) $esp",
                           "*(unsigned *) $esp"))
    gdb.Breakpoint("*sum_code")  # what comes next; not on work()'s page
    free = [timed(entry, stack, back, rounds)
            for _ in range(runs)]
    first = int(gdb.parse_and_eval("(unsigned) &functions"))
    for n in range(FUNCTIONS):
        gdb.Breakpoint(f"*{first + 4 * n}")
    gdb.Breakpoint("*(int *) 0x1ff000", gdb.BP_WATCHPOINT)
    with_stops = [timed(entry, stack, back, rounds)
                  for _ in range(runs)]
    print(f"speed {min(with_stops) / min(free):.3f} ({min(free)} ticks)")
