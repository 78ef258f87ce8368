//! The table of library ops: algorithms over whole rows, each a step of its own.
//!
//! No element of their result is computed from the elements at its position alone, nor by combining elements two at a
//! time, so they are in no loop nest. A row of the table gives name and attributes; from it derive the
//! variant, the text form (`sort %0 axis 1 order ascending`), and what the exhaustive matches of `infer`, the executor and
//! the tests' reference ask for. Row syntax:
//!
//! ```text
//! /// Doc line.
//! name = Variant { attribute: Type, … };
//! ```
//!
//! Elements are ordered as NumPy orders them: NaNs come after all numbers and are equal among each other, -0.0 equals 0.0.

use std::fmt;

use crate::parse::Cursor;
use crate::{Dims, ParseError};

/// Ascending or descending.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Order {
    /// The smallest first, NaN last.
    Ascending,
    /// NaN first, then the largest.
    Descending,
}

/// What a scattered value does with the element that is there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Write {
    /// Replaces it; of several values for one element the last one stays.
    Set,
    /// Is added to it, one after the other; integers wrap.
    Add,
}

/// Where an element would be inserted among equal ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// Before them.
    Left,
    /// After them.
    Right,
}

/// A value in the text form of an op.
trait Attribute: Sized {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError>;
}

impl Attribute for usize {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
    fn read(cursor: &mut Cursor<'_>) -> Result<usize, ParseError> {
        cursor.unsigned()
    }
}

impl Attribute for Dims {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_slice())
    }
    fn read(cursor: &mut Cursor<'_>) -> Result<Dims, ParseError> {
        Ok(Dims::from_vec(cursor.list(Cursor::unsigned)?))
    }
}

macro_rules! words {
    ($($type:ident { $($word:literal = $variant:ident),* }),*) => {
        $(impl Attribute for $type {
            fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($type::$variant => $word),* })
            }
            fn read(cursor: &mut Cursor<'_>) -> Result<$type, ParseError> {
                $(if cursor.accept_word($word)? {
                    return Ok($type::$variant);
                })*
                Err(cursor.unexpected(concat!("one of" $(, " ", $word)*)))
            }
        })*
    };
}
words! {
    Order { "ascending" = Ascending, "descending" = Descending },
    Write { "set" = Set, "add" = Add },
    Side { "left" = Left, "right" = Right }
}

