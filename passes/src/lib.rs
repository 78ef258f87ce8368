//! The passes of raptors.
