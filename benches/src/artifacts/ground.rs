//! The file system that everybody is measured on.
//!
//! A flush costs what its file system makes of it, so all use the same: an ext4 with a journal in a file, mounted for
//! the time of the measures. That needs root; without, it is a directory that the caller names, or one beside the
//! program.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::threads::Stopwatch;
use crate::{Failure, scratch};

/// How large the file is that the file system lies in.
const GIB: u64 = 12;

/// A directory on the file system, and how to flush it.
#[derive(Debug)]
pub struct Ground {
    path: PathBuf,
    what: String,
    /// Removed at the end; the file system lies in it, or it lies on the file system.
    _directory: TempDir,
    mounted: Option<Mounted>,
}

/// How long something took, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Timed {
    /// Until it returned.
    pub wall: f64,
    /// Until all was flushed.
    pub durable: f64,
}

impl Ground {
    /// Makes a file system, or a directory in `dir`.
    ///
    /// # Errors
    ///
    /// When neither can be made.
    pub fn open(dir: Option<&Path>, quick: bool) -> Result<Self, Failure> {
        if let Some(dir) = dir {
            return Self::in_directory(tempfile::Builder::new().prefix("figures-").tempdir_in(dir)?);
        }
        let directory = scratch::directory()?;
        match Mounted::make(directory.path(), if quick { GIB / 4 } else { GIB }) {
            Ok(mounted) => Ok(Self {
                path: mounted.at.clone(),
                what: "an ext4 with a journal of our own".to_owned(),
                _directory: directory,
                mounted: Some(mounted),
            }),
            Err(why) => {
                eprintln!("no file system of our own ({why}); `--dir` names another place");
                Self::in_directory(directory)
            }
        }
    }

    fn in_directory(directory: TempDir) -> Result<Self, Failure> {
        let path = directory.path().canonicalize()?;
        Ok(Self {
            what: format!(
                "{} ({})",
                file_system(&path).unwrap_or("unknown".to_owned()),
                path.display()
            ),
            path,
            _directory: directory,
            mounted: None,
        })
    }

    /// What it is, in words.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// A path on it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Empties a directory, or makes it. What is gone is gone from the disk, too, before anybody is measured.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn empty(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.gone(name)?;
        fs::create_dir(&path)?;
        Ok(path)
    }

    /// Removes a directory, if it is there.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn gone(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.path(name);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        Ok(path)
    }

    /// Flushes everything.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn flush(&self) -> Result<(), Failure> {
        Ok(rustix::fs::syncfs(File::open(&self.path)?)?)
    }

    /// Does some work, and tells how long it took, and how long until it was on the disk.
    ///
    /// # Errors
    ///
    /// When the work fails.
    pub fn time<T>(&self, work: impl FnOnce() -> Result<T, Failure>) -> Result<(Timed, T), Failure> {
        self.flush()?;
        let watch = Stopwatch::start();
        let done = work()?;
        let wall = watch.elapsed().as_secs_f64();
        self.flush()?;
        let durable = watch.elapsed().as_secs_f64();
        Ok((Timed { wall, durable }, done))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if self.mounted.take().is_none() {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A file system in a file.
#[derive(Debug)]
struct Mounted {
    at: PathBuf,
    device: String,
}

impl Mounted {
    fn make(directory: &Path, gib: u64) -> Result<Self, Failure> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root may mount one".into());
        }
        let (image, at) = (directory.join("image"), directory.join("mounted"));
        fs::create_dir(&at)?;
        let image_text = image.display().to_string();
        command("fallocate", &["-l", &format!("{gib}GiB"), &image_text])?;
        command(
            "mkfs.ext4",
            &[
                "-q",
                "-F",
                "-m",
                "0",
                // Half a million files, and the stores of those that keep a file for each.
                "-i",
                "8192",
                "-E",
                "lazy_itable_init=0,lazy_journal_init=0",
                &image_text,
            ],
        )?;
        let device = command("losetup", &["--direct-io=on", "--find", "--show", &image_text])?;
        let mut mounted = Self {
            at,
            device: device.trim().to_owned(),
        };
        // Freed with the device, whatever becomes of this program.
        fs::remove_file(&image)?;
        let at = mounted.at.display().to_string();
        if let Err(why) = command("mount", &[&mounted.device, &at]) {
            mounted.at = PathBuf::new();
            return Err(why);
        }
        Ok(mounted)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if !self.at.as_os_str().is_empty() {
            let _ = command("umount", &[&self.at.display().to_string()]);
        }
        let _ = command("losetup", &["-d", &self.device]);
    }
}

fn command(program: &str, arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The kind of file system that a path lies on, as the system calls it (Linux).
fn file_system(path: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let fields = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let around = fields.filter(|(at, _)| path.starts_with(at));
    around
        .max_by_key(|(at, _)| at.len())
        .map(|(_, kind)| kind.to_owned())
}
