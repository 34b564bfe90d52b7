# SPDX-License-Identifier: MIT
"""How long a boot took, against another."""


def boot_ratio(part, base):
    """By the guest's TSC where GRUB could read it at the entry (Bochs), else
    by the host's seconds (QEMU)."""
    key = "boot_ticks" if part["boot_ticks"] and base["boot_ticks"] \
        else "boot_seconds"
    return part[key] / base[key]
