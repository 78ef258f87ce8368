//! The slot table: what each entry computes, under which contract, and how it is called.

use std::fmt;
use std::sync::{LazyLock, OnceLock};

use raptors_ir::DType;

use super::formula::Pattern;
use super::shape::{Arguments, Function, MOST_SCALARS, MOST_SOURCES, Shape};
use super::table::{for_each_conversion, for_each_entry};

/// How close an entry is to what it computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Contract {
    /// The bits of our definition, NaN payloads aside. Apple promises none of it, so [`probe`](super::probe)
    /// looks.
    Exact,
    /// A product and a sum, rounded once where it is used for our `fma`; only wanted when these are
    /// contracted.
    Fused,
    /// Some units in the last place, which may depend on the position in the array.
    WithinUlp,
    /// A sum in an order that is not stated.
    Unordered,
}

impl Contract {
    /// The name, as programs print it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Contract::Exact => "exact",
            Contract::Fused => "exact with one rounding",
            Contract::WithinUlp => "within a few ULP",
            Contract::Unordered => "unordered",
        }
    }
}

/// Which is taken where an entry and a loop of ours would both do, and nothing was measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rank {
    /// The entry.
    Preferred,
    /// The loop; the entry on request.
    Available,
    /// The loop, always: the entry computes something else for NaN, ties or what does not fit.
    Never,
}

/// One way to use an entry: what it then computes, and with which scalars.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) formula: &'static str,
    pub(crate) contract: Contract,
    /// What is passed for the scalars, in terms of those of the formula.
    pub(crate) scalars: &'static str,
    /// What is looked for.
    pub(crate) pattern: Pattern,
    /// What a probe found, for `f32` and `f64`.
    pub(crate) probed: [OnceLock<Result<(), String>>; 2],
}

impl Form {
    fn new(contract: Contract, formula: &'static str, scalars: &'static str) -> Form {
        let probed = [const { OnceLock::new() }; 2];
        Form { formula, contract, scalars, pattern: Pattern::parse(formula), probed }
    }

    /// The scalars that are passed for those that were found.
    pub(crate) fn passed<T: Float>(&self, found: [T; MOST_SCALARS]) -> [T; MOST_SCALARS] {
        let mut passed = found;
        for (passed, name) in passed.iter_mut().zip(self.scalars.split_whitespace()) {
            *passed = match name {
                "s" => found[0],
                "-s" => found[0].negated(),
                "-1" => T::MINUS_ONE,
                name => unreachable!("{}: {name} is no scalar", self.formula),
            };
        }
        passed
    }
}

/// An entry, for elements of both floats.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its names in C, for `f32` and `f64`.
    pub(crate) names: [&'static str; 2],
    pub(crate) shape: Shape,
    pub(crate) rank: Rank,
    pub(crate) forms: Vec<Form>,
    /// The functions, where the system has them.
    functions: Option<(Function<f32>, Function<f64>)>,
}

/// A float that entries exist for.
pub(crate) trait Float: Copy + Default + PartialEq + fmt::Debug + 'static {
    const DTYPE: DType;
    const MINUS_ONE: Self;
    fn negated(self) -> Self;
    /// The bits, of the lowest bytes.
    fn from_bits64(bits: u64) -> Self;
    fn function(functions: &(Function<f32>, Function<f64>)) -> Function<Self>;
}

impl Float for f32 {
    const DTYPE: DType = DType::F32;
    const MINUS_ONE: f32 = -1.0;
    fn negated(self) -> f32 {
        -self
    }
    fn from_bits64(bits: u64) -> f32 {
        f32::from_bits(bits as u32)
    }
    fn function(functions: &(Function<f32>, Function<f64>)) -> Function<f32> {
        functions.0
    }
}

impl Float for f64 {
    const DTYPE: DType = DType::F64;
    const MINUS_ONE: f64 = -1.0;
    fn negated(self) -> f64 {
        -self
    }
    fn from_bits64(bits: u64) -> f64 {
        f64::from_bits(bits)
    }
    fn function(functions: &(Function<f32>, Function<f64>)) -> Function<f64> {
        functions.1
    }
}

/// The arguments of a call on untyped memory.
pub(crate) fn arguments<T: Float>(
    target: *mut u8,
    sources: &[*const u8],
    scalars: [u64; MOST_SCALARS],
    len: usize,
) -> Arguments<T> {
    let mut typed = [std::ptr::null(); MOST_SOURCES];
    for (typed, source) in typed.iter_mut().zip(sources) {
        *typed = source.cast();
    }
    Arguments { target: target.cast(), sources: typed, scalars: scalars.map(T::from_bits64), len }
}

