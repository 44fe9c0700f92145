//! x
use anyhow::Result;
pub(crate) fn run(_: &std::path::Path, _: &[String]) -> Result<()> {
    Ok(())
}
