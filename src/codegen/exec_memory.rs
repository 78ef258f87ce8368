//! Memory that holds machine code.
//!
//! Code is installed in an *arena*: shared memory without a name that is mapped twice, once to write and once
//! to run, so that no mapping is ever both and installing is a copy. Where the system refuses that, each
//! piece of code gets a mapping that is written and then made executable; where it refuses that too, there is
//! no code, and programs are interpreted.
//!
//! Nothing is mapped before the first use. A forked child shares the arenas of its parent: it goes on running
//! what it finds in them, and installs in arenas of its own. An arena is unmapped when the last code in it is
//! dropped.
//!
//! Processors of aarch64 do not look in the data cache for instructions: before code is run, what was written is moved to
//! where they do.
//!
//! On Apple Silicon pages may be written or run by a thread, never both, and only in a mapping made for that: an arena has one
//! mapping, which the installing thread may write while it installs, and only run after.
//!
//! Limits: Linux on x86-64 and aarch64, macOS on aarch64; elsewhere [`install`] refuses.

#![cfg_attr(
    not(any(
        all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")),
        all(target_os = "macos", target_arch = "aarch64")
    )),
    allow(dead_code, reason = "other systems install no code")
)]

use std::ptr::NonNull;
use std::sync::Arc;

/// Bytes of an arena; larger code gets one of its own.
const ARENA_BYTES: usize = 1 << 20;

/// Code begins at a multiple of a cache line.
const ALIGNMENT: usize = 64;

/// Machine code that can be run. It stays where it is until this is dropped.
#[derive(Debug)]
pub(crate) struct Code {
    start: NonNull<u8>,
    bytes: usize,
    /// Keeps the mapping.
    _mapping: Arc<Mapping>,
}

// SAFETY: the bytes are never written again, and belong to no thread.
unsafe impl Send for Code {}

// SAFETY: likewise.
unsafe impl Sync for Code {}

impl Code {
    /// The first instruction.
    pub(crate) fn address(&self) -> *const u8 {
        self.start.as_ptr()
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `bytes` bytes from `start` on were written by `install`, are readable, lie in a mapping
        // that `self` keeps, and no one writes them.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }
}

/// Executable pages.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the address of pages that belong to no thread.
unsafe impl Send for Mapping {}

// SAFETY: likewise; nothing is written through it.
unsafe impl Sync for Mapping {}

/// Copies code to where it can be run; none if the system refuses.
pub(crate) fn install(code: &[u8]) -> Option<Code> {
    platform::install(code)
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod platform {
    use super::{ALIGNMENT, ARENA_BYTES, Code, Mapping};
    use std::ptr::NonNull;
    use std::sync::{Arc, Mutex, PoisonError, TryLockError};

    /// Shared memory, mapped to write and to run.
    struct Arena {
        writable: NonNull<u8>,
        executable: Arc<Mapping>,
        used: usize,
        process: u32,
    }

    // SAFETY: the addresses of pages that belong to no thread; the mutex around it lets one write.
    unsafe impl Send for Arena {}

    impl Drop for Arena {
        fn drop(&mut self) {
            // SAFETY: the pages were mapped by `Arena::new` and are no one else's.
            unsafe { libc::munmap(self.writable.as_ptr().cast(), self.executable.bytes) };
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: the pages were mapped by this module; no code of them is left.
            unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
        }
    }

    enum State {
        /// Arenas have not been refused; the last one, if it has room.
        Arenas(Option<Arena>),
        /// They have.
        Refused,
    }

    static STATE: Mutex<State> = Mutex::new(State::Arenas(None));

    pub(super) fn install(code: &[u8]) -> Option<Code> {
        let process = std::process::id();
        let mut state = match STATE.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            // A fork while another thread holds the lock leaves it locked in the child for ever: nobody waits for it.
            Err(TryLockError::WouldBlock) => {
                let arena = Arena::new(code.len(), process);
                return arena.map(|mut arena| arena.install(code)).or_else(|| separate(code));
            }
        };
        if let State::Arenas(arena) = &mut *state {
            let has_room = arena.as_ref().is_some_and(|arena| {
                arena.process == process && arena.executable.bytes - arena.used >= code.len()
            });
            if !has_room {
                *arena = None;
                match Arena::new(code.len().max(ARENA_BYTES), process) {
                    Some(new) => *arena = Some(new),
                    None => *state = State::Refused,
                }
            }
        }
        match &mut *state {
            State::Arenas(Some(arena)) => Some(arena.install(code)),
            State::Arenas(None) | State::Refused => separate(code),
        }
    }

    impl Arena {
        fn new(bytes: usize, process: u32) -> Option<Arena> {
            let bytes = bytes.next_multiple_of(1 << 16);
            // SAFETY: the name is a string that ends with zero.
            let file = unsafe { libc::memfd_create(c"raptors-code".as_ptr(), libc::MFD_CLOEXEC) };
            if file < 0 {
                return None;
            }
            let map = |protection| {
                // SAFETY: a new mapping, at an address of the system's choice.
                let start =
                    unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, libc::MAP_SHARED, file, 0) };
                (start != libc::MAP_FAILED).then(|| NonNull::new(start.cast::<u8>())).flatten()
            };
            // SAFETY: `file` was opened above.
            let is_sized = unsafe { libc::ftruncate(file, bytes as libc::off_t) } == 0;
            let executable = if is_sized { map(libc::PROT_READ | libc::PROT_EXEC) } else { None };
            let executable = executable.map(|start| Arc::new(Mapping { start, bytes }));
            let writable = executable.as_ref().and_then(|_| map(libc::PROT_READ | libc::PROT_WRITE));
            // SAFETY: `file` was opened above; mappings stay without it.
            unsafe { libc::close(file) };
            Some(Arena { writable: writable?, executable: executable?, used: 0, process })
        }

