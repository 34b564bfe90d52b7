# SPDX-License-Identifier: MIT
"""One guest on several engines: a table of times, statuses and ratios.

Times are host seconds between marks on the serial line: from the guest's entry
to each expected text and to the end. Where the text's line carries `tsc N`
there are the guest's TSC ticks too; on Bochs a tick is an instruction, of the
guest or the monitor, or a moment of HLT, and runs repeat exactly. Ratios are
against the first engine. Below: exits of the hardware by reason.
"""
import json


def cell(took, base, unit):
    """`took` in words, and as a multiple of `base`; each may be None."""
    if took is None:
        return "-"
    text = f"{took / 1e6:.1f}M" if unit == "ticks" else f"{took:.2f}s"
    return f"{text} {took / base:.2f}x" if base else text


def exit_rows(outs):
    """Reason, then how often on each engine; idle ticks first."""
    stats = [out.stats or {} for out in outs.values()]
    if any("tsc_idle" in row for row in stats):
        yield ["idle ticks", *(str(row.get("tsc_idle", "not known"))
                               for row in stats)]
    exits = [row.get("hardware_exits", {}) for row in stats]
    for reason in dict.fromkeys(name for row in exits for name in row):
        yield [f"exits: {reason}", *(str(row.get(reason, 0))
                                     for row in exits)]


def rows(outs):
    first = next(iter(outs.values()))
    marks = dict.fromkeys(mark for out in outs.values() for mark in out.marks
                          if mark != "entry")
    yield ["", *outs]
    for mark in sorted(marks, key=lambda m: first.marks.get(m, 1e9)):
        yield [f"to {mark!r}" if mark != "end" else "to the end",
               *(cell(out.span(mark), first.span(mark), "s")
                 for out in outs.values())]
        if any(out.tick_span(mark) for out in outs.values()):
            yield ["  in ticks", *(cell(out.tick_span(mark),
                                        first.tick_span(mark), "ticks")
                                   for out in outs.values())]
    yield ["ended by", *(out.end for out in outs.values())]
    yield ["status", *(str(out.status) for out in outs.values())]
    yield from exit_rows(outs)


def compare(outs):
    table = list(rows(outs))
    widths = [max(map(len, column)) for column in zip(*table)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths))
        .rstrip() for row in table)


def compare_json(outs):
    """By engine: how it ended, its statistics, and by mark the seconds and
    TSC ticks from the guest's entry, with their ratios to the first engine."""
    first = next(iter(outs.values()))
    return json.dumps({engine: {**out.as_dict(), "spans": {
        mark: span_row(out, first, mark) for mark in out.marks
        if mark != "entry"}} for engine, out in outs.items()}, indent=1)


def span_row(out, first, mark):
    row = {"seconds": out.span(mark), "ticks": out.tick_span(mark)}
    for key, base in (("seconds", first.span(mark)),
                      ("ticks", first.tick_span(mark))):
        row[f"{key}_ratio"] = row[key] / base if row[key] and base else None
    return row
