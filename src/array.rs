//! Lazy arrays: handles to nodes of an expression graph.
//!
//! An [`Array`] is an op, its operands, its dtype and shape, and where it was written; making one computes nothing.
//! Nodes are immutable and shared. A leaf borrows or owns memory; `cache` turns a computed node into a leaf.

use std::fmt;
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use raptors_ir::{DType, Layout, Literal, Op, Shape, Source, Strides, Type};
use smallvec::SmallVec;

use crate::error::{Error, OperandNote};
use crate::shared::Shared;

/// Memory that leaves read: an address, and what keeps it alive.
pub struct Memory {
    pointer: *mut u8,
    _owner: Owner,
}

/// A value that is there for its drop, in place where it fits: a leaf is made for each array that is wrapped.
struct Owner {
    space: MaybeUninit<Space>,
    /// Drops what is in the space.
    drop: unsafe fn(*mut Space),
}

type Space = [*mut (); 2];

impl Owner {
    #[inline]
    fn new<T: Send + Sync + 'static>(owner: T) -> Owner {
        let fits = size_of::<T>() <= size_of::<Space>() && align_of::<T>() <= align_of::<Space>();
        // SAFETY: it fits, or its box does.
        unsafe { if fits { Owner::in_place(owner) } else { Owner::in_place(Box::new(owner)) } }
    }

    /// # Safety
    ///
    /// The space has the size and alignment for a `T`.
    #[inline]
    unsafe fn in_place<T>(owner: T) -> Owner {
        /// # Safety
        ///
        /// There is a `T`, which nothing uses afterwards.
        unsafe fn drop_as<T>(space: *mut Space) {
            // SAFETY: as for this function.
            unsafe { space.cast::<T>().drop_in_place() }
        }
        let mut space = MaybeUninit::<Space>::uninit();
        // SAFETY: as for this function.
        unsafe { space.as_mut_ptr().cast::<T>().write(owner) };
        Owner { space, drop: drop_as::<T> }
    }
}

impl Drop for Owner {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the function is the one for what was put there, and this is the owner's end.
        unsafe { (self.drop)(self.space.as_mut_ptr()) }
    }
}

// SAFETY: the address is only read and written by evaluations, under the promise made to `Memory::new`; the owner is
// Send and Sync itself, or `Owner::new` would not take it.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Memory at `pointer`, alive as long as `owner`.
    ///
    /// # Safety
    ///
    /// While `owner` lives and an evaluation runs, the memory is readable wherever the leaves made from it reach, and
    /// writable if they are donated; nothing else writes what an evaluation reads.
    #[inline]
    pub unsafe fn new(pointer: *mut u8, owner: impl Send + Sync + 'static) -> Memory {
        Memory { pointer, _owner: Owner::new(owner) }
    }

    /// The address of the first element.
    #[inline]
    pub fn pointer(&self) -> *mut u8 {
        self.pointer
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({:p})", self.pointer)
    }
}

/// Whether an evaluation may overwrite a leaf's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Donation {
    /// It belongs to the caller.
    No,
    /// It may be overwritten, once.
    Yes,
    /// It was donated, but must not be written.
    ReadOnly,
}

/// Elements in memory, as a leaf reads them.
#[derive(Debug)]
pub struct Leaf {
    /// The memory; its address is that of the element at index zero.
    pub memory: Memory,
    /// Bytes between neighbours, per dimension.
    pub strides: Strides,
    /// Whether elements have the other byte order.
    pub swapped: bool,
    /// Whether an evaluation may overwrite the memory.
    pub donation: Donation,
    consumed: AtomicBool,
}

impl Leaf {
    /// A leaf over `memory`.
    #[inline(always)]
    pub fn new(memory: Memory, strides: Strides, swapped: bool, donation: Donation) -> Leaf {
        Leaf { memory, strides, swapped, donation, consumed: AtomicBool::new(false) }
    }

