use std::collections::VecDeque;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a line of output comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// The stage says it itself.
    Note,
    /// A program's standard output.
    Stdout,
    /// A program's standard error.
    Stderr,
}

impl Channel {
    fn prefix(self) -> char {
        match self {
            Self::Note => '#',
            Self::Stdout => ' ',
            Self::Stderr => '!',
        }
    }
}

/// The output of one attempt, kept up to a bound: the first half and the last half, and how much is missing
/// between them.
#[derive(Debug, Clone)]
pub struct OutputLog {
    head: String,
    tail: VecDeque<String>,
    tail_len: usize,
    half: usize,
    dropped: u64,
}

impl OutputLog {
    /// How many bytes an attempt's output may have unless a host says otherwise: 256 KiB.
    pub const DEFAULT_LIMIT: usize = 256 * 1024;

    /// A log that keeps at most about this many bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            head: String::new(),
            tail: VecDeque::new(),
            tail_len: 0,
            half: limit / 2,
            dropped: 0,
        }
    }

    /// Adds a line; what is longer than half the bound is cut.
    pub fn push(&mut self, channel: Channel, line: &str) {
        let mut text = String::with_capacity(line.len().min(self.half) + 2);
        text.push(channel.prefix());
        let room = self.half.saturating_sub(2);
        let mut end = line.len().min(room);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        self.dropped += (line.len() - end) as u64;
        text.push_str(&line[..end]);
        text.push('\n');
        if self.tail.is_empty() && self.head.len() + text.len() <= self.half {
            self.head.push_str(&text);
            return;
        }
        self.tail_len += text.len();
        self.tail.push_back(text);
        while self.tail_len > self.half {
            let Some(first) = self.tail.pop_front() else { break };
            self.tail_len -= first.len();
            self.dropped += first.len() as u64;
        }
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }
}

impl Default for OutputLog {
    fn default() -> Self {
        Self::new(Self::DEFAULT_LIMIT)
    }
}

impl fmt::Display for OutputLog {
    /// One line each, after a sign that tells its channel: `#` the stage, a space standard output, `!` standard
    /// error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head)?;
        if self.dropped > 0 {
            writeln!(f, "# … {} bytes of output left out …", self.dropped)?;
        }
        self.tail.iter().try_for_each(|line| f.write_str(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_output_is_kept_whole() {
        let mut log = OutputLog::new(100);
        log.push(Channel::Stdout, "one");
        log.push(Channel::Stderr, "two");
        assert_eq!(log.to_string(), " one\n!two\n");
    }

    #[test]
    fn long_output_keeps_its_ends() {
        let mut log = OutputLog::new(100);
        for i in 0..1000 {
            log.push(Channel::Stdout, &format!("line {i}"));
        }
        let text = log.to_string();
        assert!(text.len() < 160, "{}", text.len());
        assert!(text.starts_with(" line 0\n") && text.ends_with(" line 999\n"));
        assert!(text.contains("bytes of output left out"));
    }

    #[test]
    fn one_endless_line_is_cut_between_characters() {
        let mut log = OutputLog::new(11);
        log.push(Channel::Note, &"ä".repeat(1_000));
        assert!(log.to_string().starts_with("#ä\n"));
    }
}
