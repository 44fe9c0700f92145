//! Kernel words, by the boot loader's own means.

use super::draft::Draft;
use super::{PlanError, Planner, WAY_BACK, edit_error, once};
use crate::edit::{entry, grub};
use rmcp_model::{Check, TakesEffect};

/// Where our words stand on systems that read drop-ins; the name comes last in the order of reading.
const GRUB_DROP_IN: &str = "/etc/default/grub.d/zz-rmcp.cfg";
const GRUB_FILE: &str = "/etc/default/grub";

/// Folders of boot loader entries. Source: UAPI.1 Boot Loader Specification, "Type #1"; bootctl(1).
pub(super) const ENTRY_FOLDERS: [&str; 3] =
    ["/boot/loader/entries", "/efi/loader/entries", "/boot/efi/loader/entries"];

/// The words of kernels that are to be installed. Source: kernel-install(8).
const KERNEL_CMDLINE: &str = "/etc/kernel/cmdline";

pub(super) fn plan(
    planner: &Planner<'_>,
    draft: &mut Draft<'_>,
    words: &[String],
) -> Result<(), PlanError> {
    for word in words {
        grub::check_word(word).map_err(edit_error("the kernel's command line"))?;
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let verdict = planner.knowledge.judge_parameter(name, value, planner.gfx, planner.kernel());
        if let Some(verdict) = verdict {
            planner.judge(word, verdict.effect, verdict.why)?;
        }
    }
    for word in words {
        draft.check(Check::KernelWord { word: word.clone() });
    }
    let loader = planner.host.boot.loader.value().map_or("unknown", String::as_str);
    let planned = match loader {
        "grub" => plan_grub(planner, draft, words)?,
        "systemd-boot" => plan_entries(planner, draft, words)?,
        "bls" => plan_grubby(planner, draft, words)?,
        "kernelstub" => plan_kernelstub(draft, words)?,
        "rpm-ostree" => plan_ostree(planner, draft, words),
        // Where it is there, it changes the words of this machine alone.
        // Source: Red Hat, "Managing kernel arguments in bootc systems", section on editing.
        "bootc" if draft.leads_somewhere("/usr/bin/rpm-ostree")? => {
            plan_ostree(planner, draft, words)
        }
        other => {
            return Err(PlanError::ByHand {
                what: "the boot loader",
                name: other.to_owned(),
                by_hand: by_hand(other, words),
            });
        }
    };
    if !planned {
        return Ok(());
    }
    draft.takes_effect(TakesEffect::NextBoot);
    draft.way_back(match loader {
        _ if draft.is_for_one_start() => {
            "start it again: the words are used for one start alone".to_owned()
        }
        "rpm-ostree" | "bootc" => {
            "at the boot menu choose the second entry, which is the system without the change"
                .to_owned()
        }
        _ => format!(
            "at the boot menu press e, delete the words from the line that begins with `linux` or `options`, and start with Ctrl-x or Enter (words: {})",
            words.join(" ")
        ),
    });
    draft.way_back(WAY_BACK.to_owned());
    Ok(())
}

/// Returns the words that are not there yet: of several words of one name, the kernel obeys the last. Words that
/// are there are left to their owner.
fn missing(words: &[String], there: impl Fn(&str) -> Option<String>) -> Vec<&String> {
    words.iter().filter(|word| there(name_of(word)).as_ref() != Some(*word)).collect()
}

fn name_of(word: &str) -> &str {
    word.split_once('=').map_or(word, |(name, _)| name)
}

/// Returns the word of that name which holds, in a text of words.
fn last_word(text: &str, name: &str) -> Option<String> {
    text.split_whitespace().rfind(|word| name_of(word) == name).map(str::to_owned)
}

/// Returns the word of that name which holds, by the boot loader's own configuration.
fn configured(planner: &Planner<'_>, name: &str) -> Option<String> {
    let last = planner.host.boot.configured_words.iter().rfind(|there| there.name == name)?;
    Some(if last.value.is_empty() { last.name.clone() } else { format!("{name}={}", last.value) })
}

fn owned(words: &[&String]) -> Vec<String> {
    words.iter().map(|&word| word.clone()).collect()
}

fn by_hand(loader: &str, words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match loader {
        "nixos" => format!("boot.kernelParams = [ {} ]; in configuration.nix", quoted.join(" ")),
        "bootc" => format!(
            "a file in /usr/lib/bootc/kargs.d of the image with kargs = [{}]",
            quoted.join(", ")
        ),
        _ => format!("{} to the kernel's command line", words.join(" ")),
    }
}

