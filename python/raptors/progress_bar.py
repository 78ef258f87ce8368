"""Bars for evaluations that take long: in a terminal, a notebook, a file or a function of the caller's."""

from __future__ import annotations

import sys
from _thread import allocate_lock
from contextvars import ContextVar
from os import environ

from raptors import _core

# As `typing.TYPE_CHECKING`, without its milliseconds.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token
    from typing import Any, TextIO

__all__ = ["progress"]

_WIDTH = 30


class progress:
    """Show how far evaluations in a `with` block are, once they take longer than `after` seconds.

    `to`: a text file, or a function that is called with the part that is done, from 0 to 1, and the seconds
    since the evaluation began; without one the bar is shown in a notebook, or on standard error if that
    is a terminal, and goes when the evaluation is done. What the function raises stops the evaluation.

    The part that is done is counted in chunks of work, weighted by what the plan says that they cost. A
    block holds for the thread or asyncio task that entered it. With `RAPTORS_PROGRESS=1` all
    evaluations are shown.
    """

    def __init__(
        self, to: TextIO | Callable[[float, float], object] | None = None, *, after: float = 1.0
    ) -> None:
        if to is not None and not callable(to) and not hasattr(to, "write"):
            raise TypeError(f"progress: to is {type(to).__name__}, needs a text file or a function")
        self._to = to
        self._after = float(after)
        self._entered: list[Token[progress | None]] = []

    def __enter__(self) -> None:
        _core.show_progress()
        self._entered.append(_block.set(self))

    def __exit__(self, *raised: object) -> None:
        _block.reset(self._entered.pop())


_block: ContextVar[progress | None] = ContextVar("raptors.progress")
_everywhere: progress | None = None

if environ.get("RAPTORS_PROGRESS", "0") not in ("", "0"):
    _everywhere = progress()
    _core.show_progress()


def new_bar() -> _Bar | None:
    """The bar of an evaluation that begins in this context, if one is wanted. The extension module asks."""
    block = _block.get(_everywhere)
    return None if block is None else _Bar(block._to, block._after)


class _Bar:
    """The bar of one evaluation; what it is shown on is found out when it is first shown."""

    _one_at_a_time = allocate_lock()

    def __init__(self, to: TextIO | Callable[[float, float], object] | None, after: float) -> None:
        self.after = after
        self._to = to
        self._paint: Callable[[float, float], None] | None = None
        self._wipe: Callable[[], None] = _nothing
        self._part = 0.0
        self._holds_screen = False

    def show(self, part: float, seconds: float) -> None:
        if self._paint is None:
            self._paint = self._painter()
        # Costs are estimated, so a later figure may be the smaller one.
        self._part = max(self._part, part)
        self._paint(self._part, seconds)

    def end(self, seconds: float) -> None:
        self._wipe()
        if self._holds_screen:
            self._one_at_a_time.release()

    def _painter(self) -> Callable[[float, float], None]:
        if callable(self._to):
            return self._to
        if self._to is not None:
            return self._in_text(self._to)
        # Two bars in one place would wipe each other.
        self._holds_screen = self._one_at_a_time.acquire(blocking=False)
        if not self._holds_screen:
            return _nothing
        if _is_notebook():
            return self._in_notebook()
        stderr = sys.stderr
        return self._in_text(stderr) if stderr is not None and stderr.isatty() else _nothing

    def _in_text(self, file: TextIO) -> Callable[[float, float], None]:
        def paint(part: float, seconds: float) -> None:
            file.write(f"\r{_line(part, seconds)}")
            file.flush()

        def wipe() -> None:
            file.write("\r" + " " * len(_line(1.0, 0.0)) + "\r")
            file.flush()

        self._wipe = wipe
        return paint

    def _in_notebook(self) -> Callable[[float, float], None]:
        from IPython.display import HTML, display

        shown = display(HTML(_html(self._part, 0.0)), display_id=True)
        self._wipe = lambda: shown.update(HTML(""))
        return lambda part, seconds: shown.update(HTML(_html(part, seconds)))


def _nothing(*_: Any) -> None:
    pass


def _is_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")


def _left(part: float, seconds: float) -> str:
    return f"{seconds * (1 - part) / part:6.0f} s left" if part > 0.01 else " " * 13


def _line(part: float, seconds: float) -> str:
    full = round(part * _WIDTH)
    return (
        f"raptors [{'#' * full}{'.' * (_WIDTH - full)}] {part:4.0%} {seconds:6.0f} s {_left(part, seconds)}"
    )


def _html(part: float, seconds: float) -> str:
    text = f"{part:.0%}, {seconds:.0f} s, {_left(part, seconds).strip()}".rstrip(", ")
    return f'<progress value="{part:.4f}" max="1" style="width: 20em"></progress> {text}'
