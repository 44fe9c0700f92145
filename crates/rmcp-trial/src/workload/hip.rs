//! Checks as `hip/suite.hip` reads them: an argument each, `key=value` between semicolons.

use super::kit::Kit;
use super::schema::{Check, Convolution, Dtype, Operation, Program, Step, Workload};
use crate::isolation::Invocation;
use std::fmt::Write as _;
use std::path::Path;

/// Multiply-adds that one result of a check may take on a simulated card: a twentieth of a second of two cores.
const SIMULATED_BUDGET: u64 = 3_000_000;

/// Bytes of memory that are filled on a simulated card, which has none of its own.
const SIMULATED_MEMORY: u64 = 64 << 20;

/// Returns how the programs are compiled for targets; `sources` is the folder of [`super::sources`].
pub fn compile(hipcc: &Path, sources: &Path, targets: &[&str], out: &Path) -> Invocation {
    let mut arguments: Vec<std::ffi::OsString> =
        targets.iter().map(|target| format!("--offload-arch={target}").into()).collect();
    arguments.extend(["-O3", "-std=c++17", "-o"].map(Into::into));
    arguments.extend([out.into(), sources.join("hip/suite.hip").into()]);
    Invocation { program: hipcc.to_owned(), arguments, ..Invocation::default() }
}

/// Returns a check for the suite; none where HIP alone does not have it.
pub(super) fn specification(workload: &Workload, check: &Check) -> Option<Vec<String>> {
    let typed = |dtypes: &[Dtype]| {
        let bounds = workload.bounds();
        let of = |dtype: &Dtype| Some(format!("{}:{:e}", dtype.name(), bounds.get(dtype)?));
        dtypes.iter().filter_map(of).collect::<Vec<_>>().join(",")
    };
    if let Some(operation) = &check.operation {
        let gradients = u8::from(check.gradients);
        return Some(vec![format!(
            "name={};{};dtypes={};gradients={gradients}",
            check.name,
            operation_text(operation)?,
            typed(&check.dtypes)
        )]);
    }
    match check.program.as_ref()? {
        // Forward and backward through linear layers are products.
        Program::MlpTraining(it) => {
            let dtype = if it.mixed { Dtype::Float16 } else { Dtype::Float32 };
            let layer = |(at, pair): (usize, &[u64])| {
                format!(
                    "name={}, layer {};operation=matmul;input={},{};weight={},{};dtypes={};gradients=1",
                    check.name,
                    at + 1,
                    it.batch,
                    pair[0],
                    pair[0],
                    pair[1],
                    typed(&[dtype])
                )
            };
            Some(it.widths.windows(2).enumerate().map(layer).collect())
        }
        Program::SizeBoundary(it) => {
            let at_size = |(size, image): (u64, Convolution)| {
                format!(
                    "name={} {size}x{size};{};dtypes={};gradients=0",
                    check.name,
                    convolution("conv2d", &image),
                    typed(&[Dtype::Float32])
                )
            };
            Some(it.convolutions().map(at_size).collect())
        }
        Program::MemoryPressure(it) => Some(vec![format!(
            "name={};operation=memory;share={};blocks={}",
            check.name, it.share, it.blocks
        )]),
        Program::Libraries(_) => Some(vec![format!("name={};operation=libraries", check.name)]),
        _ => None,
    }
}

fn operation_text(operation: &Operation) -> Option<String> {
    let one_input = |name: &str, input: &[u64]| format!("operation={name};input={}", list(input));
    Some(match operation {
        Operation::Conv1d(it) => {
            // One row of an image.
            let row = |shape: &[u64]| vec![shape[0], shape[1], 1, shape[2]];
            let wide = |list: &[u64], other: u64| match list {
                [] => vec![other, other],
                _ => vec![other, list[0]],
            };
            let image = Convolution {
                input: row(&it.input),
                weight: row(&it.weight),
                stride: wide(&it.stride, 1),
                padding: match it.padding.first() {
                    Some(padding) => vec![0, *padding],
                    None => vec![0, 0],
                },
                groups: it.groups,
            };
            convolution("conv2d", &image)
        }
        Operation::Conv2d(it) => convolution("conv2d", it),
        Operation::ConvTranspose2d(it) => convolution("conv_transpose2d", it),
        Operation::Matmul(it) => {
            let plus = u8::from(it.plus_transposed);
            format!(
                "operation=matmul;input={};weight={};plus_transposed={plus}",
                list(&it.input),
                list(&it.weight)
            )
        }
        Operation::Attention(it) => {
            let shape = [it.batch, it.heads, it.length, it.width];
            one_input("attention", &shape)
        }
        Operation::Rearrange(it) => {
            let mut text = one_input("rearrange", &it.input);
            text.push_str(";steps=");
            for (at, step) in it.steps.iter().enumerate() {
                let (kind, numbers) = match step {
                    Step::View(shape) => ('v', shape),
                    Step::Permute(order) => ('p', order),
                };
                let plus = if at == 0 { "" } else { "+" };
                // Writing to a string cannot fail.
                let _ = write!(text, "{plus}{kind}{}", list(numbers));
            }
            text
        }
        Operation::Scale(it) => one_input("scale", &it.input),
        Operation::Relu(it) => one_input("relu", &it.input),
        Operation::LeakyRelu(it) => {
            format!("{};slope={}", one_input("leaky_relu", &it.input), it.slope)
        }
        Operation::Sigmoid(it) => one_input("sigmoid", &it.input),
        Operation::Softmax(it) if it.dim + 1 == it.input.len() => one_input("softmax", &it.input),
        Operation::MaxPool2d(it) => {
            format!("{};size={}", one_input("max_pool2d", &it.input), it.size)
        }
        Operation::BatchNorm(_) | Operation::Softmax(_) => return None,
    })
}

fn convolution(name: &str, it: &Convolution) -> String {
    let or = |given: &[u64], usual: u64| match given {
        [] => list(&[usual, usual]),
        _ => list(given),
    };
    format!(
        "operation={name};input={};weight={};stride={};padding={};groups={}",
        list(&it.input),
        list(&it.weight),
        or(&it.stride, 1),
        or(&it.padding, 0),
        it.groups
    )
}

fn list(numbers: &[u64]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Starts the suite with all checks of a workload.
pub(super) fn invocation(workload: &Workload, kit: &Kit, program: &Path) -> Invocation {
    let mut arguments = Vec::new();
    if kit.simulated {
        arguments.push(format!("budget={SIMULATED_BUDGET};memory={SIMULATED_MEMORY}").into());
    }
    for check in &workload.check {
        arguments.extend(specification(workload, check).into_iter().flatten().map(Into::into));
    }
    Invocation { program: program.to_owned(), arguments, ..Invocation::default() }
}
