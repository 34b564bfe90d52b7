# SPDX-License-Identifier: MIT
"""Why targets are missed and what was tried (bench/data/reasons.json), printed
beside those alone that a run misses."""
import json
import pathlib

from . import gaps
from .gaps import NONE
from .targets import ROWS

DATA = pathlib.Path(__file__).resolve().parents[1] / "data/reasons.json"


def reasons():
    """{target: {"why": text, "tried": text}}"""
    return {name: row for row in json.loads(DATA.read_text())["rows"]
            for name in row["targets"]}


def missed(run):
    return [target for target in run["targets"] if not target["met"]]


def missing(run):
    """Targets missed without a reason."""
    known = reasons()
    return [target["name"] for target in missed(run)
            if target["name"] not in known]


def unexplained(run):
    """What a report may not leave open: targets missed, cells empty, without
    a word why."""
    return [f"{NONE}: {name}" for name in missing(run)] + \
        [f"{NONE}: {name} is not there" for name in gaps.missing(run)]


def unmeasured(run):
    seen = {target["name"] for target in run["targets"]}
    return [row.name for row in ROWS if row.name not in seen]


def by_how_much(target):
    """How many times the target; of one that is a least, how far below it."""
    value, bound = target["value"], target["target"]
    if value < bound:
        return f"{100 * (1 - value / bound):.0f} % below the target of"
    return f"{value / bound:.2f} times the target of"


def grouped(run):
    """[(reason or None, [target])]: those with one reason stand together."""
    known, groups = reasons(), {}
    for target in missed(run):
        reason = known.get(target["name"])
        groups.setdefault(id(reason), (reason, []))[1].append(target)
    return list(groups.values())
