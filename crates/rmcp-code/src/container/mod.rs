//! Where GPU code is kept: libraries, bundles, bare code objects, MIOpen's databases, Tensile's lists, and the wheels
//! and packages that hold those.
//!
//! A container is recognised by its first bytes, never by its name. What is inside an archive is unpacked into a file
//! without a name, one at a time, so memory does not grow with the size of a library. Limits and their reasons
//! stand beside each reader.

mod deb;
pub mod fatbin;
mod kernel_db;
mod kernel_list;
pub(crate) mod read_at;
mod wheel;

pub use fatbin::{Bundle, Bundles, summarize_bundles};
pub use read_at::{FileAt, ReadAt};

use crate::bundle::{self, BundleError};
use crate::object_file::{CodeObject, CodeTarget, ObjectError};
use crate::{BundleEntry, ccob};
use rmcp_model::GfxTarget;
use std::io::{self, Read};

/// How deep archives may stand in archives: a wheel in a package, and one more.
const MAX_DEPTH: u32 = 3;

/// Most that one member of an archive may unpack to. The largest library seen is 4 GB.
const MAX_MEMBER_BYTES: u64 = 16 << 30;

/// Most that what is packed may grow by. The most seen is 14 (rocSPARSE, whose code repeats for six targets); zip
/// itself cannot do more than 1,032.
const MAX_GROWTH: u64 = 250;

/// What may be small and grow much: so many bytes are no danger.
const HARMLESS_BYTES: u64 = 64 << 20;

/// Most that all of a file's members may unpack to together: a package that holds all of ROCm is below it.
const MAX_TOTAL_BYTES: u64 = 64 << 30;

/// Largest bare code object, which is read whole.
const MAX_BARE_BYTES: u64 = 256 << 20;

/// Bytes of an ELF file's first header.
const ELF_HEADER_BYTES: u64 = 64;

/// Why a container could not be read, or a part of it.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// A bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A code object.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// An archive that does not fit its format.
    #[error("{what} at offset {offset:#x}; expected {expected}")]
    Archive {
        /// Byte offset in the archive.
        offset: u64,
        /// What is wrong.
        what: String,
        /// What would have been right.
        expected: &'static str,
    },
    /// What grows beyond all measure.
    #[error("unpacks to more than {limit} bytes, expected less (a decompression bomb?)")]
    Bomb {
        /// The limit.
        limit: u64,
    },
    /// Archives in archives.
    #[error("archives stand in one another more than {MAX_DEPTH} deep")]
    Depth,
    /// A database that SQLite does not read.
    #[error("kernel database: {0}")]
    Database(String),
    /// The file system.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// In what a group of code objects stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The section of a library.
    Library,
    /// A file that is one bundle.
    Bundle,
    /// A file that is one code object.
    Bare,
    /// A row of MIOpen's database.
    Database,
}

/// One code object of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What it was built for; none for what is no AMD GPU's code (the host's entry, SPIR-V).
    pub target: Option<CodeTarget>,
    /// Its id in the bundle, or the kernel's name in a database.
    pub id: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// Code objects of which the runtime takes the one for its card.
#[derive(Debug)]
pub struct Group<'a> {
    /// Where: a path, and the path in each archive behind `!/`.
    pub place: &'a str,
    /// In what.
    pub holder: Holder,
    /// The choice.
    pub members: &'a [Member],
}

