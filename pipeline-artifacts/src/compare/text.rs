use std::fmt;

use pipeline_core::EntryKind;

use super::{Change, ChangeKind, Comparison};

impl fmt::Display for Comparison {
    /// Lines for people: one for each path that differs, then how many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} -> {}", self.before, self.after)?;
        for change in &self.changes {
            writeln!(f, "  {change}")?;
        }
        if self.is_same() {
            return write!(f, "no difference in {} paths", self.same);
        }
        let counts = [
            (ChangeKind::Added, "added"),
            (ChangeKind::Removed, "removed"),
            (ChangeKind::Changed, "changed"),
            (ChangeKind::Mode, "with another mode"),
            (ChangeKind::Kind, "of another kind"),
        ];
        let counts = counts.into_iter().map(|(kind, word)| (self.count(kind), word));
        let counts: Vec<_> = counts
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let (before, after) = self.bytes();
        write!(
            f,
            "{}, {} the same; {} -> {} in what differs",
            counts.join(", "),
            self.same,
            bytes(before),
            bytes(after)
        )
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.change {
            ChangeKind::Added => '+',
            ChangeKind::Removed => '-',
            ChangeKind::Changed => '~',
            ChangeKind::Mode => 'm',
            ChangeKind::Kind => '!',
        };
        write!(f, "{mark} {}  ", self.path)?;
        match (&self.before, &self.after) {
            (Some(before), Some(after)) if self.change != ChangeKind::Mode => {
                write!(f, "{} -> {}", what(before), what(after))?;
            }
            (Some(side), None) | (None, Some(side)) => write!(f, "{}", what(side))?,
            _ => {}
        }
        if let Some((before, after)) = self.mode() {
            let space = if self.change == ChangeKind::Mode { "" } else { ", " };
            write!(f, "{space}mode {} -> {}", mode(before), mode(after))?;
        }
        Ok(())
    }
}

/// What is at a path, in few words.
fn what(kind: &EntryKind) -> String {
    match kind {
        EntryKind::File { size, .. } => bytes(*size),
        EntryKind::Directory => "directory".to_owned(),
        EntryKind::Symlink { target } => format!("link to {target}"),
    }
}

fn mode(executable: bool) -> &'static str {
    if executable { "755" } else { "644" }
}

/// A number of bytes for people, in binary units.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let (mut value, mut unit) = (count as f64 / 1024.0, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_have_units() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (5 << 20, "5.0 MiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