macro_rules! library_ops {
    ($($(#[doc = $doc:literal])* $name:ident = $variant:ident { $($field:ident: $type:ty),* };)*) => {
        /// An op that is computed by an algorithm over whole rows, with its attributes.
        #[derive(Clone, PartialEq, Eq, Hash, Debug)]
        pub enum LibraryOp {
            $($(#[doc = $doc])* $variant { $(#[doc = concat!("The ", stringify!($field), ".")] $field: $type),* },)*
        }

        impl LibraryOp {
            /// The name of every library op, in table order.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// The name in the text form.
            pub const fn name(&self) -> &'static str {
                match self { $(LibraryOp::$variant { .. } => stringify!($name),)* }
            }

            /// Reads the attributes of the op of this name; `None` where there is no such op.
            pub(crate) fn read(name: &str, cursor: &mut Cursor<'_>) -> Option<Result<LibraryOp, ParseError>> {
                match name {
                    $(stringify!($name) => Some((|| {
                        $(cursor.expect_word(stringify!($field))?;
                        let $field = <$type as Attribute>::read(cursor)?;)*
                        Ok(LibraryOp::$variant { $($field),* })
                    })()),)*
                    _ => None,
                }
            }
        }

        /// The attributes, as in the text form: ` axis 1 order ascending`.
        impl fmt::Display for LibraryOp {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(LibraryOp::$variant { $($field),* } => {
                        $(f.write_str(concat!(" ", stringify!($field), " "))?;
                        Attribute::write($field, f)?;)*
                        Ok(())
                    })*
                }
            }
        }
    };
}

library_ops! {
    /// Each element combined with those before it along the axis by addition, in that order; integers wrap.
    cumulative_sum = CumulativeSum { axis: usize };
    /// Each element combined with those before it along the axis by multiplication, in that order; integers wrap.
    cumulative_prod = CumulativeProd { axis: usize };
    /// Each row along the axis in order; equal elements keep theirs.
    sort = Sort { axis: usize, order: Order };
    /// The positions that put each row along the axis in order; equal elements keep theirs. `i64`.
    argsort = Argsort { axis: usize, order: Order };
    /// Each row along the axis rearranged: those elements of the sorted row are in place, smaller ones before each.
    partition = Partition { axis: usize, kth: Dims };
    /// The positions that partition each row along the axis. `i64`.
    argpartition = Argpartition { axis: usize, kth: Dims };
    /// The elements at given positions. Operands: elements, and for each of the axes, which ascend, an `i64` array of as many
    /// dimensions. The result has the shape that these and the elements' shape, without the axes, broadcast to; an element
    /// of it is the one at its own index, but for the axes, where the index operands say which. Negative ones count from
    /// the end.
    gather = Gather { axes: Dims };
    /// The first operand with the last one's elements written at given positions, in row-major order. The operands
    /// between say where, as those of `gather` say from where.
    scatter = Scatter { axes: Dims, write: Write };
    /// The elements where a mask is true. Operands: elements and `bool`, both of one dimension; so many are true.
    compress = Compress { length: usize };
    /// Where a mask of one dimension is true, as `i64`; so many elements are.
    positions = Positions { length: usize };
    /// How many elements of the first operand, which is sorted and of one dimension, come before each element of the
    /// second, as `i64`.
    searchsorted = Searchsorted { side: Side };
    /// How often each of the numbers below the length is among the elements, `i64` of one dimension.
    bincount = Bincount { length: usize };
}

impl LibraryOp {
    /// The number of operands.
    pub fn arity(&self) -> usize {
        match self {
            LibraryOp::CumulativeSum { .. }
            | LibraryOp::CumulativeProd { .. }
            | LibraryOp::Sort { .. }
            | LibraryOp::Argsort { .. }
            | LibraryOp::Partition { .. }
            | LibraryOp::Argpartition { .. }
            | LibraryOp::Positions { .. }
            | LibraryOp::Bincount { .. } => 1,
            LibraryOp::Compress { .. } | LibraryOp::Searchsorted { .. } => 2,
            LibraryOp::Gather { axes } => 1 + axes.len(),
            LibraryOp::Scatter { axes, .. } => 2 + axes.len(),
        }
    }

    /// Whether the result may be written over the first operand, which then has its shape and elements of its size.
    pub const fn runs_in_place(&self) -> bool {
        match self {
            LibraryOp::CumulativeSum { .. }
            | LibraryOp::CumulativeProd { .. }
            | LibraryOp::Sort { .. }
            | LibraryOp::Partition { .. }
            | LibraryOp::Scatter { .. } => true,
            LibraryOp::Argsort { .. }
            | LibraryOp::Argpartition { .. }
            | LibraryOp::Gather { .. }
            | LibraryOp::Compress { .. }
            | LibraryOp::Positions { .. }
            | LibraryOp::Searchsorted { .. }
            | LibraryOp::Bincount { .. } => false,
        }
    }

    /// Whether the operands' elements lie side by side, in row-major order.
    pub const fn reads_row_major(&self) -> bool {
        match self {
            LibraryOp::Compress { .. }
            | LibraryOp::Positions { .. }
            | LibraryOp::Searchsorted { .. }
            | LibraryOp::Bincount { .. } => true,
            LibraryOp::CumulativeSum { .. }
            | LibraryOp::CumulativeProd { .. }
            | LibraryOp::Sort { .. }
            | LibraryOp::Argsort { .. }
            | LibraryOp::Partition { .. }
            | LibraryOp::Argpartition { .. }
            | LibraryOp::Gather { .. }
            | LibraryOp::Scatter { .. } => false,
        }
    }

    /// Whether values of the operands may turn out not to be what the op takes: positions out of bounds, another number of
    /// true elements.
    pub const fn can_fail(&self) -> bool {
        match self {
            LibraryOp::Gather { .. }
            | LibraryOp::Scatter { .. }
            | LibraryOp::Compress { .. }
            | LibraryOp::Positions { .. }
            | LibraryOp::Bincount { .. } => true,
            LibraryOp::CumulativeSum { .. }
            | LibraryOp::CumulativeProd { .. }
            | LibraryOp::Sort { .. }
            | LibraryOp::Argsort { .. }
            | LibraryOp::Partition { .. }
            | LibraryOp::Argpartition { .. }
            | LibraryOp::Searchsorted { .. } => false,
        }
    }
}
