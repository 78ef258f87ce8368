//! The elementwise functions and the table of ops, from the rows of `for_each_elementwise_op!`.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use raptors::DType;
use raptors::ir::{ElementwiseOp, for_each_elementwise_op};
use raptors::ops;

use crate::operand::{required, settle};
use crate::operators::wrap;
use crate::source;

macro_rules! functions {
    ($($(#[doc = $doc:literal])* $name:ident = $variant:ident($($operand:ident),+): $class:ident -> $result:ident,
        domain ($low:literal, $high:literal), ulp $ulp:literal, [$($fact:ident),*];)*) => {
        /// A function for each op, of its name; operands are positional.
        mod functions {
            use super::*;
            $(
                $(#[doc = $doc])*
                #[pyfunction]
                #[pyo3(signature = ($($operand),+, /))]
                pub(super) fn $name(py: Python<'_>, $($operand: &Bound<'_, PyAny>),+) -> PyResult<Py<PyAny>> {
                    let mut operands = [$(required(stringify!($name), $operand)?),+];
                    settle(ElementwiseOp::$variant, py, &mut operands);
                    let operands = operands.each_ref().map(|operand| operand.operand());
                    wrap(py, ops::elementwise(ElementwiseOp::$variant, &operands, source::here(py)))
                }
            )*
        }

        /// Adds the functions to the module.
        pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!(functions::$name, module)?)?;)*
            module.add_function(wrap_pyfunction!(angle, module)?)
        }
    };
}
for_each_elementwise_op!(functions);

/// The angle of each number in the complex plane, in radians in [-pi, pi].
#[pyfunction]
#[pyo3(signature = (z, /))]
fn angle(py: Python<'_>, z: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let z = required("angle", z)?;
    wrap(py, ops::angle(z.operand(), source::here(py)))
}

/// The elementwise ops that users call: a list of dicts with `name`, `arity`, `dtypes` (those with a kernel), `ulp` (0: NumPy's bits),
/// `domain` (where ordinary operands lie) and `doc`.
#[pyfunction]
pub(crate) fn op_table(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let rows = PyList::empty(py);
    for &op in ElementwiseOp::ALL.iter().filter(|op| !matches!(op, ElementwiseOp::Relaxed(_))) {
        let accepted = DType::ALL.into_iter().filter(|&dtype| op.accepts(dtype));
        let dtypes: Vec<&str> = accepted.map(DType::numpy_name).collect();
        let row = PyDict::new(py);
        row.set_item("name", op.name())?;
        row.set_item("arity", op.arity())?;
        row.set_item("dtypes", dtypes)?;
        row.set_item("ulp", op.ulp())?;
        row.set_item("domain", op.domain())?;
        row.set_item("doc", op.doc().trim())?;
        rows.append(row)?;
    }
    Ok(rows)
}
