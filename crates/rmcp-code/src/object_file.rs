//! AMDGPU code objects: the ELF file that a bundle holds for one target.
//!
//! Nothing is trusted: every offset and size is checked against the file, symbols that point outside are left
//! out and counted, and what is kept is at most as many entries as the file has symbols.
//!
//! Source: LLVM `AMDGPUUsage.rst`, "ELF Code Object", "Header", "Symbols" and "Kernel Descriptor".

mod descriptor;
mod machine;

pub use descriptor::{DESCRIPTOR_BYTES, KernelDescriptor};
pub use machine::CodeTarget;

use object::elf;
use object::read::elf::{FileHeader as _, SectionHeader as _, Sym as _};
use object::{Endianness, SymbolIndex};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// ELF machine number of AMD GPUs. Source: LLVM `AMDGPUUsage.rst`, `EM_AMDGPU`.
pub(crate) const MACHINE: u16 = 224;

/// Why bytes are no code object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// The headers are damaged or of something else than ELF.
    #[error("ELF headers: {what}")]
    Elf {
        /// What the ELF reader said.
        what: String,
    },
    /// An ELF file for another machine.
    #[error("e_machine at offset 0x12 is {found}, expected {MACHINE} (AMD GPU)")]
    Machine {
        /// The number in the file.
        found: u16,
    },
    /// A section whose bytes are not in the file.
    #[error("section {index}: bytes {offset:#x} to {end:#x} of a file of {length:#x}")]
    Section {
        /// Its number.
        index: usize,
        /// Where it begins.
        offset: u64,
        /// Where it ends.
        end: u64,
        /// Size of the file.
        length: u64,
    },
}

fn elf_error(error: object::read::Error) -> ObjectError {
    ObjectError::Elf { what: error.to_string() }
}

/// A part of the file that is loaded.
#[derive(Debug, Clone, Copy)]
struct Loaded<'data> {
    address: u64,
    bytes: &'data [u8],
    executable: bool,
}

/// A function: a kernel, or one that kernels call.
#[derive(Debug, Clone)]
pub struct Function<'data> {
    /// Name of its symbol.
    pub name: Cow<'data, str>,
    /// Address of its first instruction.
    pub address: u64,
    /// Its code. A symbol without a size, as assembly has (Tensile's kernels), reaches to the next function, and has
    /// none where a function with a size begins at its address: then it is an empty one in front of that.
    pub code: &'data [u8],
    /// Its descriptor, where it is a kernel.
    pub kernel: Option<KernelDescriptor>,
}

impl Function<'_> {
    /// Returns whether there is nothing to run: no code, or only the end of the program.
    pub fn is_stub(&self) -> bool {
        let mut words = self.code.chunks_exact(4);
        // s_endpgm, and s_code_end behind it.
        words.next().is_none_or(|word| word == [0, 0, 0x81, 0xbf])
            && words.all(|word| word == [0, 0, 0x9f, 0xbf])
    }
}

/// A code object.
#[derive(Debug, Clone)]
pub struct CodeObject<'data> {
    target: CodeTarget,
    abi_version: u8,
    loaded: Vec<Loaded<'data>>,
    functions: Vec<Function<'data>>,
    lost_symbols: usize,
}

impl<'data> CodeObject<'data> {
    /// Parses a code object.
    ///
    /// # Errors
    /// [`ObjectError`] where the headers are damaged, or the file is not for an AMD GPU.
    pub fn parse(bytes: &'data [u8]) -> Result<Self, ObjectError> {
        let header = elf::FileHeader64::<Endianness>::parse(bytes).map_err(elf_error)?;
        let endian = header.endian().map_err(elf_error)?;
        let found = header.e_machine(endian).0;
        if found != MACHINE {
            return Err(ObjectError::Machine { found });
        }
        let abi_version = header.e_ident().abi_version;
        let target = CodeTarget::from_flags(header.e_flags(endian).0, abi_version);
        let sections = header.sections(endian, bytes).map_err(elf_error)?;
        let mut loaded = Vec::new();
        for (index, section) in sections.iter().enumerate() {
            let flags = section.sh_flags(endian).0;
            if flags & elf::SHF_ALLOC.0 == 0 {
                continue;
            }
            let Some((offset, size)) = section.file_range(endian) else { continue };
            let length = bytes.len() as u64;
            let end = offset.saturating_add(size);
            let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
            let Some(bytes) = range.and_then(|(start, end)| bytes.get(start..end)) else {
                return Err(ObjectError::Section { index, offset, end, length });
            };
            let executable = flags & elf::SHF_EXECINSTR.0 != 0;
            loaded.push(Loaded { address: section.sh_addr(endian), bytes, executable });
        }
        let mut object =
            Self { target, abi_version, loaded, functions: Vec::new(), lost_symbols: 0 };
        let mut found = Symbols::default();
        for kind in [elf::SHT_SYMTAB, elf::SHT_DYNSYM] {
            // A damaged table of symbols is as good as none: the code is still there.
            let Ok(table) = sections.symbols(endian, bytes, kind) else { continue };
            for index in 0..table.len() {
                let Ok(symbol) = table.symbol(SymbolIndex(index)) else { continue };
                let Ok(name) = symbol.name(endian, table.strings()) else { continue };
                let (address, size) = (symbol.st_value(endian), symbol.st_size(endian));
                object.add_symbol(&mut found, name, symbol.st_type().0, address, size);
            }
        }
        object.functions = found.finish(|address| object.code_from(address));
        Ok(object)
    }

