# SPDX-License-Identifier: MIT
"""How long a boot took, against another."""

SHORT = "short"


def boot_ratio(part, base):
    """By the guest's TSC where GRUB could read it at the entry (Bochs), else
    by the host's seconds (QEMU)."""
    key = "boot_ticks" if part["boot_ticks"] and base["boot_ticks"] \
        else "boot_seconds"
    return part[key] / base[key]


def base_of(key):
    """The bare machine's run that a hosted one is compared with: of the same
    emulator, and as short."""
    on, _, *more = key.split("/")
    return "/".join((on, "bare", *(word for word in more if word == SHORT)))
