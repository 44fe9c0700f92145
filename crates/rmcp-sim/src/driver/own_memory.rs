//! Which of a program's own memory it may write itself: only that can be registered for a card to write.
//!
//! The driver pins such pages, and so brings them in. Here they are only looked up: the runtime registers some 12 MB for
//! each queue, of which nothing is ever touched.

use std::fs::File;
use std::io::{BufRead, BufReader};

/// Returns whether this process may write all of this memory.
pub(crate) fn is_writable(address: u64, bytes: u64) -> bool {
    // Where nothing can be read, nothing is known.
    File::open("/proc/self/maps").is_ok_and(|maps| covers(BufReader::new(maps), address, bytes))
}

/// Returns whether mappings, listed as in `/proc/self/maps` by rising address, allow writing everywhere.
///
/// Source: Linux `Documentation/filesystems/proc.rst`, "/proc/PID/maps".
fn covers(maps: impl BufRead, address: u64, bytes: u64) -> bool {
    let mut reached = address;
    let Some(end) = address.checked_add(bytes) else { return false };
    for line in maps.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        let Some((range, rest)) = line.split_once(' ') else { continue };
        let Some((first, behind)) = range.split_once('-') else { continue };
        let number = |digits| u64::from_str_radix(digits, 16).unwrap_or(0);
        let (first, behind) = (number(first), number(behind));
        if behind <= reached {
            continue;
        }
        if first > reached || !rest.starts_with("rw") {
            return false;
        }
        reached = behind;
        if reached >= end {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_must_be_mapped_and_writable() {
        let maps = "\
            1000-3000 r--p 00000000 fe:00 7   /usr/lib/a file with spaces\n\
            3000-5000 rw-p 00002000 fe:00 7   /usr/lib/another\n\
            5000-6000 rw-s 00000000 00:00 0\n\
            6000-7000 rw-p 00000000 00:00 0   [stack]\n\
            8000-9000 rw-p 00000000 00:00 0\n\
            9000-a000 ---p 00000000 00:00 0\n";
        for (address, bytes, writable) in [
            (0x3000, 0x2000, true),
            (0x3010, 0x3ff0, true),
            (0x3010, 0x3ff1, false),
            (0x2fff, 2, false),
            (0x6000, 0x2000, false),
            (0x8000, 0x1001, false),
            (0xb000, 1, false),
            (u64::MAX, 2, false),
        ] {
            assert_eq!(covers(maps.as_bytes(), address, bytes), writable, "{address:#x}");
        }
        let (ours, text) = ([0_u8; 64], "only to read");
        assert!(is_writable(ours.as_ptr() as u64, 64));
        assert!(!is_writable(text.as_ptr() as u64, 4));
    }
}
