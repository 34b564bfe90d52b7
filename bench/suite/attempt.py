# SPDX-License-Identifier: MIT
"""Runs of many: one that gives no figures does not stop the others, and those
that need not be alone share the processors."""
import concurrent.futures
import dataclasses
import typing


@dataclasses.dataclass
class Plan:
    """A run: `key` names it, `run()` gives its figures or a ValueError."""
    key: str
    run: typing.Callable
    # Bochs' ticks are the same whatever else runs; the interpreter's times are
    # too long for it to matter.
    shares: bool = False


def shares(on, engine):
    return on == "bochs" or engine == "interp"


def carry_out(plans, jobs, tell, failed):
    """{key: figures} in the order of the plans. Those alone come first, and of
    the others the last, which take longest."""
    done = {}

    def one(plan):
        tell(plan.key)
        try:
            done[plan.key] = plan.run()
        except ValueError as why:
            failed(f"{plan.key}: {why}")

    for plan in plans:
        if not plan.shares:
            one(plan)
    with concurrent.futures.ThreadPoolExecutor(max(jobs, 1)) as pool:
        for job in [pool.submit(one, plan) for plan in reversed(plans)
                    if plan.shares]:
            job.result()
    return {plan.key: done[plan.key] for plan in plans if plan.key in done}
