# SPDX-License-Identifier: MIT
"""The test images: each says the same under every engine as on the bare
machine. tests/guest/list names them and the emulators that may judge."""
import difflib
import re
import threading

from penumbra_lib.guest import Guest
from penumbra_lib.session import run_guest

from .case import (AUDIT, BUILD, ROOT, Case, check_audit, keep_log,
                   patience)

ENGINES = ("interp", "bt")
LONG_ENGINES = ("interp",)  # those that host long-mode images, besides vmx
LONG = "long-"  # what their images' names begin with
# vmx runs on these CPU models of Bochs: without EPT and what came with it,
# with EPT alone, with all there is. All images on the first.
VMX = {"penryn": "core2_penryn_t9600", "lynnfield": "corei5_lynnfield_750",
       "icelake": "corei7_icelake_u"}
VMX_ALL = "penryn"
VMX_SOME = ("exceptions", "paging", "pae", "vm86", "task", "debug",
            "irqstorm-slow", "mmustress")
# Rows about SMEP and SMAP. bt does not offer them, and of Bochs' models for
# vmx one alone has them.
GUARDS = "-guards"
GUARDS_ENGINES = ("interp",)
GUARDS_MODEL = "icelake"
GUARDS_QEMU = "qemu64,+smep,+smap"
# Rows with time=icount, where CPUID offers the same on every machine.
ICOUNT = "-icount"
ICOUNT_OPTION = "time=icount"
ICOUNT_QEMU = "qemu64,-pni,-cx16"  # as the first x86-64 processors
WITHOUT = ("mmustress", "smcstress")  # run with each switch off
TEXT = re.compile(rb"^\r*(begin\r?\n.*?^exit \d+\r?$)", re.M | re.S)
SLOW = {"bochs": 4}  # times the row's timeout


class Row:
    def __init__(self, line):
        words = line.split(None, 6)
        (self.name, self.image, self.memory, timeout, where,
         self.reference) = words[:6]
        self.timeout = float(timeout)
        self.where = where.split(",")
        self.append = words[6] if len(words) > 6 else ""
        self.guards = self.name.endswith(GUARDS)
        self.icount = self.name.endswith(ICOUNT)
        self.lock = threading.Lock()
        self.bare = {}  # emulator -> text

    def engines(self):
        if self.guards:
            return GUARDS_ENGINES
        return LONG_ENGINES if self.image.startswith(LONG) else ENGINES

    def models(self):
        """CPU models of Bochs that vmx is tried on."""
        if "bochs" not in (*self.where, self.reference):
            return ()
        if self.guards:
            return (GUARDS_MODEL,)
        return VMX if self.name in VMX_SOME else (VMX_ALL,)

    def text(self, engine, on, cpu=None, without=None):
        """What the image says; fails the case when it does not end well."""
        guest = Guest("multiboot", BUILD / f"guest/tests/{self.image}.elf",
                      append=self.append, memory=self.memory)
        options = " ".join([AUDIT, *([f"no={without}"] if without else []),
                            *([ICOUNT_OPTION] if self.icount else [])])
        if on == "qemu" and (self.guards or self.icount):
            cpu = GUARDS_QEMU if self.guards else ICOUNT_QEMU
        out = run_guest(guest, engine, on, cpu=cpu, options=options,
                        timeout=self.timeout * SLOW.get(on, 1) * patience())
        log = keep_log(f"guest-{self.name}-{engine}-{cpu or on}"
                       f"{'-no-' + without if without else ''}", out.log)
        check_audit(out, engine, log)
        match = TEXT.search(out.log)
        assert out.end == "exit-port" and match, \
            f"{out.end}, status {out.status} {out.message} (see {log})"
        text = match.group(1).decode(errors="replace").splitlines()
        assert out.status == 0, \
            f"the image itself finds failures: {text[-10:]} (see {log})"
        return text

    def bare_text(self, on):
        with self.lock:
            if on not in self.bare:
                self.bare[on] = self.text("bare", on)
        return self.bare[on]

    def judge(self, on):
        return on if self.reference == "same" else self.reference


def compare(row, engine, on, cpu=None, without=None):
    judge = row.judge(on)
    bare, hosted = row.bare_text(judge), row.text(engine, on, cpu, without)
    diff = list(difflib.unified_diff(bare, hosted, f"bare on {judge}",
                                     f"{engine} on {cpu or on}", n=0,
                                     lineterm=""))
    assert not diff, "\n".join(diff[:24])


def rows():
    for line in (ROOT / "tests/guest/list").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            yield Row(line)


def switches():
    """What can be switched off: lib/switches.h."""
    text = (ROOT / "lib/switches.h").read_text()
    return re.findall(r"^\tX\((\w+)\)", text, re.M)


def cases():
    for row in rows():
        for judge in dict.fromkeys(map(row.judge, row.where)):
            yield Case(f"guest/{row.name}/bare/{judge}", row.bare_text, judge)
        for on in row.where:
            for engine in row.engines():
                yield Case(f"guest/{row.name}/{engine}/{on}", compare, row,
                           engine, on)
        for name in switches() if row.name in WITHOUT else ():
            yield Case(f"guest/{row.name}/bt/qemu/no-{name}", compare, row,
                       "bt", "qemu", None, name)
        for model in row.models():
            yield Case(f"guest/{row.name}/vmx/{model}", compare, row,
                       "vmx", "bochs", VMX[model])
