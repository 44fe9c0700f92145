//! The first line: what the user wants to know.

use super::{count, grouped};
use rmcp_model::{CodeScan, LibraryScan, RuleSeverity, ScanAnswer, ScanReport, ScanVerdict};

/// Returns the answer on everything scanned. `subject` is what that is, such as `this wheel`.
pub(super) fn of_report(report: &ScanReport, subject: &str) -> String {
    let Some(verdict) = &report.verdict else {
        return format!("{subject} holds no GPU code");
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
    let certain = code.kernels_from(RuleSeverity::Certain);
    let hang = code.kernels_from(RuleSeverity::DocumentedHang);
    let flagged = code.flagged_kernels();
    let what = format!("{built_for} code on {card}");
    if lost > 0 {
        let more = match certain.saturating_sub(lost) {
            0 => String::new(),
            more => format!(", and {} more use what it does differently", grouped(more)),
        };
        return format!(
            "{} of {of} kernels cannot decode on this card{more} ({what})",
            grouped(lost)
        );
    }
    if certain > 0 {
        return format!(
            "{} of {of} kernels use what this card does differently ({what})",
            grouped(certain)
        );
    }
    let grave = match hang {
        0 => String::new(),
        hang => format!(", {} of them one for a documented hang", grouped(hang)),
    };
    match flagged {
        0 => format!("no rule hits any of {of} kernels, which is no proof that they run ({what})"),
        flagged => format!(
            "{} of {of} kernels lack a workaround that LLVM builds in for this card{grave}; all decode ({what})",
            grouped(flagged)
        ),
    }
}
