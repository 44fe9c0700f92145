//! Kernel words, by the boot loader's own means.

use super::draft::Draft;
use super::{PlanError, Planner, edit_error, once};
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
    // Words that are configured already are left to their owner.
    let configured = |word: &&String| {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let words = &planner.host.boot.configured_words;
        words.iter().any(|there| there.name == name && there.value == value)
    };
    for word in words {
        draft.check(Check::KernelWord { word: word.clone() });
    }
    let new: Vec<String> = words.iter().filter(|word| !configured(word)).cloned().collect();
    if new.is_empty() {
        return Ok(());
    }
    let loader = planner.host.boot.loader.value().map_or("unknown", String::as_str);
    match loader {
        "grub" => plan_grub(planner, draft, &new)?,
        "systemd-boot" => plan_entries(planner, draft, &new)?,
        "bls" => plan_grubby(planner, draft, &new)?,
        "kernelstub" => plan_kernelstub(draft, &new)?,
        "rpm-ostree" => plan_ostree(draft, &new),
        // Where it is there, it changes the words of this machine alone.
        // Source: Red Hat, "Managing kernel arguments in bootc systems", section on editing.
        "bootc" if draft.exists("/usr/bin/rpm-ostree")? => plan_ostree(draft, &new),
        other => {
            return Err(PlanError::ByHand {
                what: "the boot loader",
                name: other.to_owned(),
                by_hand: by_hand(other, &new),
            });
        }
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
            new.join(" ")
        ),
    });
    draft.way_back("then: rmcp undo --last".to_owned());
    Ok(())
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
) -> Result<(), PlanError> {
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
        grub::add_words(&before, words)
    };
    draft.write(path, after.map_err(edit_error(path))?)?;
    if once {
        once::plan_grub(draft, words)?;
    }
    draft.run(maker.argv, maker.argv, &[maker.config.to_owned()]);
    if once {
        once::arm_grub(draft, &maker);
    }
    for word in words {
        draft.check(Check::Contains { path: maker.config.to_owned(), text: word.clone() });
    }
    Ok(())
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
        Ok(if draft.exists("/usr/sbin/update-grub")? {
            DEBIAN
        } else if draft.exists("/boot/grub2/grub.cfg")? {
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
        if draft.exists(program)?
            && let Ok(Some(script)) = draft.read(program)
        {
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
) -> Result<(), PlanError> {
    let entries = entries(draft)?;
    if !planner.permanent && once::plan_entry(planner, draft, &entries, words, once::Menu::Systemd)?
    {
        return Ok(());
    }
    for (path, text) in &entries {
        draft.write(path, entry::add_options(text, words))?;
    }
    let named = draft.read(KERNEL_CMDLINE)?;
    if let Some(text) = &named {
        draft.write(KERNEL_CMDLINE, format!("{} {}\n", text.trim_end(), words.join(" ")))?;
    }
    if entries.is_empty() && named.is_none() {
        return Err(PlanError::ByHand {
            what: "the boot loader",
            name: "systemd-boot without entries".to_owned(),
            by_hand: by_hand("systemd-boot", words),
        });
    }
    Ok(())
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
) -> Result<(), PlanError> {
    let entries = entries(draft)?;
    if !planner.permanent && once::plan_entry(planner, draft, &entries, words, once::Menu::Grub)? {
        return Ok(());
    }
    let all = words.join(" ");
    let mut rewrites: Vec<String> = entries.into_iter().map(|(path, _)| path).collect();
    rewrites.extend([GRUB_FILE, KERNEL_CMDLINE].map(str::to_owned));
    draft.run(
        &["grubby", "--update-kernel=ALL", &format!("--args={all}")],
        &["grubby", "--update-kernel=ALL", &format!("--remove-args={all}")],
        &rewrites,
    );
    Ok(())
}

/// Pop!_OS. Source: kernelstub(8).
fn plan_kernelstub(draft: &mut Draft<'_>, words: &[String]) -> Result<(), PlanError> {
    let mut rewrites: Vec<String> = entries(draft)?.into_iter().map(|(path, _)| path).collect();
    rewrites.push("/etc/kernelstub/configuration".to_owned());
    for word in words {
        draft.run(
            &["kernelstub", "--add-options", word],
            &["kernelstub", "--delete-options", word],
            &rewrites,
        );
    }
    Ok(())
}

/// One new deployment holds all words; the old one stays in the boot menu. Source: rpm-ostree(1), `kargs`.
fn plan_ostree(draft: &mut Draft<'_>, words: &[String]) {
    let with = |option: &str| -> Vec<String> {
        let options = words.iter().map(|word| format!("--{option}={word}"));
        ["rpm-ostree", "kargs"].map(str::to_owned).into_iter().chain(options).collect()
    };
    draft.run(&with("append-if-missing"), &with("delete-if-present"), &[]);
}
