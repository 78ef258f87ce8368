//! Lanes in 256-bit registers. A mask is a register whose lanes are all ones or all zeros.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use raptors_ir::lanes::{Lanes, Rare};

use super::{Pair, Vector};

/// 8 `f32` or 4 `f64`.
#[derive(Clone, Copy, Debug)]
pub struct Avx2<T>(PhantomData<T>);

const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
const DOWN: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;

impl Lanes for Avx2<f32> {
    type Elem = f32;
    type Float = __m256;
    type Int = __m256i;
    type Mask = __m256;
    type Wide = Pair<Avx2<f64>>;

    instructions! {
        float(x: f32) -> __m256 = _mm256_set1_ps(x);
        int(x: i32) -> __m256i = _mm256_set1_epi32(x);
        add(x: __m256, y: __m256) -> __m256 = _mm256_add_ps(x, y);
        sub(x: __m256, y: __m256) -> __m256 = _mm256_sub_ps(x, y);
        mul(x: __m256, y: __m256) -> __m256 = _mm256_mul_ps(x, y);
        div(x: __m256, y: __m256) -> __m256 = _mm256_div_ps(x, y);
        sqrt(x: __m256) -> __m256 = _mm256_sqrt_ps(x);
        fma(x: __m256, y: __m256, z: __m256) -> __m256 = _mm256_fmadd_ps(x, y, z);
        fnma(x: __m256, y: __m256, z: __m256) -> __m256 = _mm256_fnmadd_ps(x, y, z);
        fms(x: __m256, y: __m256, z: __m256) -> __m256 = _mm256_fmsub_ps(x, y, z);
        min(x: __m256, y: __m256) -> __m256 = _mm256_min_ps(x, y);
        max(x: __m256, y: __m256) -> __m256 = _mm256_max_ps(x, y);
        round(x: __m256) -> __m256 = _mm256_round_ps::<NEAREST>(x);
        floor(x: __m256) -> __m256 = _mm256_round_ps::<DOWN>(x);
        lt(x: __m256, y: __m256) -> __m256 = _mm256_cmp_ps::<_CMP_LT_OQ>(x, y);
        le(x: __m256, y: __m256) -> __m256 = _mm256_cmp_ps::<_CMP_LE_OQ>(x, y);
        eq(x: __m256, y: __m256) -> __m256 = _mm256_cmp_ps::<_CMP_EQ_OQ>(x, y);
        and(a: __m256, b: __m256) -> __m256 = _mm256_and_ps(a, b);
        or(a: __m256, b: __m256) -> __m256 = _mm256_or_ps(a, b);
        not(a: __m256) -> __m256 = _mm256_xor_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(-1)));
        select(mask: __m256, x: __m256, y: __m256) -> __m256 = _mm256_blendv_ps(y, x, mask);
        bits(x: __m256) -> __m256i = _mm256_castps_si256(x);
        float_of_bits(x: __m256i) -> __m256 = _mm256_castsi256_ps(x);
        int_add(x: __m256i, y: __m256i) -> __m256i = _mm256_add_epi32(x, y);
        int_sub(x: __m256i, y: __m256i) -> __m256i = _mm256_sub_epi32(x, y);
        int_and(x: __m256i, y: __m256i) -> __m256i = _mm256_and_si256(x, y);
        int_or(x: __m256i, y: __m256i) -> __m256i = _mm256_or_si256(x, y);
        int_xor(x: __m256i, y: __m256i) -> __m256i = _mm256_xor_si256(x, y);
        shl(x: __m256i, count: u32) -> __m256i = _mm256_sll_epi32(x, _mm_cvtsi32_si128(count as i32));
        shr(x: __m256i, count: u32) -> __m256i = _mm256_srl_epi32(x, _mm_cvtsi32_si128(count as i32));
        int_shift_right_arithmetic(x: __m256i, count: u32) -> __m256i =
            _mm256_sra_epi32(x, _mm_cvtsi32_si128(count as i32));
        int_eq(x: __m256i, y: __m256i) -> __m256 = _mm256_castsi256_ps(_mm256_cmpeq_epi32(x, y));
        int_gt(x: __m256i, y: __m256i) -> __m256 = _mm256_castsi256_ps(_mm256_cmpgt_epi32(x, y));
        lookup(table: &'static [f32; 16], index: __m256i) -> __m256 = {
            let low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table.as_ptr()), index);
            let high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table[8..].as_ptr()), index);
            _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(index)))
        };
        lookup_half(table: &'static [f32; 16], index: __m256i) -> __m256 =
            _mm256_permutevar8x32_ps(_mm256_loadu_ps(table.as_ptr()), index);
        int_select(mask: __m256, x: __m256i, y: __m256i) -> __m256i =
            _mm256_blendv_epi8(y, x, _mm256_castps_si256(mask));
        widen(x: __m256) -> [__m256d; 2] =
            [_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(x))];
        narrow(x: [__m256d; 2]) -> __m256 = _mm256_set_m128(_mm256_cvtpd_ps(x[1]), _mm256_cvtpd_ps(x[0]));
        narrow_mask(x: [__m256d; 2]) -> __m256 = {
            // The low halves of all lanes: 0 1 4 5 2 3 6 7, then in order.
            let low = _mm256_shuffle_ps::<0b10_00_10_00>(_mm256_castpd_ps(x[0]), _mm256_castpd_ps(x[1]));
            _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_castps_pd(low)))
        };
        widen_mask(x: __m256) -> [__m256d; 2] = {
            let x = _mm256_castps_si256(x);
            let (low, high) = (_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
            [
                _mm256_castsi256_pd(_mm256_cvtepi32_epi64(low)),
                _mm256_castsi256_pd(_mm256_cvtepi32_epi64(high)),
            ]
        };
    }

    #[inline(always)]
    fn rare(self, rare: &'static Rare<f32>, mask: __m256, value: __m256, x: __m256, y: __m256) -> __m256 {
        // SAFETY: there is a context, so the CPU has the instructions.
        let mask = unsafe { _mm256_movemask_ps(mask) };
        super::rare::<_, 8>(self, rare, mask.cast_unsigned(), [value, x, y])
    }
    #[inline(always)]
    fn wide(self) -> Pair<Avx2<f64>> {
        Pair(Avx2(PhantomData))
    }
}

