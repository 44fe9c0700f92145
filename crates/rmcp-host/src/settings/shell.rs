//! Assignments in the start files of POSIX shells, read without running them.
//!
//! Source of the quoting rules: POSIX.1-2024, Shell Command Language, 2.2 and 2.9.1.

use crate::settings::{is_name, setting};
use rmcp_model::{Place, Setting, SettingKind};
use std::collections::{BTreeMap, BTreeSet};

/// One assignment as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Name.
    pub name: String,
    /// Value with quotes taken away.
    pub value: String,
    /// Whether `+=` was written.
    pub append: bool,
    /// Line, counted from 1.
    pub line: u32,
}

/// One simple command: its words, and the line on which it begins.
struct Command {
    words: Vec<String>,
    line: u32,
}

/// Returns the plain assignments of a file such as `/etc/default/grub` or `/etc/os-release`.
///
/// A quote that is never closed ends the reading: what stands behind it cannot be trusted.
pub fn parse_assignments(text: &str) -> Vec<Assignment> {
    commands(text)
        .0
        .into_iter()
        .filter_map(|command| {
            let words = command.words.as_slice();
            let words = if words.first().is_some_and(|word| word == "export") {
                &words[1..]
            } else {
                words
            };
            match words {
                [word] => split_assignment(word, command.line),
                _ => None,
            }
        })
        .collect()
}

/// Returns the settings that a start file of this shell makes.
pub fn parse_settings(path: &str, shell: &str, text: &str) -> Vec<Setting> {
    let place = Place::Shell { shell: shell.to_owned() };
    let mut found: Vec<Setting> = Vec::new();
    let mut exported: BTreeSet<String> = BTreeSet::new();
    // Where each name that is not exported was set: files of a megabyte must not cost its square.
    let mut waiting: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for command in commands_of_start_file(text) {
        let at =
            |name: &str, value: &str, kind| setting(name, value, kind, &place, path, command.line);
        // `then export A=1` is one command to the splitter.
        let words = command.words.iter().position(|word| !KEYWORDS.contains(&word.as_str()));
        let Some((first, rest)) = words.and_then(|start| command.words[start..].split_first())
        else {
            continue;
        };
        match first.as_str() {
            "export" | "typeset" | "declare" => {
                let exports = first == "export"
                    || rest.iter().any(|word| word.starts_with('-') && word.contains('x'));
                for word in rest.iter().filter(|word| !word.starts_with('-')) {
                    match split_assignment(word, command.line) {
                        Some(it) if exports => {
                            found.push(at(&it.name, &it.value, SettingKind::Exported));
                            exported.insert(it.name);
                        }
                        Some(it) => found.push(at(&it.name, &it.value, SettingKind::NotExported)),
                        // Exporting again changes nothing, and costs nothing.
                        None if exports && exported.insert(word.clone()) => {
                            for index in waiting.remove(word).into_iter().flatten() {
                                found[index].kind = SettingKind::Exported;
                            }
                        }
                        None => {}
                    }
                }
            }
            "unset" => {
                for word in rest {
                    exported.remove(word);
                }
                found.extend(
                    rest.iter()
                        .filter(|word| is_name(word))
                        .map(|word| at(word, "", SettingKind::Unset)),
                );
            }
            // `NAME=value` alone sets; in front of a command it is for that command only.
            _ => {
                let assignments: Option<Vec<_>> = std::iter::once(first)
                    .chain(rest)
                    .map(|word| split_assignment(word, command.line))
                    .collect();
                for it in assignments.into_iter().flatten() {
                    // A variable that is exported already stays exported.
                    let kind = if exported.contains(&it.name) {
                        SettingKind::Exported
                    } else {
                        SettingKind::NotExported
                    };
                    if kind == SettingKind::NotExported {
                        waiting.entry(it.name.clone()).or_default().push(found.len());
                    }
                    found.push(at(&it.name, &it.value, kind));
                }
            }
        }
    }
    found
}

/// Words of the shell's grammar in front of a command.
const KEYWORDS: [&str; 9] = ["then", "else", "elif", "do", "if", "{", "!", "builtin", "command"];

fn split_assignment(word: &str, line: u32) -> Option<Assignment> {
    let (name, value) = word.split_once('=')?;
    let (name, append) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
    is_name(name).then(|| Assignment {
        name: name.to_owned(),
        value: value.to_owned(),
        append,
        line,
    })
}

/// Splits a text into simple commands of words, with quotes and backslashes taken away.
///
/// Returns too where a quote begins that is never closed; what stands behind it is not read.
fn commands(text: &str) -> (Vec<Command>, Option<u32>) {
    let mut commands = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut line = 1;
    let mut start = 1;
    let mut characters = text.chars().peekable();
    macro_rules! end_word {
        () => {
            if let Some(word) = word.take() {
                words.push(word);
            }
        };
    }
    while let Some(character) = characters.next() {
        match character {
            '\n' | ';' | '&' | '|' | '(' | ')' => {
                end_word!();
                if !words.is_empty() {
                    commands.push(Command { words: std::mem::take(&mut words), line: start });
                }
                if character == '\n' {
                    line += 1;
                }
                start = line;
            }
            blank if blank.is_whitespace() => end_word!(),
            '#' if word.is_none() => while characters.next_if(|&next| next != '\n').is_some() {},
            '\\' => match characters.next() {
                Some('\n') => line += 1,
                Some(next) => word.get_or_insert_default().push(next),
                None => {}
            },
            quote @ ('"' | '\'') => {
                let opened = line;
                let inside = word.get_or_insert_default();
                // bash and zsh: in $'...' a backslash quotes the quote too.
                let escapes = quote == '\'' && inside.ends_with('$');
                if escapes {
                    inside.pop();
                }
                loop {
                    match characters.next() {
                        Some(next) if next == quote => break,
                        Some('\\') if quote == '"' => match characters.next() {
                            Some('\n') => line += 1,
                            Some(next @ ('"' | '\\' | '$' | '`')) => inside.push(next),
                            Some(next) => inside.extend(['\\', next]),
                            None => return (commands, Some(opened)),
                        },
                        Some('\\') if escapes => inside.extend(characters.next()),
                        Some(next) => {
                            line += u32::from(next == '\n');
                            inside.push(next);
                        }
                        None => return (commands, Some(opened)),
                    }
                }
            }
            other => {
                if word.is_none() && words.is_empty() {
                    start = line;
                }
                word.get_or_insert_default().push(other);
            }
        }
    }
    end_word!();
    if !words.is_empty() {
        commands.push(Command { words, line: start });
    }
    (commands, None)
}

