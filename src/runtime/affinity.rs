//! Moving a worker off the CPU it was woken on.
//!
//! The kernel likes to place a thread that is woken on the CPU of the thread that wakes it. For a worker that is the
//! worst place: the caller is busy there with the same job, and one of the two waits. On Linux a worker can tell, and
//! leave: it takes that CPU out of its affinity mask, which moves it at once, and puts the mask back, so that the
//! scheduler is free again. If the other CPUs are busy the worker arrives late, and finds nothing left to do.
//!
//! Limits: nothing happens when the mask has one CPU, on machines of more than 1024 CPUs, or off Linux.

/// Number of the CPU this thread runs on; negative when unknown.
#[cfg(target_os = "linux")]
pub(super) fn current_cpu() -> i32 {
    // SAFETY: takes nothing and reads the number of the CPU.
    unsafe { libc::sched_getcpu() }
}

/// Moves this thread to another of the CPUs it is allowed on.
#[cfg(target_os = "linux")]
pub(super) fn leave(cpu: i32) {
    const BYTES: usize = size_of::<libc::cpu_set_t>();
    const THIS_THREAD: libc::pid_t = 0;
    let Ok(cpu) = usize::try_from(cpu) else { return };
    // SAFETY: `cpu_set_t` is an array of integers, for which zero is a value; the calls read or write the `BYTES` of
    // a local one; `CPU_ISSET` and `CPU_CLR` are given a number below the bits of a set.
    unsafe {
        let mut allowed: libc::cpu_set_t = std::mem::zeroed();
        if cpu >= 8 * BYTES || libc::sched_getaffinity(THIS_THREAD, BYTES, &mut allowed) != 0 {
            return;
        }
        if libc::CPU_COUNT(&allowed) < 2 || !libc::CPU_ISSET(cpu, &allowed) {
            return;
        }
        let mut elsewhere = allowed;
        libc::CPU_CLR(cpu, &mut elsewhere);
        if libc::sched_setaffinity(THIS_THREAD, BYTES, &elsewhere) == 0 {
            libc::sched_setaffinity(THIS_THREAD, BYTES, &allowed);
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn current_cpu() -> i32 {
    -1
}

#[cfg(not(target_os = "linux"))]
pub(super) fn leave(_cpu: i32) {}
