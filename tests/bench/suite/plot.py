"""The picture of a run: raptors against the fastest peer of each row, and against NumPy."""

from __future__ import annotations

from pathlib import Path

from .results import Run, geometric_mean

# Of rows: a workload's sizes and dtypes are points on its line.
HEIGHT_PER_WORKLOAD = 0.27
COLORS = {
    "numpy": "#4477aa",
    "numexpr": "#66ccee",
    "numba": "#228833",
    "jax": "#ccbb44",
    "torch": "#ee6677",
    "mlx": "#aa3377",
}


def draw(run: Run, path: Path) -> None:
    """Writes a picture in the format of the path's ending."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    workloads = list(dict.fromkeys(row.name.split()[0] for row in run.rows))
    lines = {name: len(workloads) - n for n, name in enumerate(workloads)}
    figure, axes = plt.subplots(figsize=(9, 1.6 + HEIGHT_PER_WORKLOAD * len(workloads)), layout="constrained")
    axes.axvspan(1e-3, 1.0, color="#f2f2f2", zorder=0)
    axes.axvline(1.0, color="#666666", linewidth=1)
    for row in run.rows:
        axes.scatter(
            row.ratio,
            lines[row.name.split()[0]],
            s=22,
            color=COLORS.get(row.best, "#bbbbbb"),
            edgecolor="white",
            linewidth=0.4,
            zorder=3,
        )
    for name in {row.best for row in run.rows}:
        axes.scatter([], [], color=COLORS.get(name, "#bbbbbb"), label=name)
    ratios = [row.ratio for row in run.rows]
    low, high = min(ratios), max(ratios)
    axes.set_xscale("log")
    axes.set_xlim(min(0.5, low * 0.9), max(4.0, high * 1.1))
    axes.set_xticks(
        [
            tick
            for tick in (0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32)
            if low * 0.9 <= tick <= high * 1.1 or tick == 1
        ]
    )
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.xaxis.set_minor_formatter(lambda *_: "")
    axes.set_yticks(list(lines.values()), list(lines))
    axes.set_ylim(0.3, len(workloads) + 0.7)
    axes.grid(axis="x", color="#e5e5e5", linewidth=0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("speed of raptors by that of the fastest peer (a dot is one size and dtype)")
    axes.legend(title="fastest peer", loc="lower left", frameon=True, fontsize=8, title_fontsize=8)
    axes.set_title(
        f"raptors against the fastest of its peers: {geometric_mean(ratios):.2f}x in the geometric mean of "
        f"{len(ratios)} rows\n{run.cpu}, {run.threads} threads",
        fontsize=10,
        loc="left",
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)
