# SPDX-License-Identifier: MIT
"""The host test programs, one case each. `make check` has built them."""
from .case import BUILD, ROOT, Case, command

TIMEOUT = 600


def cases():
    for source in sorted((ROOT / "tests/host").glob("*_test.c")):
        name = source.stem
        yield Case(f"host/{name.removesuffix('_test')}", command,
                   [BUILD / "host" / name], TIMEOUT)
