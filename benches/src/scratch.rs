//! Where files are written that are measured.

use tempfile::TempDir;

use crate::Failure;

/// A directory of its own beside the program, removed when it is dropped. The system's directory for temporary files
/// may lie in memory, where waiting for the disk costs nothing.
///
/// # Errors
///
/// When it cannot be made.
pub fn directory() -> Result<TempDir, Failure> {
    let program = std::env::current_exe()?;
    let beside = program.parent().ok_or("the program lies in no directory")?;
    Ok(tempfile::Builder::new().prefix("figures-").tempdir_in(beside)?)
}
