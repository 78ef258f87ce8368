"""Evaluations that an asyncio event loop awaits, on threads of their own."""

from __future__ import annotations

import asyncio
import contextvars
import os
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

from raptors import _core

_lock = Lock()
_threads: ThreadPoolExecutor | None = None


def _executor() -> ThreadPoolExecutor:
    """One for all event loops: what it bounds are the threads of the machine."""
    global _threads  # noqa: PLW0603
    with _lock:
        if _threads is None:
            _threads = ThreadPoolExecutor(_core.get_num_threads(), thread_name_prefix="raptors-await")
        return _threads


def _forget() -> None:
    """A forked child has none of the threads, and perhaps a lock that another thread held."""
    global _lock, _threads
    _lock, _threads = Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


async def evaluated(request: _core.Request) -> Any:
    """The results of a request, computed off the loop unless that takes longer than the computation."""
    brief = request.run_if_brief()
    if brief is not None:
        return brief
    job = _executor().submit(contextvars.copy_context().run, request.run)
    result = asyncio.wrap_future(job)
    try:
        return await asyncio.shield(result)
    except asyncio.CancelledError:
        if not job.cancel():
            # The memory that it reads and writes is the caller's again when this returns.
            request.cancel()
            while not result.done():
                try:
                    await asyncio.wait([result])
                except asyncio.CancelledError:
                    continue
            if not result.cancelled():
                result.exception()  # It has been seen.
        raise
