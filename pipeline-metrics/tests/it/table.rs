//! Tables of the fixtures.

use std::collections::HashMap;
use std::path::Path;

/// The rows of a table, each as column and text.
pub(crate) fn table(path: &Path) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}
