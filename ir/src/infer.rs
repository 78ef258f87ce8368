//! The typing rules: the dtype and shape of every op's result, or what is wrong with its operands.

mod library;

use crate::{DType, DimSlice, Dims, ElementwiseOp, IrError, Op, ReduceOp, Shape};

/// The dtype and shape of a value.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Type {
    /// The element type.
    pub dtype: DType,
    /// The length per dimension.
    pub shape: Shape,
}

/// The type of `op`'s result for operands of these types. `Parameter` has no rule: its type is declared.
pub fn infer(op: &Op, operands: &[&Type]) -> Result<Type, IrError> {
    match (op, operands) {
        (Op::Constant(literal), []) => Ok(Type { dtype: literal.dtype(), shape: Shape::scalar() }),
        (Op::Iota(len), []) => Ok(Type { dtype: DType::I64, shape: Shape::new(&[*len])? }),
        (Op::Elementwise(op), operands) => elementwise(*op, operands),
        (Op::Where, [condition, x, y]) => choose(condition, x, y),
        (Op::Cast(dtype), [x]) if x.dtype.is_complex() && !dtype.is_complex() && *dtype != DType::Bool => {
            let needed = "a real dtype: take `real` of it, `imag` or `abs`";
            Err(IrError::DType { op: "cast", dtype: x.dtype, needed })
        }
        (Op::Cast(dtype), [x]) => Ok(Type { dtype: *dtype, shape: x.shape.clone() }),
        (Op::Complex, [real, imag]) => complex(real, imag),
        (Op::Part(_), [x]) if !x.dtype.is_complex() => {
            Err(IrError::DType { op: "part", dtype: x.dtype, needed: "a complex dtype" })
        }
        (Op::Part(_), [x]) => Ok(Type { dtype: x.dtype.part(), shape: x.shape.clone() }),
        (Op::Reduce(op, axes), [x]) => reduce(*op, axes, x),
        (Op::Slice(dims), [x]) => slice(dims, x),
        (Op::Reshape(shape), [x]) if shape.size() != x.shape.size() => {
            Err(IrError::Reshape { op: "reshape", shape: x.shape.clone(), target: shape.clone() })
        }
        (Op::Reshape(shape), [x]) => Ok(Type { dtype: x.dtype, shape: shape.clone() }),
        (Op::Permute(axes), [x]) => permute(axes, x),
        (Op::Broadcast(shape), [x]) if !x.shape.broadcasts_to(shape) => {
            Err(IrError::BroadcastTo { op: "broadcast", shape: x.shape.clone(), target: shape.clone() })
        }
        (Op::Broadcast(shape), [x]) => Ok(Type { dtype: x.dtype, shape: shape.clone() }),
        (Op::Matmul, [x, y]) => matmul(x, y),
        (Op::Concat(axis), operands) => concat(*axis, operands),
        (Op::Library(op), operands) => library::library(op, operands),
        (Op::Copy, [x]) => Ok((*x).clone()),
        (op, operands) => {
            Err(IrError::Arity { op: op.name(), given: operands.len(), needed: arity(op).unwrap_or(1) })
        }
    }
}

/// The number of operands an op takes; `None` where it varies.
pub fn arity(op: &Op) -> Option<usize> {
    match op {
        Op::Parameter(_) | Op::Constant(_) | Op::Iota(_) => Some(0),
        Op::Elementwise(op) => Some(op.arity()),
        Op::Where => Some(3),
        Op::Complex => Some(2),
        Op::Cast(_)
        | Op::Part(_)
        | Op::Reduce(..)
        | Op::Slice(_)
        | Op::Reshape(_)
        | Op::Permute(_)
        | Op::Broadcast(_)
        | Op::Copy => Some(1),
        Op::Matmul => Some(2),
        Op::Library(op) => Some(op.arity()),
        Op::Concat(_) => None,
    }
}

fn broadcast(op: &'static str, lhs: &Shape, rhs: &Shape) -> Result<Shape, IrError> {
    lhs.broadcast(rhs).ok_or_else(|| IrError::Broadcast { op, lhs: lhs.clone(), rhs: rhs.clone() })
}

