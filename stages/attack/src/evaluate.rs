//! Running attacks, one after the other, on the images that still stand.

use std::time::{Duration, Instant};

use planish_contract::{Failure, Host, Progress};
use planish_formats::AttackSummary;
use planish_nn::Victim;

use crate::attack::{Case, Round};
use crate::choice::Named;
use crate::judge::{Judge, Proposer};

/// What an evaluation needs besides judge, victim and attacks.
pub struct Setting<'a> {
    /// The seed of all random streams.
    pub seed: u64,
    /// How many images are attacked side by side; bounds the memory and changes no result.
    pub together: usize,
    /// Whom to tell, and who may ask to stop.
    pub host: &'a dyn Host,
}

/// What an evaluation cost and brought.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// One summary for each attack, in order.
    pub summaries: Vec<AttackSummary>,
    /// Gradients spent in all, over all images.
    pub gradients: u64,
}

/// How many images of `pixels` values to attack side by side: at most 512, fewer when they are large.
#[must_use]
pub fn side_by_side(pixels: usize) -> usize {
    const VALUES: usize = 1 << 25;
    (VALUES / pixels.max(1)).clamp(16, 512)
}

/// Runs the attacks in order, each on the images that the ones before it have left standing, so that what the judge keeps is the
/// worst case over all of them.
///
/// # Errors
/// [`Failure::Stopped`] when the host asks to stop; what victim, attack or judge report.
pub fn evaluate(judge: &mut Judge<'_>, victim: &mut dyn Victim, attacks: &[Named<'_>], setting: &Setting<'_>) -> Result<Outcome, Failure> {
    let classes = judge.classes();
    let bound: u64 = attacks.iter().map(|named| named.attack.gradients(classes)).sum();
    let mut meter = Meter::new(setting.host, bound.saturating_mul(judge.len() as u64));
    let mut summaries = Vec::with_capacity(attacks.len());
    for named in attacks {
        let before = judge.standing().len();
        let rounds = named.attack.rounds(classes);
        for number in 0..rounds {
            let share = named.attack.gradients(classes).saturating_mul(judge.len() as u64) / u64::from(rounds.max(1));
            meter.begin(share);
            run_round(judge, victim, (named, number), (setting, &mut meter))?;
        }
        let standing = judge.standing().len();
        summaries.push(AttackSummary {
            name: named.name.clone(),
            parameters: named.parameters.clone(),
            goal: named.attack.goal().as_str().to_owned(),
            gradients_per_image: named.attack.gradients(classes),
            robust_accuracy: standing as f64 / judge.len() as f64,
            broken: before - standing,
        });
    }
    Ok(Outcome { summaries, gradients: meter.spent })
}

/// One round of one attack on all images that stand.
fn run_round(
    judge: &mut Judge<'_>,
    victim: &mut dyn Victim,
    (named, number): (&Named<'_>, u32),
    (setting, meter): (&Setting<'_>, &mut Meter<'_>),
) -> Result<(), Failure> {
    let restart = named.attack.restart(number, judge.classes());
    let standing = judge.standing();
    let mut left = standing.len();
    for part in standing.chunks(setting.together.max(1)) {
        let images = judge.originals(part);
        let cases: Vec<Case> = part.iter().filter_map(|&index| judge.case(index).cloned()).collect();
        let text = format!("{} restart {}, {left} of {} images stand", named.name, restart + 1, judge.len());
        let ball = *judge.ball();
        let mut spent = |count| meter.spend(count, &text);
        let mut round =
            Round { number, seed: setting.seed, images: &images, cases: &cases, ball: &ball, victim: &mut *victim, spent: &mut spent };
        let proposals = named.attack.propose(&mut round)?;
        left -= judge.hear(part, proposals, Proposer { attack: &named.name, restart })?;
    }
    Ok(())
}

/// Counts gradients and shows progress.
struct Meter<'a> {
    host: &'a dyn Host,
    started: Instant,
    shown: Option<Instant>,
    spent: u64,
    /// Where the round began, what it may spend, and what it has spent.
    floor: u64,
    share: u64,
    in_round: u64,
    total: u64,
}

impl<'a> Meter<'a> {
    /// Progress is shown at most this often.
    const INTERVAL: Duration = Duration::from_millis(200);

    fn new(host: &'a dyn Host, total: u64) -> Self {
        Meter { host, started: Instant::now(), shown: None, spent: 0, floor: 0, share: 0, in_round: 0, total }
    }

    /// A round begins that may spend `share` gradients; what the one before it did not spend is done as well.
    fn begin(&mut self, share: u64) {
        self.floor = self.floor.saturating_add(self.share);
        (self.share, self.in_round) = (share, 0);
    }

    fn spend(&mut self, count: u64, text: &str) -> Result<(), Failure> {
        self.spent += count;
        self.in_round += count;
        if self.host.stopped() {
            return Err(Failure::Stopped);
        }
        if self.shown.is_none_or(|last| last.elapsed() >= Self::INTERVAL) {
            self.shown = Some(Instant::now());
            let speed = self.spent as f64 / self.started.elapsed().as_secs_f64().max(1e-3);
            let done = self.floor.saturating_add(self.in_round.min(self.share));
            self.host.progress(Progress { done, total: self.total, text: format!("{text}, {speed:.0} gradients/s") });
        }
        Ok(())
    }
}
