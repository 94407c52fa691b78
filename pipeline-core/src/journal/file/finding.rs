use std::fmt;
use std::path::PathBuf;

/// Something that is not as it should be in the files of a journal.
///
/// Displayed as `path:line: what`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of thing it is.
    pub kind: FindingKind,
    /// The file.
    pub path: PathBuf,
    /// The line, from 1, if it is about one. A changed envelope is found at the line that closes its commit, or
    /// at the next event of its stream.
    pub line: Option<u64>,
    /// What is wrong.
    pub what: String,
    /// What can be done about it.
    pub hint: Option<&'static str>,
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FindingKind {
    /// A file could not be read.
    Unreadable,
    /// A line is not what was written.
    Damaged,
    /// The last commit is not finished: a writer stopped, or is at work now.
    Unfinished,
    /// A payload was erased and no event records that.
    UnrecordedErasure,
    /// An event records an erasure, but the payload is still there.
    UnfinishedErasure,
    /// The journal, or a stream, is shorter than it was at the checkpoint.
    Shortened,
    /// A stream of the checkpoint is gone.
    StreamMissing,
    /// The journal is good in itself, but another one than at the checkpoint.
    Rewritten,
    /// The journal is good, but the index beside it, which opening would take, says something else.
    IndexDiffers,
    /// The checkpoint has a form that this program does not know.
    UnknownCheckpoint,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.what)
    }
}

/// What a journal's files hold, and everything that is wrong with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// How many events were read.
    pub events: u64,
    /// How many commits were read.
    pub commits: u64,
    /// How many streams have events.
    pub streams: u64,
    /// What is wrong, in the order of the lines; then what differs from the checkpoint.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
            if let Some(hint) = finding.hint {
                writeln!(f, "  hint: {hint}")?;
            }
        }
        let Self {
            events,
            commits,
            streams,
            findings,
        } = self;
        write!(f, "{events} events in {commits} commits and {streams} streams: ")?;
        match findings.len() {
            0 => f.write_str("nothing is wrong"),
            1 => f.write_str("1 finding"),
            count => write!(f, "{count} findings"),
        }
    }
}
