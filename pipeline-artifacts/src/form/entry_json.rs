//! The entries of a table of contents as canonical JSON (RFC 8785), there and back. By hand, because there are many, and
//! each is read again whenever it is needed.

use pipeline_core::{ArtifactEntry, Digest, EntryKind};

use crate::limits;

/// No entry is written with more bytes: every byte of a path and of a target may have a `\` before it, and the rest has less
/// than 256.
pub(super) const MAX_ENTRY: usize = 2 * (limits::MAX_PATH + limits::MAX_TARGET) + 256;

/// An entry, and for a file where its content begins: a layer, counted from 0, and an offset in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Placed {
    pub(crate) entry: ArtifactEntry,
    pub(crate) place: Option<(usize, u64)>,
}

/// Writes an entry, with the place of a file where there is one.
pub(super) fn write_entry(line: &mut Vec<u8>, entry: &ArtifactEntry, place: Option<(usize, u64)>) {
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

/// Reads the entry that some bytes begin with, and tells how many bytes it has. Only what [`write_entry`] writes is taken: so
/// an entry has one spelling, and no field that we do not know.
pub(super) fn read_entry(bytes: &[u8]) -> Result<(Placed, usize), String> {
    let mut json = Json { bytes, at: 0 };
    let mut place = None;
    let path = |json: &mut Json<'_>| json.text("path", limits::MAX_PATH);
    let entry = if json.rest().starts_with(b"{\"digest\":\"sha256:") {
        json.expect("{\"digest\":\"")?;
        let digest = json.digest()?;
        json.expect("\",\"executable\":")?;
        let executable = json.skip("true");
        if !executable {
            json.expect("false")?;
        }
        json.expect(",\"kind\":\"file\",\"layer\":")?;
        let layer = json.number()?;
        json.expect(",\"offset\":")?;
        let offset = json.number()?;
        json.expect(",\"path\":")?;
        let path = path(&mut json)?;
        json.expect(",\"size\":")?;
        let size = json.number()?;
        // The table of contents is layer 0 of the manifest.
        let layer = usize::try_from(layer).ok().and_then(|layer| layer.checked_sub(1));
        let layer = layer.ok_or_else(|| format!("{path:?} lies in no layer of the tar"))?;
        place = Some((layer, offset));
        let kind = EntryKind::File {
            size,
            digest,
            executable,
        };
        ArtifactEntry { path, kind }
    } else if json.skip("{\"kind\":\"directory\",\"path\":") {
        let kind = EntryKind::Directory;
        ArtifactEntry {
            path: path(&mut json)?,
            kind,
        }
    } else if json.skip("{\"kind\":\"symlink\",\"path\":") {
        let path = path(&mut json)?;
        json.expect(",\"target\":")?;
        let target = json.text("target", limits::MAX_TARGET)?;
        let kind = EntryKind::Symlink { target };
        ArtifactEntry { path, kind }
    } else {
        return Err(json.unexpected("a file, a directory or a link, as they are written here"));
    };
    json.expect("}")?;
    Ok((Placed { entry, place }, json.at))
}

/// Bytes of JSON, read from the front.
pub(super) struct Json<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl Json<'_> {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// Goes past a text, if it comes next.
    pub(super) fn skip(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text.as_bytes());
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// Goes past a text that must come next.
    pub(super) fn expect(&mut self, text: &str) -> Result<(), String> {
        match self.skip(text) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("`{text}`"))),
        }
    }

    fn unexpected(&self, what: &str) -> String {
        let found = self.rest();
        let found = String::from_utf8_lossy(&found[..found.len().min(40)]);
        let found: String = found.chars().filter(|found| !found.is_control()).collect();
        match found.is_empty() {
            true => format!("expected {what}, found the end"),
            false => format!("expected {what}, found `{found}`"),
        }
    }

    /// A whole number.
    pub(super) fn number(&mut self) -> Result<u64, String> {
        let rest = self.rest();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = &rest[..digits];
        let number = digits.iter().try_fold(0_u64, |number, digit| {
            number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        });
        let length = digits.len();
        match number {
            Some(number) if length == 1 || digits.first().is_some_and(|first| *first != b'0') => {
                self.at += length;
                Ok(number)
            }
            _ => Err(self.unexpected("a whole number")),
        }
    }

    fn digest(&mut self) -> Result<Digest, String> {
        const LEN: usize = "sha256:".len() + 64;
        let text = self
            .rest()
            .get(..LEN)
            .and_then(|text| std::str::from_utf8(text).ok());
        let digest = text.and_then(|text| text.parse().ok());
        let digest = digest.ok_or("expected a digest: `sha256:` and 64 lower-case hexadecimal digits")?;
        self.at += LEN;
        Ok(digest)
    }

    /// A text of a path or target. Only `"` and `\` are written with a `\` before them; what else JSON escapes is a control
    /// character.
    fn text(&mut self, what: &str, most: usize) -> Result<String, String> {
        self.expect("\"")?;
        let mut text = Vec::new();
        loop {
            let rest = &self.bytes[self.at..];
            let plain = rest
                .iter()
                .take_while(|byte| !matches!(byte, b'"' | b'\\'))
                .count();
            if text.len() + plain > most {
                return Err(format!("a {what} is longer than {most} bytes"));
            }
            text.extend(&rest[..plain]);
            self.at += plain + 1;
            match (rest.get(plain), rest.get(plain + 1)) {
                (Some(b'"'), _) => {
                    let text = String::from_utf8(text);
                    return text.map_err(|_| format!("a {what} is not UTF-8"));
                }
                (Some(_), Some(escaped @ (b'"' | b'\\'))) => text.push(*escaped),
                (Some(_), Some(_)) => return Err(format!("a {what} holds a control character")),
                _ => return Err("it ends too early".to_owned()),
            }
            self.at += 1;
        }
    }
}
