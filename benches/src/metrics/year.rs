//! A made-up year of an estate, as a delivery log: seeded, so that it is the same everywhere.

use std::fmt::Write as _;
use std::io::{self, Write};

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Changes.
    pub changes: u32,
    /// Deployments, a tenth of them to staging.
    pub deployments: u32,
    /// Incidents, about one in twenty not over.
    pub incidents: u32,
    /// Services, of very different sizes.
    pub services: u32,
}

impl Size {
    /// So many changes, and a fifth and a fiftieth of that in deployments and incidents, over 200 services.
    pub fn of_changes(changes: u32) -> Self {
        Self {
            changes,
            deployments: changes / 5,
            incidents: changes / 50,
            services: 200,
        }
    }
}

/// SplitMix64: a well-known generator of numbers that look random.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// From 0 up to and without 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Exponential with a mean.
    fn wait(&mut self, mean: f64) -> f64 {
        -(1.0 - self.unit()).ln() * mean
    }

    fn one_in(&mut self, percent: f64) -> bool {
        self.unit() * 100.0 < percent
    }

    fn below(&mut self, limit: u32) -> u32 {
        (self.unit() * f64::from(limit)) as u32
    }
}

const HOUR: f64 = 3_600_000.0;
const YEAR: f64 = 365.0 * 24.0 * HOUR;
/// 2025-01-01, in milliseconds.
const START: f64 = 1_735_689_600_000.0;

/// Writes the log, in the order of time; gives the number of lines.
///
/// # Errors
///
/// When it cannot be written.
pub fn write(size: Size, seed: u64, out: &mut impl Write) -> io::Result<u64> {
    let mut year = Year {
        chance: Chance(seed),
        lines: String::new(),
        order: Vec::new(),
    };
    year.make(size);
    year.order.sort_unstable();
    for &(_, start, end) in &year.order {
        out.write_all(&year.lines.as_bytes()[start..end])?;
    }
    out.flush()?;
    Ok(year.order.len() as u64)
}

struct Year {
    chance: Chance,
    lines: String,
    /// Moments and where their lines are.
    order: Vec<(i64, usize, usize)>,
}

impl Year {
    fn make(&mut self, size: Size) {
        let weights: Vec<f64> = (0..size.services)
            .map(|_| self.chance.wait(1.0).powf(1.5) + 0.01)
            .collect();
        let whole: f64 = weights.iter().sum();
        let (mut deployment, mut change, mut incident) = (0, 0, 0);
        let (mut reached, mut id) = (0.0, 0);
        for (service, weight) in weights.iter().enumerate() {
            reached += weight / whole;
            // The last service gets what is left, so that the sums are exact.
            let up_to = |all: u32| {
                if service + 1 == weights.len() {
                    all
                } else {
                    (f64::from(all) * reached) as u32
                }
            };
            let deployments = up_to(size.deployments) - deployment;
            let changes = up_to(size.changes) - change;
            let incidents = up_to(size.incidents) - incident;
            self.service(
                service,
                deployments,
                changes,
                incident..incident + incidents,
                &mut id,
            );
            deployment += deployments;
            change += changes;
            incident += incidents;
        }
    }

    fn service(
        &mut self,
        service: usize,
        deployments: u32,
        mut changes: u32,
        incidents: std::ops::Range<u32>,
        id: &mut u32,
    ) {
        let name = format!("svc-{service:03}");
        let mut times: Vec<f64> = (0..deployments)
            .map(|_| START + self.chance.unit() * YEAR)
            .collect();
        times.sort_by(f64::total_cmp);
        let per_deployment = f64::from(changes) * 0.9 / f64::from(deployments.max(1));
        let mut recent: Vec<String> = Vec::new();
        let mut live = Vec::new();
        for &at in &times {
            let count =
                (per_deployment * 2.0 * (self.chance.unit() + self.chance.unit()) / 2.0).round() as u32;
            let mut shas = Vec::new();
            for _ in 0..count.min(changes) {
                changes -= 1;
                shas.push(self.change(&name, at));
            }
            if self.chance.one_in(12.0) {
                // Deployed once more.
                shas.extend(recent.iter().take(1).cloned());
            }
            let number = *id;
            *id += 1;
            let production = !self.chance.one_in(10.0);
            let success = !self.chance.one_in(6.4);
            let kind = match self.chance.unit() * 100.0 {
                part if part < 90.0 => "planned",
                part if part < 97.5 => "hotfix",
                _ => "rollback",
            };
            let started = at - 60_000.0 - self.chance.wait(240_000.0);
            let mut line = String::new();
            let _ = write!(
                line,
                r#"{{"type":"deployment","ts":"{}","service":"{name}","id":"d{number:07}","environment":"{}","result":"{}","kind":"{kind}","started":"{}","changes":["#,
                moment(at),
                if production { "production" } else { "staging" },
                if success { "success" } else { "failure" },
                moment(started),
            );
            for (at, sha) in shas.iter().enumerate() {
                let _ = write!(line, "{}\"{sha}\"", if at == 0 { "" } else { "," });
            }
            line.push_str("]}");
            self.add(at, &line);
            if production && success {
                live.push((at, number));
            }
            recent = shas;
        }
        for _ in 0..changes {
            let at = START + self.chance.unit() * YEAR;
            self.change(&name, at);
        }
        for incident in incidents {
            self.incident(&name, incident, &live);
        }
    }

