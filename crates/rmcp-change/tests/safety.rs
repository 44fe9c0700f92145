//! What a hostile machine must not make of us.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests build their own machine"
)]

use rmcp_change::{
    ApplyError, CommandRunner, Disk, Journal, NoCommands, PlanFile, PlanFileError, RealDisk,
    UndoChoice, UndoError, apply, recover, undo,
};
use rmcp_model::{Plan, Step};
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
    Plan { steps: vec![step], ..Plan::nothing("x".to_owned()) }
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
    undo(&disk, &Journal::new(JOURNAL), 1, UndoChoice::default()).unwrap();
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
    match undo(&disk, &journal, 1, UndoChoice::default()) {
        Err(UndoError::Edited(file)) => {
            assert_eq!(file.path, "/etc/environment");
            assert_eq!(file.before.as_deref(), Some("A=1\n"));
            assert_eq!(file.after.as_deref(), Some("A=2\n"));
            assert_eq!(file.now.as_deref(), Some("A=2\nmine=1\n"));
            assert_eq!(file.merged, None, "both are about neighbouring lines");
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
    assert!(matches!(
        undo(&disk, &journal, 1, UndoChoice::default()),
        Err(UndoError::Covered { later: 2, .. })
    ));
    undo(&disk, &journal, 2, UndoChoice::default()).unwrap();
    undo(&disk, &journal, 1, UndoChoice::default()).unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("etc/environment")).unwrap(), "A=1\n");
    assert!(folder.path().join("etc/other").exists(), "the third change has nothing to do with it");
    assert!(matches!(
        undo(&disk, &journal, 1, UndoChoice::default()),
        Err(UndoError::Undone { .. })
    ));
    assert!(matches!(
        undo(&disk, &journal, 9, UndoChoice::default()),
        Err(UndoError::Unknown { id: 9 })
    ));
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

/// An edit elsewhere in the file stays when the change goes.
#[test]
fn an_edit_is_kept_where_that_is_wanted() {
    let (folder, disk) = machine();
    let journal = Journal::new(JOURNAL);
    let path = folder.path().join("etc/environment");
    let lines = "a\nb\nc\nd\ne\n";
    fs::write(&path, lines).unwrap();
    make(&disk, &write_plan("/etc/environment", Some(lines), "a\nb\nc\nd\nE\n")).unwrap();
    fs::write(&path, "mine\na\nb\nc\nd\nE\n").unwrap();
    match undo(&disk, &journal, 1, UndoChoice::default()) {
        Err(UndoError::Edited(file)) => {
            assert_eq!(file.merged.as_deref(), Some("mine\na\nb\nc\nd\ne\n"));
        }
        other => panic!("{other:?}"),
    }
    undo(&disk, &journal, 1, UndoChoice { keep_edits: true, ..UndoChoice::default() }).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine\na\nb\nc\nd\ne\n");
}

#[test]
fn a_plan_that_was_altered_is_not_carried_out() {
    let (folder, disk) = machine();
    let plan = write_plan("/etc/environment", Some("A=1\n"), "A=2\n");
    let file = PlanFile::new(1000, false, false, plan);
    let path = file.write(&disk, "/var/lib/plans").unwrap();
    let path = folder.path().join(path.trim_start_matches('/'));
    assert_eq!(mode(&path), 0o600);
    assert_eq!(PlanFile::read(&path).unwrap(), file);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("A=2", "A=3")).unwrap();
    assert!(matches!(PlanFile::read(&path), Err(PlanFileError::Altered { .. })));
    fs::write(&path, &text).unwrap();
    let renamed = path.with_file_name("plan.json");
    fs::rename(&path, &renamed).unwrap();
    assert!(matches!(PlanFile::read(&renamed), Err(PlanFileError::Altered { .. })), "no hash");
    symlink(&renamed, &path).unwrap();
    assert!(matches!(PlanFile::read(&path), Err(PlanFileError::Io { .. })), "a link");
}

/// What was moved aside comes back, and what was made anew in its place is not lost.
#[test]
fn a_cache_that_was_made_anew_stays_beside_the_old_one() {
    let (folder, disk) = machine();
    let cache = folder.path().join("var/cache");
    fs::create_dir(&cache).unwrap();
    fs::write(cache.join("old"), "1").unwrap();
    let step = Step::Move { from: "/var/cache".to_owned(), to: "/var/cache.rmcp-1".to_owned() };
    let plan = Plan { steps: vec![step], ..Plan::nothing("x".to_owned()) };
    make(&disk, &plan).unwrap();
    fs::create_dir(&cache).unwrap();
    fs::write(cache.join("new"), "2").unwrap();
    let (_, recovery) = undo(&disk, &Journal::new(JOURNAL), 1, UndoChoice::default()).unwrap();
    assert_eq!(recovery.aside, ["/var/cache.rmcp-1-newer"]);
    assert_eq!(fs::read_to_string(cache.join("old")).unwrap(), "1");
    assert_eq!(fs::read_to_string(folder.path().join("var/cache.rmcp-1-newer/new")).unwrap(), "2");
}

#[test]
fn a_file_with_several_names_is_not_written() {
    let (folder, disk) = machine();
    let etc = folder.path().join("etc");
    fs::hard_link(etc.join("environment"), etc.join("other")).unwrap();
    let error = make(&disk, &write_plan("/etc/environment", Some("A=1\n"), "A=2\n")).unwrap_err();
    assert!(error.to_string().contains("has several names"), "{error}");
}

