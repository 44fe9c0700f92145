//! The project's own commands. `cargo xtask help` lists them.

#![expect(
    clippy::disallowed_methods,
    reason = "the workshop reads its own files and starts its own tools"
)]

mod bench;
mod bench_interposer;
mod bench_scan;
mod bench_sim;
mod bench_trial;
mod boot;
mod corpus;
mod corpus_isa;
mod data;
mod demo;
mod fatbin;
mod fuzz;
mod grub;
mod isa;
mod layers;
mod measure;
mod packages;
mod python;
mod random;
mod real_tools;
mod rocm;
mod run;
mod run_soak;
mod sim_soak;
mod sim_stack;
mod test;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// RMCP's workshop.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up what is missing, and show RMCP at work on shipped input
    Demo,
    /// Set up what is missing, then format, lints, layer and data checks, and all tests
    Test,
    /// Check that the arrows between the crates point down
    CheckLayers,
    /// Check the knowledge base: schema, references, texts of signatures, dead rows
    CheckData,
    /// Measure `explain`, the readers and changes of GRUB on a folder of logs and fixtures
    Corpus {
        /// The folder: `logs/index.jsonl` and `fixtures/index.jsonl`, or one of them.
        dir: PathBuf,
        /// Print every text that was judged wrongly.
        #[arg(long)]
        wrong: bool,
    },
    /// Measure the speed of `doctor`, `apply`, `try` and `explain` against a peer in the same run
    Bench {
        /// Size of the made-up log in MiB.
        #[arg(long, default_value_t = 1024)]
        log_mib: u64,
    },
    /// Measure the speed and memory of `scan` on Debian's librocsparse0, and against llvm-objdump; downloads both
    BenchScan {
        /// The library, where it is here already.
        library: Option<PathBuf>,
    },
    /// Measure the speed and memory of the simulated card, on a product of matrices
    BenchSim {
        /// Another simulator to compare with: a program that runs the command behind it on a simulated gfx1010 card.
        #[arg(long, alias = "prototype")]
        peer: Option<PathBuf>,
    },
    /// Measure what the flight recorder costs inside a program, with and without it in turns
    BenchInterposer,
    /// Scan public packages and compare with figures of another program; downloads them with pip and apt
    CorpusIsa {
        /// A folder with packages that need not be downloaded.
        #[arg(long)]
        from: Option<PathBuf>,
    },
    /// Test the Python package with Debian's Python and PyTorch; installs both
    PythonTest {
        /// Processes to kill while they save a checkpoint.
        #[arg(long, default_value_t = 200)]
        kills: u32,
    },
    /// Measure the tuned processor beside the plain one on three kinds of models; installs Debian's PyTorch
    BenchCpu {
        /// Seconds for each setting of each model.
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
    },
    /// Let the real shells, systemd and modprobe read what `rmcp apply` writes; installs them
    RealTools,
    /// Change a Debian of its own, in a chroot and under QEMU, and see the kernel's words come and go; needs root
    Boot,
    /// Run the real ROCm of a newer Debian, up to MIOpen, rocBLAS and ONNX Runtime, on simulated cards, and print what each
    /// solver did; makes a root file system of it once, needs root and up to 4 GB below `target/`
    SimStack {
        /// Debian's suite: sid, experimental or trixie.
        #[arg(default_value = "sid")]
        suite: String,
        /// Only the steps with this in their name.
        #[arg(long)]
        only: Option<String>,
    },
    /// Let `rmcp try` find faults that are known, with the real MIOpen and rocBLAS of Debian sid on a simulated card; uses the
    /// root file system of `sim-stack sid`
    TryStack {
        /// Only the cases with this in their title.
        #[arg(long)]
        only: Option<String>,
    },
    /// Choose Vulkan as the device and compute convolutions on it: torchvulkan from PyPI on Debian sid's PyTorch and Mesa's
    /// software driver; makes a root file system once, needs root and 2 GB below `target/`
    VulkanTest,
    /// Fuzz every parser of hostile input
    Fuzz {
        /// One target; all where none is named.
        target: Option<String>,
        /// Seconds for each.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Make the instruction tables of rmcp-code by probing LLVM's disassembler; installs it
    GenIsa,
    /// Compile the kernels of testdata/code-objects and disassemble them with LLVM; installs both
    MakeObjects,
    /// Judge code objects and print how many kernels each rule hits; with --bench beside llvm-objdump
    MeasureIsa {
        /// Code objects, or folders of them.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// The target whose code this is.
        #[arg(long, default_value = "gfx1030")]
        built_for: String,
        /// The target on which it would run.
        #[arg(long, default_value = "gfx1010")]
        runs_on: String,
        /// Time both, one thread each.
        #[arg(long)]
        bench: bool,
        /// Print the kernels that this rule hits, and where.
        #[arg(long)]
        rule: Option<String>,
    },
    /// Run a training on the simulated card with a fault at a random kernel, over and over
    RunSoak {
        /// How often.
        #[arg(long, default_value_t = 100)]
        runs: u64,
        /// The same faults with the same number.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Run the HIP programs on the simulated card over and over, many at once, and kill some; half an hour
    SimSoak {
        /// Runs of the whole suite.
        #[arg(long, default_value_t = 200)]
        runs: u32,
        /// Processes at once.
        #[arg(long, default_value_t = 100)]
        at_once: usize,
    },
    /// Compare decoder and text with LLVM's, on code objects and on random words; installs it. Without arguments:
    /// on all code for gfx10 of public libraries, and a million random instructions for each target
    CheckIsa {
        /// Code objects of gfx10.
        files: Vec<PathBuf>,
        /// Random instructions for each target.
        #[arg(long)]
        random: Option<u64>,
        /// Only this target; for a file, instead of its own.
        #[arg(long)]
        mcpu: Option<String>,
        /// Other random instructions.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Make a small library that holds offload bundles for these targets, for a machine in testdata
    MakeFatbin {
        /// The library.
        out: PathBuf,
        /// Targets such as gfx1030.
        #[arg(required = true)]
        targets: Vec<String>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo => demo::run(),
        Command::Test => test::test(),
        Command::CheckLayers => layers::run(),
        Command::CheckData => data::run(),
        Command::Corpus { dir, wrong } => corpus::run(&dir, wrong),
        Command::Bench { log_mib } => bench::run(log_mib),
        Command::BenchScan { library } => bench_scan::run(library.as_deref()),
        Command::BenchSim { peer } => bench_sim::run(peer.as_deref()),
        Command::BenchInterposer => bench_interposer::run(),
        Command::CorpusIsa { from } => corpus_isa::run(from.as_deref()),
        Command::RunSoak { runs, seed } => run_soak::run(runs, seed),
        Command::SimSoak { runs, at_once } => sim_soak::run(runs, at_once),
        Command::PythonTest { kills } => python::test(kills),
        Command::BenchCpu { seconds } => python::bench(seconds),
        Command::RealTools => real_tools::run(),
        Command::Boot => boot::boot(),
        Command::SimStack { suite, only } => sim_stack::run(&suite, only.as_deref()),
        Command::TryStack { only } => sim_stack::run_trials(only.as_deref()),
        Command::VulkanTest => sim_stack::run_vulkan(),
        Command::Fuzz { target, seconds } => fuzz::run(target.as_deref(), seconds),
        Command::GenIsa => isa::generate(),
        Command::MakeObjects => isa::make_objects(),
        Command::MeasureIsa { paths, built_for, runs_on, bench, rule } => {
            isa::measure(&paths, &built_for, &runs_on, bench, rule.as_deref())
        }
        Command::CheckIsa { files, random, mcpu, seed } => {
            isa::check(&files, random, mcpu.as_deref(), seed)
        }
        Command::MakeFatbin { out, targets } => fatbin::run(&out, &targets),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
