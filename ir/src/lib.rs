//! The graph of raptors: what a program is, and what an op means for one element.
//!
//! Nothing here loops over an array. Start with [`Graph`] and [`Op`]; [`GraphBuilder`] makes graphs by hand,
//! [`scalar`] defines the elementwise ops, [`infer`](infer()) types them, [`verify`](verify()) checks a whole graph.

#![forbid(unsafe_code)]

mod dtype;
pub mod half;
mod shape;
mod literal;
mod op;
mod library;
pub mod lanes;
pub mod math;
pub mod scalar;
pub mod complex;
mod infer;
mod graph;
mod builder;
mod rows;
mod verify;
mod print;
mod parse;
mod dot;
mod error;

pub use builder::GraphBuilder;
pub use dot::dot;
pub use dtype::{Bool, DType, Element, Kind};
pub use error::{IrError, ParseError, VerifyError};
pub use graph::{
    BufferId, Destination, Encoding, Graph, Layout, Node, NodeId, Operands, Output, Parameter, Placement,
    RegionId, Slot, Source,
};
pub use half::{BF16, F16};
pub use infer::{Type, arity, infer};
pub use library::{LibraryOp, Order, Side, Write};
pub use literal::Literal;
pub use op::{Class, DimSlice, ElementwiseOp, Fact, OnComplex, Op, Part, ReduceOp, Relaxed, ResultRule};
pub use parse::{load, parse};
pub use print::NodeLine;
pub use rows::Rows;
pub use shape::{Dims, MAX_DIMS, Shape, Strides, normalize_axes, normalize_axis, short_list};
pub use verify::verify;
