# SPDX-License-Identifier: MIT
"""The launcher's command line.

Exit status: the guest's own from its exit port; 0 after a clean halt or
power-off with every expected text seen, 1 where one was missed; 2 for a wrong
command line; 3 on a timeout; 4 on a panic of the monitor; 5 where the monitor
stopped the guest; 6 where the guest reset or triple-faulted; 7 where the
emulator failed.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from .compare import compare, compare_json
from .diverge import add_diverge, diverge
from .gdb import DEFAULT_PORT, add_gdb, run_gdb, run_monitor
from .guest import Guest, GuestError, guest_iso
from .machines import MACHINES, Qemu
from .session import echo, machine_memory, ready_iso, run_guest

ENGINES = ("auto", "bt", "vmx", "interp", "bare")


class Dialog(argparse.Action):
    """--send and --expect keep their common order."""

    def __call__(self, parser, space, values, option=None):
        kind = option.lstrip("-")
        space.dialog = [*space.dialog, *((kind, text) for text in values)]


def add_guest(parser):
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--linux", metavar="BZIMAGE", help="Linux kernel")
    kind.add_argument("--multiboot", metavar="IMAGE",
                      help="Multiboot 1 image")
    kind.add_argument("--iso", metavar="ISO",
                      help="a ready ISO, as `penumbra iso` writes them")
    parser.add_argument("--initrd", metavar="F", help="initial RAM disk")
    parser.add_argument("--append", metavar="TEXT", default="",
                        help="the guest's command line")
    parser.add_argument("--memory", default="256M", metavar="SIZE",
                        help="the guest's RAM (default 256M)")
    parser.add_argument("--monitor", metavar="OPTIONS", default="",
                        help="more options for the monitor's command line")


def add_machine(parser):
    parser.add_argument("--on", choices=MACHINES, default="qemu",
                        help="emulator (default qemu)")
    parser.add_argument("--cpu", metavar="MODEL",
                        help="the emulator's name of a CPU model")
    parser.add_argument("--firmware", default="bios",
                        choices=("bios", "uefi", "seabios"),
                        help="bios (default), uefi (qemu), seabios (bochs: "
                        "leaves VT-x unlocked)")
    parser.add_argument("--timeout", type=float, default=120, metavar="S",
                        help="seconds of host time (default 120)")
    parser.add_argument("--send", nargs="+", action=Dialog, metavar="TEXT",
                        dest="dialog", default=[],
                        help="type TEXT and Enter once all before it in the "
                        "dialog has happened")
    parser.add_argument("--expect", nargs="+", action=Dialog, metavar="TEXT",
                        dest="dialog", default=[],
                        help="wait for TEXT on the serial line")
    parser.add_argument("--until-expect", action="store_true",
                        help="end the run once the dialog is through")
    parser.add_argument("--report", metavar="F.json",
                        help="write the outcome as JSON")


def parser():
    top = argparse.ArgumentParser(
        prog="penumbra", epilog=__doc__.split("\n\n", 1)[1],
        description="Run a guest under Penumbra on an emulator.")
    verbs = top.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="run one guest", epilog=top.epilog)
    run.add_argument("--engine", choices=ENGINES, default="auto")
    add_guest(run)
    add_machine(run)
    run.add_argument("--gdb", type=int, metavar="PORT", nargs="?",
                     const=DEFAULT_PORT,
                     help="the monitor's gdb stub listens there (COM2 on a "
                     f"TCP port of this host, default {DEFAULT_PORT})")
    run.add_argument("--gdb-wait", action="store_true",
                     help="the guest does not start before gdb lets it")
    run.add_argument("--log", metavar="F", help="keep the serial log")
    run.add_argument("--quiet", action="store_true",
                     help="do not show the serial line")
    run.add_argument("--interactive", action="store_true",
                     help="the serial line is this terminal (qemu only; "
                     "leave with Ctrl-A X)")
    comp = verbs.add_parser("compare", help="run one guest on each engine")
    comp.add_argument("--engines", default="bare,interp,bt",
                      metavar="A,B,...", help="default bare,interp,bt")
    comp.add_argument("--json", action="store_true",
                      help="print JSON in place of the table")
    add_guest(comp)
    add_machine(comp)
    add_diverge(verbs, add_guest)
    add_gdb(verbs)
    iso = verbs.add_parser("iso", help="write a bootable ISO for a guest")
    iso.add_argument("--engine", choices=ENGINES, default="auto")
    add_guest(iso)
    iso.add_argument("-o", "--output", required=True, metavar="FILE")
    return top


def guest_of(args):
    kind = next(k for k in ("linux", "multiboot", "iso") if vars(args)[k])
    return Guest(kind, vars(args)[kind], args.initrd, args.append,
                 args.memory)


def gdb_options(args):
    """The monitor's command line, with what --gdb asks for."""
    if args.gdb is None:
        if args.gdb_wait:
            raise GuestError("--gdb-wait without --gdb")
        return args.monitor
    wait = " gdb-wait=1" if args.gdb_wait else ""
    return f"gdb=com2{wait} {args.monitor}"


