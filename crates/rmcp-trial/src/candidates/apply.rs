//! How what was tried is made to last.

use rmcp_model::{Candidate, Knob, Reader, Way, Wish};

/// Returns the wish that makes a change of one process last; none where it is for the program itself to change.
pub(super) fn wish(knob: &Knob) -> Option<Wish> {
    match knob {
        Knob::Set { name, value } => {
            let (name, value) = (name.clone(), value.clone());
            Some(Wish::Variable { name, value, reader: Reader::User })
        }
        Knob::Unset { name } => Some(Wish::UnsetVariable { name: name.clone() }),
        Knob::EmptyCache => Some(Wish::MiopenCache),
        Knob::Torch { .. } | Knob::SinglePrecision | Knob::Processor => None,
    }
}

/// Returns a set of changes as a candidate that has no row of its own.
pub fn candidate_of(knobs: Vec<Knob>) -> Candidate {
    let name = knobs.iter().map(Knob::to_string).collect::<Vec<_>>().join(" and ");
    Candidate {
        id: name.clone(),
        title: name,
        way: Way::Here,
        why: "a part of what was tried".to_owned(),
        wishes: knobs.iter().filter_map(wish).collect(),
        knobs,
        sources: Vec::new(),
    }
}

/// Says how candidates are made to last: the commands of `rmcp apply`, and what only the program or whoever starts it
/// can do.
pub fn how_to_apply(candidates: &[Candidate]) -> String {
    let mut commands: Vec<String> =
        candidates.iter().flat_map(|one| &one.wishes).map(command).collect();
    let mut by_hand = Vec::new();
    for candidate in candidates {
        // Wishes stand for all that they can; what a remedy wishes of files does not reach a running session.
        let covered = |knob: &&Knob| !candidate.wishes.is_empty() && wish(knob).is_some();
        by_hand.extend(candidate.knobs.iter().filter(|knob| !covered(knob)).map(by_hand_text));
    }
    commands.dedup();
    by_hand.dedup();
    let applied = match commands.is_empty() {
        true => String::new(),
        false => format!("To make it last: `{}`.", commands.join("`, `")),
    };
    let done = match by_hand.is_empty() {
        true => String::new(),
        false => format!("By hand: {}.", by_hand.join("; ")),
    };
    [applied, done].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Returns the command that makes a wish come true.
fn command(wish: &Wish) -> String {
    match wish {
        Wish::KernelWords { words } => format!("rmcp apply kernel-parameter {}", words.join(" ")),
        Wish::ModuleOption { name, value } => format!("rmcp apply module-option {name}={value}"),
        Wish::Variable { name, value, .. } => {
            format!("rmcp apply variable {}", shell_word(&format!("{name}={value}")))
        }
        Wish::UnsetVariable { name } => format!("rmcp apply unset-variable {name}"),
        Wish::Groups { groups } => {
            format!("rmcp apply group {}", groups.join(" ")).trim_end().to_owned()
        }
        Wish::MiopenCache => "rmcp apply miopen-cache".to_owned(),
        Wish::Interposer { .. } => "rmcp apply interposer".to_owned(),
    }
}

fn by_hand_text(knob: &Knob) -> String {
    match knob {
        Knob::Set { name, value } => format!("`export {}`", shell_word(&format!("{name}={value}"))),
        Knob::Unset { name } => format!("`unset {name}`"),
        Knob::Torch { name, value } => format!("in the program `torch.{name} = {value}`"),
        Knob::EmptyCache => "`rmcp apply miopen-cache`".to_owned(),
        Knob::SinglePrecision => "in the program `torch.float32` instead of `torch.float16`, and \
            no autocast (Stable Diffusion web UI: `--no-half`)"
            .to_owned(),
        Knob::Processor => "in the program `device = \"cpu\"`".to_owned(),
    }
}

/// Returns a text as one word of a shell.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=./:,@%".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
