# SPDX-License-Identifier: MIT
"""The digest lines (vm/digest.c) of one engine running one guest.

Engines are the monitor's own, on an emulator, and `sim`: the interpreter in a
host process (make build/sim), the fastest of them. Time is the count of
instructions everywhere, so a run is the same each time, and anywhere.
"""
import pathlib
import re
import subprocess
import tempfile
import time

from .guest import MIB, ROOT, GuestError, guest_iso
from .machines import MACHINES
from .session import machine_memory

SIM = ROOT / "build" / "sim"
LINE = re.compile(rb"penumbra-(digest|pages): ([^\r\n]*)\r?\n")
AUDIT = re.compile(rb'"audit": (\d+)')  # at the end of a whole run
WORDS = re.compile(rb"penumbra: (?:PANIC|stopped|end)[^\r\n]*")

REGISTERS = ("eip", "eflags", "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi",
             "edi", "es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr", "gdtr",
             "idtr", "cr0", "cr2", "cr3", "cr4", "others", "memory")


class OutOfTime(Exception):
    """A run has used up its host time; the text says how far it came."""


class Digest:
    """State after `count` instructions; `insn` is what comes next."""

    def __init__(self, text):
        words = text.split(" ", len(REGISTERS) + 1)
        self.count = int(words[0])
        self.state = dict(zip(REGISTERS, words[1:]))
        self.insn = words[-1] if len(words) > len(REGISTERS) + 1 else None

    def differs(self, other):
        """The names of what differs."""
        if self.count != other.count:
            return ["count"]
        return [name for name in REGISTERS
                if self.state.get(name) != other.state.get(name)]


class Span:
    """Which digests: every `every`-th instruction of [start, end]; 0: at the
    starts of bt's blocks, as they come."""

    def __init__(self, start, end, every, memory="off"):
        self.start, self.end = start, end
        self.every, self.memory = every, memory  # off, on, pages

    def options(self):
        return [f"trace-from={self.start}", f"trace-to={self.end}",
                f"trace-every={self.every}",
                *([] if self.every else ["trace-blocks=on"]),
                f"trace-memory={self.memory}"]


class SimMachine:
    """The interpreter as a process of the host, with a machine's interface."""

    def __init__(self, guest, options, plant):
        if not SIM.is_file():
            raise GuestError("no build/sim: run make build/sim first")
        words = [SIM, "-m", str(guest.memory // MIB), "-a", guest.append]
        if guest.initrd:
            words += ["-i", guest.initrd]
        for option in options:
            words += ["-t", option]
        if plant:
            words += ["-p", plant]
        self.process = subprocess.Popen(
            [*words, guest.image], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def read(self, _seconds):
        return self.process.stdout.read1(65536)

    def ended(self):
        return self.process.poll() is not None

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Stream:
    """Iterates over one run's digests; `words`: how the run ended."""

    def __init__(self, engine, guest, span, on="qemu", timeout=600,
                 options="", plant=None, long_mode=True):
        self.engine, self.span = engine, span
        self.until = time.monotonic() + timeout
        self.last = 0    # count of the last digest
        self.pages = []  # hashes of the pages then, if asked for
        self.words = "no more was said"
        self.rest = b""
        self.folder = tempfile.TemporaryDirectory(prefix="penumbra-diverge-")
        words = span.options() + ([] if long_mode else ["long-mode=off"])
        self.machine = self.start(guest, on, words, options, plant)

    def start(self, guest, on, words, options, plant):
        if self.engine == "sim":
            return SimMachine(guest, words, plant)
        iso = pathlib.Path(self.folder.name) / "guest.iso"
        guest_iso(iso, guest, self.engine, " ".join(
            ["on-exit=qemu time=icount audit=1", *words, options]))
        return MACHINES[on](iso, machine_memory(guest, self.engine),
                            self.folder.name)

    def chunks(self):
        """Serial output until the machine ends or time is over."""
        while True:
            if time.monotonic() > self.until:
                raise OutOfTime(f"{self.engine} was at instruction "
                                f"{self.last}")
            data = self.machine.read(0.1)
            if data:
                yield data
            elif self.machine.ended():
                data = self.machine.read(0)
                if not data:
                    return
                yield data

    def __iter__(self):
        for data in self.chunks():
            self.rest += data
            at = 0
            for match in LINE.finditer(self.rest):
                at = match.end()
                text = match.group(2).decode(errors="replace")
                if match.group(1) == b"pages":
                    self.pages = text.split()[1:]
                    continue
                digest = Digest(text)
                self.last = digest.count
                yield digest
                if digest.count >= self.span.end:
                    return
            self.note_words()
            self.rest = self.rest[at:] if at else self.rest[-65536:]

    def note_words(self):
        said = WORDS.findall(self.rest)
        if said:
            self.words = said[-1].decode(errors="replace")
        audit = AUDIT.search(self.rest)
        if audit and int(audit.group(1)):
            raise GuestError(f"{self.engine}: {int(audit.group(1))} shadow "
                             "entries are not what the guest's tables say")

    def close(self):
        self.machine.stop()
        self.folder.cleanup()
