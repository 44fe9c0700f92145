//! Checks the knowledge base: what the schema cannot say.

use crate::run::top;
use anyhow::{Result, bail};
use rmcp_host::log::LogScanner;
use rmcp_knowledge::Knowledge;
use rmcp_knowledge::schema::{Signature, Source};
use rmcp_model::LogFacts;

/// Prints every problem, and fails where there is one.
pub(crate) fn run() -> Result<()> {
    let knowledge = Knowledge::embedded();
    let scanner = LogScanner::new(knowledge);
    scanner.check()?;
    let mut problems: Vec<String> =
        knowledge.validate(&rmcp_diagnose::codes::ALL).iter().map(ToString::to_string).collect();
    for signature in &knowledge.signature {
        problems.extend(texts_of(signature, &scanner)?);
    }
    problems.extend(knowledge.source.iter().filter_map(missing_page));
    problems.iter().for_each(|problem| eprintln!("{problem}"));
    if !problems.is_empty() {
        bail!("the knowledge base has {} problems", problems.len());
    }
    println!(
        "check-data: {} targets, {} chips, {} kinds, {} signatures, {} variables, {} parameters, {} remedies, {} stacks, {} pins, {} experiments, {} solvers, {} sources: no problem",
        knowledge.target.len(),
        knowledge.chip.len(),
        knowledge.kind.len(),
        knowledge.signature.len(),
        knowledge.variable.len(),
        knowledge.parameter.len(),
        knowledge.remedy.len(),
        knowledge.stack.len(),
        knowledge.pin.len(),
        knowledge.experiment.len(),
        knowledge.solver.len(),
        knowledge.source.len(),
    );
    Ok(())
}

/// A signature finds every text that it names as its own, and none of its near misses.
fn texts_of(signature: &Signature, scanner: &LogScanner<'_>) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for (texts, wanted) in [(&signature.matching, true), (&signature.near_miss, false)] {
        for text in texts {
            let facts = scanner.scan(text.as_bytes(), Some(text.len() as u64))?;
            if found(&facts, signature) != wanted {
                let what =
                    if wanted { "does not find its own text" } else { "finds its near miss" };
                problems.push(format!("signature {}: {what} {text:?}", signature.id));
            }
        }
    }
    // Near misses that no needle leads to prove nothing about the expression.
    if !signature.near_miss.iter().any(|text| reaches_expression(signature, text)) {
        problems.push(format!("signature {}: no needle stands in a near miss", signature.id));
    }
    Ok(problems)
}

fn found(facts: &LogFacts, signature: &Signature) -> bool {
    facts.matches.iter().any(|found| found.signature == signature.id)
}

fn reaches_expression(signature: &Signature, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    signature.needles.iter().any(|needle| text.contains(&needle.to_ascii_lowercase()))
}

/// A source in this project is a file of it.
fn missing_page(source: &Source) -> Option<String> {
    let path = source.address.strip_prefix("docs/")?;
    let page = top().join("docs").join(path.split('#').next().unwrap_or(path));
    (!page.is_file()).then(|| format!("source {}: {} is not there", source.id, page.display()))
}
