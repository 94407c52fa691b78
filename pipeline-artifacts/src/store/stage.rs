use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use pipeline_core::StoreError;
use rustix::fs::{Mode, OFlags, open};
use tempfile::{Builder, TempDir};

use super::Locked;
use super::disk::{failed, is_same};

/// A directory for what is not complete, beside the place where it is to be. Its writer has it locked: one that nobody has
/// locked was left by somebody who died, and whoever makes the next one beside it removes it. No clock is asked.
#[derive(Debug)]
pub(super) struct Stage {
    // Dropped, and so removed, before it is unlocked.
    dir: TempDir,
    _held: Option<Locked>,
}

const PREFIX: &str = ".artifact-";
const DIGITS: usize = 16;
/// Nobody calls a directory of his own so.
const UNFINISHED: &str = ".unfinished";
/// Where there are no locks nobody can tell whether its writer lives, so it has a name that nobody removes.
const UNLOCKED: &str = ".unlocked";

impl Stage {
    /// Makes a new one, and removes those of writers who died.
    pub(super) fn beside(place: &Path) -> Result<Self, StoreError> {
        let above = above(place);
        clean(above);
        let new = |suffix: &str| {
            let mut builder = Builder::new();
            let dir = builder.prefix(PREFIX).rand_bytes(DIGITS).suffix(suffix);
            dir.tempdir_in(above)
                .map_err(failed("cannot create a directory in", above))
        };
        loop {
            let dir = new(UNFINISHED)?;
            let Ok(held) = File::open(dir.path()).and_then(Locked::alone) else {
                // It may be gone already, when somebody has just removed it.
                if !dir.path().exists() {
                    continue;
                }
                return Ok(Self {
                    dir: new(UNLOCKED)?,
                    _held: None,
                });
            };
            // Somebody may have locked it first and taken it for one that was left: then begin again.
            if is_same(dir.path(), &held).map_err(failed("cannot read", dir.path()))? {
                return Ok(Self {
                    dir,
                    _held: Some(held),
                });
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// To be called when the directory was moved to its place.
    pub(super) fn moved(self) {
        let _ = self.dir.keep();
    }

    /// Removes what lies there now.
    pub(super) fn close(self) -> io::Result<()> {
        match self.dir.close() {
            // Somebody took what was replaced for left over, which it is.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            closed => closed,
        }
    }
}

/// The directory that a path lies in.
pub(super) fn above(path: &Path) -> &Path {
    match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    }
}

fn is_stage(name: &OsStr) -> bool {
    let digits = name
        .to_str()
        .and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(UNFINISHED));
    digits.is_some_and(|digits| {
        digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_alphanumeric())
    })
}

/// Removes what writers who died left in a directory. What cannot be removed is left for another time.
fn clean(above: &Path) {
    let Ok(files) = fs::read_dir(above) else { return };
    for file in files.flatten().filter(|file| is_stage(&file.file_name())) {
        let path = file.path();
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(dir) = open(&path, flags, Mode::empty()) else {
            continue;
        };
        let Ok(Some(held)) = Locked::try_alone(File::from(dir)) else {
            continue;
        };
        // It may have been moved to its place meanwhile.
        if is_same(&path, &held).unwrap_or(false) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_what_dead_writers_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("live");
        let living = Stage::beside(&place).unwrap();
        fs::write(living.path().join("half"), "ha").unwrap();
        let left = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.join("etc")).unwrap();
            path
        };
        let dead = left(".artifact-0123456789abcdef.unfinished");
        let kept = [
            left(".artifact-0123456789abcdef"),
            left(".artifact-0123456789abcde.unfinished"),
            left(".artifact-0123456789abcd.f.unfinished"),
            left(".artifact-0123456789abcdef.unlocked"),
            left("artifact-0123456789abcdef.unfinished"),
        ];
        // A link and a file of such a name are nothing that a writer made.
        let link = dir.path().join(".artifact-0000000000000000.unfinished");
        symlink(&kept[0], &link).unwrap();
        let file = dir.path().join(".artifact-1111111111111111.unfinished");
        fs::write(&file, "").unwrap();

        let next = Stage::beside(&place).unwrap();
        assert!(!dead.exists());
        assert!(kept.iter().all(|path| path.join("etc").exists()));
        assert!(link.is_symlink() && file.exists());
        assert!(living.path().join("half").exists() && next.path().exists());
        // What is in its place is nobody's stage any more.
        fs::rename(living.path(), &place).unwrap();
        living.moved();
        drop(next);
        Stage::beside(&place).unwrap();
        assert!(place.join("half").exists());
        let names = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(
            names,
            kept.len() + 3,
            "the link, the file, and what is in its place"
        );
    }

    /// What was replaced lies in the place of a stage, and may be taken for one that was left.
    #[test]
    fn a_stage_that_is_gone_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let stage = Stage::beside(&dir.path().join("live")).unwrap();
        fs::remove_dir(stage.path()).unwrap();
        stage.close().unwrap();
    }

    /// Who cleans may look at a directory before its maker has locked it: then the maker makes another one.
    #[test]
    fn makers_and_cleaners_do_not_disturb_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("live");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let stage = Stage::beside(&place).unwrap();
                        fs::write(stage.path().join("a"), "a").unwrap();
                        assert!(stage.path().join("a").exists());
                        stage.close().unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