        fn install(&mut self, code: &[u8]) -> Code {
            let offset = self.used;
            self.used = (offset + code.len()).next_multiple_of(ALIGNMENT);
            // SAFETY: the caller has seen that `code.len()` bytes are free from `used` on. Both mappings have
            // `bytes` bytes, and those from `used` on have not been handed out, so nobody reads them yet.
            let start = unsafe {
                let to = self.writable.as_ptr().add(offset);
                std::ptr::copy_nonoverlapping(code.as_ptr(), to, code.len());
                let start = self.executable.start.add(offset);
                synchronize(to, start.as_ptr(), code.len());
                start
            };
            Code { start, bytes: code.len(), _mapping: Arc::clone(&self.executable) }
        }
    }

    /// Lets every processor fetch as instructions what was written.
    ///
    /// # Safety
    ///
    /// `bytes` bytes can be read at both addresses, which are of the same memory: `written` those that were written,
    /// `executable` those that will be run.
    unsafe fn synchronize(written: *const u8, executable: *const u8, bytes: usize) {
        // x86-64 keeps its instruction cache coherent.
        #[cfg(target_arch = "x86_64")]
        let _ = (written, executable, bytes);
        #[cfg(target_arch = "aarch64")]
        {
            use std::arch::asm;
            let kind: u64;
            // SAFETY: reads a register that says how caches are, which Linux lets every process read.
            unsafe { asm!("mrs {}, ctr_el0", out(reg) kind, options(nomem, nostack, preserves_flags)) };
            // Words of the smallest line, as a power of two.
            let (data_line, instruction_line) = (4usize << (kind >> 16 & 15), 4usize << (kind & 15));
            let lines = |start: *const u8, line: usize| {
                let start = start.addr();
                (start & !(line - 1)..start + bytes).step_by(line)
            };
            for address in lines(written, data_line) {
                // SAFETY: writes a line of readable memory back to where instructions are fetched from.
                unsafe { asm!("dc cvau, {}", in(reg) address, options(nostack, preserves_flags)) };
            }
            // SAFETY: waits until that is done.
            unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
            for address in lines(executable, instruction_line) {
                // SAFETY: drops a line of readable memory from the instruction caches.
                unsafe { asm!("ic ivau, {}", in(reg) address, options(nostack, preserves_flags)) };
            }
            // SAFETY: waits until that is done, and drops what this processor has fetched. Others drop theirs when they
            // first learn of the code: to hand it to them takes a lock or a channel, and what they fetch then is new to them,
            // since the bytes were never run before.
            unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
        }
    }

    /// Pages of their own, written and then made executable.
    fn separate(code: &[u8]) -> Option<Code> {
        let bytes = code.len().next_multiple_of(1 << 12);
        // SAFETY: a new private mapping at an address of the system's choice. It has room for the code, and
        // is nobody else's while it is written; then its protection changes.
        unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let start = libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0);
            if start == libc::MAP_FAILED {
                return None;
            }
            let mapping = Arc::new(Mapping { start: NonNull::new(start.cast())?, bytes });
            std::ptr::copy_nonoverlapping(code.as_ptr(), start.cast(), code.len());
            if libc::mprotect(start, bytes, libc::PROT_READ | libc::PROT_EXEC) != 0 {
                return None;
            }
            synchronize(start.cast(), start.cast(), code.len());
            Some(Code { start: mapping.start, bytes: code.len(), _mapping: mapping })
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// `mov eax, 42; ret`.
        #[cfg(target_arch = "x86_64")]
        const ANSWER: [u8; 6] = answer(42);
        #[cfg(target_arch = "x86_64")]
        const fn answer(number: u8) -> [u8; 6] {
            [0xb8, number, 0, 0, 0, 0xc3]
        }

        /// `movz w0, 42; ret`.
        #[cfg(target_arch = "aarch64")]
        const ANSWER: [u8; 8] = answer(42);
        #[cfg(target_arch = "aarch64")]
        const fn answer(number: u8) -> [u8; 8] {
            let [first, second, third, fourth] = (0x5280_0000 | (number as u32) << 5).to_le_bytes();
            [first, second, third, fourth, 0xc0, 0x03, 0x5f, 0xd6]
        }

        fn run(code: &Code) -> i32 {
            assert_eq!(code.bytes(), ANSWER);
            // SAFETY: the code is a function without arguments that returns an integer, by the convention of C on Linux.
            let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(code.address()) };
            function()
        }

        #[test]
        fn code_runs_from_an_arena_and_from_pages_of_its_own() {
            let pieces: Vec<Code> = (0..100).filter_map(|_| install(&ANSWER)).collect();
            assert_eq!(pieces.len(), 100);
            assert!(pieces.iter().all(|code| run(code) == 42 && code.address().addr() % ALIGNMENT == 0));
            assert_eq!(run(&separate(&ANSWER).unwrap()), 42);
        }

        #[test]
        fn code_outlives_its_arena() {
            let mut arena = Arena::new(ARENA_BYTES, 0).unwrap();
            let code = arena.install(&ANSWER);
            drop(arena);
            assert_eq!(run(&code), 42);
        }

        /// Whether a child that may not make pages executable installs code, if the system can be told so. (The child
        /// asks since what it asks for cannot be undone.)
        fn is_installed_under_refusal() -> bool {
            // PR_SET_MDWE with PR_MDWE_REFUSE_EXEC_GAIN.
            const SET: i32 = 65;
            // SAFETY: the child calls what needs no lock of another thread, and leaves by `_exit`.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: changes what later mappings of this process may do.
                let is_set = unsafe { libc::prctl(SET, 1, 0, 0, 0) } == 0;
                let good = install(&ANSWER).is_some_and(|code| run(&code) == 42);
                let refused = separate(&ANSWER).is_none();
                // SAFETY: ends this process.
                unsafe { libc::_exit(i32::from(!good || is_set != refused)) };
            }
            let mut status = 0;
            // SAFETY: waits for the child above.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            status == 0
        }

        #[test]
        fn code_is_installed_where_pages_may_not_become_executable() {
            assert!(is_installed_under_refusal());
        }

        #[test]
        fn a_child_installs_code_beside_a_lock_that_is_never_opened() {
            let _held = STATE.lock().unwrap_or_else(PoisonError::into_inner);
            assert!(is_installed_under_refusal());
        }

        #[test]
        fn a_child_does_not_write_over_its_parents_code() {
            let before = install(&ANSWER).unwrap();
            // SAFETY: the child calls what needs no lock of another thread, and leaves by `_exit`.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let good = install(&ANSWER).is_some_and(|code| run(&code) == 42) && run(&before) == 42;
                // SAFETY: ends this process.
                unsafe { libc::_exit(i32::from(!good)) };
            }
            let other = answer(7);
            let codes: Vec<Code> = (0..10).filter_map(|_| install(&other)).collect();
            let mut status = 0;
            // SAFETY: waits for the child above.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!(status, 0);
            assert!(codes.iter().all(|code| code.bytes() == other));
            assert_eq!(run(&before), 42);
        }
    }
}

