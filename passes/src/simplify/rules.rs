//! The table of rules, in the order they are tried.

use super::Effect::{Contracts, IgnoresNan, IgnoresSignedZero, Reassociates, Relaxes};
use super::{On, Rule, arithmetic, bounds, casts, constants, identities, reductions, relaxed, selection};

/// Expands rows `name: what it looks at [effects] "algebra" => function` to the table.
macro_rules! rules {
    ($($name:literal: $on:ident [$($effect:ident),*] $algebra:literal => $function:path;)*) => {
        /// The rules, in the order they are tried.
        pub const RULES: &[Rule] = &[
            $(Rule {
                name: $name,
                algebra: $algebra,
                effects: &[$($effect),*],
                on: On::$on,
                apply: $function,
            },)*
        ];
    };
}

rules! {
    "fold": Any [] "f(constants) = constant" => constants::fold;
    "identity-function": Unary [] "positive(x) = conj(x) = real(x) = x; abs(n) = n, for unsigned n"
        => identities::identity_function;
    "integral-round": Unary [] "floor(n) = ceil(n) = trunc(n) = round(n) = n" => identities::integral_round;
    "constant-function": Unary [] "isnan(n) = isinf(n) = false; isfinite(n) = true, also of cast(n); imag(x) = 0"
        => identities::constant_function;
    "neutral-operand": Literal [] "x * 1 = x / 1 = x ** 1 = x - 0 = x + -0.0 = n & ~0 = n | 0 = n << 0 = x"
        => identities::neutral_operand;
    "absorbing-operand": Literal [] "n * 0 = n & 0 = n % 1 = n % -1 = 0; n | ~0 = ~0; n ** 0 = 1; b or true = true"
        => identities::absorbing_operand;
    "idempotent": Any [] "f(f(x)) = f(x); min(x, x) = n & n = x; b and b = b" => identities::idempotent;
    "rounded-twice": Unary [] "floor(ceil(x)) = ceil(x), and any of floor, ceil, trunc, round of another, of sign(x), of cast(n)"
        => identities::rounded_twice;
    "abs-of-nonnegative": Unary [] "abs(square(x)) = square(x), and abs of exp, cosh, hypot, for floats"
        => identities::abs_of_nonnegative;
    "involution": Unary [] "-(-x) = ~(~n) = x" => identities::involution;
    "same-integers": Binary [] "n - n = n ^ n = 0; n == n is true; n < n is false" => identities::same_integers;
    "same-floats-compared": Binary [] "x != x is isnan(x); x < x = x > x = false" => identities::same_floats_compared;
    "complement": Binary [] "n & ~n = 0; n | ~n = n ^ ~n = ~0; b and not b = false; b or not b = true"
        => identities::complement;

    "negated-operand": Binary [] "x + (-y) = x - y; x - (-y) = x + y; (-x) * (-y) = x * y; (-x) / (-y) = x / y"
        => arithmetic::negated_operand;
    "negation": Literal [] "x * -1 = x / -1 = n // -1 = -0.0 - x = -x; 0 - n = -n" => arithmetic::negation;
    "even-function": Unary [] "abs(-x) = abs(x); square(-x) = square(abs(x)) = square(x)"
        => arithmetic::even_function;
    "copied-sign": Binary [] "copysign(-x, y) = copysign(abs(x), y) = copysign(x, y); copysign(x, x) = x"
        => arithmetic::copied_sign;
    "fma-of-one": Any [] "fma(x, 1, z) = x + z; fma(x, -1, z) = z - x; fma(x, y, -0.0) = x * y; fma(-x, -y, z) = fma(x, y, z)"
        => arithmetic::fma_of_one;
    "cancelled-integers": Binary [] "(n + m) - m = (n - m) + m = n ^ m ^ m = n; n - (n - m) = m"
        => arithmetic::cancelled_integers;
    "shifts": Literal [] "(n << s) << t = n << (s + t); (n >> s) >> t = n >> (s + t)" => arithmetic::shifts;
    "divide-by-power-of-two": Literal [] "x / 2**k = x * 2**-k" => arithmetic::divide_by_power_of_two;
    "integer-power-of-two": Literal [] "n * 2 = n + n; n * 2**k = n << k; n // 2**k = n >> k; n % 2**k = n & (2**k - 1)"
        => arithmetic::integer_power_of_two;
    "integer-square": Literal [] "n ** 2 = square(n)" => arithmetic::integer_square;
    "absorbed-bound": Binary [] "min(n, max(n, m)) = n & (n | m) = n; max(n, min(n, m)) = n | (n & m) = n"
        => bounds::absorbed_bound;
    "implied-bound": Literal [] "max(v, s) = v, for v = min(max(x, t), u) and the like that is no less than s; min likewise"
        => bounds::implied_bound;
    "associative-scalars": Binary [] "(x ∘ s) ∘ t = x ∘ (s ∘ t), for min, max, &, |, ^, and integer + and *"
        => arithmetic::associative_scalars;

    "repeated-bound": Binary [] "min(min(x, y), y) = min(x, min(x, y)) = min(x, y); max likewise"
        => bounds::repeated_bound;
    "repeated-clip": Binary [] "clip(clip(x, s, t), s, t) = clip(x, s, t)" => bounds::repeated_clip;

    "where-constant": Where [] "where(true, x, y) = x; where(b, x, x) = x" => selection::where_constant;
    "where-not": Where [] "where(not b, x, y) = where(b, y, x)" => selection::where_not;
    "where-nested": Where [] "where(b, where(b, x, y), z) = where(b, x, where(b, y, z)) = where(b, x, z)"
        => selection::where_nested;
    "where-bool": Where [] "where(b, true, false) = b; where(b, false, true) = not b" => selection::where_bool;
    "where-number": Where [] "where(b, 1, 0) = cast(b); where(b, 0, 1) = cast(not b)" => selection::where_number;
    "double-not": Unary [] "not (not b) = b" => selection::double_not;
    "not-comparison": Unary [] "not (x == y) = (x != y); not (n < m) = (n >= m), for integers"
        => selection::not_comparison;
    "compare-with-bool": Literal [] "(b == true) = b; (b == false) = not b" => selection::compare_with_bool;

    "cast-same": Cast [] "cast(x: t, t) = x" => casts::cast_same;
    "cast-chain": Cast [] "cast(cast(x, u), t) = cast(x, t), when u holds every x, or all are integers and t is the narrowest"
        => casts::cast_chain;
    "cast-narrow": Cast [] "cast(f(cast(x: t, u), y), t) = f(x, y), for wrapping integers, and f32 through f64"
        => casts::cast_narrow;

    "reduce-nothing": Reduce [] "prod(x) = max(x) = x; sum(x) = x + 0; over axes of length 1"
        => reductions::reduce_nothing;
    "reduce-broadcast": Reduce [] "max(broadcast(x)) = max(x), and min, any, all; sum(broadcast(n)) = sum(n) * length"
        => reductions::reduce_broadcast;
    "reduce-reduce": Reduce [] "any(any(x)) = any(x), and all; sum(sum(n)) = sum(n), and prod, min, max"
        => reductions::reduce_reduce;
    "reduce-reshape": Reduce [] "sum(reshape(x)) = reshape(sum(x)), and prod, min, max, any, all, where the reshape would be a copy"
        => reductions::reduce_reshape;

    "concat-one": Any [] "concat(x) = x; operands without elements are left out" => identities::concat_one;

    "common-factor": Binary [Reassociates] "x * z + y * z = (x + y) * z" => relaxed::common_factor;
    "fused-multiply-add": Binary [Contracts] "x * y + z = fma(x, y, z)" => relaxed::fused_multiply_add;
    "float-associative-scalars": Binary [Reassociates] "(x + s) + t = x + (s + t); (x * s) * t = x * (s * t)"
        => relaxed::float_associative_scalars;
    "divide-by-scalar": Binary [Reassociates] "x / s = x * (1 / s)" => relaxed::divide_by_scalar;
    "divide-twice": Binary [Reassociates] "(x / y) / z = x / (y * z)" => relaxed::divide_twice;
    "power-by-products": Literal [Reassociates] "x ** 2 = square(x); x ** -1 = 1 / x" => relaxed::power_by_products;
    "power-by-root": Literal [Reassociates, IgnoresNan, IgnoresSignedZero] "x ** 0.5 = sqrt(x)"
        => relaxed::power_by_root;
    "signless-zero": Literal [IgnoresSignedZero] "x + 0 = x; 0 - x = -x" => relaxed::signless_zero;
    "multiply-by-zero": Literal [IgnoresNan, IgnoresSignedZero] "x * 0 = 0" => relaxed::multiply_by_zero;
    "same-floats": Binary [IgnoresNan] "x - x = 0; x / x = 1; x == x is true" => relaxed::same_floats;
    "sum-broadcast": Reduce [Reassociates, IgnoresSignedZero] "sum(broadcast(x)) = sum(x) * length" => reductions::sum_broadcast;
    "float-reduce-reduce": Reduce [Reassociates, IgnoresSignedZero] "sum(sum(x)) = sum(x), and prod, min, max"
        => reductions::float_reduce_reduce;
    "relaxed-function": Any [Relaxes] "sin(x) = relaxed_sin(x), and other functions of mathematics that have a twin"
        => relaxed::relaxed_function;
}
