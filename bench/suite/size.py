# SPDX-License-Identifier: MIT
"""What the monitor takes: its image, and its pages beside a guest."""
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGE = ROOT / "build/penumbra.elf"
LOAD = re.compile(r"^\s*LOAD\s+\S+\s+\S+\s+\S+\s+(\S+)", re.M)


def loaded(text):
    """Bytes that are loaded from the file, by `readelf -lW`."""
    return sum(int(size, 16) for size in LOAD.findall(text))


def measure(linux):
    text = subprocess.run(["readelf", "-lW", str(IMAGE)], check=True,
                          text=True, stdout=subprocess.PIPE).stdout
    result = {"image": loaded(text)}
    stats = linux.get("qemu/bt", {}).get("stats")
    if stats:
        result["memory"] = stats["monitor_bytes"]
    return result
