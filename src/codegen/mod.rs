//! What a region computes, element by element, and the code that computes it.

pub(crate) mod compiled;
pub(crate) mod exec_memory;
pub(crate) mod kernel;
pub(crate) mod lane;
pub(crate) mod neon;
pub(crate) mod machine;
mod registers;
mod schedule;
pub(crate) mod select;
pub(crate) mod tile;
pub(crate) mod x86;
pub(crate) mod vector;
#[cfg(all(test, any(target_os = "linux", all(target_os = "macos", target_arch = "aarch64"))))]
mod tests;
