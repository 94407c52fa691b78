use pipeline_core::{Abilities, Effect, Failure, Inspect, Inspection, Outcome, Reads, Stage, StageContext};

use super::Command;
use crate::process::{Ending, Program, ProgramError};

impl Stage for Command {
    const TYPE: &'static str = "command";
    type Error = ProgramError;

    fn effect(&self) -> Effect {
        self.effect
    }

    async fn run(&self, cx: &StageContext) -> Result<Outcome, ProgramError> {
        let ended = self.to_program().run(cx).await?;
        let mut outcome = match ended.how {
            Ending::Exited(code) if self.success_codes.contains(&code) => Outcome::succeeded(),
            how => Outcome::failed(format!("`{}` {how}", self.program)),
        };
        outcome.facts = ended.facts;
        Ok(outcome)
    }

    /// A program that was stopped on its way may have done what nobody can take back.
    fn failure(&self, error: &ProgramError) -> Failure {
        match self.effect {
            Effect::AtMostOnce | Effect::Inspectable if error.was_started() => Failure::Unknown,
            _ => Failure::Errored,
        }
    }

    fn reads(&self) -> Reads {
        match &self.inputs {
            Some(inputs) if inputs.is_empty() => Reads::Nothing,
            Some(inputs) => Reads::Source(inputs.clone()),
            None => Reads::Source(vec![self.directory.clone()]),
        }
    }

    fn abilities() -> Abilities<Self> {
        Abilities::new().inspect()
    }
}

impl Inspect for Command {
    async fn inspect(&self, cx: &StageContext) -> Result<Inspection, ProgramError> {
        let Some(inspect) = &self.inspect else {
            return Ok(Inspection::Unknown {
                reason: format!("nothing finds out what `{}` did", self.program),
            });
        };
        let program = Program {
            program: &inspect.program,
            args: &inspect.args,
            inspects: true,
            ..self.to_program()
        };
        let ended = program.run(cx).await?;
        Ok(match ended.how {
            Ending::Exited(0) => {
                let reason = format!("`{}` found it done", inspect.program);
                let mut outcome = Outcome::succeeded().because(reason);
                outcome.facts = ended.facts;
                Inspection::Happened(Box::new(outcome))
            }
            Ending::Exited(1) => Inspection::DidNotHappen,
            how => Inspection::Unknown {
                reason: format!("`{}` {how}: 0 or 1 would tell", inspect.program),
            },
        })
    }
}
