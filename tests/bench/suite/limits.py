"""What this machine allows: bytes a second between memory and caches, multiply-adds a second.

Measured by raptors' own roofline (`plan(analyze=True)`), which copies memory that no cache holds and
multiplies in registers. A row whose arrays fit in a cache can beat the limit of memory, so it is given for
those beyond it alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from .workloads import Row

# Rows that move less than this may stay in a cache.
LARGE = 16 << 20


@dataclass(frozen=True)
class Limits:
    """Bytes read and written, and operations, a second."""

    bytes: float
    operations: dict[str, float]

    def seconds(self, row: Row, inputs: list[np.ndarray], result: Any) -> float | None:
        """The least time the row can take, where that is known."""
        # What is read and written must move once.
        moved = sum(x.nbytes for x in inputs) + np.asarray(result).nbytes
        least = [moved / self.bytes] if moved >= LARGE else []
        if row.workload.operations and row.dtype in self.operations:
            least.append(row.workload.operations * inputs[0].size / self.operations[row.dtype])
        return max(least) if least and (moved >= LARGE or row.workload.operations > 4) else None


def measured(raptors: Any) -> Limits:
    """The roof of this process's threads."""
    x = raptors.lazy(np.ones(1000, np.float32))
    roof = json.loads(raptors.plan(x * 2.0, analyze=True).json())["measured"]["roof"]
    return Limits(roof["bytes"], {"float32": roof["float32_ops"], "float64": roof["float64_ops"]})