def machine_args(args):
    if args.firmware not in MACHINES[args.on].FIRMWARE:
        raise GuestError(f"{args.on} has no firmware {args.firmware}")
    return {"on": args.on, "cpu": args.cpu, "firmware": args.firmware,
            "timeout": args.timeout, "dialog": args.dialog,
            "until_expect": args.until_expect, "options": args.monitor}


def interactive(args, guest):
    """QEMU on this terminal, until the guest ends it."""
    if args.on != "qemu":
        raise GuestError("--interactive is for --on qemu")
    with tempfile.TemporaryDirectory(prefix="penumbra-") as folder:
        iso = ready_iso(folder, guest, args.engine, args.monitor,
                        args.firmware)
        command = Qemu.command(iso, machine_memory(guest, args.engine),
                               args.cpu, args.firmware, folder)
        code = subprocess.run([*command, "-no-reboot", "-serial", "mon:stdio",
                               *Qemu.second_line(args.gdb)]).returncode
    return code >> 1 if code > 0 and code & 1 else code


def run(args):
    guest = guest_of(args)
    args.monitor = gdb_options(args)
    if args.interactive:
        return interactive(args, guest)
    out = run_guest(guest, args.engine, sink=None if args.quiet else echo,
                    gdb=args.gdb, **machine_args(args))
    if args.log:
        pathlib.Path(args.log).write_bytes(out.log)
    if args.report:
        report = {"engine": args.engine, "on": args.on, **out.as_dict()}
        pathlib.Path(args.report).write_text(json.dumps(report, indent=2))
    for text in out.missed:
        print(f"penumbra run: never seen: {text}", file=sys.stderr)
    why = f": {out.message}" if out.message else ""
    print(f"penumbra run: {out.end}, status {out.status}{why}",
          file=sys.stderr)
    return out.status


def iso(args):
    guest_iso(args.output, guest_of(args), args.engine, args.monitor,
              both_firmwares=True)
    return 0


def run_compare(args):
    engines = args.engines.split(",")
    for engine in engines:
        if engine not in ENGINES:
            raise GuestError(f"no such engine: {engine}")
    guest, more = guest_of(args), machine_args(args)
    outs = {engine: run_guest(guest, engine, **more) for engine in engines}
    if args.report:
        rows = {engine: out.as_dict() for engine, out in outs.items()}
        pathlib.Path(args.report).write_text(json.dumps(rows, indent=2))
    print(compare_json(outs) if args.json else compare(outs))
    return max(out.status for out in outs.values())


def run_diverge(args):
    return diverge(args, guest_of(args))


VERBS = {"gdb": run_gdb, "monitor": run_monitor, "run": run, "compare": run_compare, "diverge": run_diverge,
         "iso": iso}


def main():
    args = parser().parse_args()
    try:
        return VERBS[args.verb](args)
    except (GuestError, OSError) as why:
        print(f"penumbra {args.verb}: {why}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