fn elementwise(op: ElementwiseOp, operands: &[&Type]) -> Result<Type, IrError> {
    let name = op.name();
    if operands.len() != op.arity() {
        return Err(IrError::Arity { op: name, given: operands.len(), needed: op.arity() });
    }
    let dtype = operands[0].dtype;
    let mut shape = operands[0].shape.clone();
    for operand in &operands[1..] {
        if operand.dtype != dtype {
            return Err(IrError::DTypeMismatch { op: name, lhs: dtype, rhs: operand.dtype });
        }
        shape = broadcast(name, &shape, &operand.shape)?;
    }
    if !op.accepts(dtype) {
        return Err(IrError::DType { op: name, dtype, needed: op.accepted() });
    }
    Ok(Type { dtype: op.result_dtype(dtype), shape })
}

fn choose(condition: &Type, x: &Type, y: &Type) -> Result<Type, IrError> {
    if condition.dtype != DType::Bool {
        return Err(IrError::DType { op: "where", dtype: condition.dtype, needed: "a bool condition" });
    }
    if x.dtype != y.dtype {
        return Err(IrError::DTypeMismatch { op: "where", lhs: x.dtype, rhs: y.dtype });
    }
    let shape = broadcast("where", &broadcast("where", &condition.shape, &x.shape)?, &y.shape)?;
    Ok(Type { dtype: x.dtype, shape })
}

fn complex(real: &Type, imag: &Type) -> Result<Type, IrError> {
    let op = "complex";
    if real.dtype != imag.dtype {
        return Err(IrError::DTypeMismatch { op, lhs: real.dtype, rhs: imag.dtype });
    }
    if real.dtype.to_complex().part() != real.dtype {
        return Err(IrError::DType { op, dtype: real.dtype, needed: "float32 or float64" });
    }
    let shape = broadcast(op, &real.shape, &imag.shape)?;
    Ok(Type { dtype: real.dtype.to_complex(), shape })
}

fn reduce(op: ReduceOp, axes: &Dims, x: &Type) -> Result<Type, IrError> {
    let name = op.name();
    let ndim = x.shape.len();
    if let Some(&axis) = axes.iter().find(|&&axis| axis >= ndim) {
        return Err(IrError::AxisOutOfRange { op: name, axis: axis as isize, ndim });
    }
    if let Some(pair) = axes.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(IrError::RepeatedAxis { op: name, axis: pair[1] });
    }
    match op {
        ReduceOp::Min | ReduceOp::Max | ReduceOp::Argmin | ReduceOp::Argmax if x.dtype.is_complex() => {
            return Err(IrError::DType { op: name, dtype: x.dtype, needed: "a real dtype" });
        }
        ReduceOp::Sum | ReduceOp::Prod if x.dtype == DType::Bool => {
            return Err(IrError::DType {
                op: name,
                dtype: x.dtype,
                needed: "an integer, float or complex dtype",
            });
        }
        ReduceOp::Any | ReduceOp::All if x.dtype != DType::Bool => {
            return Err(IrError::DType { op: name, dtype: x.dtype, needed: "bool" });
        }
        ReduceOp::Argmin | ReduceOp::Argmax if axes.len() != 1 => {
            return Err(IrError::Attribute {
                op: name,
                problem: format!("takes one axis, not {}", axes.len()),
            });
        }
        _ => {}
    }
    let shape = x.shape.with_reduced(axes);
    let reduced: usize = axes.iter().map(|&axis| x.shape[axis]).product();
    if reduced == 0 && !op.has_identity() {
        return Err(IrError::EmptyReduction { op: name, shape: x.shape.clone() });
    }
    Ok(Type { dtype: op.result_dtype(x.dtype), shape })
}

