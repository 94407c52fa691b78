//! Where the fixtures are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A folder of the fixtures; `None` where they are absent.
#[expect(
    clippy::disallowed_methods,
    reason = "where the fixtures are depends on the machine"
)]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let fixtures = match std::env::var_os("PIPELINE_FIXTURES") {
        Some(fixtures) => PathBuf::from(fixtures),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"),
    };
    let folder = fixtures.join(name);
    if !folder.is_dir() {
        eprintln!("SKIPPED: there is no {}; set PIPELINE_FIXTURES", folder.display());
        return None;
    }
    Some(folder)
}

/// The rows of a table, each as column and text.
pub(crate) fn table(path: &Path) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}