    /// A handle for reading the elements; `None` once an evaluation has overwritten them.
    pub(crate) fn hold(leaf: &Shared<Leaf>) -> Option<Shared<Leaf>> {
        let held = leaf.clone();
        if leaf.donation == Donation::Yes {
            // Counted as a holder before the mark is read, as `claim` marks before it counts: one of the two sees the
            // other.
            fence(Ordering::SeqCst);
        }
        (!leaf.consumed.load(Ordering::Relaxed)).then_some(held)
    }

    /// Whether there are more handles than the node's and this many captures'.
    pub(crate) fn is_held_beside_captures(leaf: &Shared<Leaf>, captures: usize) -> bool {
        Shared::holders(leaf) > 1 + captures
    }

    /// Marks the elements as overwritten, unless something beside the node and this many captures holds them.
    pub(crate) fn claim(leaf: &Shared<Leaf>, captures: usize) -> Claim {
        if leaf.consumed.swap(true, Ordering::Relaxed) {
            return Claim::TooLate;
        }
        fence(Ordering::SeqCst);
        if Leaf::is_held_beside_captures(leaf, captures) {
            leaf.release();
            return Claim::Held;
        }
        Claim::Made
    }

    /// Takes a mark back before anything has been overwritten.
    pub(crate) fn release(&self) {
        self.consumed.store(false, Ordering::Relaxed);
    }
}

/// What became of an attempt to overwrite a leaf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Claim {
    /// It is the claimer's to overwrite.
    Made,
    /// Something else may read it.
    Held,
    /// Another evaluation overwrites it, or has.
    TooLate,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// An op on the operands.
    Op(Op),
    /// A value in memory.
    Leaf(Shared<Leaf>),
    /// A scalar.
    Scalar(Literal),
    /// An argument of a function that is being traced.
    Placeholder(Box<Placeholder>),
    /// A mistake, made by an operator that cannot return it; evaluation does.
    Invalid(Box<Error>),
}

impl Kind {
    /// The value of a node that is neither an op nor an input.
    pub(crate) fn constant(&self) -> Literal {
        match self {
            Kind::Scalar(literal) => *literal,
            Kind::Placeholder(placeholder) => match &**placeholder {
                Placeholder::Scalar { literal, .. } => *literal,
                Placeholder::Memory { .. } => unreachable!("memory is an input"),
            },
            Kind::Op(_) | Kind::Leaf(_) | Kind::Invalid(_) => unreachable!("ops and inputs are no constants"),
        }
    }
}

/// What stands for an argument while a [`Function`](crate::Function) is traced.
#[derive(Debug)]
pub(crate) enum Placeholder {
    /// Elements in memory, whose address a call gives.
    Memory {
        number: u32,
        layout: Layout,
        /// Whether a call may overwrite it.
        donated: bool,
    },
    /// A scalar, whose value a call gives. The literal is its value in the call that is traced.
    Scalar { number: u32, literal: Literal },
}

pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) operands: SmallVec<[Array; 2]>,
    pub(crate) ty: Type,
    pub(crate) source: Option<Source>,
    /// The value, once `cache` has computed it.
    pub(crate) value: OnceLock<Shared<Leaf>>,
    /// Whether an evaluation has computed it.
    pub(crate) computed: AtomicBool,
}

impl Node {
    /// The memory the node stands for, if it is a leaf or has been cached.
    pub(crate) fn leaf(&self) -> Option<&Shared<Leaf>> {
        match &self.kind {
            Kind::Leaf(leaf) => Some(leaf),
            Kind::Op(_) | Kind::Scalar(_) | Kind::Placeholder(_) | Kind::Invalid(_) => self.value.get(),
        }
    }

    pub(crate) fn op_name(&self) -> &'static str {
        match &self.kind {
            Kind::Op(op) => op.name(),
            Kind::Leaf(_) => "lazy",
            Kind::Scalar(_) => "scalar",
            Kind::Placeholder(_) => "argument",
            Kind::Invalid(_) => "invalid",
        }
    }
}

