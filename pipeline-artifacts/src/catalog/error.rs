use pipeline_core::{ArtifactName, ArtifactRef, StoreError};

use super::Mark;

/// A query that chose no artifact.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// Nothing was published under this name.
    #[error("nothing is published under the name `{name}`")]
    UnknownName {
        /// The name.
        name: ArtifactName,
    },
    /// There are others, but none fits.
    #[error("no artifact fits `{query}`{}", hint.as_deref().map(|hint| format!(": {hint}")).unwrap_or_default())]
    NoMatch {
        /// The query.
        query: String,
        /// What there is instead.
        hint: Option<String>,
    },
    /// Several fit that are not the same.
    #[error("`{query}` may be {}: name one of them", list(candidates))]
    Ambiguous {
        /// The query.
        query: String,
        /// What fits.
        candidates: Vec<ArtifactRef>,
    },
    /// Retention gave it up.
    #[error(
        "{} {} was removed: {}; publish the same content again to bring it back",
        artifact.name, artifact.version, mark.reason
    )]
    Removed {
        /// What stood there, and still does.
        artifact: ArtifactRef,
        /// Why it was removed.
        mark: Box<Mark>,
    },
    /// The catalog cannot be read.
    #[error("the catalog cannot be read")]
    Store(#[from] StoreError),
}

/// The first few, in words.
fn list(candidates: &[ArtifactRef]) -> String {
    const SHOWN: usize = 5;
    let mut shown: Vec<_> = candidates
        .iter()
        .take(SHOWN)
        .map(ArtifactRef::to_string)
        .collect();
    if candidates.len() > SHOWN {
        shown.push(format!("{} more", candidates.len() - SHOWN));
    }
    match shown.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "nothing".to_owned(),
    }
}