#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
mod platform {
    use super::{ALIGNMENT, ARENA_BYTES, Code, Mapping};
    use std::ptr::NonNull;
    use std::sync::{Arc, Mutex, PoisonError};

    unsafe extern "C" {
        /// Lets every processor fetch as instructions what was written (`libkern/OSCacheControl.h`).
        fn sys_icache_invalidate(start: *mut libc::c_void, bytes: libc::size_t);
    }

    /// Pages that a thread may write or run.
    struct Arena {
        mapping: Arc<Mapping>,
        used: usize,
        process: u32,
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: the pages were mapped by `Arena::new`; no code of them is left.
            unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
        }
    }

    static ARENA: Mutex<Option<Arena>> = Mutex::new(None);

    pub(super) fn install(code: &[u8]) -> Option<Code> {
        let mut arena = match ARENA.try_lock() {
            Ok(arena) => arena,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            // Another thread installs, or did when this process was forked.
            Err(std::sync::TryLockError::WouldBlock) => {
                return Arena::new(code.len(), 0).map(|mut arena| arena.install(code));
            }
        };
        let process = std::process::id();
        // A child installs in pages of its own, not in those that it shares with its parent until one writes them.
        let has_room = arena
            .as_ref()
            .is_some_and(|arena| arena.process == process && arena.mapping.bytes - arena.used >= code.len());
        if !has_room {
            *arena = Arena::new(code.len().max(ARENA_BYTES), process);
        }
        arena.as_mut().map(|arena| arena.install(code))
    }

    impl Arena {
        /// A mapping that may be written and run, by turns. A hardened process without the entitlement
        /// `com.apple.security.cs.allow-jit` gets none.
        fn new(bytes: usize, process: u32) -> Option<Arena> {
            let bytes = bytes.next_multiple_of(1 << 16);
            let protection = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_JIT;
            // SAFETY: a new mapping at an address of the system's choice.
            let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
            if start == libc::MAP_FAILED {
                return None;
            }
            let mapping = Arc::new(Mapping { start: NonNull::new(start.cast())?, bytes });
            Some(Arena { mapping, used: 0, process })
        }

        fn install(&mut self, code: &[u8]) -> Code {
            let offset = self.used;
            self.used = (offset + code.len()).next_multiple_of(ALIGNMENT);
            // SAFETY: the caller has seen that `code.len()` bytes are free from `used` on, and they have not been handed out, so
            // nobody runs them yet. Between the two calls this thread may write pages of this kind and run none: it runs
            // nothing but this function and `memcpy`, which are not in them. Then it may run them again, as before.
            let start = unsafe {
                let start = self.mapping.start.add(offset);
                libc::pthread_jit_write_protect_np(0);
                std::ptr::copy_nonoverlapping(code.as_ptr(), start.as_ptr(), code.len());
                libc::pthread_jit_write_protect_np(1);
                sys_icache_invalidate(start.as_ptr().cast(), code.len());
                start
            };
            Code { start, bytes: code.len(), _mapping: Arc::clone(&self.mapping) }
        }
    }
}

#[cfg(not(any(
    all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")),
    all(target_os = "macos", target_arch = "aarch64")
)))]
mod platform {
    use super::Code;

    pub(super) fn install(_code: &[u8]) -> Option<Code> {
        None
    }
}
