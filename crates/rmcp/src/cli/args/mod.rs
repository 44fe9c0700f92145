//! The command line as it is typed.

mod run;
mod trial;

pub(crate) use run::Run;
pub(crate) use trial::{Form, Try};

use clap::{Args, Parser, Subcommand, ValueEnum};
use rmcp::model::Reader;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Finds out why PyTorch on ROCm dies on a Radeon RX 5000 or 6000, and what works.
#[derive(Debug, Parser)]
#[command(name = "rmcp", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

const EXIT_CODES: &str = "Exit codes: 0 nothing wrong or done; 1 a problem was found (explain: nothing recognised); \
2 wrong usage; 3 could not check; 4 no AMD GPU; 5 refused to change.";

/// How results are shown.
#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// Form of the result.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// When to use colours; NO_COLOR is respected.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto)]
    pub(crate) color: Colour,
    /// Show everything: all notes, all evidence, sources and routes.
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
}

/// Form of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A page for a person.
    Text,
    /// One JSON document with a `schema` field.
    Json,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read this machine, say what is wrong and why, and the best next step
    ///
    /// Needs no ROCm and no root, loads no GPU library and starts no Python.
    Doctor(Doctor),
    /// Recognise a crash in a log, and say what it means
    ///
    /// Reads a program's output, a kernel log, or a pasted issue, of any size. Exits with 1 when no known
    /// fault stands in it, as grep does.
    Explain(Explain),
    /// Prove from the GPU code in libraries, wheels and packages whether a card runs it
    ///
    /// Reads libraries, wheels, Debian packages, virtual environments, /opt/rocm, Tensile folders, MIOpen's kernel
    /// databases and bare code objects. Exits with 0 where the card runs all of it, natively or through an
    /// override inside its instruction set, and with 1 where it does not.
    Scan(Scan),
    /// Run a program of ROCm on a simulated Radeon, with the real runtime
    ///
    /// Shows an unmodified program a machine with a card that is not there, and runs its kernels on the processor.
    /// What the card lacks and gets wrong is lacking and wrong here too. Exits as the program does.
    #[command(after_help = "Example: rmcp sim --card rx5600xt -- rocminfo")]
    Sim(Sim),
    /// Find the smallest fix that works, by trying: each test in a process of its own, every number compared
    ///
    /// Runs convolutions, training and more as the machine is, then under candidate fixes, best first, and reduces
    /// what works to what is needed. Changes nothing outside the tests. Exits with 0 where everything passes as it
    /// is, and with 1 where it does not.
    #[command(
        after_help = "Examples: rmcp try --dry-run; rmcp try --budget 20m; rmcp try --simulate rx5600xt --all; \
rmcp try --project ~/yolo -- python3 train.py --epochs 1"
    )]
    Try(Try),
    /// Run a job that survives a GPU fault: it goes on from its last checkpoint, on the next route
    ///
    /// Starts the command in the environment of the best route, and hands terminal, signals and exit code through.
    /// Only a fault of the GPU or a hang is worth another start; a Python error, Ctrl-C and the killer of processes
    /// for want of memory are not.
    #[command(after_help = "Example: rmcp run --hang-after 10m -- python3 train.py")]
    Run(Run),
    /// Change this machine so that it can be taken back: shows every difference, and asks
    Apply(Apply),
    /// Take changes back: the old bytes, exactly
    Undo(Undo),
    /// Show each change and where it stands; 1 where somebody should look at one
    Status(Status),
    /// Say which device a PyTorch program should use, and why
    ///
    /// Tries it in a process of its own, so that no fault of the GPU or of torch can reach who asks, and keeps the
    /// answer. Prints the device alone on standard output. RMCP_DEVICE overrides the answer, RMCP_ROOT stands for
    /// --root.
    #[command(after_help = "Example: python train.py --device $(rmcp device)")]
    Device(Device),
    /// Watch over one test: what `rmcp try` starts between itself and the test
    #[command(hide = true)]
    Keep,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Read this machine folder instead of the running machine.
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Take the machine to be one with this simulated card, such as rx5600xt, and the variables of this process.
    #[arg(long, value_name = "CARD", conflicts_with_all = ["root", "record"])]
    pub(crate) simulate: Option<String>,
    /// Take a log into account: a crash, or the kernel log from elsewhere (`-` for standard input).
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// Look at this Python or environment too, before the others.
    #[arg(long, value_name = "PYTHON")]
    pub(crate) python: Vec<String>,
    /// Write what was read to this new folder, without names and serial numbers; `--root` reads it back.
    #[arg(long, value_name = "DIR")]
    pub(crate) record: Option<PathBuf>,
    /// With `--format json`: add every fact that was read.
    #[arg(long)]
    pub(crate) facts: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The log; standard input for `-` or where none is named.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Explain this flight record, and take the address of the fault from the log where one is named.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["root", "no_host"])]
    pub(crate) record: Option<PathBuf>,
    /// Take the machine to be this folder instead of the running one.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["no_host", "card"])]
    pub(crate) root: Option<PathBuf>,
    /// Explain the text alone: it comes from another machine.
    #[arg(long)]
    pub(crate) no_host: bool,
    /// Take the machine to have this card, such as rx5600xt or gfx1010.
    #[arg(long, value_name = "CARD")]
    pub(crate) card: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// Files and folders.
    #[arg(value_name = "PATH", required_unless_present = "kernels")]
    pub(crate) paths: Vec<PathBuf>,
    /// For this card, such as rx5600xt or gfx1010, instead of the machine's own.
    #[arg(long, value_name = "CARD")]
    pub(crate) card: Option<String>,
    /// List the kernels too, or those with this text in their name.
    #[arg(long, value_name = "FILTER", num_args = 0..=1, default_missing_value = "")]
    pub(crate) kernels: Option<String>,
    /// Print the instructions of the kernels of this name, or with this text in it, and nothing else.
    #[arg(long, value_name = "KERNEL", conflicts_with_all = ["kernels", "quick"])]
    pub(crate) disassemble: Option<String>,
    /// Read everything anew, and keep nothing.
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Read headers of bundles alone: which targets there are, and no rules.
    #[arg(long, conflicts_with = "kernels")]
    pub(crate) quick: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Device {
    /// When to try a device: where it is not certain and not known from before, whatever is known, or not at all.
    #[arg(long, value_enum, default_value_t = Probe::Auto)]
    pub(crate) probe: Probe,
    /// Longest time in seconds for the whole answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    pub(crate) timeout: f64,
    /// Take these before others, the first first: cuda, cuda:N, vulkan, mps or cpu.
    #[arg(long, value_name = "DEVICE", value_delimiter = ',')]
    pub(crate) prefer: Vec<String>,
    /// The Python, or its environment, in which the program runs.
    #[arg(long, value_name = "PYTHON")]
    pub(crate) python: Option<PathBuf>,
    /// The folder in which the program finds torch, where Python by itself would find another.
    #[arg(long, value_name = "DIR", hide = true)]
    pub(crate) torch: Option<PathBuf>,
    /// Try all devices, and print all that work, best first.
    #[arg(long)]
    pub(crate) all: bool,
    /// Take the cards to be those of this machine folder; the probe runs here all the same.
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
}

