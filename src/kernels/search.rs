//! Searches in sorted elements, and counts of small numbers.

use raptors_ir::Side;

use super::sort_key::Sortable;

/// Searches side by side: each step's reads wait for memory together.
const LANES: usize = 16;

/// Where each of `values` would be inserted.
pub(crate) fn searchsorted<T: Sortable>(sorted: &[T], values: &[T], side: Side, out: &mut [i64]) {
    match side {
        Side::Left => search_all(sorted, values, out, T::is_less, |x, value| x.rank() < value.rank()),
        Side::Right => search_all(sorted, values, out, T::is_at_most, |x, value| x.rank() <= value.rank()),
    }
}

/// The search for each of `values`, of which numbers are compared by `before`, and NaNs by `before_nan`, which takes longer.
#[inline(always)]
fn search_all<T: Sortable>(
    sorted: &[T],
    values: &[T],
    out: &mut [i64],
    before: impl Fn(T, T) -> bool,
    before_nan: impl Fn(T, T) -> bool,
) {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let (out_chunks, out_rest) = out.as_chunks_mut::<LANES>();
    for (values, out) in chunks.iter().zip(out_chunks) {
        *out = search(sorted, *values, &before);
    }
    for (&value, out) in rest.iter().zip(out_rest) {
        [*out] = search(sorted, [value], &before);
    }
    if T::IS_FLOAT && values.iter().any(|value| value.is_nan()) {
        for (&value, out) in values.iter().zip(out).filter(|(value, _)| value.is_nan()) {
            [*out] = search(sorted, [value], &before_nan);
        }
    }
}

/// For each value, the number of elements that are `before` it.
#[inline(always)]
fn search<T: Sortable, const N: usize>(
    sorted: &[T],
    values: [T; N],
    before: impl Fn(T, T) -> bool,
) -> [i64; N] {
    let mut starts = [0usize; N];
    let mut len = sorted.len();
    if len == 0 {
        return [0; N];
    }
    // The answer is within `start..=start + len`; each step halves `len`, whatever the comparisons say.
    while len > 1 {
        let half = len / 2;
        for (start, value) in starts.iter_mut().zip(values) {
            *start += if before(sorted[*start + half - 1], value) { half } else { 0 };
        }
        len -= half;
    }
    std::array::from_fn(|lane| {
        let start = starts[lane];
        start as i64 + i64::from(before(sorted[start], values[lane]))
    })
}

/// Adds how often each number is among `x` to `counts`; stops at a number that has no count, and returns it.
pub(crate) fn count(x: &[i64], counts: &mut [i64]) -> Result<(), i64> {
    for &number in x {
        match usize::try_from(number).ok().and_then(|number| counts.get_mut(number)) {
            Some(count) => *count += 1,
            None => return Err(number),
        }
    }
    Ok(())
}