fn slice(dims: &[DimSlice], x: &Type) -> Result<Type, IrError> {
    if dims.len() != x.shape.len() {
        return Err(IrError::TooManyIndices { op: "slice", given: dims.len(), ndim: x.shape.len() });
    }
    for (axis, (dim, &len)) in dims.iter().zip(x.shape.iter()).enumerate() {
        if dim.step == 0 {
            return Err(IrError::Attribute { op: "slice", problem: format!("step of axis {axis} is 0") });
        }
        if dim.len == 0 {
            continue;
        }
        let last = (dim.len as isize - 1)
            .checked_mul(dim.step)
            .and_then(|distance| distance.checked_add(dim.start as isize))
            .unwrap_or(-1);
        if dim.start >= len || last < 0 || last >= len as isize {
            let index = if dim.start >= len { dim.start as isize } else { last };
            return Err(IrError::IndexOutOfRange { op: "slice", index, axis, len });
        }
    }
    Ok(Type { dtype: x.dtype, shape: Shape::from_dims(dims.iter().map(|dim| dim.len).collect())? })
}

fn permute(axes: &Dims, x: &Type) -> Result<Type, IrError> {
    let ndim = x.shape.len();
    let mut seen = vec![false; ndim];
    let complete = axes.len() == ndim
        && axes.iter().all(|&axis| axis < ndim && !std::mem::replace(&mut seen[axis], true));
    if !complete {
        return Err(IrError::Permutation { op: "permute", axes: axes.to_vec(), ndim });
    }
    Ok(Type { dtype: x.dtype, shape: Shape::from_dims(axes.iter().map(|&axis| x.shape[axis]).collect())? })
}

fn matmul(x: &Type, y: &Type) -> Result<Type, IrError> {
    let op = "matmul";
    if x.dtype != y.dtype {
        return Err(IrError::DTypeMismatch { op, lhs: x.dtype, rhs: y.dtype });
    }
    if let Some(short) = [x, y].into_iter().find(|operand| operand.shape.len() < 2) {
        return Err(IrError::TooFewDims { op, shape: short.shape.clone(), needed: 2 });
    }
    let (x_batch, x_matrix) = x.shape.split_at(x.shape.len() - 2);
    let (y_batch, y_matrix) = y.shape.split_at(y.shape.len() - 2);
    if x_matrix[1] != y_matrix[0] {
        return Err(IrError::Matmul {
            op,
            lhs: x.shape.clone(),
            rhs: y.shape.clone(),
            inner_lhs: x_matrix[1],
            inner_rhs: y_matrix[0],
        });
    }
    let batch = Shape::new(x_batch)?.broadcast(&Shape::new(y_batch)?).ok_or_else(|| IrError::Broadcast {
        op,
        lhs: x.shape.clone(),
        rhs: y.shape.clone(),
    })?;
    let mut dims = Dims::from_slice(&batch);
    dims.extend([x_matrix[0], y_matrix[1]]);
    Ok(Type { dtype: x.dtype, shape: Shape::from_dims(dims)? })
}

fn concat(axis: usize, operands: &[&Type]) -> Result<Type, IrError> {
    let op = "concat";
    let Some((first, rest)) = operands.split_first() else {
        return Err(IrError::Arity { op, given: 0, needed: 1 });
    };
    if axis >= first.shape.len() {
        return Err(IrError::AxisOutOfRange { op, axis: axis as isize, ndim: first.shape.len() });
    }
    let mut dims = Dims::from_slice(&first.shape);
    for operand in rest {
        if operand.dtype != first.dtype {
            return Err(IrError::DTypeMismatch { op, lhs: first.dtype, rhs: operand.dtype });
        }
        if operand.shape.len() != dims.len() || operand.shape.without(&[axis]) != first.shape.without(&[axis])
        {
            return Err(IrError::Concat { op, lhs: first.shape.clone(), rhs: operand.shape.clone(), axis });
        }
        dims[axis] = dims[axis]
            .checked_add(operand.shape[axis])
            .ok_or_else(|| IrError::TooLarge { shape: dims.to_vec() })?;
    }
    Ok(Type { dtype: first.dtype, shape: Shape::from_dims(dims)? })
}
