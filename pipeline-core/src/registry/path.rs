use std::fmt;

/// One step of a [`SettingPath`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathSegment {
    /// Into a table, by key.
    Key(String),
    /// Into an array, from 0.
    Index(usize),
}

impl From<&str> for PathSegment {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for PathSegment {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// Where a setting is: `gates[0].count`. The empty path is the settings as a whole.
///
/// ```
/// use pipeline_core::registry::SettingPath;
///
/// let path = SettingPath::root().key("gates").index(0).key("count");
/// assert_eq!(path.to_string(), "gates[0].count");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SettingPath(Vec<PathSegment>);

impl SettingPath {
    /// The settings as a whole.
    pub fn root() -> Self {
        Self::default()
    }

    /// The path to a key below this one.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.push(PathSegment::Key(key.into()));
        self
    }

    /// The path to an element below this one.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(PathSegment::Index(index));
        self
    }

    /// The path that leads here, then on along `tail`.
    #[must_use]
    pub fn join(mut self, tail: &SettingPath) -> Self {
        self.0.extend_from_slice(&tail.0);
        self
    }

    /// Its steps.
    pub fn segments(&self) -> &[PathSegment] {
        &self.0
    }

    /// Whether it is the settings as a whole.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path to what this is in, and the last step; `None` for the root.
    pub(super) fn split_last(&self) -> Option<(&PathSegment, &[PathSegment])> {
        self.0.split_last()
    }
}

impl FromIterator<PathSegment> for SettingPath {
    fn from_iter<I: IntoIterator<Item = PathSegment>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

impl fmt::Display for SettingPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                PathSegment::Key(key) if at == 0 => f.write_str(key)?,
                PathSegment::Key(key) => write!(f, ".{key}")?,
                PathSegment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
