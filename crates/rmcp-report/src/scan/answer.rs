//! The first line: what the user wants to know.

use super::{count, grouped};
use rmcp_model::{CodeScan, LibraryScan, RuleSeverity, ScanAnswer, ScanReport, ScanVerdict};

/// Returns the answer on everything scanned. `subject` is what that is, such as `this wheel`.
pub(super) fn of_report(report: &ScanReport, subject: &str) -> String {
    let Some(verdict) = &report.verdict else {
        return match report.problems.len() {
            0 => format!("{subject} holds no GPU code"),
            _ => format!("{subject} could not be read whole, and what was read holds no GPU code"),
        };
    };
    let card = report.card.gfx;
    let libraries = || report.libraries.iter();
    let all = libraries().count();
    let having = |answer| libraries().filter(|(_, one)| one.answer == answer).count();
    let lead = |answer| {
        let some = having(answer);
        if all > 1 { format!("{some} of {all} libraries: ") } else { String::new() }
    };
    match verdict.answer {
        ScanAnswer::Native => format!("{subject} has native {card} code: remove the override"),
        ScanAnswer::SameInstructionSet => {
            let code = verdict.code.as_deref().unwrap_or("other");
            let value = verdict.gfx_override.as_deref().unwrap_or_default();
            format!(
                "{subject} has {code} code, which is the instruction set of {card}: HSA_OVERRIDE_GFX_VERSION={value} is right here"
            )
        }
        ScanAnswer::Partial if having(ScanAnswer::Partial) == 0 => format!(
            "no one setting is right for all of {subject}: some libraries have native {card} code, others only code that needs an override"
        ),
        ScanAnswer::Partial => {
            let (with, of) = libraries()
                .filter(|(_, one)| one.answer == ScanAnswer::Partial)
                .fold((0, 0), |(with, of), (_, one)| (with + one.bundles, of + one.of_bundles));
            format!(
                "{}{} of {} have code for {card}, the others have none",
                lead(ScanAnswer::Partial),
                grouped(with),
                count(of, "bundle")
            )
        }
        ScanAnswer::OtherInstructionSet => {
            let others: Vec<&(LibraryScan, ScanVerdict)> = libraries()
                .filter(|(_, one)| one.answer == ScanAnswer::OtherInstructionSet)
                .collect();
            lead(ScanAnswer::OtherInstructionSet) + &of_other_set(&others, report)
        }
        ScanAnswer::Nothing => {
            format!("{}no code that {card} can run{}", lead(ScanAnswer::Nothing), held(report))
        }
    }
}

/// The targets there are instead.
fn held(report: &ScanReport) -> String {
    let mut targets: Vec<&str> = report
        .libraries
        .iter()
        .filter(|(_, verdict)| verdict.answer == ScanAnswer::Nothing)
        .flat_map(|(library, _)| library.targets.keys().map(String::as_str))
        .collect();
    targets.sort_unstable();
    targets.dedup();
    match targets.as_slice() {
        [] => String::new(),
        [one] => format!(": only {one}"),
        many if many.len() <= 6 => format!(": only {}", many.join(", ")),
        many => format!(": only {} and {} more", many[..5].join(", "), many.len() - 5),
    }
}

fn of_other_set(libraries: &[&(LibraryScan, ScanVerdict)], report: &ScanReport) -> String {
    let card = report.card.gfx;
    let mut sum = CodeScan::default();
    let (mut kernels, mut codes) = (0, Vec::new());
    for (library, verdict) in libraries {
        let Some(code) = &verdict.code else { continue };
        if !codes.contains(&code.as_str()) {
            codes.push(code.as_str());
        }
        let Some(row) = library.targets.get(code) else { continue };
        let Some(found) = &row.code else { continue };
        kernels += row.kernels.unwrap_or_default();
        sum.undecodable_kernels += found.undecodable_kernels;
        for (severity, count) in &found.kernels_by_severity {
            *sum.kernels_by_severity.entry(*severity).or_default() += count;
        }
    }
    let code = codes.join(", ");
    if kernels == 0 {
        return format!("no native {card} code: an override would make {card} run {code} code");
    }
    of_kernels(&sum, kernels, &card.to_string(), &code)
}

/// The gravest thing that can be said of code of another instruction set.
pub(super) fn of_kernels(code: &CodeScan, kernels: u64, card: &str, built_for: &str) -> String {
    let of = grouped(kernels);
    let lost = code.undecodable_kernels;
    let certain = code.kernels_from(RuleSeverity::Certain).saturating_sub(lost);
    let hang = code.kernels_from(RuleSeverity::DocumentedHang).saturating_sub(lost + certain);
    let timing = code.flagged_kernels().saturating_sub(lost + certain + hang);
    let parts = [
        (lost, "cannot", "cannot", "decode on this card"),
        (certain, "uses", "use", "what this card does differently"),
        (hang, "uses", "use", "what is documented as a cause of hangs on it"),
        (timing, "lacks", "lack", "a workaround that LLVM builds in for it"),
    ];
    let mut said = Vec::new();
    for (number, one, many, what) in parts.into_iter().filter(|part| part.0 > 0) {
        let verb = if number == 1 { one } else { many };
        let who = if said.is_empty() { format!("of {of} kernels") } else { "more".to_owned() };
        said.push(format!("{} {who} {verb} {what}", grouped(number)));
    }
    let open = code.kernels_from(RuleSeverity::Question);
    if said.is_empty() && open > 0 {
        said.push(format!(
            "{} of {of} kernels with a question left open, none with more",
            grouped(open)
        ));
    } else if said.is_empty() {
        said.push(format!("no rule hits any of {of} kernels, which is no proof that they run"));
    }
    format!("{} ({built_for} code on {card})", said.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Severities of kernels, how many of the certain ones cannot decode, and the sentence.
    #[test]
    fn the_gravest_is_said_first_and_nothing_is_claimed_beyond_it() {
        use RuleSeverity::{Certain, DocumentedHang, Question, TimingHazard};
        type Case = (&'static [(RuleSeverity, u64)], u64, &'static str);
        let cases: [Case; 7] = [
            (&[(Certain, 31)], 31, "31 of 148 kernels cannot decode on this card"),
            (
                &[(Certain, 31), (TimingHazard, 7), (Question, 9)],
                11,
                "11 of 148 kernels cannot decode on this card, 20 more use what this card does differently, 7 more lack a workaround that LLVM builds in for it",
            ),
            (
                &[(DocumentedHang, 2)],
                0,
                "2 of 148 kernels use what is documented as a cause of hangs on it",
            ),
            (
                &[(TimingHazard, 147)],
                0,
                "147 of 148 kernels lack a workaround that LLVM builds in for it",
            ),
            (&[(Question, 148)], 0, "148 of 148 kernels with a question left open, none with more"),
            (&[], 0, "no rule hits any of 148 kernels, which is no proof that they run"),
            (
                &[(Certain, 2), (TimingHazard, 1)],
                1,
                "1 of 148 kernels cannot decode on this card, 1 more uses what this card does differently, 1 more lacks a workaround that LLVM builds in for it",
            ),
        ];
        for (severities, undecodable_kernels, expected) in cases {
            let kernels_by_severity = severities.iter().copied().collect();
            let code = CodeScan { undecodable_kernels, kernels_by_severity, ..CodeScan::default() };
            let said = of_kernels(&code, 148, "gfx1010", "gfx1030");
            assert_eq!(said, format!("{expected} (gfx1030 code on gfx1010)"));
        }
    }
}
