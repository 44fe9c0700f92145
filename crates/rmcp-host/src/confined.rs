//! Opening a path inside a folder as if that were `/`, which the kernel sees to.

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};

/// How often a path is resolved again. Each time somebody must have renamed or mounted something in the microseconds that
/// one resolution takes.
const ATTEMPTS: u32 = 1000;

/// Opens a path with no link leading out of a folder, and no magic link of `/proc` followed.
///
/// On its way through `..` the kernel notices every rename and mount on the whole machine, gives up with `EAGAIN`, as it
/// might have been led outside, and leaves it to the caller to try again.
///
/// Source: openat2(2), `RESOLVE_IN_ROOT` and `EAGAIN`.
///
/// # Errors
/// The system's error.
pub fn open_confined(folder: impl AsFd, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let inside = match path.trim_start_matches('/') {
        "" => ".",
        inside => inside,
    };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let mut attempt = 1;
    loop {
        match rustix::fs::openat2(&folder, inside, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if attempt < ATTEMPTS => attempt += 1,
            opened => return opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Tests that rename files ran beside others that read machines, and those missed facts now and then.
    #[test]
    fn renames_elsewhere_hide_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c/d");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        symlink("../../../../file", deep.join("link")).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let folder = std::fs::File::open(dir.path()).unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (one, other) = (elsewhere.path().join("1"), elsewhere.path().join("2"));
                std::fs::write(&one, "").unwrap();
                while !over.load(Ordering::Relaxed) {
                    std::fs::rename(&one, &other).unwrap();
                    std::fs::rename(&other, &one).unwrap();
                }
            });
            let failed = (0..20_000)
                .find_map(|_| open_confined(&folder, "/a/b/c/d/link", OFlags::RDONLY).err());
            over.store(true, Ordering::Relaxed);
            assert_eq!(failed, None);
        });
    }
}