/// Most times that the reading of a start file is taken up again behind a quote that is never closed.
const MAX_RESUMED: u32 = 8;

/// Returns the commands of a start file, which people write: texts between `<<EOF` and `EOF` are no commands,
/// and a quote that is never closed costs its own line alone.
fn commands_of_start_file(text: &str) -> Vec<Command> {
    let text = without_here_documents(text);
    let mut found = Vec::new();
    let (mut rest, mut before) = (text.as_str(), 0);
    for _ in 0..=MAX_RESUMED {
        let (commands, open) = commands(rest);
        let read = open.map_or(u32::MAX, |line| before + line);
        found.extend(
            commands.into_iter().map(|command| Command { line: before + command.line, ..command }),
        );
        // Commands of the broken line may have come before the quote; none behind it has been read.
        let Some(line) = open else { break };
        let behind = rest.split_inclusive('\n').take(line as usize).map(str::len).sum::<usize>();
        rest = &rest[behind..];
        before = read;
    }
    found
}

/// Empties the lines of here-documents, and keeps their number. Source: POSIX, Shell Command Language, 2.7.4.
fn without_here_documents(text: &str) -> String {
    let lines: Vec<&str> = text.split('\n').collect();
    let mut out: Vec<&str> = Vec::with_capacity(lines.len());
    let mut index = 0;
    let mut searches = 0;
    while let Some(&line) = lines.get(index) {
        out.push(line);
        index += 1;
        // Each search may go to the end; a file has a few of them.
        let Some(delimiter) = here_delimiter(line).filter(|_| searches < 64) else { continue };
        searches += 1;
        if let Some(length) = lines[index..].iter().position(|line| line.trim() == delimiter) {
            out.extend(std::iter::repeat_n("", length + 1));
            index += length + 1;
        }
    }
    out.join("\n")
}

/// Returns the word that ends the here-document which a line begins.
fn here_delimiter(line: &str) -> Option<&str> {
    let (front, behind) = line.split_once("<<")?;
    if behind.starts_with('<') || front.trim_start().starts_with('#') {
        return None;
    }
    let behind = behind.trim_start_matches('-').trim_start();
    let word = behind.split(|c: char| c.is_whitespace() || ";|&".contains(c)).next()?;
    let word = word.trim_matches(['"', '\'', '\\']);
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_does_not_hide_the_lines_behind_it() {
        let set = "export HSA_OVERRIDE_GFX_VERSION=10.3.0\n";
        for (front, line) in [
            ("cat <<EOF\nDon't panic\nEOF\n", 4),
            ("cat <<-'END' | sed s/a/b/\n  it's\n  END\n", 4),
            ("PS1=$'it\\'s me'\n", 2),
            ("alias x='never closed\nB=2\n", 3),
            ("A=$((1<<2))\n", 2),
        ] {
            let found = parse_settings("/f", "bash", &format!("{front}{set}"));
            let found = found.iter().find(|it| it.name == "HSA_OVERRIDE_GFX_VERSION");
            assert_eq!(found.and_then(|it| it.origin.line), Some(line), "{front}");
        }
    }

    fn shown(text: &str) -> Vec<String> {
        parse_settings("/f", "bash", text)
            .iter()
            .map(|s| format!("{}={} {:?} {}", s.name, s.value, s.kind, s.origin.line.unwrap()))
            .collect()
    }

    #[test]
    fn forms_of_setting() {
        for (text, expected) in [
            ("export A=1", &["A=1 Exported 1"][..]),
            ("A=1\nexport A\n", &["A=1 Exported 1"]),
            ("A=1\n", &["A=1 NotExported 1"]),
            ("export A=1\nA=2\n", &["A=1 Exported 1", "A=2 Exported 2"]),
            ("A=1 python train.py\n", &[]),
            ("export A='x y' B=\"10.3.0\" # note\n", &["A=x y Exported 1", "B=10.3.0 Exported 1"]),
            ("if [ -e x ]; then export A=1; fi\n", &["A=1 Exported 1"]),
            ("if true; then\n  export A=1\nfi\n", &["A=1 Exported 2"]),
            ("#export A=1\n# B=1\n", &[]),
            ("unset A B\n", &["A= Unset 1", "B= Unset 1"]),
            ("declare -x A=1\ntypeset B=2\n", &["A=1 Exported 1", "B=2 NotExported 2"]),
            (
                "export A=1 \\\n  B=2\nexport C=3\n",
                &["A=1 Exported 1", "B=2 Exported 1", "C=3 Exported 3"],
            ),
            ("export PATH=$PATH:/opt/rocm/bin", &["PATH=$PATH:/opt/rocm/bin Exported 1"]),
            ("[ -z \"$A\" ] && export A=1", &["A=1 Exported 1"]),
            ("alias t='A=1 python'", &[]),
            // The shell would stop here too, but what stands behind it is meant all the same.
            ("export A=\"never closed\nexport B=1", &["B=1 Exported 2"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
