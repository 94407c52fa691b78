use std::fmt;
use std::str::FromStr;

use pipeline_core::{DigestBuilder, RunId, StageName, StreamId, StreamIdError, StreamKind};
use serde::{Deserialize, Serialize};

/// Identifies a change, and so its stream `change/ID`.
///
/// It is derived from the run and the stage, so whoever follows a run finds the same record.
///
/// ```
/// use pipeline_change::ChangeId;
/// use pipeline_core::{RunId, StageName};
///
/// let id = ChangeId::of(&RunId::new("20261120-230145-1f3a9c")?, &StageName::new("deploy-production")?);
/// assert_eq!(id.as_str(), "20261120-230145-1f3a9c.deploy-production");
/// assert_eq!(id.stream().as_str(), "change/20261120-230145-1f3a9c.deploy-production");
/// # Ok::<(), pipeline_core::name::NameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChangeId(StreamId);

/// The longest name, after `run.` comes a digest of 20 digits.
const RUN_PART: usize = pipeline_core::name::MAX_NAME_LEN - 1 - DIGEST_PART;
const DIGEST_PART: usize = 20;

impl ChangeId {
    /// The change of a stage of a run: `RUN.STAGE`.
    ///
    /// When that would be longer than a name may be, or the run's name has a dot and so leaves open where
    /// the stage begins, the stage is replaced by the first 80 bits of a digest of both.
    #[expect(
        clippy::expect_used,
        reason = "two names, a dot and hexadecimal digits, cut to the length of a name, are a name"
    )]
    pub fn of(run: &RunId, stage: &StageName) -> Self {
        let plain = format!("{run}.{stage}");
        let fits = plain.len() <= pipeline_core::name::MAX_NAME_LEN && !run.as_str().contains('.');
        let name = if fits {
            plain
        } else {
            let mut digest = DigestBuilder::new();
            digest.field(run.as_str());
            digest.field(stage.as_str());
            let digits: String = digest.finish().hex().chars().take(DIGEST_PART).collect();
            let run: String = run.as_str().chars().take(RUN_PART).collect();
            format!("{run}.{digits}")
        };
        Self(StreamId::new(&StreamKind::CHANGE, &name).expect("a name"))
    }

    /// The change that a stream is about; `None` when it is another kind of stream.
    pub fn of_stream(stream: &StreamId) -> Option<Self> {
        stream.is(&StreamKind::CHANGE).then(|| Self(stream.clone()))
    }

    /// The stream of the change.
    pub fn stream(&self) -> &StreamId {
        &self.0
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.name()
    }
}

impl FromStr for ChangeId {
    type Err = StreamIdError;

    fn from_str(text: &str) -> Result<Self, StreamIdError> {
        StreamId::new(&StreamKind::CHANGE, text).map(Self)
    }
}

impl TryFrom<String> for ChangeId {
    type Error = StreamIdError;

    fn try_from(text: String) -> Result<Self, StreamIdError> {
        text.parse()
    }
}

impl From<ChangeId> for String {
    fn from(id: ChangeId) -> String {
        id.as_str().to_owned()
    }
}

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChangeId({})", self.as_str())
    }
}
