# SPDX-License-Identifier: MIT
"""The emulators as one interface: start from an ISO, read and write the
serial line, notice the end, stop.

A machine's `read(seconds)` gives serial bytes (b"" when none came), `write`
types, `ended()` is None while it runs, else one of the words of ENDS.
"""
import ctypes
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import time
import tty

from .bridge import Bridge

MIB = 1 << 20
ENDS = ("exit-port", "power-off", "halt", "reset", "emulator-failed")
QUIET = 0.5  # seconds without output after which a halt is looked for
OVMF = "/usr/share/OVMF"
BOCHS_ROMS = "/usr/share/bochs"
BOCHS_BIOS = {"bios": f"{BOCHS_ROMS}/BIOS-bochs-latest",
              "seabios": "/usr/share/seabios/bios.bin"}
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def die_with_us():
    """In the child: an emulator must not outlive a launcher that is killed."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def drain(fd):
    try:
        return os.read(fd, 65536)
    except OSError:
        return b""


class Qemu:
    """QEMU with software emulation, whatever the host could do."""

    FIRMWARE = ("bios", "uefi")

    def __init__(self, iso, memory, folder, cpu=None, firmware="bios",
                 gdb=None, reboot=False, **_):
        self.folder = pathlib.Path(folder)
        self.status = None      # value that the guest wrote to port F4h
        self.shutdown = None    # reason in QMP's SHUTDOWN event
        self.qmp = None
        self.quiet_since = time.monotonic()
        self.stderr = open(self.folder / "qemu.err", "wb")
        self.process = subprocess.Popen(
            self.command(iso, memory, cpu, firmware, self.folder) +
            [*([] if reboot else ["-no-reboot"]), "-serial", "stdio", *self.second_line(gdb), "-monitor", "none", "-qmp",
             f"unix:{self.folder}/qmp,server=on,wait=off"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stderr,
            preexec_fn=die_with_us)

    @staticmethod
    def second_line(gdb):
        """COM2 on a TCP port, for gdb."""
        if gdb is None:
            return []
        return ["-serial", f"tcp:127.0.0.1:{gdb},server=on,wait=off,nodelay=on"]

    @staticmethod
    def command(iso, memory, cpu, firmware, folder):
        words = ["qemu-system-x86_64", "-accel", "tcg", "-display", "none",
                 "-m", str(memory // MIB), "-nic", "none",
                 "-cdrom", str(iso), "-boot", "d",
                 "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
        if cpu:
            words += ["-cpu", cpu]
        if firmware == "uefi":
            shutil.copyfile(f"{OVMF}/OVMF_VARS_4M.fd", f"{folder}/vars.fd")
            for name, mode in ((f"{OVMF}/OVMF_CODE_4M.fd", ",readonly=on"),
                               (f"{folder}/vars.fd", "")):
                words += ["-drive", f"if=pflash,format=raw,file={name}{mode}"]
        return words

    def read(self, seconds):
        pipe = self.process.stdout
        if not select.select([pipe], [], [], seconds)[0]:
            return b""
        data = drain(pipe.fileno())
        if data:
            self.quiet_since = time.monotonic()
        else:
            time.sleep(min(seconds, 0.05))  # closed: it is about to end
        return data

    def write(self, data):
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except OSError:
            pass  # it has just ended

    def ended(self):
        self.poll_events()
        code = self.process.poll()
        if code is None:
            return "halt" if self.halted() else None
        self.poll_events()
        if self.shutdown == "guest-reset":
            return "reset"
        if self.shutdown == "guest-shutdown" and code == 0:
            return "power-off"
        if code > 0 and code & 1 and self.shutdown is None and self.qmp:
            self.status = code >> 1
            return "exit-port"
        return "emulator-failed"

    def message(self):
        self.stderr.flush()
        return (self.folder / "qemu.err").read_text(errors="replace").strip()

    def connect(self):
        link = socket.socket(socket.AF_UNIX)
        try:
            link.connect(str(self.folder / "qmp"))
        except OSError:
            return
        link.settimeout(2)
        self.qmp = link.makefile("rw", encoding="utf-8")
        self.qmp_fd = link
        self.command_qmp("qmp_capabilities")

    def command_qmp(self, name, **arguments):
        """The command's return value; None when QEMU is gone."""
        try:
            self.qmp.write(json.dumps({"execute": name,
                                       "arguments": arguments}) + "\n")
            self.qmp.flush()
            for line in self.qmp:
                reply = json.loads(line)
                self.note_event(reply)
                if "return" in reply or "error" in reply:
                    return reply.get("return")
        except (OSError, ValueError):
            pass
        return None

    def note_event(self, reply):
        if reply.get("event") == "SHUTDOWN":
            self.shutdown = reply["data"]["reason"]

    def poll_events(self):
        if not self.qmp:
            self.connect()
            return
        try:
            while select.select([self.qmp_fd], [], [], 0)[0]:
                line = self.qmp.readline()
                if not line:
                    return
                self.note_event(json.loads(line))
        except (OSError, ValueError):
            pass

    def halted(self):
        """Does the CPU stand in HLT with interrupts off?"""
        if not self.qmp or time.monotonic() - self.quiet_since < QUIET:
            return False
        self.quiet_since = time.monotonic()
        text = self.command_qmp("human-monitor-command", **{
            "command-line": "info registers"}) or ""
        flags = re.search(r"[ER]FL=([0-9a-f]+)", text)
        return bool(flags and "HLT=1" in text and
                    not int(flags.group(1), 16) & 0x200)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stdin.close()
        self.stderr.close()


