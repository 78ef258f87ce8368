//! Measures what entries and our own loops take on this machine.
//!
//! Each form is evaluated as an expression of its own: once with the entry, once without, everything else
//! being equal. The fastest of several runs counts. Entries that a probe has withdrawn, and forms that are
//! never selected, have no measurement. It takes a few seconds.

use std::time::{Duration, Instant};

use raptors_ir::{DType, Dims, Literal, Op, ReduceOp, Shape};
use raptors_passes::{FpMode, Options};

use super::blas::Routines;
use super::calibration::{Measurement, Table};
use super::entry::{CONVERSIONS, Contract, ENTRIES, Form, Rank};
use super::formula::Pattern;
use super::mode::{Mode, with_mode};
use super::shape::{Arguments, MOST_SCALARS, MOST_SOURCES, Shape as Signature};
use crate::array::Array;
use crate::error::Error;
use crate::into_array::lazy;
use crate::plan::Plan;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Sizes<'a> {
    /// Elements of vectors.
    pub lengths: &'a [usize],
    /// Rows of the square matrices that are multiplied.
    pub edges: &'a [usize],
}

impl Sizes<'static> {
    /// Vectors in each cache and in memory, and matrices likewise.
    pub const USUAL: Sizes<'static> =
        Sizes { lengths: &[64, 1 << 10, 1 << 14, 1 << 18, 1 << 22], edges: &[16, 64, 256, 768] };
}

/// Time for one of the two.
const ENOUGH: Duration = Duration::from_millis(2);
const FEWEST_RUNS: usize = 3;

/// The table of this machine. `progress` is told each entry before it is measured.
///
/// # Errors
///
/// No memory for the operands.
pub fn calibrate(sizes: Sizes<'_>, mut progress: impl FnMut(&str)) -> Result<Table, Error> {
    let mut table = Table::default();
    if !super::is_present() {
        return Ok(table);
    }
    for dtype in [DType::F32, DType::F64] {
        for entry in ENTRIES.iter().filter(|entry| entry.rank != Rank::Never) {
            let Some(form) = entry.forms.first() else { continue };
            let name = entry.name(dtype);
            progress(name);
            let fp = match form.contract {
                Contract::Exact => FpMode::Strict,
                Contract::Fused => FpMode::Contract,
                Contract::WithinUlp | Contract::Unordered => FpMode::Fast,
            };
            for &len in sizes.lengths {
                let array = expression(form, entry.shape.sources(), dtype, len)?;
                compare(&mut table, name, len, &array, Mode::All, fp)?;
            }
        }
        let gemm = if dtype == DType::F64 { "cblas_dgemm" } else { "cblas_sgemm" };
        progress(gemm);
        for &edge in sizes.edges {
            let factor = Array::apply(
                Op::Reshape(dims(&[edge, edge])),
                &[&numbers(dtype, edge * edge, (0.5, 1.5))?],
                None,
            )?;
            let product = Array::apply(Op::Matmul, &[&factor, &factor], None)?;
            compare(&mut table, gemm, edge, &product, Mode::Gemm, FpMode::Strict)?;
        }
    }
    for conversion in CONVERSIONS.iter().filter(|conversion| conversion.rank != Rank::Never) {
        progress(conversion.name);
        for &len in sizes.lengths {
            let array =
                Array::apply(Op::Cast(conversion.to), &[&numbers(conversion.from, len, (0.5, 99.5))?], None)?;
            compare(&mut table, conversion.name, len, &array, Mode::All, FpMode::Strict)?;
        }
    }
    progress("cblas_sscal");
    for &len in sizes.lengths {
        scale::<f32>(&mut table, ["cblas_sscal", "vDSP_vsmul"], len, 1.0);
        scale::<f64>(&mut table, ["cblas_dscal", "vDSP_vsmulD"], len, 1.0);
    }
    Ok(table)
}

fn dims(dims: &[usize]) -> Shape {
    match Shape::new(dims) {
        Ok(shape) => shape,
        Err(error) => unreachable!("a shape of known size: {error}"),
    }
}

