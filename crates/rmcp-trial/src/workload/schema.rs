//! The shape of a workload's file in `workloads/`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A workload: checks that belong together, and how long they may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Name, the file's own.
    pub name: String,
    /// One line in plain words.
    pub title: String,
    /// Which suite it belongs to.
    pub suite: Suite,
    /// Longest time of one process, in seconds.
    pub seconds: u64,
    /// Where shapes and bounds are from.
    pub source: String,
    /// What is checked.
    pub check: Vec<Check>,
}

/// Suites of the earlier investigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// What programs compute.
    Workloads,
    /// Whole programs and projects.
    Integration,
    /// What is installed.
    Installation,
}

impl Suite {
    /// All suites.
    pub const ALL: [Self; 3] = [Self::Workloads, Self::Integration, Self::Installation];

    /// Returns the name in data and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Workloads => "workloads",
            Self::Integration => "integration",
            Self::Installation => "installation",
        }
    }
}

/// One check: an operation with its shape, or a program of `workloads/torch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Name.
    pub name: String,
    /// A convolution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conv2d: Option<Conv2d>,
    /// A product of matrices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matmul: Option<Matmul>,
    /// A part of the GPU's memory, filled and read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// A function of `workloads/torch/programs.py`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// In which numbers an operation is made.
    #[serde(default = "float32")]
    pub numbers: Vec<Number>,
    /// Whether the gradients of input and weights are made too.
    #[serde(default)]
    pub gradients: bool,
    /// Whether it makes no sense where the kernel log cannot be read.
    #[serde(default)]
    pub needs_kernel_log: bool,
}

fn float32() -> Vec<Number> {
    vec![Number::Float32]
}

/// A format of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Number {
    /// 32 bits.
    Float32,
    /// 16 bits.
    Float16,
}

impl Number {
    /// Returns PyTorch's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
        }
    }

    /// Returns the unit roundoff. Source: IEEE 754-2019, binary32 and binary16.
    pub fn roundoff(self) -> f64 {
        match self {
            Self::Float32 => 2f64.powi(-24),
            Self::Float16 => 2f64.powi(-11),
        }
    }
}

/// A convolution, in the letters of MIOpen: `n` images of `c` channels, `h` by `w`; `k` filters, `r` by `s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the letters are explained above")]
pub struct Conv2d {
    pub n: u32,
    pub c: u32,
    pub h: u32,
    pub w: u32,
    pub k: u32,
    pub r: u32,
    pub s: u32,
    #[serde(default)]
    pub padding: u32,
    #[serde(default = "one")]
    pub stride: u32,
    #[serde(default = "one")]
    pub groups: u32,
}

fn one() -> u32 {
    1
}

/// A product of an `m` by `k` with a `k` by `n` matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the letters are explained above")]
pub struct Matmul {
    pub m: u32,
    pub n: u32,
    pub k: u32,
}

/// A part of the GPU's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// How much of it.
    pub percent: u32,
}

impl Workload {
    /// Returns everything that is wrong with it.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut seen = BTreeMap::new();
        if self.check.is_empty() {
            problems.push("it checks nothing".to_owned());
        }
        for check in &self.check {
            let name = &check.name;
            let kinds = [
                check.conv2d.is_some(),
                check.matmul.is_some(),
                check.memory.is_some(),
                check.program.is_some(),
            ];
            if kinds.into_iter().filter(|is| *is).count() != 1 {
                problems.push(format!("`{name}` needs one of conv2d, matmul, memory and program"));
            }
            if check.gradients && check.conv2d.is_none() {
                problems.push(format!("`{name}`: gradients are those of a convolution"));
            }
            if check.numbers.is_empty() {
                problems.push(format!("`{name}` is made in no numbers"));
            }
            if let Some(v) = check.conv2d {
                let divides = |a: u32| v.groups > 0 && a.is_multiple_of(v.groups);
                let fits = v.h + 2 * v.padding >= v.r && v.w + 2 * v.padding >= v.s;
                if !(v.stride > 0 && fits && divides(v.c) && divides(v.k)) {
                    problems.push(format!("`{name}` is no convolution"));
                }
            }
            // A name goes into a line of JSON of a program that does not escape it.
            if name.contains(['"', '\\']) || name.chars().any(char::is_control) {
                problems.push(format!("`{name}`: quotes and backslashes cannot stand in a name"));
            }
            if seen.insert(name, ()).is_some() {
                problems.push(format!("two checks are called `{name}`"));
            }
        }
        problems
    }
}