impl Lanes for Avx2<f64> {
    type Elem = f64;
    type Float = __m256d;
    type Int = __m256i;
    type Mask = __m256d;
    type Wide = Avx2<f64>;

    instructions! {
        float(x: f64) -> __m256d = _mm256_set1_pd(x);
        int(x: i64) -> __m256i = _mm256_set1_epi64x(x);
        add(x: __m256d, y: __m256d) -> __m256d = _mm256_add_pd(x, y);
        sub(x: __m256d, y: __m256d) -> __m256d = _mm256_sub_pd(x, y);
        mul(x: __m256d, y: __m256d) -> __m256d = _mm256_mul_pd(x, y);
        div(x: __m256d, y: __m256d) -> __m256d = _mm256_div_pd(x, y);
        sqrt(x: __m256d) -> __m256d = _mm256_sqrt_pd(x);
        fma(x: __m256d, y: __m256d, z: __m256d) -> __m256d = _mm256_fmadd_pd(x, y, z);
        fnma(x: __m256d, y: __m256d, z: __m256d) -> __m256d = _mm256_fnmadd_pd(x, y, z);
        fms(x: __m256d, y: __m256d, z: __m256d) -> __m256d = _mm256_fmsub_pd(x, y, z);
        min(x: __m256d, y: __m256d) -> __m256d = _mm256_min_pd(x, y);
        max(x: __m256d, y: __m256d) -> __m256d = _mm256_max_pd(x, y);
        round(x: __m256d) -> __m256d = _mm256_round_pd::<NEAREST>(x);
        floor(x: __m256d) -> __m256d = _mm256_round_pd::<DOWN>(x);
        lt(x: __m256d, y: __m256d) -> __m256d = _mm256_cmp_pd::<_CMP_LT_OQ>(x, y);
        le(x: __m256d, y: __m256d) -> __m256d = _mm256_cmp_pd::<_CMP_LE_OQ>(x, y);
        eq(x: __m256d, y: __m256d) -> __m256d = _mm256_cmp_pd::<_CMP_EQ_OQ>(x, y);
        and(a: __m256d, b: __m256d) -> __m256d = _mm256_and_pd(a, b);
        or(a: __m256d, b: __m256d) -> __m256d = _mm256_or_pd(a, b);
        not(a: __m256d) -> __m256d = _mm256_xor_pd(a, _mm256_castsi256_pd(_mm256_set1_epi64x(-1)));
        select(mask: __m256d, x: __m256d, y: __m256d) -> __m256d = _mm256_blendv_pd(y, x, mask);
        bits(x: __m256d) -> __m256i = _mm256_castpd_si256(x);
        float_of_bits(x: __m256i) -> __m256d = _mm256_castsi256_pd(x);
        int_add(x: __m256i, y: __m256i) -> __m256i = _mm256_add_epi64(x, y);
        int_sub(x: __m256i, y: __m256i) -> __m256i = _mm256_sub_epi64(x, y);
        int_and(x: __m256i, y: __m256i) -> __m256i = _mm256_and_si256(x, y);
        int_or(x: __m256i, y: __m256i) -> __m256i = _mm256_or_si256(x, y);
        int_xor(x: __m256i, y: __m256i) -> __m256i = _mm256_xor_si256(x, y);
        shl(x: __m256i, count: u32) -> __m256i = _mm256_sll_epi64(x, _mm_cvtsi32_si128(count as i32));
        shr(x: __m256i, count: u32) -> __m256i = _mm256_srl_epi64(x, _mm_cvtsi32_si128(count as i32));
        int_eq(x: __m256i, y: __m256i) -> __m256d = _mm256_castsi256_pd(_mm256_cmpeq_epi64(x, y));
        int_gt(x: __m256i, y: __m256i) -> __m256d = _mm256_castsi256_pd(_mm256_cmpgt_epi64(x, y));
        lookup(table: &'static [f64; 8], index: __m256i) -> __m256d = {
            // Both halves of each entry, in four of the eight places of four bytes.
            let twice = _mm256_slli_epi32::<1>(_mm256_shuffle_epi32::<0b10_10_00_00>(index));
            let halves = _mm256_or_si256(twice, _mm256_set1_epi64x(1 << 32));
            let low = _mm256_castpd_ps(_mm256_loadu_pd(table.as_ptr()));
            let high = _mm256_castpd_ps(_mm256_loadu_pd(table[4..].as_ptr()));
            let low = _mm256_castps_pd(_mm256_permutevar8x32_ps(low, halves));
            let high = _mm256_castps_pd(_mm256_permutevar8x32_ps(high, halves));
            _mm256_blendv_pd(low, high, _mm256_castsi256_pd(_mm256_slli_epi64::<61>(index)))
        };
        lookup_half(table: &'static [f64; 8], index: __m256i) -> __m256d = {
            let twice = _mm256_slli_epi32::<1>(_mm256_shuffle_epi32::<0b10_10_00_00>(index));
            let halves = _mm256_or_si256(twice, _mm256_set1_epi64x(1 << 32));
            let low = _mm256_castpd_ps(_mm256_loadu_pd(table.as_ptr()));
            _mm256_castps_pd(_mm256_permutevar8x32_ps(low, halves))
        };
        int_select(mask: __m256d, x: __m256i, y: __m256i) -> __m256i =
            _mm256_blendv_epi8(y, x, _mm256_castpd_si256(mask));
    }

