# SPDX-License-Identifier: MIT
"""Debugging from outside: gdb with the right settings, and the monitor's
commands for scripts, both over the TCP port that `run --gdb` opens."""
import os
import shutil
import socket
import struct

from .guest import GuestError

DEFAULT_PORT = 2345
GDBS = ("gdb", "gdb-multiarch", "x86_64-linux-gnu-gdb")
MACHINES = {3: "i386", 62: "i386:x86-64"}  # e_machine of an ELF file
PATIENCE = 30.0  # seconds without a word from the stub


def add_gdb(verbs):
    gdb = verbs.add_parser("gdb", help="start gdb at a running guest")
    gdb.add_argument("--port", type=int, default=DEFAULT_PORT)
    gdb.add_argument("--symbols", metavar="F",
                     help="the guest's ELF file: a vmlinux, a test image")
    gdb.add_argument("--arch", help="gdb's name of the architecture (default: "
                     "that of the symbols, else i386)")
    gdb.add_argument("more", nargs="*", metavar="ARGUMENT",
                     help="for gdb itself, behind --")
    monitor = verbs.add_parser("monitor", help="one command of the monitor")
    monitor.add_argument("--port", type=int, default=DEFAULT_PORT)
    monitor.add_argument("command", nargs="+", metavar="WORD",
                         help="`help` lists them")


def architecture(symbols):
    with open(symbols, "rb") as file:
        head = file.read(20)
    if head[:4] != b"\x7fELF":
        raise GuestError(f"not an ELF file: {symbols}")
    machine, = struct.unpack_from("<H", head, 18)
    if machine not in MACHINES:
        raise GuestError(f"not an x86 program: {symbols}")
    return MACHINES[machine]


def gdb_command(args):
    found = next(filter(None, map(shutil.which, GDBS)), None)
    if not found:
        raise GuestError("no gdb in the path; tried " + ", ".join(GDBS))
    arch = args.arch or (architecture(args.symbols) if args.symbols
                         else "i386")
    words = [found, "-q", "-ex", f"set architecture {arch}",
             "-ex", f"target remote 127.0.0.1:{args.port}", *args.more]
    return words + ([args.symbols] if args.symbols else [])


def run_gdb(args):
    command = gdb_command(args)
    os.execv(command[0], command)


class Stub:
    """The little of gdb's protocol that a question needs."""

    def __init__(self, port):
        try:
            self.link = socket.create_connection(("127.0.0.1", port), 5)
        except OSError as why:
            raise GuestError(f"nobody listens at port {port}: {why}") from why
        self.link.settimeout(PATIENCE)
        self.data = b""

    def byte(self):
        if not self.data:
            try:
                self.data = self.link.recv(65536)
            except socket.timeout:
                raise GuestError("the monitor does not answer") from None
            if not self.data:
                raise GuestError("the line was closed")
        first, self.data = self.data[:1], self.data[1:]
        return first

    def send(self, payload):
        self.link.sendall(b"$%s#%02x" % (payload, sum(payload) & 0xff))

    def receive(self):
        """The next packet, acknowledged, its run lengths undone."""
        while self.byte() != b"$":
            pass
        text = b""
        while (byte := self.byte()) != b"#":
            if byte == b"*":
                text += text[-1:] * (self.byte()[0] - 29)
            else:
                text += byte
        self.byte(), self.byte()
        self.link.sendall(b"+")
        return text

    def ask(self, command, show):
        """Carry out a monitor command; `show` gets what it says."""
        self.send(b"qRcmd," + command.encode().hex().encode())
        while True:
            reply = self.receive()
            if reply[:1] != b"O" or reply == b"OK":
                return reply == b"OK"
            show(bytes.fromhex(reply[1:].decode()).decode(errors="replace"))


def run_monitor(args):
    stub = Stub(args.port)
    done = stub.ask(" ".join(args.command),
                    lambda text: print(text, end="", flush=True))
    return 0 if done else 1
