"""The pool that results live in: its figures, and the bound on what it keeps.

Memory of results that were collected stays mapped for the next result of its size, up to a limit.
"""

from raptors import _core

__all__ = ["reset_peak", "set_limit", "stats", "trim"]

reset_peak = _core.memory_reset_peak
set_limit = _core.memory_set_limit
stats = _core.memory_stats
trim = _core.memory_trim
