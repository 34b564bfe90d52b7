# SPDX-License-Identifier: MIT
"""Where two engines first differ on one guest.

Both run the guest with digests far apart. The first interval whose end
differs is run again with digests FINER times as near, and so on down to single
instructions: the last state in common is known, with the instruction that
follows it and what each engine made of it. Where a fault of bt shows in whole
blocks only, the last step is from block to block.
"""
import argparse
import itertools
import pathlib
import tempfile

from .digests import REGISTERS, OutOfTime, Span, Stream
from .guest import GuestError
from .unpack import unpack_linux

ENGINES = ("sim", "interp", "bt")
FINER = {"off": 2000, "on": 100}  # digests in a run; hashes take longer
FOREVER = (1 << 62) - 1
PASSED = object()
PAGES_SHOWN = 32
CONTEXT = 6  # instructions shown before the one that differs


class Difference:
    """`path` starts with the last state in common; the instructions from there
    led to `after`, each engine's state, or None where it ended. `context` came
    before; `names` says what differs."""

    def __init__(self, context, path, after, words):
        self.context, self.path = context, path
        self.after, self.words = after, words
        first, second = after
        self.names = first.differs(second) if first and second else ["end"]
        self.pages = []

    def start(self):
        return self.path[0].count if self.path else None

    def end(self):
        """A count by which the difference shows."""
        return max(digest.count for digest in self.after if digest)


def in_step(first, second):
    """Pairs of digests of streams that have them at the same counts."""
    return itertools.zip_longest(first, second)


def at_blocks(fine, blocks):
    """The same where the second stream has fewer: PASSED where it has none."""
    fine = iter(fine)
    for digest in blocks:
        for one in fine:
            if one.count >= digest.count:
                yield one, digest
                break
            yield one, PASSED


def first_difference(streams, pairs):
    """Of two streams, read together; None: there is none."""
    context, path = [], []
    try:
        for after in pairs(*streams):
            if after[1] is PASSED:
                path.append(after[0])
            elif None in after or after[0].differs(after[1]):
                return Difference(context, path, after,
                                  [stream.words for stream in streams])
            else:
                context, path = [*context, *path][-CONTEXT:], [after[0]]
    finally:
        for stream in streams:
            stream.close()
    return None


class Search:
    """For the first difference of two engines; bt, if any, is the second."""

    def __init__(self, engines, guest, every, limit, memory, say=print,
                 **more):
        self.engines, self.guest, self.more = engines, guest, more
        self.every, self.limit = every, limit
        self.memory = "on" if memory else "off"
        self.say = say

    def streams(self, span, pairs):
        spans = [span, span]
        if pairs is at_blocks:
            spans[1] = Span(span.start, span.end, 0, span.memory)
        self.say(f"every {span.every} instructions from {span.start}" +
                 (f" to {span.end}" if span.end != FOREVER else "") +
                 (", where blocks begin" if pairs is at_blocks else ""))
        return [Stream(engine, self.guest, each, **self.more)
                for engine, each in zip(self.engines, spans)]

    def look(self, span, pairs=in_step):
        found = first_difference(self.streams(span, pairs), pairs)
        if found:
            found.pairs = pairs
        return found

    def find_pages(self, found):
        """Where in memory: the guest-physical addresses of the pages."""
        span = Span(found.start() or 0, found.end(), 1, "pages")
        streams = self.streams(span, found.pairs)
        first_difference(streams, found.pairs)
        first, second = (stream.pages for stream in streams)
        found.pages = [n << 12 for n, (a, b) in enumerate(zip(first, second))
                       if a != b]

    def nearer(self, found, span):
        """The Difference with more digests in its interval, and their span."""
        start = found.start() or span.start
        every = (found.end() - start) // FINER[self.memory]
        every = max(1, min(every, span.every - 1))
        span = Span(start, found.end(), every, self.memory)
        return self.look(span), span

    def run(self):
        """The Difference, down to one instruction or block, or None."""
        span = Span(0, self.limit or FOREVER, self.every, self.memory)
        found = self.look(span)
        while found and span.every > 1:
            wide = found
            found, span = self.nearer(wide, span)
            if not found and "bt" in self.engines:
                # Digests cut blocks short: not this block's fault any more.
                span = Span(span.start, span.end, 1, self.memory)
                found = self.look(span, at_blocks)
            if not found:
                raise GuestError(
                    f"a difference by instruction {wide.end()} is not there "
                    "when looked at more closely: the runs do not repeat")
        if found and "memory" in found.names:
            self.find_pages(found)
        return found


