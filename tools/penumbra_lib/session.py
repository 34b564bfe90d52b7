# SPDX-License-Identifier: MIT
"""One run of one guest: the dialog on its serial line and how it ended.

The dialog is a list of ("expect", text) and ("send", text), gone through in
order. The monitor speaks by lines of its own among the guest's:
    penumbra: fatal: WHY          it refused to start, in one line
    penumbra: stopped: WHY        it stopped the guest
    penumbra: panic: WHY          a bug of the monitor
    penumbra: end: REASON status N, then the table and `penumbra-json: {...}`
"""
import json
import pathlib
import re
import sys
import tempfile
import time

from .guest import MIB, guest_iso
from .machines import MACHINES

EXPECT_MISSED, TIMEOUT, PANIC, STOPPED, RESET, EMULATOR = 1, 3, 4, 5, 6, 7
MONITOR_ROOM = 128 * MIB  # what the monitor may have besides the guest's RAM
LEAST_MACHINE = 256 * MIB
GRACE = 3.0  # seconds for the last words after the end is known

ENTRY = re.compile(rb"guest entry: |Linux version ")
TICKS = rb".*?\btsc ((?:0x)?[0-9a-f]+)\b"  # what follows a mark on its line
PANIC_LINE = re.compile(rb"^penumbra: panic(?: in a panic)?: .*$", re.M)
STOP_LINE = re.compile(rb"^penumbra: (?:fatal|stopped): (.*?)\r?$", re.M)
END_LINE = re.compile(rb"^penumbra: end: (.*) status (\d+)\r?$", re.M)
JSON_LINE = re.compile(rb"^penumbra-json: (\{.*\})\r?\n", re.M)
EXIT_LINE = re.compile(rb"^exit (\d+)\r?$", re.M)

# The monitor's words for an end -> the launcher's.
END_WORDS = {
    "the guest wrote its exit status": "exit-port",
    "power-off": "power-off",
    "halted with interrupts off": "halt",
    "reset": "reset",
    "triple fault": "reset",
    "ended by the debugger": "quit",
    "the monitor stopped the guest": "stopped",
}
STATUS_OF_END = {"power-off": 0, "halt": 0, "quit": 0, "reset": RESET,
                 "timeout": TIMEOUT, "panic": PANIC, "stopped": STOPPED,
                 "emulator-failed": EMULATOR}


class Outcome:
    """How a run ended. `status` is the launcher's exit status."""

    def __init__(self):
        self.end = None
        self.status = None
        self.message = ""      # why, where there is more to say
        self.marks = {}        # name -> host seconds since the start
        self.ticks = {}        # name -> TSC that the guest or GRUB read there
        self.missed = []       # expected texts that never came
        self.stats = None      # the monitor's JSON line
        self.log = b""

    def span(self, mark):
        """Seconds from the guest's entry to `mark`, or None."""
        if mark not in self.marks:
            return None
        return self.marks[mark] - self.marks.get("entry", 0.0)

    def tick_span(self, mark, since="entry"):
        """TSC ticks between two marks, or None."""
        if mark not in self.ticks or since not in self.ticks:
            return None
        return self.ticks[mark] - self.ticks[since]

    def as_dict(self):
        return {key: value for key, value in vars(self).items()
                if key != "log"}


