use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::probe::fields_of;
use super::{BuildProblem, PathSegment, SettingPath, nearest};

/// A value with more mistakes than this is read no further.
const MOST_MISTAKES: usize = 100;

/// Reads settings, and finds all that is wrong with them rather than the first.
///
/// serde stops at the first mistake. So what it stopped at is taken out, and the rest is read again; what is
/// only wrong because something was taken out is not reported.
pub(super) fn read<T: DeserializeOwned>(settings: &Value) -> Result<T, Vec<BuildProblem>> {
    let mut settings = match settings {
        Value::Null => Cow::Owned(Value::Object(serde_json::Map::new())),
        other => Cow::Borrowed(other),
    };
    let mut unread = BTreeSet::new();
    let mut problems = Vec::new();
    let mut taken: Vec<SettingPath> = Vec::new();
    for _ in 0..MOST_MISTAKES {
        let mut ignored = |path: serde_ignored::Path<'_>| {
            unread.insert(own_path(&path));
        };
        let reader = serde_ignored::Deserializer::new(settings.as_ref(), &mut ignored);
        let error = match serde_path_to_error::deserialize::<_, T>(reader) {
            Ok(read) if problems.is_empty() && unread.is_empty() => return Ok(read),
            Ok(_) => break,
            Err(error) => error,
        };
        let message = error.inner().to_string();
        if message.starts_with("invalid type: map, expected unit")
            && error.path().iter().next().is_none()
            && let Ok(read) = T::deserialize(Value::Null)
        {
            // A type without settings, which serde reads from nothing rather than from an empty table.
            let keys = settings.as_object().into_iter().flat_map(|table| table.keys());
            let unread =
                keys.map(|key| unread_problem::<T>(SettingPath::root().key(key.as_str()), Vec::new()));
            let problems: Vec<_> = unread.collect();
            return if problems.is_empty() {
                Ok(read)
            } else {
                Err(problems)
            };
        }
        let path = path_of(error.path());
        if let Some(known) = unknown_field(&message) {
            problems.push(unread_problem::<T>(path.clone(), known));
        } else if !follows_from(&path, &message, &taken) {
            problems.push(BuildProblem::DoesNotFit {
                path: path.clone(),
                message,
            });
        }
        let Some(gone) = take(settings.to_mut(), path) else {
            break;
        };
        taken.push(gone);
    }
    let reported: BTreeSet<_> = problems.iter().map(BuildProblem::path).collect();
    for path in unread.difference(&reported) {
        problems.push(unread_problem::<T>(path.clone(), Vec::new()));
    }
    problems.sort_by_key(BuildProblem::path);
    Err(problems)
}

fn unread_problem<T: DeserializeOwned>(path: SettingPath, mut known: Vec<String>) -> BuildProblem {
    if known.is_empty() && path.segments().len() == 1 {
        known = fields_of::<T>().iter().map(|&field| field.to_owned()).collect();
    }
    let name = match path.segments().last() {
        Some(PathSegment::Key(key)) => key.as_str(),
        _ => "",
    };
    let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
    BuildProblem::Unread { path, known, nearest }
}

/// The fields that serde says it expected, if the message is that of an unknown field.
fn unknown_field(message: &str) -> Option<Vec<String>> {
    let rest = message.strip_prefix("unknown field `")?;
    let expected = rest
        .split_once("`, expected ")
        .map_or("", |(_, expected)| expected);
    Some(
        expected
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect(),
    )
}

/// Whether a mistake is one only because something was taken out.
fn follows_from(path: &SettingPath, message: &str, taken: &[SettingPath]) -> bool {
    taken.iter().any(|gone| {
        let Some((last, parent)) = gone.split_last() else {
            return false;
        };
        if !parent.starts_with(path.segments()) {
            return false;
        }
        let missing = message
            .strip_prefix("missing field `")
            .and_then(|rest| rest.strip_suffix('`'));
        match missing {
            Some(field) => parent == path.segments() && *last == PathSegment::from(field),
            None => true,
        }
    })
}

/// Takes what is at the path out of the settings; with an element goes its whole array, so that no other
/// element gets its index. Returns what was taken, if it was there.
fn take(settings: &mut Value, path: SettingPath) -> Option<SettingPath> {
    let mut segments = path.segments();
    while let [parents @ .., PathSegment::Index(_)] = segments {
        segments = parents;
    }
    let (last, parents) = segments.split_last()?;
    let mut value = settings;
    for segment in parents {
        value = match segment {
            PathSegment::Key(key) => value.get_mut(key)?,
            PathSegment::Index(index) => value.get_mut(index)?,
        };
    }
    let PathSegment::Key(key) = last else { return None };
    value.as_object_mut()?.remove(key)?;
    Some(segments.iter().cloned().collect())
}

fn path_of(path: &serde_path_to_error::Path) -> SettingPath {
    let segments = path.iter().map_while(|segment| match segment {
        Segment::Seq { index } => Some(PathSegment::Index(*index)),
        Segment::Map { key } | Segment::Enum { variant: key } => Some(PathSegment::Key(key.clone())),
        Segment::Unknown => None,
    });
    segments.collect()
}

fn own_path(path: &serde_ignored::Path<'_>) -> SettingPath {
    use serde_ignored::Path;
    let mut segments = Vec::new();
    let mut path = path;
    loop {
        path = match path {
            Path::Root => break,
            Path::Seq { parent, index } => {
                segments.push(PathSegment::Index(*index));
                parent
            }
            Path::Map { parent, key } => {
                segments.push(PathSegment::Key(key.clone()));
                parent
            }
            Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
                parent
            }
        };
    }
    segments.into_iter().rev().collect()
}
