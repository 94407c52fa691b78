use std::any::Any;
use std::borrow::Cow;
use std::fmt::{self, Debug};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::run::Brief;

/// A family of event payloads: an enum with one variant for each kind of event that a crate defines.
///
/// Derive it with [`event_family!`](crate::event_family) instead of writing it.
///
/// # Contract
///
/// A kind is written for ever: a field is never renamed or given another meaning; new fields have
/// defaults; what cannot be expressed so gets a higher version, and the reader of the new version keeps
/// reading the old one.
pub trait EventPayload: Clone + Debug + Send + Sync + Sized + 'static {
    /// The kind of this value, `prefix.name`, such as `run.stage-started`.
    fn kind(&self) -> &'static str;

    /// The version of the kind that this value is written as.
    fn version(&self) -> u16;

    /// The payload as JSON text.
    ///
    /// # Errors
    ///
    /// When the value has no JSON form.
    fn encode(&self) -> Result<String, PayloadError>;

    /// Reads a payload: `None` when the kind belongs to another family.
    ///
    /// # Errors
    ///
    /// When the kind is of this family, but this code does not know it, or knows only older versions, or
    /// the text does not fit.
    fn decode(kind: &str, version: u16, json: &str) -> Result<Option<Self>, DecodeError>;
}

/// A payload that has no JSON form.
#[derive(Debug, thiserror::Error)]
#[error("payload of `{kind}` has no JSON form")]
pub struct PayloadError {
    /// The kind of the event.
    pub kind: Cow<'static, str>,
    /// What is wrong with it.
    pub source: serde_json::Error,
}

/// A payload that this code cannot read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A kind of a known family that this code does not know.
    #[error("event kind `{kind}` is unknown to this program; a newer one wrote it")]
    UnknownKind {
        /// The kind.
        kind: String,
    },
    /// A newer version of a known kind.
    #[error("event kind `{kind}` has version {version}; this program reads up to {known}")]
    NewerVersion {
        /// The kind.
        kind: String,
        /// The version that was found.
        version: u16,
        /// The newest version that this code reads.
        known: u16,
    },
    /// The text does not fit the kind.
    #[error("payload of `{kind}` cannot be read")]
    Malformed {
        /// The kind.
        kind: String,
        /// Where and why it does not fit.
        source: serde_json::Error,
    },
    /// The payload was erased, and the reader needs it.
    #[error("payload of `{kind}` was erased")]
    Erased {
        /// The kind.
        kind: String,
    },
}

/// The payload of an event: a value of this process, JSON text as it was stored, or a tombstone.
#[derive(Clone)]
pub struct Payload(Inner);

#[derive(Clone)]
enum Inner {
    Value(Arc<dyn ErasedPayload>),
    /// A value that needs no place of its own.
    Brief(Brief),
    Json(Arc<str>),
    Erased,
}

/// The object-safe twin of [`EventPayload`].
trait ErasedPayload: Debug + Send + Sync {
    fn kind(&self) -> &'static str;
    fn version(&self) -> u16;
    fn encode(&self) -> Result<String, PayloadError>;
    fn as_any(&self) -> &dyn Any;
}

impl<P: EventPayload> ErasedPayload for P {
    fn kind(&self) -> &'static str {
        EventPayload::kind(self)
    }

    fn version(&self) -> u16 {
        EventPayload::version(self)
    }

    fn encode(&self) -> Result<String, PayloadError> {
        EventPayload::encode(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Payload {
    /// Wraps a value. It is encoded only when somebody asks for text.
    pub fn value<P: EventPayload>(payload: P) -> Self {
        Self(Inner::Value(Arc::new(payload)))
    }

    /// Wraps a value that somebody shares.
    pub(crate) fn shared<P: EventPayload>(payload: Arc<P>) -> Self {
        Self(Inner::Value(payload))
    }

    /// Wraps what most events of runs say.
    #[inline]
    pub(crate) fn brief(brief: Brief) -> Self {
        Self(Inner::Brief(brief))
    }

    /// Wraps JSON text as it was stored; it is not checked.
    pub fn json(text: impl Into<Arc<str>>) -> Self {
        Self(Inner::Json(text.into()))
    }

    /// A tombstone: the payload was erased.
    pub fn erased() -> Self {
        Self(Inner::Erased)
    }

    /// Whether the payload was erased.
    pub fn is_erased(&self) -> bool {
        matches!(self.0, Inner::Erased)
    }

    /// The text, if the payload is one: for whoever reads less of it than [`Event::read`](crate::Event::read).
    pub fn as_json(&self) -> Option<&str> {
        match &self.0 {
            Inner::Json(text) => Some(text),
            Inner::Value(_) | Inner::Brief(_) | Inner::Erased => None,
        }
    }

    /// What a value of this process says of itself: its kind and its version.
    pub(crate) fn says(&self) -> Option<(&'static str, u16)> {
        match &self.0 {
            Inner::Value(value) => Some((value.kind(), value.version())),
            Inner::Brief(brief) => {
                let event = brief.event();
                Some((EventPayload::kind(&event), EventPayload::version(&event)))
            }
            Inner::Json(_) | Inner::Erased => None,
        }
    }

    /// The payload as JSON text; `null` for a tombstone.
    ///
    /// # Errors
    ///
    /// When the value has no JSON form.
    pub fn to_json(&self) -> Result<Cow<'_, str>, PayloadError> {
        match &self.0 {
            Inner::Value(value) => value.encode().map(Cow::Owned),
            Inner::Brief(brief) => EventPayload::encode(&brief.event()).map(Cow::Owned),
            Inner::Json(text) => Ok(Cow::Borrowed(text)),
            Inner::Erased => Ok(Cow::Borrowed("null")),
        }
    }

    /// Reads the payload as one family; see [`Event::read`](crate::Event::read).
    pub(crate) fn read<P: EventPayload>(
        &self,
        kind: &str,
        version: u16,
    ) -> Result<Option<Cow<'_, P>>, DecodeError> {
        match &self.0 {
            Inner::Value(value) => match value.as_any().downcast_ref::<P>() {
                Some(value) => Ok(Some(Cow::Borrowed(value))),
                None => reread(&**value, kind, version),
            },
            Inner::Brief(brief) => {
                let mut event = Some(brief.event());
                match (&mut event as &mut dyn Any).downcast_mut::<Option<P>>() {
                    Some(event) => Ok(event.take().map(Cow::Owned)),
                    None => reread(&brief.event(), kind, version),
                }
            }
            Inner::Json(text) => Ok(P::decode(kind, version, text)?.map(Cow::Owned)),
            Inner::Erased => Err(DecodeError::Erased {
                kind: kind.to_owned(),
            }),
        }
    }
}

