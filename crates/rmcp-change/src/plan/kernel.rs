//! Kernel words, by the boot loader's own means.

use super::{PlanError, edit_error, empty, exists, judged, push_write, read_text};
use crate::disk::Disk;
use crate::edit::grub;
use rmcp_knowledge::Knowledge;
use rmcp_model::{Check, GfxTarget, HostFacts, Plan, Step, TakesEffect, Version};

/// Where our words stand on systems that read drop-ins; the name comes last in the order of reading.
const GRUB_DROP_IN: &str = "/etc/default/grub.d/zz-rmcp.cfg";
const GRUB_DROP_INS: &str = "/etc/default/grub.d";
const GRUB_FILE: &str = "/etc/default/grub";

/// Plans to start the kernel with these words. Words that are configured already are left to their owner.
///
/// # Errors
/// [`PlanError`]: words that do harm or nothing, a boot loader that is not written by this program, a file that
/// cannot be changed safely.
pub fn plan_kernel_words(
    disk: &dyn Disk,
    host: &HostFacts,
    gfx: Option<GfxTarget>,
    words: &[String],
    allow_inert: bool,
    knowledge: &Knowledge,
) -> Result<Plan, PlanError> {
    let kernel = host.kernel.release.value().and_then(|text| Version::parse_prefix(text));
    for word in words {
        grub::check_word(word).map_err(edit_error("the kernel's command line"))?;
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        if let Some(verdict) = knowledge.judge_parameter(name, value, gfx, kernel) {
            judged(word, verdict.effect, verdict.why, allow_inert)?;
        }
    }
    let configured = |word: &&String| {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        host.boot.configured_words.iter().any(|there| there.name == name && there.value == value)
    };
    let new: Vec<String> = words.iter().filter(|word| !configured(word)).cloned().collect();
    let mut plan =
        empty(format!("start the kernel with {}", words.join(" ")), TakesEffect::NextBoot);
    plan.checks = words.iter().map(|word| Check::KernelWord { word: word.clone() }).collect();
    if new.is_empty() {
        return Ok(plan);
    }
    let loader = host.boot.loader.value().map_or("unknown", String::as_str);
    match loader {
        "grub" => plan_grub(disk, &new, &mut plan)?,
        "systemd-boot" => plan_entries(disk, &new, &mut plan)?,
        "kernelstub" => run_for_each(&new, &mut plan, |word| {
            (
                vec!["kernelstub", "--add-options", word],
                vec!["kernelstub", "--delete-options", word],
            )
        }),
        "rpm-ostree" => run_for_each(&new, &mut plan, |word| {
            (
                vec!["rpm-ostree", "kargs", "--append-if-missing", word],
                vec!["rpm-ostree", "kargs", "--delete-if-present", word],
            )
        }),
        "bls" => {
            let all = new.join(" ");
            let set =
                ["grubby", "--update-kernel=ALL", &format!("--args={all}")].map(str::to_owned);
            let unset = ["grubby", "--update-kernel=ALL", &format!("--remove-args={all}")]
                .map(str::to_owned);
            plan.steps.push(Step::Run { argv: set.to_vec(), undo: unset.to_vec() });
        }
        other => {
            return Err(PlanError::Loader {
                loader: other.to_owned(),
                by_hand: by_hand(other, &new),
            });
        }
    }
    let way_back = "at the boot menu press e, delete the words from the line that begins with `linux`, and start with Ctrl-x";
    plan.way_back =
        vec![format!("{way_back} (words: {})", new.join(" ")), "then: rmcp undo --last".to_owned()];
    Ok(plan)
}

fn by_hand(loader: &str, words: &[String]) -> String {
    match loader {
        "nixos" => {
            let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            format!("boot.kernelParams = [ {} ]; in configuration.nix", quoted.join(" "))
        }
        "bootc" => format!("a file in /usr/lib/bootc/kargs.d of the image with kargs = {words:?}"),
        _ => format!("{} to the kernel's command line", words.join(" ")),
    }
}

fn plan_grub(disk: &dyn Disk, words: &[String], plan: &mut Plan) -> Result<(), PlanError> {
    if exists(disk, GRUB_DROP_INS)? {
        let before = read_text(disk, GRUB_DROP_IN)?.unwrap_or_default();
        let after = grub::add_words(&before, words).map_err(edit_error(GRUB_DROP_IN))?;
        push_write(disk, &mut plan.steps, GRUB_DROP_IN, after)?;
    } else {
        let before = read_text(disk, GRUB_FILE)?.ok_or_else(|| {
            PlanError::Refused(format!("{GRUB_FILE} is not there; expected GRUB's settings"))
        })?;
        let after = grub::add_words(&before, words).map_err(edit_error(GRUB_FILE))?;
        push_write(disk, &mut plan.steps, GRUB_FILE, after)?;
    }
    let argv: Vec<String> = if exists(disk, "/usr/sbin/update-grub")? {
        vec!["update-grub".to_owned()]
    } else if exists(disk, "/boot/grub2/grub.cfg")? {
        ["grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"].map(str::to_owned).to_vec()
    } else {
        ["grub-mkconfig", "-o", "/boot/grub/grub.cfg"].map(str::to_owned).to_vec()
    };
    plan.steps.push(Step::Run { undo: argv.clone(), argv });
    Ok(())
}

/// systemd-boot: the words of the kernels that are installed, and of those that will be.
fn plan_entries(disk: &dyn Disk, words: &[String], plan: &mut Plan) -> Result<(), PlanError> {
    let mut found = false;
    for folder in ["/boot/loader/entries", "/efi/loader/entries", "/boot/efi/loader/entries"] {
        if !exists(disk, folder)? {
            continue;
        }
        let names = disk
            .list(folder)
            .map_err(|source| PlanError::Io { path: folder.to_owned(), source })?;
        for name in names.iter().filter(|name| name.ends_with(".conf")) {
            let path = format!("{folder}/{name}");
            let Some(text) = read_text(disk, &path)? else { continue };
            let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            // The words of several such lines are taken together.
            let after = format!("{text}{newline}options {}\n", words.join(" "));
            push_write(disk, &mut plan.steps, &path, after)?;
            found = true;
        }
    }
    if let Some(text) = read_text(disk, "/etc/kernel/cmdline")? {
        let after = format!("{} {}\n", text.trim_end(), words.join(" "));
        push_write(disk, &mut plan.steps, "/etc/kernel/cmdline", after)?;
        found = true;
    }
    if !found {
        return Err(PlanError::Loader {
            loader: "systemd-boot without entries".to_owned(),
            by_hand: by_hand("systemd-boot", words),
        });
    }
    Ok(())
}

fn run_for_each<'w>(
    words: &'w [String],
    plan: &mut Plan,
    commands: impl Fn(&'w str) -> (Vec<&'w str>, Vec<&'w str>),
) {
    let owned = |argv: Vec<&str>| argv.into_iter().map(str::to_owned).collect();
    for word in words {
        let (argv, undo) = commands(word);
        plan.steps.push(Step::Run { argv: owned(argv), undo: owned(undo) });
    }
}
