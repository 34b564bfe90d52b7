# SPDX-License-Identifier: MIT
"""Pictures of a run, as SVG and PNG."""
import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

from . import cost  # noqa: E402
from .boot import SHORT, base_of, boot_ratio  # noqa: E402

COLOURS = {"bt, bochs": "#0a3d91", "vmx, bochs": "#d9731a",
           "software, paper": "#a5c8ff", "hardware, paper": "#f5c9a4",
           "bare": "#9aa0a6", "bt": "#1f6feb", "vmx": "#d9731a",
           "interp": "#8250df", "qemu": "#2da44e"}


def save(figure, folder, name):
    figure.tight_layout(rect=(0, .05, 1, 1))
    for kind in ("svg", "png"):
        figure.savefig(folder / f"{name}.{kind}", dpi=110)
    pyplot.close(figure)
    return name


def bars(axes, labels, series, log=False):
    """Horizontal groups, the first label on top."""
    height = 0.8 / len(series)
    for i, (name, values) in enumerate(series.items()):
        at = [y + (i - (len(series) - 1) / 2) * height
              for y in range(len(labels))]
        axes.barh(at, [v or 0 for v in values], height, label=name,
                  color=COLOURS.get(name, COLOURS.get(name.split(",")[0])))
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    if log:
        axes.set_xscale("log")
    axes.grid(axis="x", alpha=.3)
    axes.figure.legend(loc="lower center", ncol=len(series))


def programs(run, folder):
    rows = run["programs"]["rows"]
    figure, axes = pyplot.subplots(figsize=(8, 5.5))
    bars(axes, [row["name"] for row in rows],
         {"bt": [row["ratio"] for row in rows],
          "qemu": [row["qemu"] / row["native"] for row in rows]})
    axes.axvline(1, color="black", linewidth=.8)
    axes.set_xlabel("time, native = 1")
    axes.set_title("32-bit programs on the real CPU: bt and qemu-i386")
    return save(figure, folder, "programs")


def nano(run, folder):
    """Ours modelled for the oldest generation beside the paper's."""
    lines = {line["name"]: line for line in cost.table(run["nano"])}
    rows = [row for row in cost.paper()["rows"] if row["row"] in lines]
    every, _ = cost.weights()
    oldest = next(iter(every))

    def ours(engine):
        return [lines[row["row"]].get(engine, {}).get("cycles", {})
                .get(oldest) for row in rows]

    figure, axes = pyplot.subplots(figsize=(8, 6.5))
    bars(axes, [row["paper"] for row in rows], {
        "bt, modelled": ours("bt"),
        "software, paper": [row["software"] for row in rows],
        "vmx, modelled": ours("vmx"),
        "hardware, paper": [row["hardware"] for row in rows]}, log=True)
    axes.set_xlabel(f"cycles; modelled for {oldest}")
    axes.set_title("Nanobenchmarks beside Adams and Agesen, 2006")
    return save(figure, folder, "nanobench")


def beside_bare(parts):
    """Runs whole, of which the bare machine's is there, too."""
    return [key for key in parts if key.count("/") == 1 and
            not key.endswith("/bare") and base_of(key) in parts]


def linux(run, folder):
    parts = run["linux"]
    keys = beside_bare(parts)
    names = list(parts[keys[0]]["workloads"])

    def ratio(key, name):
        base = parts[base_of(key)]
        if name == "boot":
            return boot_ratio(parts[key], base)
        mine = parts[key]["workloads"].get(name)
        theirs = base["workloads"].get(name)
        return mine["ticks"] / theirs["ticks"] if mine and theirs else None

    figure, axes = pyplot.subplots(figsize=(8, 6.5))
    bars(axes, ["boot", *names], {
        f"{key.split('/')[1]}, {key.split('/')[0]}":
        [ratio(key, name) for name in ("boot", *names)] for key in keys},
        log=True)
    axes.axvline(1, color="black", linewidth=.8)
    axes.set_xlabel("TSC ticks, the bare machine on the same emulator = 1")
    axes.set_title("Linux guests: boot and workloads")
    return save(figure, folder, "linux")


def times(run, folder):
    from .report import TIMES, share
    parts = {key: part["stats"] for key, part in run["linux"].items()
             if part["stats"]}
    figure, axes = pyplot.subplots(figsize=(8, 3))
    left = [0.0] * len(parts)
    for text, key in TIMES:
        values = [share(stats, key) for stats in parts.values()]
        axes.barh(list(parts), values, left=left, label=text)
        left = [a + b for a, b in zip(left, values)]
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("per cent of all ticks")
    axes.set_title("Where the time goes: boot and workloads")
    figure.legend(loc="lower center", ncol=4)
    return save(figure, folder, "times")


def timelines(parts):
    """{emulator: {run: timeline}} of the boots that are whole."""
    groups = {}
    for key, part in parts.items():
        if part.get("timeline") and not key.endswith(SHORT):
            groups.setdefault(key.split("/")[0], {})[key] = part["timeline"]
    return groups


def boot(groups, folder):
    """The kernel's landmarks, one bar a run, QEMU and Bochs apart: their
    clocks have little in common."""
    figure, axes = pyplot.subplots(len(groups), squeeze=False,
                                   figsize=(8, 1.2 + 1.9 * len(groups)))
    names = list(dict.fromkeys(name for group in groups.values()
                               for line in group.values()
                               for name, _ in line))
    for (on, group), axis in zip(groups.items(), axes[:, 0]):
        for key, line in group.items():
            start = 0.0
            for name, at in line:
                axis.barh(key, max(at - start, 0), left=start,
                          color=f"C{names.index(name)}",
                          label=name if key == list(group)[0] else None)
                start = max(at, start)
        axis.invert_yaxis()
        axis.set_xlabel(f"seconds of the guest's clock, {on}")
    axes[0, 0].set_title("Boot of Debian's 686 kernel, up to each landmark")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="lower center", ncol=len(names), fontsize=8)
    return save(figure, folder, "boot")


def draw(run, folder):
    """The names of what was drawn."""
    drawn = []
    if "programs" in run:
        drawn.append(programs(run, folder))
    if "bochs/bt" in run.get("nano", {}):
        drawn.append(nano(run, folder))
    parts = run.get("linux", {})
    if beside_bare(parts):
        drawn.append(linux(run, folder))
    if any(part["stats"] for part in parts.values()):
        drawn.append(times(run, folder))
    if timelines(parts):
        drawn.append(boot(timelines(parts), folder))
    return drawn
