//! What a file of `workloads/` may say. `workloads/README.md` documents it for people.

use crate::isolation::Limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// One workload: a column of the matrix for each software that can compute it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its name: that of its file.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// What it belongs to.
    pub suite: Suite,
    /// Where its shapes are from.
    pub sources: Vec<String>,
    /// Longest time.
    pub seconds: u64,
    /// Longest time without a word.
    pub silence: u64,
    /// Most memory that one of its processes may map, in MiB.
    pub memory_mib: u64,
    /// Whether the kernel log of its time is what is tested.
    #[serde(default)]
    pub kernel_log: bool,
    /// The user's project that it needs, by the name under which its folder is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// How far results may be off.
    #[serde(default)]
    pub tolerance: Vec<Tolerance>,
    /// What is computed.
    pub check: Vec<Check>,
}

/// What a workload belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// What people compute.
    Workloads,
    /// The pieces of their projects, and the system around them.
    Integration,
    /// Whether the software is installed.
    Installation,
    /// Long searches, run by name only.
    Probes,
}

impl Suite {
    /// Returns the name in data and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Workloads => "workloads",
            Self::Integration => "integration",
            Self::Installation => "installation",
            Self::Probes => "probes",
        }
    }
}

/// A type of number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32 bits.
    Float32,
    /// 16 bits, 11 of them significant.
    Float16,
    /// 16 bits, 8 of them significant.
    Bfloat16,
    /// Whole numbers.
    Int32,
}

impl Dtype {
    /// Returns the name in data and in PyTorch.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::Bfloat16 => "bfloat16",
            Self::Int32 => "int32",
        }
    }
}

/// Largest relative error of results of one type: max|got - want| / max|want| over a tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// The type.
    pub dtype: Dtype,
    /// The bound.
    pub bound: f64,
    /// Why it is not smaller.
    pub reason: String,
}

/// One thing that is computed: an operation, or a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Its name, unique in the workload.
    pub name: String,
    /// Arithmetic that every software has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// A program of `workloads/torch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Program>,
    /// Types in which an operation is computed.
    #[serde(default)]
    pub dtypes: Vec<Dtype>,
    /// Whether the gradients of all that goes in are computed too.
    #[serde(default)]
    pub gradients: bool,
}

/// Arithmetic of one layer. Layouts are NCHW and KCRS; transposed convolutions have CKRS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A convolution of signals.
    Conv1d(Convolution),
    /// A convolution of images.
    Conv2d(Convolution),
    /// Its transposed form.
    ConvTranspose2d(Convolution),
    /// A matrix product.
    Matmul(Matmul),
    /// Normalisation over a batch, as in training.
    BatchNorm(Shape),
    /// Scaled dot products, softmax, and their product with the values.
    Attention(Attention),
    /// Views and permutations; the result is squared, so that its gradient tells where it went.
    Rearrange(Rearrange),
    /// Twice the input, plus one.
    Scale(Shape),
    /// What is above zero.
    Relu(Shape),
    /// The same with a slope below zero.
    LeakyRelu(LeakyRelu),
    /// The logistic function.
    Sigmoid(Shape),
    /// Softmax along one dimension.
    Softmax(Softmax),
    /// Largest of squares.
    MaxPool2d(MaxPool2d),
}

/// A convolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Convolution {
    /// Shape of the input.
    pub input: Vec<u64>,
    /// Shape of the weights.
    pub weight: Vec<u64>,
    /// Stride in each direction; 1 where none is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stride: Vec<u64>,
    /// Zeros around the input; none where none is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub padding: Vec<u64>,
    /// Groups of channels that do not meet.
    #[serde(default = "one")]
    pub groups: u64,
}

fn one() -> u64 {
    1
}

/// A matrix product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matmul {
    /// Shape of the left side.
    pub input: [u64; 2],
    /// Shape of the right side.
    pub weight: [u64; 2],
    /// Whether the product of the transposed sides is added.
    #[serde(default)]
    pub plus_transposed: bool,
}

/// An input alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Its shape.
    pub input: Vec<u64>,
}

/// Attention by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    /// Sequences.
    pub batch: u64,
    /// Heads.
    pub heads: u64,
    /// Places in a sequence.
    pub length: u64,
    /// Numbers of a head at a place.
    pub width: u64,
}

/// A walk of views and permutations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rearrange {
    /// Shape of the input.
    pub input: Vec<u64>,
    /// Steps.
    pub steps: Vec<Step>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The same numbers in another shape.
    View(Vec<u64>),
    /// Dimensions in another order, made contiguous.
    Permute(Vec<u64>),
}

/// Leaky ReLU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeakyRelu {
    /// Shape.
    pub input: Vec<u64>,
    /// Slope below zero.
    pub slope: f64,
}

/// Softmax.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Softmax {
    /// Shape.
    pub input: Vec<u64>,
    /// The dimension along which results add up to one.
    pub dim: usize,
}

/// Pooling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool2d {
    /// Shape.
    pub input: Vec<u64>,
    /// Side of a square, and step from one to the next.
    pub size: u64,
}