/// Reads another family's value, or one built by hand under this family's kind.
fn reread<P: EventPayload>(
    value: &dyn ErasedPayload,
    kind: &str,
    version: u16,
) -> Result<Option<Cow<'static, P>>, DecodeError> {
    match value.encode() {
        Ok(json) => Ok(P::decode(kind, version, &json)?.map(Cow::Owned)),
        Err(error) => Err(DecodeError::Malformed {
            kind: kind.to_owned(),
            source: error.source,
        }),
    }
}

impl Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut payload = f.debug_tuple("Payload");
        match &self.0 {
            Inner::Value(value) => payload.field(value),
            Inner::Brief(brief) => payload.field(brief),
            Inner::Json(text) => payload.field(text),
            Inner::Erased => payload.field(&"erased"),
        };
        payload.finish()
    }
}

/// Helpers that [`event_family!`](crate::event_family) expands to. Not part of the interface.
#[doc(hidden)]
pub mod macro_support {
    use super::{DecodeError, DeserializeOwned, PayloadError, Serialize};

    pub fn encode<T: Serialize>(kind: &'static str, value: &T) -> Result<String, PayloadError> {
        serde_json::to_string(value).map_err(|source| PayloadError {
            kind: kind.into(),
            source,
        })
    }

    pub fn decode<T: DeserializeOwned>(
        kind: &str,
        version: u16,
        known: u16,
        json: &str,
    ) -> Result<T, DecodeError> {
        if version > known {
            return Err(DecodeError::NewerVersion {
                kind: kind.to_owned(),
                version,
                known,
            });
        }
        serde_json::from_str(json).map_err(|source| DecodeError::Malformed {
            kind: kind.to_owned(),
            source,
        })
    }
}

/// Defines a family of events: an enum whose variants each hold one payload type, with the kind and the
/// version that the payload is written as.
///
/// ```
/// use serde::{Deserialize, Serialize};
///
/// /// A lamp was switched.
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// pub struct Switched {
///     /// Whether it is on now.
///     pub on: bool,
/// }
///
/// pipeline_core::event_family! {
///     /// What happens to a lamp.
///     #[derive(PartialEq)]
///     pub enum LampEvent in "lamp" {
///         /// It was switched.
///         Switched(Switched) = "switched" v1,
///     }
/// }
///
/// use pipeline_core::EventPayload;
/// assert_eq!(LampEvent::Switched(Switched { on: true }).kind(), "lamp.switched");
/// let read = LampEvent::decode("lamp.switched", 1, r#"{"on":true}"#)?;
/// assert_eq!(read, Some(LampEvent::Switched(Switched { on: true })));
/// assert!(LampEvent::decode("lamp.exploded", 1, "{}").is_err(), "a kind of ours that we do not know");
/// assert_eq!(LampEvent::decode("run.created", 1, "{}")?, None, "somebody else's kind");
/// # Ok::<(), pipeline_core::DecodeError>(())
/// ```
#[macro_export]
macro_rules! event_family {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident in $prefix:literal {
            $( $(#[$variant_meta:meta])* $variant:ident($payload:ty) = $kind:literal $version:ident ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        $vis enum $name {
            $( $(#[$variant_meta])* $variant($payload), )+
        }

        impl $crate::EventPayload for $name {
            fn kind(&self) -> &'static str {
                match self { $( Self::$variant(_) => concat!($prefix, ".", $kind), )+ }
            }

            fn version(&self) -> u16 {
                match self { $( Self::$variant(_) => $crate::event_family!(@version $version), )+ }
            }

            fn encode(&self) -> ::core::result::Result<String, $crate::PayloadError> {
                match self {
                    $( Self::$variant(payload) => {
                        $crate::macro_support::encode(concat!($prefix, ".", $kind), payload)
                    } )+
                }
            }

            fn decode(
                kind: &str,
                version: u16,
                json: &str,
            ) -> ::core::result::Result<Option<Self>, $crate::DecodeError> {
                match kind {
                    $( concat!($prefix, ".", $kind) => {
                        let known = $crate::event_family!(@version $version);
                        $crate::macro_support::decode(kind, version, known, json)
                            .map(|payload| Some(Self::$variant(payload)))
                    } )+
                    other if other.starts_with(concat!($prefix, ".")) => {
                        Err($crate::DecodeError::UnknownKind { kind: other.to_owned() })
                    }
                    _ => Ok(None),
                }
            }
        }

        $(
            impl From<$payload> for $name {
                fn from(payload: $payload) -> Self {
                    Self::$variant(payload)
                }
            }
        )+
    };
    (@version v1) => { 1u16 };
    (@version v2) => { 2u16 };
    (@version v3) => { 3u16 };
    (@version v4) => { 4u16 };
}
