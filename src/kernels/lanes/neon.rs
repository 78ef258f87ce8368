//! Lanes in the 128-bit registers of aarch64. A mask is an unsigned integer whose lanes are all ones or all zeros.
//!
//! Every aarch64 CPU has these instructions: they are the baseline there.

use std::arch::aarch64::*;
use std::marker::PhantomData;

use raptors_ir::lanes::{Lanes, Rare};

use super::{Pair, Vector};

/// 4 `f32` or 2 `f64`.
#[derive(Clone, Copy, Debug)]
pub struct Neon<T>(PhantomData<T>);

impl Lanes for Neon<f32> {
    type Elem = f32;
    type Float = float32x4_t;
    type Int = int32x4_t;
    type Mask = uint32x4_t;
    type Wide = Pair<Neon<f64>>;

    instructions! {
        float(x: f32) -> float32x4_t = vdupq_n_f32(x);
        int(x: i32) -> int32x4_t = vdupq_n_s32(x);
        add(x: float32x4_t, y: float32x4_t) -> float32x4_t = vaddq_f32(x, y);
        sub(x: float32x4_t, y: float32x4_t) -> float32x4_t = vsubq_f32(x, y);
        mul(x: float32x4_t, y: float32x4_t) -> float32x4_t = vmulq_f32(x, y);
        div(x: float32x4_t, y: float32x4_t) -> float32x4_t = vdivq_f32(x, y);
        sqrt(x: float32x4_t) -> float32x4_t = vsqrtq_f32(x);
        fma(x: float32x4_t, y: float32x4_t, z: float32x4_t) -> float32x4_t = vfmaq_f32(z, x, y);
        fnma(x: float32x4_t, y: float32x4_t, z: float32x4_t) -> float32x4_t = vfmsq_f32(z, x, y);
        fms(x: float32x4_t, y: float32x4_t, z: float32x4_t) -> float32x4_t = vfmaq_f32(vnegq_f32(z), x, y);
        // The instructions named so return NaN when either is, and order the zeros.
        min(x: float32x4_t, y: float32x4_t) -> float32x4_t = vbslq_f32(vcltq_f32(x, y), x, y);
        max(x: float32x4_t, y: float32x4_t) -> float32x4_t = vbslq_f32(vcgtq_f32(x, y), x, y);
        round(x: float32x4_t) -> float32x4_t = vrndnq_f32(x);
        floor(x: float32x4_t) -> float32x4_t = vrndmq_f32(x);
        lt(x: float32x4_t, y: float32x4_t) -> uint32x4_t = vcltq_f32(x, y);
        le(x: float32x4_t, y: float32x4_t) -> uint32x4_t = vcleq_f32(x, y);
        eq(x: float32x4_t, y: float32x4_t) -> uint32x4_t = vceqq_f32(x, y);
        and(a: uint32x4_t, b: uint32x4_t) -> uint32x4_t = vandq_u32(a, b);
        or(a: uint32x4_t, b: uint32x4_t) -> uint32x4_t = vorrq_u32(a, b);
        not(a: uint32x4_t) -> uint32x4_t = vmvnq_u32(a);
        select(mask: uint32x4_t, x: float32x4_t, y: float32x4_t) -> float32x4_t = vbslq_f32(mask, x, y);
        bits(x: float32x4_t) -> int32x4_t = vreinterpretq_s32_f32(x);
        float_of_bits(x: int32x4_t) -> float32x4_t = vreinterpretq_f32_s32(x);
        int_add(x: int32x4_t, y: int32x4_t) -> int32x4_t = vaddq_s32(x, y);
        int_sub(x: int32x4_t, y: int32x4_t) -> int32x4_t = vsubq_s32(x, y);
        int_and(x: int32x4_t, y: int32x4_t) -> int32x4_t = vandq_s32(x, y);
        int_or(x: int32x4_t, y: int32x4_t) -> int32x4_t = vorrq_s32(x, y);
        int_xor(x: int32x4_t, y: int32x4_t) -> int32x4_t = veorq_s32(x, y);
        shl(x: int32x4_t, count: u32) -> int32x4_t = vshlq_s32(x, vdupq_n_s32(count as i32));
        shr(x: int32x4_t, count: u32) -> int32x4_t = {
            // A shift by a negative count is one to the right.
            let count = vdupq_n_s32(-(count as i32));
            vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(x), count))
        };
        int_shift_right_arithmetic(x: int32x4_t, count: u32) -> int32x4_t =
            vshlq_s32(x, vdupq_n_s32(-(count as i32)));
        int_eq(x: int32x4_t, y: int32x4_t) -> uint32x4_t = vceqq_s32(x, y);
        int_gt(x: int32x4_t, y: int32x4_t) -> uint32x4_t = vcgtq_s32(x, y);
        lookup(table: &'static [f32; 16], index: int32x4_t) -> float32x4_t = {
            // The numbers of four bytes for each entry.
            let entry = vandq_u32(vreinterpretq_u32_s32(index), vdupq_n_u32(15));
            let bytes = vmlaq_u32(vdupq_n_u32(0x0302_0100), entry, vdupq_n_u32(0x0404_0404));
            let table = vld1q_u8_x4(table.as_ptr().cast());
            vreinterpretq_f32_u8(vqtbl4q_u8(table, vreinterpretq_u8_u32(bytes)))
        };
        int_select(mask: uint32x4_t, x: int32x4_t, y: int32x4_t) -> int32x4_t = vbslq_s32(mask, x, y);
        widen(x: float32x4_t) -> [float64x2_t; 2] = [vcvt_f64_f32(vget_low_f32(x)), vcvt_high_f64_f32(x)];
        narrow(x: [float64x2_t; 2]) -> float32x4_t = vcvt_high_f32_f64(vcvt_f32_f64(x[0]), x[1]);
        narrow_mask(x: [uint64x2_t; 2]) -> uint32x4_t = vmovn_high_u64(vmovn_u64(x[0]), x[1]);
        widen_mask(x: uint32x4_t) -> [uint64x2_t; 2] = {
            let x = vreinterpretq_s32_u32(x);
            let halves = [vmovl_s32(vget_low_s32(x)), vmovl_high_s32(x)];
            [vreinterpretq_u64_s64(halves[0]), vreinterpretq_u64_s64(halves[1])]
        };
    }

    #[inline(always)]
    fn rare(
        self,
        rare: &'static Rare<f32>,
        mask: uint32x4_t,
        value: float32x4_t,
        x: float32x4_t,
        y: float32x4_t,
    ) -> float32x4_t {
        const BITS: [u32; 4] = [1, 2, 4, 8];
        // SAFETY: every aarch64 CPU has the instructions; the array has the lanes of a vector.
        let mask = unsafe { vaddvq_u32(vandq_u32(mask, vld1q_u32(BITS.as_ptr()))) };
        super::rare::<_, 4>(self, rare, mask, [value, x, y])
    }
    #[inline(always)]
    fn wide(self) -> Pair<Neon<f64>> {
        Pair(Neon(PhantomData))
    }
}