/// Is shown what a container holds.
pub trait Visitor {
    /// Is shown a group, and returns which of its members are to be read.
    fn group(&mut self, group: &Group<'_>) -> Vec<usize>;

    /// Is shown a member of the group that was shown last. What it does not read costs nothing where the
    /// container is not packed.
    fn object(&mut self, group: &Group<'_>, member: usize, object: &dyn ReadAt);

    /// Is shown the names in one of Tensile's lists of kernels.
    fn kernel_list(&mut self, place: &str, names: Vec<String>) {
        let _ = (place, names);
    }

    /// Is told what could not be read. The rest is shown all the same.
    fn problem(&mut self, place: &str, error: ContainerError);
}

/// Shows everything that a file holds. Files of no interest show nothing.
pub fn walk(place: &str, file: &dyn ReadAt, visitor: &mut dyn Visitor) {
    let limit = file.length().saturating_mul(MAX_GROWTH).clamp(HARMLESS_BYTES, MAX_TOTAL_BYTES);
    Walk { visitor, limit, left: limit }.file(place, file, 0);
}

/// Returns whether a file may hold GPU code: what [`walk`] would look into.
///
/// # Errors
/// The system's error.
pub fn is_container(file: &dyn ReadAt) -> io::Result<bool> {
    let head = file.bytes_at(0, file.length().min(Kind::HEAD as u64))?;
    Ok(match Kind::of(&head) {
        None => false,
        // Headers that cannot be read are for `walk` to complain about.
        Some(Kind::Elf) => is_code_object(file)? || !matches!(Bundles::of_library(file), Ok(None)),
        Some(_) => true,
    })
}

/// What a file is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Elf,
    Bundle,
    Database,
    KernelList,
    Zip,
    Deb,
}

impl Kind {
    /// Longest beginning that [`Self::of`] looks at.
    const HEAD: usize = 24;

    fn of(head: &[u8]) -> Option<Self> {
        let starts = |magic: &[u8]| head.starts_with(magic);
        // The fifth byte says that it has 64 bits: libraries of 32 bits hold no GPU code.
        if starts(b"\x7fELF\x02") {
            Some(Self::Elf)
        } else if starts(bundle::MAGIC) || starts(ccob::MAGIC) {
            Some(Self::Bundle)
        } else if starts(b"SQLite format 3\0") {
            Some(Self::Database)
        } else if kernel_list::is_list(head) {
            Some(Self::KernelList)
        } else if starts(b"PK\x03\x04") {
            Some(Self::Zip)
        } else if starts(b"!<arch>\ndebian-binary") {
            Some(Self::Deb)
        } else {
            None
        }
    }
}

/// A walk through one file and all that is packed in it.
struct Walk<'v> {
    visitor: &'v mut dyn Visitor,
    /// Most that everything packed in the file may unpack to, and what is left of that: archives whose members
    /// overlap, or stand in one another, are bounded by it.
    limit: u64,
    left: u64,
}

