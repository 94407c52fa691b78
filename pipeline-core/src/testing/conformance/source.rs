//! The suite for sources.

use std::fmt::{self, Debug};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::Report;
use crate::{Source, SourcePath};

mod p {
    use crate::testing::conformance::promises::promises;

    promises! {
        READS = "reads": "a file is read byte for byte, below the root if there is one";
        NAMES_THE_MISSING = "names-the-missing": "a path that is not there is an error that names it, for reading and for the digest";
        DIGESTS_EQUALLY = "digests-equally": "while nothing changes, paths have one digest";
        DIGESTS_DIFFERENTLY = "digests-differently": "different paths have different digests";
        SEES_CHANGES = "sees-changes": "when bytes change, so does the digest of what they are below";
    }
}

type Change = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A source for the suite, and what is known of it.
pub struct SourceWorld {
    source: Arc<dyn Source>,
    files: Vec<(SourcePath, Vec<u8>)>,
    missing: SourcePath,
    change: Option<Change>,
}

impl SourceWorld {
    /// A source, two of its files or more with their bytes, all different, and a path that it does not have.
    pub fn new(source: impl Source, files: Vec<(SourcePath, Vec<u8>)>, missing: SourcePath) -> Self {
        Self {
            source: Arc::new(source),
            files,
            missing,
            change: None,
        }
    }

    /// How the bytes of the first file are changed.
    #[must_use]
    pub fn change<F, Fut>(mut self, change: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.change = Some(Arc::new(move || Box::pin(change())));
        self
    }
}

impl Debug for SourceWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceWorld")
            .field("source", &self.source)
            .field("missing", &self.missing)
            .field("change", &self.change.is_some())
            .finish_non_exhaustive()
    }
}

/// Checks a source against the contract of [`Source`].
pub async fn source(world: SourceWorld) -> Report {
    let mut report = Report::new("source", p::ALL);
    let source = &*world.source;
    for (path, bytes) in &world.files {
        let found = match source.read(path).await {
            Ok(read) if read == *bytes => Ok(()),
            Ok(read) => Err(format!("`{path}` has {} bytes, and they are others", read.len())),
            Err(error) => Err(error.to_string()),
        };
        report.check(p::READS, found);
        if let Some(root) = source.root() {
            let found = match std::fs::read(path.below(root)) {
                Ok(read) if read == *bytes => Ok(()),
                _ => Err(format!("`{path}` is not below the root")),
            };
            report.check(p::READS, found);
        }
    }
    let missing = &world.missing;
    let read = source.read(missing).await.map(|_| ());
    let digest = source.digest(std::slice::from_ref(missing)).await.map(|_| ());
    for (result, what) in [(read, "reading it"), (digest, "its digest")] {
        let found = match result {
            Ok(()) => Err(format!("`{missing}` is not there, and {what} is no error")),
            Err(error) if error.to_string().contains(missing.as_str()) => Ok(()),
            Err(error) => Err(format!("{what}: the error is `{error}`")),
        };
        report.check(p::NAMES_THE_MISSING, found);
    }
    let mut digests = Vec::new();
    for (path, _) in &world.files {
        let paths = std::slice::from_ref(path);
        match (source.digest(paths).await, source.digest(paths).await) {
            (Ok(first), Ok(second)) => {
                let found = (first == second)
                    .then_some(())
                    .ok_or_else(|| format!("`{path}` has two digests"));
                report.check(p::DIGESTS_EQUALLY, found);
                let found = (!digests.contains(&first))
                    .then_some(())
                    .ok_or_else(|| format!("`{path}` has the digest of another file"));
                report.check(p::DIGESTS_DIFFERENTLY, found);
                digests.push(first);
            }
            (Err(error), _) | (_, Err(error)) => report.check(p::DIGESTS_EQUALLY, Err(error.to_string())),
        }
    }
    let Some(change) = &world.change else {
        report.not_tried(
            &[p::SEES_CHANGES],
            "nobody says how bytes change: `SourceWorld::change`",
        );
        return report;
    };
    let Some((path, _)) = world.files.first() else {
        report.stop("the world names no file");
        return report;
    };
    let both = [vec![path.clone()], vec![SourcePath::root()]];
    let mut before = Vec::new();
    for paths in &both {
        before.push(source.digest(paths).await.ok());
    }
    change().await;
    for (paths, before) in both.iter().zip(before) {
        let found = match source.digest(paths).await.ok() {
            after if after != before => Ok(()),
            _ => Err(format!("`{}` has the digest that it had before", paths[0])),
        };
        report.check(p::SEES_CHANGES, found);
    }
    report
}
