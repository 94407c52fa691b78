use serde::{Deserialize, Serialize};

use crate::{ComponentName, PipelineName, StageName};

/// The build type of our runs: a page that says what the parameters mean.
pub const RUN_BUILD_TYPE: &str =
    "https://docs.rs/pipeline-core/latest/pipeline_core/attestation/build_type_run_v1/";

/// What was asked for from outside: the external parameters of [`RUN_BUILD_TYPE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunParameters {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// What it releases.
    pub component: ComponentName,
    /// Where the code was taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<RunSource>,
    /// The stages that built the subjects, in the order of the plan.
    pub stages: Vec<StageName>,
}

/// Where the code of a run was taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSource {
    /// The repository, such as `git+https://git.example.com/shop`.
    pub uri: String,
    /// The branch or tag that was asked for, such as `refs/heads/main`.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The revision that it was then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}
