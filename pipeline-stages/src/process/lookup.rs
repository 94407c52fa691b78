use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::ProgramError;

/// The file behind the name of a program: a name without `/` is looked for in `path`, any other is taken
/// from the directory that the program runs in.
pub(super) async fn find(program: &str, path: &OsStr, directory: &Path) -> Result<PathBuf, ProgramError> {
    if program.contains('/') {
        let file = directory.join(program);
        return match is_executable(&file).await {
            true => Ok(file),
            false => Err(ProgramError::NotFound {
                program: program.to_owned(),
                searched: file.display().to_string(),
            }),
        };
    }
    for entry in std::env::split_paths(path).filter(|entry| entry.is_absolute()) {
        let file = entry.join(program);
        if is_executable(&file).await {
            return Ok(file);
        }
    }
    Err(ProgramError::NotFound {
        program: program.to_owned(),
        searched: path.to_string_lossy().into_owned(),
    })
}

async fn is_executable(file: &Path) -> bool {
    let Ok(metadata) = tokio::fs::metadata(file).await else {
        return false;
    };
    #[cfg(unix)]
    let may = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let may = true;
    metadata.is_file() && may
}
