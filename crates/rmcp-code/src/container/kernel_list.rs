//! Tensile's lists of kernels (`.dat`): which kernel of the code objects beside them is for which shapes.
//!
//! They are MessagePack, a map whose `solutions` are maps with a `name`. A list of rocBLAS has some ten thousand of
//! them and much else, so it is read as a stream, and nothing but the names is kept.
//!
//! Source: Tensile `Serialization/ContractionSolution.hpp`, where `name` is the kernel's name, and
//! `Serialization/SolutionLibrary.hpp`; the MessagePack specification.

use super::ContainerError;
use super::read_at::{Range, ReadAt};
use std::io::{self, BufReader, Read};

/// How deep values may stand in one another; Tensile's trees of predicates are some 20 deep.
const MAX_DEPTH: u32 = 128;

/// Longest name. Tensile's have some 500 letters.
const MAX_NAME_BYTES: u64 = 4096;

/// Most names. rocBLAS's longest list has some 10,000.
const MAX_NAMES: usize = 1 << 20;

/// Returns whether a file begins like a list: a map whose first key is one of Tensile's.
pub(super) fn is_list(head: &[u8]) -> bool {
    let rest = match head {
        [0x81..=0x8f, rest @ ..] => rest,
        _ => return false,
    };
    [&b"\xa9solutions"[..], b"\xa7library"].iter().any(|key| rest.starts_with(key))
}

/// Returns the names of all solutions.
pub(super) fn read_names(file: &dyn ReadAt) -> Result<Vec<String>, ContainerError> {
    let range = Range { file, at: 0, end: file.length() };
    let mut reader =
        Reader { stream: BufReader::with_capacity(64 << 10, range), at: 0, names: vec![] };
    reader.value(Place::Top, 0)?;
    Ok(reader.names)
}

/// Where in the file a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Solutions,
    Solution,
    Name,
    Other,
}

/// What a value is, once its first bytes are read.
enum Head {
    /// A value without more bytes, or so many that are passed over.
    Plain(u64),
    /// Text of so many bytes.
    Text(u64),
    /// So many values.
    Array(u64),
    /// So many keys, each with a value.
    Map(u64),
}

struct Reader<'f> {
    stream: BufReader<Range<'f>>,
    at: u64,
    names: Vec<String>,
}