    fn add_symbol(
        &mut self,
        found: &mut Symbols<'data>,
        name: &'data [u8],
        kind: u8,
        address: u64,
        size: u64,
    ) {
        if let Some(kernel) = name.strip_suffix(b".kd") {
            match self.bytes_at(address, DESCRIPTOR_BYTES as u64).and_then(KernelDescriptor::parse)
            {
                Some(descriptor) => {
                    found.descriptors.insert(kernel, (address, descriptor));
                }
                None => self.lost_symbols += 1,
            }
        } else if kind == elf::STT_FUNC.0 {
            match self.bytes_at(address, size) {
                Some(code) => {
                    found.functions.insert((address, code.len(), name), code);
                }
                None => self.lost_symbols += 1,
            }
        }
    }

    /// Returns the target of a code object from its first header alone.
    ///
    /// # Errors
    /// [`ObjectError`] where the header is damaged, or the file is not for an AMD GPU.
    pub fn target_of(bytes: &[u8]) -> Result<CodeTarget, ObjectError> {
        let header = elf::FileHeader64::<Endianness>::parse(bytes).map_err(elf_error)?;
        let endian = header.endian().map_err(elf_error)?;
        let found = header.e_machine(endian).0;
        if found != MACHINE {
            return Err(ObjectError::Machine { found });
        }
        Ok(CodeTarget::from_flags(header.e_flags(endian).0, header.e_ident().abi_version))
    }

    /// The target that it was built for.
    pub fn target(&self) -> CodeTarget {
        self.target
    }

    /// `EI_ABIVERSION`: 2 is code object version 4, 3 is 5, 4 is 6.
    pub fn abi_version(&self) -> u8 {
        self.abi_version
    }

    /// Its functions by address, kernels among them.
    pub fn functions(&self) -> &[Function<'data>] {
        &self.functions
    }

    /// Its kernels.
    pub fn kernels(&self) -> impl Iterator<Item = &Function<'data>> {
        self.functions.iter().filter(|function| function.kernel.is_some())
    }

    /// Number of symbols that point outside the file.
    pub fn lost_symbols(&self) -> usize {
        self.lost_symbols
    }

    /// Its code: address and bytes of each executable section.
    pub fn text(&self) -> impl Iterator<Item = (u64, &'data [u8])> + '_ {
        self.loaded.iter().filter(|part| part.executable).map(|part| (part.address, part.bytes))
    }

    /// Returns the code from an address to the end of its section.
    fn code_from(&self, address: u64) -> &'data [u8] {
        let found = self.text().find_map(|(start, bytes)| {
            bytes.get(usize::try_from(address.checked_sub(start)?).ok()?..)
        });
        found.unwrap_or_default()
    }

    /// Returns the bytes at an address, `None` where the file has not all of them.
    pub fn bytes_at(&self, address: u64, size: u64) -> Option<&'data [u8]> {
        self.loaded.iter().find_map(|part| {
            let start = usize::try_from(address.checked_sub(part.address)?).ok()?;
            part.bytes.get(start..start.checked_add(usize::try_from(size).ok()?)?)
        })
    }
}

/// Symbols while they are collected.
#[derive(Debug, Default)]
struct Symbols<'data> {
    /// Code by address, size and name. An empty kernel stands at the address of the function behind it, and
    /// both tables of symbols name the same ones.
    functions: BTreeMap<(u64, usize, &'data [u8]), &'data [u8]>,
    descriptors: BTreeMap<&'data [u8], (u64, KernelDescriptor)>,
}

impl<'data> Symbols<'data> {
    /// Joins functions and descriptors by name. A descriptor without a function of its name still is a kernel:
    /// its entry is where the descriptor says, and where another function begins there, that is its code.
    fn finish(mut self, code_from: impl Fn(u64) -> &'data [u8]) -> Vec<Function<'data>> {
        let codes: BTreeMap<u64, &[u8]> =
            self.functions.iter().map(|(&(address, ..), &code)| (address, code)).collect();
        let mut functions: Vec<Function<'data>> = self
            .functions
            .into_iter()
            .map(|((address, _, name), code)| Function {
                name: String::from_utf8_lossy(name),
                address,
                code,
                kernel: self.descriptors.remove(name).map(|(_, descriptor)| descriptor),
            })
            .collect();
        functions.extend(self.descriptors.into_iter().map(|(name, (address, descriptor))| {
            let address = address.wrapping_add_signed(descriptor.entry_offset);
            Function {
                name: String::from_utf8_lossy(name),
                address,
                code: codes.get(&address).copied().unwrap_or_default(),
                kernel: Some(descriptor),
            }
        }));
        functions.sort_by_key(|function| function.address);
        // Functions do not overlap: so all of them together are no longer than the file, whatever the sizes of
        // their symbols say.
        let (mut next, mut own) = (u64::MAX, u64::MAX);
        let mut without_size: &[u8] = &[];
        for function in functions.iter_mut().rev() {
            let is_new = function.address != own;
            if is_new {
                (next, own) = (own, function.address);
            }
            let until_next = |code: &'data [u8]| {
                let distance = usize::try_from(next - own).unwrap_or(usize::MAX);
                &code[..distance.min(code.len())]
            };
            if codes.get(&own).is_some_and(|code| !code.is_empty()) {
                function.code = until_next(function.code);
                continue;
            }
            // Once for each address, however many symbols stand there.
            if is_new {
                without_size = without_padding(until_next(code_from(own)));
            }
            function.code = without_size;
        }
        functions
    }
}

/// Cuts what assemblers fill up with between functions: `s_code_end`, `s_nop 0` and zeros.
fn without_padding(code: &[u8]) -> &[u8] {
    let is_padding = |word: &&[u8]| {
        matches!(word, [0, 0, 0x9f | 0x80, 0xbf] | [0, 0, 0, 0] | [] | [_] | [_, _] | [_, _, _])
    };
    let padding = code.chunks(4).rev().take_while(is_padding).map(<[u8]>::len).sum::<usize>();
    &code[..code.len() - padding]
}
