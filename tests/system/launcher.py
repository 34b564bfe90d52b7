# SPDX-License-Identifier: MIT
"""The launcher itself: its statuses and reports, its wrong command lines."""
import json
import pathlib
import subprocess
import tempfile

from .case import AUDIT, BUILD, ROOT, Case

HELLO = str(BUILD / "guest/tests/hello.elf")


def launch(*words):
    return subprocess.run(["tools/penumbra", *words], cwd=ROOT, timeout=120,
                          text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def status(expected, *words):
    done = launch(*words)
    assert done.returncode == expected, \
        f"status {done.returncode}: {done.stderr[-500:]}"


def report():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "r.json"
        status(0, "run", "--engine", "bt", "--multiboot", HELLO, "--report",
               str(path), "--expect", "sum 5050", "--log",
               f"{folder}/log", "--monitor", AUDIT)
        data = json.loads(path.read_text())
        log = (pathlib.Path(folder) / "log").read_text()
    assert "sum 5050" in log, "the log misses the guest's text"
    assert data["end"] == "exit-port" and data["status"] == 0, data["end"]
    assert data["stats"]["blocks_translated"] > 0, "no statistics"
    assert data["stats"]["audit"] == 0, "differences in the audit"


def compare():
    done = launch("compare", "--engines", "bare,interp,bt", "--multiboot",
                  HELLO, "--expect", "sum 5050")
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.count("exit-port") == 3, done.stdout


def compare_json():
    done = launch("compare", "--json", "--engines", "bare,bt", "--multiboot",
                  HELLO, "--expect", "sum 5050", "--monitor", AUDIT)
    assert done.returncode == 0, done.stderr[-500:]
    rows = json.loads(done.stdout)
    assert rows["bare"]["spans"]["sum 5050"]["seconds_ratio"] == 1, rows
    assert rows["bt"]["spans"]["end"]["seconds"] > 0, rows["bt"]["spans"]
    assert rows["bt"]["stats"]["engine"] == "bt", rows["bt"]["stats"]
    assert rows["bt"]["stats"]["audit"] == 0, "differences in the audit"


def iso():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "own.iso"
        status(0, "iso", "--multiboot", HELLO, "-o", str(path))
        assert path.stat().st_size > 1 << 20, "no ISO"


def cases():
    hello = ("run", "--quiet", "--engine", "bare", "--multiboot", HELLO)
    yield Case("launcher/missing-file", status, 2, "run", "--multiboot",
               "no/such/file")
    yield Case("launcher/bad-size", status, 2, *hello, "--memory", "lots")
    yield Case("launcher/gdb-wait-alone", status, 2, *hello, "--gdb-wait")
    yield Case("launcher/monitor-nobody", status, 2, "monitor", "--port", "1",
               "help")
    yield Case("launcher/gdb-no-symbols", status, 2, "gdb", "--symbols",
               "Makefile")
    yield Case("launcher/no-guest", status, 2, "run")
    yield Case("launcher/unknown-engine", status, 2, "compare", "--engines",
               "bare,warp", "--multiboot", HELLO)
    yield Case("launcher/expect-seen", status, 0, *hello, "--expect", "sum")
    yield Case("launcher/report", report)
    yield Case("launcher/compare", compare)
    yield Case("launcher/compare-json", compare_json)
    yield Case("launcher/iso", iso)
