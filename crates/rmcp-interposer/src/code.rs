//! Code objects as they are loaded: where they come from, for which target they are, and which kernels the program looks up
//! in them.
//!
//! This happens while a program loads code, in its own time: here memory may be allocated and files read.

use crate::hsa::{self, Agent, Executable, LoadedCode, Reader, Status, loader, symbol_info};
use crate::kernels;
use crate::lock::Lock;
use crate::record::{Record, now, put, record};
use crate::table::{
    EXECUTABLE_DESTROY, LOAD_AGENT_CODE, MAJOR_EXTENSION_TABLE, READER_DESTROY, READER_FROM_FILE,
    READER_FROM_MEMORY, SYMBOL_GET_INFO, Table,
};
use rmcp_record::layout::count;
use rmcp_record::words::{NO_ROW, event};
use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering};

/// Longest name of a kernel that is kept. Those of templates are some thousand letters long.
const LONGEST_NAME: usize = 16 << 10;

/// What a kernel's metadata have where it may call the processor while it runs: for `printf`, `assert` and `malloc`.
/// Source: LLVM `AMDGPUUsage.rst`, "hidden_hostcall_buffer".
const CALLS_HOST: &[u8] = b"hidden_hostcall_buffer";

/// Place of `e_flags` in the header of an ELF file of 64 bits. Source: System V ABI.
const ELF_FLAGS: usize = 48;

/// A kernel that may call the processor was loaded.
static HOST_IS_CALLED: AtomicBool = AtomicBool::new(false);

/// Code objects that were opened and not yet closed.
static OPEN: Lock<Vec<Open>> = Lock::new();

/// A code object that was opened.
#[derive(Debug, Clone)]
struct Open {
    reader: u64,
    bytes: u64,
    hash: [u64; 2],
    elf_flags: u32,
    calls_host: bool,
    file: Vec<u8>,
    offset: u64,
}

pub(crate) fn hook(tables: (Table, Table)) {
    MAJOR_EXTENSION_TABLE.keep(tables);
    READER_FROM_FILE.replace(tables, reader_from_file);
    READER_FROM_MEMORY.replace(tables, reader_from_memory);
    READER_DESTROY.replace(tables, reader_destroy);
    LOAD_AGENT_CODE.replace(tables, load_agent_code);
    EXECUTABLE_DESTROY.replace(tables, executable_destroy);
    SYMBOL_GET_INFO.replace(tables, symbol_get_info);
}

/// Forgets what was loaded, in a child that was forked.
pub(crate) fn forget_parents() {
    OPEN.renew();
    HOST_IS_CALLED.store(false, Ordering::Relaxed);
}

/// Whether a kernel that was loaded may call the processor while it runs.
pub(crate) fn calls_host() -> bool {
    HOST_IS_CALLED.load(Ordering::Relaxed)
}

unsafe extern "C" fn reader_from_file(file: c_int, reader: *mut Reader) -> Status {
    let Some(before) = READER_FROM_FILE.before() else { return hsa::ERROR };
    // SAFETY: the program's own arguments.
    let status = unsafe { before(file, reader) };
    // SAFETY: the runtime has written there.
    if let (hsa::SUCCESS, Some(reader)) = (status, unsafe { reader.as_ref() }) {
        opened_file(reader.handle, file);
    }
    status
}

unsafe extern "C" fn reader_from_memory(
    code: *const c_void,
    bytes: usize,
    reader: *mut Reader,
) -> Status {
    let Some(before) = READER_FROM_MEMORY.before() else { return hsa::ERROR };
    // SAFETY: the program's own arguments.
    let status = unsafe { before(code, bytes, reader) };
    // SAFETY: the runtime has written the reader, and says that the memory is a code object.
    if let (hsa::SUCCESS, Some(reader)) = (status, unsafe { reader.as_ref() })
        && !code.is_null()
    {
        // SAFETY: as above.
        let content = unsafe { std::slice::from_raw_parts(code.cast::<u8>(), bytes) };
        let (file, offset) = crate::maps::file_of(code as u64).unwrap_or_default();
        opened(reader.handle, content, file, offset);
    }
    status
}

