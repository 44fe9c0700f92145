//! The software there is, and how each is asked to compute a workload. Starts nothing.

use super::amd::{
    MIOPEN_VARIABLES, judge_miopen, judge_rocblas, miopen_arguments, rocblas_arguments,
};
use super::results::judge_results;
use super::schema::{Check, Number, Workload};
use super::{Judged, OUTPUT, Programs};
use crate::isolation::{Ended, Invocation, Limits};
use crate::search::Question;
use rmcp_model::{Knob, Outcome, Test, Tool};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The variables by which the Python program learns what to compute, and on what.
const WORKLOAD: &str = "RMCP_WORKLOAD";
const DEVICE: &str = "RMCP_DEVICE";

/// The software there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kit {
    /// A Python with PyTorch, and the folder with our program for it.
    pub torch: Option<(PathBuf, PathBuf)>,
    /// Our HIP program, compiled.
    pub hip: Option<PathBuf>,
    /// AMD's `MIOpenDriver`.
    pub miopen: Option<PathBuf>,
    /// AMD's `rocblas-bench`.
    pub rocblas: Option<PathBuf>,
    /// Most products of one launch of our HIP program, for a simulated card; without it everything is computed.
    pub products: Option<u64>,
    /// Whether what the kernel says can be read.
    pub kernel_log: bool,
    /// The workloads.
    pub workloads: Vec<Workload>,
    /// Longest time of one process, instead of the workload's own.
    pub limit: Option<Duration>,
}

impl Kit {
    /// Returns the tests that make sense with this software.
    pub fn tests(&self) -> Vec<Test> {
        let tools = [
            (Tool::Hip, self.hip.is_some()),
            (Tool::Miopen, self.miopen.is_some()),
            (Tool::Rocblas, self.rocblas.is_some()),
            (Tool::Torch, self.torch.is_some()),
        ];
        let tools = tools.into_iter().filter(|(_, is_there)| *is_there);
        tools
            .flat_map(|(tool, _)| {
                let concerned = self.workloads.iter().filter(move |workload| {
                    workload.check.iter().any(|check| concerns(tool, check))
                });
                concerned.map(move |workload| Test { workload: workload.name.clone(), tool })
            })
            .collect()
    }

    fn workload(&self, test: &Test) -> Option<&Workload> {
        self.workloads.iter().find(|workload| workload.name == test.workload)
    }

    /// One process for each check and format of numbers.
    fn hip(&self, workload: &Workload) -> Vec<Invocation> {
        let Some(program) = &self.hip else { return Vec::new() };
        let checks = workload.check.iter().filter(|check| concerns(Tool::Hip, check));
        let each =
            checks.flat_map(|check| check.numbers.iter().map(move |number| (check, *number)));
        each.map(|(check, number)| Invocation {
            program: program.clone(),
            arguments: self.hip_arguments(check, number),
            ..Invocation::default()
        })
        .collect()
    }

    fn hip_arguments(&self, check: &Check, number: Number) -> Vec<OsString> {
        let mut words: Vec<String> = Vec::new();
        if let Some(v) = check.conv2d {
            words.push("conv2d".to_owned());
            let keys = [
                ("n", v.n),
                ("c", v.c),
                ("h", v.h),
                ("w", v.w),
                ("k", v.k),
                ("r", v.r),
                ("s", v.s),
                ("padding", v.padding),
                ("stride", v.stride),
                ("groups", v.groups),
                ("gradients", u32::from(check.gradients)),
            ];
            words.extend(keys.map(|(key, value)| format!("{key}={value}")));
        }
        if let Some(v) = check.matmul {
            words.push("matmul".to_owned());
            words.extend(
                [("m", v.m), ("n", v.n), ("k", v.k)].map(|(key, value)| format!("{key}={value}")),
            );
        }
        if let Some(v) = check.memory {
            words.extend(["memory".to_owned(), format!("percent={}", v.percent)]);
        }
        words.push(format!("dtype={}", number.name()));
        words.push(format!("name={}", check.name));
        words.push(format!("roundoff={:e}", number.roundoff()));
        words.extend(self.products.map(|products| format!("products={products}")));
        words.into_iter().map(OsString::from).collect()
    }