impl Lanes for Neon<f64> {
    type Elem = f64;
    type Float = float64x2_t;
    type Int = int64x2_t;
    type Mask = uint64x2_t;
    type Wide = Neon<f64>;

    instructions! {
        float(x: f64) -> float64x2_t = vdupq_n_f64(x);
        int(x: i64) -> int64x2_t = vdupq_n_s64(x);
        add(x: float64x2_t, y: float64x2_t) -> float64x2_t = vaddq_f64(x, y);
        sub(x: float64x2_t, y: float64x2_t) -> float64x2_t = vsubq_f64(x, y);
        mul(x: float64x2_t, y: float64x2_t) -> float64x2_t = vmulq_f64(x, y);
        div(x: float64x2_t, y: float64x2_t) -> float64x2_t = vdivq_f64(x, y);
        sqrt(x: float64x2_t) -> float64x2_t = vsqrtq_f64(x);
        fma(x: float64x2_t, y: float64x2_t, z: float64x2_t) -> float64x2_t = vfmaq_f64(z, x, y);
        fnma(x: float64x2_t, y: float64x2_t, z: float64x2_t) -> float64x2_t = vfmsq_f64(z, x, y);
        fms(x: float64x2_t, y: float64x2_t, z: float64x2_t) -> float64x2_t = vfmaq_f64(vnegq_f64(z), x, y);
        min(x: float64x2_t, y: float64x2_t) -> float64x2_t = vbslq_f64(vcltq_f64(x, y), x, y);
        max(x: float64x2_t, y: float64x2_t) -> float64x2_t = vbslq_f64(vcgtq_f64(x, y), x, y);
        round(x: float64x2_t) -> float64x2_t = vrndnq_f64(x);
        floor(x: float64x2_t) -> float64x2_t = vrndmq_f64(x);
        lt(x: float64x2_t, y: float64x2_t) -> uint64x2_t = vcltq_f64(x, y);
        le(x: float64x2_t, y: float64x2_t) -> uint64x2_t = vcleq_f64(x, y);
        eq(x: float64x2_t, y: float64x2_t) -> uint64x2_t = vceqq_f64(x, y);
        and(a: uint64x2_t, b: uint64x2_t) -> uint64x2_t = vandq_u64(a, b);
        or(a: uint64x2_t, b: uint64x2_t) -> uint64x2_t = vorrq_u64(a, b);
        not(a: uint64x2_t) -> uint64x2_t = veorq_u64(a, vdupq_n_u64(!0));
        select(mask: uint64x2_t, x: float64x2_t, y: float64x2_t) -> float64x2_t = vbslq_f64(mask, x, y);
        bits(x: float64x2_t) -> int64x2_t = vreinterpretq_s64_f64(x);
        float_of_bits(x: int64x2_t) -> float64x2_t = vreinterpretq_f64_s64(x);
        int_add(x: int64x2_t, y: int64x2_t) -> int64x2_t = vaddq_s64(x, y);
        int_sub(x: int64x2_t, y: int64x2_t) -> int64x2_t = vsubq_s64(x, y);
        int_and(x: int64x2_t, y: int64x2_t) -> int64x2_t = vandq_s64(x, y);
        int_or(x: int64x2_t, y: int64x2_t) -> int64x2_t = vorrq_s64(x, y);
        int_xor(x: int64x2_t, y: int64x2_t) -> int64x2_t = veorq_s64(x, y);
        shl(x: int64x2_t, count: u32) -> int64x2_t = vshlq_s64(x, vdupq_n_s64(i64::from(count)));
        shr(x: int64x2_t, count: u32) -> int64x2_t = {
            let count = vdupq_n_s64(-i64::from(count));
            vreinterpretq_s64_u64(vshlq_u64(vreinterpretq_u64_s64(x), count))
        };
        int_shift_right_arithmetic(x: int64x2_t, count: u32) -> int64x2_t =
            vshlq_s64(x, vdupq_n_s64(-i64::from(count)));
        int_eq(x: int64x2_t, y: int64x2_t) -> uint64x2_t = vceqq_s64(x, y);
        int_gt(x: int64x2_t, y: int64x2_t) -> uint64x2_t = vcgtq_s64(x, y);
        lookup(table: &'static [f64; 8], index: int64x2_t) -> float64x2_t = {
            // The numbers of eight bytes for each entry.
            let index = vreinterpretq_u32_s64(index);
            let entry = vandq_u32(vtrn1q_u32(index, index), vdupq_n_u32(7));
            let first = vreinterpretq_u32_u64(vdupq_n_u64(0x0706_0504_0302_0100));
            let bytes = vmlaq_u32(first, entry, vdupq_n_u32(0x0808_0808));
            let table = vld1q_u8_x4(table.as_ptr().cast());
            vreinterpretq_f64_u8(vqtbl4q_u8(table, vreinterpretq_u8_u32(bytes)))
        };
        int_select(mask: uint64x2_t, x: int64x2_t, y: int64x2_t) -> int64x2_t = vbslq_s64(mask, x, y);
    }

