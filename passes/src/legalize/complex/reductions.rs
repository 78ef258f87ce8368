//! Sums, products and matrix products of complex numbers.

use raptors_ir::{DimSlice, Dims, ElementwiseOp, Literal, NodeId, Op, ReduceOp, Type};

use super::{Builder, Value, computed};

impl Builder {
    pub(super) fn reduce(&mut self, op: ReduceOp, axes: &Dims, parts: [NodeId; 2]) -> Value {
        match op {
            ReduceOp::Sum => computed(parts.map(|part| self.push(Op::Reduce(op, axes.clone()), &[part]))),
            ReduceOp::Prod => {
                let product = |parts, &axis: &usize| self.product(parts, axis);
                computed(axes.iter().fold(parts, product))
            }
            ReduceOp::Min
            | ReduceOp::Max
            | ReduceOp::Any
            | ReduceOp::All
            | ReduceOp::Argmin
            | ReduceOp::Argmax => unreachable!("{} takes no complex numbers", op.name()),
        }
    }

    /// The product along `axis`: of the elements of one half with those of the other, until one is left. What has no
    /// partner is multiplied apart, and last.
    fn product(&mut self, mut parts: [NodeId; 2], axis: usize) -> [NodeId; 2] {
        let mut len = self.new.shape(parts[0])[axis];
        if len == 0 {
            let shape = self.new.shape(parts[0]).with_reduced(&[axis]);
            let dtype = self.new.node(parts[0]).ty.dtype;
            return [Literal::one(dtype), Literal::zero(dtype)].map(|value| {
                let value = self.push(Op::Constant(value), &[]);
                self.broadcast(value, &shape)
            });
        }
        let mut apart: Option<[NodeId; 2]> = None;
        while len > 1 {
            let half = len / 2;
            if len % 2 == 1 {
                let last = self.along(parts, axis, len - 1, 1);
                apart = Some(match apart {
                    None => last,
                    Some(apart) => self.multiply(apart, last),
                });
            }
            let halves = [0, half].map(|start| self.along(parts, axis, start, half));
            parts = self.multiply(halves[0], halves[1]);
            len = half;
        }
        match apart {
            None => parts,
            Some(apart) => self.multiply(parts, apart),
        }
    }

    /// `len` elements of both parts from `start` on.
    fn along(&mut self, parts: [NodeId; 2], axis: usize, start: usize, len: usize) -> [NodeId; 2] {
        let whole = |&len: &usize| DimSlice { start: 0, len, step: 1 };
        let mut dims: Vec<DimSlice> = self.new.shape(parts[0]).iter().map(whole).collect();
        dims[axis] = DimSlice { start, len, step: 1 };
        parts.map(|part| self.push(Op::Slice(dims.clone()), &[part]))
    }

    fn multiply(&mut self, x: [NodeId; 2], y: [NodeId; 2]) -> [NodeId; 2] {
        let ty = Type { dtype: self.dtype(x), shape: self.new.shape(x[0]).clone() };
        match self.elementwise(ElementwiseOp::Multiply, &ty, &mut [computed(x), computed(y)]) {
            Value::Complex(mut product) => self.parts(&mut product),
            Value::Real(_) => unreachable!("a product of complex numbers is one"),
        }
    }

    pub(super) fn matmul(&mut self, x: [NodeId; 2], y: [NodeId; 2]) -> Value {
        let mut product = |n: usize, m: usize| self.push(Op::Matmul, &[x[n], y[m]]);
        let (real, imag) = ([product(0, 0), product(1, 1)], [product(0, 1), product(1, 0)]);
        let re = self.push(Op::Elementwise(ElementwiseOp::Subtract), &real);
        let im = self.push(Op::Elementwise(ElementwiseOp::Add), &imag);
        computed([re, im])
    }
}