    /// One process for the whole workload: PyTorch takes seconds to load.
    fn torch(&self, workload: &Workload, folder: &Path) -> Result<Vec<Invocation>, Outcome> {
        let Some((python, program)) = &self.torch else { return Ok(Vec::new()) };
        let path = folder.join("workload.json");
        let written = serde_json::to_vec(&json(workload))
            .map_err(std::io::Error::from)
            .and_then(|bytes| std::fs::write(&path, bytes));
        written.map_err(|error| Outcome::CouldNotStart {
            what: format!("{}: {error}", path.display()),
        })?;
        Ok(vec![Invocation {
            program: python.clone(),
            arguments: vec!["-u".into(), program.join("run.py").into()],
            set: vec![
                (WORKLOAD.to_owned(), path.display().to_string()),
                (DEVICE.to_owned(), "cuda".to_owned()),
            ],
            ..Invocation::default()
        }])
    }

    fn miopen(&self, workload: &Workload) -> Vec<Invocation> {
        let Some(program) = &self.miopen else { return Vec::new() };
        let mut all = Vec::new();
        for check in &workload.check {
            let Some(shape) = check.conv2d else { continue };
            for number in &check.numbers {
                let directions: &[u32] = if check.gradients { &[1, 2, 4] } else { &[1] };
                all.extend(directions.iter().map(|direction| {
                    Invocation {
                        program: program.clone(),
                        arguments: miopen_arguments(shape, *number, *direction),
                        set: MIOPEN_VARIABLES
                            .map(|(name, value)| (name.to_owned(), value.to_owned()))
                            .to_vec(),
                        ..Invocation::default()
                    }
                }));
            }
        }
        all
    }

    fn rocblas(&self, workload: &Workload) -> Vec<Invocation> {
        let Some(program) = &self.rocblas else { return Vec::new() };
        let products = workload.check.iter().filter_map(|check| Some((check.matmul?, check)));
        products
            .flat_map(|(shape, check)| check.numbers.iter().map(move |number| (shape, *number)))
            .map(|(shape, number)| Invocation {
                program: program.clone(),
                arguments: rocblas_arguments(shape, number),
                ..Invocation::default()
            })
            .collect()
    }
}

/// Whether a tool can make a check.
fn concerns(tool: Tool, check: &Check) -> bool {
    match tool {
        Tool::Hip => check.program.is_none(),
        Tool::Miopen => check.conv2d.is_some(),
        Tool::Rocblas => check.matmul.is_some(),
        Tool::Torch => true,
        Tool::Machine | Tool::Command => false,
    }
}

/// A workload as the Python program reads it.
fn json(workload: &Workload) -> serde_json::Value {
    let roundoff = |number: Number| (number.name().to_owned(), number.roundoff().into());
    let roundoff = [Number::Float32, Number::Float16].map(roundoff);
    serde_json::json!({
        "name": workload.name,
        "checks": workload.check,
        "roundoff": serde_json::Map::from_iter(roundoff),
    })
}

impl Programs for Kit {
    fn commands(&self, question: &Question, folder: &Path) -> Result<Vec<Invocation>, Outcome> {
        let skipped = |what: &str| Err(Outcome::Skipped { what: what.to_owned() });
        let tool = question.test.tool;
        let Some(workload) = self.workload(&question.test) else {
            return Err(Outcome::NotRun { what: "there is no such workload".to_owned() });
        };
        for knob in &question.knobs {
            match (knob, tool) {
                (Knob::Processor, Tool::Hip | Tool::Miopen | Tool::Rocblas) => {
                    return skipped("it computes on a GPU alone");
                }
                (Knob::Torch { .. }, Tool::Hip | Tool::Miopen | Tool::Rocblas) => {
                    return skipped("it is a setting of PyTorch");
                }
                _ => {}
            }
        }
        if !self.kernel_log && workload.check.iter().any(|check| check.needs_kernel_log) {
            return skipped(
                "the kernel log cannot be read; root can, or sysctl kernel.dmesg_restrict=0",
            );
        }
        let mut invocations = match tool {
            Tool::Hip => self.hip(workload),
            Tool::Torch => self.torch(workload, folder)?,
            Tool::Miopen => self.miopen(workload),
            Tool::Rocblas => self.rocblas(workload),
            Tool::Machine | Tool::Command => Vec::new(),
        };
        for invocation in &mut invocations {
            invocation.apply(&question.knobs);
            if question.knobs.contains(&Knob::EmptyCache) {
                let empty = folder.join("miopen").display().to_string();
                let names = ["MIOPEN_USER_DB_PATH", "MIOPEN_CUSTOM_CACHE_DIR"];
                invocation.set.extend(names.map(|name| (name.to_owned(), empty.clone())));
            }
        }
        Ok(invocations)
    }

