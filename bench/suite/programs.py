# SPDX-License-Identifier: MIT
"""The translator on the real CPU: each program as a process, under qemu-i386
and translated by bt (bench/translator), one after another, several times."""
import json
import math
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRANSLATOR = ROOT / "build/bench/translator"
FOLDER = ROOT / "build/bench/programs"
QEMU = "qemu-i386"
TIMEOUT = 120
CALLS = "calls"  # the pair alone, not among those that are averaged


def geomean(values):
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values))


def output(words):
    return subprocess.run([str(w) for w in words], check=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=TIMEOUT,
                          stdout=subprocess.PIPE).stdout.splitlines()


def parse_line(line):
    """CHECKSUM BEST_NS TOTAL_NS"""
    checksum, best, _ = map(int, line.split())
    return checksum, best


def add_run(row, checksum, way, best):
    if row.setdefault("checksum", checksum) != checksum:
        raise ValueError(f"{row['name']}: {way} computes {checksum}, "
                         f"not {row['checksum']}")
    row[way] = min(best, row.get(way, best))


def measure_one(path, rounds):
    """Best of all rounds; the ways take turns, so that a slow spell of the
    machine meets all of them."""
    row = {"name": path.name}
    for _ in range(rounds):
        for way, words in (("native", [path]), ("qemu", [QEMU, path]),
                           ("bt", [TRANSLATOR, path])):
            lines = output(words)
            add_run(row, *parse_line(lines[0])[:1], way,
                    parse_line(lines[0])[1])
            if way == "bt":
                add_work(row, json.loads(lines[1]))
    return row


def add_work(row, work):
    """Cycles: the best of the rounds. The rest is the same in each."""
    for key in ("translate_cycles", "verify_cycles"):
        work[key] = min(work[key], row.get("work", work)[key])
    row["work"] = work


def derive(row):
    work = row["work"]
    cycles = work["translate_cycles"] + work["verify_cycles"]
    row.update(
        ratio=row["bt"] / row["native"],
        against_qemu=row["qemu"] / row["bt"],
        expansion=work["host_bytes"] / work["guest_bytes"],
        translate=work["translate_cycles"] / work["instructions"],
        translate_verified=cycles / work["instructions"])
    return row


def summary(rows):
    return {
        "ratio": geomean(row["ratio"] for row in rows),
        "ratio_worst": max(row["ratio"] for row in rows),
        "against_qemu": geomean(row["against_qemu"] for row in rows),
        "against_qemu_worst": min(row["against_qemu"] for row in rows),
        "qemu_ratio": geomean(row["qemu"] / row["native"] for row in rows),
        "expansion": geomean(row["expansion"] for row in rows),
        "translate": geomean(row["translate"] for row in rows),
        "translate_verified": max(row["translate_verified"] for row in rows),
    }


def profile(paths):
    """{program: {kind of guest instruction: samples of translated code}}"""
    return {path.name: json.loads(output([TRANSLATOR, "--profile", path])[2])
            for path in paths}


def measure(quick, only, jobs, tell=lambda text: None, failed=print):
    paths = sorted(p for p in FOLDER.iterdir() if p.is_file())
    rows = [derive(measure_one(path, 1 if quick else 4)) for path in paths]
    pair = next(row for row in rows if row["name"] == CALLS)
    rows.remove(pair)
    return {"rows": rows, "summary": summary(rows),
            "call_ratio": pair["ratio"],
            "steps": json.loads(output([TRANSLATOR, "--steps"])[0]),
            "profile": profile(paths)}
