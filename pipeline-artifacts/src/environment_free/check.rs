use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use aho_corasick::AhoCorasick;
use pipeline_core::{Configuration, ConfigurationValue, EntryKind, EnvironmentName, Secret, StoreError};

use super::findings::MOST;
use super::scanner::Scanner;
use super::{Finding, Findings, FoundIn, WhoseValue};
use crate::StoredArtifact;

/// Shorter values are not looked for: `true`, `80` and `eu` are in every program.
pub const DEFAULT_MIN_LENGTH: usize = 8;

/// Stands for a secret.
const MASK: &str = pipeline_core::Masker::MASK;

/// Looks for values of environments' configurations in an artifact. An artifact that holds one was built for that
/// environment, or gives away what only that environment should know.
///
/// Looked for are texts, numbers and truth values as they stand in a configuration, byte for byte: in the bytes of files,
/// in paths and in targets of links. What is encoded, compressed or put together at run time is not found. Left out are
///
/// - values shorter than the [minimum](Self::min_length),
/// - values that are [allowed](Self::allow),
/// - values that all of several environments share, since they tell none from another; but never secrets.
///
/// ```
/// use pipeline_artifacts::{EnvironmentFree, LocalStore, Packer};
/// use pipeline_core::Configuration;
///
/// # let dir = tempfile::tempdir()?;
/// # let tree = dir.path().join("dist");
/// # std::fs::create_dir(&tree)?;
/// let staging = Configuration::parse("staging".parse()?, "host = \"staging.example.com\"", "staging.toml")?;
/// std::fs::write(tree.join("app.conf"), "threads = 4\nhost = staging.example.com\n")?;
/// # let store = LocalStore::open(dir.path().join("store"))?;
/// # let digest = Packer::new(&tree).pack(&store)?.digest;
/// # let shop = store.publish(&"shop".parse()?, &"1.4.0".parse()?, &digest)?;
///
/// let check = EnvironmentFree::new().configuration(&staging);
/// let found = check.check(&store.artifact(&shop)?)?;
/// assert!(!found.is_free());
/// assert!(found.to_string().contains("app.conf:2 (byte 19): `host` of `staging`"), "{found}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct EnvironmentFree {
    min_length: Option<usize>,
    allowed: BTreeSet<String>,
    environments: BTreeSet<EnvironmentName>,
    values: BTreeMap<String, BTreeSet<WhoseValue>>,
}

impl std::fmt::Debug for EnvironmentFree {
    /// Without the values: some are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnvironmentFree")
            .field("environments", &self.environments)
            .field("values", &self.values.len())
            .finish_non_exhaustive()
    }
}

impl EnvironmentFree {
    /// A check that looks for nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks for values of at least so many bytes; [`DEFAULT_MIN_LENGTH`] where nothing is said.
    #[must_use]
    pub fn min_length(mut self, bytes: usize) -> Self {
        self.min_length = Some(bytes);
        self
    }

