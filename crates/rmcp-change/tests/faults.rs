//! Every write, sync, rename, removal and command of a change is made to fail, and the process to die, at
//! every point: afterwards the machine is as before or as after, and the journal says which.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests build their own machine"
)]

use rmcp_change::{
    ApplyError, CommandRunner, Disk, FileMeta, FileState, Journal, RealDisk, apply, recover, undo,
};
use rmcp_model::{ChangeState, Plan, Step, TakesEffect};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const JOURNAL: &str = "/var/lib/rmcp/journal";
const TIME: &str = "2026-11-24T12:00:00Z";

/// Stands in for grub-mkconfig: writes a file that follows from another.
#[derive(Debug)]
struct DerivedFile(PathBuf);

impl CommandRunner for DerivedFile {
    fn run(&self, _: &[String]) -> io::Result<()> {
        let source = fs::read_to_string(self.0.join("etc/default/grub"))?;
        fs::create_dir_all(self.0.join("boot/grub"))?;
        fs::write(self.0.join("boot/grub/grub.cfg"), format!("derived from {source}"))
    }
}

/// How an operation goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// It fails with this error, once, and the process goes on.
    Error(i32),
    /// It fails, and so does everything after it: the disk is gone, or the process is dead.
    Dead,
    /// As `Dead`, but half of what was to be written has been written, and a rename or removal was done.
    DeadAfter,
}

/// A disk that goes wrong at one operation.
struct Faulty<'d> {
    disk: &'d dyn Disk,
    at: usize,
    fault: Fault,
    count: Cell<usize>,
    dead: Cell<bool>,
}

impl<'d> Faulty<'d> {
    fn new(disk: &'d dyn Disk, at: usize, fault: Fault) -> Self {
        Self { disk, at, fault, count: Cell::new(0), dead: Cell::new(false) }
    }

    /// Counts an operation that changes something; does it, or not.
    fn operate<T>(
        &self,
        half: impl FnOnce(),
        whole: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        if self.dead.get() {
            return Err(io::Error::from_raw_os_error(5));
        }
        let now = self.count.get();
        self.count.set(now + 1);
        if now != self.at {
            return whole();
        }
        match self.fault {
            Fault::Error(number) => Err(io::Error::from_raw_os_error(number)),
            Fault::Dead => {
                self.dead.set(true);
                Err(io::Error::from_raw_os_error(5))
            }
            Fault::DeadAfter => {
                half();
                self.dead.set(true);
                Err(io::Error::from_raw_os_error(5))
            }
        }
    }

    fn alive<T>(&self, look: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if self.dead.get() { Err(io::Error::from_raw_os_error(5)) } else { look() }
    }
}

impl Disk for Faulty<'_> {
    fn read(&self, path: &str) -> io::Result<Option<FileState>> {
        self.alive(|| self.disk.read(path))
    }
    fn exists(&self, path: &str) -> io::Result<bool> {
        self.alive(|| self.disk.exists(path))
    }
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.alive(|| self.disk.list(folder))
    }
    fn create(
        &self,
        path: &str,
        bytes: &[u8],
        meta: Option<&FileMeta>,
        mode: u32,
    ) -> io::Result<()> {
        let half = || drop(self.disk.create(path, &bytes[..bytes.len() / 2], meta, mode));
        self.operate(half, || self.disk.create(path, bytes, meta, mode))
    }
    fn sync(&self, path: &str) -> io::Result<()> {
        self.operate(|| (), || self.disk.sync(path))
    }
    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.operate(|| (), || self.disk.sync_folder(folder))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.operate(|| drop(self.disk.rename(from, to)), || self.disk.rename(from, to))
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.operate(|| drop(self.disk.remove(path)), || self.disk.remove(path))
    }
    fn make_folder(&self, path: &str, mode: u32) -> io::Result<()> {
        self.operate(
            || drop(self.disk.make_folder(path, mode)),
            || self.disk.make_folder(path, mode),
        )
    }
    fn remove_folder(&self, path: &str) -> io::Result<()> {
        self.operate(|| drop(self.disk.remove_folder(path)), || self.disk.remove_folder(path))
    }
    fn run(&self, argv: &[String]) -> io::Result<()> {
        self.operate(|| drop(self.disk.run(argv)), || self.disk.run(argv))
    }
}

