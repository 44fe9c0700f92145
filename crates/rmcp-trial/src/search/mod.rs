//! Which tests to run next, and the smallest set of changes that is enough.
