//! The pieces under the executor: memory and threads.
