//! Rows and numbers out of bytes that may be anything.

use crate::layout::{Text, count, place};
use std::mem::offset_of;

/// A record's bytes. What lies beyond their end reads as 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

/// A row, by where it begins.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Row<'a> {
    bytes: &'a [u8],
}

impl<'a> Bytes<'a> {
    /// The head.
    pub(crate) fn head(self) -> Row<'a> {
        Row { bytes: self.0 }
    }

    /// The rows of a table; those that the file is too short for are not there.
    pub(crate) fn rows<T>(self, place: usize, count: usize) -> impl Iterator<Item = Row<'a>> {
        let size = size_of::<T>();
        let table = self.0.get(place..).unwrap_or(&[]);
        let table = table.get(..count * size).unwrap_or(table);
        table.chunks_exact(size).map(|bytes| Row { bytes })
    }

    /// The bytes of a text.
    pub(crate) fn text(self, row: Row<'_>, at: usize) -> Option<&'a [u8]> {
        let start = row.word(at + offset_of!(Text, at)) as usize;
        let bytes = row.word(at + offset_of!(Text, bytes)) as usize;
        let end = start.checked_add(bytes).filter(|&end| end <= count::TEXT && bytes != 0)?;
        self.0.get(place::TEXT + start..place::TEXT + end)
    }
}

impl Row<'_> {
    /// Whether it stands for one that is not there: every number of it is 0.
    pub(crate) fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// 16 bits.
    pub(crate) fn half(self, at: usize) -> u16 {
        let bytes = self.bytes.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u16::from_le_bytes)
    }

    /// 32 bits.
    pub(crate) fn word(self, at: usize) -> u32 {
        let bytes = self.bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_le_bytes)
    }

    /// 64 bits.
    pub(crate) fn long(self, at: usize) -> u64 {
        let bytes = self.bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_le_bytes)
    }
}