BOCHSRC = """
romimage: file={rom}
vgaromimage: file={roms}/VGABIOS-lgpl-latest
megs: {megs}
cpu: model={cpu}, count=1, ips=50000000, reset_on_triple_fault=0, \
ignore_bad_msrs=1, cpuid_limit_winnt=0
clock: sync=none, time0=1600000000
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path="{iso}", status=inserted
boot: cdrom
display_library: term
com1: enabled=1, {serial}
{second}
log: {folder}/bochs.log
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
"""
# What Bochs logs, and the end that it means. In this order: a triple fault is
# logged before the panic that it leads to.
BOCHS_ENDS = (
    (rb"3rd \(\d+\) exception with no resolution", "reset"),
    (rb"Shutdown port: shutdown requested", "exit-port"),
    (rb"soft power off", "power-off"),
    (rb"HLT instruction with IF=0", "halt"),
    (rb"bx_pc_system_c::Reset\(HARDWARE\) called", "reset"),
    (rb"bx_pc_system_c::Reset\(SOFTWARE\) called", "reset"),
)


# A terminal that can do so little that curses says nothing before it has turned
# the echo off: Bochs would take the echo for keys, and type it into GRUB.
SCREEN_TYPE = "ansi"
SCREEN = re.compile(rb'connected to screen "([^"]+)"')


class Bochs:
    """Bochs as Debian builds it: with its debugger, on a terminal of ours.

    The guest's screen goes to a second terminal, which Bochs makes and names
    on the first. It stops for good once either holds all that it can. Its
    BIOS hands VT-x over enabled, SeaBIOS leaves that to us.
    """

    FIRMWARE = tuple(BOCHS_BIOS)

    def __init__(self, iso, memory, folder, cpu=None, dialog=False,
                 firmware="bios", gdb=None, **_):
        self.bridge = None if gdb is None else Bridge(gdb)
        self.folder = pathlib.Path(folder)
        self.status = None
        self.seen = 0           # bytes read of the serial file
        self.listener = self.link = self.screen = None
        self.said = b""         # on its terminal, until it has named SCREEN
        serial = f"mode=file, dev={folder}/serial"
        if dialog:
            serial = f"mode=socket-client, dev=127.0.0.1:{self.listen()}"
        second = ""
        if self.bridge:
            second = "com2: enabled=1, mode=socket-client, " \
                f"dev=127.0.0.1:{self.bridge.line_port}"
        (self.folder / "serial").touch()
        (self.folder / "bochs.log").touch()
        (self.folder / "bochsrc").write_text(BOCHSRC.format(
            rom=BOCHS_BIOS[firmware], roms=BOCHS_ROMS, megs=memory // MIB,
            iso=iso, serial=serial, second=second,
            cpu=cpu or "corei7_icelake_u", folder=folder))
        (self.folder / "commands").write_text("c\nquit\n")
        self.terminal, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 50, 132, 0, 0))
        self.process = subprocess.Popen(
            ["bochs", "-q", "-f", "bochsrc", "-rc", "commands"],
            cwd=self.folder, env={**os.environ, "TERM": SCREEN_TYPE},
            stdin=inner, stdout=inner, stderr=inner, preexec_fn=die_with_us)
        os.close(inner)
        self.keep_awake()

    def keep_awake(self):
        """At each HLT Bochs waits a millisecond for its terminal's input,
        unless there is some. Nobody ever reads it."""
        os.write(self.terminal, b"\n")

    def listen(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        return self.listener.getsockname()[1]

    def read(self, seconds):
        until = time.monotonic() + seconds
        while True:
            data = self.read_now()
            left = until - time.monotonic()
            if data or left <= 0 or self.process.poll() is not None:
                return data or self.read_now()
            time.sleep(min(left, 0.02))

    def read_now(self):
        self.drain_screens()
        if self.listener:
            return self.read_socket()
        with open(self.folder / "serial", "rb") as file:
            file.seek(self.seen)
            data = file.read()
        self.seen += len(data)
        return data

    def drain_screens(self):
        """Nobody looks, but what is full stops Bochs."""
        for fd in (self.terminal, self.screen):
            if fd is not None and select.select([fd], [], [], 0)[0]:
                text = drain(fd)
                if self.screen is None:
                    self.said += text
        match = self.screen is None and SCREEN.search(self.said)
        if match:
            self.screen = os.open(
                match.group(1), os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
            tty.setraw(self.screen)

    def read_socket(self):
        try:
            if not self.link:
                self.link = self.listener.accept()[0]
                self.link.setblocking(False)
            return self.link.recv(65536)
        except OSError:
            return b""

    def write(self, data):
        if self.link:
            self.link.setblocking(True)
            self.link.sendall(data)
            self.link.setblocking(False)

    def ended(self):
        log = (self.folder / "bochs.log").read_bytes()
        # The machine's own start is a reset too.
        _, _, log = log.partition(b"Booting from")
        for pattern, end in BOCHS_ENDS:
            if re.search(pattern, log):
                return end
        if self.process.poll() is not None:
            return "emulator-failed"
        return None

    def message(self):
        log = (self.folder / "bochs.log").read_text(errors="replace")
        return "\n".join(log.splitlines()[-5:])

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.terminal)
        if self.screen is not None:
            os.close(self.screen)
        for link in filter(None, (self.link, self.listener)):
            link.close()
        if self.bridge:
            self.bridge.stop()


MACHINES = {"qemu": Qemu, "bochs": Bochs}
