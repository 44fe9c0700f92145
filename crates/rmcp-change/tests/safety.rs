//! What a hostile machine must not make of us.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests build their own machine"
)]

use rmcp_change::{ApplyError, Disk, Journal, NoCommands, RealDisk, UndoError, apply, undo};
use rmcp_model::{Plan, Step, TakesEffect};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

const JOURNAL: &str = "/var/lib/rmcp/journal";

fn machine() -> (tempfile::TempDir, RealDisk<NoCommands>) {
    let folder = tempfile::tempdir().unwrap();
    for inside in ["etc", "var/lib"] {
        fs::create_dir_all(folder.path().join(inside)).unwrap();
    }
    fs::write(folder.path().join("etc/environment"), "A=1\n").unwrap();
    let disk = RealDisk::open(folder.path(), NoCommands).unwrap();
    (folder, disk)
}

fn write_plan(path: &str, before: Option<&str>, after: &str) -> Plan {
    let step = Step::Write {
        path: path.to_owned(),
        before: before.map(str::to_owned),
        after: Some(after.to_owned()),
        mode: 0o644,
    };
    Plan {
        title: "x".to_owned(),
        remedy: None,
        steps: vec![step],
        takes_effect: TakesEffect::Now,
        checks: Vec::new(),
        way_back: Vec::new(),
    }
}

fn make(disk: &dyn Disk, plan: &Plan) -> Result<Option<rmcp_change::Entry>, ApplyError> {
    apply(disk, &Journal::new(JOURNAL), plan, "2026-11-24T12:00:00Z")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_link_is_never_written_through() {
    let (folder, disk) = machine();
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "A=1\n").unwrap();
    symlink(&victim, folder.path().join("etc/linked")).unwrap();
    symlink(outside.path(), folder.path().join("etc/folder")).unwrap();
    symlink("environment", folder.path().join("etc/inside")).unwrap();
    for path in [
        "/etc/linked",
        "/etc/folder/victim",
        "/etc/inside",
        "/etc/../etc/environment",
        "/etc/environment/..",
    ] {
        let result = make(&disk, &write_plan(path, Some("A=1\n"), "A=2\n"));
        assert!(result.is_err(), "{path}: {result:?}");
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "A=1\n");
    let error = make(&disk, &write_plan("/etc/linked", Some("A=1\n"), "A=2\n")).unwrap_err();
    assert!(error.to_string().contains("/etc/linked is a symbolic link"), "{error}");
}

#[test]
fn a_folder_that_everybody_may_write_is_refused() {
    let (folder, disk) = machine();
    fs::create_dir(folder.path().join("open")).unwrap();
    fs::write(folder.path().join("open/file"), "A=1\n").unwrap();
    fs::set_permissions(folder.path().join("open"), fs::Permissions::from_mode(0o777)).unwrap();
    let error = make(&disk, &write_plan("/open/file", Some("A=1\n"), "A=2\n")).unwrap_err();
    assert!(error.to_string().contains("may be written by everybody"), "{error}");
}

#[test]
fn pipes_devices_and_folders_are_no_files() {
    let (folder, disk) = machine();
    let pipe = folder.path().join("etc/pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    for path in ["/etc/pipe", "/etc", "/"] {
        assert!(make(&disk, &write_plan(path, None, "A=2\n")).is_err(), "{path}");
    }
}

#[test]
fn owner_mode_and_attributes_stay() {
    let (folder, disk) = machine();
    let path = folder.path().join("etc/environment");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let file = fs::File::open(&path).unwrap();
    let labelled =
        rustix::fs::fsetxattr(&file, "user.label", b"x", rustix::fs::XattrFlags::empty());
    make(&disk, &write_plan("/etc/environment", Some("A=1\n"), "A=2\n")).unwrap();
    assert_eq!(mode(&path), 0o640);
    let state = disk.read("/etc/environment").unwrap().unwrap();
    // Not every file system of a test machine keeps attributes.
    let expected =
        if labelled.is_ok() { vec![("user.label".to_owned(), b"x".to_vec())] } else { Vec::new() };
    assert_eq!(state.meta.attributes, expected);
    undo(&disk, &Journal::new(JOURNAL), 1).unwrap();
    assert_eq!(mode(&path), 0o640);
}

