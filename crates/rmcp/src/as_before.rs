//! A machine as it will be once a change is taken back, for planning what is done next.

use rmcp_change::{Disk, Entry, FileMeta, FileState};
use rmcp_model::Step;
use std::io;

/// A disk on which the files of a change are as they were before it. It is only read.
pub(crate) struct AsBefore<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) entry: &'a Entry,
}

impl AsBefore<'_> {
    /// Returns what stood in a file before the change, where the change wrote it.
    fn before(&self, wanted: &str) -> Option<Option<&String>> {
        self.entry.plan.steps.iter().find_map(|step| match step {
            Step::Write { path, before, .. } if path == wanted => Some(before.as_ref()),
            Step::MakeFolder { path, .. } if path == wanted => Some(None),
            _ => None,
        })
    }
}

fn only_read<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this view of the machine is only read"))
}

impl Disk for AsBefore<'_> {
    fn read_up_to(&self, path: &str, limit: u64) -> io::Result<Option<FileState>> {
        match self.before(path) {
            None => self.disk.read_up_to(path, limit),
            Some(None) => Ok(None),
            Some(Some(text)) => {
                let state = self.disk.read_up_to(path, limit)?;
                Ok(state.map(|state| FileState { bytes: text.clone().into_bytes(), ..state }))
            }
        }
    }
    fn look(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match self.before(path) {
            None => self.disk.look(path),
            Some(text) => Ok(text.map(|text| text.clone().into_bytes())),
        }
    }
    fn link_target(&self, path: &str) -> io::Result<Option<String>> {
        self.disk.link_target(path)
    }
    fn exists(&self, path: &str) -> io::Result<bool> {
        self.before(path).map_or_else(|| self.disk.exists(path), |text| Ok(text.is_some()))
    }
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let names = self.disk.list(folder)?;
        let was_there = |name: &String| self.before(&format!("{folder}/{name}")) != Some(None);
        Ok(names.into_iter().filter(was_there).collect())
    }
    fn create(&self, _: &str, _: &[u8], _: Option<&FileMeta>, _: u32) -> io::Result<()> {
        only_read()
    }
    fn sync(&self, _: &str) -> io::Result<()> {
        only_read()
    }
    fn sync_folder(&self, _: &str) -> io::Result<()> {
        only_read()
    }
    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        only_read()
    }
    fn remove(&self, _: &str) -> io::Result<()> {
        only_read()
    }
    fn make_folder(&self, _: &str, _: u32) -> io::Result<()> {
        only_read()
    }
    fn remove_folder(&self, _: &str) -> io::Result<()> {
        only_read()
    }
    fn run(&self, _: &[String]) -> io::Result<()> {
        only_read()
    }
    fn starts_programs(&self) -> bool {
        self.disk.starts_programs()
    }
}
