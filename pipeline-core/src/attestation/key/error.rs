use std::io;
use std::path::PathBuf;

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("cannot {verb} key `{}`", path.display())]
    Io {
        /// `read` or `write`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is a file already, and a key that is overwritten is lost.
    #[error("`{}` exists already; a key is never overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Others than its owner may read the file, or write it.
    #[error("private key `{0}` is open to others than its owner (mode {mode:03o}): run `chmod 600 {0}`", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is no file, or too large for a key.
    #[error("`{}` is no key: {reason}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The text is no key.
    #[error("the text is no key: {reason}")]
    Form {
        /// Why not; never what it says.
        reason: String,
    },
}

/// The largest file that is read as a key.
pub(super) const MOST_BYTES: u64 = 16 * 1024;

impl KeyError {
    pub(super) fn io(verb: &'static str, path: &std::path::Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            verb,
            path: path.clone(),
            source,
        }
    }

    /// The same, but with the file that the text was in.
    pub(super) fn in_file(self, path: &std::path::Path) -> Self {
        match self {
            Self::Form { reason } => Self::NoKey {
                path: path.to_owned(),
                reason,
            },
            other => other,
        }
    }

    /// What is wrong with a text that is not PEM with this label, or not a key of ours.
    pub(super) fn form(text: &str, expected: &str) -> Self {
        let label = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"));
        let reason = match label {
            None => format!("expected PEM that begins with `-----BEGIN {expected}-----`"),
            Some(label) if label == expected => {
                "it is damaged, or its algorithm is neither ed25519 nor ECDSA over P-256".to_owned()
            }
            Some("ENCRYPTED PRIVATE KEY") => {
                "it is encrypted; decrypt it where it is used, with `openssl pkey`".to_owned()
            }
            Some(label @ ("EC PRIVATE KEY" | "EC PARAMETERS")) => {
                format!("it is `{label}`; expected PKCS#8: convert it with `openssl pkcs8 -topk8 -nocrypt`")
            }
            Some(label) => {
                let label: String = label.escape_debug().take(60).collect();
                format!("it is `{label}`; expected `{expected}`")
            }
        };
        Self::Form { reason }
    }
}
