//! The power fails at every operation, and all that the disk was not asked to keep is lost: names that were not
//! synced with their folder, and the content of files that were not synced themselves. Afterwards the machine is as
//! before or as after. (That all of it was kept is what `faults.rs` tries.)

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests build their own machine"
)]

mod support;

use rmcp_change::{Disk, FileMeta, FileState, Journal, UndoChoice, apply, recover, undo};
use rmcp_model::ChangeState;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use support::{contents, kinds, machine, plan};

const JOURNAL: &str = "/var/lib/rmcp/journal";
const TIME: &str = "2026-11-24T12:00:00Z";

/// A file or folder; what is in `kept` survives a loss of power.
enum Inode {
    File { kept: Vec<u8>, mode: u32 },
    Folder { kept: BTreeMap<String, usize>, now: BTreeMap<String, usize>, mode: u32 },
}

/// What a disk keeps of a tree.
struct Kept {
    inodes: Vec<Inode>,
}

impl Kept {
    /// Takes everything that stands there for kept; inode 0 is the root.
    fn of(root: &Path) -> Self {
        let mut kept = Self { inodes: Vec::new() };
        kept.add(root);
        kept
    }

    fn add(&mut self, path: &Path) -> usize {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let id = self.inodes.len();
        if path.is_dir() {
            self.inodes.push(Inode::Folder { kept: BTreeMap::new(), now: BTreeMap::new(), mode });
            for entry in fs::read_dir(path).unwrap() {
                let entry = entry.unwrap();
                let child = self.add(&entry.path());
                let name = entry.file_name().into_string().unwrap();
                self.names(id).insert(name.clone(), child);
                self.sync_names(id);
            }
        } else {
            self.inodes.push(Inode::File { kept: fs::read(path).unwrap(), mode });
        }
        id
    }

    fn names(&mut self, id: usize) -> &mut BTreeMap<String, usize> {
        match &mut self.inodes[id] {
            Inode::Folder { now, .. } => now,
            Inode::File { .. } => panic!("a file has no names"),
        }
    }

    fn sync_names(&mut self, id: usize) {
        if let Inode::Folder { kept, now, .. } = &mut self.inodes[id] {
            kept.clone_from(now);
        }
    }

    fn find(&mut self, path: &str) -> usize {
        path.split('/').filter(|part| !part.is_empty()).fold(0, |id, part| self.names(id)[part])
    }

    /// The folder of a path, and the name in it.
    fn place<'p>(&mut self, path: &'p str) -> (usize, &'p str) {
        let (folder, name) = path.rsplit_once('/').unwrap();
        (self.find(folder), name)
    }

    fn put(&mut self, path: &str, inode: Inode) {
        let id = self.inodes.len();
        self.inodes.push(inode);
        let (folder, name) = self.place(path);
        self.names(folder).insert(name.to_owned(), id);
    }

    fn take(&mut self, path: &str) -> usize {
        let (folder, name) = self.place(path);
        self.names(folder).remove(name).unwrap()
    }

    /// Lays what was kept in the place of what stands there.
    fn lay(&self, root: &Path) {
        for entry in fs::read_dir(root).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
        self.lay_one(0, root);
    }

    fn lay_one(&self, id: usize, path: &Path) {
        let mode = match &self.inodes[id] {
            Inode::File { kept, mode } => {
                fs::write(path, kept).unwrap();
                mode
            }
            Inode::Folder { kept, mode, .. } => {
                fs::create_dir_all(path).unwrap();
                kept.iter().for_each(|(name, &child)| self.lay_one(child, &path.join(name)));
                mode
            }
        };
        fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
    }
}

/// A disk whose power fails before one operation.
struct Volatile<'d> {
    disk: &'d dyn Disk,
    root: PathBuf,
    at: usize,
    count: Cell<usize>,
    kept: RefCell<Kept>,
}

impl<'d> Volatile<'d> {
    fn new(disk: &'d dyn Disk, root: &Path, at: usize) -> Self {
        let kept = RefCell::new(Kept::of(root));
        Self { disk, root: root.to_owned(), at, count: Cell::new(0), kept }
    }

