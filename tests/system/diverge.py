# SPDX-License-Identifier: MIT
"""penumbra diverge: the engines do the same, and a planted mistake of one is
found at its very instruction, in registers and in memory."""
import re
import subprocess

from penumbra_lib import diverge as tool
from penumbra_lib.digests import Digest, REGISTERS

from .case import BUILD, ROOT, Case, keep_log

GUEST = ("--memory", "8M", "--every", "10000", "--with-memory")


def look(engines, image, *more):
    """(exit status, report)"""
    done = subprocess.run(
        ["tools/penumbra", "diverge", "--engines", engines, "--multiboot",
         str(BUILD / f"guest/tests/{image}.elf"), *GUEST, *more],
        cwd=ROOT, timeout=600, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    name = f"diverge-{image}-{engines}{''.join(more)}"
    log = keep_log(name, done.stdout.encode())
    return done.returncode, done.stdout, log


def same(engines, image, *more):
    status, _, log = look(engines, image, *more)
    assert status == 0, f"status {status} (see {log})"


def planted(where, at, expected):
    status, said, log = look("sim,bt", "hello", "--plant", f"{where}:{at}")
    assert status == 1, f"status {status} (see {log})"
    assert f"in common, after {at - 1} instructions" in said, \
        f"not found at {at} (see {log})"
    assert re.search(rf"these differ: {expected}$", said, re.M), \
        f"not only {expected} (see {log})"


class Blocks:
    """Stands for Stream: bt is wrong at the end of one whole block only, so
    digests that cut that block short do not see it."""

    WRONG, BLOCK = 7013, 10

    def __init__(self, engine, guest, span, **_):
        self.engine, self.span, self.words, self.pages = engine, span, "", []

    def wrong(self, count):
        return self.engine == "bt" and count >= self.WRONG and \
            self.span.every not in range(1, self.BLOCK)

    def __iter__(self):
        step = self.span.every or self.BLOCK
        last = 0
        for count in range(self.span.start + step, self.span.end + step, step):
            last = count
            value = "1" if self.wrong(count) else "0"
            yield Digest(" ".join([str(count), *[value] * len(REGISTERS)]))
            if last >= min(self.span.end, 10 * self.WRONG):
                return

    def close(self):
        pass


def blocks():
    """The search goes on from block to block where nearer digests hide it."""
    real, tool.Stream = tool.Stream, Blocks
    try:
        found = tool.Search(("sim", "bt"), None, 1000, 0, False,
                            say=lambda text: None).run()
    finally:
        tool.Stream = real
    assert found and found.pairs is tool.at_blocks, "not found in blocks"
    assert found.start() < Blocks.WRONG <= found.end(), found.end()
    assert found.end() - found.start() <= Blocks.BLOCK, found.start()


def cases():
    yield Case("diverge/same/interp,bt", same, "interp,bt", "hello")
    for image in ("hello", "strings", "gates"):
        yield Case(f"diverge/same/{image}", same, "sim,bt", image)
    # The reserved words of an x87 environment differ from CPU to CPU.
    yield Case("diverge/same/user", same, "sim,bt", "user", "--append",
               "integer")
    yield Case("diverge/register", planted, "ebx", 23456, "ebx")
    yield Case("diverge/memory", planted, "memory", 23456, "memory")
    yield Case("diverge/blocks", blocks)
