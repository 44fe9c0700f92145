//! The kernels of a code object, from its table of symbols alone.

use crate::container::ReadAt;
use crate::container::read_at::Range;
use crate::object_file::ObjectError;
use object::read::elf::{FileHeader as _, Sym as _};
use object::{Endianness, ReadCache, SymbolIndex, elf};
use std::collections::{HashMap, HashSet};

/// Longest function that is only the end of the program: `s_endpgm`.
const STUB_BYTES: u64 = 4;

/// A kernel by its symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) name: Vec<u8>,
    pub(super) stub: bool,
}

/// Reads the kernels of a code object. Code is not read.
pub(super) fn read_kernels(object: &dyn ReadAt) -> Result<Vec<Symbol>, ObjectError> {
    let elf_error = |error: object::read::Error| ObjectError::Elf { what: error.to_string() };
    let cache = ReadCache::new(Range { file: object, at: 0, end: object.length() });
    let header = elf::FileHeader64::<Endianness>::parse(&cache).map_err(elf_error)?;
    let endian = header.endian().map_err(elf_error)?;
    let sections = header.sections(endian, &cache).map_err(elf_error)?;
    // Kernels are exported; the other table, where it is there, repeats them.
    let table = sections.symbols(endian, &cache, elf::SHT_DYNSYM).map_err(elf_error)?;
    let mut places = HashMap::new();
    let mut has_sized = HashSet::new();
    let mut kernels = Vec::new();
    for index in 0..table.len() {
        let Ok(symbol) = table.symbol(SymbolIndex(index)) else { continue };
        let Ok(name) = symbol.name(endian, table.strings()) else { continue };
        match name.strip_suffix(b".kd") {
            Some(kernel) => kernels.push(kernel),
            None => {
                let (address, size) = (symbol.st_value(endian), symbol.st_size(endian));
                places.insert(name, (address, size));
                if size > 0 {
                    has_sized.insert(address);
                }
            }
        }
    }
    let symbol = |name: &[u8]| {
        let stub = places.get(name).is_none_or(|&(address, size)| match size {
            // Assembly gives no sizes; but an empty function stands where the one behind it begins.
            0 => has_sized.contains(&address),
            _ => size <= STUB_BYTES,
        });
        Symbol { name: name.to_owned(), stub }
    };
    let kernels = kernels.into_iter().map(symbol).collect();
    Ok(kernels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CodeObject;

    /// The short way finds what the long way finds.
    #[test]
    fn symbols_agree_with_the_whole_object() {
        for bytes in [
            &include_bytes!("../../../../testdata/code-objects/gfx1010.co")[..],
            include_bytes!("../../../../testdata/code-objects/gfx1030.co"),
        ] {
            let mut short: Vec<(Vec<u8>, bool)> = read_kernels(&bytes)
                .unwrap()
                .into_iter()
                .map(|symbol| (symbol.name, symbol.stub))
                .collect();
            let object = CodeObject::parse(bytes).unwrap();
            let mut long: Vec<(Vec<u8>, bool)> = object
                .kernels()
                .map(|kernel| (kernel.name.as_bytes().to_vec(), kernel.is_stub()))
                .collect();
            short.sort();
            long.sort();
            assert!(!long.is_empty());
            assert_eq!(short, long);
        }
    }
}
