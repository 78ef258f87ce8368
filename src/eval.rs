//! Evaluation: bind what was captured to memory, run its program, hand over the results.

use std::sync::Arc;

use raptors_ir::{DType, Destination, Shape, Strides, Type};
use raptors_passes::{Options, Record};
use smallvec::SmallVec;

use crate::aliasing;
use crate::array::{Array, Leaf};
use crate::cache;
use crate::capture::{Captured, Input, Matched};
use crate::compile::{self, CacheState, Compiled};
use crate::error::Error;
use crate::executor::{self, Outcome, Room};
use crate::kernels::copy;
use crate::peak;
use crate::runtime::{team, watch};
use crate::shared::Shared;
use crate::tensor::Tensor;

/// Memory that a caller gives for a result.
#[derive(Clone, Debug)]
pub struct OutMemory {
    /// Address of the element at index zero.
    pub pointer: *mut u8,
    /// The element type.
    pub dtype: DType,
    /// The length of each dimension.
    pub shape: Shape,
    /// Bytes between neighbours, per dimension.
    pub strides: Strides,
    /// Whether elements have the other byte order.
    pub swapped: bool,
    /// Whether it may be written.
    pub writable: bool,
}

/// Where a result is.
#[derive(Debug)]
pub enum Evaluated {
    /// In memory of its own.
    Tensor(Tensor),
    /// In the memory of this donated leaf, which is no longer an input.
    Donated(Shared<Leaf>, Type),
    /// In the memory the caller gave, as `out` or as room.
    Out,
}

/// Evaluates arrays together: what they share is computed once.
///
/// # Errors
///
/// As [`Array::eval`].
pub fn eval(arrays: &[&Array]) -> Result<Vec<Tensor>, Error> {
    eval_with(arrays, &Options::default())
}

/// Evaluates arrays together, under options.
///
/// # Errors
///
/// As [`eval`].
pub fn eval_with(arrays: &[&Array], options: &Options) -> Result<Vec<Tensor>, Error> {
    let no_outs: SmallVec<[Option<OutMemory>; 2]> = arrays.iter().map(|_| None).collect();
    let mut begun = Begun::new();
    begun.captured.fill(arrays, usize::MAX)?;
    for parameter in 0..begun.captured.parameters().len() {
        // A donated leaf's memory is not the pool's, so it cannot become a tensor's.
        begun.captured.keep(parameter);
    }
    begun.find(&no_outs, options)?;
    // SAFETY: no memory is given.
    let evaluated = unsafe { begun.run(&no_outs, options, &mut |_, _| None)? };
    let tensors = evaluated.into_iter().map(|evaluated| match evaluated {
        Evaluated::Tensor(tensor) => tensor,
        Evaluated::Donated(..) | Evaluated::Out => unreachable!("nothing was donated or given"),
    });
    Ok(tensors.collect())
}

/// What evaluations give, in the order of their arrays.
pub type Results = SmallVec<[Evaluated; 1]>;

/// An evaluation of arrays together under options, into the memory given for some of them, before it is run.
///
/// A front end that makes room for other threads during an evaluation asks first whether that is worth it.
pub struct Prepared<'a> {
    arrays: &'a [&'a Array],
    outs: &'a [Option<OutMemory>],
    options: &'a Options,
    /// `None` for a graph of many nodes.
    begun: Option<Box<Begun<'a>>>,
}

