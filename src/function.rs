//! Functions: plans that are kept, and bound to new arguments at each call.
//!
//! A function is traced once for the types of its arguments: it is given placeholders and makes a graph of them, which
//! is planned as `eval` would plan it. A call binds addresses and scalars to that plan and runs it: no node is made, no
//! key, and nothing is looked up.
//!
//! What the graph reads beside the arguments is held: leaves stay alive, and are read anew at each call. A front end
//! that traces for scalars asks before a call whether the plan serves their values ([`Function::serves`]), because the
//! values that rules look for are part of it.

use std::marker::PhantomData;
use std::sync::Arc;

use raptors_ir::{DType, Element, IrError, Layout, Literal, Shape, Type};
use raptors_passes::Options;
use smallvec::SmallVec;

use crate::array::{Array, Leaf};
use crate::capture::{Captured, Input as Captive, RuleValues};
use crate::compile::{self, Compiled};
use crate::error::Error;
use crate::executor::{self, Argument, Outcome};
use crate::runtime::team;
use crate::shared::Shared;
use crate::tensor::Tensor;
use crate::{aliasing, peak};

pub use crate::aliasing::Extent;

/// A function of arrays whose plan is kept.
///
/// ```
/// use raptors::{DType, Function, Options, Shape, Type};
/// let vector = Type { dtype: DType::F32, shape: Shape::new(&[3])? };
/// let scalar = Type { dtype: DType::F32, shape: Shape::scalar() };
/// let saxpy = Function::new(
///     &[scalar, vector.clone(), vector],
///     |x| Ok(vec![&x[0] * &x[1] + &x[2]]),
///     &Options::default(),
/// )?;
/// let (x, y) = (vec![1.0f32, 2.0, 3.0], vec![0.5f32; 3]);
/// for a in [2.0f32, 3.0] {
///     let sums = saxpy.call(&[(&a).into(), (&x).into(), (&y).into()])?;
///     assert_eq!(sums[0].as_slice::<f32>().map(|sums| sums[1]), Some(a * 2.0 + 0.5));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Function {
    compiled: Arc<Compiled>,
    options: Options,
    /// One for each parameter of the plan.
    bindings: SmallVec<[Binding; 4]>,
    /// The scalars that are part of the plan.
    baked: Vec<(u32, Literal)>,
    results: SmallVec<[Type; 1]>,
    /// The types of the arguments of [`Function::call`].
    parameters: Vec<Type>,
}

/// What a parameter of the plan is at a call.
#[derive(Debug)]
enum Binding {
    /// The address of this number.
    Memory(u32),
    /// The scalar of this number.
    Scalar(u32, RuleValues),
    /// Memory that the function reads beside its arguments.
    Held(Shared<Leaf>, Type),
    /// A number that was written in the function.
    Value(Literal),
}

/// Where a result of a call is.
#[derive(Debug)]
pub enum Output {
    /// In memory of its own.
    Tensor(Tensor),
    /// In the memory of this argument, row-major.
    Argument(u32, Type),
    /// In the memory that there was room in.
    Room,
}

/// The results of a call, in the order of the function's.
pub type Outputs = SmallVec<[Output; 1]>;

impl Function {
    /// The function that `trace` computes of arrays of these types, which are row-major.
    ///
    /// # Errors
    ///
    /// What `trace` returns; what planning an evaluation of its results reports.
    pub fn new(
        parameters: &[Type],
        trace: impl FnOnce(&[Array]) -> Result<Vec<Array>, Error>,
        options: &Options,
    ) -> Result<Function, Error> {
        let placeholder = |(number, ty): (usize, &Type)| {
            Array::memory_placeholder(number as u32, ty.clone(), Layout::RowMajor, false, None)
        };
        let arguments: Vec<Array> = parameters.iter().enumerate().map(placeholder).collect();
        let results = trace(&arguments)?;
        let function = Function::of_results(&results.iter().collect::<Vec<_>>(), options)?;
        Ok(Function { parameters: parameters.to_vec(), ..function })
    }

    /// The function that computes arrays of the placeholders under them.
    ///
    /// # Errors
    ///
    /// As planning an evaluation of the arrays.
    pub fn of_results(results: &[&Array], options: &Options) -> Result<Function, Error> {
        let mut captured = Captured::of_function(results)?;
        for parameter in 0..captured.inputs.len() {
            if matches!(captured.inputs[parameter], Captive::Leaf(_)) {
                // It is read again at the next call.
                captured.keep(parameter);
            }
        }
        let (compiled, _) = compile::compile(&captured, options)?;
        let binding = |(input, parameter): (&Captive<'_>, &crate::capture::Binding<'_>)| match input {
            Captive::Leaf(leaf) => Binding::Held(Shared::clone(leaf), parameter.ty.clone()),
            Captive::Scalar(literal, _) => Binding::Value(*literal),
            Captive::Argument(number) => Binding::Memory(*number),
            Captive::ScalarArgument(number, values) => Binding::Scalar(*number, *values),
        };
        let bindings = captured.inputs.iter().zip(captured.parameters()).map(binding).collect();
        let types = (0..results.len()).map(|n| captured.result_type(n).clone()).collect();
        let baked = captured.baked.clone();
        Ok(Function { compiled, options: *options, bindings, baked, results: types, parameters: Vec::new() })
    }