/// A code object that is a whole file.
fn opened_file(reader: u64, file: c_int) {
    // SAFETY: what is mapped is unmapped below; a file that somebody cuts short meanwhile is as deadly for the runtime.
    unsafe {
        let mut about: libc::stat = std::mem::zeroed();
        if libc::fstat(file, &mut about) != 0 {
            return;
        }
        let Ok(bytes) = usize::try_from(about.st_size) else { return };
        let mapped =
            libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ, libc::MAP_PRIVATE, file, 0);
        if mapped == libc::MAP_FAILED {
            return;
        }
        let content = std::slice::from_raw_parts(mapped.cast::<u8>(), bytes);
        opened(reader, content, crate::maps::path_of(file), 0);
        libc::munmap(mapped, bytes);
    }
}

fn opened(reader: u64, content: &[u8], file: Vec<u8>, offset: u64) {
    let hash = blake3::hash(content);
    let word = |at: usize| {
        let bytes = hash.as_bytes().get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_le_bytes)
    };
    let flags = content.get(ELF_FLAGS..ELF_FLAGS + 4).and_then(|bytes| bytes.try_into().ok());
    let open = Open {
        reader,
        bytes: content.len() as u64,
        hash: [word(0), word(8)],
        elf_flags: flags.map_or(0, u32::from_le_bytes),
        calls_host: contains(content, CALLS_HOST),
        file,
        offset,
    };
    let mut all = OPEN.lock();
    all.retain(|open| open.reader != reader);
    all.push(open);
}

fn contains(content: &[u8], what: &[u8]) -> bool {
    // SAFETY: both are as long as it is told.
    let found = unsafe {
        libc::memmem(content.as_ptr().cast(), content.len(), what.as_ptr().cast(), what.len())
    };
    !found.is_null()
}

unsafe extern "C" fn reader_destroy(reader: Reader) -> Status {
    let Some(before) = READER_DESTROY.before() else { return hsa::ERROR };
    OPEN.lock().retain(|open| open.reader != reader.handle);
    // SAFETY: the program's own argument.
    unsafe { before(reader) }
}

unsafe extern "C" fn load_agent_code(
    executable: Executable,
    agent: Agent,
    reader: Reader,
    options: *const c_char,
    out: *mut LoadedCode,
) -> Status {
    let Some(before) = LOAD_AGENT_CODE.before() else { return hsa::ERROR };
    let mut loaded = LoadedCode { handle: 0 };
    let place = if out.is_null() { &raw mut loaded } else { out };
    // SAFETY: the program's own arguments; where it does not want the result, it is ours.
    let status = unsafe { before(executable, agent, reader, options, place) };
    // The runtime is asked below, and may ask us: the lock is not held then.
    let open = {
        let all = OPEN.lock();
        all.iter().find(|open| open.reader == reader.handle).cloned()
    };
    if let (hsa::SUCCESS, Some(open)) = (status, open) {
        // Known also where nothing is recorded: what is redirected depends on it.
        if open.calls_host {
            HOST_IS_CALLED.store(true, Ordering::Relaxed);
        }
        if let Some(record) = record() {
            // SAFETY: the runtime has written there.
            put_code(record, &open, executable, agent, unsafe { place.read() });
        }
    }
    status
}

