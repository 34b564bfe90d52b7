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

from penumbra_lib.gdb import Stub
from penumbra_lib.guest import MIB, Guest, guest_iso
from penumbra_lib.machines import MACHINES

from .case import BUILD, ROOT, Case, keep_log
from .guest import TEXT, rows
from .linux import linux

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
                 com2=True, reboot=False):
        self.name = f"debug-{name}-{engine}-{on}"
        self.slow = slow
        self.image = TESTS / f"{image}.elf" if image else None
        self.guest = guest or Guest("multiboot", self.image, append=append,
                                    memory=memory)
        self.engine, self.on, self.cpu = engine, on, cpu
        self.options = f"on-exit=qemu {'gdb=com2' if com2 else ''} {options}"
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


def physical(engine, on, slow):
    """Stops by physical address; the image is mapped where it lies."""
    with Bench("physical", "debugee", engine, on, slow) as bench:
        said = bench.gdb("""
            monitor phys on
            break *((char *) &functions + 40)
            watch *(unsigned *) &watched
            continue
            info symbol $pc
            continue
            info symbol $pc
            p watched
            detach
        """)
        has(said, r"physical", r"^functions \+ 40 in", r"New value = 1",
            r"^write_watched", r"= 1$", r"detached")
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


def walked(image, count, engine, on, slow):
    """Where single steps from the start lead."""
    with Bench(f"steps-{image}", image, engine, on, slow) as bench:
        said = bench.gdb(f"""
            python walk({count})
            kill
        """, 300)
    path = [int(word, 16) for line in re.findall(r"^path (.*)$", said, re.M)
            for word in line.split()]
    assert len(path) == count + 1, f"{len(path)} steps"
    return no_repeats(path)


def steps(engine, on, slow):
    """Single steps through boot land where the interpreter goes."""
    want = interpreter_path("debugee", STEPS)
    path = walked("debugee", STEPS if on == "qemu" else STEPS // 10, engine,
                  on, slow)
    for n, (here, there) in enumerate(zip(path, want)):
        assert here == there, f"step {n}: {here:x}, not {there:x}"


def fault_steps(engine, on, slow):
    """Through faults, INT n and IRET: a fault's step ends at its handler,
    which the interpreter's count of instructions does not show."""
    count = 3000 if on == "qemu" else 300
    want = interpreter_path("exceptions", count)
    path = walked("exceptions", count, engine, on, slow)
    more = 0
    there = iter(want)
    expected = next(there)
    for here in path:
        if here == expected:
            expected = next(there, None)
        else:
            more += 1
    assert more < count / 10, f"{more} steps lead elsewhere"


def no_repeats(path):
    """REP steps once an iteration."""
    return [pc for n, pc in enumerate(path) if not n or pc != path[n - 1]]


def interpreter_path(image, count):
    out = subprocess.run(
        [BUILD / "sim", "-m", "32", "-t", "trace-from=0", "-t",
         f"trace-to={count}", "-t", "trace-every=1", TESTS / f"{image}.elf"],
        stdout=subprocess.PIPE, timeout=120).stdout.decode(errors="replace")
    return no_repeats([int(pc, 16) for pc in re.findall(
        r"^penumbra-digest: \d+ ([0-9a-f]+) ", out, re.M)])


def same_speed(engine, on, slow):
    """Stops elsewhere cost nothing."""
    rounds = 300000000 if on == "qemu" else 20000000
    with Bench("speed", "debugee", engine, on, slow) as bench:
        said = bench.gdb(f"""
            set breakpoint always-inserted on
            python speed({rounds}, 5)
            kill
        """, 240)
    ratio = float(re.search(r"^speed ([0-9.]+)", said, re.M).group(1))
    print(f"     work with 100 stops elsewhere: {ratio:.3f} times")
    assert ratio <= 1.05, f"{ratio} times as long"


