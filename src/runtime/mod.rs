//! What stands under the executor: memory, threads, and what this machine can do.
//!
//! - [`buffer`]: owned, 64-byte aligned bytes from a pool whose pages stay warm; [`memory`] observes and bounds
//!   that pool.
//! - [`team`]: runs the chunks of one piece of work on a few threads, the calling one included.
//! - [`watch`]: whether what runs has to stop, and how far it is.
//! - `trace`: where time goes, for who looks.
//! - [`level`]: the SIMD level kernels are chosen by, and the size of the last cache.
//! - [`float_control`]: the rounding and the subnormal numbers that results are defined with.
//!
//! Nothing here knows arrays, dtypes or programs. Nothing happens at import: threads, pages and detection come
//! with their first use. A forked child may use all of it.

mod affinity;
mod board;
pub mod buffer;
pub(crate) mod float_control;
mod fork;
mod gauge;
pub mod level;
pub mod memory;
mod pages;
mod pool;
mod size_class;
mod sync;
mod system_memory;
pub mod team;
pub(crate) mod trace;
pub mod watch;
