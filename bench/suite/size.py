# SPDX-License-Identifier: MIT
"""What the monitor takes: its image, and its pages beside a guest."""
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGE = ROOT / "build/penumbra.elf"
LOAD = re.compile(r"^\s*LOAD\s+\S+\s+\S+\s+\S+\s+(\S+)\s+(\S+)", re.M)


def loaded(text):
    """(bytes in the file, bytes in memory) by `readelf -lW`."""
    sizes = [(int(a, 16), int(b, 16)) for a, b in LOAD.findall(text)]
    return sum(a for a, _ in sizes), sum(b for _, b in sizes)


def measure(linux):
    text = subprocess.run(["readelf", "-lW", str(IMAGE)], check=True,
                          text=True, stdout=subprocess.PIPE).stdout
    image, in_memory = loaded(text)
    result = {"image": image}
    stats = linux.get("qemu/bt", {}).get("stats")
    if stats:
        result["memory"] = stats["monitor_bytes"] + in_memory
    return result