/// GRUB: our lines at the end of its settings, and its configuration made anew.
fn plan_grub(
    planner: &Planner<'_>,
    draft: &mut Draft<'_>,
    words: &[String],
) -> Result<bool, PlanError> {
    once::refuse_second(draft, once::GRUB_PART)?;
    let words = owned(&missing(words, |name| configured(planner, name)));
    if words.is_empty() {
        return Ok(false);
    }
    let maker = GrubMaker::of(draft)?;
    let once = !planner.permanent && once::grub_can(draft, &maker)?;
    let (path, before) = if reads_drop_ins(draft)? {
        (GRUB_DROP_IN, draft.read(GRUB_DROP_IN)?.unwrap_or_default())
    } else {
        let settings = draft.read(GRUB_FILE)?.ok_or_else(|| {
            PlanError::Refused(format!("{GRUB_FILE} is not there; expected GRUB's settings"))
        })?;
        (GRUB_FILE, settings)
    };
    let after = if once {
        grub::add_reference(&before, &format!("\\${}", once::WORDS))
    } else {
        grub::add_words(&before, &words)
    };
    draft.write(path, after.map_err(edit_error(path))?)?;
    if once {
        once::plan_grub(draft, &words)?;
    }
    draft.run(maker.argv, maker.argv, &[maker.config.to_owned()]);
    if once {
        once::arm_grub(draft, &maker);
    }
    for word in words {
        draft.check(Check::Contains { path: maker.config.to_owned(), text: word });
    }
    Ok(true)
}

/// The program that makes GRUB's configuration, and what it makes.
pub(super) struct GrubMaker {
    argv: &'static [&'static str],
    config: &'static str,
    /// The program for GRUB's own variables, and the file that keeps them.
    pub(super) editor: &'static str,
    pub(super) environment: &'static str,
}

const DEBIAN: GrubMaker = GrubMaker {
    argv: &["update-grub"],
    config: "/boot/grub/grub.cfg",
    editor: "grub-editenv",
    environment: "/boot/grub/grubenv",
};
const FEDORA: GrubMaker = GrubMaker {
    argv: &["grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"],
    config: "/boot/grub2/grub.cfg",
    editor: "grub2-editenv",
    environment: "/boot/grub2/grubenv",
};
const OTHERS: GrubMaker =
    GrubMaker { argv: &["grub-mkconfig", "-o", "/boot/grub/grub.cfg"], ..DEBIAN };

impl GrubMaker {
    fn of(draft: &Draft<'_>) -> Result<Self, PlanError> {
        Ok(if draft.leads_somewhere("/usr/sbin/update-grub")? {
            DEBIAN
        } else if draft.leads_somewhere("/boot/grub2/grub.cfg")? {
            FEDORA
        } else {
            OTHERS
        })
    }
}

/// Returns whether `grub-mkconfig` reads `/etc/default/grub.d`, which is Debian's addition to GRUB: a folder
/// of that name alone proves nothing where the program says otherwise.
fn reads_drop_ins(draft: &Draft<'_>) -> Result<bool, PlanError> {
    for program in ["/usr/sbin/grub-mkconfig", "/usr/sbin/grub2-mkconfig"] {
        if let Some(script) = draft.look(program)? {
            return Ok(script.contains("default/grub.d"));
        }
    }
    draft.exists("/etc/default/grub.d")
}

/// systemd-boot: the entries of the kernels that are installed, and the words of those that will be.
fn plan_entries(
    planner: &Planner<'_>,
    draft: &mut Draft<'_>,
    words: &[String],
) -> Result<bool, PlanError> {
    let entries = entries(draft)?;
    let named = draft.read(KERNEL_CMDLINE)?;
    if entries.is_empty() && named.is_none() {
        return Err(PlanError::ByHand {
            what: "the boot loader",
            name: "systemd-boot without entries".to_owned(),
            by_hand: by_hand("systemd-boot", words),
        });
    }
    let lacks = |text: &str| owned(&missing(words, |name| last_word(text, name)));
    let options = |text: &str| entry::options(text);
    let all_there = entries.iter().all(|(_, text)| lacks(&options(text)).is_empty())
        && named.as_ref().is_none_or(|text| lacks(text).is_empty());
    if all_there {
        return Ok(false);
    }
    if once::plan_entry(planner, draft, &entries, words, once::Menu::Systemd)? {
        return Ok(true);
    }
    for (path, text) in &entries {
        let new = lacks(&options(text));
        if !new.is_empty() {
            draft.write(path, entry::add_options(text, &new))?;
        }
    }
    if let Some(text) = &named {
        let new = lacks(text);
        if !new.is_empty() {
            draft.write(KERNEL_CMDLINE, format!("{} {}\n", text.trim_end(), new.join(" ")))?;
        }
    }
    Ok(true)
}

