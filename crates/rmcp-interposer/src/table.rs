//! The runtime's tables of functions, and what stood in them before us.
//!
//! Source: HSA runtime `hsa_api_trace.h`. A table begins with its version: a major number that changes when entries move,
//! and its size. Entries that lie beyond the end are not there; tables of a major number that is not known are left alone.

use crate::hsa;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `ApiTableVersion`.
#[derive(Debug)]
#[repr(C)]
struct Version {
    major: u32,
    /// Bytes of the table: the headers' `minor_id`.
    bytes: u32,
    step: u32,
    reserved: u32,
}

/// `HsaApiTable`, as far as it is used.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Tables {
    version: Version,
    core: *mut Version,
    extension: *mut Version,
}

/// Major numbers of all three that are known. ROCr 5.2.3 has 1, 1, 1, ROCr 6.4 has 3, 2, 2.
const TABLES: std::ops::RangeInclusive<u32> = 1..=3;
const CORE: std::ops::RangeInclusive<u32> = 1..=2;
const EXTENSION: std::ops::RangeInclusive<u32> = 1..=2;

/// The first entry of `AmdExtTable` that moved when `hsa_amd_memory_async_copy_on_engine` and
/// `hsa_amd_memory_copy_engine_status` were put in front of it.
const MOVED_FROM: usize = 16;

/// Entries that were put there.
const MOVED_BY: usize = 2;

/// Entries of `AmdExtTable` up to which version 1 certainly lacks them, and from which on it certainly has them.
/// 48 in ROCr 5.2.3 and 51 with the three of the performance monitor in ROCr 5.3.
const NOT_MOVED: usize = 51;
const HAS_MOVED: usize = 55;

/// Bytes of an entry and of what stands in front of all of them.
const ENTRY: usize = size_of::<usize>();
const FRONT: usize = size_of::<Version>();

/// One of the two tables, with where its entries are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    first: *mut usize,
    entries: usize,
    /// `None` where it is not certain which entries moved.
    moved_by: Option<usize>,
}

impl Table {
    /// Where an entry is; `None` where the table has none, or it may be another one.
    fn place(&self, entry: usize, may_move: bool) -> Option<*mut usize> {
        let at = if may_move && entry >= MOVED_FROM { entry + self.moved_by? } else { entry };
        // SAFETY: within the table, whose size is its own word.
        (at < self.entries).then(|| unsafe { self.first.add(at) })
    }

    fn new(version: *mut Version, moves: bool) -> Self {
        // SAFETY: the caller has seen that the table is there.
        let (major, bytes) = unsafe { ((*version).major, (*version).bytes as usize) };
        let entries = bytes.saturating_sub(FRONT) / ENTRY;
        let moved_by = match (moves, major) {
            (false, _) => Some(0),
            (true, 2..) => Some(MOVED_BY),
            (true, _) if entries <= NOT_MOVED => Some(0),
            (true, _) if entries >= HAS_MOVED => Some(MOVED_BY),
            (true, _) => None,
        };
        // SAFETY: entries follow the version.
        Self { first: unsafe { version.add(1) }.cast(), entries, moved_by }
    }
}

/// The core table and that of AMD's extensions; `None` where they are not what we know.
pub(crate) fn tables(tables: *const Tables) -> Option<(Table, Table)> {
    // SAFETY: the runtime's own, for as long as it is there; null is seen.
    let tables = unsafe { tables.as_ref() }?;
    // SAFETY: as above; a table too short for its parts is left alone first.
    let (core, extension) = unsafe {
        if !TABLES.contains(&tables.version.major)
            || (tables.version.bytes as usize) < size_of::<Tables>()
        {
            return None;
        }
        (tables.core.as_ref()?, tables.extension.as_ref()?)
    };
    (CORE.contains(&core.major) && EXTENSION.contains(&extension.major))
        .then(|| (Table::new(tables.core, false), Table::new(tables.extension, true)))
}

/// What the versions are, for the record.
pub(crate) fn versions(tables: *const Tables) -> [u32; 6] {
    // SAFETY: as in `tables`.
    let Some(tables) = (unsafe { tables.as_ref() }) else { return [0; 6] };
    let of = |version: *const Version| {
        // SAFETY: as in `tables`.
        unsafe { version.as_ref() }.map_or((0, 0), |version| (version.major, version.bytes))
    };
    let root = (tables.version.major, tables.version.bytes);
    let (core, extension) = if (root.1 as usize) < size_of::<Tables>() {
        ((0, 0), (0, 0))
    } else {
        (of(tables.core), of(tables.extension))
    };
    [root.0, root.1, core.0, core.1, extension.0, extension.1]
}

/// An entry of a table: which, and the function that stood there before us.
pub(crate) struct Entry<F> {
    entry: usize,
    table: Which,
    before: AtomicUsize,
    of: PhantomData<F>,
}

/// The table of an entry.
#[derive(Debug, Clone, Copy)]
enum Which {
    Core,
    Extension,
    /// Of the extensions, one of those that were put in between.
    Engine,
}