    /// Does an operation and notes what the disk knows of it; fails it, and all after it, once the power is gone.
    fn operate<T>(
        &self,
        operation: impl FnOnce() -> io::Result<T>,
        note: impl FnOnce(&mut Kept),
    ) -> io::Result<T> {
        let now = self.count.get();
        self.count.set(now + 1);
        if now == self.at {
            self.kept.borrow().lay(&self.root);
        }
        if now >= self.at {
            return Err(io::Error::from_raw_os_error(5));
        }
        let done = operation()?;
        note(&mut self.kept.borrow_mut());
        Ok(done)
    }

    fn lost(&self) -> bool {
        self.count.get() > self.at
    }

    fn alive<T>(&self, look: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if self.lost() { Err(io::Error::from_raw_os_error(5)) } else { look() }
    }
}

impl Disk for Volatile<'_> {
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
        self.operate(
            || self.disk.create(path, bytes, meta, mode),
            |kept| kept.put(path, Inode::File { kept: Vec::new(), mode: 0o600 }),
        )
    }
    fn sync(&self, path: &str) -> io::Result<()> {
        self.operate(
            || self.disk.sync(path),
            |kept| {
                let state = self.disk.read(path).unwrap().unwrap();
                let id = kept.find(path);
                kept.inodes[id] = Inode::File { kept: state.bytes, mode: state.meta.mode };
            },
        )
    }
    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.operate(
            || self.disk.sync_folder(folder),
            |kept| {
                let id = kept.find(folder);
                kept.sync_names(id);
            },
        )
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.operate(
            || self.disk.rename(from, to),
            |kept| {
                let id = kept.take(from);
                let (folder, name) = kept.place(to);
                kept.names(folder).insert(name.to_owned(), id);
            },
        )
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.operate(
            || self.disk.remove(path),
            |kept| {
                kept.take(path);
            },
        )
    }
    fn make_folder(&self, path: &str, mode: u32) -> io::Result<()> {
        let folder = || Inode::Folder { kept: BTreeMap::new(), now: BTreeMap::new(), mode };
        self.operate(|| self.disk.make_folder(path, mode), |kept| kept.put(path, folder()))
    }
    fn remove_folder(&self, path: &str) -> io::Result<()> {
        self.operate(
            || self.disk.remove_folder(path),
            |kept| {
                kept.take(path);
            },
        )
    }
    fn run(&self, argv: &[String]) -> io::Result<()> {
        // What other programs write they have to sync themselves.
        self.operate(|| self.disk.run(argv), |kept| *kept = Kept::of(&self.root))
    }
    fn starts_programs(&self) -> bool {
        true
    }
}

#[test]
fn what_was_not_synced_is_not_needed() {
    let journal = Journal::new(JOURNAL);
    let mut points = 0;
    for kind in kinds() {
        let (laid, disk) = machine(kind.loader);
        let plan = plan(&kind, &disk, laid.path());
        for undoing in [false, true] {
            for at in 0.. {
                let (folder, disk) = machine(kind.loader);
                let root = folder.path();
                let before = contents(root);
                if undoing {
                    apply(&disk, &journal, &plan, TIME).unwrap();
                }
                let volatile = Volatile::new(&disk, root, at);
                let result = if undoing {
                    undo(&volatile, &journal, 1, UndoChoice::default())
                        .map(|_| ())
                        .map_err(|error| error.to_string())
                } else {
                    apply(&volatile, &journal, &plan, TIME)
                        .map(|_| ())
                        .map_err(|error| error.to_string())
                };
                if !volatile.lost() {
                    result.unwrap();
                    break;
                }
                points += 1;
                let case = format!("{}, undoing: {undoing}, power lost at {at}", kind.name);
                recover(&disk, &journal).unwrap_or_else(|error| panic!("{case}: {error}"));
                let states: Vec<_> =
                    journal.entries(&disk).unwrap().into_iter().map(|(_, state)| state).collect();
                if states == [ChangeState::Applied] {
                    undo(&disk, &journal, 1, UndoChoice::default())
                        .unwrap_or_else(|error| panic!("{case}: {error}"));
                } else {
                    assert!(matches!(states[..], [] | [ChangeState::Undone]), "{case}: {states:?}");
                }
                let mut now = contents(root);
                let mut then = before.clone();
                // Made anew by its program where nobody knows whether it is as the program left it.
                for made in ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"] {
                    now.remove(made);
                    then.remove(made);
                }
                assert_eq!(now, then, "{case}");
            }
        }
    }
    println!("{points} losses of power");
    assert!(points >= 800, "{points}");
}
