//! What is known about RDNA cards and ROCm, as data, each row with its source.
//!
//! The rows live in `data/**/*.toml`; [`schema`] says what a row may hold, [`Knowledge::validate`] finds every
//! row that contradicts another, and the queries in `query.rs` are the only way in which other rooms look
//! things up.

mod query;
pub mod schema;
mod validate;

pub use query::SwitchVerdict;
pub use schema::Knowledge;
pub use validate::Problem;

use std::sync::LazyLock;

static EMBEDDED: LazyLock<Knowledge> = LazyLock::new(|| {
    postcard::from_bytes(include_bytes!(concat!(env!("OUT_DIR"), "/knowledge.bin")))
        .expect("build.rs has read this very copy back")
});

impl Knowledge {
    /// Returns the knowledge that this program was built with.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }
}