    #[inline(always)]
    fn rare(
        self,
        rare: &'static Rare<f64>,
        mask: __m256d,
        value: __m256d,
        x: __m256d,
        y: __m256d,
    ) -> __m256d {
        // SAFETY: there is a context, so the CPU has the instructions.
        let mask = unsafe { _mm256_movemask_pd(mask) };
        super::rare::<_, 4>(self, rare, mask.cast_unsigned(), [value, x, y])
    }
    #[inline(always)]
    fn wide(self) -> Avx2<f64> {
        self
    }
    #[inline(always)]
    fn widen(self, x: __m256d) -> __m256d {
        x
    }
    #[inline(always)]
    fn narrow(self, x: __m256d) -> __m256d {
        x
    }
    #[inline(always)]
    fn narrow_mask(self, x: __m256d) -> __m256d {
        x
    }
    #[inline(always)]
    fn widen_mask(self, x: __m256d) -> __m256d {
        x
    }
}

impl Vector for Avx2<f32> {
    const WIDTH: usize = 8;
    #[inline(always)]
    unsafe fn assume() -> Self {
        Avx2(PhantomData)
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        // SAFETY: as for this function; there is a context, so the CPU has the instruction.
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(self, x: __m256, to: *mut f32) {
        // SAFETY: as for this function; there is a context, so the CPU has the instruction.
        unsafe { _mm256_storeu_ps(to, x) }
    }
}

impl Vector for Avx2<f64> {
    const WIDTH: usize = 4;
    #[inline(always)]
    unsafe fn assume() -> Self {
        Avx2(PhantomData)
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f64) -> __m256d {
        // SAFETY: as for this function; there is a context, so the CPU has the instruction.
        unsafe { _mm256_loadu_pd(from) }
    }
    #[inline(always)]
    unsafe fn store(self, x: __m256d, to: *mut f64) {
        // SAFETY: as for this function; there is a context, so the CPU has the instruction.
        unsafe { _mm256_storeu_pd(to, x) }
    }
}
