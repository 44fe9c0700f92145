//! A machine as a folder that reads back to the same facts, without what is private in it.
//!
//! What is kept is what was read, no more: of a library the bytes of its headers, of a start file the lines
//! that set GPU variables, of the kernel log the lines about the GPU.

use crate::host_root::{FileStat, Seen, Transcript};
use crate::machine_file::{FORMAT, FileRow, MachineFile, Process, UnreadableRow};
use crate::read::Machine;
use regex::Regex;
use rmcp_model::Provenance;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Variables that lead to environments, besides those about the GPU.
const PATH_VARIABLES: [&str; 2] = ["VIRTUAL_ENV", "CONDA_PREFIX"];

/// Words that users and machines are called by, and that stand in the paths and texts which a recording is read
/// for. They are everybody's, and stay.
const SOFTWARE: [&str; 22] = [
    "root",
    "user",
    "host",
    "localhost",
    "rocm",
    "torch",
    "pytorch",
    "amd",
    "amdgpu",
    "kfd",
    "drm",
    "gpu",
    "hip",
    "hsa",
    "python",
    "python3",
    "lib",
    "opt",
    "usr",
    "home",
    "bin",
    "debian",
];

/// The names that stand for the private ones.
const USER: &str = "user";
const HOST: &str = "host";

/// The one id of that form that says nothing of the machine: it is part of the name of the variable
/// `SecureBoot`. Source: UEFI specification 2.10, section 3.3, `EFI_GLOBAL_VARIABLE`.
const EFI_GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";

static PRIVATE: LazyLock<[(Regex, &str); 3]> = LazyLock::new(|| {
    let regex = |text| Regex::new(text).expect("a fixed expression");
    [
        // Disk and partition ids.
        (
            regex(r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"),
            "00000000-0000-0000-0000-000000000000",
        ),
        // Hardware addresses.
        (regex(r"(?i)\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b"), "00:00:00:00:00:00"),
        // The serial number of a GPU in KFD's properties.
        (regex(r"(?m)^unique_id [0-9]+"), "unique_id 0"),
    ]
});

/// What is private on a machine, and what stands in its place.
#[derive(Debug, Clone, Default)]
pub struct Redaction {
    /// Longest first, so that a home folder goes before the name in it.
    pairs: Vec<(String, String)>,
}

impl Redaction {
    /// Returns what is private on `machine`: the user's name and home folder, and the machine's name.
    pub fn of(machine: &Machine) -> Self {
        let mut pairs = Vec::new();
        let root = &machine.root;
        if let Some(home) =
            machine.caller.home.as_deref().filter(|home| *home != "/root" && *home != "/")
        {
            pairs.push((home.trim_end_matches('/').to_owned(), format!("/home/{USER}")));
            pairs.extend(
                home.trim_end_matches('/')
                    .rsplit('/')
                    .next()
                    .map(|name| (name.to_owned(), USER.to_owned())),
            );
        }
        let uid = machine.caller.uid;
        let passwd = root.read_text("/etc/passwd");
        let account = passwd.value().and_then(|text| {
            text.lines()
                .map(|line| line.split(':').collect::<Vec<_>>())
                .find(|fields| fields.get(2).and_then(|uid| uid.parse().ok()) == uid)
        });
        pairs.extend(
            account.and_then(|fields| Some((fields.first()?.to_string(), USER.to_owned()))),
        );
        for path in ["/proc/sys/kernel/hostname", "/etc/hostname"] {
            if let Some(name) = root.read_value(path).value() {
                pairs.push((name.clone(), HOST.to_owned()));
                pairs.extend(
                    name.split_once('.').map(|(short, _)| (short.to_owned(), HOST.to_owned())),
                );
            }
        }
        // One letter would be found in every word; `root` and `localhost` are nobody's name.
        pairs.retain(|(private, _)| private.len() > 1 && !SOFTWARE.contains(&private.as_str()));
        pairs.sort_by_key(|(private, _)| std::cmp::Reverse(private.len()));
        pairs.dedup();
        Self { pairs }
    }

    /// Returns a text without what is private.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (private, public) in &self.pairs {
            text = replace_word(&text, private, public);
        }
        for (expression, public) in PRIVATE.iter() {
            let hide = |found: &regex::Captures<'_>| {
                if found[0].eq_ignore_ascii_case(EFI_GLOBAL) { EFI_GLOBAL } else { *public }
                    .to_owned()
            };
            text = expression.replace_all(&text, hide).into_owned();
        }
        text
    }
}

