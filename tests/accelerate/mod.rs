//! What is left to Accelerate, on the shim that stands for it: that the declarations are the framework's,
//! that every form is called where it should be and gives what is promised, and that what is not promised is
//! noticed.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

mod declarations;
mod forms;
mod products;
mod programs;

use accelerate_shim::log::{self, Call};
use raptors::accelerate::{Mode, with_mode};
use raptors::array::Array;
use raptors::eval::{Evaluated, eval_into};
use raptors::ir::{Graph, Literal, parse};
use raptors::{FpMode, Options};

use crate::eval::{arrays, elements};

/// What an evaluation gave, and what it called on the way.
pub(crate) struct Evaluation {
    pub(crate) elements: Vec<Literal>,
    /// The address of the donated memory that the result is in; 0 of other memory.
    pub(crate) address: usize,
    /// Those of the parameters' memory.
    pub(crate) parameters: Vec<usize>,
    pub(crate) calls: Vec<Call>,
    pub(crate) program: String,
}

impl Evaluation {
    /// The names of the entries that were called.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.calls.iter().map(|call| call.name).collect()
    }
}

/// Evaluates the one result of a graph.
pub(crate) fn evaluate(graph: &Graph, arguments: &[Vec<Literal>], mode: Mode, fp: FpMode) -> Evaluation {
    let options = Options::from(fp);
    with_mode(mode, || {
        let arrays = arrays(graph, arguments).unwrap();
        let result = &arrays[graph.outputs()[0].node.index()];
        let parameters = graph.ids().filter(|&id| matches!(graph.op(id), raptors::ir::Op::Parameter(_)));
        let memory = |array: &Array| array.cached_leaf(&options).unwrap().memory.pointer().addr();
        let parameters = parameters.map(|id| memory(&arrays[id.index()])).collect();
        let program = raptors::Plan::with_options(&[result], &options).unwrap().program();
        // SAFETY: no memory is given.
        let (evaluated, calls) = log::record(|| unsafe { eval_into(&[result], &[None], &options) });
        let (elements, address) = match evaluated.unwrap().pop().unwrap() {
            Evaluated::Tensor(tensor) => (elements(&tensor), 0),
            Evaluated::Donated(leaf, ty) => {
                let (at, item) = (leaf.memory.pointer(), ty.dtype.size());
                let element = |n: usize| {
                    let mut bytes = [0; 16];
                    // SAFETY: the leaf holds the result, row-major.
                    unsafe { at.add(n * item).copy_to_nonoverlapping(bytes.as_mut_ptr(), item) };
                    Literal::from_bits(ty.dtype, u128::from_le_bytes(bytes))
                };
                ((0..ty.shape.size()).map(element).collect(), at.addr())
            }
            Evaluated::Out => unreachable!("no memory was given"),
        };
        Evaluation { elements, address, parameters, calls, program }
    })
}

/// The one graph of a text.
pub(crate) fn graph(text: &str) -> Graph {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
