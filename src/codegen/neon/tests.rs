//! Tests of the encoder: words are compared with those of an assembler.

mod encoding;
mod vectors;
