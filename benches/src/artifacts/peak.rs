//! What a process does whose memory is measured.

use std::path::Path;
use std::process::Command;

use pipeline_artifacts::LocalStore;

use super::ours;
use crate::{Failure, ensure, memory};

/// The word that makes the program run [`child`] and nothing else.
pub const CHILD: &str = "--artifact-in-a-process-of-its-own";

/// Packs a tree into a store, verifies it and unpacks it, or one of these; prints the most memory that it ever had.
///
/// # Errors
///
/// When that fails.
pub fn child(arguments: &[String]) -> Result<(), Failure> {
    let [what, store, tree, out] = arguments else {
        return Err("WHAT STORE TREE OUT".into());
    };
    let store = LocalStore::open(store)?;
    match &**what {
        "pack" => drop(ours::ingest(&store, Path::new(tree), 0)?),
        "verify" => ensure(store.verify()?.is_good(), "the store is damaged")?,
        "materialise" => {
            let artifact = store.find(&"measured".parse()?, &semver::Version::new(1, 0, 0))?;
            store
                .artifact(&artifact.ok_or("nothing was packed")?)?
                .write_to(Path::new(out))?;
        }
        _ => return Err(format!("what is `{what}`?").into()),
    }
    match memory::peak() {
        Some(peak) => println!("{peak}"),
        None => println!("unknown"),
    }
    Ok(())
}

/// Does that in a process of its own; the most memory that it ever had, in bytes, where the system says so.
pub(super) fn of(what: &str, store: &Path, tree: &Path, out: &Path) -> Result<Option<u64>, Failure> {
    let output = Command::new(std::env::current_exe()?)
        .args([CHILD, what])
        .args([store, tree, out])
        .output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure(
        output.status.success(),
        &format!("the child: {}: {error}", output.status),
    )?;
    Ok(String::from_utf8(output.stdout)?.trim().parse().ok())
}