impl<'a> Prepared<'a> {
    /// Looks up the plan, where the graph has a few nodes. Compiles and computes nothing.
    ///
    /// # Errors
    ///
    /// As [`eval`]; memory of another shape or dtype, read-only memory, and memory that shares some elements with an
    /// input or another result. A graph of many nodes reports them when it is run.
    pub fn new(
        arrays: &'a [&'a Array],
        outs: &'a [Option<OutMemory>],
        options: &'a Options,
    ) -> Result<Prepared<'a>, Error> {
        let mut begun = Begun::new();
        let is_found = begun.find_few(arrays, outs, options)?;
        Ok(Prepared { arrays, outs, options, begun: is_found.then(|| Box::new(begun)) })
    }

    /// Evaluates the arrays as [`run_in`](Prepared::run_in) does, if the plan is known and takes a few microseconds, on this
    /// thread alone; else gives back what is to be run.
    ///
    /// # Errors
    ///
    /// As [`Prepared::new`].
    ///
    /// # Safety
    ///
    /// As for [`run_in`](Prepared::run_in).
    pub unsafe fn run_if_brief(
        arrays: &'a [&'a Array],
        outs: &'a [Option<OutMemory>],
        options: &'a Options,
        room: &mut dyn FnMut(usize, &Type) -> Option<*mut u8>,
    ) -> Result<Result<Results, Prepared<'a>>, Error> {
        if *options == Options::default() && outs.len() == arrays.len() && outs.iter().all(Option::is_none) {
            let ran = cache::with_plan(arrays, |compiled, matched| {
                let room = &mut |n: usize, _| room(n, arrays[n].ty());
                // SAFETY: as for this function; the arrays match the plan.
                watch::catch(|| unsafe { run_matched(arrays, matched, compiled, room) })?
            });
            if let Some(ran) = ran {
                return ran.map(Ok);
            }
        }
        let mut begun = Begun::new();
        let is_found = begun.find_few(arrays, outs, options)?;
        if is_found && begun.known.as_ref().is_some_and(|known| known.is_brief) {
            // SAFETY: as for this function.
            return unsafe { begun.run(outs, options, room) }.map(Ok);
        }
        Ok(Err(Prepared { arrays, outs, options, begun: is_found.then(|| Box::new(begun)) }))
    }

    /// Whether the plan is known and takes a few microseconds, on this thread alone.
    pub fn is_brief(&self) -> bool {
        self.begun.as_ref().and_then(|begun| begun.known.as_ref()).is_some_and(|known| known.is_brief)
    }

    /// Evaluates the arrays.
    ///
    /// # Errors
    ///
    /// As [`Prepared::new`].
    ///
    /// # Safety
    ///
    /// Each `OutMemory` that says so is writable wherever its shape and strides reach, and nothing else uses it during
    /// the call.
    pub unsafe fn run(self) -> Result<Results, Error> {
        // SAFETY: as for this function; there is no other room.
        unsafe { self.run_in(&mut |_, _| None) }
    }

    /// As [`run`](Prepared::run), with memory for results where `room` has some: it is asked with the number of a result
    /// that has no `OutMemory`, and its type, once at most.
    ///
    /// # Errors
    ///
    /// As [`Prepared::new`].
    ///
    /// # Safety
    ///
    /// As for [`run`](Prepared::run). What `room` gives is aligned to the elements and writable for the result's row-major
    /// bytes, and nothing else uses it during the call.
    pub unsafe fn run_in(
        self,
        room: &mut dyn FnMut(usize, &Type) -> Option<*mut u8>,
    ) -> Result<Results, Error> {
        let Prepared { arrays, outs, options, begun } = self;
        if let Some(mut begun) = begun {
            // SAFETY: as for this function.
            return unsafe { begun.run(outs, options, room) };
        }
        let mut begun = Begun::new();
        begun.captured.fill(arrays, usize::MAX)?;
        begun.find(outs, options)?;
        // SAFETY: as for this function.
        unsafe { begun.run(outs, options, room) }
    }
}

/// What an evaluation by a plan at hand gave.
#[derive(Debug)]
pub enum AtHand {
    /// There is no such plan, and nothing has been computed.
    Missing,
    /// All results are in the memory that there was room in.
    InRoom,
    /// Results, of which some are not. Boxed, for they are large and rare: what is mostly returned is not moved about.
    Results(Box<Results>),
}

/// Evaluates arrays together under the usual options, if their plan is at hand, which takes a few microseconds, on this
/// thread alone. Results go where `room` says, given the number of one and its bytes; it may be asked for one again.
///
/// # Errors
///
/// As [`eval`].
///
/// # Safety
///
/// What `room` gives is aligned to the elements, writable for those bytes, and nothing else uses it during the call.
#[inline]
pub unsafe fn run_at_hand(
    arrays: &[&Array],
    room: &mut dyn FnMut(usize, usize) -> Option<*mut u8>,
) -> Result<AtHand, Error> {
    if !executor::may_launch() {
        return Ok(AtHand::Missing);
    }
    let mut ran = Ok(AtHand::Missing);
    cache::with_plan(arrays, |compiled, matched| {
        // Written where it is to be: an error has many words.
        // SAFETY: as for this function; the arrays match the plan.
        ran = unsafe { run_known(arrays, matched, compiled, room) };
    });
    ran
}

