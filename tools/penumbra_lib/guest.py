# SPDX-License-Identifier: MIT
"""A guest, and the bootable ISO that carries it.

One GRUB configuration boots either the monitor with the guest's files as
modules, or (engine `bare`) the guest itself. Each module's string says what
it is; the monitor's own command line says how to run it.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MONITOR = ROOT / "build" / "penumbra.elf"
BIOS_ONLY = ["-d", "/usr/lib/grub/i386-pc"]
MIB = 1 << 20
# The last that GRUB does before a bare guest: the words that the monitor has
# for a guest's entry, with the time-stamp counter, on the serial line.
MARK_ENTRY = ["rdmsr -v tsc 0x10", "serial --unit=0 --speed=115200",
              "terminal_output serial", 'echo "guest entry: tsc 0x$tsc"',
              "terminal_output console"]


# In the environment: options for the monitor of every guest.
MORE_OPTIONS = "PENUMBRA_OPTIONS"


class GuestError(Exception):
    """The user's guest cannot be used; the text says why."""


def parse_size(text):
    """Bytes in '256M', '1G', '64K' or a plain number."""
    match = re.fullmatch(r"(\d+)([KMG]?)i?B?", text, re.I)
    if not match:
        raise GuestError(f"not a size: {text}")
    unit = {"": 0, "K": 10, "M": 20, "G": 30}[match.group(2).upper()]
    return int(match.group(1)) << unit


class Guest:
    """What to run: an image with its command line, and its memory."""

    def __init__(self, kind, image, initrd=None, append="", memory="256M"):
        self.kind = kind  # "linux", "multiboot", or "iso" for a ready one
        self.image = pathlib.Path(image)
        self.initrd = pathlib.Path(initrd) if initrd else None
        self.memory = parse_size(memory)
        self.append = append
        if kind == "linux" and "console=" not in append:
            self.append = f"console=ttyS0,115200 {append}".strip()
        for path in filter(None, (self.image, self.initrd)):
            if not path.is_file():
                raise GuestError(f"no such file: {path}")

    def files(self):
        """{path on the ISO: path here}"""
        files = {"/guest/image": self.image}
        if self.initrd:
            files["/guest/initrd"] = self.initrd
        return files

    def bare_config(self):
        if self.kind == "linux":
            lines = [f"linux /guest/image {self.append}"]
            if self.initrd:
                lines.append("initrd /guest/initrd")
        else:
            lines = [f"multiboot /guest/image {self.append}"]
        return [*lines, *MARK_ENTRY]

    def hosted_config(self, engine, options):
        size = f"mem={self.memory // MIB}M"
        options = f"{os.environ.get(MORE_OPTIONS, '')} {options}".strip()
        lines = [f"multiboot2 /boot/penumbra.elf engine={engine} {size} "
                 f"{options}".rstrip(),
                 f"module2 /guest/image {self.kind} {self.append}".rstrip()]
        if self.initrd:
            lines.append("module2 /guest/initrd initrd")
        return lines


def write_iso(out, config, files, both_firmwares=False):
    """Write a bootable ISO: GRUB runs the lines of `config`."""
    with tempfile.TemporaryDirectory(prefix="penumbra-iso-") as tree:
        tree = pathlib.Path(tree)
        (tree / "boot/grub").mkdir(parents=True)
        text = "\n".join([*config, "boot", ""])
        (tree / "boot/grub/grub.cfg").write_text(text)
        for name, path in files.items():
            target = tree / name.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        less = ["--compress=no", "--fonts=", "--locales=", "--themes="]
        if not both_firmwares:
            less += [*BIOS_ONLY, "--install-modules=normal iso9660 biosdisk "
                     "multiboot multiboot2 linux rdmsr wrmsr serial echo"]
        done = subprocess.run(["grub-mkrescue", *less, "-o", out, tree],
                              stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise GuestError(f"grub-mkrescue failed:\n{done.stdout}")


def guest_iso(out, guest, engine, options="", both_firmwares=False):
    """The ISO that runs `guest` under `engine` (`bare`: without the monitor)."""
    if engine == "bare":
        write_iso(out, guest.bare_config(), guest.files(), both_firmwares)
        return
    if not MONITOR.is_file():
        raise GuestError(f"no monitor at {MONITOR.relative_to(ROOT)}: "
                         "run make first")
    files = {"/boot/penumbra.elf": MONITOR, **guest.files()}
    write_iso(out, guest.hosted_config(engine, options), files,
              both_firmwares)
