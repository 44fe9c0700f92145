//! Who asks: user, folders and environment of the process for which a machine is read.
//!
//! On the live machine it is this process; a recorded machine carries its own in `rmcp-machine.toml`.

use std::collections::BTreeMap;

/// The process for which a machine is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// User id in force; none where a machine folder does not say.
    pub uid: Option<u32>,
    /// Groups in force.
    pub groups: Vec<u32>,
    /// Home folder.
    pub home: Option<String>,
    /// Working folder.
    pub cwd: Option<String>,
    /// Environment.
    pub environment: BTreeMap<String, String>,
}

impl Caller {
    /// Returns the running process.
    pub fn from_process() -> Self {
        let mut groups: Vec<u32> = vec![rustix::process::getegid().as_raw()];
        if let Ok(supplementary) = rustix::process::getgroups() {
            groups.extend(supplementary.into_iter().map(rustix::process::Gid::as_raw));
        }
        groups.sort_unstable();
        groups.dedup();
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| {
                Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
            })
            .collect();
        Self {
            uid: Some(rustix::process::geteuid().as_raw()),
            groups,
            home: environment.get("HOME").cloned(),
            cwd: std::env::current_dir()
                .ok()
                .and_then(|cwd| cwd.into_os_string().into_string().ok()),
            environment,
        }
    }

    /// Returns a variable of the environment that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}
