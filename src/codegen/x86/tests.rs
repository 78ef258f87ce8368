//! Tests of the encoder: what is encoded is decoded again.

mod encoding;
