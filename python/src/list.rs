//! Nested lists and tuples of Python numbers, read without NumPy.
//!
//! Elements are exact `bool`, `int`, `float` and `complex`; a list with anything else in it is left to NumPy.

use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyList, PyTuple};
use raptors::array::{Donation, Leaf, Memory};
use raptors::ir::{Dims, MAX_DIMS};
use raptors::ops::Weak;
use raptors::runtime::buffer::Buffer;
use raptors::{DType, Error, Shape};

use crate::error::{OrRaise, exception};
use crate::operand::{literal, python_number};
use crate::source;

/// The array of a list or tuple; `None` where it holds what only NumPy understands.
///
/// # Errors
///
/// `ValueError` for lists of unequal length, `OverflowError` for an integer that no dtype holds.
pub(crate) fn read(
    op: &'static str,
    object: &Bound<'_, PyAny>,
    dtype: Option<DType>,
) -> PyResult<Option<raptors::Array>> {
    let mut reader = Reader { op, dims: Dims::new(), numbers: Vec::new(), depth_is_known: false };
    if reader.read(object, 0)? == Found::Other {
        return Ok(None);
    }
    let Reader { dims, numbers, .. } = reader;
    let default = || numbers.iter().map(|number| number.default_dtype()).max().unwrap_or(DType::F64);
    let dtype = dtype.unwrap_or_else(default);
    let size = dtype.size();
    let mut buffer = Buffer::allocate(numbers.len() * size).map_err(|error| exception(Error::from(error)))?;
    let pointer = buffer.as_mut_ptr();
    for (n, &number) in numbers.iter().enumerate() {
        let bytes = literal(op, number, dtype)?.bits().to_le_bytes();
        // SAFETY: the buffer has `numbers.len()` elements of `size` bytes, at most 16.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), pointer.add(n * size), size) };
    }
    let shape = Shape::from_dims(dims).or_raise()?;
    let strides = shape.row_major_strides(size);
    // SAFETY: the buffer holds the row-major elements of the shape, all written, and nobody else has it.
    let memory = unsafe { Memory::new(pointer, Box::new(buffer)) };
    let leaf = Leaf::new(memory, strides, false, Donation::No);
    Ok(Some(raptors::Array::from_leaf(leaf, dtype, shape, source::here(object.py()))))
}

/// What an element of a list is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// A number, or a list of numbers, now read.
    Numbers,
    /// Something that NumPy may understand.
    Other,
}

struct Reader {
    op: &'static str,
    /// Lengths of the lists, outermost first.
    dims: Dims,
    numbers: Vec<Weak>,
    /// Whether a number or an empty list was reached, so that `dims` is complete.
    depth_is_known: bool,
}

impl Reader {
    fn read(&mut self, object: &Bound<'_, PyAny>, depth: usize) -> PyResult<Found> {
        let sequence = object.is_exact_instance_of::<PyList>() || object.is_exact_instance_of::<PyTuple>();
        if !sequence {
            return self.read_number(object, depth);
        }
        if depth == MAX_DIMS {
            let message = format!("{}: lists nested more than {MAX_DIMS} deep", self.op);
            return Err(PyValueError::new_err(message));
        }
        let len = object.len()?;
        if depth == self.dims.len() {
            if self.depth_is_known {
                return Err(self.ragged(&format!("a list of {len}"), "a number", depth));
            }
            self.dims.push(len);
        } else if self.dims[depth] != len {
            return Err(self.ragged(
                &format!("one of {len}"),
                &format!("a list of {}", self.dims[depth]),
                depth,
            ));
        }
        self.depth_is_known |= len == 0;
        let mut found = Found::Numbers;
        for element in object.try_iter()? {
            if self.read(&element?, depth + 1)? == Found::Other {
                // The rest is still checked for its lengths.
                found = Found::Other;
            }
        }
        Ok(found)
    }

    fn read_number(&mut self, object: &Bound<'_, PyAny>, depth: usize) -> PyResult<Found> {
        let number = match python_number(object) {
            Ok(Some(Weak::Int(value))) if i64::try_from(value).is_err() => {
                if u64::try_from(value).is_err() {
                    return Err(self.too_large(object));
                }
                return Ok(Found::Other);
            }
            Ok(Some(number)) => number,
            Ok(None) => return Ok(Found::Other),
            Err(_) if object.is_instance_of::<PyInt>() => return Err(self.too_large(object)),
            Err(error) => return Err(error),
        };
        if depth < self.dims.len() {
            return Err(self.ragged("a number", &format!("a list of {}", self.dims[depth]), depth));
        }
        self.depth_is_known = true;
        self.numbers.push(number);
        Ok(Found::Numbers)
    }

    #[cold]
    fn ragged(&self, second: &str, first: &str, depth: usize) -> PyErr {
        let op = self.op;
        PyValueError::new_err(format!(
            "{op}: nested lists must be of equal length and depth: at depth {depth} there is {first} and {second}"
        ))
    }

    #[cold]
    fn too_large(&self, object: &Bound<'_, PyAny>) -> PyErr {
        PyOverflowError::new_err(format!("{}: the integer {object} does not fit int64 or uint64", self.op))
    }
}
