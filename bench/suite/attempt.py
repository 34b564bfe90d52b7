# SPDX-License-Identifier: MIT
"""A run of many: one that gives no figures does not stop the others."""


def attempt(run, result, key, failed, *how):
    """result[key] = run(*how), or failed(text) with the reason."""
    try:
        result[key] = run(*how)
    except ValueError as why:
        failed(f"{key}: {why}")
