//! Lanes in 512-bit registers. A mask is a mask register, a bit a lane.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use raptors_ir::lanes::{Lanes, Rare};

use super::{Pair, Vector};

/// 16 `f32` or 8 `f64`.
#[derive(Clone, Copy, Debug)]
pub struct Avx512<T>(PhantomData<T>);

const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
const DOWN: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;

/// Zeros lose their sign, and other negative numbers are NaN.
const POSITIVE_OR_NAN: _MM_MANTISSA_SIGN_ENUM = _MM_MANT_SIGN_ZERO | _MM_MANT_SIGN_NAN;

impl Lanes for Avx512<f32> {
    type Elem = f32;
    type Float = __m512;
    type Int = __m512i;
    type Mask = __mmask16;
    type Wide = Pair<Avx512<f64>>;

    instructions! {
        float(x: f32) -> __m512 = _mm512_set1_ps(x);
        int(x: i32) -> __m512i = _mm512_set1_epi32(x);
        add(x: __m512, y: __m512) -> __m512 = _mm512_add_ps(x, y);
        sub(x: __m512, y: __m512) -> __m512 = _mm512_sub_ps(x, y);
        mul(x: __m512, y: __m512) -> __m512 = _mm512_mul_ps(x, y);
        div(x: __m512, y: __m512) -> __m512 = _mm512_div_ps(x, y);
        sqrt(x: __m512) -> __m512 = _mm512_sqrt_ps(x);
        fma(x: __m512, y: __m512, z: __m512) -> __m512 = _mm512_fmadd_ps(x, y, z);
        fnma(x: __m512, y: __m512, z: __m512) -> __m512 = _mm512_fnmadd_ps(x, y, z);
        fms(x: __m512, y: __m512, z: __m512) -> __m512 = _mm512_fmsub_ps(x, y, z);
        min(x: __m512, y: __m512) -> __m512 = _mm512_min_ps(x, y);
        max(x: __m512, y: __m512) -> __m512 = _mm512_max_ps(x, y);
        round(x: __m512) -> __m512 = _mm512_roundscale_ps::<NEAREST>(x);
        floor(x: __m512) -> __m512 = _mm512_roundscale_ps::<DOWN>(x);
        scale(x: __m512, n: __m512) -> __m512 = _mm512_scalef_ps(x, n);
        lt(x: __m512, y: __m512) -> __mmask16 = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, y);
        le(x: __m512, y: __m512) -> __mmask16 = _mm512_cmp_ps_mask::<_CMP_LE_OQ>(x, y);
        eq(x: __m512, y: __m512) -> __mmask16 = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(x, y);
        select(mask: __mmask16, x: __m512, y: __m512) -> __m512 = _mm512_mask_blend_ps(mask, y, x);
        bits(x: __m512) -> __m512i = _mm512_castps_si512(x);
        float_of_bits(x: __m512i) -> __m512 = _mm512_castsi512_ps(x);
        int_add(x: __m512i, y: __m512i) -> __m512i = _mm512_add_epi32(x, y);
        int_sub(x: __m512i, y: __m512i) -> __m512i = _mm512_sub_epi32(x, y);
        int_and(x: __m512i, y: __m512i) -> __m512i = _mm512_and_si512(x, y);
        int_or(x: __m512i, y: __m512i) -> __m512i = _mm512_or_si512(x, y);
        int_xor(x: __m512i, y: __m512i) -> __m512i = _mm512_xor_si512(x, y);
        shl(x: __m512i, count: u32) -> __m512i = _mm512_sll_epi32(x, _mm_cvtsi32_si128(count as i32));
        shr(x: __m512i, count: u32) -> __m512i = _mm512_srl_epi32(x, _mm_cvtsi32_si128(count as i32));
        int_shift_right_arithmetic(x: __m512i, count: u32) -> __m512i =
            _mm512_sra_epi32(x, _mm_cvtsi32_si128(count as i32));
        int_eq(x: __m512i, y: __m512i) -> __mmask16 = _mm512_cmpeq_epi32_mask(x, y);
        int_gt(x: __m512i, y: __m512i) -> __mmask16 = _mm512_cmpgt_epi32_mask(x, y);
        exponent(x: __m512) -> __m512 = _mm512_getexp_ps(x);
        mantissa(x: __m512) -> __m512 = _mm512_getmant_ps::<_MM_MANT_NORM_P75_1P5, POSITIVE_OR_NAN>(x);
        lookup(table: &'static [f32; 16], index: __m512i) -> __m512 =
            _mm512_permutexvar_ps(index, _mm512_loadu_ps(table.as_ptr()));
        int_select(mask: __mmask16, x: __m512i, y: __m512i) -> __m512i = _mm512_mask_blend_epi32(mask, y, x);
        widen(x: __m512) -> [__m512d; 2] =
            [_mm512_cvtps_pd(_mm512_castps512_ps256(x)), _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(x))];
        narrow(x: [__m512d; 2]) -> __m512 =
            _mm512_insertf32x8::<1>(_mm512_castps256_ps512(_mm512_cvtpd_ps(x[0])), _mm512_cvtpd_ps(x[1]));
    }

    #[inline(always)]
    fn and(self, a: __mmask16, b: __mmask16) -> __mmask16 {
        a & b
    }
    #[inline(always)]
    fn or(self, a: __mmask16, b: __mmask16) -> __mmask16 {
        a | b
    }
    #[inline(always)]
    fn not(self, a: __mmask16) -> __mmask16 {
        !a
    }
    #[inline(always)]
    fn rare(self, rare: &'static Rare<f32>, mask: __mmask16, value: __m512, x: __m512, y: __m512) -> __m512 {
        super::rare::<_, 16>(self, rare, mask.into(), [value, x, y])
    }
    #[inline(always)]
    fn wide(self) -> Pair<Avx512<f64>> {
        Pair(Avx512(PhantomData))
    }
    #[inline(always)]
    fn narrow_mask(self, x: [__mmask8; 2]) -> __mmask16 {
        __mmask16::from_le_bytes(x)
    }
    #[inline(always)]
    fn widen_mask(self, x: __mmask16) -> [__mmask8; 2] {
        x.to_le_bytes()
    }
}

