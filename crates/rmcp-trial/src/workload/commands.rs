//! How each software is asked to compute a workload, under the knobs of a candidate. Pure.

use super::kit::Kit;
use super::schema::Workload;
use super::{hip, miopen, rocblas, shipped};
use crate::isolation::Invocation;
use rmcp_model::{Knob, Outcome, Tool};
use std::path::Path;

/// Where MIOpen keeps which solver it found to be the fastest for a shape.
///
/// Source: MIOpen documentation, Find database and Performance database.
pub const MIOPEN_DATABASES: &str = "MIOPEN_USER_DB_PATH";

/// Variables of our own: what the programs of `workloads/torch` are told.
const WORKLOAD: &str = "RMCP_WORKLOAD";
const PROJECT: &str = "RMCP_PROJECT";
const CLAIMED: &str = "RMCP_CLAIMED";
const PRECISION: &str = "RMCP_PRECISION";

/// Returns the processes that compute a workload, one after the other; each has the variable
/// [`RESULTS`](crate::isolation::RESULTS) set by whoever starts it.
///
/// # Errors
/// It makes no sense here: the outcome says why.
pub fn commands(
    workload: &Workload,
    tool: Tool,
    kit: &Kit,
    knobs: &[Knob],
) -> Result<Vec<Invocation>, Outcome> {
    let skipped = |what: &str| Err(Outcome::Skipped { what: what.to_owned() });
    if !workload.is_for(tool) {
        return skipped(&format!("{} is not computed by {tool}", workload.name));
    }
    if let Some(what) = kit.lacks(tool) {
        return skipped(what);
    }
    let project = match &workload.project {
        Some(name) => match kit.projects.get(name) {
            Some(folder) => Some(folder),
            None => {
                return skipped(&format!(
                    "no folder is given for the project {name}: --project {name}=DIR"
                ));
            }
        },
        None => None,
    };
    if let Some(what) = knobs.iter().find_map(|knob| means_nothing(knob, tool, kit)) {
        return skipped(what);
    }
    let single = knobs.contains(&Knob::SinglePrecision).then(|| workload.in_single_precision());
    let workload = single.as_ref().unwrap_or(workload);
    let mut invocations = match tool {
        Tool::Torch | Tool::Machine => vec![python(workload, kit)],
        Tool::Hip => vec![hip::invocation(workload, kit, path(kit.hip.as_deref()))],
        Tool::Miopen => miopen::invocations(workload, path(kit.miopen_driver.as_deref())),
        Tool::Rocblas => rocblas::invocations(workload, path(kit.rocblas_bench.as_deref())),
        Tool::Command => Vec::new(),
    };
    for invocation in &mut invocations {
        if let Some(folder) = project {
            invocation.set(PROJECT, &folder.to_string_lossy());
        }
        if let Some(folder) = &kit.claimed {
            invocation.set(CLAIMED, &folder.to_string_lossy());
        }
        if let Some(folder) = &kit.miopen_databases {
            invocation.set(MIOPEN_DATABASES, &folder.to_string_lossy());
        }
        if single.is_some() {
            invocation.set(PRECISION, "single");
        }
        // A candidate's variable stands against one of ours.
        invocation.apply(knobs);
        if let Some(folder) = kit.empty_cache.as_ref().filter(|_| knobs.contains(&Knob::EmptyCache))
        {
            for name in [MIOPEN_DATABASES, "MIOPEN_CUSTOM_CACHE_DIR"] {
                invocation.set(name, &folder.to_string_lossy());
            }
        }
    }
    Ok(invocations)
}

/// Why a change means nothing to a software; none where it may mean something.
fn means_nothing(knob: &Knob, tool: Tool, kit: &Kit) -> Option<&'static str> {
    match (knob, tool) {
        (Knob::Set { .. } | Knob::Unset { .. } | Knob::SinglePrecision, _)
        | (Knob::Torch { .. } | Knob::Processor, Tool::Torch) => None,
        (Knob::Torch { .. }, _) => Some("it is a setting of PyTorch"),
        (Knob::Processor, _) => Some("only PyTorch also computes on the processor"),
        (Knob::EmptyCache, Tool::Torch | Tool::Miopen) => {
            kit.empty_cache.is_none().then_some("no empty folder is given")
        }
        (Knob::EmptyCache, _) => Some("only MIOpen keeps such a cache"),
    }
}