#[test]
fn the_journal_is_for_its_owner_alone() {
    let (folder, disk) = machine();
    make(&disk, &write_plan("/etc/environment", Some("A=1\n"), "A=2\n")).unwrap();
    assert_eq!(mode(&folder.path().join("var/lib/rmcp/journal")), 0o700);
    assert_eq!(mode(&folder.path().join("var/lib/rmcp/journal/0001.json")), 0o600);
}

#[test]
fn a_file_that_changed_after_the_plan_is_not_written() {
    let (folder, disk) = machine();
    let plan = write_plan("/etc/environment", Some("A=1\n"), "A=2\n");
    fs::write(folder.path().join("etc/environment"), "A=1\nB=1\n").unwrap();
    assert!(matches!(make(&disk, &plan), Err(ApplyError::Stale { .. })));
    assert!(!folder.path().join("var/lib/rmcp").exists(), "nothing was begun");
}

#[test]
fn an_edit_of_somebody_else_is_not_lost() {
    let (folder, disk) = machine();
    let journal = Journal::new(JOURNAL);
    make(&disk, &write_plan("/etc/environment", Some("A=1\n"), "A=2\n")).unwrap();
    fs::write(folder.path().join("etc/environment"), "A=2\nmine=1\n").unwrap();
    match undo(&disk, &journal, 1) {
        Err(UndoError::Edited { path, before, after, now, .. }) => {
            assert_eq!(path, "/etc/environment");
            assert_eq!(before.as_deref(), Some("A=1\n"));
            assert_eq!(after.as_deref(), Some("A=2\n"));
            assert_eq!(now.as_deref(), Some("A=2\nmine=1\n"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read_to_string(folder.path().join("etc/environment")).unwrap(), "A=2\nmine=1\n");
}

#[test]
fn changes_of_one_file_are_taken_back_from_the_last() {
    let (folder, disk) = machine();
    let journal = Journal::new(JOURNAL);
    make(&disk, &write_plan("/etc/environment", Some("A=1\n"), "A=2\n")).unwrap();
    make(&disk, &write_plan("/etc/environment", Some("A=2\n"), "A=3\n")).unwrap();
    make(&disk, &write_plan("/etc/other", None, "B=1\n")).unwrap();
    assert!(matches!(undo(&disk, &journal, 1), Err(UndoError::Covered { later: 2, .. })));
    undo(&disk, &journal, 2).unwrap();
    undo(&disk, &journal, 1).unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("etc/environment")).unwrap(), "A=1\n");
    assert!(folder.path().join("etc/other").exists(), "the third change has nothing to do with it");
    assert!(matches!(undo(&disk, &journal, 1), Err(UndoError::NotApplied { .. })));
    assert!(matches!(undo(&disk, &journal, 9), Err(UndoError::Unknown { id: 9 })));
}

#[test]
fn two_at_once_do_not_meet() {
    let (folder, disk) = machine();
    let journal = Journal::new(JOURNAL);
    let held = disk.lock(&journal).unwrap();
    let second = RealDisk::open(folder.path(), NoCommands).unwrap();
    assert_eq!(second.lock(&journal).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(held);
    second.lock(&journal).unwrap();
}

#[test]
fn a_journal_that_is_none_is_named() {
    let (folder, disk) = machine();
    make(&disk, &write_plan("/etc/environment", Some("A=1\n"), "A=2\n")).unwrap();
    let entry = folder.path().join("var/lib/rmcp/journal/0001.json");
    let whole = fs::read(&entry).unwrap();
    for (text, expected) in [
        (whole[..whole.len() / 2].to_vec(), "expected an entry that rmcp wrote"),
        (b"{\"format\": 99}".to_vec(), "update rmcp"),
        (
            String::from_utf8(whole.clone())
                .unwrap()
                .replace("\"id\": 1", "\"id\": 7")
                .into_bytes(),
            "it says that it is 7",
        ),
    ] {
        fs::write(&entry, text).unwrap();
        let error = Journal::new(JOURNAL).entries(&disk).unwrap_err().to_string();
        assert!(error.contains("0001.json") && error.contains(expected), "{error}");
    }
}
