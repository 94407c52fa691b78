//! What an area is made of, and what its measures share.

use std::cell::OnceCell;
use std::path::PathBuf;

use crate::Failure;
use crate::artifacts::ground::Ground;
use crate::report::Sink;
use crate::threads::Threads;

/// The figures of one part of the project.
#[derive(Debug)]
pub struct Area {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it measures, in this order.
    pub measures: &'static [Measure],
}

/// Figures that are measured together.
#[derive(Debug)]
pub struct Measure {
    /// What it is called on the command line, after its area and a slash.
    pub name: &'static str,
    /// Measures them.
    pub run: fn(&Settings<'_>, &mut dyn Sink) -> Result<(), Failure>,
}

/// What all measures share.
#[derive(Debug)]
pub struct Settings<'a> {
    /// Where the work is done.
    pub threads: &'a Threads,
    /// A tenth of the size, for whoever works on the measures: such figures tell nothing.
    pub quick: bool,
    /// Where files are written whose flushes count; `None` for a file system of our own.
    pub dir: Option<PathBuf>,
    /// It, once somebody needed it.
    pub ground: OnceCell<Ground>,
}

impl Settings<'_> {
    /// Where files are written whose flushes count.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn ground(&self) -> Result<&Ground, Failure> {
        if let Some(ground) = self.ground.get() {
            return Ok(ground);
        }
        let ground = Ground::open(self.dir.as_deref(), self.quick)?;
        eprintln!("artifacts are measured on {}", ground.what());
        Ok(self.ground.get_or_init(|| ground))
    }

    /// A size, or a tenth of it.
    pub fn size(&self, size: u32) -> u32 {
        if self.quick { size / 10 } else { size }
    }
}
