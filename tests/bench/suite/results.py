"""What a run found: figures per row, and where they are kept."""

from __future__ import annotations

import json
import math
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .peers import OURS
from .timing import Times

RESULTS = Path(__file__).resolve().parents[1] / "results"


@dataclass
class Figures:
    """A row's times, its limit, and the first call of each library: seconds."""

    name: str
    times: dict[str, Times]
    first: dict[str, float]
    limit: float | None = None
    load: float = 0.0

    @property
    def others(self) -> dict[str, float]:
        return {name: times.median for name, times in self.times.items() if name not in OURS}

    @property
    def best(self) -> str:
        """The fastest peer."""
        return min(self.others, key=self.others.__getitem__)

    @property
    def ratio(self) -> float:
        """The fastest peer's time by raptors'."""
        return self.others[self.best] / self.times["raptors"].median

    @property
    def numpy_ratio(self) -> float:
        return self.others["numpy"] / self.times["raptors"].median

    @property
    def compiled_ratio(self) -> float | None:
        """The fastest peer's time by that of `@r.compile`."""
        compiled = self.times.get("compiled")
        return None if compiled is None else self.others[self.best] / compiled.median

    @property
    def share_of_limit(self) -> float | None:
        return None if self.limit is None else self.limit / self.times["raptors"].median


@dataclass
class Run:
    """All rows of one run on one machine."""

    cpu: str
    threads: int
    versions: dict[str, str]
    rows: list[Figures] = field(default_factory=list)
    # Seconds from starting Python to a first result.
    starts: dict[str, float] = field(default_factory=dict)

    def smallest(self) -> list[Figures]:
        """The first row of each workload and dtype: the fewest elements."""
        kinds: dict[tuple[str, str], Figures] = {}
        for row in self.rows:
            workload, _, dtype = row.name.split()
            kinds.setdefault((workload, dtype), row)
        return list(kinds.values())

    def path(self) -> Path:
        words = re.sub(r"\(.*?\)|CPU|Processor|@", " ", self.cpu)
        return RESULTS / (re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-") + ".json")

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        document = asdict(self)
        for row, figures in zip(document["rows"], self.rows, strict=True):
            row |= {"best": figures.best, "ratio": round(figures.ratio, 3)}
        path.write_text(json.dumps(rounded(document), indent=1) + "\n")


def read(path: Path) -> Run:
    """A run that was written."""
    document = json.loads(path.read_text())
    rows = []
    for row in document.pop("rows"):
        times = {name: Times(**figures) for name, figures in row["times"].items()}
        rows.append(Figures(row["name"], times, row["first"], row["limit"], row["load"]))
    return Run(**document, rows=rows)


def rounded(value: Any) -> Any:
    """Floats to four digits: what is beyond is noise."""
    match value:
        case float():
            return float(f"{value:.4g}")
        case dict():
            return {key: rounded(item) for key, item in value.items()}
        case list():
            return [rounded(item) for item in value]
    return value


def geometric_mean(values: Iterable[float]) -> float:
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def cpu_name() -> str:
    """As the machine names it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (found := re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text())):
        return found[1].strip()
    return platform.processor() or platform.machine()


def load() -> float:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan


def duration(seconds: float) -> str:
    """Three digits with a unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
