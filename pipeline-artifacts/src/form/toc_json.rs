//! Writes the table of contents as canonical JSON (RFC 8785). By hand, because it has a line for each file of an
//! artifact and is written to tell two digests; a test compares it with the general writer.

use std::io::{self, Write};

use pipeline_core::{ArtifactEntry, Digest, EntryKind};

use super::Layout;

/// The whole table of contents.
pub(super) fn write_toc(
    out: &mut impl Write,
    entries: &[ArtifactEntry],
    layout: &Layout,
    format: u32,
) -> io::Result<()> {
    out.write_all(b"{\"entries\":")?;
    write_list(out, entries, Some(layout))?;
    write!(out, ",\"format\":{format},\"layers\":[")?;
    for (at, size) in layout.layers().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(out, "{comma}{size}")?;
    }
    out.write_all(b"]}")
}

/// The entries alone, without their places.
pub(super) fn write_entries(out: &mut impl Write, entries: &[ArtifactEntry]) -> io::Result<()> {
    write_list(out, entries, None)
}

fn write_list(out: &mut impl Write, entries: &[ArtifactEntry], layout: Option<&Layout>) -> io::Result<()> {
    out.write_all(b"[")?;
    let mut line = Vec::with_capacity(512);
    for (index, entry) in entries.iter().enumerate() {
        line.clear();
        if index > 0 {
            line.push(b',');
        }
        write_entry(&mut line, entry, layout.map(|layout| layout.place(index)));
        out.write_all(&line)?;
    }
    out.write_all(b"]")
}

fn write_entry(line: &mut Vec<u8>, entry: &ArtifactEntry, place: Option<(usize, u64)>) {
    match &entry.kind {
        EntryKind::Directory => {
            line.extend(b"{\"kind\":\"directory\",\"path\":");
            text(line, &entry.path);
        }
        EntryKind::Symlink { target } => {
            line.extend(b"{\"kind\":\"symlink\",\"path\":");
            text(line, &entry.path);
            line.extend(b",\"target\":");
            text(line, target);
        }
        EntryKind::File {
            size,
            digest,
            executable,
        } => {
            line.extend(b"{\"digest\":\"sha256:");
            hex(line, digest);
            line.extend(b"\",\"executable\":");
            line.extend(executable.to_string().as_bytes());
            line.extend(b",\"kind\":\"file\"");
            if let Some((layer, offset)) = place {
                // The table of contents is layer 0 of the manifest.
                line.extend(b",\"layer\":");
                number(line, layer as u64 + 1);
                line.extend(b",\"offset\":");
                number(line, offset);
            }
            line.extend(b",\"path\":");
            text(line, &entry.path);
            line.extend(b",\"size\":");
            number(line, *size);
        }
    }
    line.push(b'}');
}

fn number(line: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    line.extend(&digits[at..]);
}

fn hex(line: &mut Vec<u8>, digest: &Digest) {
    for byte in digest.as_bytes() {
        line.push(b"0123456789abcdef"[usize::from(byte >> 4)]);
        line.push(b"0123456789abcdef"[usize::from(byte & 15)]);
    }
}

/// A text without control characters, which paths and targets are.
fn text(line: &mut Vec<u8>, text: &str) {
    line.push(b'"');
    for &byte in text.as_bytes() {
        if matches!(byte, b'"' | b'\\') {
            line.push(b'\\');
        }
        line.push(byte);
    }
    line.push(b'"');
}