/// When a device is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Probe {
    /// Where nothing else makes it certain.
    Auto,
    /// Now, and even where no card is seen.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Args)]
pub(crate) struct Sim {
    /// A card to show, such as rx5600xt or gfx1010; several, or the same again, for more than one. An RX 5600 XT
    /// where none is named.
    #[arg(long, value_name = "CARD")]
    pub(crate) card: Vec<String>,
    /// Show which cards there are.
    #[arg(long)]
    pub(crate) list: bool,
    /// Make something go wrong the N-th time (from 0) that it could: aperture, illegal, trap, page-fault, ecc, hang,
    /// reset, lost-interrupt, out-of-memory or lost-copy (both from then on), slow-allocation or unload, at kernels
    /// whose name holds KERNEL.
    #[arg(long, value_name = "KIND@N[:KERNEL]")]
    pub(crate) inject: Vec<String>,
    /// Add a line of JSON to this file for each kernel, allocation, copy and fault.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Add what the driver would write to the kernel log to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) kernel_log: Option<PathBuf>,
    /// Threads of the processor for one queue's kernels; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Say at the end how much was run.
    #[arg(long)]
    pub(crate) counters: bool,
    /// Say at the end which of gfx10.1's hazards the kernels met: the rules of `rmcp scan`, on what really ran.
    ///
    /// Slower. A card meets them too, and mostly gets away with it.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Let hazards have their effect where it is known (vmem-to-scalar-write, smem-to-vector-write, vcmpx-exec): one in
    /// 64 instructions reads its scalar registers late. The same ones with the same number.
    #[arg(long, value_name = "N", requires = "strict")]
    pub(crate) seed: Option<u64>,
    /// Do not say first that the card is simulated.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// The program and its arguments.
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
#[command(after_help = "Without a change, what `rmcp doctor` advises for this machine is made.")]
#[command(
    args_conflicts_with_subcommands = false,
    subcommand_value_name = "CHANGE",
    subcommand_help_heading = "Changes"
)]
pub(crate) struct Apply {
    #[command(subcommand)]
    pub(crate) what: Option<ApplyWhat>,
    /// A remedy that `rmcp doctor --verbose` names, such as unset-override.
    #[arg(value_name = "REMEDY", conflicts_with_all = ["plan", "from"])]
    pub(crate) remedy: Option<String>,
    /// Carry out a plan that was shown to a user without the rights for it; its hash stands in its name.
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,
    /// Make the changes that a document of `rmcp doctor --format json` or `rmcp try --format json` advises (`-`
    /// for standard input).
    #[arg(long, value_name = "FILE", conflicts_with = "plan")]
    pub(crate) from: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) how: Confirm,
    /// Make the change although it is known to do nothing on this card.
    #[arg(long, global = true)]
    pub(crate) inert: bool,
    /// Change what the kernel is started with for good, rather than for one start until it is confirmed.
    #[arg(long, global = true)]
    pub(crate) permanent: bool,
    /// Show the change, and make none.
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
}

