//! Where RMCP keeps and finds what is its own.

use rmcp_change::{CommandRunner, Disk as _, RealDisk};
use rmcp_host::Caller;
use std::path::{Path, PathBuf};

/// The system's journal.
pub(crate) const SYSTEM_JOURNAL: &str = "/var/lib/rmcp/journal";

/// Where RMCP's library for programs that use the GPU may be.
const INTERPOSER: &str = "librmcp_hsa.so";
const INTERPOSER_FOLDER: &str = "/usr/lib/rmcp";

/// Where a user's journal and plans are kept. Source: XDG Base Directory Specification, `XDG_STATE_HOME`.
pub(crate) fn state_folder(home: &str) -> String {
    format!("{}/.local/state/rmcp", home.trim_end_matches('/'))
}

/// Returns where records of trials and jobs are kept; none where the user has no home.
///
/// Source: XDG Base Directory Specification, which has relative paths ignored.
pub fn records_folder(caller: &Caller) -> Option<PathBuf> {
    let named = caller.variable("XDG_STATE_HOME").map(PathBuf::from);
    let named = named.filter(|folder| folder.is_absolute()).map(|folder| folder.join("rmcp"));
    named.or_else(|| caller.home.as_deref().map(|home| PathBuf::from(state_folder(home))))
}

/// Returns where RMCP keeps what can be made again; none where the user has no home.
///
/// Source: XDG Base Directory Specification, which has relative paths ignored.
pub fn cache_folder(caller: &Caller) -> Option<PathBuf> {
    let named = caller.variable("XDG_CACHE_HOME").map(PathBuf::from);
    let named = named.filter(|folder| folder.is_absolute());
    named
        .or_else(|| caller.home.as_deref().map(|home| PathBuf::from(home).join(".cache")))
        .map(|folder| folder.join("rmcp"))
}

/// Returns where RMCP's library is: beside the program on the running machine, or where packages put it.
pub(crate) fn interposer(disk: &RealDisk<Box<dyn CommandRunner>>, live: bool) -> Option<String> {
    candidates(live)
        .filter_map(|path| path.to_str().map(str::to_owned))
        .find(|path| disk.exists(path).unwrap_or(false))
}

/// Returns where RMCP's library is on the running machine, for programs that are started from here.
pub fn interposer_here() -> Option<PathBuf> {
    candidates(true).find(|path| path.is_file())
}

fn candidates(live: bool) -> impl Iterator<Item = PathBuf> {
    let program = std::env::current_exe().ok().filter(|_| live);
    let folder = program.as_deref().and_then(Path::parent);
    let beside = folder.map(|folder| folder.join(INTERPOSER));
    let in_lib = folder.and_then(Path::parent).map(|top| top.join("lib/rmcp").join(INTERPOSER));
    [beside, in_lib, Some(Path::new(INTERPOSER_FOLDER).join(INTERPOSER))].into_iter().flatten()
}
