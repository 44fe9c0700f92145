//! Which file lies at an address of this process.

use crate::lock::Lock;
use std::io::BufRead;
use std::os::unix::ffi::OsStringExt;

/// A part of a file that is mapped.
#[derive(Debug, Clone)]
struct Mapped {
    first: u64,
    end: u64,
    offset: u64,
    path: Vec<u8>,
}

/// The one that was found last: a library has many code objects.
static LAST: Lock<Option<Mapped>> = Lock::new();

/// Forgets it, in a child that was forked.
pub(crate) fn forget_parents() {
    LAST.renew();
}

/// The file that is mapped at an address, and the place in it.
#[expect(clippy::disallowed_methods, reason = "this process's own memory, as the kernel lists it")]
pub(crate) fn file_of(address: u64) -> Option<(Vec<u8>, u64)> {
    let mut last = LAST.lock();
    let holds = |mapped: &Mapped| (mapped.first..mapped.end).contains(&address);
    if !last.as_ref().is_some_and(holds) {
        let file = std::fs::File::open("/proc/self/maps").ok()?;
        let lines = std::io::BufReader::new(file).split(b'\n').map_while(Result::ok);
        *last = lines.filter_map(|line| parse(&line)).find(holds);
    }
    let found = last.clone().filter(|found| found.path.starts_with(b"/"))?;
    Some((found.path, found.offset.checked_add(address.checked_sub(found.first)?)?))
}

/// Reads a line such as `7f00-7f10 r--p 00002000 08:01 123   /usr/lib/x.so`. Source: proc_pid_maps(5).
fn parse(line: &[u8]) -> Option<Mapped> {
    let mut words = line.splitn(6, |&byte| byte == b' ');
    let number = |text: &[u8]| u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok();
    let range = words.next()?;
    let dash = range.iter().position(|&byte| byte == b'-')?;
    let (first, end) = (number(range.get(..dash)?)?, number(range.get(dash + 1..)?)?);
    let offset = number(words.nth(1)?)?;
    let path = words.nth(2)?.trim_ascii_start().to_vec();
    Some(Mapped { first, end, offset, path })
}

/// The path of a file that is open; nothing where it has none.
#[expect(clippy::disallowed_methods, reason = "this process's own files, as the kernel lists them")]
pub(crate) fn path_of(file: i32) -> Vec<u8> {
    let link = std::fs::read_link(format!("/proc/self/fd/{file}"));
    let path = link.map(|path| path.into_os_string().into_vec()).unwrap_or_default();
    if path.starts_with(b"/") { path } else { Vec::new() }
}
