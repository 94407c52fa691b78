use pipeline_core::{Channel, StageContext};

use super::facts::Facts;
use super::lines::Line;

/// Where a program's output goes: to the context, and the facts in it to the outcome.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    pub(super) cx: &'a StageContext,
    pub(super) facts: Facts,
}

impl Sink<'_> {
    pub(super) fn line(&mut self, channel: Channel, line: &Line<'_>) {
        self.cx.output(channel, &line.text);
        if channel != Channel::Stdout || !Facts::is_meant(&line.text) {
            return;
        }
        let taken = if line.whole {
            let masker = self.cx.masker();
            self.facts.take(&line.text, |text| masker.mask(text))
        } else {
            Err("it is too long for a line".to_owned())
        };
        if let Err(reason) = taken {
            self.cx
                .log(format!("warning: the line before is no fact: {reason}"));
        }
    }
}
