//! Writes a zip from front to back (PKWARE's APPNOTE 6.3.10): just what an artifact needs.

use std::io::{self, Write};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// The first day that a zip can say: 1 January 1980, midnight.
const DATE: u16 = (1 << 5) | 1;
/// Names are UTF-8.
const UTF8: u16 = 1 << 11;
/// Sizes and sum follow the content.
const DESCRIPTOR: u16 = 1 << 3;
/// From this size on, fields of 64 bits are needed; a little early, because compression may add some.
const LARGE: u64 = 0xff00_0000;

pub(super) struct ZipWriter<W: Write> {
    out: Counting<W>,
    level: Compression,
    central: Vec<u8>,
    count: u64,
}

struct Counting<W> {
    out: W,
    count: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What the directory at the end says of an entry.
struct Entry<'a> {
    name: &'a str,
    mode: u32,
    flags: u16,
    deflated: bool,
    sum: u32,
    packed: u64,
    size: u64,
    offset: u64,
    large: bool,
}

impl<W: Write> ZipWriter<W> {
    pub(super) fn new(out: W, level: Compression) -> Self {
        Self {
            out: Counting { out, count: 0 },
            level,
            central: Vec::new(),
            count: 0,
        }
    }

    /// A directory or a link, as it is.
    pub(super) fn small(&mut self, name: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
        let mut crc = Crc::new();
        crc.update(bytes);
        let size = bytes.len() as u64;
        let entry = Entry {
            name,
            mode,
            flags: UTF8,
            deflated: false,
            sum: crc.sum(),
            packed: size,
            size,
            offset: self.out.count,
            large: false,
        };
        self.out.write_all(&entry.local())?;
        self.out.write_all(bytes)?;
        self.list(&entry);
        Ok(())
    }

    /// A file of this size, deflated.
    pub(super) fn begin<'a>(&'a mut self, name: &'a str, mode: u32, size: u64) -> io::Result<ZipFile<'a, W>> {
        let entry = Entry {
            name,
            mode,
            flags: UTF8 | DESCRIPTOR,
            deflated: true,
            sum: 0,
            packed: 0,
            size: 0,
            offset: self.out.count,
            large: size >= LARGE,
        };
        self.out.write_all(&entry.local())?;
        let from = self.out.count;
        let encoder = DeflateEncoder::new(&mut self.out, self.level);
        Ok(ZipFile {
            encoder,
            central: &mut self.central,
            count: &mut self.count,
            crc: Crc::new(),
            size: 0,
            from,
            entry,
        })
    }

    fn list(&mut self, entry: &Entry<'_>) {
        entry.central(&mut self.central);
        self.count += 1;
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        let (start, len) = (self.out.count, self.central.len() as u64);
        self.out.write_all(&self.central)?;
        let mut end = Vec::new();
        if self.count > 0xfffe || start.max(len) > 0xffff_fffe {
            put32(&mut end, 0x0606_4b50);
            put64(&mut end, 44); // the bytes of this record that follow
            put16(&mut end, (3 << 8) | 45); // made on Unix
            put16(&mut end, 45);
            put32(&mut end, 0);
            put32(&mut end, 0);
            put64(&mut end, self.count);
            put64(&mut end, self.count);
            put64(&mut end, len);
            put64(&mut end, start);
            put32(&mut end, 0x0706_4b50);
            put32(&mut end, 0);
            put64(&mut end, start + len);
            put32(&mut end, 1);
        }
        put32(&mut end, 0x0605_4b50);
        put16(&mut end, 0);
        put16(&mut end, 0);
        put16(&mut end, narrow16(self.count));
        put16(&mut end, narrow16(self.count));
        put32(&mut end, narrow32(len));
        put32(&mut end, narrow32(start));
        put16(&mut end, 0);
        self.out.write_all(&end)
    }
}

/// A file of a zip that is being written.
pub(super) struct ZipFile<'a, W: Write> {
    encoder: DeflateEncoder<&'a mut Counting<W>>,
    central: &'a mut Vec<u8>,
    count: &'a mut u64,
    crc: Crc,
    size: u64,
    from: u64,
    entry: Entry<'a>,
}

