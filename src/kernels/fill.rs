//! Memory filled with one element, a sequence, or its own bytes reversed.

/// Writes the `item` bytes at `value` to `dst`, `n` times.
///
/// # Safety
///
/// `value` can be read for `item` bytes and `dst` written for `n * item`; the two do not overlap.
pub unsafe fn splat(value: *const u8, item: usize, dst: *mut u8, n: usize) {
    /// # Safety
    ///
    /// That of [`splat`], for elements of the size of `T`.
    unsafe fn typed<T: Copy>(value: *const u8, dst: *mut u8, n: usize) {
        // SAFETY: `value` holds one `T`, `dst` room for `n`, at any alignment.
        unsafe {
            let value = value.cast::<T>().read_unaligned();
            for i in 0..n {
                dst.cast::<T>().add(i).write_unaligned(value);
            }
        }
    }
    // SAFETY: the contract is the caller's, in units of `item` bytes.
    unsafe {
        match item {
            1 => dst.write_bytes(*value, n),
            2 => typed::<u16>(value, dst, n),
            4 => typed::<u32>(value, dst, n),
            8 => typed::<u64>(value, dst, n),
            16 => typed::<[u64; 2]>(value, dst, n),
            _ => (0..n).for_each(|i| dst.add(i * item).copy_from_nonoverlapping(value, item)),
        }
    }
}

/// Writes `start`, `start + step`, … as `n` elements of `i64`; wraps.
///
/// # Safety
///
/// `dst` can be written for `8 * n` bytes, at any alignment.
pub unsafe fn iota(start: i64, step: i64, dst: *mut u8, n: usize) {
    for i in 0..n {
        let value = start.wrapping_add(step.wrapping_mul(i as i64));
        // SAFETY: `i` is below `n`.
        unsafe { dst.cast::<i64>().add(i).write_unaligned(value) };
    }
}

/// Reverses the bytes of each of `n` elements of `item` bytes. A complex element is two of half its size.
///
/// # Safety
///
/// `data` can be read and written for `n * item` bytes.
pub unsafe fn swap_bytes(data: *mut u8, item: usize, n: usize) {
    macro_rules! swap {
        ($t:ty) => {
            for i in 0..n {
                // SAFETY: element `i` is within the data; unaligned access.
                unsafe {
                    let element = data.cast::<$t>().add(i);
                    element.write_unaligned(element.read_unaligned().swap_bytes());
                }
            }
        };
    }
    match item {
        1 => {}
        2 => swap!(u16),
        4 => swap!(u32),
        8 => swap!(u64),
        16 => swap!(u128),
        _ => {
            for i in 0..n {
                // SAFETY: element `i` is within the data.
                unsafe { std::slice::from_raw_parts_mut(data.add(i * item), item) }.reverse();
            }
        }
    }
}
