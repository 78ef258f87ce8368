//! The typing rules of library ops.

use crate::{DType, Dims, IrError, LibraryOp, Shape, Type, Write};

/// The type of the op's result for operands of these types.
pub(super) fn library(op: &LibraryOp, operands: &[&Type]) -> Result<Type, IrError> {
    match (op, operands) {
        (LibraryOp::CumulativeSum { axis } | LibraryOp::CumulativeProd { axis }, [x]) => {
            has_axis(op, *axis, x)?;
            if x.dtype == DType::Bool || x.dtype.is_complex() {
                return Err(IrError::DType {
                    op: op.name(),
                    dtype: x.dtype,
                    needed: "an integer or float dtype",
                });
            }
            Ok((*x).clone())
        }
        (LibraryOp::Sort { axis, .. }, [x]) => {
            is_ordered(op, *axis, x)?;
            Ok((*x).clone())
        }
        (LibraryOp::Argsort { axis, .. }, [x]) => {
            is_ordered(op, *axis, x)?;
            Ok(positions(x))
        }
        (LibraryOp::Partition { axis, kth }, [x]) => {
            is_ordered(op, *axis, x)?;
            are_in_row(op, kth, *axis, x)?;
            Ok((*x).clone())
        }
        (LibraryOp::Argpartition { axis, kth }, [x]) => {
            is_ordered(op, *axis, x)?;
            are_in_row(op, kth, *axis, x)?;
            Ok(positions(x))
        }
        (LibraryOp::Gather { axes }, [x, indices @ ..]) if indices.len() == axes.len() => {
            Ok(Type { dtype: x.dtype, shape: places(op, axes, x, indices)? })
        }
        (LibraryOp::Scatter { axes, write }, [x, indices @ .., values]) if indices.len() == axes.len() => {
            let name = op.name();
            let shape = places(op, axes, x, indices)?;
            if values.dtype != x.dtype {
                return Err(IrError::DTypeMismatch { op: name, lhs: x.dtype, rhs: values.dtype });
            }
            if !values.shape.broadcasts_to(&shape) {
                let (shape, target) = (values.shape.clone(), shape);
                return Err(IrError::BroadcastTo { op: name, shape, target });
            }
            if *write == Write::Add && (x.dtype == DType::Bool || x.dtype.is_complex()) {
                let needed = "an integer or float dtype";
                return Err(IrError::DType { op: name, dtype: x.dtype, needed });
            }
            Ok((*x).clone())
        }
        (LibraryOp::Compress { length }, [x, mask]) => {
            is_vector(op, x)?;
            is_of(op, mask, DType::Bool, "a bool mask")?;
            if x.shape != mask.shape {
                let (lhs, rhs) = (x.shape.clone(), mask.shape.clone());
                return Err(IrError::Broadcast { op: op.name(), lhs, rhs });
            }
            Ok(Type { dtype: x.dtype, shape: part_of(op, *length, mask)? })
        }
        (LibraryOp::Positions { length }, [mask]) => {
            is_vector(op, mask)?;
            is_of(op, mask, DType::Bool, "a bool mask")?;
            Ok(Type { dtype: DType::I64, shape: part_of(op, *length, mask)? })
        }
        (LibraryOp::Searchsorted { .. }, [sorted, x]) => {
            is_vector(op, sorted)?;
            if sorted.dtype != x.dtype {
                return Err(IrError::DTypeMismatch { op: op.name(), lhs: sorted.dtype, rhs: x.dtype });
            }
            is_ordered(op, 0, sorted)?;
            Ok(positions(x))
        }
        (LibraryOp::Bincount { length }, [x]) => {
            is_vector(op, x)?;
            is_of(op, x, DType::I64, "int64")?;
            Ok(Type { dtype: DType::I64, shape: Shape::new(&[*length])? })
        }
        (op, operands) => Err(IrError::Arity { op: op.name(), given: operands.len(), needed: op.arity() }),
    }
}

/// An `i64` for each element.
fn positions(x: &Type) -> Type {
    Type { dtype: DType::I64, shape: x.shape.clone() }
}

fn is_vector(op: &LibraryOp, x: &Type) -> Result<(), IrError> {
    if x.shape.len() == 1 {
        return Ok(());
    }
    let problem = format!("takes one dimension, not shape {}", x.shape);
    Err(IrError::Attribute { op: op.name(), problem })
}

fn is_of(op: &LibraryOp, x: &Type, dtype: DType, needed: &'static str) -> Result<(), IrError> {
    if x.dtype == dtype { Ok(()) } else { Err(IrError::DType { op: op.name(), dtype: x.dtype, needed }) }
}

/// The shape of so many elements of a mask.
fn part_of(op: &LibraryOp, length: usize, mask: &Type) -> Result<Shape, IrError> {
    let most = mask.shape[0];
    if length > most {
        let problem = format!("length {length} is more than the {most} elements of the mask");
        return Err(IrError::Attribute { op: op.name(), problem });
    }
    Shape::new(&[length])
}

/// The shape of the places that indices for these axes of `x` name.
fn places(op: &LibraryOp, axes: &Dims, x: &Type, indices: &[&Type]) -> Result<Shape, IrError> {
    let name = op.name();
    let Some(&last) = axes.last() else {
        return Err(IrError::Attribute { op: name, problem: "names no axis".to_owned() });
    };
    has_axis(op, last, x)?;
    if let Some(pair) = axes.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(IrError::RepeatedAxis { op: name, axis: pair[1] });
    }
    let mut shape = x.shape.with_reduced(axes);
    for index in indices {
        is_of(op, index, DType::I64, "int64 indices")?;
        let (ndim, needed) = (index.shape.len(), x.shape.len());
        if ndim != needed {
            let problem = format!("an index of shape {} has {ndim} dimensions, needs {needed}", index.shape);
            return Err(IrError::Attribute { op: name, problem });
        }
        shape = shape.broadcast(&index.shape).ok_or_else(|| IrError::Broadcast {
            op: name,
            lhs: shape.clone(),
            rhs: index.shape.clone(),
        })?;
    }
    Ok(shape)
}

fn has_axis(op: &LibraryOp, axis: usize, x: &Type) -> Result<(), IrError> {
    let ndim = x.shape.len();
    if axis < ndim {
        Ok(())
    } else {
        Err(IrError::AxisOutOfRange { op: op.name(), axis: axis as isize, ndim })
    }
}

fn is_ordered(op: &LibraryOp, axis: usize, x: &Type) -> Result<(), IrError> {
    has_axis(op, axis, x)?;
    if x.dtype.is_complex() {
        return Err(IrError::DType { op: op.name(), dtype: x.dtype, needed: "a real dtype" });
    }
    Ok(())
}

fn are_in_row(op: &LibraryOp, kth: &[usize], axis: usize, x: &Type) -> Result<(), IrError> {
    let len = x.shape[axis];
    if let Some(pair) = kth.windows(2).find(|pair| pair[0] >= pair[1]) {
        let problem = format!("positions ascend, {} does not follow {}", pair[1], pair[0]);
        return Err(IrError::Attribute { op: op.name(), problem });
    }
    match kth.last() {
        Some(&last) if last >= len => Err(IrError::Attribute {
            op: op.name(),
            problem: format!("kth {last} is out of bounds for {len} elements"),
        }),
        _ => Ok(()),
    }
}
