# SPDX-License-Identifier: MIT
"""The monitor's commands, by gdb, by the console and by script; and what is
left of it after a panic."""
import re
import subprocess

from penumbra_lib.gdb import Stub

from .case import BUILD, ROOT
from .gdb_bench import Bench, has

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


# After some running, by engine.
RAN = (
    ("hot", r"^\d+ samples", r"^ *\d+\.\d%  +\d+  [0-9a-f]{8}  kernel"),
    ("new", r"^engine exits: host event +\d+"),
)
AFTER = {
    "bt": (*RAN,
           ("exits", r"^reason +times +TSC ticks", r"^engine exits: host event",
            r"^bt: block translated +\d+ +\d+ +\d+$"),
           ("tb", r"^block \w+, gpa \w+, mode \w+: \d+ instructions in \d+ "
            r"bytes, \d+ host bytes at f", r"^  runs are not counted",
            r"^  adaptations: none", r"^  10\w+  \w+ +\w+ ",
            r"^        f\w+  \w+ +\w+ ",
            r"^  exit to \w+: (linked|not linked)",
            r"are counted", r"are not counted")),
    "vmx": (*RAN,
            ("exits", r"^vmx: exit handled +\d+ +\d+ +\d+$",
             r"^exception or NMI +\d+ +\d+"),
            ("tb", r"engine vmx translates nothing")),
}


def commands(engine, on, slow):
    """Each command says what it should."""
    with Bench("commands", "debugee", engine, on, slow) as bench:
        script = "tbreak write_watched\ncontinue\n"
        for command, *_ in COMMANDS:
            script += f"echo == {command}\\n\nmonitor {command}\n"
        script += """
            tbreak sum_code
            continue
            echo == hot\\n
            monitor hot
            echo == exits\\n
            monitor exits
            echo == new\\n
            monitor stats new
            echo == tb\\n
            python show_code("print")
            monitor tb on
            monitor tb off
            echo == end\\n
            monitor quit
        """
        said = bench.gdb(script, 120)
        parts = dict(part.split("\n", 1) for part in
                     said.split("\n== ")[1:] if "\n" in part)
        for command, *patterns in (*COMMANDS, *AFTER[engine]):
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


# --- after a panic --------------------------------------------------------

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
        again = bench.text.index(b"black box: end")
        bench.wait_for("worked", 120, again)
        again = len(bench.text)
        bench.type("\x1dreset\r")
        bench.wait_for("guest entry", 120, again)
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


TESTS = {"commands": commands, "scripted": scripted, "one-line": one_line,
         "black-box": black_box, "autopsy": autopsy}