def own_debugging(engine, on, slow):
    """A guest's own INT3, TF and DR0-7, with stops set elsewhere: it says what
    it says on the bare machine."""
    row = next(row for row in rows() if row.name == "debug")
    with Bench("own", "debug", engine, on, slow) as bench:
        bench.gdb("""
            break *0x1fff00
            watch *(int *) 0x1ff000
            rwatch *(int *) 0x1ff800
            python gdb.Breakpoint("*0x100003")
            continue
        """, 120)
        bench.wait_for("penumbra: end: the guest")
        text = TEXT.search(bench.text)
    assert text, "no text of the image"
    said = text.group(1).decode(errors="replace").splitlines()
    assert said == row.bare_text("bochs"), "not what it says bare"


# --- Linux -------------------------------------------------------------------------

SYMBOLS = ("start_kernel", "jiffies")
TYPED = "grep -E ' (%s)$' /proc/kallsyms" % "|".join(SYMBOLS)


def kernel(engine, on, slow):
    """Linux: user code and idle first, for the symbols; then from the start,
    with a breakpoint at what the loader and the kernel itself overwrite."""
    guest = linux(append="nokaslr cryptomgr.notests", memory="128M")
    entry = int(re.search(r"Entry point address: +(\w+)", subprocess.run(
        ["readelf", "-h", BUILD / "guest/busybox"], stdout=subprocess.PIPE,
        text=True).stdout).group(1), 16)
    with Bench("kernel-user", None, engine, on, slow, guest=guest,
               options="") as bench:
        bench.wait_for("/ #", 120)
        bench.type(TYPED + "\r")
        bench.wait_for("jiffies\r\n", start=bench.text.rfind(b"/ #") + 60)
        at = {name: int(value, 16) for value, name in re.findall(
            r"^([0-9a-f]{8}) \w (\w+)\r", bench.text.decode(
                errors="replace"), re.M)}
        said = bench.gdb_interrupted("""
            echo idle...\\n
            continue
            info threads
        """, 1)
        has(said, r"SIGINT", r"protected mode, CPL [03], 32-bit code, paged")
        bench.type("busybox true\r")
        said = bench.gdb(f"""
            break *{entry}
            continue
            info threads
            x/2i $pc
            detach
        """, 120)
        has(said, rf"Breakpoint 1, 0x0*{entry:x} ", r"CPL 3",
            rf"=> 0x{entry:x}:")
        start = len(bench.text)
        bench.type("echo $((6 * 7))-alive\r")
        bench.wait_for("42-alive", start=start)
    assert set(at) >= set(SYMBOLS), f"symbols: {at}"
    with Bench("kernel-start", None, engine, on, slow, guest=guest) as bench:
        said = bench.gdb(f"""
            x/2xb {at["start_kernel"]}
            break *{at["start_kernel"]}
            continue
            info threads
            x/i $pc
            monitor pt {at["start_kernel"]:x}
            delete
            watch *(int *) {at["jiffies"]}
            continue
            continue
            detach
        """, 200)
        has(said, r"Cannot access|0x0*c\w+:", r"Breakpoint 1, ",
            r"CPL 0, 32-bit code, paged", rf"=> 0x{at['start_kernel']:x}:",
            r"guest  maps to", r"Old value = (-\d+)", r"New value = -\d+",
            r"detached")
        bench.wait_for("/ #", 200)


# --- the monitor's commands ----------------------------------------------------