impl<W: Write> ZipFile<'_, W> {
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc.update(bytes);
        self.size += bytes.len() as u64;
        self.encoder.write_all(bytes)
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        let out = self.encoder.finish()?;
        self.entry.sum = self.crc.sum();
        self.entry.size = self.size;
        self.entry.packed = out.count - self.from;
        let mut descriptor = Vec::new();
        put32(&mut descriptor, 0x0807_4b50);
        put32(&mut descriptor, self.entry.sum);
        for size in [self.entry.packed, self.entry.size] {
            if self.entry.large {
                put64(&mut descriptor, size);
            } else {
                put32(&mut descriptor, narrow32(size));
            }
        }
        out.write_all(&descriptor)?;
        self.entry.central(self.central);
        *self.count += 1;
        Ok(())
    }
}

impl Entry<'_> {
    fn version(&self) -> u16 {
        if self.large { 45 } else { 20 }
    }

    /// The fields that both headers have: from the flags to the sizes.
    fn common(&self, bytes: &mut Vec<u8>, sum: u32, packed: u64, size: u64) {
        put16(bytes, self.flags);
        put16(bytes, if self.deflated { 8 } else { 0 });
        put16(bytes, 0);
        put16(bytes, DATE);
        put32(bytes, sum);
        put32(bytes, if self.large { u32::MAX } else { narrow32(packed) });
        put32(bytes, if self.large { u32::MAX } else { narrow32(size) });
        // Names are at most 1025 bytes long.
        put16(bytes, narrow16(self.name.len() as u64));
    }

    fn local(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put32(&mut bytes, 0x0403_4b50);
        put16(&mut bytes, self.version());
        self.common(&mut bytes, self.sum, self.packed, self.size);
        put16(&mut bytes, if self.large { 20 } else { 0 });
        bytes.extend(self.name.as_bytes());
        if self.large {
            put16(&mut bytes, 1);
            put16(&mut bytes, 16);
            put64(&mut bytes, self.size);
            put64(&mut bytes, self.packed);
        }
        bytes
    }

    fn central(&self, bytes: &mut Vec<u8>) {
        let far = self.offset > 0xffff_fffe;
        let mut extra = Vec::new();
        if self.large {
            put64(&mut extra, self.size);
            put64(&mut extra, self.packed);
        }
        if far {
            put64(&mut extra, self.offset);
        }
        put32(bytes, 0x0201_4b50);
        put16(bytes, (3 << 8) | 45); // made on Unix
        put16(bytes, if far { 45 } else { self.version() });
        self.common(bytes, self.sum, self.packed, self.size);
        put16(
            bytes,
            if extra.is_empty() {
                0
            } else {
                narrow16(extra.len() as u64 + 4)
            },
        );
        put16(bytes, 0);
        put16(bytes, 0);
        put16(bytes, 0);
        put32(bytes, self.mode << 16);
        put32(bytes, narrow32(self.offset));
        bytes.extend(self.name.as_bytes());
        if !extra.is_empty() {
            put16(bytes, 1);
            put16(bytes, narrow16(extra.len() as u64));
            bytes.extend(extra);
        }
    }
}