def show_state(engines, after):
    rows = [["", *engines, ""]]
    for name in REGISTERS:
        values = [digest.state.get(name, "-") if digest else "-"
                  for digest in after]
        mark = "" if len(set(values)) == 1 else "<--"
        rows.append([name, *values, mark])
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(text.ljust(width) for text, width
                      in zip(row, widths)).rstrip() for row in rows]


def show_path(digests):
    for digest in digests:
        code = digest.state["cs"].split(":")[0]
        yield (f"  {digest.count:<10} {code}:{digest.state['eip']:<8}  "
               f"{digest.insn or ''}")


def show(engines, found):
    """The report, as lines."""
    if found.path:
        last = found.path[0]
        yield from show_path(found.context)
        yield f"the last state in common, after {last.count} instructions:"
        yield from ("  " + line for line in show_state(["both"], [last]))
        yield "then:"
        yield from show_path(found.path)
    yield "and these differ: " + ", ".join(found.names)
    yield from ("  " + line for line in show_state(engines, found.after))
    for engine, digest, words in zip(engines, found.after, found.words):
        if not digest:
            yield f"  {engine} has ended: {words}"
    if found.pages:
        yield "pages of memory that differ: " + ", ".join(
            f"{page:x}" for page in found.pages[:PAGES_SHOWN]) + (
            f" and {len(found.pages) - PAGES_SHOWN} more"
            if len(found.pages) > PAGES_SHOWN else "")


def diverge(args, guest):
    engines = args.engines.split(",")
    if len(engines) != 2 or not set(engines) <= set(ENGINES):
        raise GuestError(f"two engines of {', '.join(ENGINES)} are needed")
    engines.sort(key=ENGINES.index)
    with tempfile.TemporaryDirectory(prefix="penumbra-") as folder:
        if args.unpack:
            image = pathlib.Path(folder) / "unpacked"
            unpack_linux(guest.image, image)
            guest.image = image
        search = Search(engines, guest, args.every, args.limit,
                        args.with_memory,
                        say=lambda text: print(f"penumbra diverge: {text}",
                                               flush=True),
                        on=args.on, timeout=args.timeout,
                        options=args.monitor, plant=args.plant,
                        # bt offers its guest none, so neither may the other
                        long_mode="bt" not in engines)
        try:
            found = search.run()
        except OutOfTime as why:
            print(f"penumbra diverge: out of time: {why}")
            return 3
    if not found:
        print("penumbra diverge: no difference")
        return 0
    print("\n".join(show(engines, found)))
    return 1


def add_diverge(verbs, add_guest):
    verb = verbs.add_parser(
        "diverge", help="find where two engines first differ",
        description="Run one guest on two engines, time being the count of "
        "instructions, and find the first difference. Exit status: 0 no "
        "difference, 1 one was found, 2 it could not be looked for, 3 time "
        "was over.")
    verb.add_argument("--engines", default="interp,bt", metavar="A,B",
                      help=f"two of {', '.join(ENGINES)} (default interp,bt; "
                      "sim is the interpreter in a host process)")
    add_guest(verb)
    verb.add_argument("--unpack", action="store_true",
                      help="unpack the Linux kernel beforehand, which spares "
                      "the engines a billion instructions")
    verb.add_argument("--every", type=int, default=10_000_000, metavar="N",
                      help="instructions between digests of the first run")
    verb.add_argument("--limit", type=int, default=0, metavar="N",
                      help="look at the first N instructions only")
    verb.add_argument("--with-memory", action="store_true",
                      help="compare all memory too, by a hash")
    verb.add_argument("--on", choices=("qemu", "bochs"), default="qemu",
                      help="emulator (default qemu)")
    verb.add_argument("--timeout", type=float, default=600, metavar="S",
                      help="seconds of host time for each run")
    # A mistake of the engine sim (tests/host/sim.c), to test this tool.
    verb.add_argument("--plant", help=argparse.SUPPRESS)
