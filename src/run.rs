//! Graphs as functions: what was built by hand, or saved as text, applied to inputs.
//!
//! The nodes of a graph become lazy arrays over the inputs, which are evaluated like any other. What a graph says about
//! layouts, donations, destinations, regions and slots is no part of what it computes: that is planned anew, for the
//! inputs given. [`random_inputs`] makes inputs in the layouts that the parameters state.

use raptors_ir::{Encoding, Graph, Layout, Literal, Op, Parameter, Shape, verify};

use crate::array::{Array, Donation, Leaf, Memory};
use crate::error::Error;
use crate::runtime::buffer::Buffer;
use crate::tensor::Tensor;

/// Computes the results of `graph` for these inputs, one for each parameter.
///
/// ```
/// let graph = raptors::ir::parse("graph @double(%x: f32[2]) { %y = add %x, %x  return %y }")?;
/// let results = raptors::run_graph(&graph, &[raptors::lazy(&[1.0f32, 2.5])])?;
/// assert_eq!(results[0].as_slice::<f32>(), Some(&[2.0, 5.0][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// A graph that does not verify; another number of inputs than of parameters; an input whose dtype or shape is not its
/// parameter's; what evaluation reports.
pub fn run_graph(graph: &Graph, inputs: &[Array]) -> Result<Vec<Tensor>, Error> {
    let results = apply_graph(graph, inputs)?;
    crate::eval(&results.iter().collect::<Vec<_>>())
}

/// The results of `graph` for these inputs, as lazy arrays.
///
/// # Errors
///
/// As [`run_graph`], but for evaluation.
pub fn apply_graph(graph: &Graph, inputs: &[Array]) -> Result<Vec<Array>, Error> {
    verify(graph)?;
    let parameters = graph.parameters();
    if inputs.len() != parameters.len() {
        return Err(Error::InputCount { given: inputs.len(), needed: parameters.len() });
    }
    for (number, (input, parameter)) in inputs.iter().zip(parameters).enumerate() {
        let given = &input.node.ty;
        if *given != parameter.ty {
            let (given, needed) = (Box::new(given.clone()), Box::new(parameter.ty.clone()));
            return Err(Error::InputMismatch { number, given, needed });
        }
    }
    let mut arrays: Vec<Array> = Vec::with_capacity(graph.len());
    for id in graph.ids() {
        let node = graph.node(id);
        let array = match &node.op {
            Op::Parameter(n) => inputs[*n as usize].clone(),
            Op::Constant(literal) => Array::scalar(*literal, node.source),
            op => {
                let operands = graph.operands(id);
                let operands: Vec<&Array> = operands.iter().map(|operand| &arrays[operand.index()]).collect();
                Array::apply(op.clone(), &operands, node.source)?
            }
        };
        arrays.push(array);
    }
    Ok(graph.outputs().iter().map(|output| arrays[output.node.index()].clone()).collect())
}

/// Inputs for `graph`, drawn from `seed`, each in its parameter's layout: floats from -2 to 2, integers from -8 to 8, or
/// from 0 where there are no negative ones.
///
/// # Errors
///
/// A graph that does not verify; no memory.
pub fn random_inputs(graph: &Graph, seed: u64) -> Result<Vec<Array>, Error> {
    verify(graph)?;
    let mut random = Random(seed);
    graph.parameters().iter().map(|parameter| random_input(parameter, &mut random)).collect()
}

fn random_input(parameter: &Parameter, random: &mut Random) -> Result<Array, Error> {
    let ty = &parameter.ty;
    let (dtype, item) = (ty.dtype, ty.dtype.size());
    let (strides, encoding) = match &parameter.layout {
        Layout::Scalar => return Ok(Array::scalar(random.literal(dtype), None)),
        Layout::RowMajor => (ty.shape.row_major_strides(item), Encoding::Native),
        Layout::Strided { strides, encoding } => (strides.clone(), *encoding),
    };
    let (below, above) = reach(&ty.shape, &strides);
    // One byte more puts unaligned elements at odd addresses.
    let shift = usize::from(encoding == Encoding::Unaligned);
    let mut buffer = Buffer::allocate(shift + below + above + item)?;
    let start = buffer.as_mut_ptr().wrapping_add(shift + below);
    let swapped = encoding == Encoding::Swapped;
    let mut index = vec![0usize; ty.shape.len()];
    for _ in 0..ty.shape.size() {
        let mut bytes = random.literal(dtype).bits().to_le_bytes();
        if swapped {
            let part = item / if dtype.is_complex() { 2 } else { 1 };
            bytes[..item].chunks_mut(part).for_each(<[u8]>::reverse);
        }
        let at: isize = index.iter().zip(&strides).map(|(&i, &stride)| i as isize * stride).sum();
        // SAFETY: `at` is from -below to above, so the element ends within the buffer.
        unsafe { start.wrapping_offset(at).copy_from_nonoverlapping(bytes.as_ptr(), item) };
        for (i, &dim) in index.iter_mut().zip(ty.shape.iter()).rev() {
            *i += 1;
            if *i < dim {
                break;
            }
            *i = 0;
        }
    }
    // SAFETY: the buffer is the owner; the strides reach `below` bytes down and `above` up from `start`, within it.
    let memory = unsafe { Memory::new(start, Box::new(buffer)) };
    Ok(Array::from_leaf(Leaf::new(memory, strides, swapped, Donation::No), dtype, ty.shape.clone(), None))
}

/// The bytes from the first element down to the lowest, and up to the highest.
fn reach(shape: &Shape, strides: &[isize]) -> (usize, usize) {
    let (mut below, mut above) = (0, 0);
    if shape.size() > 0 {
        for (&dim, &stride) in shape.iter().zip(strides).filter(|&(&dim, _)| dim > 1) {
            let side = if stride < 0 { &mut below } else { &mut above };
            *side += stride.unsigned_abs() * (dim - 1);
        }
    }
    (below, above)
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers for the same seed, everywhere.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// From `low` to `high`.
    fn float(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn literal(&mut self, dtype: raptors_ir::DType) -> Literal {
        use raptors_ir::Kind;
        match dtype.kind() {
            Kind::Bool => Literal::from_f64(dtype, self.float(0.0, 2.0).floor()),
            Kind::Unsigned => Literal::from_f64(dtype, self.float(0.0, 9.0).floor()),
            Kind::Signed => Literal::from_f64(dtype, self.float(-8.0, 9.0).floor()),
            Kind::Float => Literal::from_f64(dtype, self.float(-2.0, 2.0)),
            Kind::Complex => Literal::complex(dtype, self.float(-2.0, 2.0), self.float(-2.0, 2.0)),
        }
    }
}
