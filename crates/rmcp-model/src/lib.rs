//! The nouns of RMCP: what the other rooms read, decide and print.
//!
//! Nothing here does I/O, and nothing here depends on another room. Every type is serialisable, so that
//! the value between any two stages can be saved and replayed.

mod change;
mod code;
mod exit_code;
mod fact;
mod finding;
mod flight;
mod gfx;
mod host;
mod job;
mod log;
mod pci;
mod python;
mod rocm;
mod scan;
mod setting;
mod trial;
mod version;

pub use change::{ChangeState, Check, Plan, Reader, Standing, Step, TakesEffect, Wish};
pub use code::{BundleSummary, CodeCoverage};
pub use exit_code::ExitCode;
pub use fact::{Fact, Origin, Provenance};
pub use finding::{
    Advice, Confidence, Diagnosis, EvidenceItem, Explanation, Finding, GpuReport, Route,
    RouteStatus, Severity, Verdict,
};
pub use flight::{
    AllocationPlace, FlightAgent, FlightAllocation, FlightArguments, FlightCode, FlightDispatch,
    FlightEvent, FlightExplanation, FlightFault, FlightHappening, FlightKernel, FlightLosses,
    FlightPool, FlightQueue, FlightRecord, FlightSuspect, NearAllocation,
};
pub use gfx::{GfxTarget, OverrideSyntaxError};
pub use host::{
    Access, BootFacts, Card, DeviceAccess, DriverFacts, HostFacts, IoLink, KernelFacts, KfdCache,
    KfdNode, LinkFacts, MemoryBank, ModuleOption, Parameter, Platform, User,
};
pub use job::{Ending, JobEvent, JobRecord, JobRoute};
pub use log::{LogFacts, LogKind, LogMatch, PastedFacts, PastedGpu};
pub use pci::{PciAddress, PciId};
pub use python::{Build, PythonEnv, PythonPackage};
pub use rocm::{RocmComponent, RocmInstall, RocmOrigin};
pub use scan::{
    CodeScan, KernelScan, LibraryScan, RuleCount, RuleNote, RuleSeverity, ScanAnswer, ScanCard,
    ScanProblem, ScanReport, ScanVerdict, TargetScan,
};
pub use setting::{Place, Setting, SettingKind};
pub use trial::{
    Attempt, Candidate, Cell, Knob, Outcome, Row, Test, Tool, TrialDevice, TrialMatrix,
    TrialVerdict, Way,
};
pub use version::Version;