# command, what its output has
COMMANDS = (
    ("help", r"^regs .*registers", r"^audit "),
    ("help x", r"^x +\[p:\]ADDR"),
    ("regs", r"protected mode, CPL 0, 32-bit code, paged, guest stands",
     r"^eip [0-9a-f]{8}  eflags", r"^cs   0008  base 00000000  limit ffffffff",
     r"^cr0 800000\d1  cr2 \w+  cr3 \w+", r"^dr6 ffff0ff0", r"^instr.* \d+"),
    ("x 100000 20", r"^00100000  02 b0 ad 1b( \w\w){12}  \.\.\.\.",
     r"^00100010 ( \w\w){4} "),
    ("x p:100000 4", r"^00100000  02 b0 ad 1b"),
    ("x 7f000000", r"nothing there"), ("x", r"ADDR"), ("x zz", r"ADDR"),
    ("pt 100000", r"linear 100000, 32-bit paging, cr3",
     r"guest  level 2  \[   0\] at \w+ = \w+7 P W U A",
     r"guest  level 1  \[ 256\] at \w+ = \w+ P W U A",
     r"guest  maps to 100000 writable user", r"shadow root \w+",
     r"shadow level 2  = \w+ P W U A",
     r"shadow level 1  (= \w+ P|not made)"),
    ("pt 7f000000", r"guest  does not map it: #PF, error code 0",
     r"^shadow root"),
    ("stats", r"^engine exits: host event +\d+", r"^TSC ticks in engines"),
    ("audit", r"^audit: 0 differences"),
    ("irq", r"^8259 master irr \w\w  imr \w\w", r"^8259 slave ",
     r"^8254 counter 0  mode \d", r"^INTR 0  NMI pending 0", r"next timer"),
    ("trace 4", r"^ +\d+  -\d+ us  [a-z-]+ +\w+ \w+$"),
    ("trace off port host-irq", r"^port off"), ("trace on port", r"^port on"),
    ("trace off nonsense", r"no class nonsense"),
    ("trace on", r"^host-irq on"),
    ("loglevel debug", r"log level: debug"), ("loglevel", r"debug"),
    ("page 30", r"30 lines a page"), ("page off", r"no pages"),
    ("phys on", r"physical"), ("phys off", r"linear"),
    ("pause", r"^0008:\w{8}, linear \w+"),
    ("continue", r"gdb has stopped it"),
    ("step 3", r"^0008:\w{8}, linear \w+"),
    ("reg", r"^eip"), ("s", r"no command \"s\""),
    ("nonsense", r"no command \"nonsense\"; try help"),
    ("hot on", r"sampling is on"), ("exits on", r"costs are measured"),
)


def commands(engine, on, slow):
    """Each command says what it should."""
    with Bench("commands", "debugee", engine, on, slow) as bench:
        script = "tbreak write_watched\ncontinue\n"
        for command, *_ in COMMANDS:
            script += f"echo == {command}\\n\nmonitor {command}\n"
        script += """
            tbreak sum_code
            continue
            echo == hot
            monitor hot
            echo == exits
            monitor exits
            echo == new
            monitor stats new
            echo == tb
            monitor tb $pc
            monitor quit
        """
        said = bench.gdb(script, 120)
        parts = dict(part.split("\n", 1) for part in
                     said.split("\n== ")[1:] if "\n" in part)
        for command, *patterns in COMMANDS:
            assert command in parts, f"nothing for {command}\n{said[-900:]}"
            has(parts[command], *patterns)


def one_line(engine, on, slow):
    """The console: escape key, commands, pages, back to the guest; then the
    same line lent to gdb."""
    with Bench("one-line", "debugee", engine, on, slow, append="halt",
               options="gdb=com1", com2=False) as bench:
        bench.wait_for("worked")

        def ask(text, answer):
            start = len(bench.text)
            bench.type(text)
            bench.wait_for(answer, start=start)

        ask("\x1d", "penumbra> ")
        ask("pause\r", ", linear ")
        ask("page 10\r", "10 lines a page")
        ask("help\r", "-- more")
        ask(" ", "-- more")
        ask("q", "penumbra> ")
        ask("regs\r", "-- more")
        ask("q", "penumbra> ")
        ask("x 100000\x7f4 4\r", "nothing" if engine == "" else "00100004")
        ask("page off\r", "no pages")
        ask("help\r", "crash")
        ask("continue\r", "penumbra> ")
        ask("gdb\r", "gdb's until it detaches")
        start = len(bench.text)
        bench.type("$?#3f")
        bench.wait_for("$T02", start=start)
        bench.type("+$D#44")
        bench.wait_for("$OK#9a", start=start)
        bench.type("+")
        ask("\x1d", "penumbra> ")
        ask("\x1d", "\r\n")
        ask("\x1dquit\r", "ended by the debugger")


