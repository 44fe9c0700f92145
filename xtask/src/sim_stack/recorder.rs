//! The flight recorder inside programs of a newer ROCm: they must say the same with it as without it, in every mode.

use super::system::{PROGRAMS, System};
use super::verdict::Verdict;
use super::{NATIVE, Report, TARGETS, on};
use crate::rocm;
use anyhow::Result;

/// The modes, as variables.
const MODES: [(&str, &[(&str, &str)]); 5] = [
    ("observe", &[]),
    ("coarse", &[("RMCP_MEMORY", "coarse")]),
    ("fine", &[("RMCP_MEMORY", "fine")]),
    ("system-default", &[("RMCP_MEMORY", "system-default")]),
    ("guard", &[("RMCP_GUARD", "1"), ("HSA_DISABLE_FRAGMENT_ALLOCATOR", "1")]),
];

/// Runs `rocminfo` and the HIP programs with and without it.
pub(super) fn run(system: &System, report: &mut Report) -> Result<()> {
    let step = |program: &str, mode: &str| format!("recorder {program}: {mode}");
    let wanted: Vec<&str> = ["rocminfo"]
        .into_iter()
        .chain(rocm::PROGRAMS)
        .filter(|program| MODES.iter().any(|(mode, _)| report.wants(&step(program, mode))))
        .collect();
    for name in wanted {
        let program = match name {
            "rocminfo" => name.to_owned(),
            _ => system.compile(&format!("hip/{name}.hip"), &TARGETS)?,
        };
        let plain = on(&NATIVE, vec![program], 600);
        for (mode, variables) in MODES {
            let record = format!("/tmp/{name}-{mode}.rec");
            let mut without = plain.clone();
            without
                .variables
                .extend(variables.iter().map(|&(name, value)| (name, value.to_owned())));
            let mut with = without.clone();
            with.variables.extend([
                ("HSA_TOOLS_LIB", format!("/{PROGRAMS}/librmcp_hsa.so")),
                ("RMCP_RECORD", record.clone()),
            ]);
            let (without, said) = (system.run(&without)?, system.run(&with)?);
            let other =
                lines(&said.text).find(|line| !lines(&without.text).any(|one| one == *line));
            let as_many = lines(&said.text).count() == lines(&without.text).count();
            let verdict = if said.end != without.end || !as_many || other.is_some() {
                Verdict::Ended(format!(
                    "other words than without it: {}",
                    other.unwrap_or_default()
                ))
            } else if !system.path(&record[1..]).is_file() {
                Verdict::Ended("nothing was recorded".to_owned())
            } else {
                Verdict::Verified
            };
            report.say(&step(name, mode), &verdict, true, said.time);
        }
    }
    Ok(())
}

/// The lines of a text but for those that say how long something took.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.contains("elapsed ms"))
}
