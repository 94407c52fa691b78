use jiff::ToSpan;
use jiff::civil::Date;
use pipeline_core::{EvidenceSet, Gate, GateRequest, Timestamp, Verdict};
use serde::{Deserialize, Serialize};

use super::window_settings::Clockwork;
use super::{WindowSettings, WindowSettingsError};

/// Lets a stage start at certain hours of certain days, by the clock of one place.
///
/// Inside the window it allows, outside it waits until exactly the start of the next one.
///
/// # Summer time
///
/// A window begins and ends at instants, so it opens once a day, also when the clock is set back across it. A
/// time that does not exist, because the clock is set forward over it, is moved forward by as much; of a time that
/// exists twice, the first counts (RFC 5545, section 3.3.5, and jiff's `Disambiguation::Compatible`). A window whose
/// end would so come before its start is left out, and so is one on a day that a place skipped. The rules of the time
/// zones are those that were built into the program, so that two workers agree.
///
/// ```
/// use pipeline_change::WindowGate;
///
/// let gate: WindowGate = serde_json::from_str(
///     r#"{"days": ["mon", "tue"], "from": "08:00", "until": "18:00", "time-zone": "Europe/Berlin"}"#,
/// )?;
/// let friday = "2026-11-20T12:00:00Z".parse()?;
/// assert!(!gate.is_open(friday));
/// assert_eq!(gate.next_start(friday), Some("2026-11-23T07:00:00Z".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WindowSettings", into = "WindowSettings")]
pub struct WindowGate {
    settings: WindowSettings,
    clockwork: Clockwork,
}

/// How many days ahead to look: a window that opens once a week, and some that are left out.
const HORIZON: i64 = 60;

impl WindowGate {
    /// A gate with these settings.
    ///
    /// # Errors
    ///
    /// When the settings make no sense, such as a time zone that does not exist.
    pub fn new(settings: WindowSettings) -> Result<Self, WindowSettingsError> {
        let clockwork = settings.understood()?;
        Ok(Self { settings, clockwork })
    }

    /// Its settings.
    pub fn settings(&self) -> &WindowSettings {
        &self.settings
    }

    /// Whether a time lies inside a window.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.open_until(at).is_some()
    }

    /// When the window ends that a time lies in; `None` outside.
    pub fn open_until(&self, at: Timestamp) -> Option<Timestamp> {
        self.windows(at)
            .take_while(|(start, _)| *start <= at)
            .find(|(_, end)| at < *end)
            .map(|(_, end)| end)
    }

    /// When the first window after a time begins; `None` beyond the end of the calendar (the year 9999).
    pub fn next_start(&self, after: Timestamp) -> Option<Timestamp> {
        self.windows(after)
            .map(|(start, _)| start)
            .find(|start| *start > after)
    }

    /// The windows from the day before a time on, in order.
    fn windows(&self, near: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let today = near.to_zoned(self.clockwork.zone.clone()).date();
        (-2..=HORIZON).filter_map(move |days| self.window_of(today.checked_add(days.days()).ok()?))
    }

    /// The window that begins on a day.
    fn window_of(&self, day: Date) -> Option<(Timestamp, Timestamp)> {
        let Clockwork {
            from,
            until,
            overnight,
            zone,
        } = &self.clockwork;
        if !self.settings.days.iter().any(|one| one.is(day.weekday())) {
            return None;
        }
        // A place that crosses the date line skips a day: its first instant lies on the next one.
        if day.to_zoned(zone.clone()).ok()?.date() != day {
            return None;
        }
        let last = if *overnight { day.tomorrow().ok()? } else { day };
        let start = day.to_datetime(*from).to_zoned(zone.clone()).ok()?.timestamp();
        let end = last.to_datetime(*until).to_zoned(zone.clone()).ok()?.timestamp();
        (start < end).then_some((start, end))
    }
}

impl Gate for WindowGate {
    const TYPE: &'static str = "window";

    fn decide(&self, _: &GateRequest, _: &EvidenceSet, now: Timestamp) -> Verdict {
        let zone = &self.clockwork.zone;
        if let Some(end) = self.open_until(now) {
            return Verdict::allow(format!("the window is open until {}", end.to_zoned(zone.clone())));
        }
        match self.next_start(now) {
            Some(start) => {
                let shown = start.to_zoned(zone.clone());
                Verdict::wait(format!("the window opens at {shown}")).earliest(start)
            }
            None => Verdict::deny("the window never opens again"),
        }
    }
}

impl TryFrom<WindowSettings> for WindowGate {
    type Error = WindowSettingsError;

    fn try_from(settings: WindowSettings) -> Result<Self, WindowSettingsError> {
        Self::new(settings)
    }
}

impl From<WindowGate> for WindowSettings {
    fn from(gate: WindowGate) -> Self {
        gate.settings
    }
}
