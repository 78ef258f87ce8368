"""`python -m raptors run graph.rir`: runs a graph saved as text, as `RAPTORS_DUMP` prints it.

Inputs are .npy files or numbers, one for each parameter, or drawn at random in the layouts the graph states.
Results are printed, or written to .npy files. Mistakes in the text begin with `file:line:column`.
"""

import argparse
import contextlib
import sys
from pathlib import Path

import raptors as r


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except (OSError, ValueError, TypeError, OverflowError, MemoryError) as error:
        print(f"raptors: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m raptors", description="a lazy array compiler")
    commands = parser.add_subparsers(required=True, metavar="command")
    run = commands.add_parser("run", help="run a graph saved as text")
    run.add_argument("graph", type=Path, help="the text, a .rir file")
    given = run.add_mutually_exclusive_group()
    given.add_argument(
        "--input", nargs="+", default=[], metavar="x.npy", help="a file or a number for each parameter"
    )
    given.add_argument("--random", type=int, metavar="SEED", help="draw the inputs from this seed instead")
    run.add_argument(
        "--out", nargs="+", type=Path, metavar="y.npy", help="a file for each result, instead of printing it"
    )
    run.add_argument("--explain", action="store_true", help="print what is done to the graph, and the plan")
    return parser


def _run(options: argparse.Namespace) -> None:
    graph = r.Graph(options.graph.read_text(encoding="utf-8"), str(options.graph))
    if options.random is not None:
        inputs = graph.random_inputs(options.random)
    else:
        # What is too much or too little is for the graph to say.
        dtypes = [dtype for dtype, _ in graph.parameters] + [None] * len(options.input)
        inputs = [_input(given, dtype) for given, dtype in zip(options.input, dtypes, strict=False)]
    results = graph(*inputs)
    if options.out is not None and len(options.out) != len(results):
        raise ValueError(f"run: {len(options.out)} files after --out for {len(results)} results")
    if options.explain:
        print(r.plan(*results).explain())
    for number, value in enumerate(r.eval(*results)):
        if options.out is not None:
            _numpy().save(options.out[number], value)
        else:
            print(f"result {number}: {value.dtype} {value.shape}\n{value}")


def _input(given: str, dtype: r.DType | None) -> r.Array:
    """The array in a file, or a number as an array of the parameter's dtype."""
    for read in (int, float, complex):
        with contextlib.suppress(ValueError):
            number = read(given)
            break
    else:
        return r.lazy(_numpy().load(given))
    return r.lazy(number, dtype=dtype)


def _numpy():
    import numpy as np

    return np


if __name__ == "__main__":
    sys.exit(main())
