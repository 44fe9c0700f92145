//! Options of the amdgpu module.

use super::draft::Draft;
use super::{PlanError, Planner, WAY_BACK, edit_error};
use crate::edit::modprobe::set_option;
use rmcp_model::{Check, TakesEffect};

const FILE: &str = "/etc/modprobe.d/rmcp.conf";

/// The programs that put the file into the initramfs, by the distribution that has them: Debian and Ubuntu;
/// Fedora, openSUSE, Gentoo and Void; Arch; Alpine.
///
/// Source: update-initramfs(8), dracut(8), mkinitcpio(8), mkinitfs(1).
const INITRAMFS: [(&str, &[&str]); 5] = [
    ("/usr/sbin/update-initramfs", &["update-initramfs", "-u"]),
    ("/usr/bin/dracut", &["dracut", "--regenerate-all", "--force"]),
    ("/usr/sbin/dracut", &["dracut", "--regenerate-all", "--force"]),
    ("/usr/bin/mkinitcpio", &["mkinitcpio", "-P"]),
    ("/sbin/mkinitfs", &["mkinitfs"]),
];

pub(super) fn plan(
    planner: &Planner<'_>,
    draft: &mut Draft<'_>,
    name: &str,
    value: &str,
) -> Result<(), PlanError> {
    let whole = format!("amdgpu.{name}");
    let verdict = planner.knowledge.judge_parameter(&whole, value, planner.gfx, planner.kernel());
    if let Some(verdict) = verdict {
        planner.judge(&format!("{whole}={value}"), verdict.effect, verdict.why)?;
    }
    let after = set_option(draft.read(FILE)?.as_deref(), name, value).map_err(edit_error(FILE))?;
    refuse_images(planner, name, value)?;
    refuse_later(planner, name, value)?;
    draft.check(Check::ModuleParameter { name: name.to_owned(), value: value.to_owned() });
    if draft.read(FILE)?.as_deref() == Some(&after) {
        return Ok(());
    }
    draft.write(FILE, after)?;
    for (program, argv) in INITRAMFS {
        if draft.leads_somewhere(program)? {
            // The image is made anew from the file as it is then, so the same command takes it back. It is
            // too large to be kept.
            draft.run(argv, argv, &[]);
            break;
        }
    }
    draft.takes_effect(TakesEffect::NextBoot);
    draft.way_back(format!(
        "at the boot menu press e, and add amdgpu.{name}= with the old value to the line that begins with `linux`"
    ));
    draft.way_back(WAY_BACK.to_owned());
    Ok(())
}

/// Files are read in the order of their names, wherever they stand, and the last one wins. Source: modprobe.d(5).
fn refuse_later(planner: &Planner<'_>, name: &str, value: &str) -> Result<(), PlanError> {
    let file = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let ours = file(FILE);
    let later = planner.host.driver.options.iter().find(|option| {
        option.name == name && option.value != value && file(&option.origin.path) > ours
    });
    match later {
        None => Ok(()),
        Some(option) => Err(PlanError::Refused(format!(
            "{} sets amdgpu's {name} to {} and is read after {FILE}; change it there",
            option.origin, option.value
        ))),
    }
}

/// Systems whose initramfs comes with the image never read our file before the driver is loaded.
fn refuse_images(planner: &Planner<'_>, name: &str, value: &str) -> Result<(), PlanError> {
    let by_hand = match planner.host.boot.loader.value().map(String::as_str) {
        Some("nixos") => format!(
            "boot.extraModprobeConfig = \"options amdgpu {name}={value}\"; in configuration.nix"
        ),
        Some("rpm-ostree" | "bootc") => format!(
            "nothing, but run: rmcp apply kernel-parameter amdgpu.{name}={value} (the initramfs of the image does not see /etc)"
        ),
        _ => return Ok(()),
    };
    let name = planner.host.boot.loader.value().cloned().unwrap_or_default();
    Err(PlanError::ByHand { what: "the system", name, by_hand })
}
