//! How much of each card's memory the processes of one `rmcp sim` have taken together, as they would of one card.
//!
//! The numbers lie in a file in memory that the door makes and its children inherit. A child that has closed what it
//! inherited takes the first process's. Each process has a row of its own, which counts for as long as the process
//! lives: one that is killed gives back what it had, without a word.

use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most cards, and most processes at once.
const CARDS: usize = 64;
const ROWS: usize = 256;

/// The descriptor in the first process: above those that shells and scripts use by number.
const LEAST_DESCRIPTOR: libc::c_int = 200;

/// The file's name as `/proc` shows it.
const LINK: &str = "/memfd:rmcp-sim-ledger (deleted)";

/// Where the file is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The first process.
    process: u32,
    /// Its descriptor, and that of all who have inherited it.
    descriptor: i32,
}

impl Place {
    /// Makes the file, open in this process and in the programs that it becomes and starts.
    ///
    /// # Errors
    /// Where the system has no memory or no descriptors left.
    pub fn make() -> std::io::Result<Self> {
        // SAFETY: the name is a C string; the call takes nothing else of ours.
        let fd = unsafe { libc::memfd_create(c"rmcp-sim-ledger".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and belongs to nobody else.
        let file = unsafe { File::from_raw_fd(fd) };
        file.set_len((ROWS * size_of::<Row>()) as u64)?;
        // Where a limit leaves none up there, any will do.
        for least in [LEAST_DESCRIPTOR, 3] {
            // SAFETY: takes numbers.
            let descriptor = unsafe { libc::fcntl(fd, libc::F_DUPFD, least) };
            if descriptor >= 0 {
                return Ok(Self { process: std::process::id(), descriptor });
            }
        }
        Err(std::io::Error::last_os_error())
    }

    /// Opens the file, here or where the first process has it.
    fn open(self) -> Option<File> {
        ["self".to_owned(), self.process.to_string()].into_iter().find_map(|process| {
            let path = PathBuf::from(format!("/proc/{process}/fd/{}", self.descriptor));
            let is_ours = std::fs::read_link(&path).is_ok_and(|link| link.as_os_str() == LINK);
            is_ours.then(|| OpenOptions::new().read(true).write(true).open(path).ok()).flatten()
        })
    }
}

/// What one process has taken. All bytes 0: nobody's.
#[derive(Debug)]
#[repr(C)]
struct Row {
    /// [`identity`] of the process.
    owner: AtomicU64,
    taken: [AtomicU64; CARDS],
}

/// The rows, and which one is this process's.
#[derive(Debug)]
pub(crate) struct Ledger {
    rows: &'static [Row],
    own: usize,
}

impl Ledger {
    /// Opens the ledger of all processes, or makes one for this process alone where there is none.
    pub(crate) fn open(place: Option<Place>) -> Self {
        place.and_then(Self::shared).unwrap_or_else(Self::private)
    }

    fn private() -> Self {
        let row = Row { owner: AtomicU64::new(0), taken: [const { AtomicU64::new(0) }; CARDS] };
        Self { rows: Box::leak(Box::new([row])), own: 0 }
    }

    fn shared(place: Place) -> Option<Self> {
        let file = place.open()?;
        let bytes = ROWS * size_of::<Row>();
        // SAFETY: a new mapping of a file that has this size, at an address that the kernel chooses.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return None;
        }
        // SAFETY: the mapping is as long as the rows, aligned to a page and never taken back; any bytes are a row, and
        // others change them only as atomics.
        let rows = unsafe { std::slice::from_raw_parts(memory.cast::<Row>().cast_const(), ROWS) };
        Self::claim(rows, identity(std::process::id())?)
    }

    /// Takes a row: this process's own of before it became another program, or that of a process that is no more.
    fn claim(rows: &'static [Row], identity: u64) -> Option<Self> {
        let own = (0..rows.len()).find(|&at| rows[at].owner.load(Ordering::Acquire) == identity);
        let own = own.or_else(|| {
            (0..rows.len()).find(|&at| {
                let owner = &rows[at].owner;
                let old = owner.load(Ordering::Acquire);
                !lives(old)
                    && owner
                        .compare_exchange(old, identity, Ordering::AcqRel, Ordering::Acquire)
                        .is_ok()
            })
        })?;
        rows[own].taken.iter().for_each(|taken| taken.store(0, Ordering::Release));
        Some(Self { rows, own })
    }

    /// Takes bytes of a card that has so many; all or none of them.
    pub(crate) fn take(&self, card: usize, bytes: u64, size: u64) -> bool {
        let Some(own) = self.rows[self.own].taken.get(card) else { return false };
        if bytes > size {
            return false;
        }
        // First taken, then looked at: so two processes cannot both have the last of it.
        own.fetch_add(bytes, Ordering::AcqRel);
        let fits = self.taken(card) <= size;
        if !fits {
            own.fetch_sub(bytes, Ordering::AcqRel);
        }
        fits
    }

    /// Gives bytes of a card back.
    pub(crate) fn give_back(&self, card: usize, bytes: u64) {
        self.rows[self.own].taken[card].fetch_sub(bytes, Ordering::AcqRel);
    }

    /// Returns how many bytes of a card all processes have taken.
    pub(crate) fn taken(&self, card: usize) -> u64 {
        let counts = |(at, row): &(usize, &Row)| {
            let owner = row.owner.load(Ordering::Acquire);
            *at == self.own || (owner != 0 && lives(owner))
        };
        let rows = self.rows.iter().enumerate().filter(counts);
        rows.filter_map(|(_, row)| Some(row.taken.get(card)?.load(Ordering::Acquire))).sum()
    }
}

/// Bits of a process's number. Source: Linux `threads.h`, `PID_MAX_LIMIT`.
const PROCESS_BITS: u32 = 22;

/// What tells a process from all others, those that have its number later too: number, and ticks at which it started.
/// `None` where there is none, or only what its parent has not yet taken note of.
///
/// Source: Linux `Documentation/filesystems/proc.rst`, "/proc/PID/stat": the third and the 22nd field.
fn identity(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let started: u64 = fields.nth(18)?.parse().ok()?;
    Some(started << PROCESS_BITS | u64::from(process))
}

fn lives(owner: u64) -> bool {
    let process = owner & ((1 << PROCESS_BITS) - 1);
    owner != 0 && u32::try_from(process).ok().and_then(identity) == Some(owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> &'static [Row] {
        let row = |_| Row { owner: AtomicU64::new(0), taken: [const { AtomicU64::new(0) }; CARDS] };
        Box::leak((0..4).map(row).collect())
    }

    #[test]
    fn processes_share_and_the_dead_give_back() {
        let rows = rows();
        let ours = identity(std::process::id()).unwrap();
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let other = Ledger::claim(rows, identity(child.id()).unwrap()).unwrap();
        let own = Ledger::claim(rows, ours).unwrap();
        assert!(other.take(1, 60, 100) && own.take(1, 30, 100));
        assert_eq!((own.taken(1), own.taken(0), own.take(1, 11, 100)), (90, 0, false));
        own.give_back(1, 30);
        assert!(own.take(1, 40, 100) && !own.take(1, u64::MAX, 100));
        child.kill().unwrap();
        // Not yet waited for: its memory is free all the same.
        while identity(child.id()).is_some() {
            std::thread::yield_now();
        }
        assert_eq!(own.taken(1), 40);
        child.wait().unwrap();
        // Its row is free for another; a program that this process becomes has its row, and nothing in it.
        assert_eq!(Ledger::claim(rows, ours ^ 1 << 40).unwrap().own, other.own);
        let again = Ledger::claim(rows, ours).unwrap();
        assert_eq!((again.own, again.taken(1)), (own.own, 0));
    }

    #[test]
    fn the_file_is_found_where_it_was_made() {
        let place = Place::make().unwrap();
        let (one, two) = (Ledger::shared(place).unwrap(), Ledger::open(Some(place)));
        assert!(one.take(3, 5, 10));
        assert_eq!(two.taken(3), 5);
        let nowhere = Place { descriptor: -1, ..place };
        assert!(Ledger::shared(nowhere).is_none());
        assert!(Ledger::open(Some(nowhere)).take(0, 10, 10));
    }
}
