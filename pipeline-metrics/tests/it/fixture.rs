//! Where the fixtures are.

use std::path::PathBuf;

/// A folder of the fixtures about delivery; `None` where it is absent.
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
    let folder = fixtures.join("dora").join(name);
    if !folder.is_dir() {
        eprintln!("SKIPPED: there is no {}; set PIPELINE_FIXTURES", folder.display());
        return None;
    }
    Some(folder)
}
