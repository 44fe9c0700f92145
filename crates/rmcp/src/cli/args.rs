//! The command line as it is typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

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
    /// Change this machine so that it can be taken back: shows every difference, and asks
    Apply(Apply),
    /// Take changes back: the old bytes, exactly
    Undo(Undo),
    /// Show each change and where it stands; 1 where somebody should look at one
    Status(Status),
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Read this machine folder instead of the running machine.
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
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
pub(crate) struct Apply {
    #[command(subcommand)]
    pub(crate) what: ApplyWhat,
    #[command(flatten)]
    pub(crate) how: Confirm,
    /// Make the change although it is known to do nothing on this card.
    #[arg(long, global = true)]
    pub(crate) inert: bool,
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
        /// For this systemd unit instead, such as ollama.service.
        #[arg(long, conflicts_with = "everybody")]
        unit: Option<String>,
        /// For all users' login shells instead, where the card is in the machine.
        #[arg(long)]
        everybody: bool,
    },
    /// Switch off every line that sets an environment variable
    UnsetVariable {
        /// Its name.
        name: String,
    },
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
    #[command(flatten)]
    pub(crate) how: Confirm,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Look at this machine folder instead of the running machine.
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
}