/// As [`run_at_hand`], by the plan that the arrays match.
///
/// # Safety
///
/// As for [`run_at_hand`].
#[inline]
unsafe fn run_known(
    arrays: &[&Array],
    matched: &Matched<'_>,
    compiled: &Compiled,
    room: Room<'_>,
) -> Result<AtHand, Error> {
    if let Some(launch) = &compiled.launch {
        // SAFETY: as for this function; leaves promise readable memory, and no plan with a pattern writes an input.
        if unsafe { launch.run_into(&compiled.program, &matched.arguments, room) }? {
            matched.note_computed();
            return Ok(AtHand::InRoom);
        }
    }
    // SAFETY: as for this function; the arrays match the plan.
    unsafe { run_matched(arrays, matched, compiled, room) }.map(|results| AtHand::Results(Box::new(results)))
}

/// Evaluates arrays by the plan that they match, under the usual options.
///
/// # Safety
///
/// As for [`Prepared::run_in`]; nothing else is a caller's memory.
unsafe fn run_matched(
    arrays: &[&Array],
    matched: &Matched<'_>,
    compiled: &Compiled,
    room: Room<'_>,
) -> Result<Results, Error> {
    let room = &mut |n: usize, bytes| {
        let ty = arrays[n].ty();
        (bytes == ty.shape.size() * ty.dtype.size()).then(|| room(n, bytes)).flatten()
    };
    // SAFETY: leaves promise readable memory; no plan with a pattern writes an input or memory that was given.
    let outcomes =
        unsafe { executor::run(&compiled.program, compiled.launch.as_ref(), &matched.arguments, &[], room)? };
    matched.note_computed();
    let mut evaluated = Results::new();
    for (n, outcome) in outcomes.into_iter().enumerate() {
        evaluated.push(match outcome {
            Outcome::Buffer(buffer) => Evaluated::Tensor(Tensor::new(buffer, arrays[n].ty().clone())),
            Outcome::Provided => Evaluated::Out,
            Outcome::Parameter(_) => unreachable!("nothing was donated"),
        });
    }
    Ok(evaluated)
}

/// Evaluates arrays together under options, into the memory given for some of them.
///
/// # Errors
///
/// As [`Prepared::new`].
///
/// # Safety
///
/// As for [`Prepared::run`].
pub unsafe fn eval_into(
    arrays: &[&Array],
    outs: &[Option<OutMemory>],
    options: &Options,
) -> Result<Results, Error> {
    // SAFETY: as for this function.
    unsafe { Prepared::new(arrays, outs, options)?.run() }
}

/// What an evaluation of `arrays` would do.
pub(crate) struct Planned<'a> {
    pub(crate) captured: Captured<'a>,
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) cache: CacheState,
    /// Donations that it would not use.
    pub(crate) withdrawn: Vec<Record>,
}

/// Plans an evaluation of `arrays`.
pub(crate) fn plan<'a>(arrays: &[&'a Array], options: &Options) -> Result<Planned<'a>, Error> {
    let mut captured = Captured::new(arrays)?;
    let withdrawn = aliasing::withdraw_donations(&mut captured);
    let (compiled, cache) = compile::compile(&captured, options)?;
    Ok(Planned { captured, compiled, cache, withdrawn })
}

/// An evaluation on its way to be run. It is large: what is brief is run where it was made.
struct Begun<'a> {
    captured: Captured<'a>,
    /// The memory of results that are computed where they go.
    pointers: SmallVec<[Option<*mut u8>; 2]>,
    /// The plan, where there is one already.
    known: Option<Arc<Compiled>>,
}