/// Replaces a word where no letter or digit touches it.
fn replace_word(text: &str, word: &str, by: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let before = rest[..at].chars().next_back();
        let after = rest[at + word.len()..].chars().next();
        let touches = |neighbour: Option<char>| neighbour.is_some_and(char::is_alphanumeric);
        out.push_str(&rest[..at]);
        out.push_str(if touches(before) || touches(after) { word } else { by });
        rest = &rest[at + word.len()..];
    }
    out.push_str(rest);
    out
}

/// One entry of a recorded folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordedFile {
    /// A file.
    Whole(Vec<u8>),
    /// A file of this length of which these parts are kept; the rest is a hole.
    Parts(u64, BTreeMap<u64, Vec<u8>>),
    /// A folder.
    Folder,
    /// A symbolic link.
    Link(String),
}

/// A machine folder, ready to be written.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Entries by path inside the machine.
    pub files: BTreeMap<String, RecordedFile>,
    /// Text of `rmcp-machine.toml`.
    pub machine_file: String,
}

impl Recording {
    /// Returns the folder for what was read of `machine`.
    ///
    /// # Errors
    /// What could not be written as TOML.
    pub fn of(
        machine: &Machine,
        transcript: &Transcript,
        redaction: &Redaction,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, toml::ser::Error> {
        let mut files = BTreeMap::new();
        let mut rows = Vec::new();
        let mut unreadable = Vec::new();
        for (path, seen) in transcript {
            let path = redaction.text(path);
            let recorded = match seen {
                Seen::File(bytes) => {
                    RecordedFile::Whole(redact_file(&path, bytes, machine, redaction))
                }
                Seen::Parts(length, parts) => RecordedFile::Parts(*length, parts.clone()),
                Seen::Folder => RecordedFile::Folder,
                Seen::Name => RecordedFile::Whole(Vec::new()),
                Seen::Link(target) => RecordedFile::Link(redaction.text(target)),
                Seen::Unreadable(why) => {
                    unreadable.push(UnreadableRow { path: path.clone(), why: redaction.text(why) });
                    continue;
                }
                Seen::Stat(FileStat { mode, uid, gid }) => {
                    rows.push(FileRow { path: path.clone(), mode: *mode, uid: *uid, gid: *gid });
                    RecordedFile::Whole(Vec::new())
                }
            };
            // These say who it is; the redaction has taken what it needs.
            if !matches!(
                path.as_str(),
                "/etc/hostname" | "/proc/sys/kernel/hostname" | "/rmcp-machine.toml"
            ) {
                files.insert(path, recorded);
            }
        }
        make_folders_of_parents(&mut files);
        let machine_file = MachineFile {
            format: FORMAT,
            // A copy of a made-up machine stays made up.
            provenance: if machine.provenance == Provenance::Synthetic {
                Provenance::Synthetic
            } else {
                Provenance::Recorded
            },
            description: machine.description.clone(),
            process: machine
                .caller
                .uid
                .map(|uid| process(machine, uid, redaction, environment, transcript)),
            files: rows,
            unreadable,
        };
        Ok(Self { files, machine_file: toml::to_string(&machine_file)? })
    }
}

/// A name seen in a listing that turned out to hold other entries is a folder: in sysfs links to devices are
/// listed as names, and read as folders.
fn make_folders_of_parents(files: &mut BTreeMap<String, RecordedFile>) {
    let parents: Vec<String> = files
        .keys()
        .flat_map(|path| path.match_indices('/').map(|(at, _)| path[..at].to_owned()))
        .collect();
    for parent in parents {
        if let Some(file @ RecordedFile::Whole(_)) = files.get_mut(&parent) {
            *file = RecordedFile::Folder;
        }
    }
}

fn process(
    machine: &Machine,
    uid: u32,
    redaction: &Redaction,
    environment: &BTreeMap<String, String>,
    transcript: &Transcript,
) -> Process {
    let caller = &machine.caller;
    let mut kept: BTreeMap<String, String> = environment.clone();
    kept.extend(
        PATH_VARIABLES
            .iter()
            .filter_map(|&name| Some((name.to_owned(), caller.variable(name)?.to_owned()))),
    );
    // Of PATH only the folder in which python3 was found, since that is what PATH was read for.
    let found =
        caller.variable("PATH").into_iter().flat_map(|path| path.split(':')).find(|folder| {
            transcript.contains_key(&format!("{}/python3", folder.trim_end_matches('/')))
        });
    kept.extend(found.map(|folder| ("PATH".to_owned(), folder.to_owned())));
    Process {
        uid,
        gid: caller.groups.first().copied().unwrap_or(uid),
        groups: caller.groups.clone(),
        home: caller.home.as_deref().map(|home| redaction.text(home)),
        cwd: caller.cwd.as_deref().map(|cwd| redaction.text(cwd)),
        environment: kept.into_iter().map(|(name, value)| (name, redaction.text(&value))).collect(),
    }
}

fn redact_file(path: &str, bytes: &[u8], machine: &Machine, redaction: &Redaction) -> Vec<u8> {
    let accounts = matches!(path, "/etc/passwd" | "/etc/group");
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => std::borrow::Cow::Borrowed(text),
        // One byte of another writing must not let everybody's names out.
        Err(_) if accounts => String::from_utf8_lossy(bytes),
        // Other files are kept as they are read: only what sets GPU variables, and headers of libraries.
        Err(_) => return bytes.to_vec(),
    };
    let text = match path {
        "/etc/passwd" => own_account(&text, machine),
        "/etc/group" => own_groups(&text, machine, redaction),
        _ => text.into_owned(),
    };
    redaction.text(&text).into_bytes()
}

