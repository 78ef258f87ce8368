//! Two vectors as one: the wide lanes of `f32` vectors, and two independent chains of instructions for a CPU that would
//! wait for one.

use raptors_ir::lanes::{Lanes, Rare, Real};

use super::Vector;

/// Twice the lanes of `L`.
#[derive(Clone, Copy, Debug)]
pub struct Pair<L>(pub L);

/// Declares methods that apply `L`'s method of that name to both halves. (`array::map` is not always inlined.)
macro_rules! halves {
    ($($name:ident($($arg:ident: $type:ident),*) -> $result:ident;)*) => {
        $(#[inline(always)]
        fn $name(self, $($arg: Self::$type),*) -> Self::$result {
            [self.0.$name($($arg[0]),*), self.0.$name($($arg[1]),*)]
        })*
    };
}

impl<L: Lanes> Lanes for Pair<L> {
    type Elem = L::Elem;
    type Float = [L::Float; 2];
    type Int = [L::Int; 2];
    type Mask = [L::Mask; 2];
    type Wide = Pair<L::Wide>;

    halves! {
        add(x: Float, y: Float) -> Float;
        sub(x: Float, y: Float) -> Float;
        mul(x: Float, y: Float) -> Float;
        div(x: Float, y: Float) -> Float;
        sqrt(x: Float) -> Float;
        fma(x: Float, y: Float, z: Float) -> Float;
        fnma(x: Float, y: Float, z: Float) -> Float;
        fms(x: Float, y: Float, z: Float) -> Float;
        min(x: Float, y: Float) -> Float;
        max(x: Float, y: Float) -> Float;
        round(x: Float) -> Float;
        floor(x: Float) -> Float;
        lt(x: Float, y: Float) -> Mask;
        le(x: Float, y: Float) -> Mask;
        eq(x: Float, y: Float) -> Mask;
        and(a: Mask, b: Mask) -> Mask;
        or(a: Mask, b: Mask) -> Mask;
        not(a: Mask) -> Mask;
        select(mask: Mask, x: Float, y: Float) -> Float;
        bits(x: Float) -> Int;
        float_of_bits(x: Int) -> Float;
        int_add(x: Int, y: Int) -> Int;
        int_sub(x: Int, y: Int) -> Int;
        int_and(x: Int, y: Int) -> Int;
        int_or(x: Int, y: Int) -> Int;
        int_xor(x: Int, y: Int) -> Int;
        int_eq(x: Int, y: Int) -> Mask;
        int_gt(x: Int, y: Int) -> Mask;
        int_select(mask: Mask, x: Int, y: Int) -> Int;
        scale(x: Float, n: Float) -> Float;
        exponent(x: Float) -> Float;
        mantissa(x: Float) -> Float;
    }

    #[inline(always)]
    fn float(self, x: L::Elem) -> [L::Float; 2] {
        [self.0.float(x); 2]
    }
    #[inline(always)]
    fn int(self, x: <L::Elem as Real>::Int) -> [L::Int; 2] {
        [self.0.int(x); 2]
    }
    #[inline(always)]
    fn shl(self, x: [L::Int; 2], count: u32) -> [L::Int; 2] {
        [self.0.shl(x[0], count), self.0.shl(x[1], count)]
    }
    #[inline(always)]
    fn shr(self, x: [L::Int; 2], count: u32) -> [L::Int; 2] {
        [self.0.shr(x[0], count), self.0.shr(x[1], count)]
    }
    #[inline(always)]
    fn int_shift_right_arithmetic(self, x: [L::Int; 2], count: u32) -> [L::Int; 2] {
        [self.0.int_shift_right_arithmetic(x[0], count), self.0.int_shift_right_arithmetic(x[1], count)]
    }
    #[inline(always)]
    fn lookup(self, table: &'static <L::Elem as Real>::Table, index: [L::Int; 2]) -> [L::Float; 2] {
        [self.0.lookup(table, index[0]), self.0.lookup(table, index[1])]
    }
    #[inline(always)]
    fn lookup_half(self, table: &'static <L::Elem as Real>::Table, index: [L::Int; 2]) -> [L::Float; 2] {
        [self.0.lookup_half(table, index[0]), self.0.lookup_half(table, index[1])]
    }
    #[inline(always)]
    fn rare(
        self,
        rare: &'static Rare<L::Elem>,
        mask: [L::Mask; 2],
        value: [L::Float; 2],
        x: [L::Float; 2],
        y: [L::Float; 2],
    ) -> [L::Float; 2] {
        [self.0.rare(rare, mask[0], value[0], x[0], y[0]), self.0.rare(rare, mask[1], value[1], x[1], y[1])]
    }

    #[inline(always)]
    fn wide(self) -> Pair<L::Wide> {
        Pair(self.0.wide())
    }
    #[inline(always)]
    fn widen(self, x: [L::Float; 2]) -> [<L::Wide as Lanes>::Float; 2] {
        [self.0.widen(x[0]), self.0.widen(x[1])]
    }
    #[inline(always)]
    fn narrow(self, x: [<L::Wide as Lanes>::Float; 2]) -> [L::Float; 2] {
        [self.0.narrow(x[0]), self.0.narrow(x[1])]
    }
    #[inline(always)]
    fn narrow_mask(self, x: [<L::Wide as Lanes>::Mask; 2]) -> [L::Mask; 2] {
        [self.0.narrow_mask(x[0]), self.0.narrow_mask(x[1])]
    }
    #[inline(always)]
    fn widen_mask(self, x: [L::Mask; 2]) -> [<L::Wide as Lanes>::Mask; 2] {
        [self.0.widen_mask(x[0]), self.0.widen_mask(x[1])]
    }
}

impl<L: Vector> Vector for Pair<L> {
    const WIDTH: usize = 2 * L::WIDTH;

    #[inline(always)]
    unsafe fn assume() -> Pair<L> {
        // SAFETY: as for this function.
        Pair(unsafe { L::assume() })
    }

    #[inline(always)]
    unsafe fn load(self, from: *const L::Elem) -> [L::Float; 2] {
        // SAFETY: as for this function: each half has half of the elements.
        unsafe { [self.0.load(from), self.0.load(from.add(L::WIDTH))] }
    }

    #[inline(always)]
    unsafe fn store(self, x: [L::Float; 2], to: *mut L::Elem) {
        // SAFETY: as for this function: each half has half of the elements.
        unsafe {
            self.0.store(x[0], to);
            self.0.store(x[1], to.add(L::WIDTH));
        }
    }
}
