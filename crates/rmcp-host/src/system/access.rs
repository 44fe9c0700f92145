//! Who may open the GPU's device files.

use crate::caller::Caller;
use crate::host_root::{HostRoot, join};
use rmcp_model::{Access, DeviceAccess, Fact, Origin, User};
use std::collections::BTreeMap;

/// Group id that the kernel shows for a group without a name in this user namespace.
/// Source: Linux `/proc/sys/kernel/overflowgid`, default.
pub const OVERFLOW_GID: u32 = 65534;

/// Reads device files and the user's groups.
pub fn read_access(root: &HostRoot, caller: &Caller) -> Access {
    let groups = read_groups(root);
    let user = read_user(root, caller, &groups);
    let mut paths = vec!["/dev/kfd".to_owned()];
    let render = root.names("/dev/dri", |name| name.starts_with("renderD"));
    paths.extend(render.iter().map(|name| join("/dev/dri", name)));
    let devices = paths.iter().map(|path| read_device(root, path, &user, &groups)).collect();
    Access { user, devices }
}

/// `/etc/group`: name and members by id.
type Groups = BTreeMap<u32, (String, Vec<String>)>;

fn read_groups(root: &HostRoot) -> Groups {
    root.read_text("/etc/group").value().map(|text| parse_groups(text)).unwrap_or_default()
}

/// Parses `/etc/group`: `name:password:gid:member,member`. Source: group(5).
pub fn parse_groups(text: &str) -> Groups {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let (name, _, gid) = (fields.next()?, fields.next()?, fields.next()?.parse().ok()?);
            let members = fields.next().unwrap_or_default();
            let members =
                members.split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect();
            Some((gid, (name.to_owned(), members)))
        })
        .collect()
}

fn read_user(root: &HostRoot, caller: &Caller, groups: &Groups) -> Fact<User> {
    let Some(uid) = caller.uid else { return Fact::Absent };
    let account = root.read_text("/etc/passwd").value().and_then(|text| {
        text.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let matches = fields.get(2)?.parse() == Ok(uid);
            matches.then(|| (fields[0].to_owned(), fields.get(3).and_then(|gid| gid.parse().ok())))
        })
    });
    let configured_groups = match &account {
        Some((name, primary)) => groups
            .iter()
            .filter(|&(gid, (_, members))| *primary == Some(*gid) || members.contains(name))
            .map(|(&gid, _)| gid)
            .collect(),
        None => Vec::new(),
    };
    // One line "0 0 4294967295" is the identity; anything else is a user namespace.
    let mapped = root.read_text("/proc/self/uid_map").value().is_some_and(|map| {
        let fields: Vec<&str> = map.split_whitespace().collect();
        !fields.is_empty() && fields != ["0", "0", "4294967295"]
    });
    let user = User { uid, groups: caller.groups.clone(), configured_groups, mapped };
    Fact::known(user, Origin::file("/proc/self/status"))
}

fn read_device(root: &HostRoot, path: &str, user: &Fact<User>, groups: &Groups) -> DeviceAccess {
    let stat = root.stat(path);
    let (uid, gid) = stat.value().map_or((0, 0), |stat| (stat.uid, stat.gid));
    let mode = stat.clone().map(|stat| stat.mode);
    let usable = match (&stat, root.may_read_write(path), user.value()) {
        (Fact::Known { origin, .. }, Some(usable), _) => Fact::known(usable, origin.clone()),
        (Fact::Known { value, origin }, None, Some(user)) => {
            Fact::known(may_use(value.mode, value.uid, value.gid, user), origin.clone())
        }
        (Fact::Known { .. }, None, None) => Fact::Absent,
        (Fact::Absent, ..) => Fact::Absent,
        (Fact::Unreadable { why }, ..) => Fact::unreadable(why.clone()),
    };
    DeviceAccess {
        path: path.to_owned(),
        mode,
        uid,
        gid,
        group: groups.get(&gid).map(|(name, _)| name.clone()),
        usable,
    }
}

/// Returns whether the classic permission bits let a user read and write.
fn may_use(mode: u32, uid: u32, gid: u32, user: &User) -> bool {
    let allowed = |shift: u32| mode >> shift & 0o6 == 0o6;
    if user.uid == 0 && !user.mapped {
        true
    } else if user.uid == uid {
        allowed(6)
    } else if user.groups.contains(&gid) {
        allowed(3)
    } else {
        allowed(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permission_bits_as_the_kernel_reads_them() {
        let user = |uid, groups: &[u32]| User {
            uid,
            groups: groups.to_vec(),
            configured_groups: vec![],
            mapped: false,
        };
        for (mode, uid, gid, who, expected) in [
            (0o660, 0, 992, user(1000, &[1000, 992]), true),
            (0o660, 0, 992, user(1000, &[1000]), false),
            (0o666, 0, 992, user(1000, &[1000]), true),
            (0o600, 0, 0, user(0, &[0]), true),
            (0o606, 0, 992, user(1000, &[992]), false),
            (0o640, 0, 992, user(1000, &[992]), false),
        ] {
            assert_eq!(may_use(mode, uid, gid, &who), expected, "{mode:o} {uid} {gid} {who:?}");
        }
    }
}
