use std::fs;
use std::io;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::PackError;
use super::scan::unreadable;

/// What the ignore file is called, at the top of a tree.
pub(super) const IGNORE_FILE: &str = ".artifactignore";

/// Reads the ignore file of a tree; one that is not there ignores nothing.
pub(super) fn read(tree: &Path) -> Result<Gitignore, PackError> {
    let path = tree.join(IGNORE_FILE);
    let text = match fs::symlink_metadata(&path) {
        // A tree that is no directory is refused later.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Gitignore::empty());
        }
        Err(error) => return Err(unreadable(&path, error)),
        Ok(found) if !found.is_file() => {
            return Err(wrong(0, "it is not a file; remove it".to_owned()));
        }
        Ok(_) => fs::read(&path).map_err(|error| unreadable(&path, error))?,
    };
    let text = std::str::from_utf8(&text);
    let text = text.map_err(|_| wrong(0, "it is not UTF-8; write it in UTF-8".to_owned()))?;
    // Paths are given below the tree, wherever the tree is.
    let mut builder = GitignoreBuilder::new("");
    for (line, number) in text.trim_start_matches('\u{feff}').lines().zip(1..) {
        let added = builder.add_line(None, line);
        added.map_err(|error| wrong(number, error.to_string()))?;
    }
    builder.build().map_err(|error| wrong(0, error.to_string()))
}

fn wrong(line: usize, reason: String) -> PackError {
    PackError::IgnoreFile { line, reason }
}
