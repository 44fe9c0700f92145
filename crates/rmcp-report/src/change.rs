//! What a change will do, before it is made.

use crate::clean::clean;
use crate::style::Palette;
use rmcp_model::{Plan, Standing, Step, TakesEffect};
use similar::{ChangeTag, TextDiff};

/// Returns the page that shows a plan: the difference of every file, and every command.
pub fn plan_text(plan: &Plan, palette: Palette) -> String {
    let mut lines = vec![palette.bold(&clean(&plan.title)), String::new()];
    lines.extend(plan.known.iter().map(|known| format!("! {}", clean(known))));
    for step in &plan.steps {
        match step {
            Step::MakeFolder { path, .. } => lines.push(format!("make the folder {}", clean(path))),
            Step::Write { path, before, after, .. } => {
                lines.extend(difference(path, before.as_deref(), after.as_deref(), palette));
            }
            Step::Move { from, to } => lines.push(format!("move {} to {}", clean(from), clean(to))),
            Step::Run { argv, rewrites, .. } => {
                let command = palette.command(&clean(&argv.join(" ")));
                let what = if rewrites.is_empty() {
                    String::new()
                } else {
                    format!(", which rewrites {}", clean(&rewrites.join(", ")))
                };
                lines.push(format!("run {command}{what}"));
            }
        }
    }
    lines.push(String::new());
    let for_how_long =
        if plan.one_start { ", for that one start until it is confirmed" } else { "" };
    lines.push(format!("takes effect {}{for_how_long}", when(plan.takes_effect)));
    if !plan.way_back.is_empty() {
        lines.push("should the machine not come up:".to_owned());
        lines.extend(plan.way_back.iter().map(|line| format!("  {}", clean(line))));
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn when(takes_effect: TakesEffect) -> &'static str {
    match takes_effect {
        TakesEffect::Now => "at once",
        TakesEffect::NextStart => "when the program or unit is started anew",
        TakesEffect::NextSession => "in the next login session",
        TakesEffect::NextBoot => "at the next start of the machine",
    }
}

/// Returns the page that shows what taking a change back does.
pub fn undo_text(id: u32, plan: &Plan, palette: Palette) -> String {
    let title = format!("take back change {id}: {}", plan.title);
    let mut lines = vec![palette.bold(&clean(&title)), String::new()];
    let (commands, files): (Vec<&Step>, Vec<&Step>) =
        plan.steps.iter().rev().partition(|step| matches!(step, Step::Run { .. }));
    for step in files.into_iter().chain(commands) {
        match step {
            Step::MakeFolder { path, .. } => {
                lines.push(format!("remove the folder {} if it is empty", clean(path)));
            }
            Step::Write { path, before, after, .. } => {
                lines.extend(difference(path, after.as_deref(), before.as_deref(), palette));
            }
            Step::Move { from, to } => lines.push(format!("move {} to {}", clean(to), clean(from))),
            Step::Run { undo, rewrites, .. } => {
                let command = palette.command(&clean(&undo.join(" ")));
                let line = match (undo.is_empty(), rewrites.is_empty()) {
                    (true, true) => continue,
                    (false, true) => format!("run {command}"),
                    (true, false) => format!("restore {}", clean(&rewrites.join(", "))),
                    (false, false) => format!(
                        "restore {}, or run {command} where it was written since",
                        clean(&rewrites.join(", "))
                    ),
                };
                lines.push(line);
            }
        }
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Returns where a change stands, in a few words.
pub fn standing_text(standing: &Standing) -> String {
    let text = match standing {
        Standing::Active { seen } => format!("active, seen: {}", seen.join(", ")),
        Standing::Pending { until } => format!("pending, takes effect {}", when(*until)),
        Standing::Unconfirmed => {
            "in force for this start alone: `rmcp status --confirm` keeps it".to_owned()
        }
        Standing::NotConfirmed => {
            "not confirmed: its one start is over, or GRUB could not note it down; undo it, or make it anew with --permanent".to_owned()
        }
        Standing::Written => "written; whether it is in force cannot be seen from here".to_owned(),
        Standing::WithoutEffect { missing } => {
            format!("without effect: there should be {}", missing.join(", "))
        }
        Standing::Dropped { paths } => {
            format!("dropped: what it wrote is gone from {}", paths.join(", "))
        }
        Standing::Edited { paths } => format!("edited since: {}", paths.join(", ")),
        Standing::Expired { why } => format!("expired, it can be taken back: {why}"),
        Standing::Interrupted => "interrupted".to_owned(),
        Standing::Undone => "undone".to_owned(),
    };
    clean(&text).into_owned()
}

/// Returns a three-way difference: what a change did to a file, and what was edited since.
pub fn edited_text(before: Option<&str>, after: Option<&str>, now: Option<&str>) -> String {
    let plain = Palette::new(false);
    let mut lines = vec!["what rmcp changed:".to_owned()];
    lines.extend(difference_lines(before, after, plain));
    lines.push("what was changed since:".to_owned());
    lines.extend(difference_lines(after, now, plain));
    lines.join("\n")
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
    lines.extend(difference_lines(before, after, palette));
    lines
}

fn difference_lines(before: Option<&str>, after: Option<&str>, palette: Palette) -> Vec<String> {
    let mut lines = Vec::new();
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
            steps: vec![
                Step::Write {
                    path: "/etc/default/grub".into(),
                    before: Some("A=1\n".into()),
                    after: Some("A=1\nB=\u{1b}[2J\n".into()),
                    mode: 0o644,
                },
                Step::Run {
                    argv: vec!["update-grub".into()],
                    undo: Vec::new(),
                    rewrites: vec!["/boot/grub/grub.cfg".into()],
                },
            ],
            takes_effect: TakesEffect::NextBoot,
            ..Plan::nothing("start the kernel with iommu=pt".into())
        };
        assert_eq!(
            plan_text(&plan, Palette::new(false)),
            "start the kernel with iommu=pt\n\nchanged file /etc/default/grub\n    A=1\n  + B=\u{fffd}[2J\nrun update-grub, which rewrites /boot/grub/grub.cfg\n\ntakes effect at the next start of the machine\n"
        );
    }
}