class Session:
    """Runs a machine through a dialog to its end."""

    def __init__(self, machine, hosted, dialog, timeout, until_expect=False,
                 sink=None):
        self.machine = machine
        self.hosted = hosted
        self.dialog = list(dialog)
        self.timeout = timeout
        self.until_expect = until_expect
        self.sink = sink        # called with each chunk of output
        self.out = Outcome()
        self.from_ = 0          # where the next expected text is looked for
        self.start = time.monotonic()

    def now(self):
        return time.monotonic() - self.start

    def take(self, seconds):
        data = self.machine.read(seconds)
        if not data:
            return False
        self.out.log += data
        if self.sink:
            self.sink(data)
        if "entry" not in self.out.marks and ENTRY.search(self.out.log):
            self.out.marks["entry"] = self.now()
        self.advance()
        return True

    def advance(self):
        """Go on in the dialog as far as the output allows."""
        while self.dialog:
            kind, text = self.dialog[0]
            if kind == "expect":
                at = self.out.log.find(text.encode(), self.from_)
                if at < 0:
                    return
                self.from_ = at + len(text.encode())
                self.out.marks[text] = self.now()
            else:
                self.machine.write(text.encode() + b"\n")
            self.dialog.pop(0)

    def monitor_end(self):
        """The end that the monitor itself has told, or None."""
        log = self.out.log
        if PANIC_LINE.search(log):
            return "panic"
        if STOP_LINE.search(log):
            return "stopped"
        match = END_LINE.search(log)
        if match:
            return END_WORDS.get(match.group(1).decode(), "halt")
        return None

    def wait(self):
        """Until the run has an end; its word."""
        while True:
            self.take(0.05)
            if self.until_expect and not self.dialog:
                return "quit"
            end = self.hosted and self.monitor_end()
            if not end:
                end = self.machine.ended()
            if end:
                return end
            if self.now() > self.timeout:
                return "timeout"

    def last_words(self, end):
        """Read on until all is said; the monitor has the last word."""
        if end in ("quit", "timeout"):
            return end
        until = time.monotonic() + GRACE
        while time.monotonic() < until:
            got = self.take(0.05)
            if JSON_LINE.search(self.out.log):
                break
            if not got and self.machine.process.poll() is not None:
                break
        return (self.hosted and self.monitor_end()) or end

    def run(self):
        try:
            end = self.last_words(self.wait())
            self.out.marks["end"] = self.now()
            self.judge(end)
        finally:
            self.machine.stop()
        return self.out

    def judge(self, end):
        out = self.out
        out.end = end
        out.missed = [text for kind, text in self.dialog if kind == "expect"]
        match = JSON_LINE.search(out.log)
        if match:
            try:
                out.stats = json.loads(match.group(1))
            except ValueError:
                out.message = "the statistics line is not JSON"
        self.read_ticks()
        out.status = STATUS_OF_END.get(end)
        if end == "exit-port":
            out.status = self.guest_status()
        elif end == "stopped":
            match = STOP_LINE.search(out.log)
            out.message = match.group(1).decode() if match else ""
        elif end == "panic":
            out.message = PANIC_LINE.search(out.log).group(0).decode()
        elif end == "emulator-failed":
            out.message = self.machine.message()
        if out.status == 0 and out.missed:
            out.status = EXPECT_MISSED

    def read_ticks(self):
        texts = {"entry": "guest entry: ", **{text: text for text in
                                              self.out.marks}}
        for mark, text in texts.items():
            match = re.search(re.escape(text.encode()) + TICKS, self.out.log)
            ticks = int(match.group(1), 0) if match else 0
            if ticks:  # QEMU's TSC reads as 0 where GRUB reads it
                self.out.ticks[mark] = ticks

    def guest_status(self):
        """The value that the guest wrote to its exit port."""
        match = END_LINE.search(self.out.log) if self.hosted else None
        if match:
            return int(match.group(2)) & 0xff
        if self.machine.status is not None:
            return self.machine.status
        match = EXIT_LINE.search(self.out.log)
        return int(match.group(1)) if match else EMULATOR


def machine_memory(guest, engine):
    if engine == "bare":
        return guest.memory
    return max(LEAST_MACHINE, guest.memory + MONITOR_ROOM)


def run_iso(iso, on, memory, hosted, dialog=(), timeout=60, cpu=None,
            firmware="bios", until_expect=False, sink=None, gdb=None):
    """Run a ready ISO of `memory` bytes of machine; its Outcome."""
    with tempfile.TemporaryDirectory(prefix="penumbra-run-") as folder:
        machine = MACHINES[on](
            iso, memory, folder, cpu=cpu, firmware=firmware, gdb=gdb,
            dialog=any(kind == "send" for kind, _ in dialog))
        return Session(machine, hosted, dialog, timeout, until_expect,
                       sink).run()


def ready_iso(folder, guest, engine, options, firmware):
    """The guest's ISO for a run: its own, or one made in `folder`."""
    if guest.kind == "iso":
        return guest.image.resolve()
    iso = pathlib.Path(folder) / "guest.iso"
    guest_iso(iso, guest, engine, f"on-exit=qemu {options}".strip(),
              both_firmwares=firmware == "uefi")
    return iso


def run_guest(guest, engine, on, options="", **more):
    """Build the guest's ISO and run it; its Outcome."""
    with tempfile.TemporaryDirectory(prefix="penumbra-") as folder:
        iso = ready_iso(folder, guest, engine, options, more.get("firmware"))
        return run_iso(iso, on, machine_memory(guest, engine),
                       engine != "bare", **more)


def echo(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
