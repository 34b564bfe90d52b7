# SPDX-License-Identifier: MIT
"""The real gdb against guests under each engine: sessions, stops, steps."""
import pathlib
import re
import subprocess
import tempfile

from .case import BUILD, Case
from .debug_monitor import TESTS as MONITOR
from .gdb_bench import TESTS, Bench, has
from .guest import TEXT, rows
from .linux import linux

# engine, emulator, and how much longer than the first it may take
PLACES = (("bt", "qemu", 1), ("bt", "bochs", 6), ("vmx", "bochs", 6))
FEWER = (PLACES[0], PLACES[2])
INTERP = (("interp", "qemu", 1),)
LONG = (*INTERP, PLACES[2])


# --- sessions -------------------------------------------------------------

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


def symbols(elf):
    out = subprocess.run(["nm", elf], stdout=subprocess.PIPE, text=True)
    return {name: int(value, 16) for value, _, name in
            (line.split() for line in out.stdout.splitlines()
             if len(line.split()) == 3)}


def code_sum(elf):
    """What the image computes of its own code, from its file."""
    at = symbols(elf)
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


def standstill(engine, on, slow):
    """Guest time does not run while the guest is held, by gdb or by the
    monitor's console: no gap in the TSC, no second lost, no ticks at once."""
    with Bench("standstill", "clockwatch", engine, on, slow) as bench:
        bench.gdb("""
            tbreak middle
            continue
            shell sleep 2
            stepi
            shell sleep 1
            detach
        """)
        bench.wait_for("penumbra: end: the guest wrote its exit status status 0")
        saw = re.search(rb"^saw tick (\d+) longest (\d+) whole (\d+) "
                        rb"seconds (\d+)", bench.text, re.M)
        tick, longest, whole, seconds = map(int, saw.groups())
    # A busy host may take the CPU from us for a while: that counts.
    assert longest < 50 * tick, f"{longest / tick:.0f} ticks at once"
    assert abs(seconds - whole / tick / 100) < 2, \
        f"{seconds} s by the clock, {whole / tick / 100:.1f} s by the TSC"


def stopped_at(job, where, mode):
    def test(engine, on, slow):
        with Bench(job, "debugee", engine, on, slow, append=job,
                   options="") as bench:
            bench.wait_for("worked")
            bench.wait_for("sum ", start=bench.text.index(b"worked"))
            said = bench.gdb("""
                info symbol $pc
                p 6 * 7
                python interrupt_after(0.5)
                continue
                info symbol $pc
                info threads
                continue
                p 7 * 8
                detach
            """)
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


def long_mode(engine, on, slow):
    """64-bit code: registers, memory, stops, steps; and out of it again."""
    at = symbols(TESTS / "debugee64.elf")
    with Bench("long-mode", "debugee64", engine, on, slow) as bench:
        bench.image = None
        said = bench.gdb(f"""
            break *{at["long_code"]}
            continue
            set architecture i386:x86-64
            info threads
            p/x $efer
            stepi
            p/x $rax
            x/i $pc
            stepi
            set $r15 = 0x123456789abcdef0
            p/x $r15
            watch *(long *) {at["watched64"]}
            continue
            p $pc > {at["long_store"]}
            p/x *(long *) {at["watched64"]}
            set var *(long *) {at["watched64"]} = 0x7000000000000041
            delete
            break *{at["long_loaded"]}
            continue
            p/x $r14
            set $xmm9.v2_int64[1] = 99
            p $xmm9.v2_int64[1]
            set $rip = 0x8000000000000000
            monitor pt {at["watched64"]:x}
            delete
            detach
        """)
        has(said, r"Breakpoint 1", r"long mode, CPL 0, 64-bit code, paged",
            r"= 0x500$", r"= 0x1122334455667788$", r"mov +%rax,%r15",
            r"= 0x123456789abcdef0$", r"watchpoint 2",
            r"New value = 1311768467463790320", r"= 1$",
            r"= 0x123456789abcdef0$", r"Breakpoint 3",
            r"= 0x7000000000000042$", r"= 99$", r"Could not write",
            r"4-level paging", r"guest  level 4 ", r"guest  level 2 .* PS",
            r"detached")
        bench.wait_for("back with 42")


