//! Arrays joined to one.

use raptors_ir::{DType, IrError, Op, Shape, Source};

use super::cast;
use crate::array::Array;
use crate::error::Error;

/// Arrays joined along an axis (`None`: flattened first), promoted to one dtype.
pub fn concat(arrays: &[&Array], axis: Option<isize>, source: Option<Source>) -> Result<Array, Error> {
    let op = "concat";
    let Some(dtype) = arrays.iter().map(|array| array.dtype()).reduce(DType::promote) else {
        return Err(Array::mistaken(IrError::Arity { op, given: 0, needed: 1 }, arrays));
    };
    let mut operands: Vec<Array> = Vec::with_capacity(arrays.len());
    for array in arrays {
        let array = cast(array, dtype, source)?;
        operands.push(match axis {
            Some(_) => array,
            None => {
                let flat = Shape::new(&[array.size()]).map_err(|error| Array::mistaken(error, arrays))?;
                Array::apply(Op::Reshape(flat), &[&array], source)?
            }
        });
    }
    let axis = raptors_ir::normalize_axis(op, axis.unwrap_or(0), operands[0].ndim())
        .map_err(|error| Array::mistaken(error, arrays))?;
    let references: Vec<&Array> = operands.iter().collect();
    Array::apply(Op::Concat(axis), &references, source)
}

/// Arrays of one shape joined along a new axis.
pub fn stack(arrays: &[&Array], axis: isize, source: Option<Source>) -> Result<Array, Error> {
    let op = "stack";
    let Some(first) = arrays.first() else {
        return Err(Array::mistaken(IrError::Arity { op, given: 0, needed: 1 }, arrays));
    };
    if let Some(other) = arrays.iter().find(|array| array.shape() != first.shape()) {
        let problem = format!("all arrays need one shape: {} and {} differ", first.shape(), other.shape());
        return Err(Array::mistaken(IrError::Attribute { op, problem }, arrays));
    }
    let axis = raptors_ir::normalize_axis(op, axis, first.ndim() + 1)
        .map_err(|error| Array::mistaken(error, arrays))?;
    let mut dims = raptors_ir::Dims::from_slice(first.shape());
    dims.insert(axis, 1);
    let shape = Shape::from_dims(dims).map_err(|error| Array::mistaken(error, arrays))?;
    let expanded: Result<Vec<Array>, Error> =
        arrays.iter().map(|array| Array::apply(Op::Reshape(shape.clone()), &[array], source)).collect();
    let expanded = expanded?;
    let references: Vec<&Array> = expanded.iter().collect();
    concat(&references, Some(axis as isize), source)
}
