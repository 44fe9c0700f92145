//! Durable records of what was run.