/// The number, or the mark that says that it stands elsewhere.
fn narrow32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn narrow16(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn put16(bytes: &mut Vec<u8>, number: u16) {
    bytes.extend(number.to_le_bytes());
}

fn put32(bytes: &mut Vec<u8>, number: u32) {
    bytes.extend(number.to_le_bytes());
}

fn put64(bytes: &mut Vec<u8>, number: u64) {
    bytes.extend(number.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The old end counts to 65,534; what is more stands in the new one.
    #[test]
    fn many_entries_are_counted_in_64_bits() {
        for (count, is_wide) in [(0xfffe, false), (0xffff, true)] {
            let mut bytes = Vec::new();
            let mut zip = ZipWriter::new(&mut bytes, Compression::new(6));
            (0..count).for_each(|_| zip.small("a", 0o120_777, b"b").unwrap());
            zip.finish().unwrap();
            let end = bytes.len() - 22;
            let locator = bytes[end - 20..].starts_with(&0x0706_4b50_u32.to_le_bytes());
            assert_eq!(locator, is_wide, "{count}");
            if is_wide {
                // 56 bytes, of which the count is the fifth field.
                let record = end - 20 - 56;
                assert!(bytes[record..].starts_with(&0x0606_4b50_u32.to_le_bytes()));
                assert_eq!(bytes[record + 32..record + 40], u64::to_le_bytes(count));
            }
        }
    }

    /// A file that says to be as large has its sizes in 64 bits, whatever it has.
    #[test]
    fn a_large_file_has_room_for_its_sizes() {
        for (size, is_large) in [(LARGE - 1, false), (LARGE, true)] {
            let mut bytes = Vec::new();
            let mut zip = ZipWriter::new(&mut bytes, Compression::new(6));
            let mut file = zip.begin("large", 0o100_644, size).unwrap();
            file.write(b"not so large").unwrap();
            file.finish().unwrap();
            zip.finish().unwrap();
            let number = |at: usize, len: usize| {
                let mut wide = [0; 8];
                wide[..len].copy_from_slice(&bytes[at..at + len]);
                u64::from_le_bytes(wide)
            };
            let width = if is_large { 8 } else { 4 };
            let extra = if is_large { 20 } else { 0 };
            assert_eq!(number(4, 2), if is_large { 45 } else { 20 });
            assert_eq!(number(28, 2), extra);
            // The content, the descriptor, the directory, and its end.
            let directory = usize::try_from(number(bytes.len() - 6, 4)).unwrap();
            let descriptor = directory - 8 - 2 * width;
            let packed = (descriptor - 30 - 5) as u64 - extra;
            assert_eq!(number(descriptor, 4), 0x0807_4b50);
            assert_eq!(number(descriptor + 8, width), packed);
            assert_eq!(number(descriptor + 8 + width, width), 12);
            let (sizes, wide) = (directory + 20, directory + 46 + 5);
            if is_large {
                assert_eq!(
                    (number(sizes, 4), number(sizes + 4, 4)),
                    (0xffff_ffff, 0xffff_ffff)
                );
                assert_eq!((number(wide, 2), number(wide + 2, 2)), (1, 16));
                assert_eq!((number(wide + 4, 8), number(wide + 12, 8)), (12, packed));
            } else {
                assert_eq!((number(sizes, 4), number(sizes + 4, 4)), (packed, 12));
            }
        }
    }

    /// What stands behind 4 GiB has its place in 64 bits, and so has the directory at the end.
    #[test]
    fn what_lies_far_behind_is_found() {
        const FAR: u64 = 5 << 30;
        let mut bytes = Vec::new();
        let mut zip = ZipWriter::new(&mut bytes, Compression::new(6));
        // As if so much had been written before.
        zip.out.count = FAR;
        let mut file = zip.begin("far", 0o100_644, 3).unwrap();
        file.write(b"far").unwrap();
        file.finish().unwrap();
        zip.small("link", 0o120_777, b"far").unwrap();
        zip.finish().unwrap();

        let number = |at: usize, len: usize| {
            let mut wide = [0; 8];
            wide[..len].copy_from_slice(&bytes[at..at + len]);
            u64::from_le_bytes(wide)
        };
        // From the end: the old record says nothing but that the other counts, the locator where that one is.
        let end = bytes.len() - 22;
        assert_eq!((number(end, 4), number(end + 16, 4)), (0x0605_4b50, 0xffff_ffff));
        assert_eq!(number(end - 20, 4), 0x0706_4b50);
        let record = usize::try_from(number(end - 12, 8) - FAR).unwrap();
        assert_eq!((number(record, 4), number(record + 32, 8)), (0x0606_4b50, 2));
        let mut at = usize::try_from(number(record + 48, 8) - FAR).unwrap();
        for (name, local) in [("far", true), ("link", false)] {
            assert_eq!((number(at, 4), number(at + 6, 2)), (0x0201_4b50, 45), "{name}");
            let (name_len, extra_len) = (number(at + 28, 2) as usize, number(at + 30, 2) as usize);
            assert_eq!(&bytes[at + 46..at + 46 + name_len], name.as_bytes());
            assert_eq!((number(at + 42, 4), extra_len), (0xffff_ffff, 12), "{name}");
            let extra = at + 46 + name_len;
            assert_eq!((number(extra, 2), number(extra + 2, 2)), (1, 8), "{name}");
            let offset = usize::try_from(number(extra + 4, 8) - FAR).unwrap();
            assert_eq!(number(offset, 4), 0x0403_4b50, "{name}");
            assert_eq!(offset == 0, local, "{name}");
            at = extra + extra_len;
        }
    }
}
