//! Memory between pages that must not be touched.

/// Pages between two that fault.
pub(super) struct Guarded {
    start: *mut u8,
    bytes: usize,
}

/// Bytes of a page of this system.
fn page() -> usize {
    // SAFETY: asks for a number.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

impl Guarded {
    pub(super) fn new(bytes: usize) -> Guarded {
        let bytes = bytes.next_multiple_of(page());
        // SAFETY: a new mapping of pages without access; those in the middle are then opened.
        let start = unsafe {
            let all = libc::mmap(
                std::ptr::null_mut(),
                bytes + 2 * page(),
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert!(all != libc::MAP_FAILED);
            let start = all.cast::<u8>().add(page());
            assert_eq!(libc::mprotect(start.cast(), bytes, libc::PROT_READ | libc::PROT_WRITE), 0);
            start
        };
        Guarded { start, bytes }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The bytes between the guards.
    pub(super) fn slice(&mut self) -> &mut [u8] {
        // SAFETY: the pages are open, and only reached through `self`.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.bytes) }
    }

    pub(super) fn address(&self) -> *mut u8 {
        self.start
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`.
        unsafe { libc::munmap(self.start.sub(page()).cast(), self.bytes + 2 * page()) };
    }
}
