use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::source::RecordError;

/// The parts of an event that are read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CdEvent {
    /// Such as `service`.
    pub(super) kind: String,
    /// Such as `deployed`.
    pub(super) predicate: String,
    /// Who sent it, and the id that it has there: unique together.
    pub(super) context_source: String,
    pub(super) context_id: String,
    pub(super) at: Timestamp,
    pub(super) chain: Option<String>,
    /// The id of the subject.
    pub(super) subject: String,
    pub(super) content: Content,
}

/// What the content of a subject may say, of all subjects that are used.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Content {
    pub(super) environment: Option<Named>,
    pub(super) service: Option<Named>,
    pub(super) repository: Option<Named>,
    pub(super) change: Option<Named>,
    pub(super) pipeline_run: Option<Named>,
    pub(super) artifact_id: Option<String>,
    pub(super) pipeline_name: Option<String>,
    pub(super) task_name: Option<String>,
    pub(super) test_suite: Option<Named>,
    pub(super) name: Option<String>,
    pub(super) responder: Option<String>,
    pub(super) requestor: Option<String>,
}

/// A reference to another subject.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    pub(super) id: String,
    pub(super) name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    timestamp: Timestamp,
    chain_id: Option<String>,
}

#[derive(Deserialize)]
struct Subject<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

/// An event by itself, or as the data of a `CloudEvent`.
#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow)]
    context: Option<Context<'a>>,
    #[serde(borrow)]
    subject: Option<Subject<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// What a text is.
pub(super) enum Parsed {
    /// An event of interest.
    Event(Box<CdEvent>),
    /// An event of another kind, such as `testcaserun.finished`.
    Unused(String),
}

/// Reads one event.
pub(super) fn parse(text: &str) -> Result<Parsed, RecordError> {
    let mut outer: Outer<'_> = serde_json::from_str(text).map_err(RecordError::Form)?;
    if let (None, Some(data)) = (&outer.context, outer.data) {
        outer = serde_json::from_str(data.get()).map_err(RecordError::Form)?;
    }
    let missing = |field| RecordError::Missing {
        kind: "event".to_owned(),
        field,
    };
    let context = outer.context.ok_or_else(|| missing("context"))?;
    let wrong = || RecordError::Type {
        text: context.kind.chars().take(100).collect(),
    };
    // Types of other vendors have a prefix of their own, and are in order.
    let Some(rest) = context.kind.strip_prefix("dev.cdevents.") else {
        let custom = context.kind.starts_with("dev.cdeventsx.");
        return if custom {
            Ok(Parsed::Unused(context.kind.into_owned()))
        } else {
            Err(wrong())
        };
    };
    let mut parts = rest.splitn(3, '.');
    let (Some(kind), Some(predicate), Some(_version)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong());
    };
    if !is_used(kind, predicate) {
        return Ok(Parsed::Unused(format!("{kind}.{predicate}")));
    }
    let subject = outer.subject.ok_or_else(|| missing("subject"))?;
    let content = match subject.content {
        Some(content) => serde_json::from_str(content.get()).map_err(RecordError::Form)?,
        None => Content::default(),
    };
    Ok(Parsed::Event(Box::new(CdEvent {
        kind: kind.to_owned(),
        predicate: predicate.to_owned(),
        context_source: context.source.into_owned(),
        context_id: context.id.into_owned(),
        at: context.timestamp,
        chain: context.chain_id,
        subject: subject.id.into_owned(),
        content,
    })))
}

/// Whether a number needs events of this kind.
fn is_used(kind: &str, predicate: &str) -> bool {
    matches!(
        (kind, predicate),
        ("change", "created" | "reviewed" | "merged")
            | ("artifact", "packaged")
            | (
                "service",
                "deployed" | "upgraded" | "rolledback" | "removed" | "published"
            )
            | ("incident", "detected" | "reported" | "resolved")
            | (
                "pipelinerun" | "build" | "testsuiterun",
                "queued" | "started" | "finished"
            )
            | ("taskrun", "started" | "finished")
            | ("environment", "created" | "modified" | "deleted")
            | ("approval", "created" | "updated" | "closed")
    )
}