    fn change(&mut self, service: &str, deployed: f64) -> String {
        let (a, b, c) = (self.chance.next(), self.chance.next(), self.chance.next() as u32);
        let sha = format!("{a:016x}{b:016x}{c:08x}");
        // Half within a day, some after weeks, a few after they were deployed.
        let mut age = self.chance.wait(36.0 * HOUR) + 600_000.0;
        if self.chance.one_in(8.0) {
            age += self.chance.wait(500.0 * HOUR);
        }
        if self.chance.one_in(0.4) {
            age = -self.chance.wait(HOUR);
        }
        let at = deployed - age;
        let line = format!(
            r#"{{"type":"change","ts":"{}","service":"{service}","sha":"{sha}"}}"#,
            moment(at)
        );
        self.add(at, &line);
        sha
    }

    fn incident(&mut self, service: &str, number: u32, live: &[(f64, u32)]) {
        let (deployed, deployment) = match live.len() {
            0 => (START + self.chance.unit() * YEAR, None),
            length => {
                let (at, number) = live[self.chance.below(length as u32) as usize];
                (at, Some(number))
            }
        };
        let opened = deployed + self.chance.wait(4.0 * HOUR);
        let named = deployment.filter(|_| self.chance.one_in(70.0));
        let named = named.map_or_else(String::new, |number| format!(r#","deployment":"d{number:07}""#));
        let line = format!(
            r#"{{"type":"incident_opened","ts":"{}","service":"{service}","id":"i{number:06}"{named}}}"#,
            moment(opened)
        );
        self.add(opened, &line);
        // 968 of 20,000 are open.
        if number * 7_919 % 20_000 >= 968 {
            let over = opened + self.chance.wait(3.0 * HOUR);
            let line = format!(
                r#"{{"type":"incident_resolved","ts":"{}","service":"{service}","id":"i{number:06}"}}"#,
                moment(over)
            );
            self.add(over, &line);
        }
    }

    fn add(&mut self, at: f64, line: &str) {
        let start = self.lines.len();
        self.lines.push_str(line);
        self.lines.push('\n');
        self.order.push((at as i64, start, self.lines.len()));
    }
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`.
fn moment(at: f64) -> String {
    let at = at as i64;
    let (days, rest) = (at.div_euclid(86_400_000), at.rem_euclid(86_400_000));
    // Civil date from days: years begin in March, in eras of 400 years.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_is_the_same_every_time_in_order_and_fits() {
        let size = Size::of_changes(5_000);
        let mut first = Vec::new();
        let lines = write(size, 42, &mut first).unwrap();
        let mut second = Vec::new();
        write(size, 42, &mut second).unwrap();
        assert!(first == second);
        let mut other = Vec::new();
        write(size, 43, &mut other).unwrap();
        assert!(first != other);
        let text = String::from_utf8(first).unwrap();
        let times: Vec<_> = text.lines().map(|line| line.split('"').nth(7).unwrap()).collect();
        assert!(times.is_sorted(), "in the order of time");
        let of = |kind: &str| {
            text.lines()
                .filter(|line| line.contains(&format!("\"type\":\"{kind}\"")))
                .count()
        };
        assert_eq!(
            (of("change"), of("deployment"), of("incident_opened")),
            (5_000, 1_000, 100)
        );
        assert_eq!(lines, text.lines().count() as u64);
        let mut facts = pipeline_metrics::Facts::new();
        let reader = pipeline_metrics::LogReader::new("year").strict();
        assert_eq!(reader.read(text.as_bytes(), &mut facts).unwrap().facts, lines);
    }

    #[test]
    fn moments_are_written_as_dates() {
        assert_eq!(moment(START), "2025-01-01T00:00:00.000Z");
        assert_eq!(moment(START - 1.0), "2024-12-31T23:59:59.999Z");
        assert_eq!(moment(951_782_400_000.0), "2000-02-29T00:00:00.000Z");
    }
}