impl Reader<'_> {
    fn wrong(&self, what: String, expected: &'static str) -> ContainerError {
        ContainerError::Archive { offset: self.at, what, expected }
    }

    /// Reads a big-endian number of so many bytes.
    fn number(&mut self, bytes: usize) -> io::Result<u64> {
        let mut buffer = [0; 8];
        self.stream.read_exact(&mut buffer[8 - bytes..])?;
        self.at += bytes as u64;
        Ok(u64::from_be_bytes(buffer))
    }

    fn head(&mut self) -> Result<Head, ContainerError> {
        let marker = self.number(1)?;
        Ok(match marker {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => Head::Plain(0),
            0x80..=0x8f => Head::Map(marker & 15),
            0x90..=0x9f => Head::Array(marker & 15),
            0xa0..=0xbf => Head::Text(marker & 31),
            0xc4..=0xc6 => Head::Plain(self.number(1 << (marker - 0xc4))?),
            0xc7..=0xc9 => Head::Plain(self.number(1 << (marker - 0xc7))?.saturating_add(1)),
            0xca => Head::Plain(4),
            0xcb => Head::Plain(8),
            0xcc..=0xcf => Head::Plain(1 << (marker - 0xcc)),
            0xd0..=0xd3 => Head::Plain(1 << (marker - 0xd0)),
            0xd4..=0xd8 => Head::Plain((1 << (marker - 0xd4)) + 1),
            0xd9..=0xdb => Head::Text(self.number(1 << (marker - 0xd9))?),
            0xdc | 0xdd => Head::Array(self.number(2 << (marker - 0xdc))?),
            0xde | 0xdf => Head::Map(self.number(2 << (marker - 0xde))?),
            _ => return Err(self.wrong(format!("marker {marker:#04x}"), "a MessagePack value")),
        })
    }

    fn skip(&mut self, bytes: u64) -> Result<(), ContainerError> {
        let skipped = io::copy(&mut self.stream.by_ref().take(bytes), &mut io::sink())?;
        self.at += skipped;
        if skipped < bytes {
            return Err(self.wrong(format!("value of {bytes} bytes"), "a whole list of kernels"));
        }
        Ok(())
    }

    fn text(&mut self, bytes: u64) -> Result<String, ContainerError> {
        if bytes > MAX_NAME_BYTES {
            return Err(self.wrong(format!("name of {bytes} bytes"), "at most 4096"));
        }
        let mut text = Vec::new();
        self.at += self.stream.by_ref().take(bytes).read_to_end(&mut text)? as u64;
        if (text.len() as u64) < bytes {
            return Err(self.wrong(format!("name of {bytes} bytes"), "a whole list of kernels"));
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Reads a value. Each costs at least a byte of the file, so the time is bounded by its length.
    fn value(&mut self, place: Place, depth: u32) -> Result<(), ContainerError> {
        if depth == MAX_DEPTH {
            return Err(self.wrong("values in values".to_owned(), "at most 128 deep"));
        }
        match self.head()? {
            Head::Plain(bytes) => self.skip(bytes),
            Head::Text(bytes) if place == Place::Name => {
                let name = self.text(bytes)?;
                if self.names.len() == MAX_NAMES {
                    return Err(self.wrong("names".to_owned(), "at most 1048576"));
                }
                self.names.push(name);
                Ok(())
            }
            Head::Text(bytes) => self.skip(bytes),
            Head::Array(count) => {
                let inside = if place == Place::Solutions { Place::Solution } else { Place::Other };
                (0..count).try_for_each(|_| self.value(inside, depth + 1))
            }
            Head::Map(count) => (0..count).try_for_each(|_| {
                let inside = self.key(place, depth)?;
                self.value(inside, depth + 1)
            }),
        }
    }

    /// Reads a key of a map, and returns where its value stands.
    fn key(&mut self, place: Place, depth: u32) -> Result<Place, ContainerError> {
        match self.head()? {
            Head::Text(bytes) if bytes <= 16 => Ok(match (place, self.text(bytes)?.as_str()) {
                (Place::Top, "solutions") => Place::Solutions,
                (Place::Solution, "name") => Place::Name,
                _ => Place::Other,
            }),
            Head::Text(bytes) | Head::Plain(bytes) => self.skip(bytes).map(|()| Place::Other),
            Head::Array(_) | Head::Map(_) => {
                let what = format!("key that is a list, {depth} deep");
                Err(self.wrong(what, "a key that is text"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        let length = u8::try_from(text.len()).unwrap();
        [&[0xd9, length][..], text.as_bytes()].concat()
    }

    /// A list with two solutions, and values of every kind around their names.
    fn list() -> Vec<u8> {
        let mut bytes = b"\x82\xa9solutions\x92".to_vec();
        for (name, index) in [("Cijk_Ailk_SB", 1), ("Cijk_Alik_HB", 200)] {
            bytes.extend(b"\x84\xa4name");
            bytes.extend(text(name));
            bytes.extend(
                [&b"\xa5index\xcc"[..], &[index], b"\xa5ideal\xcb\0\0\0\0\0\0\0\0"].concat(),
            );
            // A name that is not a solution's.
            bytes.extend(b"\xa9predicate\x93\x81\xa4name\xa1x\xc0\xda\0\x02yy");
        }
        bytes.extend(b"\xa7library\xdf\0\0\0\x01\xa4type\xa6Single");
        bytes
    }

    #[test]
    fn names_of_solutions_are_read_and_no_others() {
        assert!(is_list(&list()));
        assert_eq!(read_names(&list()).unwrap(), ["Cijk_Ailk_SB", "Cijk_Alik_HB"]);
    }

    #[test]
    fn every_cut_is_an_error() {
        let list = list();
        for length in 0..list.len() {
            assert!(read_names(&list[..length].to_vec()).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn lying_lengths_and_deep_values_end() {
        for (bytes, what) in [
            (b"\x81\xa9solutions\xdd\xff\xff\xff\xff".to_vec(), "failed to fill"),
            (b"\x81\xa9solutions\x91\x81\xa4name\xdb\xff\xff\xff\xff".to_vec(), "at most 4096"),
            ([b"\x81\xa7library".to_vec(), vec![0x91; 5000]].concat(), "128 deep"),
            (b"\x81\xa7library\xc1".to_vec(), "marker 0xc1 at offset 0xa"),
        ] {
            let error = read_names(&bytes).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