/// Operands are dropped in a loop: a chain of a million ops must not be a million stack frames.
impl Drop for Node {
    fn drop(&mut self) {
        // More handles than this node can hold: it is not the last user, and frees nothing below.
        let count = self.operands.len();
        let is_shallow =
            |operand: &Array| Shared::holders(&operand.node) > count || operand.node.operands.is_empty();
        if self.operands.iter().all(is_shallow) {
            return;
        }
        let mut stack: SmallVec<[Array; 2]> = std::mem::take(&mut self.operands);
        while let Some(array) = stack.pop() {
            Shared::give_up(array.node, |node| {
                while let Some(operand) = node.operands.pop() {
                    stack.push(operand);
                }
            });
        }
    }
}

/// A lazy n-dimensional array. Cloning copies the handle.
#[derive(Clone)]
pub struct Array {
    pub(crate) node: Shared<Node>,
}

impl Array {
    #[inline(always)]
    pub(crate) fn new(kind: Kind, operands: SmallVec<[Array; 2]>, ty: Type, source: Option<Source>) -> Array {
        // SAFETY: all fields are written.
        let node = unsafe {
            Shared::made(|node: *mut Node| {
                (&raw mut (*node).kind).write(kind);
                (&raw mut (*node).operands).write(operands);
                (&raw mut (*node).ty).write(ty);
                (&raw mut (*node).source).write(source);
                (&raw mut (*node).value).write(OnceLock::new());
                (&raw mut (*node).computed).write(AtomicBool::new(false));
            })
        };
        Array { node }
    }

    /// An array over memory; `strides` of the leaf has an entry per dimension.
    #[inline(always)]
    pub fn from_leaf(leaf: Leaf, dtype: DType, shape: Shape, source: Option<Source>) -> Array {
        let Leaf { memory, strides, swapped, donation, consumed } = leaf;
        // SAFETY: all fields are written.
        let leaf = unsafe {
            Shared::made(|leaf: *mut Leaf| {
                (&raw mut (*leaf).memory).write(memory);
                (&raw mut (*leaf).strides).write(strides);
                (&raw mut (*leaf).swapped).write(swapped);
                (&raw mut (*leaf).donation).write(donation);
                (&raw mut (*leaf).consumed).write(consumed);
            })
        };
        Array::new(Kind::Leaf(leaf), SmallVec::new(), Type { dtype, shape }, source)
    }

    /// A 0-d array with this value.
    pub fn scalar(literal: Literal, source: Option<Source>) -> Array {
        let ty = Type { dtype: literal.dtype(), shape: Shape::scalar() };
        Array::new(Kind::Scalar(literal), SmallVec::new(), ty, source)
    }

    /// The array that stands for an argument in memory while a function is traced: the `number`-th address of a call.
    pub fn memory_placeholder(
        number: u32,
        ty: Type,
        layout: Layout,
        donated: bool,
        source: Option<Source>,
    ) -> Array {
        let placeholder = Placeholder::Memory { number, layout, donated };
        Array::new(Kind::Placeholder(Box::new(placeholder)), SmallVec::new(), ty, source)
    }

    /// The 0-d array that stands for a scalar argument while a function is traced: the `number`-th scalar of a call, with
    /// this value in the call that is traced.
    pub fn scalar_placeholder(number: u32, literal: Literal, source: Option<Source>) -> Array {
        let ty = Type { dtype: literal.dtype(), shape: Shape::scalar() };
        let placeholder = Placeholder::Scalar { number, literal };
        Array::new(Kind::Placeholder(Box::new(placeholder)), SmallVec::new(), ty, source)
    }

    /// An array that stands for a mistake: evaluating it returns the error.
    pub(crate) fn invalid(error: Error) -> Array {
        let ty = Type { dtype: DType::F64, shape: Shape::scalar() };
        Array::new(Kind::Invalid(Box::new(error)), SmallVec::new(), ty, None)
    }

    /// The array that `op` makes of `operands`; what is wrong with them is reported now.
    pub fn apply(op: Op, operands: &[&Array], source: Option<Source>) -> Result<Array, Error> {
        // Pushed: to collect a list of two takes as long as to make the node.
        let (mut types, mut handles): (SmallVec<[&Type; 4]>, SmallVec<[Array; 2]>) = Default::default();
        for &operand in operands {
            if let Some(error) = operand.mistake() {
                return Err(error.clone());
            }
            types.push(&operand.node.ty);
            handles.push(operand.clone());
        }
        match raptors_ir::infer(&op, &types) {
            Ok(ty) => Ok(Array::new(Kind::Op(op), handles, ty, source)),
            Err(error) => Err(Array::mistaken(error, operands)),
        }
    }