/// A program of `workloads/torch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// One step of a network of linear layers against float64, then training whose loss must fall.
    MlpTraining(MlpTraining),
    /// The same of a small EEGNeX-like network.
    EegnexLike(Training),
    /// The same of a small YOLO-like detector.
    YoloLike(Training),
    /// Three blocks of a detector's backbone in a row.
    YoloBackbone(Shape),
    /// PyTorch's module of attention.
    MultiHeadAttention(Sequences),
    /// PyTorch's encoder layer.
    EncoderLayer(Sequences),
    /// Blocks of memory whose contents are written and read back.
    MemoryPressure(MemoryPressure),
    /// Convolutions of growing images.
    SizeBoundary(SizeBoundary),
    /// The same convolution for a long time.
    Soak(Soak),
    /// The libraries that the process has mapped.
    Libraries(Nothing),
    /// ROCm's folder.
    RocmFolder(Nothing),
    /// What rocminfo lists.
    Rocminfo(Patience),
    /// What hipcc compiles.
    Hipcc(Hipcc),
    /// The variables that a file of the system sets.
    Environment(Environment),
    /// A user's project.
    Project(Project),
}

impl Program {
    /// Returns whether it is done without PyTorch.
    pub fn is_of_machine(&self) -> bool {
        matches!(
            self,
            Self::RocmFolder(_)
                | Self::Rocminfo(_)
                | Self::Hipcc(_)
                | Self::Environment(_)
                | Self::Project(_)
        )
    }
}

/// Training of linear layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpTraining {
    /// Numbers between the layers, from input to output.
    pub widths: Vec<u64>,
    /// Items of a batch.
    pub batch: u64,
    /// Steps.
    pub steps: u64,
    /// What makes them.
    pub optimizer: Optimizer,
    /// How far one goes.
    pub rate: f64,
    /// Whether products are computed in the narrow type.
    #[serde(default)]
    pub mixed: bool,
}

/// What makes the steps of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Adam.
    Adam,
    /// Plain gradient descent.
    Sgd,
}

/// Training of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Shape of a batch.
    pub input: Vec<u64>,
    /// Classes.
    pub classes: u64,
    /// Steps.
    pub steps: u64,
    /// What makes them.
    pub optimizer: Optimizer,
    /// How far one goes.
    pub rate: f64,
    /// Whether all steps see the same batch.
    #[serde(default)]
    pub same_batch: bool,
}

/// A batch of sequences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequences {
    /// Sequences, places, numbers at a place.
    pub input: [u64; 3],
    /// Heads.
    pub heads: u64,
}

/// Memory that is filled and read back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryPressure {
    /// Share of the device's memory that one block takes.
    pub share: f64,
    /// Blocks.
    pub blocks: u64,
    /// Matrices of 1000x1000 that are added up beside them.
    pub sums: u64,
    /// Products of 500x500 that are made beside them.
    pub products: u64,
}

/// Convolutions of growing images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeBoundary {
    /// Channels in and out.
    pub channels: [u64; 2],
    /// Sides of the square images.
    pub sizes: Vec<u64>,
}

impl SizeBoundary {
    /// Returns the size of each image with its convolution, which leaves the size as it is.
    pub fn convolutions(&self) -> impl Iterator<Item = (u64, Convolution)> {
        let [inputs, outputs] = self.channels;
        self.sizes.iter().map(move |&size| {
            let convolution = Convolution {
                input: vec![1, inputs, size, size],
                weight: vec![outputs, inputs, 3, 3],
                stride: Vec::new(),
                padding: vec![1, 1],
                groups: 1,
            };
            (size, convolution)
        })
    }
}

/// The same for a long time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Soak {
    /// How long.
    pub seconds: u64,
    /// How much more memory the process may have at the end.
    pub growth_mib: u64,
}

/// No parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// How long a tool may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patience {
    /// Seconds.
    pub seconds: u64,
}

/// Compilation of a small program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hipcc {
    /// Longest time of the compiler and of the program.
    pub seconds: u64,
    /// Targets.
    pub targets: Vec<String>,
}

/// A file that sets variables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Its path.
    pub file: String,
}

/// A user's project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// The name under which its folder is given.
    pub name: String,
    /// What must be in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Modules that its Python must be able to import.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<String>,
    /// Longest time of an import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

impl Workload {
    /// Returns how far its processes may go; `output` bytes of each stream are kept.
    pub fn limits(&self, output: usize) -> Limits {
        Limits {
            wall: Duration::from_secs(self.seconds),
            silence: Some(Duration::from_secs(self.silence)),
            memory: Some(self.memory_mib << 20),
            output,
        }
    }

    /// Returns the same work without half precision.
    pub fn in_single_precision(&self) -> Self {
        let mut single = self.clone();
        for check in &mut single.check {
            for dtype in &mut check.dtypes {
                if matches!(dtype, Dtype::Float16 | Dtype::Bfloat16) {
                    *dtype = Dtype::Float32;
                }
            }
            // Types do not repeat in a file, and float32 stands first.
            check.dtypes.dedup();
            if let Some(Program::MlpTraining(training)) = &mut check.program {
                training.mixed = false;
            }
        }
        single
    }

    /// Returns the bounds by type.
    pub fn bounds(&self) -> BTreeMap<Dtype, f64> {
        self.tolerance.iter().map(|row| (row.dtype, row.bound)).collect()
    }
}
