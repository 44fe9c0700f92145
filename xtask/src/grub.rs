//! `rmcp apply` and `undo` on GRUB settings that people use: their words stay, ours come and go.

use crate::run::release_binary;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The word that is added: harmless, and without a row in the knowledge base.
const WORD: &str = "rmcp.test=1";

/// What became of one sample.
enum Outcome {
    /// It came back to the byte. Whether the shell could be asked for the words: settings that source other
    /// files cannot be read alone.
    Back { words_seen: bool },
    /// It was refused, with this reason, and nothing was written.
    Refused(String),
}

/// Plays every file below a folder, and returns how many there were.
pub(crate) fn samples(folder: &Path) -> Result<usize> {
    let mut paths = Vec::new();
    collect(folder, &mut paths)?;
    paths.sort();
    let (mut seen, mut refused) = (0, Vec::new());
    for path in &paths {
        match play(path).with_context(|| path.display().to_string())? {
            Outcome::Back { words_seen } => seen += usize::from(words_seen),
            Outcome::Refused(why) => {
                refused.push(format!("{}: {why}", path.file_name().unwrap_or_default().display()));
            }
        }
    }
    println!(
        "grub: {} settings, {} came back to the byte ({seen} with their words as sh reads them), {} refused",
        paths.len(),
        paths.len() - refused.len(),
        refused.len()
    );
    refused.iter().for_each(|line| println!("  refused {line}"));
    Ok(paths.len())
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|end| end == "grub" || end == "cfg") {
            found.push(path);
        }
    }
    Ok(())
}

/// Adds a word to one file of settings, and takes it back.
fn play(sample: &Path) -> Result<Outcome> {
    let machine = tempfile::tempdir()?;
    let root = machine.path();
    let settings = root.join("etc/default/grub");
    fs::create_dir_all(root.join("etc/default"))?;
    fs::create_dir_all(root.join("proc"))?;
    fs::copy(sample, &settings)?;
    fs::write(root.join("proc/cmdline"), "quiet\n")?;
    let before = fs::read(&settings)?;
    let words = sourced(&settings)?;
    let made = rmcp(root, &["apply", "kernel-parameter", WORD, "--yes"])?;
    if made.status.code() == Some(5) {
        ensure!(fs::read(&settings)? == before, "it was refused, and written all the same");
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        return Ok(Outcome::Refused(said.lines().next().unwrap_or_default().to_owned()));
    }
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    if let Some(words) = &words {
        let now = sourced(&settings)?.context("sh no longer reads it")?;
        ensure!(now == format!("{words} {WORD}"), "the words are `{now}`, were `{words}`");
    }
    let again = rmcp(root, &["apply", "kernel-parameter", WORD, "--yes"])?;
    ensure!(again.stdout.starts_with(b"nothing to do"), "twice is not once");
    let undone = rmcp(root, &["undo", "--all", "--yes"])?;
    ensure!(undone.status.success(), "{}", String::from_utf8_lossy(&undone.stderr));
    ensure!(fs::read(&settings)? == before, "it is not as before");
    Ok(Outcome::Back { words_seen: words.is_some() })
}

fn rmcp(root: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(release_binary());
    Ok(command.args(arguments).arg("--root").arg(root).output()?)
}

/// Returns the words as `grub-mkconfig` would have them; none where the shell cannot read the file alone.
fn sourced(settings: &Path) -> Result<Option<String>> {
    let script = ". \"$1\" && printf %s \"$GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT\"";
    let output = Command::new("sh").args(["-c", script, "sh"]).arg(settings).output()?;
    Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
}
