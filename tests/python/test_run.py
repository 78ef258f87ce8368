"""Graphs saved as text, run again: `raptors.Graph` and `python -m raptors run`."""

import os
import subprocess
import sys

import numpy as np
import pytest
import raptors as r

SCALE = """graph @scale(%0: f32[3], %1: f32[] scalar) {
  %2 = multiply %0, %1
  %3 = sum %2 axes [0]
  return %2, %3
}
"""


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "raptors", "run", *map(str, arguments)],
        capture_output=True,
        check=False,
        text=True,
    )


@pytest.fixture
def scale(tmp_path):
    path = tmp_path / "scale.rir"
    path.write_text(SCALE)
    return path


def test_a_graph_is_a_function_of_arrays():
    graph = r.Graph(SCALE)
    assert graph.parameters == [(r.float32, (3,)), (r.float32, ())]
    x = np.array([1, 2, 4], np.float32)
    scaled, total = r.eval(*graph(r.lazy(x), r.lazy(0.5, dtype=r.float32)))
    np.testing.assert_array_equal(scaled, x * 0.5)
    np.testing.assert_array_equal(total, [3.5])
    assert str(graph) == SCALE


def test_a_mistake_in_the_text_has_its_place():
    with pytest.raises(ValueError, match=r"^f\.rir:2:8: `ad` is not an op, did you mean `add`\?"):
        r.Graph("graph @f(%x: f32[2]) {\n  %y = ad %x, %x\n  return %y\n}", "f.rir")
    with pytest.raises(ValueError, match=r"^f\.rir:2:3: sqrt is in no region"):
        r.Graph(
            "graph @f(%x: f32[2]) {\n  %y = sqrt %x\n  %z = sqrt %x in r0\n  return %y, %z\n}", file="f.rir"
        )


def test_arrays_that_do_not_fit_the_graph():
    graph = r.Graph(SCALE)
    with pytest.raises(ValueError, match="1 inputs for a graph of 2 parameters"):
        graph(r.lazy([1.0]))
    with pytest.raises(ValueError, match=r"input 0 is f64\[3\], the parameter is f32\[3\]"):
        graph(r.lazy(np.zeros(3)), r.lazy(1.0))


def test_plans_of_a_graph_name_its_lines():
    graph = r.Graph(SCALE, "scale.rir")
    assert "scale.rir:2" in r.plan(*graph(*graph.random_inputs(0))).explain()


def test_the_command_reads_and_writes_files(scale, tmp_path):
    x = np.array([1, 2, 4], np.float32)
    np.save(tmp_path / "x.npy", x)
    outs = [tmp_path / "scaled.npy", tmp_path / "sum.npy"]
    done = run(scale, "--input", tmp_path / "x.npy", "2.5", "--out", *outs, "--explain")
    assert done.returncode == 0, done.stderr
    assert f"{scale.name}:2" in done.stdout
    np.testing.assert_array_equal(np.load(outs[0]), x * np.float32(2.5))
    np.testing.assert_array_equal(np.load(outs[1]), [17.5])


def test_random_inputs_are_those_of_their_seed(scale):
    first, again, other = (run(scale, "--random", seed).stdout for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first.startswith("result 0: float32 (3,)")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "0 inputs for a graph of 2 parameters"),
        (["--input", "1", "2", "3"], "3 inputs for a graph of 2 parameters"),
        (["--input", "missing.npy", "2"], "missing.npy"),
        (["--random", "1", "--out", "y.npy"], "1 files after --out for 2 results"),
    ],
)
def test_the_command_says_what_is_wrong(scale, arguments, problem):
    done = run(scale, *arguments)
    assert done.returncode == 1
    assert problem in done.stderr
    assert "Traceback" not in done.stderr


def test_a_text_that_is_no_graph(tmp_path):
    path = tmp_path / "broken.rir"
    path.write_text(SCALE.replace("%0, %1", "%0, %9"))
    done = run(path, "--random", 0)
    assert (done.returncode, done.stderr) == (
        1,
        f"raptors: {path}:2:21: `%9` is not defined before this line\n",
    )


def test_every_dumped_graph_runs_again_to_the_same_bits(tmp_path):
    program = """if True:
        import numpy as np, raptors as r
        x = r.lazy(np.arange(12, dtype=np.float32).reshape(3, 4))
        y = r.sqrt(x.T[::2] * 2.0 + x.T[1::2]).sum(axis=1)
        print(*y.eval().tolist())
    """
    dumps = tmp_path / "dumps"
    environment = os.environ | {"RAPTORS_DUMP_DIR": str(dumps)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True, env=environment
    )
    graphs = sorted(dumps.glob("*.rir"))
    assert len(graphs) >= 8
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    for path in graphs:
        graph = r.Graph(path.read_text(), str(path))
        inputs = [r.lazy(x)] + [r.lazy(2.0, dtype=dtype) for dtype, _ in graph.parameters[1:]]
        (result,) = r.eval(*graph(*inputs))
        assert " ".join(map(str, result.ravel().tolist())) == done.stdout.strip(), path