    /// Whether the plan is the one for these scalars: none of them is a value that rules look for, but for those that
    /// the plan has in it.
    pub fn serves(&self, scalars: &[Literal]) -> bool {
        self.bindings.iter().all(|binding| match binding {
            Binding::Scalar(number, values) => {
                scalars.get(*number as usize).is_some_and(|&scalar| !values.contain(scalar))
            }
            Binding::Memory(_) | Binding::Held(..) | Binding::Value(_) => true,
        }) && self.baked.iter().all(|(number, literal)| scalars.get(*number as usize) == Some(literal))
    }

    /// Whether memory that the function reads beside its arguments may share a byte with this.
    pub fn holds(&self, memory: &Extent) -> bool {
        self.bindings.iter().any(|binding| match binding {
            Binding::Held(leaf, ty) => {
                let held = Extent::new(leaf.memory.pointer(), &ty.shape, &leaf.strides, ty.dtype.size());
                aliasing::overlaps(memory, &held)
            }
            Binding::Memory(_) | Binding::Scalar(..) | Binding::Value(_) => false,
        })
    }

    /// The dtype and shape of the n-th result.
    pub fn result_type(&self, n: usize) -> &Type {
        &self.results[n]
    }

    /// Whether a run takes a few microseconds, on this thread alone.
    pub fn is_brief(&self) -> bool {
        self.compiled.is_brief
    }

    /// Computes the results for addresses and scalars, in the order of the placeholders' numbers.
    ///
    /// # Errors
    ///
    /// No memory, or less than `max_memory` allows.
    ///
    /// # Safety
    ///
    /// Each address is that of the first of elements of its placeholder's type and layout, readable during the call, and
    /// writable if the placeholder was donated: then nothing else reads or writes them, and no other argument shares a
    /// byte with them, nor does what the function [`holds`](Function::holds).
    pub unsafe fn run(&self, memory: &[*mut u8], scalars: &[Literal]) -> Result<Outputs, Error> {
        // SAFETY: as for this function; there is no other room.
        unsafe { self.run_in(memory, scalars, &mut |_, _| None) }
    }

    /// As [`run`](Function::run), with memory for results where `room` has some: it is asked with the number of a result
    /// and its type, once at most.
    ///
    /// # Errors
    ///
    /// As [`run`](Function::run).
    ///
    /// # Safety
    ///
    /// As for [`run`](Function::run). What `room` gives is aligned to the elements and writable for the result's row-major
    /// bytes, and nothing else uses it during the call.
    pub unsafe fn run_in(
        &self,
        memory: &[*mut u8],
        scalars: &[Literal],
        room: &mut dyn FnMut(usize, &Type) -> Option<*mut u8>,
    ) -> Result<Outputs, Error> {
        let compiled = &*self.compiled;
        peak::check(compiled, self.options.max_memory)?;
        let mut arguments = SmallVec::new();
        self.bind(memory, scalars, &mut arguments);
        let _limit = team::Limit::enter(self.options.threads);
        let room = &mut |n: usize, bytes| {
            let ty = &self.results[n];
            (bytes == ty.shape.size() * ty.dtype.size()).then(|| room(n, ty)).flatten()
        };
        // SAFETY: held leaves promise readable memory and are not donated; the caller promises the rest. No memory is
        // planned to be given for results.
        let outcomes =
            unsafe { executor::run(&compiled.program, compiled.launch.as_ref(), &arguments, &[], room)? };
        let output = |(outcome, ty): (Outcome, &Type)| match outcome {
            Outcome::Buffer(buffer) => Output::Tensor(Tensor::new(buffer, ty.clone())),
            Outcome::Parameter(parameter) => match self.bindings[parameter as usize] {
                Binding::Memory(number) => Output::Argument(number, ty.clone()),
                Binding::Scalar(..) | Binding::Held(..) | Binding::Value(_) => {
                    unreachable!("only an argument is overwritten")
                }
            },
            Outcome::Provided => Output::Room,
        };
        Ok(outcomes.into_iter().zip(&self.results).map(output).collect())
    }