fn put_code(record: Record, open: &Open, executable: Executable, agent: Agent, loaded: LoadedCode) {
    let number = record.next(&record.head().codes, count::CODES);
    let Some((number, row)) = number.and_then(|number| Some((number, record.codes().get(number)?)))
    else {
        record.head().lost_kernels.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let (base, span) = where_loaded(loaded);
    row.elf_flags.store(open.elf_flags, Ordering::Relaxed);
    put(&row.bytes, open.bytes);
    put(&row.hash[0], open.hash[0]);
    put(&row.hash[1], open.hash[1]);
    record.put(&open.file, &row.file);
    put(&row.offset, open.offset);
    put(&row.base, base);
    put(&row.span, span);
    put(&row.time, now());
    row.agent.store(crate::agents::row_of(agent), Ordering::Relaxed);
    row.calls_host.store(u32::from(open.calls_host), Ordering::Relaxed);
    put(&row.executable, executable.handle);
    row.mark.store(1, Ordering::Release);
    record.event(event::LOAD, hsa::SUCCESS, [number as u64, base, span, 0, 0]);
}

/// Where the runtime has put a code object, as it says itself.
fn where_loaded(loaded: LoadedCode) -> (u64, u64) {
    let mut functions = [0_usize; loader::FUNCTIONS];
    let Some(table) = MAJOR_EXTENSION_TABLE.before() else { return (0, 0) };
    let bytes = size_of_val(&functions);
    // SAFETY: the runtime writes at most as many bytes as it is told.
    let status = unsafe { table(loader::EXTENSION, 1, bytes, functions.as_mut_ptr().cast()) };
    let address = functions[loader::GET_INFO];
    if status != hsa::SUCCESS || address == 0 {
        return (0, 0);
    }
    // SAFETY: the function that the header has at this place.
    let get = unsafe { std::mem::transmute::<usize, hsa::GetInfo>(address) };
    let (mut base, mut span) = (0_u64, 0_u64);
    // SAFETY: the header gives both a `uint64_t`.
    unsafe {
        get(loaded.handle, loader::LOAD_BASE, (&raw mut base).cast());
        get(loaded.handle, loader::LOAD_SIZE, (&raw mut span).cast());
    }
    (base, span)
}

unsafe extern "C" fn executable_destroy(executable: Executable) -> Status {
    let Some(before) = EXECUTABLE_DESTROY.before() else { return hsa::ERROR };
    if let Some(record) = record() {
        let loaded = record.codes().iter().filter(|row| {
            row.mark.load(Ordering::Acquire) == 1
                && row.executable.load(Ordering::Relaxed) == executable.handle
        });
        loaded.for_each(|row| row.mark.store(2, Ordering::Release));
        record.event(event::UNLOAD, hsa::SUCCESS, [executable.handle, 0, 0, 0, 0]);
    }
    // SAFETY: the program's own argument.
    unsafe { before(executable) }
}

unsafe extern "C" fn symbol_get_info(symbol: u64, what: u32, out: *mut c_void) -> Status {
    let Some(before) = SYMBOL_GET_INFO.before() else { return hsa::ERROR };
    // SAFETY: the program's own arguments.
    let status = unsafe { before(symbol, what, out) };
    if status == hsa::SUCCESS && what == symbol_info::KERNEL_OBJECT && !out.is_null() {
        // SAFETY: the runtime has written a `uint64_t` there.
        let object = unsafe { out.cast::<u64>().read_unaligned() };
        if let Some(record) = record() {
            put_kernel(record, symbol, object, before);
        }
    }
    status
}

/// Keeps what is known of a kernel whose address the program has asked for: only those can it start.
fn put_kernel(record: Record, symbol: u64, object: u64, get: hsa::GetInfo) {
    let code = code_at(record, object);
    let same = |row: u32| {
        let row = record.kernels().get(row as usize);
        row.is_some_and(|row| row.code.load(Ordering::Relaxed) == code)
    };
    if kernels::row_of(object).is_some_and(same) {
        return;
    }
    let asked = |what: u32| {
        let mut value = 0_u32;
        // SAFETY: the header gives these a `uint32_t`.
        unsafe { get(symbol, what, (&raw mut value).cast()) };
        value
    };
    let length = asked(symbol_info::NAME_LENGTH) as usize;
    let mut name = vec![0_u8; length.min(LONGEST_NAME)];
    if name.len() == length {
        // SAFETY: the name has as many bytes as it says, and there is room for them.
        unsafe { get(symbol, symbol_info::NAME, name.as_mut_ptr().cast()) };
    }
    let number = record.next(&record.head().kernels, count::KERNELS);
    let Some((number, row)) =
        number.and_then(|number| Some((number, record.kernels().get(number)?)))
    else {
        record.head().lost_kernels.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let name = name.strip_suffix(b"\0").unwrap_or(&name);
    record.put(name.strip_suffix(b".kd").unwrap_or(name), &row.name);
    row.code.store(code, Ordering::Relaxed);
    put(&row.object, object);
    row.kernarg_bytes.store(asked(symbol_info::KERNARG_BYTES), Ordering::Relaxed);
    row.lds.store(asked(symbol_info::LDS_BYTES), Ordering::Relaxed);
    row.private.store(asked(symbol_info::PRIVATE_BYTES), Ordering::Relaxed);
    row.mark.store(1, Ordering::Release);
    kernels::remember(object, u32::try_from(number).unwrap_or(NO_ROW));
}

/// The code object in which an address lies.
fn code_at(record: Record, address: u64) -> u32 {
    let within = |row: &&rmcp_record::layout::CodeRow| {
        let base = row.base.load(Ordering::Relaxed);
        row.mark.load(Ordering::Acquire) == 1
            && address.wrapping_sub(base) < row.span.load(Ordering::Relaxed)
    };
    let used = record.head().codes.load(Ordering::Relaxed);
    let rows = record.codes().iter().take(used as usize).zip(0..);
    rows.filter(|(row, _)| within(row)).last().map_or(NO_ROW, |(_, number)| number)
}
