//! Python bindings of raptors.
