//! The control word of float arithmetic: how the CPU rounds, and whether it keeps subnormal numbers.
//!
//! A library compiled with `-ffast-math` may have set it for the whole thread, and threads that start inherit it. Results
//! must not depend on that: arithmetic runs under the standard word, and the caller's is put back. Costs the time to read
//! the word where it is the standard one, as it is nearly always.
//!
//! Limits: x86-64 (MXCSR) and aarch64 (FPCR). The scalars of an expression are converted when it is recorded, under the
//! caller's word.

/// While it lives, this thread's arithmetic rounds to nearest, keeps subnormals and traps nothing.
#[derive(Debug)]
pub(crate) struct StandardFloats {
    /// The caller's word, where it is another one.
    theirs: Option<word::Word>,
    /// A thread's word is changed back on that thread.
    _thread: std::marker::PhantomData<*const ()>,
}

impl StandardFloats {
    #[inline]
    pub(crate) fn enter() -> StandardFloats {
        let theirs = word::read();
        let differs = theirs & word::CONTROL != word::STANDARD;
        if differs {
            word::write(word::STANDARD);
        }
        StandardFloats { theirs: differs.then_some(theirs), _thread: std::marker::PhantomData }
    }
}

impl Drop for StandardFloats {
    #[inline]
    fn drop(&mut self) {
        if let Some(theirs) = self.theirs {
            word::write(theirs);
        }
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod word {
    use std::arch::asm;

    pub(super) type Word = u32;
    /// All but the flags of what happened.
    pub(super) const CONTROL: u32 = !0x3f;
    /// All exceptions masked, nearest, no flush to zero, no denormals as zeros.
    pub(super) const STANDARD: u32 = 0x1f80;

    #[inline]
    pub(super) fn read() -> u32 {
        let mut word = 0u32;
        // SAFETY: stores MXCSR to `word`.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack, preserves_flags)) };
        word
    }

    #[inline]
    pub(super) fn write(word: u32) {
        // SAFETY: loads MXCSR from `word`, which sets no reserved bit: it was read from MXCSR, or is the word that
        // processes start with.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, preserves_flags)) };
    }
}

#[cfg(all(target_arch = "aarch64", not(miri)))]
mod word {
    use std::arch::asm;

    pub(super) type Word = u64;
    pub(super) const CONTROL: u64 = !0;
    /// Nearest, no flush to zero, no traps, NaNs propagate.
    pub(super) const STANDARD: u64 = 0;

    #[inline]
    pub(super) fn read() -> u64 {
        let word;
        // SAFETY: copies FPCR.
        unsafe { asm!("mrs {}, fpcr", out(reg) word, options(nomem, nostack, preserves_flags)) };
        word
    }

    #[inline]
    pub(super) fn write(word: u64) {
        // SAFETY: sets FPCR to what it was, or to what processes start with. The compiler must not move memory accesses,
        // and with them arithmetic, across it.
        unsafe { asm!("msr fpcr, {}", in(reg) word, options(nostack, preserves_flags)) };
    }
}

#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
mod word {
    pub(super) type Word = u32;
    pub(super) const CONTROL: u32 = 0;
    pub(super) const STANDARD: u32 = 0;

    pub(super) fn read() -> u32 {
        0
    }

    pub(super) fn write(_word: u32) {}
}

#[cfg(all(test, target_arch = "x86_64", not(miri)))]
mod tests {
    use super::*;

    /// Divides at run time.
    fn half(x: f32) -> f32 {
        std::hint::black_box(x) / std::hint::black_box(2.0)
    }

    #[test]
    fn arithmetic_is_standard_inside_and_the_callers_again_after() {
        let (before, subnormal) = (word::read(), f32::MIN_POSITIVE / 4.0);
        // Flush to zero, denormals are zeros, towards minus infinity.
        let theirs = word::STANDARD | 0x8040 | 0x2000;
        word::write(theirs);
        let outside = half(subnormal);
        let inside = {
            let _standard = StandardFloats::enter();
            (half(subnormal), word::read() & word::CONTROL)
        };
        let after = word::read() & word::CONTROL;
        word::write(before);
        assert_eq!((outside, inside), (0.0, (f32::MIN_POSITIVE / 8.0, word::STANDARD)));
        assert_eq!(after, theirs);
    }
}
