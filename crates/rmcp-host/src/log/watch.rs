//! What is added to a kernel log while something runs.

use crate::log::parse_kmsg;
use rmcp_model::{Fact, Origin};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Most bytes that are read of one window.
const MAX_BYTES: usize = 4 << 20;

/// A place in a kernel log. Everything behind it is new.
#[derive(Debug)]
pub struct KernelLogWatch {
    file: File,
    origin: Origin,
}

impl KernelLogWatch {
    /// Opens the log of the running kernel at its present end.
    pub fn live() -> Fact<Self> {
        Self::at_end(Path::new("/dev/kmsg"))
    }

    /// Opens a file that stands for a kernel log at its present end. `/dev/kmsg` is such a file.
    pub fn at_end(path: &Path) -> Fact<Self> {
        let origin = Origin::file(path.display().to_string());
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits();
        let opened = File::options()
            .read(true)
            .custom_flags(i32::try_from(nonblocking).unwrap_or_default())
            .open(path)
            .and_then(|mut file| file.seek(SeekFrom::End(0)).map(|_| file));
        match opened {
            Ok(file) => Fact::known(Self { file, origin: origin.clone() }, origin),
            Err(error) if error.kind() == ErrorKind::NotFound => Fact::Absent,
            Err(error) => Fact::unreadable(format!("{origin}: {error}")),
        }
    }

    /// Returns the lines since the last call that concern the GPU, as `dmesg` would print them.
    pub fn new_lines(&mut self) -> Fact<Vec<String>> {
        let mut all = Vec::new();
        // One record at a time from the device. Source: Linux `Documentation/ABI/testing/dev-kmsg`.
        let mut piece = vec![0; 8192];
        while all.len() < MAX_BYTES {
            match self.file.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => all.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // A record was overwritten before we came to it; or a signal.
                Err(error)
                    if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::Interrupted) => {}
                Err(error) => return Fact::unreadable(format!("{}: {error}", self.origin)),
            }
        }
        let lines = parse_kmsg(&all).lines().map(str::to_owned).collect();
        Fact::known(lines, self.origin.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn only_what_is_new_is_given() {
        let mut log = tempfile::NamedTempFile::new().unwrap();
        writeln!(log, "[    1.000000] amdgpu: an old line").unwrap();
        let Fact::Known { value: mut watch, .. } = KernelLogWatch::at_end(log.path()) else {
            panic!("a file that is there");
        };
        writeln!(log, "[    2.0] amdgpu: page fault\n[    3.0] usb 1-1: new device").unwrap();
        assert_eq!(
            watch.new_lines().value(),
            Some(&vec!["[    2.0] amdgpu: page fault".to_owned()])
        );
        assert_eq!(watch.new_lines().value(), Some(&Vec::new()));
    }

    #[test]
    fn no_log_is_no_empty_log() {
        assert!(matches!(KernelLogWatch::at_end(Path::new("/nowhere/at/all")), Fact::Absent));
    }
}