def launch(bench, verb, *words):
    done = subprocess.run(
        ["tools/penumbra", verb, "--port", str(bench.port), *words], cwd=ROOT,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        timeout=60 * bench.slow)
    assert done.returncode == 0, f"{verb} {words}: {done.returncode}"
    return done.stdout


def scripted(engine, on, slow):
    """tools/penumbra monitor and gdb, with the guest running."""
    with Bench("scripted", "debugee", engine, on, slow, append="halt",
               options="") as bench:
        bench.wait_for("worked")
        for words, pattern in ((("regs",), r"guest runs"),
                               (("irq",), r"8259 master"),
                               (("x", "100000", "4"), r"02 b0 ad 1b"),
                               (("pause",), r"linear"),
                               (("regs",), r"guest stands"),
                               (("continue",), r""),
                               (("regs",), r"guest runs")):
            has(launch(bench, "monitor", *words), pattern)
        has(launch(bench, "gdb", "--symbols", bench.image, "--", "-nx",
                   "-batch", "-ex", "show architecture", "-ex", "p watched",
                   "-ex", "detach"), r'"i386"', r"= 3$", r"detached")
        launch(bench, "monitor", "reset")
        bench.wait_for("penumbra: end: reset")


# --- after a panic -----------------------------------------------------------------

def black_box(engine, on, slow):
    with Bench("black-box", "debugee", engine, on, slow, append="halt",
               options="on-exit=reboot", reboot=True) as bench:
        bench.wait_for("worked")
        assert b"black box" not in bench.text, "a panic before there was one"
        Stub(bench.port).send(b"qRcmd," + b"crash".hex().encode())
        bench.wait_for("penumbra: panic: asked for at the monitor's console")
        bench.wait_for("penumbra: black box: end", 120)
        text = bench.text.decode(errors="replace")
        has(text, r"black box: the last run ended in a panic: asked for")
        events = re.findall(r"^black box: (\d+) -(\d+) us (\S+) ", text, re.M)
        assert len(events) > 100, f"{len(events)} events"
        numbers = [int(number) for number, _, _ in events]
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), "gaps"
        assert {"port", "exit"} <= {name for *_, name in events}
        # and once only
        start = len(bench.text)
        bench.wait_for("worked", 120, start)
        bench.type("\x1dreset\r")
        bench.wait_for("guest entry", 120, start=len(bench.text))
        assert bench.text.count(b"black box: end") == 1, "told twice"


def autopsy(engine, on, slow):
    """gdb is there when the monitor panics, and looks at both."""
    with Bench("autopsy", "debugee", engine, on, slow) as bench:
        bench.image = BUILD / "penumbra.elf"
        said = bench.gdb("""
            monitor crash
            set architecture i386:x86-64
            maintenance flush register-cache
            info threads
            bt
            p dbg.gdb.attached
            monitor regs
            monitor x 100000 4
            p/x *(int *) 0
            set var counters[0] = 1
            kill
        """)
        has(said, r"the monitor, panicked", r"#\d+ .*cmd_crash", r"= true",
            r"^eip", r"02 b0 ad 1b", r"Cannot access memory",
            r"Cannot access memory")
        bench.wait_for("penumbra: stopped by a panic")


def cases():
    tests = {
        "own": own_debugging, "commands": commands, "scripted": scripted, "one-line": one_line,
        "black-box": black_box, "autopsy": autopsy,
        "session": session, "hundred": hundred, "watch": watchpoints,
        "user": user, "modes": modes, "steps": steps,
        "physical": physical, "fault-steps": fault_steps,
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
    for engine, on, slow in (PLACES[0], PLACES[3]):
        yield Case(f"debug/kernel/{engine}/{on}", kernel, engine, on, slow)
        yield Case(f"debug/speed/{engine}/{on}", same_speed, engine, on, slow,
                   alone=True)