    fn limits(&self, test: &Test) -> Limits {
        let seconds = self.workload(test).map_or(60, |workload| workload.seconds);
        let wall = self.limit.unwrap_or(Duration::from_secs(seconds));
        Limits { wall, silence: None, memory: None, output: OUTPUT }
    }

    fn judge(&self, test: &Test, ended: &Ended) -> Judged {
        match test.tool {
            Tool::Miopen => judge_miopen(ended),
            Tool::Rocblas => judge_rocblas(ended),
            Tool::Torch | Tool::Hip | Tool::Machine | Tool::Command => judge_results(ended),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::all;

    fn kit() -> Kit {
        Kit {
            torch: Some(("python3".into(), "/our/torch".into())),
            hip: Some("/our/suite".into()),
            miopen: Some("/opt/rocm/bin/MIOpenDriver".into()),
            rocblas: None,
            products: Some(1000),
            kernel_log: true,
            workloads: all().to_vec(),
            limit: None,
        }
    }

    fn question(workload: &str, tool: Tool, knobs: &[Knob]) -> Question {
        let test = Test { workload: workload.to_owned(), tool };
        Question { knobs: knobs.to_vec(), test, repeat: 0 }
    }

    fn lines(question: &Question) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let invocations = kit().commands(question, folder.path()).unwrap();
        let words = |invocation: &Invocation| {
            let arguments =
                invocation.arguments.iter().map(|word| word.to_string_lossy().into_owned());
            arguments.collect::<Vec<_>>().join(" ")
        };
        invocations.iter().map(words).collect()
    }

    #[test]
    fn every_check_becomes_a_process_of_each_tool() {
        let hip = lines(&question("eeg-reshaping", Tool::Hip, &[]));
        assert_eq!(hip.len(), 3);
        assert_eq!(
            hip[0],
            "conv2d n=16 c=1 h=64 w=256 k=32 r=64 s=1 padding=0 stride=1 groups=1 gradients=1 dtype=float32 name=64x1, 1 to 32 roundoff=5.960464477539063e-8 products=1000"
        );
        let miopen = lines(&question("eeg-reshaping", Tool::Miopen, &[]));
        assert_eq!(miopen.len(), 9);
        assert_eq!(
            miopen[5],
            "convfp16 -n 16 -c 1 -H 64 -W 256 -k 32 -y 64 -x 1 -p 0 -q 0 -u 1 -v 1 -g 1 -F 4 -V 1 -t 0 -i 1"
        );
        assert_eq!(lines(&question("basic", Tool::Torch, &[])), ["-u /our/torch/run.py"]);
    }

    #[test]
    fn what_makes_no_sense_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let torch = Knob::Torch { name: "backends.cudnn.enabled".into(), value: "False".into() };
        for knob in [Knob::Processor, torch] {
            let asked = question("basic", Tool::Hip, &[knob]);
            let outcome = kit().commands(&asked, folder.path()).unwrap_err();
            assert_eq!(outcome.word(), "skipped");
        }
        let blind = Kit { kernel_log: false, ..kit() };
        let outcome = blind.commands(&question("kernel-log", Tool::Hip, &[]), folder.path());
        assert_eq!(outcome.unwrap_err().word(), "skipped");
    }

    #[test]
    fn knobs_reach_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let knobs = [
            Knob::Set { name: "HSA_ENABLE_SDMA".into(), value: "0".into() },
            Knob::Unset { name: "HSA_OVERRIDE_GFX_VERSION".into() },
            Knob::EmptyCache,
            Knob::Processor,
        ];
        let asked = question("basic", Tool::Torch, &knobs);
        let started = kit().commands(&asked, folder.path()).unwrap().remove(0);
        let value = |name: &str| {
            // The last one counts.
            started
                .set
                .iter()
                .rev()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
        };
        assert_eq!(value("HSA_ENABLE_SDMA"), Some("0"));
        assert_eq!(value("RMCP_DEVICE"), Some("cpu"));
        assert!(value("MIOPEN_CUSTOM_CACHE_DIR").unwrap().ends_with("/miopen"));
        assert_eq!(started.unset, ["HSA_OVERRIDE_GFX_VERSION"]);
        let file: serde_json::Value =
            serde_json::from_slice(&std::fs::read(value("RMCP_WORKLOAD").unwrap()).unwrap())
                .unwrap();
        assert_eq!(file["checks"][0]["matmul"]["m"], 1000);
    }
}
