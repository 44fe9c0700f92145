//! Who is in which group. Source of the fields: group(5), passwd(5).

/// Returns the members of a group in the text of `/etc/group`, none where it is not there.
pub(crate) fn members_of<'t>(text: &'t str, group: &str) -> Option<Vec<&'t str>> {
    let mut rows = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let row = rows.find(|fields| fields.first() == Some(&group))?;
    let members = row.get(3).copied().unwrap_or_default();
    Some(members.split(',').filter(|member| !member.is_empty()).collect())
}

/// Returns whether a user is listed in a group.
pub(crate) fn is_member(text: &str, user: &str, group: &str) -> bool {
    members_of(text, group).is_some_and(|members| members.contains(&user))
}

/// A row of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Name.
    pub name: String,
    /// User number.
    pub uid: u32,
    /// Number of the primary group.
    pub gid: u32,
    /// Home folder.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// Returns the account of a user in the text of `/etc/passwd`.
pub fn parse_account(text: &str, uid: u32) -> Option<Account> {
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, id, gid, _, home, shell] = fields.as_slice() else { return None };
        let (id, gid) = (id.parse().ok()?, gid.parse().ok()?);
        let [name, home, shell] = [name, home, shell].map(|field| (*field).to_owned());
        (id == uid).then_some(Account { name, uid: id, gid, home, shell })
    })
}
