//! Options of the amdgpu module.

use super::{PlanError, edit_error, empty, exists, judged, push_write, read_text};
use crate::disk::Disk;
use crate::edit::modprobe::set_option;
use rmcp_knowledge::Knowledge;
use rmcp_model::{Check, GfxTarget, HostFacts, Plan, Step, TakesEffect, Version};

const FILE: &str = "/etc/modprobe.d/rmcp.conf";

/// The programs that put the file into the initramfs, by the distribution that has them.
const INITRAMFS: [(&str, &[&str]); 3] = [
    ("/usr/sbin/update-initramfs", &["update-initramfs", "-u"]),
    ("/usr/bin/dracut", &["dracut", "--force"]),
    ("/usr/bin/mkinitcpio", &["mkinitcpio", "-P"]),
];

/// Plans to load amdgpu with an option.
///
/// # Errors
/// [`PlanError`]: an option that does harm or nothing, or a name or value that modprobe would misread.
pub fn plan_module_option(
    disk: &dyn Disk,
    host: &HostFacts,
    gfx: Option<GfxTarget>,
    (name, value): (&str, &str),
    allow_inert: bool,
    knowledge: &Knowledge,
) -> Result<Plan, PlanError> {
    let kernel = host.kernel.release.value().and_then(|text| Version::parse_prefix(text));
    let whole = format!("amdgpu.{name}");
    if let Some(verdict) = knowledge.judge_parameter(&whole, value, gfx, kernel) {
        judged(&format!("{whole}={value}"), verdict.effect, verdict.why, allow_inert)?;
    }
    let mut plan = empty(format!("load amdgpu with {name}={value}"), TakesEffect::NextBoot);
    plan.checks = vec![Check::ModuleParameter { name: name.to_owned(), value: value.to_owned() }];
    let before = read_text(disk, FILE)?;
    let after = set_option(before.as_deref(), name, value).map_err(edit_error(FILE))?;
    push_write(disk, &mut plan.steps, FILE, after)?;
    if plan.steps.is_empty() {
        return Ok(plan);
    }
    for (program, argv) in INITRAMFS {
        if exists(disk, program)? {
            let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
            plan.steps.push(Step::Run { undo: argv.clone(), argv });
            break;
        }
    }
    plan.way_back = vec![
        format!(
            "at the boot menu press e, and add amdgpu.{name}= with the old value to the line that begins with `linux`"
        ),
        "then: rmcp undo --last".to_owned(),
    ];
    Ok(plan)
}
