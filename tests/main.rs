//! The integration tests of raptors, in one binary.

mod runtime;
