use std::sync::Arc;

use jiff::Timestamp;

use crate::{FigureItem, Origin};

/// A deployment that went live, as the further numbers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) at: Timestamp,
    pub(crate) id: Arc<str>,
    pub(crate) component: Arc<str>,
    pub(crate) environment: Arc<str>,
    pub(crate) production: bool,
    /// The version or, where none is known, the digest.
    pub(crate) release: Option<Arc<str>>,
    /// The digest, which a rollback names.
    pub(crate) digest: Option<Arc<str>>,
    pub(crate) changes: Vec<Arc<str>>,
    pub(crate) origin: Origin,
}

impl Arrival {
    pub(crate) fn item(&self) -> FigureItem {
        FigureItem::new("deployment", &self.id, &self.origin)
    }
}

/// What was live before is live again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Return {
    pub(crate) at: Timestamp,
    pub(crate) component: Arc<str>,
    pub(crate) environment: Arc<str>,
    /// The digest of what was not good.
    pub(crate) from: Arc<str>,
}

/// A time in which users did not get what they should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outage {
    pub(crate) from: Timestamp,
    pub(crate) until: Option<Timestamp>,
    pub(crate) component: Arc<str>,
    pub(crate) environment: Option<Arc<str>>,
    /// The deployment that it is the fault of.
    pub(crate) deployment: Option<Arc<str>>,
    pub(crate) item: FigureItem,
}

/// What the further numbers need of deliveries; each list sorted by time, then by what names it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Delivered {
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) returns: Vec<Return>,
    pub(crate) outages: Vec<Outage>,
}
