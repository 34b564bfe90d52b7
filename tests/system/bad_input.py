# SPDX-License-Identifier: MIT
"""Each wrong command line, module and memory size: one clear line, a stop."""
import pathlib
import tempfile

from penumbra_lib.guest import MONITOR, write_iso
from penumbra_lib.session import STOP_LINE, run_iso

from .case import BUILD, Case, keep_log

MIB = 1 << 20
HELLO = BUILD / "guest/tests/hello.elf"
GOOD = ("image", "multiboot")

# name, options, modules as (file, string), machine's MiB, text of the line
ROWS = (
    ("unknown-option", "engine=bt frobnicate=1", [GOOD], 384, "frobnicate"),
    ("bad-value", "engine=warp", [GOOD], 384, "engine=warp"),
    ("bad-size", "mem=12Q", [GOOD], 384, "mem=12Q"),
    ("odd-size", "mem=12345", [GOOD], 384, "multiple of 2M"),
    ("no-module", "engine=bt", [], 384, "no guest"),
    ("empty-module", "engine=bt", [("empty", "linux")], 384, "empty"),
    ("not-linux", "engine=bt", [("noise", "linux console=ttyS0")], 384,
     "not a Linux"),
    ("not-multiboot", "engine=bt", [("noise", "multiboot")], 384,
     "not a Multiboot"),
    ("unknown-kind", "engine=bt", [("noise", "something else")], 384,
     "no known kind"),
    ("two-guests", "engine=bt", [GOOD, GOOD], 384, "two guest images"),
    ("two-initrds", "engine=bt mem=64M",
     [("kernel", "linux"), ("noise", "initrd"), ("noise", "initrd")], 384,
     "two initrd"),
    ("image-too-large", "engine=bt mem=4M", [("kernel", "linux")], 384, ""),
    ("initrd-too-large", "engine=bt mem=16M",
     [("kernel", "linux"), ("large", "initrd")], 384, ""),
    ("truncated-linux", "engine=bt mem=64M", [("cut", "linux")], 384, ""),
    ("truncated-elf", "engine=bt mem=64M", [("cut-elf", "multiboot")], 384,
     ""),
    ("mem-too-large", "engine=bt mem=4000M", [GOOD], 256, "too little"),
    ("machine-too-small", "engine=bt mem=64M", [GOOD], 40, ""),
    ("gdb-on-console", "engine=bt gdb=com2 console=com1,com2", [GOOD], 384,
     "gdb=com2: the console"),
    ("gdb-no-uart", "engine=bt gdb=com2", [GOOD], 384, "no UART at 2F8h"),
    ("no-vtx", "engine=vmx", [GOOD], 384, "engine=vmx"),
    ("64-bit-kernel", "engine=bt mem=128M", [("kernel64", "linux")], 384,
     "64-bit kernel"),
    ("no-long-mode", "engine=interp mem=128M long-mode=off",
     [("kernel64", "linux")], 384, "64-bit kernel"),
)


def files(folder):
    """The modules that the rows name, as {name: path}."""
    made = {"image": HELLO, "kernel": BUILD / "guest/vmlinuz-686",
            "kernel64": BUILD / "guest/vmlinuz-amd64"}
    kernel = made["kernel"].read_bytes()
    texts = {"empty": b"", "noise": b"\x17noise" * 4000,
             "large": bytes(40 * MIB), "cut": kernel[:len(kernel) // 2],
             "cut-elf": HELLO.read_bytes()[:3000]}
    for name, data in texts.items():
        made[name] = folder / name
        made[name].write_bytes(data)
    return made


def refused(name, options, modules, memory, text):
    with tempfile.TemporaryDirectory(prefix="penumbra-bad-") as folder:
        folder = pathlib.Path(folder)
        made = files(folder)
        config = ["multiboot2 /boot/penumbra.elf on-exit=qemu " + options]
        config += [f"module2 /guest/{file} {string}"
                   for file, string in modules]
        write_iso(folder / "bad.iso", config, {
            "/boot/penumbra.elf": MONITOR,
            **{f"/guest/{file}": made[file] for file, _ in modules}})
        out = run_iso(folder / "bad.iso", "qemu", memory * MIB, True,
                      timeout=30)
    log = keep_log(f"bad-{name}", out.log)
    assert out.status == 5, f"status {out.status}, {out.end} (see {log})"
    lines = STOP_LINE.findall(out.log)
    assert len(lines) == 1, f"{len(lines)} lines (see {log})"
    assert text in out.message, f"says: {out.message}"
    assert "guest entry" not in out.log.decode(errors="replace"), "entered"


def cases():
    for row in ROWS:
        yield Case(f"bad-input/{row[0]}", refused, *row)