/// Lays a machine and opens it.
fn machine() -> (tempfile::TempDir, RealDisk<DerivedFile>) {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash\"\n");
    write("etc/environment", "HSA_OVERRIDE_GFX_VERSION=10.3.0\nLANG=de_DE.UTF-8\n");
    write("etc/profile.d/rocm.sh", "export HSA_ENABLE_SDMA=0\n");
    write("home/user/.cache/miopen/3.0/gfx1030.ukdb", "SQLite format 3");
    write("boot/grub/grub.cfg", "derived from GRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash\"\n");
    fs::create_dir_all(folder.path().join("var/lib")).unwrap();
    let disk = RealDisk::open(folder.path(), DerivedFile(folder.path().to_owned())).unwrap();
    (folder, disk)
}

fn write_step(path: &str, before: Option<&str>, after: Option<&str>) -> Step {
    Step::Write {
        path: path.to_owned(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
        mode: 0o644,
    }
}

fn plan(title: &str, steps: Vec<Step>) -> Plan {
    Plan {
        title: title.to_owned(),
        remedy: None,
        steps,
        takes_effect: TakesEffect::NextBoot,
        checks: Vec::new(),
        way_back: Vec::new(),
    }
}

/// One plan of every kind of change.
fn plans() -> Vec<Plan> {
    let grub = "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash\"\n";
    let update = Step::Run { argv: vec!["update-grub".into()], undo: vec!["update-grub".into()] };
    vec![
        plan(
            "kernel parameter",
            vec![
                write_step(
                    "/etc/default/grub",
                    Some(grub),
                    Some(&format!(
                        "{grub}GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT iommu=pt\"\n"
                    )),
                ),
                update,
            ],
        ),
        plan(
            "variable for one user, in a folder that is not there",
            vec![
                Step::MakeFolder { path: "/home/user/.config".into(), mode: 0o755 },
                Step::MakeFolder { path: "/home/user/.config/environment.d".into(), mode: 0o755 },
                write_step(
                    "/home/user/.config/environment.d/60-rmcp.conf",
                    None,
                    Some("HSA_OVERRIDE_GFX_VERSION=10.3.0\n"),
                ),
            ],
        ),
        plan(
            "unset variable in two files, and one of them goes",
            vec![
                write_step(
                    "/etc/environment",
                    Some("HSA_OVERRIDE_GFX_VERSION=10.3.0\nLANG=de_DE.UTF-8\n"),
                    Some("LANG=de_DE.UTF-8\n"),
                ),
                write_step("/etc/profile.d/rocm.sh", Some("export HSA_ENABLE_SDMA=0\n"), None),
            ],
        ),
        plan(
            "cache moved aside",
            vec![Step::Move {
                from: "/home/user/.cache/miopen".into(),
                to: "/home/user/.cache/miopen.rmcp-0001".into(),
            }],
        ),
    ]
}

/// Every file and folder but the journal, with content and mode.
fn contents(root: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    use std::os::unix::fs::PermissionsExt;
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("/{}", path.strip_prefix(root).unwrap().display());
            if name == "/var/lib/rmcp" {
                continue;
            }
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
            if path.is_dir() {
                found.insert(name, (mode, Vec::new()));
                folders.push(path);
            } else {
                found.insert(name, (mode, fs::read(&path).unwrap()));
            }
        }
    }
    found
}

fn states(disk: &dyn Disk, journal: &Journal) -> Vec<ChangeState> {
    journal.entries(disk).unwrap().into_iter().map(|(_, state)| state).collect()
}

const FAULTS: [Fault; 5] =
    [Fault::Error(5), Fault::Error(28), Fault::Error(30), Fault::Dead, Fault::DeadAfter];