fn path(path: Option<&Path>) -> &Path {
    path.unwrap_or(Path::new(""))
}

fn python(workload: &Workload, kit: &Kit) -> Invocation {
    let json = kit.sources.join(shipped::json_path(&workload.name));
    Invocation {
        program: path(kit.python.as_deref()).to_owned(),
        // Nothing is written beside the sources.
        arguments: vec!["-B".into(), kit.sources.join("torch/run.py").into()],
        set: vec![(WORKLOAD.to_owned(), json.to_string_lossy().into_owned())],
        ..Invocation::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::workload;
    use super::*;

    fn kit() -> Kit {
        Kit {
            sources: "/s".into(),
            python: Some("python3".into()),
            torch: true,
            hip: Some("suite".into()),
            miopen_driver: Some("driver".into()),
            rocblas_bench: Some("bench".into()),
            empty_cache: Some("/e".into()),
            ..Kit::default()
        }
    }

    fn of(name: &str, tool: Tool, knobs: &[Knob]) -> Result<Vec<Invocation>, Outcome> {
        commands(workload(name).unwrap(), tool, &kit(), knobs)
    }

    fn line(invocation: &Invocation) -> String {
        let words: Vec<_> =
            invocation.arguments.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn knobs_become_variables() {
        let set = |name: &str, value: &str| Knob::Set { name: name.into(), value: value.into() };
        let knobs = [
            set("A", "1"),
            Knob::Unset { name: "B".into() },
            set("A", "2"),
            set("C", "3"),
            Knob::Unset { name: "C".into() },
            Knob::Torch { name: "backends.cudnn.enabled".into(), value: "False".into() },
            Knob::Processor,
            Knob::EmptyCache,
        ];
        let [found] = &of("basic", Tool::Torch, &knobs).unwrap()[..] else { panic!("one") };
        let text = |name: &str| {
            found.set.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
        };
        assert_eq!(text("A"), Some("2"));
        assert_eq!(text("C"), None);
        assert_eq!(found.unset, ["B", "C"]);
        assert_eq!(text("RMCP_TORCH"), Some(r#"{"backends.cudnn.enabled":"False"}"#));
        assert_eq!(text("RMCP_DEVICE"), Some("cpu"));
        assert_eq!(text("MIOPEN_USER_DB_PATH"), Some("/e"));
        assert_eq!(text(WORKLOAD), Some("/s/json/basic.json"));
        assert_eq!(line(found), "-B /s/torch/run.py");
    }

    #[test]
    fn what_makes_no_sense_is_skipped_and_says_why() {
        let torch = Knob::Torch { name: "a".into(), value: "b".into() };
        for (name, tool, knobs, words) in [
            ("basic", Tool::Hip, vec![Knob::Processor], "only PyTorch"),
            ("basic", Tool::Hip, vec![torch], "a setting of PyTorch"),
            ("basic", Tool::Hip, vec![Knob::EmptyCache], "only MIOpen"),
            ("basic", Tool::Miopen, vec![], "basic is not computed by miopen"),
            (
                "integration-eeg-project",
                Tool::Machine,
                vec![],
                "no folder is given for the project eeg",
            ),
        ] {
            let outcome = of(name, tool, &knobs).unwrap_err();
            assert!(outcome.what().unwrap().contains(words), "{outcome:?}");
            assert!(!outcome.ran(), "{outcome:?}");
        }
        let none = commands(workload("basic").unwrap(), Tool::Torch, &Kit::default(), &[]);
        assert_eq!(none.unwrap_err().what(), Some("PyTorch is not installed"));
    }

    #[test]
    fn in_single_precision_nothing_is_computed_in_half() {
        for (name, tool) in [
            ("convolutions", Tool::Miopen),
            ("mixed-precision", Tool::Rocblas),
            ("mixed-precision", Tool::Hip),
            ("basic", Tool::Hip),
        ] {
            let lines = |knobs: &[Knob]| -> Vec<String> {
                of(name, tool, knobs).unwrap().iter().map(line).collect()
            };
            let is_half = |line: &String| {
                ["convfp16", "f16_r", "float16"].iter().any(|word| line.contains(word))
            };
            assert!(lines(&[]).iter().any(is_half), "{name} {tool}");
            let single = lines(&[Knob::SinglePrecision]);
            assert!(!single.is_empty() && !single.iter().any(is_half), "{single:?}");
        }
        let [found] = &of("basic", Tool::Torch, &[Knob::SinglePrecision]).unwrap()[..] else {
            panic!("one")
        };
        assert!(found.set.contains(&("RMCP_PRECISION".to_owned(), "single".to_owned())));
    }

    #[test]
    fn convolutions_are_the_drivers_arguments() {
        let found = of("convolutions", Tool::Miopen, &[]).unwrap();
        // Five shapes, two types, three directions.
        assert_eq!(found.len(), 30);
        assert_eq!(
            line(&found[0]),
            "conv -n 4 -c 16 -H 64 -W 64 -k 32 -y 3 -x 3 -p 1 -q 1 -u 1 -v 1 -g 1 -F 1 -V 1 -t 0 -i 1"
        );
        let all: Vec<String> = found.iter().map(line).collect();
        assert!(all.iter().any(|line| line.contains("convfp16") && line.contains("-g 32 -F 4")));
        assert!(all.iter().any(|line| {
            line.contains("-c 64 -H 16 -W 16 -k 32 -y 4 -x 4 -p 1 -q 1 -u 2 -v 2 -g 1 -m trans")
        }));
        let signal = of("eeg-reshaping", Tool::Miopen, &[]).unwrap();
        let one_row = "-n 16 -c 32 -H 1 -W 256 -k 64 -y 1 -x 16 -p 0 -q 8";
        assert!(signal.iter().any(|found| line(found).contains(one_row)));
    }

    #[test]
    fn each_size_is_a_call_or_a_check_of_its_own() {
        let calls = of("size-boundary", Tool::Miopen, &[]).unwrap();
        let [suite] = &of("size-boundary", Tool::Hip, &[]).unwrap()[..] else { panic!("one") };
        assert_eq!((calls.len(), suite.arguments.len()), (34, 34));
        assert!(line(&calls[1]).starts_with("conv -n 1 -c 16 -H 36 -W 36 -k 32 -y 3 -x 3 -p 1"));
        let second = "name=16 to 32 36x36;operation=conv2d;input=1,16,36,36;weight=32,16,3,3;stride=1,1;padding=1,1;groups=1;dtypes=float32:1e-4;gradients=0";
        assert_eq!(suite.arguments[1], second);
    }

    #[test]
    fn products_are_rocblas_benchs_arguments() {
        let found = of("training", Tool::Rocblas, &[]).unwrap();
        assert_eq!(found.len(), 3);
        assert!(
            line(&found[0]).contains("-r f32_r") && line(&found[0]).contains("-m 32 -n 256 -k 784")
        );
    }

    #[test]
    fn the_suite_reads_checks_as_arguments() {
        let found = of("convolutions", Tool::Hip, &[]).unwrap();
        let first = "name=3x3;operation=conv2d;input=4,16,64,64;weight=32,16,3,3;stride=1,1;padding=1,1;groups=1;dtypes=float32:1e-4,float16:4e-3;gradients=1";
        assert_eq!(found[0].arguments[0], first);
        let simulated = Kit { simulated: true, ..kit() };
        let found =
            commands(workload("eeg-reshaping").unwrap(), Tool::Hip, &simulated, &[]).unwrap();
        assert!(found[0].arguments[0].to_string_lossy().starts_with("budget="));
        let text = line(&found[0]);
        assert!(
            text.contains("input=16,32,1,256;weight=64,32,1,16;stride=1,1;padding=0,8"),
            "{text}"
        );
        assert!(text.contains("steps=v16,64,1024+p0,2,1+v16,32,32,64"), "{text}");
    }
}