/// What an update or a person has dropped is as before: there is nothing to refuse.
#[test]
fn a_change_that_was_dropped_can_be_taken_back() {
    let (folder, disk) = machine();
    let journal = Journal::new(JOURNAL);
    make(&disk, &write_plan("/etc/environment", Some("A=1\n"), "A=2\n")).unwrap();
    make(&disk, &write_plan("/etc/other", None, "B=1\n")).unwrap();
    fs::write(folder.path().join("etc/environment"), "A=1\n").unwrap();
    fs::remove_file(folder.path().join("etc/other")).unwrap();
    for id in [2, 1] {
        undo(&disk, &journal, id, UndoChoice::default()).unwrap();
    }
    assert_eq!(fs::read_to_string(folder.path().join("etc/environment")).unwrap(), "A=1\n");
}

/// Folders that two changes use go with the last of them, in whatever order they are taken back.
#[test]
fn folders_go_with_the_last_change_in_them() {
    let (folder, disk) = machine();
    let journal = Journal::new(JOURNAL);
    let with_folder = |path: &str, folders: &[&str]| {
        let mut plan = write_plan(path, None, "x\n");
        let folders =
            folders.iter().map(|path| Step::MakeFolder { path: (*path).to_owned(), mode: 0o755 });
        plan.steps.splice(0..0, folders);
        plan
    };
    make(&disk, &with_folder("/etc/a/b/one", &["/etc/a", "/etc/a/b"])).unwrap();
    make(&disk, &with_folder("/etc/a/b/two", &[])).unwrap();
    undo(&disk, &journal, 1, UndoChoice::default()).unwrap();
    assert!(folder.path().join("etc/a/b/two").exists());
    undo(&disk, &journal, 2, UndoChoice::default()).unwrap();
    assert!(!folder.path().join("etc/a").exists());
}

/// What could not be read again is not begun, and a journal without numbers is named.
#[test]
fn the_journal_has_limits() {
    let (folder, disk) = machine();
    let long = "\u{1}".repeat(4 << 20);
    fs::write(folder.path().join("etc/environment"), &long).unwrap();
    let plan = write_plan("/etc/environment", Some(&long), &(long.clone() + "A"));
    let error = make(&disk, &plan).unwrap_err();
    assert!(error.to_string().contains("longer than 4 MiB"), "{error}");
    // Each of these bytes takes six in JSON, and each step holds two texts.
    let mut plan = write_plan("/etc/environment", Some(&long), &long.replacen('\u{1}', "A", 1));
    for number in 0..2 {
        let path = format!("/etc/more{number}");
        fs::write(folder.path().join(&path[1..]), &long).unwrap();
        plan.steps.extend(write_plan(&path, Some(&long), &long.replacen('\u{1}', "A", 1)).steps);
    }
    let error = make(&disk, &plan).unwrap_err();
    assert!(error.to_string().contains("an entry of more than 64 MiB"), "{error}");
    assert_eq!(fs::read_to_string(folder.path().join("etc/environment")).unwrap(), long);
    let journal = folder.path().join("var/lib/rmcp/journal");
    let text = fs::read_to_string(journal.join("0001.json")).unwrap_or_default();
    if text.is_empty() {
        fs::create_dir_all(&journal).unwrap();
    }
    let entry = r#"{"format":1,"id":4294967295,"time":"","plan":{"title":"","wishes":[],"steps":[],"takes_effect":"now","checks":[]},"before":{}}"#;
    fs::write(journal.join("4294967295.json"), entry).unwrap();
    fs::write(folder.path().join("etc/environment"), "A=1\n").unwrap();
    let error = make(&disk, &write_plan("/etc/environment", Some("A=1\n"), "A=2\n")).unwrap_err();
    assert!(error.to_string().contains("no numbers left"), "{error}");
}

/// A program that takes its effect back only in theory.
#[derive(Debug)]
struct OneWay;

impl CommandRunner for OneWay {
    fn run(&self, argv: &[String]) -> io::Result<()> {
        if argv == ["undo-it"] { Err(io::Error::other("exit status: 3")) } else { Ok(()) }
    }
}

/// A program that does not take its effect back stands in the way of nothing else, and can be given up.
#[test]
fn a_program_that_fails_for_ever_can_be_given_up() {
    let (folder, _) = machine();
    let disk = RealDisk::open(folder.path(), OneWay).unwrap();
    let journal = Journal::new(JOURNAL);
    let mut plan = write_plan("/etc/environment", Some("A=1\n"), "A=2\n");
    plan.steps.push(Step::Run {
        argv: vec!["do-it".to_owned()],
        undo: vec!["undo-it".to_owned()],
        rewrites: Vec::new(),
    });
    make(&disk, &plan).unwrap();
    match undo(&disk, &journal, 1, UndoChoice::default()) {
        Err(UndoError::Program { command, .. }) => assert_eq!(command, "undo-it"),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read_to_string(folder.path().join("etc/environment")).unwrap(), "A=1\n");
    let recovered = recover(&disk, &journal).unwrap();
    assert!(
        recovered[0].stuck.as_ref().is_some_and(|why| why.contains("undo-it")),
        "{recovered:?}"
    );
    make(&disk, &write_plan("/etc/other", None, "B=1\n")).unwrap();
    let give_up = UndoChoice { skip_programs: true, ..UndoChoice::default() };
    undo(&disk, &journal, 1, give_up).unwrap();
    assert!(recover(&disk, &journal).unwrap().is_empty());
}
