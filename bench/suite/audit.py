# SPDX-License-Identifier: MIT
"""What is measured has to be right, too: the monitor audits its shadow tables
when the guest ends, behind the last figure."""

OPTION = "audit=1"


def audited(out):
    """ValueError where an entry was not what the guest's tables say."""
    wrong = (out.stats or {}).get("audit", 0)
    if wrong:
        raise ValueError(f"{wrong} shadow entries are wrong\n"
                         f"{out.log[-1500:].decode(errors='replace')}")