    /// The error for a mistake with these operands.
    pub(crate) fn mistaken(error: raptors_ir::IrError, operands: &[&Array]) -> Error {
        let note = |operand: &&Array| OperandNote {
            dtype: operand.dtype(),
            shape: operand.shape().clone(),
            op: operand.node.op_name(),
            source: operand.node.source,
        };
        Error::Op { error: Box::new(error), operands: operands.iter().map(note).collect() }
    }

    pub(crate) fn mistake(&self) -> Option<&Error> {
        match &self.node.kind {
            Kind::Invalid(error) => Some(error),
            Kind::Op(_) | Kind::Leaf(_) | Kind::Scalar(_) | Kind::Placeholder(_) => None,
        }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.node.ty.dtype
    }

    /// The length of each dimension.
    pub fn shape(&self) -> &Shape {
        &self.node.ty.shape
    }

    /// The number of dimensions.
    pub fn ndim(&self) -> usize {
        self.shape().len()
    }

    /// The number of elements.
    pub fn size(&self) -> usize {
        self.shape().size()
    }

    /// The bytes of the elements.
    pub fn nbytes(&self) -> usize {
        self.size() * self.dtype().size()
    }

    /// The number of distinct ops that would have to be computed.
    pub fn op_count(&self) -> usize {
        let mut seen = rustc_hash::FxHashSet::default();
        let mut stack = vec![self];
        let mut count = 0;
        while let Some(array) = stack.pop() {
            let node = &array.node;
            if node.leaf().is_some()
                || !matches!(node.kind, Kind::Op(_))
                || !seen.insert(std::ptr::from_ref::<Node>(node))
            {
                continue;
            }
            count += 1;
            stack.extend(&node.operands);
        }
        count
    }

    /// The memory of an array that is in memory already, a leaf or cached, with the layout that a plan sees; `None` for
    /// any other.
    ///
    /// # Errors
    ///
    /// An input that was donated and has been overwritten.
    pub fn in_memory(&self) -> Result<Option<(Shared<Leaf>, Layout)>, Error> {
        let Some(leaf) = self.node.leaf() else { return Ok(None) };
        match Leaf::hold(leaf) {
            Some(leaf) => {
                let layout = crate::capture::layout(&leaf, &self.node.ty);
                Ok(Some((leaf, layout)))
            }
            None => Err(Error::Consumed { shape: self.shape().clone() }),
        }
    }

    /// The dtype and shape.
    pub fn ty(&self) -> &Type {
        &self.node.ty
    }

    /// Whether the value is in memory already: a leaf, or cached.
    pub fn is_evaluated(&self) -> bool {
        self.node.leaf().is_some()
    }

    /// The name of the op that makes this array; `lazy` for a leaf.
    pub fn op_name(&self) -> &'static str {
        self.node.op_name()
    }
}

/// `Array((4, 3), float32, lazy: add, 3 ops)`. Never computes.
impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Array({}, {}", self.shape(), self.dtype().numpy_name())?;
        if self.is_evaluated() {
            return f.write_str(", evaluated)");
        }
        let count = self.op_count();
        write!(f, ", lazy: {}, {count} op{})", self.op_name(), if count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn an_owner_of_any_size_is_dropped_once() {
        let count = Arc::new(());
        let kept = |owner: Owner, holders: usize| {
            assert_eq!(Arc::strong_count(&count), holders);
            drop(owner);
            assert_eq!(Arc::strong_count(&count), 1);
        };
        kept(Owner::new(count.clone()), 2);
        kept(Owner::new((count.clone(), 7usize)), 2);
        kept(Owner::new((count.clone(), [7usize; 9])), 2);
        let boxed: Box<dyn std::any::Any + Send + Sync> = Box::new(count.clone());
        kept(Owner::new((boxed, count.clone())), 3);
        kept(Owner::new(()), 1);
    }
}
