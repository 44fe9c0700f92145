//! libFuzzer's entry. `RMCP_FUZZ_TARGET` names the target; `cargo xtask fuzz` sets it.

#![no_main]

mod targets;

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("RMCP_FUZZ_TARGET").unwrap_or_default();
    let found = targets::ALL.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("RMCP_FUZZ_TARGET is `{name}`, expected one of targets::ALL")).1
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
