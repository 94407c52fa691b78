//! The small parts of a snapshot: numbers take seven bits a byte, texts and lists have their length before them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{
    Actor, Digest, EnvironmentName, PipelineName, PoolName, RunId, SignedDuration, StageName, StreamId,
    Timestamp, TypeName,
};

/// What a snapshot is read from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// A number that has a sign: small ones are short, whatever their sign.
    pub(super) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// How many of something follow, each of at least one byte.
    pub(super) fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    /// What was written by [`put_bytes`].
    pub(super) fn slice(&mut self) -> Option<&'a [u8]> {
        let count = self.count()?;
        self.bytes(count)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.slice()?).ok()
    }
}

pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, (number << 1 ^ number >> 63) as u64);
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What has a place in a snapshot. `None` on the way back: these bytes are something else.
pub(super) trait Wire: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn take(reader: &mut Reader<'_>) -> Option<Self>;
}

macro_rules! numbers {
    ($($type:ty),+) => {
        $(impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                put_number(out, *self as u64);
            }

            fn take(reader: &mut Reader<'_>) -> Option<Self> {
                reader.number()?.try_into().ok()
            }
        })+
    };
}

numbers!(u32, u64, usize);

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push((*self).into());
    }

    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        match reader.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

/// Whatever has one text.
macro_rules! texts {
    ($($type:ty),+) => {
        $(impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                put_bytes(out, self.as_str().as_bytes());
            }

            fn take(reader: &mut Reader<'_>) -> Option<Self> {
                reader.text()?.parse().ok()
            }
        })+
    };
}

texts!(
    String,
    EnvironmentName,
    PipelineName,
    PoolName,
    RunId,
    StageName,
    StreamId,
    TypeName
);

impl Wire for Actor {
    fn put(&self, out: &mut Vec<u8>) {
        self.to_string().put(out);
    }

    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        reader.text()?.parse().ok()
    }
}

impl Wire for Arc<str> {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.as_bytes());
    }

    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        reader.text().map(Self::from)
    }
}

impl Wire for Digest {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        let bytes: [u8; 32] = reader.bytes(32)?.try_into().ok()?;
        Some(bytes.into())
    }
}

impl Wire for Timestamp {
    fn put(&self, out: &mut Vec<u8>) {
        put_signed(out, self.as_second());
        put_signed(out, self.subsec_nanosecond().into());
    }

    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        let (seconds, nanoseconds) = (reader.signed()?, reader.signed()?);
        let since = SignedDuration::new(seconds, i32::try_from(nanoseconds).ok()?);
        Self::from_duration(since).ok()
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match bool::take(reader)? {
            true => Some(T::take(reader)?),
            false => None,
        })
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        for value in self {
            value.put(out);
        }
    }

    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        (0..reader.count()?).map(|_| T::take(reader)).collect()
    }
}

impl<K: Wire + Ord, V: Wire> Wire for BTreeMap<K, V> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }

    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        let count = reader.count()?;
        (0..count)
            .map(|_| Some((K::take(reader)?, V::take(reader)?)))
            .collect()
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        Some((A::take(reader)?, B::take(reader)?))
    }
}

impl<T: Wire> Wire for Box<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }

    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        T::take(reader).map(Self::new)
    }
}

impl<T: Wire> Wire for Arc<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }

    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        T::take(reader).map(Self::new)
    }
}

/// Writes what events hold as JSON, too: it is read back as it was read from there.
pub(super) fn put_json(out: &mut Vec<u8>, value: &impl Serialize) {
    // What came from JSON has a JSON form; were it otherwise, the empty text would be refused.
    let text = serde_json::to_vec(value).unwrap_or_default();
    put_bytes(out, &text);
}

pub(super) fn take_json<T: DeserializeOwned>(reader: &mut Reader<'_>) -> Option<T> {
    serde_json::from_slice(reader.slice()?).ok()
}

/// Types that events hold, as JSON.
macro_rules! as_json {
    ($($type:ty),+ $(,)?) => {
        $(impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                put_json(out, self);
            }

            fn take(reader: &mut Reader<'_>) -> Option<Self> {
                take_json(reader)
            }
        })+
    };
}

/// Structs, field by field. A field that is forgotten does not compile.
macro_rules! fields {
    ($($type:ident { $($field:ident),+ $(,)? })+) => {
        $(impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                let Self { $($field),+ } = self;
                $($field.put(out);)+
            }

            fn take(reader: &mut Reader<'_>) -> Option<Self> {
                $(let $field = Wire::take(reader)?;)+
                Some(Self { $($field),+ })
            }
        })+
    };
}

pub(super) use {as_json, fields};

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    fn back<T: Wire + PartialEq + Debug>(value: T) {
        let mut out = Vec::new();
        value.put(&mut out);
        let mut reader = Reader(&out);
        assert_eq!(T::take(&mut reader), Some(value));
        assert!(reader.0.is_empty());
        for len in 0..out.len() {
            assert_eq!(T::take(&mut Reader(&out[..len])), None, "{len} of {out:?}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for number in [0, 1, 127, 128, 16_383, 16_384, u64::MAX >> 1, u64::MAX] {
            back(number);
        }
        for number in [0, 1, -1, 63, -64, 64, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            put_signed(&mut out, number);
            assert_eq!(Reader(&out).signed(), Some(number));
        }
        back(Some(vec![String::new(), "Zoë".to_owned()]));
        back(BTreeMap::from([(1_u32, true), (2, false)]));
        back(Digest::of("x"));
        back(Actor::person("Zoë").unwrap());
        for time in [
            "1969-12-31T23:59:59.5Z",
            "2026-11-20T12:00:00.000000001Z",
            "0001-01-01T00:00:00Z",
        ] {
            back(time.parse::<Timestamp>().unwrap());
        }
        back(Timestamp::MIN);
        back(Timestamp::MAX);
    }

    #[test]
    fn lengths_beyond_the_end_take_no_memory() {
        let mut out = Vec::new();
        put_number(&mut out, u64::MAX);
        assert_eq!(Vec::<u64>::take(&mut Reader(&out)), None);
        assert_eq!(Reader(&[0xff; 11]).number(), None);
        assert_eq!(u32::take(&mut Reader(&out)), None);
    }
}
