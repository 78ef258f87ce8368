//! Builds graphs by hand: a method per op, each checked as it is applied.

use crate::{
    DType, Destination, Dims, ElementwiseOp, Graph, IrError, Layout, Literal, NodeId, Op, Output, Parameter,
    Shape, Type, for_each_elementwise_op,
};

/// Builds a [`Graph`]. Mistakes are reported by the method that makes them.
///
/// ```
/// use raptors_ir::{DType, GraphBuilder};
/// let mut b = GraphBuilder::new("scale");
/// let x = b.parameter(DType::F32, &[4])?;
/// let two = b.constant(2.0f32);
/// let y = b.multiply(x, two)?;
/// let graph = b.finish(&[y]);
/// assert_eq!(graph.to_string(), "\
/// graph @scale(%0: f32[4]) {
///   %1 = constant 2.0: f32
///   %2 = multiply %0, %1
///   return %2
/// }
/// ");
/// # Ok::<(), raptors_ir::IrError>(())
/// ```
#[derive(Debug)]
pub struct GraphBuilder {
    graph: Graph,
}

macro_rules! elementwise_methods {
    ($($(#[doc = $doc:literal])* $name:ident = $variant:ident($($operand:ident),+): $class:ident -> $result:ident,
        domain $domain:tt, ulp $ulp:literal, $facts:tt;)*) => {
        $($(#[doc = $doc])*
        pub fn $name(&mut self, $($operand: NodeId),+) -> Result<NodeId, IrError> {
            self.push(Op::Elementwise(ElementwiseOp::$variant), &[$($operand),+])
        })*
    };
}

impl GraphBuilder {
    /// Starts an empty graph.
    pub fn new(name: &str) -> GraphBuilder {
        GraphBuilder { graph: Graph::new(name) }
    }

    /// Declares a row-major parameter.
    pub fn parameter(&mut self, dtype: DType, dims: &[usize]) -> Result<NodeId, IrError> {
        let ty = Type { dtype, shape: Shape::new(dims)? };
        Ok(self.graph.push_parameter(Parameter { ty, layout: Layout::RowMajor, donated: false }, None))
    }

    /// Declares a parameter of any layout.
    pub fn parameter_with(&mut self, parameter: Parameter) -> NodeId {
        self.graph.push_parameter(parameter, None)
    }

    /// A 0-d constant.
    pub fn constant<T: crate::Element>(&mut self, value: T) -> NodeId {
        let literal = Literal::new(value);
        let ty = Type { dtype: literal.dtype(), shape: Shape::scalar() };
        self.graph.push_node(crate::Node { op: Op::Constant(literal), ty, source: None }, &[])
    }

    /// Any op.
    pub fn push(&mut self, op: Op, operands: &[NodeId]) -> Result<NodeId, IrError> {
        self.graph.push(op, operands, None)
    }

    /// `x` where `condition`, else `y`.
    pub fn r#where(&mut self, condition: NodeId, x: NodeId, y: NodeId) -> Result<NodeId, IrError> {
        self.push(Op::Where, &[condition, x, y])
    }

    /// Conversion to `dtype`.
    pub fn cast(&mut self, x: NodeId, dtype: DType) -> Result<NodeId, IrError> {
        self.push(Op::Cast(dtype), &[x])
    }

    /// Complex numbers of these parts.
    pub fn complex(&mut self, real: NodeId, imag: NodeId) -> Result<NodeId, IrError> {
        self.push(Op::Complex, &[real, imag])
    }

    /// Reduction over ascending `axes`, which stay with length 1.
    pub fn reduce(&mut self, op: crate::ReduceOp, x: NodeId, axes: &[usize]) -> Result<NodeId, IrError> {
        self.push(Op::Reduce(op, Dims::from_slice(axes)), &[x])
    }

    /// Matrix product.
    pub fn matmul(&mut self, x: NodeId, y: NodeId) -> Result<NodeId, IrError> {
        self.push(Op::Matmul, &[x, y])
    }

    /// An algorithm over whole rows.
    pub fn library(&mut self, op: crate::LibraryOp, operands: &[NodeId]) -> Result<NodeId, IrError> {
        self.push(Op::Library(op), operands)
    }

    /// Ends the graph with these results.
    pub fn finish(mut self, outputs: &[NodeId]) -> Graph {
        for &node in outputs {
            self.graph.push_output(Output { node, destination: Destination::Fresh });
        }
        self.graph
    }
}

macro_rules! elementwise_impl {
    ($($row:tt)*) => { impl GraphBuilder { elementwise_methods! { $($row)* } } };
}
for_each_elementwise_op!(elementwise_impl);