    /// As [`run`](Function::run), if that takes a few microseconds and `room` has memory for all results, which it is asked for
    /// with the number of one and its bytes; else says false, and nothing has been computed.
    ///
    /// # Errors
    ///
    /// As [`run`](Function::run).
    ///
    /// # Safety
    ///
    /// As for [`run_in`](Function::run_in).
    #[inline]
    pub unsafe fn run_into(
        &self,
        memory: &[*mut u8],
        scalars: &[Literal],
        room: &mut dyn FnMut(usize, usize) -> Option<*mut u8>,
    ) -> Result<bool, Error> {
        let compiled = &*self.compiled;
        let Some(launch) = compiled.launch.as_ref().filter(|_| executor::may_launch()) else {
            return Ok(false);
        };
        peak::check(compiled, self.options.max_memory)?;
        let mut arguments = SmallVec::new();
        self.bind(memory, scalars, &mut arguments);
        // SAFETY: as for `run_in`.
        unsafe { launch.run_into(&compiled.program, &arguments, room) }
    }

    /// What the parameters of the plan are at a call.
    #[inline]
    fn bind(&self, memory: &[*mut u8], scalars: &[Literal], arguments: &mut SmallVec<[Argument; 8]>) {
        for binding in &self.bindings {
            arguments.push(match binding {
                Binding::Memory(number) => Argument::Memory(memory[*number as usize]),
                Binding::Scalar(number, _) => Argument::Scalar(scalars[*number as usize]),
                Binding::Held(leaf, _) => Argument::Memory(leaf.memory.pointer()),
                Binding::Value(literal) => Argument::Scalar(*literal),
            });
        }
    }

    /// Computes the results for these arguments, one for each parameter.
    ///
    /// # Errors
    ///
    /// Another number of arguments than of parameters; an argument whose dtype or shape is not its parameter's; no
    /// memory.
    pub fn call(&self, arguments: &[Input<'_>]) -> Result<Vec<Tensor>, Error> {
        let (given, needed) = (arguments.len(), self.parameters.len());
        if given != needed {
            return Err(Error::ArgumentCount { given, needed });
        }
        let mut addresses: SmallVec<[*mut u8; 8]> = SmallVec::new();
        for (number, (argument, parameter)) in arguments.iter().zip(&self.parameters).enumerate() {
            if argument.ty != *parameter {
                let (given, needed) = (Box::new(argument.ty.clone()), Box::new(parameter.clone()));
                return Err(Error::ArgumentMismatch { number, given, needed });
            }
            addresses.push(argument.pointer.cast_mut());
        }
        // SAFETY: an input borrows row-major elements of its type, which is the parameter's; parameters of `new` are
        // row-major and not donated.
        let outputs = unsafe { self.run(&addresses, &[])? };
        let tensor = |output| match output {
            Output::Tensor(tensor) => tensor,
            Output::Argument(..) | Output::Room => unreachable!("nothing was donated or given"),
        };
        Ok(outputs.into_iter().map(tensor).collect())
    }
}

/// Elements that a call of a [`Function`] reads: row-major and borrowed.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    pointer: *const u8,
    ty: Type,
    _borrowed: PhantomData<&'a [u8]>,
}

impl<'a> Input<'a> {
    /// `values` in row-major order, with these dimensions.
    ///
    /// # Errors
    ///
    /// Another number of elements than the dimensions have.
    pub fn new<T: Element>(values: &'a [T], dims: &[usize]) -> Result<Input<'a>, Error> {
        let fail = |error| Error::Op { error: Box::new(error), operands: Vec::new() };
        let shape = Shape::new(dims).map_err(fail)?;
        if shape.size() != values.len() {
            let problem = format!("{} values do not fill the shape {shape}", values.len());
            return Err(fail(IrError::Attribute { op: "input", problem }));
        }
        Ok(Input::over(values.as_ptr(), T::DTYPE, shape))
    }

    fn over<T>(pointer: *const T, dtype: DType, shape: Shape) -> Input<'a> {
        Input { pointer: pointer.cast(), ty: Type { dtype, shape }, _borrowed: PhantomData }
    }
}

/// One dimension.
impl<'a, T: Element> From<&'a [T]> for Input<'a> {
    fn from(values: &'a [T]) -> Input<'a> {
        // No slice has more bytes than a shape may.
        let shape = Shape::new(&[values.len()]).unwrap_or_default();
        Input::over(values.as_ptr(), T::DTYPE, shape)
    }
}

/// One dimension.
impl<'a, T: Element> From<&'a Vec<T>> for Input<'a> {
    fn from(values: &'a Vec<T>) -> Input<'a> {
        values.as_slice().into()
    }
}

/// With the tensor's shape.
impl<'a> From<&'a Tensor> for Input<'a> {
    fn from(tensor: &'a Tensor) -> Input<'a> {
        Input::over(tensor.address(), tensor.dtype(), tensor.shape().clone())
    }
}

macro_rules! scalar_inputs {
    ($($scalar:ty)*) => { $(
        /// Without dimensions.
        impl<'a> From<&'a $scalar> for Input<'a> {
            fn from(value: &'a $scalar) -> Input<'a> {
                Input::over(value, <$scalar as Element>::DTYPE, Shape::scalar())
            }
        }
    )* };
}
scalar_inputs!(i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);