impl Walk<'_> {
    fn file(&mut self, place: &str, file: &dyn ReadAt, depth: u32) {
        if let Err(error) = self.try_file(place, file, depth) {
            self.visitor.problem(place, error);
        }
    }

    fn try_file(
        &mut self,
        place: &str,
        file: &dyn ReadAt,
        depth: u32,
    ) -> Result<(), ContainerError> {
        let head = file.bytes_at(0, file.length().min(Kind::HEAD as u64))?;
        match Kind::of(&head) {
            None => Ok(()),
            Some(Kind::Zip | Kind::Deb) if depth == MAX_DEPTH => Err(ContainerError::Depth),
            Some(Kind::Zip) => wheel::walk(place, file, self, depth + 1),
            Some(Kind::Deb) => deb::walk(place, file, self, depth + 1),
            Some(Kind::Database) => kernel_db::walk(place, file, self),
            Some(Kind::KernelList) => {
                let names = kernel_list::read_names(file)?;
                self.visitor.kernel_list(place, names);
                Ok(())
            }
            Some(Kind::Bundle) => self.bundles(place, Holder::Bundle, Bundles::of_file(file), file),
            Some(Kind::Elf) if is_code_object(file)? => {
                self.object(place, Holder::Bare, String::new(), file)
            }
            Some(Kind::Elf) => match Bundles::of_library(file)? {
                Some(bundles) => self.bundles(place, Holder::Library, bundles, file),
                None => Ok(()),
            },
        }
    }

    /// Takes bytes that are to be unpacked off what is left.
    fn charge(&mut self, bytes: u64) -> Result<(), ContainerError> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(ContainerError::Bomb { limit: self.limit }),
        }
    }

    fn bundles(
        &mut self,
        place: &str,
        holder: Holder,
        mut bundles: Bundles<'_>,
        file: &dyn ReadAt,
    ) -> Result<(), ContainerError> {
        while let Some(bundle) = bundles.next_bundle()? {
            let members: Vec<Member> = bundle.entries.iter().map(member).collect();
            let group = Group { place, holder, members: &members };
            let wanted = self.visitor.group(&group);
            self.charge(bundle.unpacked_bytes(&wanted))?;
            let visitor = &mut *self.visitor;
            let read = bundle
                .objects(file, &wanted, |index, object| visitor.object(&group, index, object));
            // One bundle that is damaged does not hide the others.
            if let Err(error) = read {
                self.visitor.problem(place, error.into());
            }
        }
        Ok(())
    }

    /// Shows a code object that stands alone.
    fn object(
        &mut self,
        place: &str,
        holder: Holder,
        id: String,
        object: &dyn ReadAt,
    ) -> Result<(), ContainerError> {
        let bytes = object.length();
        if bytes > MAX_BARE_BYTES {
            return Err(ContainerError::Archive {
                offset: 0,
                what: format!("a code object of {bytes} bytes"),
                expected: "at most 256 MiB",
            });
        }
        let target = CodeObject::target_of(&object.bytes_at(0, bytes.min(ELF_HEADER_BYTES))?)?;
        let members = [Member { target: Some(target), id, bytes }];
        let group = Group { place, holder, members: &members };
        if self.visitor.group(&group).contains(&0) {
            self.visitor.object(&group, 0, object);
        }
        Ok(())
    }

    /// Shows a member of an archive, where its first bytes are of interest.
    fn member(
        &mut self,
        place: &str,
        mut stream: impl Read,
        packed: Packed,
        depth: u32,
    ) -> Result<(), ContainerError> {
        let mut head = Vec::new();
        let damaged = |error| packed.damaged(error);
        stream.by_ref().take(Kind::HEAD as u64).read_to_end(&mut head).map_err(damaged)?;
        if Kind::of(&head).is_none() {
            return Ok(());
        }
        let limit = packed.bytes.saturating_mul(MAX_GROWTH).clamp(HARMLESS_BYTES, MAX_MEMBER_BYTES);
        let limit = limit.min(self.left);
        let mut file = tempfile::tempfile()?;
        let mut whole = head.as_slice().chain(stream).take(limit + 1);
        let length = io::copy(&mut whole, &mut file).map_err(damaged)?;
        if length > limit {
            self.left = self.left.saturating_sub(limit);
            return Err(ContainerError::Bomb { limit });
        }
        self.charge(length)?;
        if length != packed.unpacked {
            return Err(ContainerError::Archive {
                offset: packed.offset,
                what: format!("member of {length} bytes where {} are promised", packed.unpacked),
                expected: "a whole archive",
            });
        }
        self.file(place, &FileAt::new(file)?, depth);
        Ok(())
    }
}

/// A member as its archive describes it.
#[derive(Debug, Clone, Copy)]
struct Packed {
    /// Where its header is; in a tar archive that is packed itself, in what that unpacks to.
    offset: u64,
    /// Its size in the archive.
    bytes: u64,
    /// What it unpacks to.
    unpacked: u64,
}

impl Packed {
    /// Says where the member is that does not unpack; what the system itself reports stays as it is.
    fn damaged(&self, error: io::Error) -> ContainerError {
        if error.raw_os_error().is_some() {
            return ContainerError::Io(error);
        }
        ContainerError::Archive {
            offset: self.offset,
            what: format!("member that does not unpack ({error})"),
            expected: "a whole archive",
        }
    }
}

/// Returns whether an ELF file's `e_machine` is AMD's GPUs.
fn is_code_object(file: &dyn ReadAt) -> io::Result<bool> {
    Ok(file.length() >= 20 && file.bytes_at(18, 2)? == crate::object_file::MACHINE.to_le_bytes())
}

fn member(entry: &BundleEntry) -> Member {
    let target = GfxTarget::from_bundle_id(&entry.id).map(CodeTarget::Gfx);
    let target = target.or_else(|| CodeTarget::generic_of_bundle_id(&entry.id));
    Member { target, id: entry.id.clone(), bytes: entry.size }
}