/// Keeps the caller's own line of `/etc/passwd`, without the full name.
fn own_account(text: &str, machine: &Machine) -> String {
    text.lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let own = fields.get(2)?.parse().ok() == machine.caller.uid && fields.len() > 5;
            own.then(|| format!("{}:x:{}:{}::{}:\n", fields[0], fields[2], fields[3], fields[5]))
        })
        .collect()
}

/// Keeps the groups, with the caller as their only member; groups of persons lose their names.
fn own_groups(text: &str, machine: &Machine, redaction: &Redaction) -> String {
    // Source: login.defs(5), GID_MIN and GID_MAX of every large distribution.
    let personal = 1000..60000;
    let user =
        machine.caller.home.as_deref().and_then(|home| home.rsplit('/').next()).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let gid: u32 = fields.get(2)?.parse().ok()?;
            let member = fields.get(3).is_some_and(|members| {
                members.split(',').any(|member| member == user && !member.is_empty())
            });
            let named = redaction.text(fields[0]);
            let name = if personal.contains(&gid) && named != USER {
                format!("group{gid}")
            } else {
                named
            };
            Some(format!("{name}:x:{gid}:{}\n", if member { user } else { "" }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_and_words_that_hold_them_stay() {
        let redaction = Redaction {
            pairs: vec![("/home/al".into(), "/home/user".into()), ("al".into(), "user".into())],
        };
        assert_eq!(redaction.text("/home/al/x signal al: ok"), "/home/user/x signal user: ok");
        assert_eq!(
            redaction.text("root=UUID=1234abcd-12ab-34cd-56ef-1234567890ab"),
            "root=UUID=00000000-0000-0000-0000-000000000000"
        );
        assert_eq!(
            redaction.text("simd_count 80\nunique_id 1152921504606846976\n"),
            "simd_count 80\nunique_id 0\n"
        );
    }
}
