//! Names, stream ids, actors, digests, references: what is read is written as it was, and nothing else is read.

use std::fmt::Display;
use std::str::FromStr;

use pipeline_core::{
    Actor, ArtifactName, Digest, EnvironmentName, RunId, SecretRef, SourcePath, StageName, StreamId,
    StreamKind, TypeName,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The input is text.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for line in text.split('\n') {
        same::<RunId>(line);
        same::<StageName>(line);
        same::<EnvironmentName>(line);
        same::<ArtifactName>(line);
        same::<TypeName>(line);
        same::<Digest>(line);
        same::<SecretRef>(line);
        if let Ok(path) = line.parse::<SourcePath>() {
            // Written in a shorter way where there are several.
            same::<SourcePath>(&path.to_string());
        }
        if let Some(actor) = same::<Actor>(line) {
            assert!(!actor.name().is_empty());
        }
        if let Some(stream) = same::<StreamId>(line) {
            let kind = StreamKind::new(stream.kind()).expect("the kind of a stream is one");
            assert_eq!(
                StreamId::new(&kind, stream.name()).expect("its parts make it"),
                stream
            );
        }
    }
}

fn same<T>(text: &str) -> Option<T>
where
    T: FromStr<Err: Display> + Display + PartialEq + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let json = serde_json::to_string(text).expect("text has a JSON form");
    let stored = serde_json::from_str::<T>(&json);
    match text.parse::<T>() {
        Ok(read) => {
            assert_eq!(read.to_string(), text);
            assert_eq!(stored.expect("what is read is also stored"), read);
            assert_eq!(serde_json::to_string(&read).expect("it has a JSON form"), json);
            Some(read)
        }
        Err(error) => {
            assert!(error.to_string().len() < 4096, "an error is as long as its input");
            assert!(stored.is_err(), "{text:?} was refused, but not as data");
            None
        }
    }
}
