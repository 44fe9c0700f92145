//! What RMCP itself can do about a finding: remedies of the knowledge base as wishes for this machine.

use rmcp_knowledge::Knowledge;
use rmcp_knowledge::schema::Remedy;
use rmcp_model::{Advice, Finding, HostFacts, Reader, SettingKind, Severity, Wish};

/// Returns what can be done about the findings that matter, each with the first of its remedies that RMCP can
/// carry out. A wish that an earlier finding has is not repeated.
pub(crate) fn plan(host: &HostFacts, findings: &[Finding], knowledge: &Knowledge) -> Vec<Advice> {
    let mut plan: Vec<Advice> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.severity < Severity::Note) {
        let remedies = finding.remedies.iter().filter_map(|id| knowledge.remedy(id));
        for remedy in remedies {
            let mut wishes = wishes(host, remedy, Some(finding), knowledge);
            if wishes.is_empty() {
                continue;
            }
            wishes.retain(|wish| plan.iter().all(|advice| !advice.wishes.contains(wish)));
            if !wishes.is_empty() {
                let (finding, remedy) = (finding.code.clone(), remedy.id.clone());
                plan.push(Advice { finding, remedy, wishes });
            }
            break;
        }
    }
    plan
}

/// Returns what a remedy wishes of this machine; nothing where it is for a person to carry out.
pub fn wishes(
    host: &HostFacts,
    remedy: &Remedy,
    finding: Option<&Finding>,
    knowledge: &Knowledge,
) -> Vec<Wish> {
    let mut wishes: Vec<Wish> = Vec::new();
    let mut unset = |name: &str| {
        let wish = Wish::UnsetVariable { name: name.to_owned() };
        // What is set in this session alone stands in no file.
        let somewhere = host.settings.iter().any(|setting| {
            setting.name == name
                && setting.kind != SettingKind::Unset
                && setting.origin.line.is_some()
        });
        if somewhere && !wishes.contains(&wish) {
            wishes.push(wish);
        }
    };
    remedy.unset.iter().for_each(|name| unset(name));
    if remedy.unset_evidence {
        for item in finding.into_iter().flat_map(|finding| &finding.evidence) {
            match item.value.split_once('=') {
                Some((name, _)) if knowledge.knows_variable(name) => unset(name),
                _ => {}
            }
        }
    }
    for (name, value) in &remedy.set {
        let (name, value) = (name.clone(), value.clone());
        wishes.push(Wish::Variable { name, value, reader: Reader::User });
    }
    if remedy.join_groups {
        wishes.push(Wish::Groups { groups: Vec::new() });
    }
    wishes
}