impl<'a> Begun<'a> {
    #[inline]
    fn new() -> Begun<'a> {
        Begun { captured: Captured::empty(), pointers: SmallVec::new(), known: None }
    }

    /// Captures the arrays and looks for the plan, unless there are many nodes; says whether there are few.
    fn find_few(
        &mut self,
        arrays: &[&'a Array],
        outs: &[Option<OutMemory>],
        options: &Options,
    ) -> Result<bool, Error> {
        /// Nodes that are captured faster than other threads could make use of the time.
        const FEW: usize = 32;
        if outs.len() != arrays.len() {
            return Err(Error::OutCount { given: outs.len(), needed: arrays.len() });
        }
        let are_few = self.captured.fill(arrays, FEW)?;
        if are_few {
            self.find(outs, options)?;
        }
        Ok(are_few)
    }

    /// Finds out where the results go, and looks for the plan.
    fn find(&mut self, outs: &[Option<OutMemory>], options: &Options) -> Result<(), Error> {
        let captured = &mut self.captured;
        aliasing::withdraw_donations(captured);
        if outs.iter().any(Option::is_some) {
            self.pointers.resize(outs.len(), None);
        }
        for (n, out) in outs.iter().enumerate() {
            let Some(out) = out else { continue };
            aliasing::check_out(out, captured.result_type(n))?;
            if outs[..n].iter().flatten().any(|other| aliasing::outs_overlap(other, out)) {
                return Err(Error::OutOverlap { with: "another out" });
            }
            let destination = aliasing::destination(captured, out)?;
            captured.set_destination(n, destination);
            self.pointers[n] = (destination != Destination::Fresh).then_some(out.pointer);
        }
        self.known = compile::known(captured, options).ok();
        Ok(())
    }

    /// # Safety
    ///
    /// As for [`Prepared::run_in`].
    unsafe fn run(
        &mut self,
        outs: &[Option<OutMemory>],
        options: &Options,
        room: &mut dyn FnMut(usize, &Type) -> Option<*mut u8>,
    ) -> Result<Results, Error> {
        // SAFETY: as for this function.
        watch::catch(|| unsafe { self.run_to_the_end(outs, options, room) })?
    }

    /// Or until it unwinds because it has to stop.
    ///
    /// # Safety
    ///
    /// As for [`Prepared::run_in`].
    unsafe fn run_to_the_end(
        &mut self,
        outs: &[Option<OutMemory>],
        options: &Options,
        room: &mut dyn FnMut(usize, &Type) -> Option<*mut u8>,
    ) -> Result<Results, Error> {
        let Begun { captured, pointers, known } = self;
        let compiled = loop {
            let compiled = match known.take() {
                Some(known) => known,
                None => compile::compile(captured, options)?.0,
            };
            peak::check(&compiled, options.max_memory)?;
            // Claimed before the run: a failed or panicking run may have overwritten part of it.
            match aliasing::claim(captured, &compiled.program.overwritten)? {
                None => break compiled,
                Some(held) => captured.keep(held),
            }
        };
        let program = &compiled.program;
        let arguments = captured.arguments();
        let _limit = team::Limit::enter(options.threads);
        // SAFETY: leaves promise readable memory, and writable if donated; outs are checked above, and writable by this
        // function's contract.
        let outcomes = unsafe {
            executor::run(program, compiled.launch.as_ref(), &arguments, pointers, &mut |n, bytes| {
                let ty = captured.result_type(n);
                let is_free = outs[n].is_none() && bytes == ty.shape.size() * ty.dtype.size();
                is_free.then(|| room(n, ty)).flatten()
            })?
        };
        captured.note_computed();
        let mut evaluated = Results::with_capacity(outs.len());
        for (n, outcome) in outcomes.into_iter().enumerate() {
            let ty = captured.result_type(n);
            let out = outs[n].as_ref();
            evaluated.push(match (outcome, out) {
                (Outcome::Buffer(buffer), None) => Evaluated::Tensor(Tensor::new(buffer, ty.clone())),
                (Outcome::Buffer(buffer), Some(out)) => {
                    // SAFETY: `out` has the result's shape and dtype, and is writable; the buffer holds the result.
                    unsafe { copy_out(buffer.as_ptr(), out) };
                    Evaluated::Out
                }
                (Outcome::Parameter(_), Some(_)) | (Outcome::Provided, _) => Evaluated::Out,
                (Outcome::Parameter(parameter), None) => match &captured.inputs[parameter as usize] {
                    Input::Leaf(leaf) => Evaluated::Donated(Shared::clone(leaf), ty.clone()),
                    Input::Scalar(..) | Input::Argument(_) | Input::ScalarArgument(..) => {
                        unreachable!("only a leaf is overwritten")
                    }
                },
            });
        }
        Ok(evaluated)
    }
}

