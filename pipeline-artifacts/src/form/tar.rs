//! Writes the headers of a tar: USTAR, with a PAX header before it only where USTAR cannot say it (POSIX.1-2017,
//! pax, "ustar Interchange Format" and "pax Extended Header").

use pipeline_core::{ArtifactEntry, EntryKind};

/// Everything in a tar comes in blocks of this many bytes.
const BLOCK: usize = 512;

/// What closes a tar: two blocks of zeros.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The largest size that the eleven octal digits of USTAR can say: 8 GiB less one byte.
const MAX_USTAR_SIZE: u64 = 0o777_7777_7777;

/// How many zeros follow content of this size.
pub(crate) fn padding(size: u64) -> usize {
    // Less than a block, so it fits.
    ((BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64) as usize
}

/// All bytes before the content of an entry. Depends on the entry alone: no time, owner or host.
pub(crate) fn header(entry: &ArtifactEntry) -> Vec<u8> {
    let (flag, mode, size, target) = match &entry.kind {
        EntryKind::File { size, executable, .. } => {
            (b'0', if *executable { 0o755 } else { 0o644 }, *size, "")
        }
        EntryKind::Directory => (b'5', 0o755, 0, ""),
        EntryKind::Symlink { target } => (b'2', 0o777, 0, target.as_str()),
    };
    let mut path = entry.path.clone();
    if flag == b'5' {
        path.push('/');
    }
    let mut records = Vec::new();
    pax(&mut records, &path, size, target);
    let mut bytes = Vec::with_capacity(BLOCK);
    if !records.is_empty() {
        let len = records.len() as u64;
        bytes.extend(block(b'x', 0o644, len, "", "././@PaxHeader", ""));
        bytes.append(&mut records);
        bytes.resize(bytes.len() + padding(len), 0);
    }
    // A reader takes what PAX says; these are for one that knows no PAX.
    let (prefix, name) = split(&path).unwrap_or(("", cut(&path)));
    let size = size.min(MAX_USTAR_SIZE);
    bytes.extend(block(flag, mode, size, prefix, name, cut(target)));
    bytes
}

/// How many bytes [`header`] makes, without making them.
pub(crate) fn header_len(entry: &ArtifactEntry) -> u64 {
    let (size, directory, target) = match &entry.kind {
        EntryKind::File { size, .. } => (*size, false, ""),
        EntryKind::Directory => (0, true, ""),
        EntryKind::Symlink { target } => (0, false, target.as_str()),
    };
    let plain = entry.path.len() < 100 && entry.path.is_ascii();
    if plain && size <= MAX_USTAR_SIZE && target.len() <= 100 && target.is_ascii() {
        return BLOCK as u64;
    }
    let path = if directory {
        format!("{}/", entry.path)
    } else {
        entry.path.clone()
    };
    let mut records = Vec::new();
    pax(&mut records, &path, size, target);
    if records.is_empty() {
        return BLOCK as u64;
    }
    let len = records.len() as u64;
    2 * BLOCK as u64 + len + padding(len) as u64
}

/// Adds the records for what USTAR cannot say.
fn pax(records: &mut Vec<u8>, path: &str, size: u64, target: &str) {
    if split(path).is_none() {
        record(records, "path", path);
    }
    if target.len() > 100 || !target.is_ascii() {
        record(records, "linkpath", target);
    }
    if size > MAX_USTAR_SIZE {
        record(records, "size", &size.to_string());
    }
}

/// Cuts a path into prefix and name, if USTAR can hold it: at the first `/` that leaves a name that fits.
fn split(path: &str) -> Option<(&str, &str)> {
    if !path.is_ascii() {
        return None;
    }
    if path.len() <= 100 {
        return Some(("", path));
    }
    let fits = |at: usize| {
        let (prefix, name) = (&path[..at], &path[at + 1..]);
        (prefix.len() <= 155 && !name.is_empty() && name.len() <= 100).then_some((prefix, name))
    };
    path.match_indices('/').find_map(|(at, _)| fits(at))
}

/// As much of a text as a field of 100 bytes holds, cut between characters.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(100);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Adds a PAX record: its own length in decimal digits, a space, key `=` value, a line feed.
fn record(records: &mut Vec<u8>, key: &str, value: &str) {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    records.extend(format!("{len} {key}={value}\n").into_bytes());
}

fn block(flag: u8, mode: u32, size: u64, prefix: &str, name: &str, target: &str) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, format!("{mode:07o}").as_bytes());
    put(108, b"0000000"); // owner
    put(116, b"0000000"); // group
    put(124, format!("{size:011o}").as_bytes());
    put(136, b"00000000000"); // time of change
    put(148, b"        "); // counts as spaces in the sum
    put(156, &[flag]);
    put(157, target.as_bytes());
    put(257, b"ustar\x0000");
    put(329, b"0000000"); // device, major
    put(337, b"0000000"); // device, minor
    put(345, prefix.as_bytes());
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(path: &str, target: &str) -> ArtifactEntry {
        ArtifactEntry {
            path: path.to_owned(),
            kind: EntryKind::Symlink {
                target: target.to_owned(),
            },
        }
    }

    #[test]
    fn another_reader_reads_every_length_of_path() {
        for len in 1..=400 {
            let path: String = "directory-x/"
                .chars()
                .cycle()
                .take(len - 1)
                .chain(['z'])
                .collect();
            for path in [path.clone(), path.replace('x', "ß")] {
                let target: String = path.replace('/', "_");
                let mut bytes = header(&link(&path, &target));
                assert_eq!(bytes.len() as u64, header_len(&link(&path, &target)));
                assert_eq!(bytes.len() % BLOCK, 0);
                bytes.extend(END);
                let mut archive = tar::Archive::new(&bytes[..]);
                let mut entries = archive.entries().unwrap();
                let entry = entries.next().unwrap().unwrap();
                assert_eq!(entry.path_bytes(), path.as_bytes());
                assert_eq!(entry.link_name_bytes().unwrap(), target.as_bytes());
                assert!(entries.next().is_none());
            }
        }
    }

    /// Where USTAR can say it, PAX does not: one tree has one tar.
    #[test]
    fn a_path_as_long_as_ustar_holds_needs_no_more() {
        let path = |prefix: usize, name: usize| format!("{}/{}", "p".repeat(prefix), "n".repeat(name));
        for (path, blocks) in [
            ("n".repeat(100), 1),
            ("n".repeat(101), 3),
            (path(155, 100), 1),
            (path(156, 100), 3),
            (path(155, 101), 3),
        ] {
            let link = link(&path, "x");
            assert_eq!(header(&link).len(), blocks * BLOCK, "{}", path.len());
            assert_eq!(header_len(&link), (blocks * BLOCK) as u64);
        }
    }

    #[test]
    fn a_record_counts_its_own_length() {
        for len in 0..300 {
            let mut records = Vec::new();
            record(&mut records, "path", &"v".repeat(len));
            let text = String::from_utf8(records).unwrap();
            let (count, _) = text.split_once(' ').unwrap();
            assert_eq!(count.parse::<usize>().unwrap(), text.len());
        }
    }

    #[test]
    fn a_file_of_eight_gib_says_so_in_pax() {
        let file = |size| ArtifactEntry {
            path: "f".to_owned(),
            kind: EntryKind::File {
                size,
                digest: pipeline_core::Digest::ZERO,
                executable: false,
            },
        };
        assert_eq!(header(&file(MAX_USTAR_SIZE)).len(), BLOCK);
        let large = header(&file(MAX_USTAR_SIZE + 1));
        assert_eq!(large.len(), 3 * BLOCK);
        assert_eq!(header_len(&file(MAX_USTAR_SIZE + 1)), 3 * BLOCK as u64);
        assert!(large[BLOCK..].starts_with(b"19 size=8589934592\n"));
    }
}
