"""raptors: a lazy expression-graph array compiler with NumPy's answers.

    import raptors as r

    x = r.lazy(a)               # borrow an ndarray, a buffer, a DLPack tensor, lists, numbers
    y = r.sqrt(x * 2.0 + b)     # builds a graph, computes nothing
    y.eval()                    # rewrites, fuses and runs it: a numpy.ndarray

Names and rules are those of the Python array API and of NumPy 2. Importing raptors does not import NumPy.
"""

from raptors import _core, memory
from raptors._core import *  # noqa: F403
from raptors._core import __version__ as __version__
from raptors.exceptions import AxisError
from raptors.progress_bar import progress

e = 2.718281828459045
inf = float("inf")
nan = float("nan")
newaxis = None
pi = 3.141592653589793

num_threads = _core.get_num_threads

__all__ = ["AxisError", "e", "inf", "memory", "nan", "newaxis", "num_threads", "pi", "progress"]
# Everything else that is public comes from the extension module, which lists it.
__all__ += [
    name
    for name in vars(_core)["__all__"]
    if not name.startswith(("_", "accelerate_", "memory_", "op_table", "show_progress", "Request"))
]