/// # Safety
///
/// `source` holds the row-major elements of `out`'s shape; `out` is writable.
unsafe fn copy_out(source: *const u8, out: &OutMemory) {
    let item = out.dtype.size();
    let strides = out.shape.row_major_strides(item);
    if !out.swapped {
        // SAFETY: as for this function.
        unsafe { copy::copy_parallel(source, &strides, out.pointer, &out.strides, &out.shape, item) };
        return;
    }
    let parts = if out.dtype.is_complex() { 2 } else { 1 };
    let size = out.shape.size();
    // SAFETY: the source is a buffer of this evaluation, which nothing reads afterwards.
    unsafe {
        copy::swap_bytes(source.cast_mut(), item / parts, size * parts);
        copy::copy_parallel(source, &strides, out.pointer, &out.strides, &out.shape, item);
    }
}

impl Array {
    /// Computes the array.
    ///
    /// The result is handed over, and the node keeps nothing: a later use computes it again, fused with that use.
    /// [`Array::cache`] keeps it instead.
    ///
    /// # Errors
    ///
    /// A mistake made by an operator on the way here; no memory; a dtype without kernels.
    pub fn eval(&self) -> Result<Tensor, Error> {
        self.eval_with(&Options::default())
    }

    /// Computes the array, under options.
    ///
    /// # Errors
    ///
    /// As [`Array::eval`].
    pub fn eval_with(&self, options: &Options) -> Result<Tensor, Error> {
        let mut tensors = eval_with(&[self], options)?;
        match tensors.pop() {
            Some(tensor) => Ok(tensor),
            None => unreachable!("one array has one result"),
        }
    }

    /// Computes the array now and keeps the value: later uses read it.
    ///
    /// # Errors
    ///
    /// As [`Array::eval`].
    pub fn cache(&self) -> Result<(), Error> {
        self.cached_leaf(&Options::default()).map(|_| ())
    }

    /// The array's value in memory, computed now, under options, if it was not before.
    ///
    /// # Errors
    ///
    /// As [`Array::eval`].
    pub fn cached_leaf(&self, options: &Options) -> Result<Shared<Leaf>, Error> {
        if let Some(leaf) = self.node.leaf() {
            return Leaf::hold(leaf).ok_or_else(|| Error::Consumed { shape: self.shape().clone() });
        }
        let leaf = Shared::new(self.eval_with(options)?.into_leaf());
        Ok(self.node.value.get_or_init(|| leaf).clone())
    }

    /// The value of an array of one element, computed under options if it was not before, and kept in the node.
    ///
    /// # Errors
    ///
    /// As [`Array::eval`], and when there is not exactly one element; `op` names the conversion in the message.
    pub fn item(&self, op: &'static str, options: &Options) -> Result<raptors_ir::Literal, Error> {
        if self.size() != 1 {
            return Err(Error::NotAScalar { op, shape: self.shape().clone() });
        }
        let leaf = self.cached_leaf(options).map_err(|error| match error {
            Error::NoValue { ty, .. } => Error::NoValue { op, ty },
            error => error,
        })?;
        let size = self.dtype().size();
        let mut bytes = [0u8; 16];
        // SAFETY: the leaf has one element of this size, at its first address.
        unsafe { std::ptr::copy_nonoverlapping(leaf.memory.pointer(), bytes.as_mut_ptr(), size) };
        if leaf.swapped {
            let part = size / if self.dtype().is_complex() { 2 } else { 1 };
            bytes[..size].chunks_mut(part).for_each(<[u8]>::reverse);
        }
        Ok(raptors_ir::Literal::from_bits(self.dtype(), u128::from_le_bytes(bytes)))
    }
}