/// Returns path and text of every boot loader entry but our own for one start.
fn entries(draft: &Draft<'_>) -> Result<Vec<(String, String)>, PlanError> {
    let mut found = Vec::new();
    for folder in ENTRY_FOLDERS {
        let names = draft.list(folder)?;
        let is_entry = |name: &&String| name.ends_with(".conf") && !name.starts_with(once::ENTRY);
        for name in names.iter().filter(is_entry) {
            let path = format!("{folder}/{name}");
            if let Some(text) = draft.read(&path)? {
                found.push((path, text));
            }
        }
    }
    Ok(found)
}

/// Fedora's GRUB reads boot loader entries; `grubby` writes them, and what new ones are made of.
///
/// Source: grubby(8); the files are those that its script writes.
fn plan_grubby(
    planner: &Planner<'_>,
    draft: &mut Draft<'_>,
    words: &[String],
) -> Result<bool, PlanError> {
    let entries = entries(draft)?;
    let options: Vec<String> = entries.iter().map(|(_, text)| entry::options(text)).collect();
    let lacks = |text: &String| owned(&missing(words, |name| last_word(text, name)));
    let new: Vec<String> = words
        .iter()
        .filter(|word| options.is_empty() || options.iter().any(|text| lacks(text).contains(word)))
        .cloned()
        .collect();
    if new.is_empty() {
        return Ok(false);
    }
    // grubby would put our word in the place of somebody else's, and nobody could put that back.
    for word in &new {
        let other = options.iter().find_map(|text| last_word(text, name_of(word)));
        if let Some(other) = other {
            return Err(PlanError::Refused(format!(
                "{other} is there already, from somebody else; rmcp replaces no words of others"
            )));
        }
    }
    if once::plan_entry(planner, draft, &entries, &new, once::Menu::Grub)? {
        return Ok(true);
    }
    let all = new.join(" ");
    let mut rewrites: Vec<String> = entries.into_iter().map(|(path, _)| path).collect();
    rewrites.extend([GRUB_FILE, KERNEL_CMDLINE].map(str::to_owned));
    draft.run(
        &["grubby", "--update-kernel=ALL", &format!("--args={all}")],
        &["grubby", "--update-kernel=ALL", &format!("--remove-args={all}")],
        &rewrites,
    );
    Ok(true)
}

/// Pop!_OS. Source: kernelstub(8).
fn plan_kernelstub(draft: &mut Draft<'_>, words: &[String]) -> Result<bool, PlanError> {
    let entries = entries(draft)?;
    let lacks = |word: &&String| {
        entries.is_empty()
            || entries.iter().any(|(_, text)| {
                last_word(&entry::options(text), name_of(word)).as_ref() != Some(*word)
            })
    };
    let new: Vec<&String> = words.iter().filter(lacks).collect();
    let mut rewrites: Vec<String> = entries.iter().map(|(path, _)| path.clone()).collect();
    rewrites.push("/etc/kernelstub/configuration".to_owned());
    for word in &new {
        draft.run(
            &["kernelstub", "--add-options", word],
            &["kernelstub", "--delete-options", word],
            &rewrites,
        );
    }
    Ok(!new.is_empty())
}

/// One new deployment holds all words; the old one stays in the boot menu. Source: rpm-ostree(1), `kargs`.
fn plan_ostree(planner: &Planner<'_>, draft: &mut Draft<'_>, words: &[String]) -> bool {
    let new = missing(words, |name| configured(planner, name));
    if new.is_empty() {
        return false;
    }
    let with = |option: &str| -> Vec<String> {
        let options = new.iter().map(|word| format!("--{option}={word}"));
        ["rpm-ostree", "kargs"].map(str::to_owned).into_iter().chain(options).collect()
    };
    draft.run(&with("append-if-missing"), &with("delete-if-present"), &[]);
    true
}
