//! Membership in the groups that own the GPU's device files.

use super::draft::Draft;
use super::{PlanError, Planner};
use rmcp_model::{Check, TakesEffect};

/// What `usermod` and `gpasswd` rewrite. Source: usermod(8), gpasswd(1), section FILES.
const FILES: [&str; 2] = ["/etc/group", "/etc/gshadow"];

pub(super) fn plan(
    planner: &Planner<'_>,
    draft: &mut Draft<'_>,
    groups: &[String],
) -> Result<(), PlanError> {
    let user = user_name(planner, draft)?;
    let text = draft.read("/etc/group")?.unwrap_or_default();
    let needed = if groups.is_empty() { groups_of_devices(planner)? } else { groups.to_vec() };
    for group in needed {
        if !is_plain_name(&group) {
            return Err(PlanError::Refused(format!("`{group}` is no name of a group")));
        }
        let Some(members) = members_of(&text, &group) else {
            return Err(not_here(draft, &group)?);
        };
        draft.check(Check::Member { user: user.clone(), group: group.clone() });
        if members.contains(&user.as_str()) {
            continue;
        }
        draft.run(
            &["usermod", "--append", "--groups", &group, &user],
            &["gpasswd", "--delete", &user, &group],
            &FILES.map(str::to_owned),
        );
        draft.takes_effect(TakesEffect::NextSession);
    }
    Ok(())
}

/// Returns the groups of device files that the user may not use.
fn groups_of_devices(planner: &Planner<'_>) -> Result<Vec<String>, PlanError> {
    let mut groups: Vec<String> = Vec::new();
    let closed = planner
        .host
        .access
        .devices
        .iter()
        .filter(|device| device.usable.value().is_some_and(|usable| !usable));
    for device in closed {
        let group = device.group.clone().ok_or_else(|| {
            PlanError::Refused(format!(
                "{} belongs to group number {}, which has no name here (in a container, the group must be \
                 handed in from outside)",
                device.path, device.gid
            ))
        })?;
        if group == "root" {
            return Err(PlanError::Refused(format!(
                "{} belongs to the group root, which nobody should join; udev's rules for GPUs are missing",
                device.path
            )));
        }
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    Ok(groups)
}

/// Returns the user's name by the number of the user who asks. Source of the fields: passwd(5).
fn user_name(planner: &Planner<'_>, draft: &Draft<'_>) -> Result<String, PlanError> {
    let unknown = || PlanError::Refused("it is not known which user asks".to_owned());
    let uid = planner.uid.ok_or_else(unknown)?;
    if uid == 0 {
        return Err(PlanError::Refused(
            "root may use every device already; ask as the user who is to use the GPU".to_owned(),
        ));
    }
    let passwd = draft.read("/etc/passwd")?.unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.get(2)?.parse() == Ok(uid)).then(|| fields[0].to_owned())
    });
    name.filter(|name| is_plain_name(name)).ok_or_else(|| {
        PlanError::Refused(format!(
            "user number {uid} does not stand in /etc/passwd; ask whoever keeps the accounts"
        ))
    })
}

/// Names that shadow-utils allows, which are also no options. Source: useradd(8), CAVEATS.
fn is_plain_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.$".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.len() <= 32
        && name.chars().all(plain)
}

/// Returns the members of a group. Source of the fields: group(5).
fn members_of<'t>(text: &'t str, group: &str) -> Option<Vec<&'t str>> {
    let fields = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let row = fields.into_iter().find(|fields| fields.first() == Some(&group))?;
    Some(row.get(3).map(|members| members.split(',').collect()).unwrap_or_default())
}

/// Image-based systems keep groups of packages where `usermod` does not look.
fn not_here(draft: &Draft<'_>, group: &str) -> Result<PlanError, PlanError> {
    let elsewhere = draft.read("/usr/lib/group")?.unwrap_or_default();
    if let Some(line) = elsewhere.lines().find(|line| line.starts_with(&format!("{group}:"))) {
        return Ok(PlanError::ByHand {
            what: "the list of groups",
            name: "/usr/lib/group of the image".to_owned(),
            by_hand: format!("the line `{line}` to /etc/group, and then run this again"),
        });
    }
    Ok(PlanError::Refused(format!("there is no group `{group}` in /etc/group")))
}