/// Numbers between two.
fn numbers(dtype: DType, len: usize, (low, high): (f64, f64)) -> Result<Array, Error> {
    let step = (high - low) / len as f64;
    let values: Vec<f64> = (0..len).map(|n| low + step * n as f64).collect();
    let array = Array::apply(Op::Cast(dtype), &[&lazy(&values)], None)?;
    array.cache()?;
    Ok(array)
}

/// What a form computes, of operands in its domain.
fn expression(form: &Form, sources: usize, dtype: DType, len: usize) -> Result<Array, Error> {
    let domain = form.pattern.plain_op().filter(|op| op.ulp() > 0).map_or((0.5, 1.5), |op| op.domain());
    let vectors = (0..sources).map(|_| numbers(dtype, len, domain));
    let vectors = vectors.collect::<Result<Vec<Array>, Error>>()?;
    array(&form.pattern, &vectors, dtype)
}

fn array(pattern: &Pattern, vectors: &[Array], dtype: DType) -> Result<Array, Error> {
    match pattern {
        Pattern::Vector(n) => Ok(vectors[*n].clone()),
        Pattern::Scalar(n) => Ok(Array::scalar(Literal::from_f64(dtype, 1.25 + *n as f64), None)),
        Pattern::Op(op, operands) => {
            let operands = operands.iter().map(|operand| array(operand, vectors, dtype));
            let operands = operands.collect::<Result<Vec<Array>, Error>>()?;
            let operands: Vec<&Array> = operands.iter().collect();
            Array::apply(Op::Elementwise(*op), &operands, None)
        }
        Pattern::Sum(of) => {
            let of = array(of, vectors, dtype)?;
            Array::apply(Op::Reduce(ReduceOp::Sum, Dims::from_slice(&[0])), &[&of], None)
        }
    }
}

/// Measures an evaluation with and without an entry, if `mode` selects it.
fn compare(
    table: &mut Table,
    name: &str,
    len: usize,
    array: &Array,
    mode: Mode,
    fp: FpMode,
) -> Result<(), Error> {
    let options = Options::from(fp);
    let program = with_mode(mode, || Plan::with_options(&[array], &options))?.program();
    let is_called =
        program.contains(&format!("    {name}")) || program.contains(&format!(" by {name} in tiles of "));
    if !is_called {
        return Ok(());
    }
    let time = |mode| {
        with_mode(mode, || {
            array.eval_with(&options)?;
            let start = Instant::now();
            let (mut fastest, mut runs) = (Duration::MAX, 0);
            while runs < FEWEST_RUNS || start.elapsed() < ENOUGH {
                let start = Instant::now();
                array.eval_with(&options)?;
                fastest = fastest.min(start.elapsed());
                runs += 1;
            }
            Ok::<f64, Error>(fastest.as_secs_f64() * 1e9)
        })
    };
    let (entry_ns, own_ns) = (time(mode)?, time(Mode::Off)?);
    table.add(name, Measurement { len, entry_ns, own_ns });
    Ok(())
}

/// Measures scaling in place by BLAS beside vDSP's.
fn scale<T: super::entry::Float + Routines>(table: &mut Table, [blas, vdsp]: [&str; 2], len: usize, one: T) {
    let Some(entry) = ENTRIES.iter().find(|entry| entry.names.contains(&vdsp)) else {
        unreachable!("{vdsp} is in the table")
    };
    debug_assert_eq!(entry.shape, Signature::VectorScalar);
    let mut memory = vec![one; len];
    let target = memory.as_mut_ptr();
    let time = |run: &dyn Fn()| {
        let start = Instant::now();
        let (mut fastest, mut runs) = (Duration::MAX, 0);
        while runs < FEWEST_RUNS || start.elapsed() < ENOUGH {
            let start = Instant::now();
            run();
            fastest = fastest.min(start.elapsed());
            runs += 1;
        }
        fastest.as_secs_f64() * 1e9
    };
    let sources = [target.cast_const(); MOST_SOURCES];
    let arguments = Arguments { target, sources, scalars: [one; MOST_SCALARS], len };
    // SAFETY: the memory has `len` elements, fewer than an int counts, and nothing else uses it.
    let (entry_ns, own_ns) =
        unsafe { (time(&|| T::scale(one, target, len)), time(&|| entry.call(&arguments))) };
    table.add(blas, Measurement { len, entry_ns, own_ns });
}
