//! Reading at an offset, without a place that moves: the same for a file, for bytes, and for what a stream left.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes that can be read at any offset.
pub trait ReadAt {
    /// Reads at an offset; fewer bytes than asked for only at the end.
    ///
    /// # Errors
    /// The system's error.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Returns the length in bytes.
    fn length(&self) -> u64;

    /// Reads exactly so many bytes.
    ///
    /// # Errors
    /// The system's error, and [`io::ErrorKind::UnexpectedEof`] where there are not so many. The range is checked
    /// before memory is taken.
    fn bytes_at(&self, offset: u64, size: u64) -> io::Result<Vec<u8>> {
        let end = offset.checked_add(size).filter(|&end| end <= self.length());
        let size = end.and_then(|_| usize::try_from(size).ok());
        let size = size.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut buffer = vec![0; size];
        let mut done = 0;
        while done < size {
            match self.read_at(offset + done as u64, &mut buffer[done..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => done += read,
            }
        }
        Ok(buffer)
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        let rest = rest.unwrap_or_default();
        let size = rest.len().min(buffer.len());
        buffer[..size].copy_from_slice(&rest[..size]);
        Ok(size)
    }

    fn length(&self) -> u64 {
        self.len() as u64
    }
}

/// A file whose length was looked at once.
#[derive(Debug)]
pub struct FileAt {
    file: File,
    length: u64,
}

impl FileAt {
    /// Takes an open file.
    ///
    /// # Errors
    /// The system's error where its length cannot be had.
    pub fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }
}

impl ReadAt for FileAt {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(&self.file, buffer, offset)
    }

    fn length(&self) -> u64 {
        self.length
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.as_slice().read_at(offset, buffer)
    }

    fn length(&self) -> u64 {
        self.len() as u64
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buffer)
    }

    fn length(&self) -> u64 {
        (**self).length()
    }
}

/// A part of a file as a file of its own.
pub(crate) struct Part<'a> {
    pub(crate) file: &'a dyn ReadAt,
    pub(crate) start: u64,
    pub(crate) length: u64,
}

impl ReadAt for Part<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(offset);
        let size = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        self.file.read_at(self.start.saturating_add(offset), &mut buffer[..size])
    }

    fn length(&self) -> u64 {
        self.length
    }
}

/// Reads a range as a stream.
pub(crate) struct Range<'a> {
    pub(crate) file: &'a dyn ReadAt,
    pub(crate) at: u64,
    pub(crate) end: u64,
}

impl io::Read for Range<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let size = left.min(buffer.len());
        let read = self.file.read_at(self.at, &mut buffer[..size])?;
        self.at += read as u64;
        Ok(read)
    }
}

impl io::Seek for Range<'_> {
    /// Offsets count from the beginning of the file, which is where a whole file's range begins.
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let at = match to {
            io::SeekFrom::Start(at) => Some(at),
            io::SeekFrom::End(by) => self.end.checked_add_signed(by),
            io::SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