impl<F: Copy> Entry<F> {
    const fn new(table: Which, entry: usize) -> Self {
        Self { entry, table, before: AtomicUsize::new(0), of: PhantomData }
    }

    fn place(&self, core: Table, extension: Table) -> Option<*mut usize> {
        match self.table {
            Which::Core => core.place(self.entry, false),
            Which::Extension => extension.place(self.entry, true),
            Which::Engine if extension.moved_by == Some(MOVED_BY) => {
                extension.place(self.entry, false)
            }
            Which::Engine => None,
        }
    }

    /// Remembers what stands there, and leaves it there.
    pub(crate) fn keep(&self, (core, extension): (Table, Table)) {
        if let Some(place) = self.place(core, extension) {
            // SAFETY: an entry of the table, which nobody else changes while tools are loaded.
            self.before.store(unsafe { place.read() }, Ordering::Release);
        }
    }

    /// Puts a function there. What was there before stays known, also when the tables are made anew.
    pub(crate) fn replace(&self, (core, extension): (Table, Table), ours: F) {
        let Some(place) = self.place(core, extension) else { return };
        debug_assert_eq!(size_of::<F>(), size_of::<usize>());
        // SAFETY: a function's address is as large as a `usize`.
        let ours = unsafe { std::mem::transmute_copy::<F, usize>(&ours) };
        // SAFETY: as in `keep`.
        let before = unsafe { place.read() };
        if before != ours && before != 0 {
            self.before.store(before, Ordering::Release);
            // SAFETY: as in `keep`; the type is that of the entry.
            unsafe { place.write(ours) };
        }
    }

    /// The function that stood there; `None` where the table has no such entry.
    pub(crate) fn before(&self) -> Option<F> {
        let address = self.before.load(Ordering::Relaxed);
        // SAFETY: what stood in the table under this name has this type.
        (address != 0).then(|| unsafe { std::mem::transmute_copy::<usize, F>(&address) })
    }
}

/// Names of entries, with their number and type.
macro_rules! entries {
    ($($table:ident $name:ident $entry:literal $type:ident;)*) => {
        $(pub(crate) static $name: Entry<hsa::$type> = Entry::new(Which::$table, $entry);)*
    };
}

entries! {
    Core ITERATE_AGENTS 5 IterateAgents;
    Core AGENT_GET_INFO 6 GetInfo;
    Core QUEUE_CREATE 7 QueueCreate;
    Core QUEUE_DESTROY 9 QueueDestroy;
    Core LOAD_READ_INDEX 12 LoadIndex;
    Core LOAD_WRITE_INDEX 14 LoadIndex;
    Core MEMORY_ALLOCATE 33 MemoryAllocate;
    Core MEMORY_FREE 34 MemoryFree;
    Core MEMORY_COPY 35 MemoryCopy;
    Core SIGNAL_DESTROY 38 SignalDestroy;
    Core SIGNAL_LOAD 39 SignalLoad;
    Core SIGNAL_STORE_RELAXED 41 SignalStore;
    Core SIGNAL_STORE_SCRELEASE 42 SignalStore;
    Core SIGNAL_WAIT_RELAXED 43 SignalWait;
    Core SIGNAL_WAIT_SCACQUIRE 44 SignalWait;
    Core EXECUTABLE_DESTROY 84 ExecutableDestroy;
    Core SYMBOL_GET_INFO 93 GetInfo;
    Core MAJOR_EXTENSION_TABLE 98 MajorExtensionTable;
    Core ISA_GET_INFO 109 GetInfo;
    Core READER_FROM_FILE 115 ReaderFromFile;
    Core READER_FROM_MEMORY 116 ReaderFromMemory;
    Core READER_DESTROY 117 ReaderDestroy;
    Core LOAD_AGENT_CODE 120 LoadAgentCode;
    Extension POOL_GET_INFO 11 GetInfo;
    Extension ITERATE_POOLS 12 IteratePools;
    Extension POOL_ALLOCATE 13 PoolAllocate;
    Extension POOL_FREE 14 MemoryFree;
    Extension ASYNC_COPY 15 AsyncCopy;
    Extension ALLOW_ACCESS 17 AllowAccess;
    Extension MEMORY_LOCK 20 MemoryLock;
    Extension MEMORY_UNLOCK 21 MemoryFree;
    Extension MEMORY_FILL 22 MemoryFill;
    Extension POINTER_INFO 26 PointerInfo;
    Extension SET_USER_DATA 27 SetUserData;
    Extension IPC_ATTACH 29 IpcAttach;
    Extension IPC_DETACH 30 MemoryFree;
    Extension REGISTER_EVENTS 34 RegisterEvents;
    Extension ASYNC_COPY_RECT 38 AsyncCopyRect;
    Extension LOCK_TO_POOL 40 MemoryLockToPool;
    Extension SVM_SET 44 SvmSet;
    Engine ASYNC_COPY_ON_ENGINE 16 AsyncCopyOnEngine;
}
