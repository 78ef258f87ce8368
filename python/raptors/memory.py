"""The pool that results live in: its figures, and the bound on what it keeps.

Memory of results that were collected stays mapped for the next result of its size, up to a limit.
"""

from raptors._core import (
    memory_reset_peak as reset_peak,
)
from raptors._core import (
    memory_set_limit as set_limit,
)
from raptors._core import (
    memory_stats as stats,
)
from raptors._core import (
    memory_trim as trim,
)

__all__ = ["reset_peak", "set_limit", "stats", "trim"]
