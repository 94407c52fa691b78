use std::sync::Arc;

use super::{RunError, Runner};
use crate::pipeline::Pipeline;
use crate::registry::with_causes;
use crate::run::{Input, RunState};
use crate::{Registry, RunId};

impl Runner {
    /// Drives a run with nothing but the journal and the types that this program has: the pipeline is built from the plan
    /// that is stored with the run. When types are missing, or have another version than the plan was made with, the
    /// run is parked: the journal names what is missing, and a program that has it goes on.
    ///
    /// # Errors
    ///
    /// Those of [`drive`](Runner::drive).
    pub async fn resume(self: &Arc<Self>, run: &RunId, registry: &Registry) -> Result<RunState, RunError> {
        let state = self.load(run).await?;
        if state.finished().is_some() {
            return Ok(state);
        }
        match Pipeline::from_plan(state.plan(), registry) {
            Ok(pipeline) => self.drive(&pipeline, run).await,
            Err(error) => {
                // Whoever drives it has the types.
                let _lease = self.lease(run)?;
                let missing = error
                    .problems
                    .iter()
                    .map(|problem| with_causes(problem).to_string());
                let missing = missing.collect();
                self.record(run, &Input::Park { missing }).await
            }
        }
    }
}
