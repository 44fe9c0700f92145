//! The words of `rmcp run`.

use super::trial::duration;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Hand the latest checkpoint to the next attempt in these arguments; `{}` stands for its path.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) resume_arg: Vec<String>,
    /// Where the job keeps its checkpoints: files .pt, .pth and .ckpt, or folders of Hugging Face's Trainer. Without
    /// it a folder is made for this command, which `rmcp.checkpoint` finds.
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoints: Option<PathBuf>,
    /// Take a job that says nothing for so long, such as 10m, to be hanging.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) hang_after: Option<Duration>,
    /// Start the job so often at most.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempts: u32,
    /// Begin on this route, such as cpu, instead of the one that worked the last time.
    #[arg(long, value_name = "ID")]
    pub(crate) route: Option<String>,
    /// Never go on without the GPU.
    #[arg(long)]
    pub(crate) no_cpu: bool,
    /// Record what the job does with the GPU, and say after a fault which kernel it was.
    #[arg(long)]
    pub(crate) record: bool,
    /// Have nothing mapped behind allocations and where memory was freed, so that a kernel that goes too far is caught at once;
    /// takes more memory and time.
    #[arg(long, requires = "record")]
    pub(crate) guard: bool,
    /// Use a simulated card, such as rx5600xt, instead of the machine's own.
    #[arg(long, value_name = "CARD")]
    pub(crate) simulate: Option<String>,
    /// Make something go wrong on the simulated card, as `rmcp sim --inject` does; in the first attempt alone.
    #[arg(long, value_name = "KIND@N[:KERNEL]", requires = "simulate")]
    pub(crate) inject: Vec<String>,
    /// Show the latest jobs and what happened to them, and start none.
    #[arg(long, conflicts_with = "command")]
    pub(crate) status: bool,
    /// The job, behind two dashes.
    #[arg(last = true, value_name = "CMD", required_unless_present = "status")]
    pub(crate) command: Vec<OsString>,
}
