use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::attestation::{BuildDefinition, RUN_BUILD_TYPE, RunParameters};

/// Workflows of GitHub Actions, as its own attestations call them:
/// <https://actions.github.io/buildtypes/workflow/v1>.
const WORKFLOW: &str = "https://actions.github.io/buildtypes/workflow/v1";

/// Where a build says that its code came from.
#[derive(Debug, Default)]
pub(super) struct SourceClaim {
    pub(super) repository: Option<String>,
    pub(super) reference: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Workflow {
    workflow: WorkflowFile,
}

#[derive(Deserialize)]
struct WorkflowFile {
    repository: String,
    #[serde(rename = "ref")]
    reference: String,
}

impl SourceClaim {
    /// What the external parameters say. Parameters that the build type does not have are refused: nobody knows what
    /// they did to the build.
    pub(super) fn of(build: &BuildDefinition) -> Result<Self, String> {
        let parameters = &build.external_parameters;
        match build.build_type.as_str() {
            RUN_BUILD_TYPE => {
                let source = read::<RunParameters>(parameters)?.source;
                Ok(source.map_or_else(Self::default, |source| Self {
                    repository: Some(source.uri),
                    reference: source.reference,
                }))
            }
            WORKFLOW => {
                let workflow = read::<Workflow>(parameters)?.workflow;
                Ok(Self {
                    repository: Some(workflow.repository),
                    reference: Some(workflow.reference),
                })
            }
            _ => Err("the parameters of this build type are not known here".to_owned()),
        }
    }
}

fn read<T: DeserializeOwned>(parameters: &Map<String, Value>) -> Result<T, String> {
    serde_path_to_error::deserialize(Value::Object(parameters.clone())).map_err(|error| error.to_string())
}