STEPS = 10000
FAULT_STEPS = 3000


def walked(image, count, engine, on, slow):
    """Where single steps from the start lead."""
    with Bench(f"steps-{image}", image, engine, on, slow) as bench:
        said = bench.gdb(f"""
            set trust-readonly-sections on
            python walk({count})
            kill
        """, 100)
    path = [int(word, 16) for line in re.findall(r"^path (.*)$", said, re.M)
            for word in line.split()]
    assert len(path) == count + 1, f"{len(path)} steps"
    return no_repeats(path)


def steps(engine, on, slow):
    """Single steps through boot land where the interpreter goes."""
    want = interpreter_path("debugee", STEPS)
    path = walked("debugee", STEPS, engine, on, slow)
    assert len(want) >= len(path) > STEPS / 2, f"{len(path)}, {len(want)}"
    for n, (here, there) in enumerate(zip(path, want)):
        assert here == there, f"step {n}: {here:x}, not {there:x}"


def fault_steps(engine, on, slow):
    """Through faults, INT n and IRET: a fault's step ends at its handler,
    which the interpreter's count of instructions does not show."""
    want = interpreter_path("exceptions", FAULT_STEPS)
    path = walked("exceptions", FAULT_STEPS, engine, on, slow)
    more = 0
    there = iter(want)
    expected = next(there)
    for here in path:
        if here == expected:
            expected = next(there, None)
        else:
            more += 1
    assert more < FAULT_STEPS / 10, f"{more} steps lead elsewhere"


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


# --- Linux ----------------------------------------------------------------

TYPED = "grep -E ' start_kernel$' /proc/kallsyms"


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
        bench.wait_for("T start_kernel\r\n")
        at = int(re.search(rb"^([0-9a-f]{8}) T start_kernel", bench.text,
                           re.M).group(1), 16)
        said = bench.gdb("""
            python interrupt_after(0.5)
            continue
            info threads
        """)
        has(said, r"SIGINT", r"protected mode, CPL [03], 32-bit code, paged")
        bench.type("for i in 1 2 3 4 5 6; do sleep 2; busybox true; done\r")
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
    with Bench("kernel-start", None, engine, on, slow, guest=guest) as bench:
        said = bench.gdb(f"""
            x/2xb {at}
            break *{at}
            continue
            info threads
            x/i $pc
            monitor pt {at:x}
            delete
            watch -location *(int *) ($esp - 4)
            continue
            detach
        """, 200)
        has(said, r"Cannot access|0x0*c\w+:", r"Breakpoint 1, ",
            r"CPL 0, 32-bit code, paged", rf" 0x{at:x}:\s+\w+",
            r"guest  maps to", r"Old value = ", r"New value = ",
            r"detached")
        bench.wait_for("Linux version", 200)  # it goes on


SESSIONS = {
    "session": session, "hundred": hundred, "watch": watchpoints,
    "user": user, "modes": modes, "standstill": standstill, "steps": steps, "own": own_debugging,
    "physical": physical, "fault-steps": fault_steps, "kernel": kernel,
    "interrupt-halt": stopped_at("halt", "halt_for_ever",
                                 r"protected mode, CPL 0"),
    "interrupt-cli": stopped_at("cli", "spin_for_ever",
                                r"protected mode, CPL 0"),
    "interrupt-user": stopped_at("user", "u_spin", r"protected mode, CPL 3"),
}


MINUTES = (("kernel", "bt", "bochs"),)  # on QEMU it is part of every run


def cases():
    for tests, places in ((SESSIONS, PLACES), (MONITOR, FEWER),
                          ({"interp": session, "interp-watch": watchpoints},
                           INTERP), ({"long-mode": long_mode}, LONG)):
        for name, test in tests.items():
            for place in places:
                yield Case(f"debug/{name}/{place[0]}/{place[1]}", test, *place,
                           long=(name, *place[:2]) in MINUTES)
    for engine, on, slow in FEWER:
        yield Case(f"debug/speed/{engine}/{on}", same_speed, engine, on, slow,
                   alone=True)
