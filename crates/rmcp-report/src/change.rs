//! What a change will do, before it is made.

use crate::clean::clean;
use crate::style::Palette;
use rmcp_model::{Plan, Step, TakesEffect};
use similar::{ChangeTag, TextDiff};

/// Returns the page that shows a plan: the difference of every file, and every command.
pub fn plan_text(plan: &Plan, palette: Palette) -> String {
    let mut lines = vec![palette.bold(&clean(&plan.title)), String::new()];
    for step in &plan.steps {
        match step {
            Step::MakeFolder { path, .. } => lines.push(format!("make the folder {}", clean(path))),
            Step::Write { path, before, after, .. } => {
                lines.extend(difference(path, before.as_deref(), after.as_deref(), palette));
            }
            Step::Move { from, to } => lines.push(format!("move {} to {}", clean(from), clean(to))),
            Step::Run { argv, .. } => {
                lines.push(format!("run {}", palette.command(&clean(&argv.join(" ")))));
            }
        }
    }
    lines.push(String::new());
    lines.push(format!("takes effect {}", when(plan.takes_effect)));
    if !plan.way_back.is_empty() {
        lines.push("should the machine not come up:".to_owned());
        lines.extend(plan.way_back.iter().map(|line| format!("  {}", clean(line))));
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn when(takes_effect: TakesEffect) -> &'static str {
    match takes_effect {
        TakesEffect::Now => "at once",
        TakesEffect::NextStart => "when the unit is started anew",
        TakesEffect::NextSession => "in the next login session",
        TakesEffect::NextBoot => "at the next start of the machine",
    }
}

fn difference(
    path: &str,
    before: Option<&str>,
    after: Option<&str>,
    palette: Palette,
) -> Vec<String> {
    let what = match (before, after) {
        (None, _) => "new file",
        (_, None) => "removed file",
        _ => "changed file",
    };
    let mut lines = vec![format!("{what} {}", clean(path))];
    let diff = TextDiff::from_lines(before.unwrap_or_default(), after.unwrap_or_default());
    for group in diff.grouped_ops(2) {
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let text = clean(change.value().trim_end_matches('\n')).into_owned();
            lines.push(match change.tag() {
                ChangeTag::Delete => palette.bad(&format!("  - {text}")),
                ChangeTag::Insert => palette.good(&format!("  + {text}")),
                ChangeTag::Equal => palette.faint(&format!("    {text}")),
            });
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_shows_every_line_and_command() {
        let plan = Plan {
            title: "start the kernel with iommu=pt".into(),
            remedy: None,
            steps: vec![
                Step::Write {
                    path: "/etc/default/grub".into(),
                    before: Some("A=1\n".into()),
                    after: Some("A=1\nB=\u{1b}[2J\n".into()),
                    mode: 0o644,
                },
                Step::Run { argv: vec!["update-grub".into()], undo: Vec::new() },
            ],
            takes_effect: TakesEffect::NextBoot,
            checks: Vec::new(),
            way_back: Vec::new(),
        };
        assert_eq!(
            plan_text(&plan, Palette::new(false)),
            "start the kernel with iommu=pt\n\nchanged file /etc/default/grub\n    A=1\n  + B=\u{fffd}[2J\nrun update-grub\n\ntakes effect at the next start of the machine\n"
        );
    }
}
