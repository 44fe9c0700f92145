//! The kernel's own log since boot.
//!
//! Source of the record format: Linux `Documentation/ABI/testing/dev-kmsg`.

use crate::host_root::HostRoot;
use crate::log::LogScanner;
use rmcp_model::{Fact, LogFacts, Origin};
use std::fmt::Write as _;

/// Where the log of this boot may be read, best first. The file is written at the start of the machine;
/// `/var/log/kern.log` holds other boots too, and is not read for that.
const SOURCES: [&str; 2] = ["/dev/kmsg", "/var/log/dmesg"];

/// Longest kernel log read. The kernel's ring is 1 MiB at most on ordinary builds.
const MAX_LOG_BYTES: u64 = 16 << 20;

/// Words of lines that concern the GPU; the others are not kept, in facts or in a recording.
const GPU_WORDS: [&str; 14] = [
    "amdgpu",
    "kfd",
    "[drm",
    "amd-vi",
    "iommu",
    "hardware error",
    "machine check",
    "mce",
    "gfxhub",
    "mmhub",
    "out of memory",
    "segfault",
    "secure boot",
    "lockdown",
];

/// Reads the lines of the kernel log that concern the GPU.
pub fn read_kernel_log(root: &HostRoot, scanner: &LogScanner<'_>) -> Fact<LogFacts> {
    let mut last = Fact::Absent;
    for path in SOURCES {
        let read = if root.is_live() && path == "/dev/kmsg" {
            read_live(root)
        } else {
            root.read_up_to(path, MAX_LOG_BYTES)
        };
        match read {
            Fact::Known { value, origin } if !value.is_empty() => {
                let text = parse_kmsg(&value);
                // A log without a line about the GPU is a log too, and an empty file would be none.
                root.note_file(path, if text.is_empty() { b"\n" } else { text.as_bytes() });
                return match scanner.scan(text.as_bytes(), Some(text.len() as u64)) {
                    Ok(facts) => Fact::known(facts, origin),
                    Err(error) => Fact::unreadable(format!("{origin}: {error}")),
                };
            }
            // A device file in a machine folder is empty: that is no log.
            Fact::Known { .. } | Fact::Absent => {}
            Fact::Unreadable { why } => last = Fact::unreadable(why),
        }
    }
    last
}

/// Reads the live log, one message a read, until the kernel would wait for more.
fn read_live(root: &HostRoot) -> Fact<Vec<u8>> {
    use std::io::Read;
    let path = "/dev/kmsg";
    let mut file = match root.open_device(path) {
        Fact::Known { value, .. } => value,
        Fact::Absent => return Fact::Absent,
        Fact::Unreadable { why } => return Fact::unreadable(why),
    };
    let mut all = Vec::new();
    // A record is at most 8 KiB. Source: Linux `kernel/printk/printk.c`, `PRINTKRB_RECORD_MAX` and below.
    let mut record = vec![0; 8192];
    while (all.len() as u64) < MAX_LOG_BYTES {
        match file.read(&mut record) {
            Ok(0) => break,
            Ok(count) => all.extend_from_slice(&record[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
            // EPIPE: the record was overwritten while we read; the next read gives the one behind it.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            Err(error) => return Fact::unreadable(format!("{path}: {error}")),
        }
    }
    let kept: String = String::from_utf8_lossy(&all)
        .lines()
        .filter(|line| concerns_gpu(line))
        .map(|line| format!("{line}\n"))
        .collect();
    Fact::known(kept.into_bytes(), Origin::file(path))
}

fn concerns_gpu(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    GPU_WORDS.iter().any(|word| line.contains(word))
}

/// Returns the messages of a kernel log that concern the GPU, as `dmesg` would print them; records of
/// `/dev/kmsg` (`priority,sequence,microseconds,flags;message`) and plain lines both.
pub fn parse_kmsg(bytes: &[u8]) -> String {
    let mut out = String::new();
    for line in String::from_utf8_lossy(bytes).lines() {
        let line = line.trim_end_matches('\r');
        // Lines that begin with a blank carry the device of the record above.
        if line.starts_with(' ') {
            continue;
        }
        let (time, message) = match split_record(line) {
            Some((time, message)) => (Some(time), message),
            None => (None, line),
        };
        if !concerns_gpu(message) {
            continue;
        }
        if let Some(time) = time {
            // Writing to a String cannot fail.
            let _ = write!(out, "[{:5}.{:06}] ", time / 1_000_000, time % 1_000_000);
        }
        out.push_str(message);
        out.push('\n');
    }
    out
}

/// Returns the time in microseconds and the message of a record.
fn split_record(line: &str) -> Option<(u64, &str)> {
    let (head, message) = line.split_once(';')?;
    let mut fields = head.split(',');
    fields.next()?.parse::<u32>().ok()?;
    fields.next()?.parse::<u64>().ok()?;
    Some((fields.next()?.parse().ok()?, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_become_lines_and_others_stay() {
        let log = b"6,812,5123456,-;amdgpu 0000:0b:00.0: amdgpu: ring gfx timeout\n SUBSYSTEM=pci\n6,813,5,-;usb 1-1: new device\n[    3.1] kfd kfd: added\n\xff amdgpu\n";
        assert_eq!(
            parse_kmsg(log),
            "[    5.123456] amdgpu 0000:0b:00.0: amdgpu: ring gfx timeout\n[    3.1] kfd kfd: added\n\u{fffd} amdgpu\n"
        );
    }
}
