use pipeline_core::{Effect, Outcome, Reads, SourceError, SourcePath, Stage, StageContext};
use serde::{Deserialize, Serialize};

/// Counts the lines of a file of the source; an empty file fails the run.
#[derive(Debug, Serialize, Deserialize)]
pub struct CountLines {
    /// The file.
    pub file: SourcePath,
}

impl Stage for CountLines {
    const TYPE: &'static str = "count-lines";
    type Error = SourceError;

    fn effect(&self) -> Effect {
        Effect::Pure
    }

    fn reads(&self) -> Reads {
        Reads::Source(vec![self.file.clone()])
    }

    async fn run(&self, cx: &StageContext) -> Result<Outcome, SourceError> {
        let bytes = cx.source().read(&self.file).await?;
        let lines = String::from_utf8_lossy(&bytes).lines().count();
        cx.log(format!("{} has {lines} lines", self.file));
        match lines {
            0 => Ok(Outcome::failed(format!("{} is empty", self.file))),
            _ => Ok(Outcome::succeeded().fact("lines", lines)),
        }
    }
}