impl Entry {
    /// The entry's name for elements of a float.
    pub(crate) fn name(&self, dtype: DType) -> &'static str {
        self.names[usize::from(dtype == DType::F64)]
    }

    /// The C call: `vDSP_vsmul(p0, 1, &2.0, p0, 1, 1000)`.
    pub(crate) fn spelled(
        &self,
        dtype: DType,
        target: &str,
        sources: &[String],
        scalars: &[String],
        len: usize,
    ) -> String {
        let argument = |word: &str| {
            let (reference, letter) = word.strip_prefix('&').map_or(("", word), |rest| ("&", rest));
            let found = match letter {
                "o" => target,
                "a" | "b" | "c" | "d" => &sources[usize::from(letter.as_bytes()[0] - b'a')],
                "s" | "t" => &scalars[usize::from(letter.as_bytes()[0] - b's')],
                "n" => return format!("{reference}{len}"),
                _ => letter,
            };
            format!("{reference}{found}")
        };
        let arguments: Vec<String> = self.shape.spelled().split(' ').map(argument).collect();
        format!("{}({})", self.name(dtype), arguments.join(", "))
    }

    /// Calls the entry for elements of `T`.
    ///
    /// # Safety
    ///
    /// As for [`Function::call`].
    pub(crate) unsafe fn call<T: Float>(&self, arguments: &Arguments<T>) {
        debug_assert!(self.is_apart(arguments), "{} on memory that overlaps in part", self.names[0]);
        match &self.functions {
            // SAFETY: the contract is the caller's.
            Some(functions) => unsafe { T::function(functions).call(arguments) },
            None => unreachable!("{} is not on this system, so nothing is lowered to it", self.names[0]),
        }
    }

    /// Whether the target is exactly a source, or apart from it, for each.
    fn is_apart<T>(&self, arguments: &Arguments<T>) -> bool {
        let target = arguments.target.addr();
        let bytes = arguments.len * size_of::<T>();
        let written = if self.shape.reduces() { size_of::<T>() } else { bytes };
        arguments.sources[..self.shape.sources()].iter().map(|source| source.addr()).all(|source| {
            let same = source == target && !self.shape.reduces();
            same || source + bytes <= target || target + written <= source
        })
    }
}

macro_rules! entries {
    ($($(#[doc = $doc:literal])* $single:ident, $double:ident: $shape:ident, $rank:ident,
        [$($contract:ident $formula:literal $(=> $scalars:literal)?),*];)*) => {
        /// Every entry.
        pub(crate) static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| vec![$(Entry {
            names: [stringify!($single), stringify!($double)],
            shape: Shape::$shape,
            rank: Rank::$rank,
            forms: vec![$(Form::new(Contract::$contract, $formula, concat!("", $($scalars)?))),*],
            functions: {
                #[cfg(any(target_os = "macos", feature = "accelerate-shim"))]
                {
                    use super::declarations::{$single, $double};
                    Some((Function::$shape($single), Function::$shape($double)))
                }
                #[cfg(not(any(target_os = "macos", feature = "accelerate-shim")))]
                None
            },
        }),*]);
    };
}
for_each_entry!(entries);

/// A conversion of contiguous elements.
#[derive(Debug)]
pub(crate) struct Conversion {
    pub(crate) name: &'static str,
    pub(crate) from: DType,
    pub(crate) to: DType,
    pub(crate) rank: Rank,
    pub(crate) probed: OnceLock<Result<(), String>>,
    function: Option<unsafe fn(from: *const u8, to: *mut u8, n: usize)>,
}

impl Conversion {
    /// Converts `n` elements.
    ///
    /// # Safety
    ///
    /// There are as many at `from`, and room for them at `to`; both are aligned and do not overlap.
    pub(crate) unsafe fn call(&self, from: *const u8, to: *mut u8, n: usize) {
        match self.function {
            // SAFETY: the contract is the caller's.
            Some(function) => unsafe { function(from, to, n) },
            None => unreachable!("{} is not on this system, so nothing is lowered to it", self.name),
        }
    }
}

macro_rules! dtype {
    (f32) => {
        DType::F32
    };
    (f64) => {
        DType::F64
    };
    (i16) => {
        DType::I16
    };
    (i32) => {
        DType::I32
    };
    (u8) => {
        DType::U8
    };
    (u16) => {
        DType::U16
    };
    (u32) => {
        DType::U32
    };
}

macro_rules! conversions {
    ($($name:ident: $from:ident -> $to:ident, $rank:ident;)*) => {
        /// Every conversion.
        pub(crate) static CONVERSIONS: LazyLock<Vec<Conversion>> = LazyLock::new(|| vec![$(Conversion {
            name: stringify!($name),
            from: dtype!($from),
            to: dtype!($to),
            rank: Rank::$rank,
            probed: OnceLock::new(),
            function: {
                #[cfg(any(target_os = "macos", feature = "accelerate-shim"))]
                {
                    unsafe fn convert(from: *const u8, to: *mut u8, n: usize) {
                        // SAFETY: both have `n` aligned elements by the contract of `Conversion::call`.
                        unsafe { super::declarations::$name(from.cast(), 1, to.cast(), 1, n) }
                    }
                    Some(convert)
                }
                #[cfg(not(any(target_os = "macos", feature = "accelerate-shim")))]
                None
            },
        }),*]);
    };
}
for_each_conversion!(conversions);
