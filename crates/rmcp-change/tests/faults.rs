//! Every write, sync, rename, removal and command of a change is made to fail, and the process to die, at
//! every point: afterwards the machine is as before or as after, and the journal says which.

#![expect(clippy::unwrap_used, reason = "tests build their own machine")]

mod support;

use rmcp_change::{
    ApplyError, Disk, FileMeta, FileState, Journal, UndoChoice, apply, recover, undo,
};
use rmcp_model::{ChangeState, Plan};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use support::{Kind, contents, kinds, machine, plan};

const JOURNAL: &str = "/var/lib/rmcp/journal";
const TIME: &str = "2026-11-24T12:00:00Z";

type Contents = BTreeMap<String, (u32, Vec<u8>)>;

/// How an operation goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// It fails with this error, once, and the process goes on.
    Error(i32),
    /// As `Error`, but it has done half of it, or all of it where it has no half: a program that rewrites its
    /// file and then fails, say.
    ErrorAfter(i32),
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
            Fault::ErrorAfter(number) => {
                half();
                Err(io::Error::from_raw_os_error(number))
            }
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
    fn read_up_to(&self, path: &str, limit: u64) -> io::Result<Option<FileState>> {
        self.alive(|| self.disk.read_up_to(path, limit))
    }
    fn look(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        self.alive(|| self.disk.look(path))
    }
    fn link_target(&self, path: &str) -> io::Result<Option<String>> {
        self.alive(|| self.disk.link_target(path))
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
    fn starts_programs(&self) -> bool {
        true
    }
}

/// Every kind of change with its plan, which is the same wherever its machine is laid.
fn plans() -> Vec<(Kind, Plan)> {
    let plan_of = |kind: Kind| {
        let (folder, disk) = machine(kind.loader);
        let plan = plan(&kind, &disk, folder.path());
        assert!(!plan.steps.is_empty(), "{} changes nothing", kind.name);
        (kind, plan)
    };
    kinds().into_iter().map(plan_of).collect()
}

fn states(disk: &dyn Disk, journal: &Journal) -> Vec<ChangeState> {
    journal.entries(disk).unwrap().into_iter().map(|(_, state)| state).collect()
}

/// EIO, ENOSPC and EROFS, and the two ways to die.
const FAULTS: [Fault; 6] = [
    Fault::Error(5),
    Fault::Error(28),
    Fault::Error(30),
    Fault::ErrorAfter(5),
    Fault::Dead,
    Fault::DeadAfter,
];

#[test]
fn a_change_is_whole_or_not_at_all() {
    let journal = Journal::new(JOURNAL);
    let mut points = 0;
    for (kind, plan) in plans() {
        for fault in FAULTS {
            for at in 0.. {
                let (folder, disk) = machine(kind.loader);
                let before = contents(folder.path());
                let faulty = Faulty::new(&disk, at, fault);
                let result = apply(&faulty, &journal, &plan, TIME);
                if faulty.count.get() <= at {
                    assert!(result.unwrap().is_some(), "no fault was met");
                    break;
                }
                points += 1;
                let case = format!("{}, {fault:?} at operation {at}: {result:?}", kind.name);
                if let (Fault::Error(_) | Fault::ErrorAfter(_), Err(error)) = (fault, &result) {
                    // The process lives: it has put things back itself, and says so.
                    assert!(!matches!(error, ApplyError::Stuck { .. }), "{case}");
                    assert_eq!(contents(folder.path()), before, "{case}");
                }
                // The next start.
                recover(&disk, &journal).unwrap();
                let now = contents(folder.path());
                assert!(!now.keys().any(|name| name.contains("rmcp-new")), "{case}: {now:?}");
                match states(&disk, &journal).as_slice() {
                    [] | [ChangeState::Undone] => assert_restored(&now, &before, &case),
                    [ChangeState::Applied] => {
                        undo(&disk, &journal, 1, UndoChoice::default()).unwrap();
                        assert_eq!(contents(folder.path()), before, "{case}");
                    }
                    other => panic!("{case}: {other:?}"),
                }
            }
        }
    }
    println!("{points} faults injected into changes of {} kinds", kinds().len());
    assert!(points >= 1500, "{points}");
}

/// After a death nobody knows whether a program's file is as the program left it: it is as before, or made anew
/// by the program from the old settings.
fn assert_restored(now: &Contents, before: &Contents, case: &str) {
    let made_anew = |path: &str| path.ends_with("grub.cfg");
    let differs = |(path, state): &(&String, &(u32, Vec<u8>))| now.get(*path) != Some(state);
    let different: Vec<&String> = before
        .iter()
        .filter(differs)
        .map(|(path, _)| path)
        .filter(|path| !made_anew(path))
        .collect();
    assert_eq!(different, Vec::<&String>::new(), "{case}");
    let new: Vec<&String> = now.keys().filter(|path| !before.contains_key(*path)).collect();
    assert_eq!(new, Vec::<&String>::new(), "{case}");
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("pcie_aspm=off");
    let kept = now.iter().find(|(_, (_, bytes))| words(bytes));
    assert!(kept.is_none(), "{case}: {kept:?} still holds our words");
}

#[test]
fn taking_back_is_whole_in_the_end() {
    let journal = Journal::new(JOURNAL);
    let mut points = 0;
    for (kind, plan) in plans() {
        for fault in FAULTS {
            for at in 0.. {
                let (folder, disk) = machine(kind.loader);
                let before = contents(folder.path());
                apply(&disk, &journal, &plan, TIME).unwrap();
                assert_ne!(contents(folder.path()), before, "{}", kind.name);
                let faulty = Faulty::new(&disk, at, fault);
                let result = undo(&faulty, &journal, 1, UndoChoice::default());
                if faulty.count.get() <= at {
                    result.unwrap();
                    assert_eq!(contents(folder.path()), before, "{}", kind.name);
                    break;
                }
                points += 1;
                let case = format!("{}, {fault:?} at operation {at}: {result:?}", kind.name);
                recover(&disk, &journal).unwrap();
                if states(&disk, &journal) == [ChangeState::Applied] {
                    undo(&disk, &journal, 1, UndoChoice::default()).unwrap();
                }
                assert_eq!(states(&disk, &journal), [ChangeState::Undone], "{case}");
                assert_restored(&contents(folder.path()), &before, &case);
            }
        }
    }
    println!("{points} faults injected into undoing");
    assert!(points >= 1000, "{points}");
}

/// The recovery itself is interrupted, again and again, and gets there in the end.
#[test]
fn recovery_can_be_interrupted() {
    let journal = Journal::new(JOURNAL);
    let mut points = 0;
    for (kind, plan) in plans() {
        let (_folder, counting) = machine(kind.loader);
        let steps = Faulty::new(&counting, usize::MAX, Fault::Dead);
        apply(&steps, &journal, &plan, TIME).unwrap();
        // Dead just before the change is marked as made: everything is to be taken back.
        let dies_at = steps.count.get() - 4;
        for at in 0.. {
            let (folder, disk) = machine(kind.loader);
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
            let case = format!("{}, operation {at}", kind.name);
            assert_restored(&contents(folder.path()), &before, &case);
        }
    }
    println!("{points} faults injected into recoveries");
    assert!(points >= 150, "{points}");
}
