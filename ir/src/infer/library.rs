//! The typing rules of library ops.

use crate::{DType, IrError, LibraryOp, Type};

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
        (op, operands) => Err(IrError::Arity { op: op.name(), given: operands.len(), needed: op.arity() }),
    }
}

/// An `i64` for each element.
fn positions(x: &Type) -> Type {
    Type { dtype: DType::I64, shape: x.shape.clone() }
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
