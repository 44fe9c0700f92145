//! Kernel words for one start of the machine: whoever does not confirm them has the old ones at the next.
//!
//! GRUB expands a variable in the kernel's line, and sets it only after it has noted on the disk that it did so;
//! where it cannot note that down, the words are not used. Boot loaders with entries get one entry more, and
//! are told to start it once.

use super::draft::Draft;
use super::kernel::{ENTRY_FOLDERS, GrubMaker};
use super::{PlanError, Planner, edit_error};
use crate::edit::{entry, grub};

/// GRUB's variable that holds the words in a start that uses them.
pub(super) const WORDS: &str = "rmcp_words";

/// GRUB's variable that is kept on the disk and asks for one such start.
const ASKED: &str = "rmcp_once";

/// Our part of GRUB's configuration. It is read before the part with the kernels, which is number 10, and behind
/// the one that loads GRUB's variables, which is number 00.
pub(super) const GRUB_PART: &str = "/etc/grub.d/09_rmcp_once";

/// The additional entry. Of entries without a key to sort by, the one whose name counts as the newest version is
/// started, and capital letters count as older than all else: `cargo xtask real-tools` shows it.
/// Source: UAPI.10 Version Format Specification; for GRUB, Fedora's `blscfg.c`, which compares as rpm does.
pub(super) const ENTRY: &str = "A-rmcp-once";

/// Who reads the additional entry.
#[derive(Clone, Copy)]
pub(super) enum Menu {
    Systemd,
    Grub,
}

/// Returns whether GRUB can be asked for one start.
pub(super) fn grub_can(draft: &Draft<'_>, maker: &GrubMaker) -> Result<bool, PlanError> {
    let editor = format!("/usr/bin/{}", maker.editor);
    Ok(draft.exists("/etc/grub.d")?
        && draft.leads_somewhere(&editor)?
        && draft.leads_somewhere(maker.environment)?)
}

/// A second change would take over the one start of the first.
pub(super) fn refuse_second(draft: &Draft<'_>, path: &str) -> Result<(), PlanError> {
    if draft.exists(path)? {
        return Err(PlanError::Refused(
            "kernel words of an earlier change wait for their one start or for its confirmation; see `rmcp status`"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Plans our part of GRUB's configuration.
pub(super) fn plan_grub(draft: &mut Draft<'_>, words: &[String]) -> Result<(), PlanError> {
    let script = grub::once_script(ASKED, WORDS, words).map_err(edit_error(GRUB_PART))?;
    draft.write_program(GRUB_PART, script)
}

/// Plans to ask for the one start, once everything else is in place.
pub(super) fn arm_grub(draft: &mut Draft<'_>, maker: &GrubMaker) {
    let set = format!("{ASKED}=1");
    let file = maker.environment;
    draft.run(
        &[maker.editor, file, "set", &set],
        &[maker.editor, file, "unset", ASKED],
        &[file.to_owned()],
    );
    draft.one_start();
}

/// Plans an additional entry and one start of it. Returns false where it is not clear which entry the machine
/// was started with, or where the program that asks for it is not there.
pub(super) fn plan_entry(
    planner: &Planner<'_>,
    draft: &mut Draft<'_>,
    entries: &[(String, String)],
    words: &[String],
    menu: Menu,
) -> Result<bool, PlanError> {
    let program = match menu {
        Menu::Systemd => "/usr/bin/bootctl",
        Menu::Grub => "/usr/sbin/grub2-reboot",
    };
    for folder in ENTRY_FOLDERS {
        refuse_second(draft, &format!("{folder}/{ENTRY}.conf"))?;
    }
    let Some((path, text)) = started_entry(planner, entries) else { return Ok(false) };
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let own = format!("{folder}/{ENTRY}.conf");
    let can_forget = match menu {
        Menu::Systemd => true,
        Menu::Grub => grub_can_write(draft)?,
    };
    if planner.permanent || !can_forget || !draft.leads_somewhere(program)? {
        return Ok(false);
    }
    draft.write(&own, entry::copy_for_once(text, words))?;
    match menu {
        Menu::Systemd => {
            let id = format!("{ENTRY}.conf");
            draft.run(&["bootctl", "set-oneshot", &id], &["bootctl", "set-oneshot", ""], &[]);
        }
        Menu::Grub => {
            let environment = "/boot/grub2/grubenv";
            draft.run(
                &["grub2-reboot", ENTRY],
                &["grub2-editenv", environment, "unset", "next_entry"],
                &[environment.to_owned()],
            );
        }
    }
    draft.one_start();
    Ok(true)
}

/// Returns whether GRUB can take its note of the one start back, for which it must write to the file system of
/// `/boot`: otherwise the entry would be started again and again.
///
/// Source: GRUB manual, "The GRUB environment block": not on LVM, RAID, ZFS or btrfs.
fn grub_can_write(draft: &Draft<'_>) -> Result<bool, PlanError> {
    let mounts = draft.look("/proc/mounts")?.unwrap_or_default();
    let rows = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let boot = rows
        .filter(|row| row.len() > 2 && ["/", "/boot", "/boot/grub2"].contains(&row[1]))
        .max_by_key(|row| row[1].len());
    Ok(boot.is_some_and(|row| {
        let plain = ["/dev/sd", "/dev/nvme", "/dev/vd", "/dev/mmcblk"];
        matches!(row[2], "ext2" | "ext3" | "ext4" | "vfat")
            && plain.iter().any(|device| row[0].starts_with(device))
    }))
}

/// Returns the entry of the running kernel.
fn started_entry<'e>(
    planner: &Planner<'_>,
    entries: &'e [(String, String)],
) -> Option<&'e (String, String)> {
    if let [only] = entries {
        return Some(only);
    }
    let release = planner.host.kernel.release.value()?;
    let mut of_release =
        entries.iter().filter(|(path, text)| path.contains(release) || text.contains(release));
    let first = of_release.next()?;
    // Of two entries with one kernel (a rescue entry, say) nobody knows which is meant.
    of_release.next().is_none().then_some(first)
}
