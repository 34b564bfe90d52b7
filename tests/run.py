#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every test but the building: layers, headers, host programs, guest images,
bad input, Linux.

usage: tests/run.py [-j JOBS] [--list] [--long] [--without NAME] [PATTERN...]

Runs the cases whose names hold one of the patterns, prints one line a case,
keeps logs in build/check/, ends with "N passed, N failed". Cases of several
minutes run with --long; without, a line names those that were left out.
--without switches something off in every guest's monitor (lib/switches.h);
`each`: one after the other; without patterns, in the cases that tell of it,
with --long in the debugger's, too.
"""
import argparse
import concurrent.futures
import os
import pathlib
import sys
import time
import traceback

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]
os.chdir(ROOT)

from penumbra_lib.guest import MORE_OPTIONS  # noqa: E402
from system import (bad_input, bench, debug, diverge, fuzz,  # noqa: E402
                    guest, host, launcher, linux, static, vmx)

# Long cases first, so that both processors end at about the same time.
GROUPS = (vmx, linux, debug, host, guest, fuzz, diverge, launcher, bench,
          bad_input, static)

# What is run with something switched off: code that is translated.
SWITCHED = ("/bt/qemu", "fuzz/bt", "diverge/", "linux/686/256M",
            "linux/686-pae/256M")


def run(case):
    start = time.monotonic()
    try:
        case.run()
        failure = None
    except AssertionError as why:
        failure = str(why)
    except Exception:  # the test itself is broken: that is a failure too
        failure = traceback.format_exc()
    return case, failure, time.monotonic() - start


def run_all(cases, jobs):
    """Run them and tell of each; how many failed."""
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(run, case) for case in cases]
        for job in concurrent.futures.as_completed(running):
            case, failure, took = job.result()
            failed += failure is not None
            print(f"{'FAIL' if failure else 'ok':4} {case.name} "
                  f"({took:.1f}s)", flush=True)
            if failure:
                print("     " + failure.strip().replace("\n", "\n     "),
                      flush=True)
    return failed


def run_both(cases, jobs):
    """Those that measure time by themselves, behind the others."""
    return run_all([case for case in cases if not case.alone], jobs) + \
        run_all([case for case in cases if case.alone], 1)


def bears(case):
    """Does the case make sense with something switched off? Counts of events
    do not, nor what has its own."""
    return "/no-" not in case.name and "bench/" not in case.name


def tells(case, long):
    """Does the case tell of translated code? The debugger's tell of it, but
    little for their time."""
    return any(p in case.name for p in SWITCHED) and \
        (long or not case.name.startswith("debug/"))


def run_without(names, cases, jobs):
    """The cases with each of the names switched off: (run, failed)."""
    count = failed = 0
    for name in names:
        some = [case for case in cases if bears(case)]
        print(f"without {name}:", flush=True)
        os.environ[MORE_OPTIONS] = f"no={name}"
        count += len(some)
        failed += run_both(some, jobs)
    return count, failed


def names_of(without):
    known = guest.switches()
    names = known if without == "each" else without.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no such switch: {unknown[0]}; there are {' '.join(known)}")
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--without", metavar="NAME")
    parser.add_argument("patterns", nargs="*")
    args = parser.parse_args()
    cases = [case for group in GROUPS for case in group.cases()
             if any(p in case.name for p in args.patterns) or
             not args.patterns and
             (not args.without or tells(case, args.long))]
    if args.list:
        print("\n".join(case.name for case in cases))
        return 0
    left_out = [case.name for case in cases if case.long and not args.long]
    if left_out:
        print(f"left out, run them with --long: {' '.join(left_out)}")
    cases = [case for case in cases if args.long or not case.long]
    if args.without:
        count, failed = run_without(names_of(args.without), cases, args.j)
    else:
        count, failed = len(cases), run_both(cases, args.j)
    print(f"{count - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
