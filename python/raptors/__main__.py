"""`python -m raptors run graph.rir`: runs a graph saved as text, as `RAPTORS_DUMP` prints it.
`python -m raptors calibrate`: measures Apple's Accelerate beside raptors' own loops, for plans to choose by.

Inputs of a graph are .npy files or numbers, one for each parameter, or drawn at random in the layouts that
the graph states. Results are printed, or written to .npy files. Mistakes in the text begin with
`file:line:column`.
"""

import argparse
import contextlib
import sys
from pathlib import Path

import raptors as r
from raptors import _core


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
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
    run.set_defaults(command=_run)
    calibrate = commands.add_parser(
        "calibrate", help="measure Accelerate and raptors' own loops on this machine"
    )
    calibrate.add_argument("--print", action="store_true", help="print the table instead of keeping it")
    calibrate.set_defaults(command=_calibrate)
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


def _calibrate(options: argparse.Namespace) -> None:
    if not _core.accelerate_is_present():
        print("raptors: nothing to calibrate: Accelerate is on macOS alone, and nothing else stands for it")
        return
    path = _core.accelerate_calibration_path()
    if path is None and not options.print:
        raise ValueError("calibrate: no folder to keep the table in; set RAPTORS_CALIBRATION to a file")
    table = _core.accelerate_calibrate(lambda entry: print(f"measuring {entry}", file=sys.stderr))
    if options.print:
        print(table, end="")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(table, encoding="utf-8")
    rows = [row.split("\t") for row in table.splitlines()[1:]]
    faster = sum(float(entry) <= float(own) for _, _, entry, own in rows)
    print(f"{path}: {len(rows)} measurements, Accelerate is faster in {faster}; new processes choose by them")


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
