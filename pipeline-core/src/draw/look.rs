/// How a state is drawn beside its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) symbol: char,
    pub(super) form: Form,
}

/// States that look alike but for their symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// It has not begun.
    Ahead,
    /// As that, and nothing happens yet.
    Dormant,
    Waiting,
    Running,
    Unknown,
    Good,
    Bad,
    /// It did not run, or not to its end.
    Left,
}

impl Look {
    /// The look for a state's word. A word that has none of its own looks like what has not begun.
    pub(super) fn of(word: &str) -> Self {
        let (symbol, form) = match word {
            "pending" => ('○', Form::Dormant),
            "ready" => ('◎', Form::Ahead),
            "waiting" => ('◆', Form::Waiting),
            "retrying" => ('↻', Form::Waiting),
            "running" => ('▶', Form::Running),
            "unknown" => ('?', Form::Unknown),
            "succeeded" => ('✔', Form::Good),
            "unchanged" => ('=', Form::Good),
            "nothing to do" => ('∅', Form::Good),
            "reused" => ('↺', Form::Good),
            "accepted" => ('☑', Form::Good),
            "failed" => ('✘', Form::Bad),
            "errored" => ('!', Form::Bad),
            "denied" => ('⊘', Form::Bad),
            "skipped" => ('–', Form::Left),
            "cancelled" => ('■', Form::Left),
            _ => ('•', Form::Ahead),
        };
        Self { symbol, form }
    }
}

impl Form {
    /// A name without spaces.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ahead => "ahead",
            Self::Dormant => "dormant",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Unknown => "unknown",
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Left => "left",
        }
    }

    /// The colours of the area and of the border: told apart with any colour vision, under black text.
    pub(super) fn colours(self) -> (&'static str, &'static str) {
        match self {
            Self::Ahead | Self::Dormant => ("#ffffff", "#555555"),
            Self::Waiting => ("#fff3bf", "#8a6d00"),
            Self::Running => ("#cfe8ff", "#0b61a4"),
            Self::Unknown => ("#ead6ff", "#6a1b9a"),
            Self::Good => ("#d5efe3", "#00684a"),
            Self::Bad => ("#ffd9cc", "#b0300c"),
            Self::Left => ("#eeeeee", "#777777"),
        }
    }

    /// Whether the border is dashed.
    pub(super) fn dashed(self) -> bool {
        self == Self::Dormant
    }
}
