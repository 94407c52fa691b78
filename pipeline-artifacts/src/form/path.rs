use crate::limits;

/// What is wrong with a path, whatever lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathFault {
    /// There is no name.
    #[error("the path is empty")]
    Empty,
    /// It starts at the root of the file system.
    #[error("the path is absolute")]
    Absolute,
    /// Another spelling of a path, or a way out.
    #[error("a part of the path is empty, `.` or `..`")]
    Dots,
    /// A line break, a terminal's escape, and the like.
    #[error("the path holds a control character")]
    Control,
    /// Longer than [`limits::MAX_PART`].
    #[error("a part of the path is longer than {} bytes", limits::MAX_PART)]
    PartTooLong,
    /// Longer than [`limits::MAX_PATH`].
    #[error("the path is longer than {} bytes", limits::MAX_PATH)]
    TooLong,
}

/// Checks the path of an entry: relative, `/` between its parts, one spelling.
pub(crate) fn check_path(path: &str) -> Result<(), PathFault> {
    if path.is_empty() {
        return Err(PathFault::Empty);
    }
    if path.starts_with('/') {
        return Err(PathFault::Absolute);
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(PathFault::Dots);
    }
    if path.contains(char::is_control) {
        return Err(PathFault::Control);
    }
    if path.split('/').any(|part| part.len() > limits::MAX_PART) {
        return Err(PathFault::PartTooLong);
    }
    if path.len() > limits::MAX_PATH {
        return Err(PathFault::TooLong);
    }
    Ok(())
}

/// Checks the text of a link's target; where it leads is for [`Links`](super::Links).
pub(crate) fn check_target(target: &str) -> Result<(), PathFault> {
    if target.is_empty() {
        return Err(PathFault::Empty);
    }
    if target.starts_with('/') {
        return Err(PathFault::Absolute);
    }
    if target.contains(char::is_control) {
        return Err(PathFault::Control);
    }
    if target.len() > limits::MAX_TARGET {
        return Err(PathFault::TooLong);
    }
    Ok(())
}

/// The directory that a path lies in; `None` for the top level.
pub(crate) fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_spelling() {
        for good in ["a", "a/b", "..a", "a..", "a b", "ä", ".git", "a\\b", "-"] {
            assert_eq!(check_path(good), Ok(()), "{good:?}");
        }
        for bad in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/..",
            "../a",
            "a\n",
            "a\u{1b}[0m",
        ] {
            assert!(check_path(bad).is_err(), "{bad:?} was taken");
        }
        assert_eq!(check_path(&"x".repeat(limits::MAX_PART)), Ok(()));
        assert_eq!(check_path(&"x".repeat(256)), Err(PathFault::PartTooLong));
        let long = |length: usize| ["x/".repeat(length / 2 - 1), "x".repeat(length % 2 + 2)].concat();
        assert_eq!(check_path(&long(limits::MAX_PATH)), Ok(()));
        assert_eq!(check_path(&long(limits::MAX_PATH + 1)), Err(PathFault::TooLong));
        assert_eq!(
            check_path("x/".repeat(600).trim_end_matches('/')),
            Err(PathFault::TooLong)
        );
    }

    #[test]
    fn targets_are_relative_and_short() {
        let long = |length: usize| "x".repeat(length);
        for (target, is) in [
            ("../a", Ok(())),
            ("", Err(PathFault::Empty)),
            ("/a", Err(PathFault::Absolute)),
            ("a\u{7}", Err(PathFault::Control)),
            (&long(limits::MAX_TARGET), Ok(())),
            (&long(limits::MAX_TARGET + 1), Err(PathFault::TooLong)),
        ] {
            assert_eq!(check_target(target), is, "{target:?}");
        }
    }
}
