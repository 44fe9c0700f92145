//! Membership in the groups that own the GPU's device files.

use super::draft::Draft;
use super::{PlanError, Planner};
use crate::members::{Account, members_of, parse_account};
use rmcp_model::{Check, DeviceAccess, TakesEffect};

/// What `usermod` and `gpasswd` rewrite, and the copies of the last state that they leave.
/// Source: usermod(8), gpasswd(1), section FILES; shadow `lib/commonio.c`, `commonio_close`.
const FILES: [&str; 4] = ["/etc/group", "/etc/gshadow", "/etc/group-", "/etc/gshadow-"];

/// Plans memberships, and returns the groups, of which another process plans alike.
pub(super) fn plan(
    planner: &Planner<'_>,
    draft: &mut Draft<'_>,
    groups: &[String],
) -> Result<Vec<String>, PlanError> {
    let user = account(planner, draft)?;
    let text = draft.read("/etc/group")?.unwrap_or_default();
    let needed =
        if groups.is_empty() { groups_of_devices(planner, &user, &text)? } else { groups.to_vec() };
    for group in &needed {
        if !is_plain_name(group) {
            return Err(PlanError::Refused(format!("`{group}` is no name of a group")));
        }
        let Some(members) = members_of(&text, group) else {
            return Err(not_here(draft, group)?);
        };
        draft.check(Check::Member { user: user.name.clone(), group: group.clone() });
        if members.contains(&user.name.as_str()) {
            continue;
        }
        draft.run(
            &["usermod", "--append", "--groups", group, &user.name],
            &["gpasswd", "--delete", &user.name, group],
            &FILES.map(str::to_owned),
        );
        draft.takes_effect(TakesEffect::NextSession);
    }
    Ok(needed)
}

/// Returns the groups of device files that the user may not use.
fn groups_of_devices(
    planner: &Planner<'_>,
    user: &Account,
    text: &str,
) -> Result<Vec<String>, PlanError> {
    // What this process may do says something of the user only where it is the user's.
    let is_user = planner.host.access.user.value().is_some_and(|now| now.uid == user.uid);
    let is_closed = |device: &&DeviceAccess| {
        let usable = device.usable.value().copied();
        let open_to_all = device.mode.value().is_some_and(|mode| mode & 0o6 == 0o6);
        match (is_user, usable) {
            (_, None) => false,
            (true, Some(usable)) => !usable,
            (false, Some(_)) => !open_to_all && device.uid != user.uid && device.gid != user.gid,
        }
    };
    let mut groups: Vec<String> = Vec::new();
    for device in planner.host.access.devices.iter().filter(is_closed) {
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
        let is_in =
            members_of(text, &group).is_some_and(|members| members.contains(&user.name.as_str()));
        if !groups.contains(&group) && (is_user || !is_in) {
            groups.push(group);
        }
    }
    Ok(groups)
}

/// Returns the account of the user who asks.
fn account(planner: &Planner<'_>, draft: &Draft<'_>) -> Result<Account, PlanError> {
    let unknown = || PlanError::Refused("it is not known which user asks".to_owned());
    let uid = planner.uid.ok_or_else(unknown)?;
    if uid == 0 {
        return Err(PlanError::Refused(
            "root may use every device already; ask as the user who is to use the GPU".to_owned(),
        ));
    }
    let passwd = draft.read("/etc/passwd")?.unwrap_or_default();
    parse_account(&passwd, uid).filter(|account| is_plain_name(&account.name)).ok_or_else(|| {
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

/// Image-based systems keep groups of packages where `usermod` does not look.
fn not_here(draft: &Draft<'_>, group: &str) -> Result<PlanError, PlanError> {
    let elsewhere = draft.look("/usr/lib/group")?.unwrap_or_default();
    if let Some(line) = elsewhere.lines().find(|line| line.starts_with(&format!("{group}:"))) {
        return Ok(PlanError::ByHand {
            what: "the list of groups",
            name: "/usr/lib/group of the image".to_owned(),
            by_hand: format!("the line `{line}` to /etc/group, and then run this again"),
        });
    }
    Ok(PlanError::Refused(format!("there is no group `{group}` in /etc/group")))
}
