use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Predicate;
use super::resource::{self, ResourceDescriptor};
use crate::Timestamp;

/// How something was built, from what, and by whom: [SLSA provenance v1](https://slsa.dev/spec/v1.0/provenance).
///
/// [`RunProvenance`](super::RunProvenance) makes one out of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// What went in.
    pub build_definition: BuildDefinition,
    /// This one execution.
    pub run_details: RunDetails,
}

/// What went into a build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    /// A URI that says what kind of build it is, and so what the parameters mean.
    pub build_type: String,
    /// What was asked for from outside; whoever verifies must know all of it.
    pub external_parameters: Map<String, Value>,
    /// What the builder itself decided.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub internal_parameters: Map<String, Value>,
    /// What was used: the source, other artifacts, tools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolved_dependencies: Vec<ResourceDescriptor>,
}

/// One execution of a build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDetails {
    /// Who built it.
    pub builder: Builder,
    /// Which execution it was, and when.
    #[serde(default, skip_serializing_if = "BuildMetadata::is_empty")]
    pub metadata: BuildMetadata,
    /// What else came out, such as a log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub byproducts: Vec<ResourceDescriptor>,
}

/// Who built something: all that had to be trusted for the result to be right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Builder {
    /// A URI; two builders that deserve different trust have different ones.
    pub id: String,
    /// The versions of its parts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version: BTreeMap<String, String>,
    /// What it is made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub builder_dependencies: Vec<ResourceDescriptor>,
}

/// Which execution of a build it was.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildMetadata {
    /// What the builder calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_on: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_on: Option<Timestamp>,
}

impl BuildMetadata {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Predicate for Provenance {
    const TYPE: &'static str = "https://slsa.dev/provenance/v1";

    fn check(&self) -> Result<(), String> {
        let (definition, details) = (&self.build_definition, &self.run_details);
        if definition.build_type.is_empty() {
            return Err("`buildDefinition.buildType` is empty".to_owned());
        }
        if details.builder.id.is_empty() {
            return Err("`runDetails.builder.id` is empty".to_owned());
        }
        for (field, list) in [
            (
                "buildDefinition.resolvedDependencies",
                &definition.resolved_dependencies,
            ),
            (
                "runDetails.builder.builderDependencies",
                &details.builder.builder_dependencies,
            ),
            ("runDetails.byproducts", &details.byproducts),
        ] {
            resource::check_all(field, list)?;
        }
        Ok(())
    }
}