/// On which machine, and whether to ask.
#[derive(Debug, Args)]
pub(crate) struct Confirm {
    /// Change this machine folder instead of the running machine; no program is started then.
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) root: Option<PathBuf>,
    /// Do not ask.
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApplyWhat {
    /// Start the kernel with these words, such as amdgpu.noretry=1
    KernelParameter {
        /// The words.
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Load amdgpu with this option
    ModuleOption {
        /// The option.
        #[arg(value_name = "NAME=VALUE", value_parser = assignment)]
        option: (String, String),
    },
    /// Set an environment variable for this user
    Variable {
        /// The variable.
        #[arg(value_name = "NAME=VALUE", value_parser = assignment)]
        variable: (String, String),
        #[command(flatten)]
        reader: ReaderArgs,
    },
    /// Switch off every line that sets an environment variable
    UnsetVariable {
        /// Its name.
        name: String,
    },
    /// Join the groups that own the GPU's device files
    Group {
        /// Groups; those that the device files of this machine need where none is named.
        groups: Vec<String>,
    },
    /// Move MIOpen's cache aside, which outlives the software that filled it
    MiopenCache,
    /// Load RMCP's library into programs that use the GPU
    Interposer {
        #[command(flatten)]
        reader: ReaderArgs,
    },
}

/// For whom a variable is set; for this user where nothing is said.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct ReaderArgs {
    /// For this systemd unit instead, such as ollama.service.
    #[arg(long)]
    unit: Option<String>,
    /// For this Python environment instead, whoever starts it.
    #[arg(long, value_name = "DIR")]
    python: Option<PathBuf>,
    /// For this program instead, through a script rmcp-NAME in ~/.local/bin.
    #[arg(long, value_name = "NAME")]
    command: Option<String>,
    /// For all users' login shells instead, where the card is in the machine.
    #[arg(long)]
    everybody: bool,
}

impl ReaderArgs {
    /// Returns the reader; a Python environment of the running machine by its whole path.
    pub(crate) fn reader(&self, root: Option<&Path>) -> Reader {
        match self {
            Self { unit: Some(unit), .. } => Reader::Unit { unit: unit.clone() },
            Self { command: Some(name), .. } => Reader::Command { name: name.clone() },
            Self { everybody: true, .. } => Reader::Everybody,
            Self { python: Some(python), .. } => {
                let whole = match root {
                    // Without links and `..`, over which nothing is written.
                    None => python.canonicalize().unwrap_or_else(|_| python.clone()),
                    Some(_) => Path::new("/").join(python),
                };
                Reader::Python { prefix: whole.display().to_string() }
            }
            _ => Reader::User,
        }
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[derive(Debug, Args)]
pub(crate) struct Undo {
    /// The change's number, from `rmcp status`.
    #[arg(required_unless_present_any = ["all", "last"])]
    pub(crate) id: Option<u32>,
    /// All changes in force, the latest first.
    #[arg(long, conflicts_with_all = ["id", "last"])]
    pub(crate) all: bool,
    /// The latest change in force.
    #[arg(long, conflicts_with = "id")]
    pub(crate) last: bool,
    /// Where somebody has edited a file since, take out what rmcp put in and keep the edit.
    #[arg(long)]
    pub(crate) keep_edits: bool,
    /// Start no program that takes an effect back: for one that is no longer there, or always fails.
    #[arg(long)]
    pub(crate) skip_programs: bool,
    #[command(flatten)]
    pub(crate) how: Confirm,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Make kernel words last that are in force for this start of the machine alone.
    #[arg(long)]
    pub(crate) confirm: bool,
    #[command(flatten)]
    pub(crate) how: Confirm,
}
