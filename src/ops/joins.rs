//! Arrays joined to one.

use raptors_ir::{DType, IrError, Op, Shape, Source};
use smallvec::SmallVec;

use super::cast;
use crate::array::Array;
use crate::error::Error;

/// Arrays joined along an axis (`None`: flattened first), promoted to one dtype.
pub fn concat(arrays: &[&Array], axis: Option<isize>, source: Option<Source>) -> Result<Array, Error> {
    let op = "concat";
    let Some(dtype) = arrays.iter().map(|array| array.dtype()).reduce(DType::promote) else {
        return Err(Array::mistaken(IrError::Arity { op, given: 0, needed: 1 }, arrays));
    };
    let mut operands: SmallVec<[Array; 4]> = SmallVec::new();
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
    let mut references: SmallVec<[&Array; 4]> = SmallVec::new();
    operands.iter().for_each(|operand| references.push(operand));
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
    let mut expanded: SmallVec<[Array; 4]> = SmallVec::new();
    for array in arrays {
        expanded.push(Array::apply(Op::Reshape(shape.clone()), &[array], source)?);
    }
    let mut references: SmallVec<[&Array; 4]> = SmallVec::new();
    expanded.iter().for_each(|array| references.push(array));
    concat(&references, Some(axis as isize), source)
}
