# SPDX-License-Identifier: MIT
"""The real gdb in batch mode against guests under each engine.

A script is gdb's; what it prints is judged. Python that gdb itself runs is in
gdb_side.py, beside this file."""
import contextlib
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

from penumbra_lib.guest import MIB, Guest, guest_iso
from penumbra_lib.machines import MACHINES

from .case import BUILD, ROOT, Case, keep_log

HERE = pathlib.Path(__file__).parent
TESTS = BUILD / "guest/tests"
# engine, emulator, and how much longer than the first it may take
PLACES = (("bt", "qemu", 1), ("interp", "qemu", 1), ("bt", "bochs", 6),
          ("vmx", "bochs", 6))
MACHINE = 384 * MIB


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Bench:
    """A guest that runs, its serial text, and gdb beside it."""

    def __init__(self, name, image, engine="bt", on="qemu", slow=1, append="",
                 options="gdb-wait=1", memory="32M", cpu=None, guest=None,
                 com2=True):
        self.name = f"debug-{name}-{engine}-{on}"
        self.slow = slow
        self.image = TESTS / f"{image}.elf" if image else None
        self.guest = guest or Guest("multiboot", self.image, append=append,
                                    memory=memory)
        self.engine, self.on, self.cpu = engine, on, cpu
        self.options = f"on-exit=qemu {'gdb=com2' if com2 else ''} {options}"
        self.port = free_port() if com2 else None
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
                                         gdb=self.port, dialog=True)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.wait_for("guest entry")
        return self

    def __exit__(self, kind, value, trace):
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
                 f"target remote localhost:{self.port}"]
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

    def gdb_interrupted(self, script, marks, seconds=60):
        """As gdb(), with a ^C a second after each line that ends in ..."""
        gdb = subprocess.Popen(
            self.command(script), cwd=ROOT, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace")
        killer = threading.Timer(seconds * self.slow, gdb.kill)
        killer.start()
        said = ""
        for line in gdb.stdout:
            said += line
            if line.endswith("...\n"):
                threading.Timer(1, gdb.send_signal, [signal.SIGINT]).start()
        gdb.wait()
        killer.cancel()
        self.said += said
        assert said.count("...\n") == marks, f"gdb stopped early\n{said[-800:]}"
        return said


def has(said, *patterns):
    """All of them, in this order."""
    at = 0
    for pattern in patterns:
        match = re.compile(pattern, re.M).search(said, at)
        assert match, f"missing: {pattern}\n{said[-1500:]}"
        at = match.end()


# --- sessions --------------------------------------------------------------------

def session(engine, on, slow):
    """Attach, look and write, break, leave, come again."""
    with Bench("session", "debugee", engine, on, slow) as bench:
        said = bench.gdb("""
            info threads
            p/x $cr0
            p/x $cs_limit
            p/x $eax
            set $ecx = 0x12345678
            p/x $rcx
            set $xmm3.v4_int32[1] = 77
            p $xmm3.v4_int32[1]
            p $st0
            set $fctrl = 0x27f
            p/x $fctrl
            set $cr0 = 0
            p/x $cr0
            x/2i $pc
            p watched
            set var watched = 5
            p watched
            set var watched = 0
            find /w 0x100000, 0x101000, 0x1badb002
            tbreak main
            continue
            bt
            monitor phys on
            maintenance packet m100000,4
            monitor phys off
            detach
        """)
        has(said, r"protected mode, CPL 0, 32-bit code, unpaged",
            r"= 0x11$", r"= 0xffffffff$", r"= 0x2badb002$", r"= 0x12345678$",
            r"= 77$", r"^\$\d+ = 0$", r"= 0x27f$", r"[Ee]rror|E02|Could not",
            r"= 0x11$", r"=> 0x[0-9a-f]+ <_start>:\s+cli", r"= 0$", r"= 5$",
            r"^0x100000", r"main \(\)", r"#0 +main", r"physical",
            r"02b0ad1b", r"linear", r"detached")
        bench.wait_for("worked")
        said = bench.gdb("p 6 * 7\nkill")
        has(said, r"= 42$")


def hundred(engine, on, slow):
    """100 breakpoints at once, and nothing of them in the guest's memory."""
    with Bench("hundred", "debugee", engine, on, slow) as bench:
        said = bench.gdb("""
            set breakpoint always-inserted on
            python hundred()
            detach
        """, 120)
        has(said, r"met 100 of 100 in order")
        bench.wait_for("penumbra: end: the guest")
        sums = re.findall(rb"^sum ([0-9a-f]+)", bench.text, re.M)
        real = code_sum(TESTS / "debugee.elf")
        assert [int(s, 16) for s in sums] == [real, real], \
            f"the guest read {sums}, not {real:x}"


def code_sum(elf):
    """What the image computes of its own code, from its file."""
    out = subprocess.run(["nm", elf], stdout=subprocess.PIPE, text=True)
    at = {name: int(value, 16) for value, _, name in
          (line.split() for line in out.stdout.splitlines()
           if len(line.split()) == 3)}
    with tempfile.NamedTemporaryFile() as raw:
        subprocess.run(["objcopy", "-O", "binary", "-j", ".text", elf,
                        raw.name], check=True)
        text = pathlib.Path(raw.name).read_bytes()
    total = 0
    for byte in text[at["functions"] - 0x100000:
                     at["functions_end"] - 0x100000]:
        total = (total * 31 + byte) & 0xffffffff
    return total


def watchpoints(engine, on, slow):
    with Bench("watch", "debugee", engine, on, slow) as bench:
        said = bench.gdb("""
            watch watched
            continue
            continue
            info symbol $pc
            delete
            rwatch watched
            continue
            info symbol $pc
            delete
            awatch watched
            continue
            info symbol $pc
            continue
            info symbol $pc
            delete
            watch *(int *) 0x1ff000
            awatch beside
            continue
            info symbol $pc
            delete
            detach
        """, 120)
        has(said, r"Hardware watchpoint", r"Old value = 0\nNew value = 1",
            r"Old value = 1\nNew value = 2", r"^write_watched",
            r"read watchpoint", r"Value = 2", r"^read_watched",
            r"Old value = 2\nNew value = 3", r"^write_watched",
            r"Value = 3", r"^read_watched", r"beside", r"^work")
        bench.wait_for("worked")


def user(engine, on, slow):
    with Bench("user", "debugee", engine, on, slow) as bench:
        said = bench.gdb("""
            break u_target
            continue
            p $cs & 3
            p $ecx
            continue
            p $ecx
            stepi
            stepi
            p/x $pc == u_target
            delete
            tbreak *(u_target + 3)
            continue
            info threads
            detach
        """)
        has(said, r"Breakpoint 1, 0x\w+ in u_target", r"= 3$", r"= 5$",
            r"= 4$", r"u_target", r"= 0x1$", r"protected mode, CPL 3")
        bench.wait_for("user 14")


def stopped_at(job, where, mode):
    def test(engine, on, slow):
        with Bench(job, "debugee", engine, on, slow, append=job,
                   options="") as bench:
            bench.wait_for("worked")
            time.sleep(1)
            said = bench.gdb_interrupted("""
                info symbol $pc
                p 6 * 7
                echo go on...\\n
                continue
                info symbol $pc
                info threads
                echo once more...\\n
                continue
                p 7 * 8
                detach
            """, 2)
            has(said, where, r"= 42$", r"SIGINT", where, mode, r"SIGINT",
                r"= 56$", r"detached")
    return test


def modes(engine, on, slow):
    """Into real mode, a step at a time, and back."""
    with Bench("modes", "realmode", engine, on, slow) as bench:
        said = bench.gdb("""
            tbreak real_switch
            continue
            python steps_until("real mode", 200)
            info threads
            p/x $cs
            p/x $cs_base
            set $fs = 0x1234
            p/x $fs_base
            p/x $cr0 & 1
            set $was = $ebx
            set $ebx = 0x11223344
            p/x $ebx
            set $ebx = $was
            set architecture i8086
            x/i $cs_base + $eip
            set architecture i386
            python steps_until("protected mode", 2000)
            p/x $cr0 & 1
            detach
        """, 120)
        has(said, r"real mode", r"= 0x[0-9a-f]+$", r"= 0x12340$", r"= 0x0$",
            r"= 0x11223344$", r"protected mode", r"= 0x1$")


STEPS = 10000


def steps(engine, on, slow):
    """Single steps through boot land where the interpreter goes."""
    want = interpreter_path(STEPS)
    count = STEPS if on == "qemu" else STEPS // 10
    with Bench("steps", "debugee", engine, on, slow) as bench:
        said = bench.gdb(f"""
            python walk({count})
            detach
        """, 300)
        path = [int(word, 16) for line in re.findall(r"^path (.*)$", said,
                                                     re.M)
                for word in line.split()]
    assert len(path) == count + 1, f"{len(path)} steps"
    path = no_repeats(path)
    for n, (here, there) in enumerate(zip(path, want)):
        assert here == there, f"step {n}: {here:x}, not {there:x}"


def no_repeats(path):
    """REP steps once an iteration."""
    return [pc for n, pc in enumerate(path) if not n or pc != path[n - 1]]


def interpreter_path(count):
    out = subprocess.run(
        [BUILD / "sim", "-m", "32", "-t", "trace-from=0", "-t",
         f"trace-to={count}", "-t", "trace-every=1", TESTS / "debugee.elf"],
        stdout=subprocess.PIPE, timeout=120).stdout.decode(errors="replace")
    return no_repeats([int(pc, 16) for pc in re.findall(
        r"^penumbra-digest: \d+ ([0-9a-f]+) ", out, re.M)])


def cases():
    tests = {
        "session": session, "hundred": hundred, "watch": watchpoints,
        "user": user, "modes": modes, "steps": steps,
        "interrupt-halt": stopped_at("halt", "halt_for_ever",
                                     r"protected mode, CPL 0"),
        "interrupt-cli": stopped_at("cli", "spin_for_ever",
                                    r"protected mode, CPL 0"),
        "interrupt-user": stopped_at("user", "u_spin",
                                     r"protected mode, CPL 3"),
    }
    for name, test in tests.items():
        for engine, on, slow in PLACES:
            yield Case(f"debug/{name}/{engine}/{on}", test, engine, on, slow)
