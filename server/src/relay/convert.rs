//! Re-encoding a message for a host that does not take it as it is.

use postkern::smtp::BodyType;

use crate::downgrade::{Cannot, Downgrade, Plan, Rules, Survey, Target};

/// Three readings of the message: what is to be done, how many octets that makes, and, when it
/// is sent, doing it.
pub(super) struct Convert {
    most: BodyType,
    stage: Stage,
    /// Octets of the message read in this stage.
    pub(super) at: u64,
}

enum Stage {
    Survey(Box<Survey>),
    Count { plan: Plan, downgrade: Box<Downgrade>, octets: u64 },
}

/// What a reading that has come to its end gives.
pub(super) enum Read {
    /// It is to be read once more.
    Again,
    /// It has so many octets now; without a plan it goes as it is.
    Done { octets: u64, plan: Option<Plan> },
}

impl Convert {
    /// To what the host takes.
    pub(super) fn new(most: BodyType) -> Self {
        let target = if most == BodyType::SevenBit { Target::SevenBit } else { Target::Lines };
        let survey = Survey::new(Rules { target, ..Rules::default() });
        Self { most, stage: Stage::Survey(Box::new(survey)), at: 0 }
    }

    pub(super) fn most(&self) -> BodyType {
        self.most
    }

    /// Takes the next piece.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<(), Cannot> {
        self.at += piece.len() as u64;
        match &mut self.stage {
            Stage::Survey(survey) => survey.feed(piece),
            Stage::Count { downgrade, octets, .. } => {
                let mut out = Vec::new();
                downgrade.feed(piece, &mut out)?;
                *octets += out.len() as u64;
            }
        }
        Ok(())
    }

    /// The message has been read to its end.
    pub(super) fn end(&mut self) -> Result<Read, Cannot> {
        let read = self.at;
        self.at = 0;
        let empty = Stage::Survey(Box::new(Survey::new(Rules::default())));
        match std::mem::replace(&mut self.stage, empty) {
            Stage::Survey(survey) => {
                let plan = survey.finish()?;
                if !plan.is_needed() {
                    return Ok(Read::Done { octets: read, plan: None });
                }
                let downgrade = Box::new(Downgrade::new(plan.clone()));
                self.stage = Stage::Count { plan, downgrade, octets: 0 };
                Ok(Read::Again)
            }
            Stage::Count { plan, downgrade, octets } => {
                let mut out = Vec::new();
                downgrade.finish(&mut out)?;
                Ok(Read::Done { octets: octets + out.len() as u64, plan: Some(plan) })
            }
        }
    }
}