    #[inline(always)]
    fn rare(
        self,
        rare: &'static Rare<f64>,
        mask: uint64x2_t,
        value: float64x2_t,
        x: float64x2_t,
        y: float64x2_t,
    ) -> float64x2_t {
        const BITS: [u64; 2] = [1, 2];
        // SAFETY: every aarch64 CPU has the instructions; the array has the lanes of a vector.
        let mask = unsafe { vaddvq_u64(vandq_u64(mask, vld1q_u64(BITS.as_ptr()))) };
        super::rare::<_, 2>(self, rare, mask as u32, [value, x, y])
    }
    #[inline(always)]
    fn wide(self) -> Neon<f64> {
        self
    }
    #[inline(always)]
    fn widen(self, x: float64x2_t) -> float64x2_t {
        x
    }
    #[inline(always)]
    fn narrow(self, x: float64x2_t) -> float64x2_t {
        x
    }
    #[inline(always)]
    fn narrow_mask(self, x: uint64x2_t) -> uint64x2_t {
        x
    }
    #[inline(always)]
    fn widen_mask(self, x: uint64x2_t) -> uint64x2_t {
        x
    }
}

impl Vector for Neon<f32> {
    const WIDTH: usize = 4;
    #[inline(always)]
    unsafe fn assume() -> Self {
        Neon(PhantomData)
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> float32x4_t {
        // SAFETY: as for this function; every aarch64 CPU has the instruction.
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn store(self, x: float32x4_t, to: *mut f32) {
        // SAFETY: as for this function; every aarch64 CPU has the instruction.
        unsafe { vst1q_f32(to, x) }
    }
}

impl Vector for Neon<f64> {
    const WIDTH: usize = 2;
    #[inline(always)]
    unsafe fn assume() -> Self {
        Neon(PhantomData)
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f64) -> float64x2_t {
        // SAFETY: as for this function; every aarch64 CPU has the instruction.
        unsafe { vld1q_f64(from) }
    }
    #[inline(always)]
    unsafe fn store(self, x: float64x2_t, to: *mut f64) {
        // SAFETY: as for this function; every aarch64 CPU has the instruction.
        unsafe { vst1q_f64(to, x) }
    }
}