impl Lanes for Avx512<f64> {
    type Elem = f64;
    type Float = __m512d;
    type Int = __m512i;
    type Mask = __mmask8;
    type Wide = Avx512<f64>;

    instructions! {
        float(x: f64) -> __m512d = _mm512_set1_pd(x);
        int(x: i64) -> __m512i = _mm512_set1_epi64(x);
        add(x: __m512d, y: __m512d) -> __m512d = _mm512_add_pd(x, y);
        sub(x: __m512d, y: __m512d) -> __m512d = _mm512_sub_pd(x, y);
        mul(x: __m512d, y: __m512d) -> __m512d = _mm512_mul_pd(x, y);
        div(x: __m512d, y: __m512d) -> __m512d = _mm512_div_pd(x, y);
        sqrt(x: __m512d) -> __m512d = _mm512_sqrt_pd(x);
        fma(x: __m512d, y: __m512d, z: __m512d) -> __m512d = _mm512_fmadd_pd(x, y, z);
        fnma(x: __m512d, y: __m512d, z: __m512d) -> __m512d = _mm512_fnmadd_pd(x, y, z);
        fms(x: __m512d, y: __m512d, z: __m512d) -> __m512d = _mm512_fmsub_pd(x, y, z);
        min(x: __m512d, y: __m512d) -> __m512d = _mm512_min_pd(x, y);
        max(x: __m512d, y: __m512d) -> __m512d = _mm512_max_pd(x, y);
        round(x: __m512d) -> __m512d = _mm512_roundscale_pd::<NEAREST>(x);
        floor(x: __m512d) -> __m512d = _mm512_roundscale_pd::<DOWN>(x);
        scale(x: __m512d, n: __m512d) -> __m512d = _mm512_scalef_pd(x, n);
        lt(x: __m512d, y: __m512d) -> __mmask8 = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(x, y);
        le(x: __m512d, y: __m512d) -> __mmask8 = _mm512_cmp_pd_mask::<_CMP_LE_OQ>(x, y);
        eq(x: __m512d, y: __m512d) -> __mmask8 = _mm512_cmp_pd_mask::<_CMP_EQ_OQ>(x, y);
        select(mask: __mmask8, x: __m512d, y: __m512d) -> __m512d = _mm512_mask_blend_pd(mask, y, x);
        bits(x: __m512d) -> __m512i = _mm512_castpd_si512(x);
        float_of_bits(x: __m512i) -> __m512d = _mm512_castsi512_pd(x);
        int_add(x: __m512i, y: __m512i) -> __m512i = _mm512_add_epi64(x, y);
        int_sub(x: __m512i, y: __m512i) -> __m512i = _mm512_sub_epi64(x, y);
        int_and(x: __m512i, y: __m512i) -> __m512i = _mm512_and_si512(x, y);
        int_or(x: __m512i, y: __m512i) -> __m512i = _mm512_or_si512(x, y);
        int_xor(x: __m512i, y: __m512i) -> __m512i = _mm512_xor_si512(x, y);
        shl(x: __m512i, count: u32) -> __m512i = _mm512_sll_epi64(x, _mm_cvtsi32_si128(count as i32));
        shr(x: __m512i, count: u32) -> __m512i = _mm512_srl_epi64(x, _mm_cvtsi32_si128(count as i32));
        int_shift_right_arithmetic(x: __m512i, count: u32) -> __m512i =
            _mm512_sra_epi64(x, _mm_cvtsi32_si128(count as i32));
        int_eq(x: __m512i, y: __m512i) -> __mmask8 = _mm512_cmpeq_epi64_mask(x, y);
        int_gt(x: __m512i, y: __m512i) -> __mmask8 = _mm512_cmpgt_epi64_mask(x, y);
        exponent(x: __m512d) -> __m512d = _mm512_getexp_pd(x);
        mantissa(x: __m512d) -> __m512d = _mm512_getmant_pd::<_MM_MANT_NORM_P75_1P5, POSITIVE_OR_NAN>(x);
        lookup(table: &'static [f64; 8], index: __m512i) -> __m512d =
            _mm512_permutexvar_pd(index, _mm512_loadu_pd(table.as_ptr()));
        int_select(mask: __mmask8, x: __m512i, y: __m512i) -> __m512i = _mm512_mask_blend_epi64(mask, y, x);
    }

    #[inline(always)]
    fn and(self, a: __mmask8, b: __mmask8) -> __mmask8 {
        a & b
    }
    #[inline(always)]
    fn or(self, a: __mmask8, b: __mmask8) -> __mmask8 {
        a | b
    }
    #[inline(always)]
    fn not(self, a: __mmask8) -> __mmask8 {
        !a
    }
    #[inline(always)]
    fn rare(
        self,
        rare: &'static Rare<f64>,
        mask: __mmask8,
        value: __m512d,
        x: __m512d,
        y: __m512d,
    ) -> __m512d {
        super::rare::<_, 8>(self, rare, mask.into(), [value, x, y])
    }
    #[inline(always)]
    fn wide(self) -> Avx512<f64> {
        self
    }
    #[inline(always)]
    fn widen(self, x: __m512d) -> __m512d {
        x
    }
    #[inline(always)]
    fn narrow(self, x: __m512d) -> __m512d {
        x
    }
    #[inline(always)]
    fn narrow_mask(self, x: __mmask8) -> __mmask8 {
        x
    }
    #[inline(always)]
    fn widen_mask(self, x: __mmask8) -> __mmask8 {
        x
    }
}

impl Vector for Avx512<f32> {
    const WIDTH: usize = 16;
    #[inline(always)]
    unsafe fn assume() -> Self {
        Avx512(PhantomData)
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: as for this function; there is a context, so the CPU has the instruction.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(self, x: __m512, to: *mut f32) {
        // SAFETY: as for this function; there is a context, so the CPU has the instruction.
        unsafe { _mm512_storeu_ps(to, x) }
    }
}

impl Vector for Avx512<f64> {
    const WIDTH: usize = 8;
    #[inline(always)]
    unsafe fn assume() -> Self {
        Avx512(PhantomData)
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f64) -> __m512d {
        // SAFETY: as for this function; there is a context, so the CPU has the instruction.
        unsafe { _mm512_loadu_pd(from) }
    }
    #[inline(always)]
    unsafe fn store(self, x: __m512d, to: *mut f64) {
        // SAFETY: as for this function; there is a context, so the CPU has the instruction.
        unsafe { _mm512_storeu_pd(to, x) }
    }
}
