//! Incidents: when users noticed. Hosts record them; metrics and change records read them.

use serde::{Deserialize, Serialize};

use crate::{ComponentName, EnvironmentName, EventRef};

/// An incident began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentOpened {
    /// The component that it concerns.
    pub component: ComponentName,
    /// The environment, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// The deployment that caused it (an `environment.deployed` event), if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<EventRef>,
    /// What users noticed.
    pub title: String,
}

/// An incident is over for users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentResolved {
    /// How.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resolution: String,
}

crate::event_family! {
    /// What happens in an incident; the stream is `incident/ID`.
    pub enum IncidentEvent in "incident" {
        /// It began.
        Opened(IncidentOpened) = "opened" v1,
        /// It is over for users.
        Resolved(IncidentResolved) = "resolved" v1,
    }
}
