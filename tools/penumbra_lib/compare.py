# SPDX-License-Identifier: MIT
"""One guest on several engines: a table of times, statuses and ratios.

Times are host seconds between marks on the serial line: from the guest's entry
to each expected text and to the end; ratios are against the first engine.
"""


def cell(out, first, mark):
    took, base = out.span(mark), first.span(mark)
    if took is None:
        return "-"
    if not base:
        return f"{took:.2f}s"
    return f"{took:.2f}s {took / base:.2f}x"


def rows(outs):
    first = next(iter(outs.values()))
    marks = dict.fromkeys(mark for out in outs.values() for mark in out.marks
                          if mark != "entry")
    yield ["", *outs]
    for mark in sorted(marks, key=lambda m: first.marks.get(m, 1e9)):
        yield [f"to {mark!r}" if mark != "end" else "to the end",
               *(cell(out, first, mark) for out in outs.values())]
    yield ["ended by", *(out.end for out in outs.values())]
    yield ["status", *(str(out.status) for out in outs.values())]


def compare(outs):
    table = list(rows(outs))
    widths = [max(map(len, column)) for column in zip(*table)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths))
        .rstrip() for row in table)
