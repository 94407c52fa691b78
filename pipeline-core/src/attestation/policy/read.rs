use std::path::Path;
use std::{fs, io};

use super::Policy;
use super::form::{Fault, Form};
use crate::attestation::{KeyError, PublicKey};
use crate::definition::Lines;

/// A policy that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("cannot read policy `{file}`")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The text is no policy.
    #[error("{file}:{line}:{column}: {message}")]
    Invalid {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
        /// What is wrong there.
        message: String,
        /// The key that cannot be used, if it is one.
        source: Option<KeyError>,
    },
}

/// Policies as TOML.
impl Policy {
    /// Reads a policy from a file; the files of its keys are beside it. Blocks.
    ///
    /// # Errors
    ///
    /// As [`Policy::parse`], and when the file cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, PolicyError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => {
                let folder = path.parent().unwrap_or(Path::new(""));
                Self::parse(&text, &file, |key| PublicKey::read(folder.join(key)))
            }
            Err(source) => Err(PolicyError::Read { file, source }),
        }
    }

    /// Reads a policy. What is left out and has no default is an error, and so is what is not known; a policy that says
    /// less than its author thinks would be worse than none.
    ///
    /// | key | what |
    /// |---|---|
    /// | `format` | 1 |
    /// | `threshold` | how many different keys must have signed; 1 |
    /// | `predicate-types` | the kinds of statement that there must be; SLSA provenance v1 |
    /// | `keys.NAME.file`, `keys.NAME.pem` | a public key, in a file or as it stands: one of the two |
    /// | `keys.NAME.builders` | the builders that the key may speak for; all that are accepted |
    /// | `keys.NAME.valid-from`, `.valid-until` | when the key is valid, with an offset from UTC; always |
    /// | `provenance.builders` | the builders that are trusted, by their whole id |
    /// | `provenance.build-types` | the kinds of build, by their whole URI; [`RUN_BUILD_TYPE`](crate::attestation::RUN_BUILD_TYPE). Of those and of [workflows of GitHub](https://actions.github.io/buildtypes/workflow/v1) the parameters are understood; others prove nothing, also when they are named here |
    /// | `provenance.sources` | repositories, as [patterns](super::Pattern), or `"any"` |
    /// | `provenance.refs` | branches and tags in full, as patterns, or `"any"` |
    ///
    /// ```
    /// use pipeline_core::attestation::{Policy, PublicKey};
    ///
    /// let text = r#"
    ///     format = 1
    ///
    ///     [keys.ci]
    ///     pem = """
    /// -----BEGIN PUBLIC KEY-----
    /// MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
    /// -----END PUBLIC KEY-----
    /// """
    ///
    ///     [provenance]
    ///     builders = ["https://ci.example.com/release"]
    ///     sources = ["git+https://git.example.com/shop/*"]
    ///     refs = ["refs/heads/main", "refs/tags/v*"]
    /// "#;
    /// let policy = Policy::parse(text, "policy.toml", |file| PublicKey::read(file))?;
    /// assert_eq!(policy.keys.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the text is no such policy, or a key cannot be used; the error names file, line and column.
    pub fn parse(
        text: &str,
        file: &str,
        key: impl Fn(&str) -> Result<PublicKey, KeyError>,
    ) -> Result<Self, PolicyError> {
        let form = toml::from_str(text).map_err(|error: toml::de::Error| Fault {
            at: error.span().map_or(0, |span| span.start),
            message: error.message().to_owned(),
            source: None,
        });
        form.and_then(|form: Form| form.policy(key)).map_err(|fault| {
            let (line, column) = Lines::new(text).place(fault.at);
            PolicyError::Invalid {
                file: file.to_owned(),
                line,
                column,
                message: fault.message,
                source: fault.source,
            }
        })
    }
}
