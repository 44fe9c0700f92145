//! Reads one machine into facts.

use crate::caller::Caller;
use crate::hardware::{kfd, pci};
use crate::host_root::{HostRoot, RootError};
use crate::log::{LogScanner, read_kernel_log};
use crate::machine_file::{MachineFileError, read_machine_file};
use crate::settings::read_settings;
use crate::stack::{python, rocm};
use crate::system::{access, boot, driver, kernel, platform};
use rmcp_knowledge::Knowledge;
use rmcp_model::{HostFacts, Provenance};
use std::path::Path;

/// Why a machine could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be opened.
    #[error(transparent)]
    Root(#[from] RootError),
    /// What the folder says of itself cannot be used.
    #[error("{path}{source}")]
    MachineFile {
        /// The folder.
        path: String,
        /// What is wrong.
        source: MachineFileError,
    },
}

/// A machine that is open for reading, with the process for which it is read.
#[derive(Debug)]
pub struct Machine {
    /// The files.
    pub root: HostRoot,
    /// The process.
    pub caller: Caller,
    /// Where the facts will come from.
    pub provenance: Provenance,
    /// What the folder says of itself.
    pub description: Option<String>,
}

impl Machine {
    /// Opens the running machine for this process.
    ///
    /// # Errors
    /// [`OpenError`] when `/` cannot be opened.
    pub fn live(caller: Caller) -> Result<Self, OpenError> {
        Ok(Self {
            root: HostRoot::live()?,
            caller,
            provenance: Provenance::Live,
            description: None,
        })
    }

    /// Opens a machine folder.
    ///
    /// A folder that does not say whose environment it stands for gets the GPU variables of `process`, this
    /// process, and nothing else of it: that is what a program started in it from here would see.
    ///
    /// # Errors
    /// [`OpenError`] when it cannot be opened, or `rmcp-machine.toml` cannot be used.
    pub fn at(path: &Path, process: &Caller, knowledge: &Knowledge) -> Result<Self, OpenError> {
        let mut root = HostRoot::at(path)?;
        let file = read_machine_file(&root).map_err(|source| OpenError::MachineFile {
            path: path.display().to_string(),
            source,
        })?;
        let Some(file) = file else {
            let environment =
                process.environment.iter().filter(|(name, _)| is_gpu_variable(knowledge, name));
            let environment =
                environment.map(|(name, value)| (name.clone(), value.clone())).collect();
            let caller = Caller { environment, ..Caller::default() };
            return Ok(Self { root, caller, provenance: Provenance::Tree, description: None });
        };
        root.set_stats(file.stats());
        root.set_unreadable(
            file.unreadable.iter().map(|row| (row.path.clone(), row.why.clone())).collect(),
        );
        let caller = file.caller();
        Ok(Self { root, caller, provenance: file.provenance, description: file.description })
    }

    /// Reads everything. `pythons` are Pythons or environments that the user named.
    pub fn read(
        &self,
        knowledge: &Knowledge,
        scanner: &LogScanner<'_>,
        pythons: &[String],
    ) -> HostFacts {
        let root = &self.root;
        let kernel = kernel::read_kernel(root);
        let (settings, unreadable) =
            read_settings(root, &self.caller, &|name| is_gpu_variable(knowledge, name));
        let python = python::read_python(root, &self.caller, pythons);
        let mut rocm = rocm::read_installs(root);
        rocm.extend(python.installs);
        let environment =
            self.caller.environment.iter().filter(|(name, _)| is_gpu_variable(knowledge, name));
        HostFacts {
            provenance: self.provenance,
            description: self.description.clone(),
            cards: pci::read_cards(root),
            nodes: kfd::read_topology(root),
            driver: driver::read_driver(root, &kernel),
            kernel,
            boot: boot::read_boot(root),
            platform: platform::read_platform(root),
            access: access::read_access(root, &self.caller),
            rocm,
            python: python.environments,
            environment: environment.map(|(name, value)| (name.clone(), value.clone())).collect(),
            settings,
            unreadable,
            kernel_log: read_kernel_log(root, scanner),
            user_log: None,
        }
    }
}

/// Returns whether a variable is of interest: the stack reads it, people believe that it does, or it decides
/// which libraries are loaded.
fn is_gpu_variable(knowledge: &Knowledge, name: &str) -> bool {
    knowledge.knows_variable(name)
}