    /// Does not look for some values.
    #[must_use]
    pub fn allow<T: Into<String>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.allowed.extend(values.into_iter().map(Into::into));
        self
    }

    /// Looks for the values of an environment; for those of secrets, which a configuration only refers to, by
    /// [`secret`](Self::secret).
    #[must_use]
    pub fn configuration(mut self, configuration: &Configuration) -> Self {
        let environment = &configuration.environment;
        self.environments.insert(environment.clone());
        fn walk(path: &str, value: &serde_json::Value, found: &mut Vec<(String, String)>) {
            use serde_json::Value;
            match value {
                Value::String(text) => found.push((path.to_owned(), text.clone())),
                Value::Number(number) => found.push((path.to_owned(), number.to_string())),
                Value::Bool(truth) => found.push((path.to_owned(), truth.to_string())),
                Value::Array(list) => {
                    for (index, value) in list.iter().enumerate() {
                        walk(&format!("{path}[{index}]"), value, found);
                    }
                }
                Value::Object(table) => {
                    for (key, value) in table {
                        let path = if path.is_empty() {
                            key.clone()
                        } else {
                            format!("{path}.{key}")
                        };
                        walk(&path, value, found);
                    }
                }
                Value::Null => {}
            }
        }
        let mut found = Vec::new();
        for (key, value) in &configuration.values {
            walk(key, value, &mut found);
        }
        for (key, text) in found {
            // A reference to a secret is no value of it.
            let table = key.strip_suffix(".secret").unwrap_or_default();
            if matches!(configuration.get(table), Some(ConfigurationValue::Secret(_))) {
                continue;
            }
            self.add(environment, key, text, false);
        }
        self
    }

    /// Looks for a secret of an environment. Its value is in no report.
    #[must_use]
    pub fn secret(mut self, environment: &EnvironmentName, key: impl Into<String>, secret: &Secret) -> Self {
        self.environments.insert(environment.clone());
        self.add(environment, key.into(), secret.expose().to_owned(), true);
        self
    }

    fn add(&mut self, environment: &EnvironmentName, key: String, text: String, secret: bool) {
        let whose = WhoseValue {
            environment: environment.clone(),
            key,
            secret,
        };
        self.values.entry(text).or_default().insert(whose);
    }

    /// The values to look for, with whose they are.
    fn wanted(&self) -> Vec<(&str, Vec<WhoseValue>)> {
        let least = self.min_length.unwrap_or(DEFAULT_MIN_LENGTH);
        let long = |text: &str| text.len() >= least && !text.is_empty();
        let shared = |whose: &BTreeSet<WhoseValue>| {
            let having: BTreeSet<_> = whose.iter().map(|whose| &whose.environment).collect();
            self.environments.len() > 1
                && having.len() == self.environments.len()
                && whose.iter().all(|whose| !whose.secret)
        };
        let values = self.values.iter();
        values
            .filter(|(text, whose)| long(text) && !self.allowed.contains(*text) && !shared(whose))
            .map(|(text, whose)| (text.as_str(), whose.iter().cloned().collect()))
            .collect()
    }

    /// Looks through an artifact: reads every file once, in pieces, verified.
    ///
    /// # Errors
    ///
    /// When the minimum length is 0, the values are too many to look for, or the artifact cannot be read, or has more than
    /// the [limits](crate::Limits) of its store allow.
    pub fn check(&self, artifact: &StoredArtifact) -> Result<Findings, StoreError> {
        let useless = |reason| StoreError::Refused {
            what: "the check for values of environments".to_owned(),
            reason,
        };
        if self.min_length == Some(0) {
            return Err(useless(
                "a minimum length of 0 finds every value everywhere".to_owned(),
            ));
        }
        let wanted = self.wanted();
        let mut findings = Findings {
            artifact: artifact.reference().clone(),
            values: wanted.len(),
            found: Vec::new(),
            total: 0,
        };
        if wanted.is_empty() {
            return Ok(findings);
        }
        let automaton = AhoCorasick::new(wanted.iter().map(|(text, _)| text))
            .map_err(|error| useless(format!("its values are too many: {error}")))?;
        // A path may hold one, and is shown.
        let is_secret = |(text, whose): &(&'_ str, Vec<WhoseValue>)| {
            whose.iter().any(|whose| whose.secret).then(|| text.to_string())
        };
        let mut secrets: Vec<String> = wanted.iter().filter_map(is_secret).collect();
        // The longest first: one may begin with another, and then what is left of it would be shown.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let mut note = |path: &str, place, times, value: usize| {
            findings.total += 1;
            if findings.found.len() < MOST {
                let path = secrets
                    .iter()
                    .fold(path.to_owned(), |path, secret| path.replace(secret, MASK));
                let of = wanted[value].1.clone();
                findings.found.push(Finding {
                    path,
                    place,
                    times,
                    of,
                });
            }
        };
        artifact.check_limits()?;
        let mut reader = artifact.reader();
        for index in 0..artifact.entries().len() {
            let placed = reader.entry(index)?;
            let entry = &placed.entry;
            let path = &entry.path;
            let mut texts = vec![(path, FoundIn::Path)];
            if let EntryKind::Symlink { target } = &entry.kind {
                texts.push((target, FoundIn::Target));
            }
            for (text, place) in texts {
                let mut scanner = Scanner::new(&automaton);
                // It takes everything.
                let _ = scanner.write_all(text.as_bytes());
                for (value, found) in scanner.finish() {
                    note(path, place, found.times, value);
                }
            }
            if matches!(entry.kind, EntryKind::File { .. }) {
                let mut scanner = Scanner::new(&automaton);
                reader.content(&placed, |bytes| {
                    // It takes everything.
                    let _ = scanner.write_all(bytes);
                    Ok(())
                })?;
                let mut found: Vec<_> = scanner.finish().into_iter().collect();
                found.sort_by_key(|(value, found)| (found.offset, *value));
                for (value, found) in found {
                    let (offset, line) = (found.offset, found.line);
                    note(path, FoundIn::File { offset, line }, found.times, value);
                }
            }
        }
        Ok(findings)
    }
}
