//! File systems that a test mounts, where it may.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::skipped;

/// A file system, as long as the test lasts.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    /// A small one in memory. `None` when it cannot be had, which is said.
    pub(crate) fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        Self::mount(at, &["-t", "tmpfs", "-o", options, "tmpfs"])
    }

    /// One of this size in a file beside its place, which a program makes. `None` when it cannot be had, which is said.
    pub(crate) fn image(at: &Path, program: &str, arguments: &[&str], size: u64) -> Option<Self> {
        let image = at.with_extension("image");
        fs::File::create(&image).unwrap().set_len(size).unwrap();
        let image = image.display().to_string();
        if let Err(why) = run(program, &[arguments, &[&image]].concat()) {
            skipped(&format!("a file system cannot be made with {program}: {why}"));
            return None;
        }
        Self::mount(at, &["-o", "loop", &image])
    }

    fn mount(at: &Path, arguments: &[&str]) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        match run("mount", &[arguments, &[&at.display().to_string()]].concat()) {
            Ok(()) => Some(Self(at.to_owned())),
            Err(why) => {
                skipped(&format!("a file system cannot be mounted: {why}"));
                None
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Mounts it again, with other options.
    pub(crate) fn again(&self, options: &str) {
        let at = self.0.display().to_string();
        run("mount", &["-o", &format!("remount,{options}"), &at]).unwrap();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a store may still hold its lock open.
        run("umount", &["-l", &self.0.display().to_string()]).unwrap();
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