#[test]
fn a_change_is_whole_or_not_at_all() {
    let journal = Journal::new(JOURNAL);
    let mut points = 0;
    for plan in plans() {
        for fault in FAULTS {
            for at in 0.. {
                let (folder, disk) = machine();
                let before = contents(folder.path());
                let faulty = Faulty::new(&disk, at, fault);
                let result = apply(&faulty, &journal, &plan, TIME);
                if faulty.count.get() <= at {
                    assert!(result.unwrap().is_some(), "no fault was met");
                    break;
                }
                points += 1;
                let case = format!("{}, {fault:?} at operation {at}: {result:?}", plan.title);
                if let (Fault::Error(_), Err(error)) = (fault, &result) {
                    // The process lives: it has put things back itself, and says so.
                    assert!(!matches!(error, ApplyError::Stuck { .. }), "{case}");
                    assert_eq!(contents(folder.path()), before, "{case}");
                }
                // The next start.
                recover(&disk, &journal).unwrap();
                let now = contents(folder.path());
                let known = states(&disk, &journal);
                match known.as_slice() {
                    [] | [ChangeState::Undone] => assert_eq!(now, before, "{case}"),
                    [ChangeState::Applied] => {
                        undo(&disk, &journal, 1).unwrap();
                        assert_eq!(contents(folder.path()), before, "{case}");
                    }
                    other => panic!("{case}: {other:?}"),
                }
                assert!(!now.keys().any(|name| name.contains("rmcp-new")), "{case}: {now:?}");
            }
        }
    }
    println!("{points} faults injected into changes");
    assert!(points >= 250, "{points}");
}

#[test]
fn taking_back_is_whole_in_the_end() {
    let journal = Journal::new(JOURNAL);
    let mut points = 0;
    for plan in plans() {
        for fault in FAULTS {
            for at in 0.. {
                let (folder, disk) = machine();
                let before = contents(folder.path());
                apply(&disk, &journal, &plan, TIME).unwrap();
                assert_ne!(contents(folder.path()), before);
                let faulty = Faulty::new(&disk, at, fault);
                let result = undo(&faulty, &journal, 1);
                if faulty.count.get() <= at {
                    result.unwrap();
                    break;
                }
                points += 1;
                let case = format!("{}, {fault:?} at operation {at}: {result:?}", plan.title);
                recover(&disk, &journal).unwrap();
                if states(&disk, &journal) == [ChangeState::Applied] {
                    undo(&disk, &journal, 1).unwrap();
                }
                assert_eq!(states(&disk, &journal), [ChangeState::Undone], "{case}");
                assert_eq!(contents(folder.path()), before, "{case}");
            }
        }
    }
    println!("{points} faults injected into undoing");
    assert!(points >= 200, "{points}");
}

/// The recovery itself is interrupted, again and again, and gets there in the end.
#[test]
fn recovery_can_be_interrupted() {
    let journal = Journal::new(JOURNAL);
    let mut points = 0;
    for plan in plans() {
        let (_folder, counting) = machine();
        let steps = Faulty::new(&counting, usize::MAX, Fault::Dead);
        apply(&steps, &journal, &plan, TIME).unwrap();
        // Dead just before the change is marked as made: everything is to be taken back.
        let dies_at = steps.count.get() - 4;
        for at in 0.. {
            let (folder, disk) = machine();
            let before = contents(folder.path());
            let dying = Faulty::new(&disk, dies_at, Fault::Dead);
            apply(&dying, &journal, &plan, TIME).unwrap_err();
            let faulty = Faulty::new(&disk, at, Fault::DeadAfter);
            let result = recover(&faulty, &journal);
            if faulty.count.get() <= at {
                result.unwrap();
                break;
            }
            points += 1;
            recover(&disk, &journal).unwrap();
            assert_eq!(contents(folder.path()), before, "{}, operation {at}", plan.title);
        }
    }
    println!("{points} faults injected into recoveries");
    assert!(points >= 20, "{points}");
}
