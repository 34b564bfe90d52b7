# SPDX-License-Identifier: MIT
"""Do two reports agree on what Bochs counted? Its ticks are instructions, so
the same code counts the same, whatever else the machine did."""
from .nano import SPREAD_MOST, counts


def counted(run):
    """{name: count} of all that was measured on Bochs."""
    found = {}
    for key, rows in run.get("nano", {}).items():
        if key.startswith("bochs/"):
            add(found, key, rows)
    for key, part in run.get("linux", {}).items():
        if key.startswith("bochs/"):
            found[f"{key}: boot"] = part["boot_ticks"] or 0.0
            add(found, key, part["workloads"])
    return found


def add(found, key, rows):
    for name, row in rows.items():
        for what, value in counts(row).items():
            found[f"{key}: {name}: {what}"] = value


def apart(a, b):
    """Relative; of less than one an operation, the difference itself."""
    return abs(a - b) / max(a, b, 1.0)


def differences(first, second):
    """([(name, a, b)] further apart than allowed, how many were compared, the
    largest difference). What one of them lacks is not compared, but for counts
    of a row that both have: those are 0."""
    one, two = counted(first), counted(second)
    rows = {name.rpartition(": ")[0] for name in one} & \
        {name.rpartition(": ")[0] for name in two}
    names = [name for name in {**one, **two}
             if name.rpartition(": ")[0] in rows]
    pairs = [(name, one.get(name, 0.0), two.get(name, 0.0)) for name in names]
    return ([pair for pair in pairs if apart(*pair[1:]) > SPREAD_MOST],
            len(pairs), max((apart(*pair[1:]) for pair in pairs), default=0))


def tell(first, second):
    """Print it; the exit status."""
    wrong, count, largest = differences(first, second)
    for name, a, b in wrong:
        print(f"{name}: {a:.2f} and {b:.2f}")
    print(f"{count} counts on Bochs, {len(wrong)} further apart than "
          f"{100 * SPREAD_MOST:.0f} %; the largest difference is "
          f"{100 * largest:.3f} %")
    return 1 if wrong or not count else 0
