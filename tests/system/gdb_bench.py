# SPDX-License-Identifier: MIT
"""A guest that runs, and the real gdb in batch mode beside it.

A script is gdb's; what it prints is judged. Python that gdb itself runs is in
gdb_side.py, beside this file."""
import contextlib
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import time

from penumbra_lib.gdb import Stub
from penumbra_lib.guest import MIB, Guest, GuestError, guest_iso
from penumbra_lib.machines import MACHINES

from .case import AUDIT, BUILD, ROOT, keep_log, patience

HERE = pathlib.Path(__file__).parent
TESTS = BUILD / "guest/tests"
MACHINE = 384 * MIB


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Bench:
    """A guest that runs, its serial text, and gdb beside it."""

    def __init__(self, name, image, engine="bt", on="qemu", slow=1, append="",
                 options="gdb-wait=1", memory="32M", cpu=None, guest=None,
                 com2=True, reboot=False):
        self.name = f"debug-{name}-{engine}-{on}"
        self.slow = slow * patience()
        self.image = TESTS / f"{image}.elf" if image else None
        self.guest = guest or Guest("multiboot", self.image, append=append,
                                    memory=memory)
        self.engine, self.on, self.cpu = engine, on, cpu
        self.options = f"on-exit=qemu {AUDIT} " \
            f"{'gdb=com2' if com2 else ''} {options}"
        self.port = free_port() if com2 else None
        self.reboot = reboot
        self.text = b""
        self.said = ""
        self.done = False

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        folder = self.stack.enter_context(
            tempfile.TemporaryDirectory(prefix="penumbra-debug-"))
        iso = pathlib.Path(folder) / "guest.iso"
        guest_iso(iso, self.guest, self.engine, self.options)
        self.machine = MACHINES[self.on](iso, MACHINE, folder, cpu=self.cpu,
                                         gdb=self.port, dialog=True,
                                         reboot=self.reboot)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        try:
            self.wait_for("guest entry")
        except AssertionError as why:
            self.__exit__(AssertionError, why, None)
        return self

    def audit(self):
        """The shadow tables are right, whether the guest has ended or not."""
        if self.engine == "interp" or b"penumbra: panic:" in self.text:
            return
        said = []
        try:
            if b"penumbra: end: " not in self.text:
                Stub(self.port).ask("audit", said.append)
        except GuestError:
            pass  # it was about to end
        said = "".join(said)
        if not said:
            self.wait_for("penumbra-json: ", 20)
            self.wait_for("}\r\n", start=self.text.rfind(b"penumbra-json: "))
            said = self.text.decode(errors="replace")
        assert re.search(r'audit: 0 diff|"audit": 0}', said), \
            f"audit: {said[-900:]}"

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.audit()
        except AssertionError as why:
            kind, value = AssertionError, why
        self.done = True
        self.reader.join()
        self.machine.stop()
        self.stack.close()
        log = keep_log(self.name, self.text + b"\n--- gdb\n" +
                       self.said.encode())
        if kind is AssertionError:
            raise AssertionError(f"{value} (see {log})") from None

    def read(self):
        while not self.done:
            self.text += self.machine.read(0.05)

    def type(self, text):
        self.machine.write(text.encode())

    def wait_for(self, text, seconds=60, start=0):
        """Until the serial line has said it."""
        until = time.monotonic() + seconds * self.slow
        while text.encode() not in self.text[start:]:
            ended = self.machine.process.poll() is not None
            time.sleep(0.1)
            assert not ended or text.encode() in self.text[start:], \
                f"ended before: {text}"
            assert time.monotonic() < until, f"never said: {text}"

    def command(self, script):
        first = ["set pagination off", "set confirm off",
                 "set architecture i386", f"source {HERE / 'gdb_side.py'}",
                 f"target remote 127.0.0.1:{self.port}"]
        words = ["gdb", "-nx", "-batch"]
        for line in first + [line.strip() for line in script.splitlines()
                             if line.strip()]:
            words += ["-ex", line]
        return words + ([str(self.image)] if self.image else [])

    def gdb(self, script, seconds=60):
        """What gdb says to the script. It ends in time."""
        done = subprocess.run(
            self.command(script), timeout=seconds * self.slow, cwd=ROOT,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace")
        self.said += done.stdout
        return done.stdout


def has(said, *patterns):
    """All of them, in this order."""
    at = 0
    for pattern in patterns:
        match = re.compile(pattern, re.M).search(said, at)
        assert match, f"missing: {pattern}\n{said[-1500:]}"
        at = match.end()
