//! Running attacks, one after the other, on the images that still stand.

use planish_contract::{Failure, Host};
use planish_formats::{AttackSummary, Split, median};
use planish_nn::Victim;

use crate::attack::{Cost, Goal, Round};
use crate::bench::{Bench, Findings, Proposer, Trial};
use crate::choice::Named;
use crate::judge::Judge;
use crate::meter::Meter;
use crate::recall::{Recall, Words};

/// What an evaluation needs besides judge, victim, attacks and images.
pub struct Setting<'a> {
    /// The seed of all random streams.
    pub seed: u64,
    /// How many images are attacked side by side; bounds the memory and changes no result.
    pub together: usize,
    /// Whether adversarial images are scored when rounded to 8 bits as well.
    pub report_u8: bool,
    /// Whom to tell, who may ask to stop, and who keeps sub-results.
    pub host: &'a dyn Host,
    /// What sub-results depend on besides attack, threat model, seed and image: digests of model and victim, runtime, device. `None`: nothing
    /// is looked up or kept.
    pub identity: Option<Vec<Vec<u8>>>,
}

/// What an evaluation cost and brought.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// One summary for each attack, in order.
    pub summaries: Vec<AttackSummary>,
    /// How many images are classified correctly without an attack, and after all attacks.
    pub clean: usize,
    /// How many stand in the end.
    pub robust: usize,
    /// The same with adversarial images rounded to 8 bits, where it was asked for.
    pub robust_u8: Option<usize>,
    /// Passes through the victim that this run made; those that were looked up are not among them.
    pub passes: u64,
}

/// How many images of `pixels` values to attack side by side: at most 512, fewer when they are large.
#[must_use]
pub fn side_by_side(pixels: usize) -> usize {
    const VALUES: usize = 1 << 25;
    (VALUES / pixels.max(1)).clamp(16, 512)
}

/// Runs the attacks in order, each on the images that the ones before it have left standing, so that what is kept is the worst case over
/// all of them. Images go through in parts; `sink` is given what was found of each part, in order.
///
/// # Errors
/// [`Failure::Input`] when images and model don't fit; [`Failure::Stopped`] when the host asks to stop; what victim, attack, judge or sink report.
pub fn evaluate(
    judge: &mut Judge<'_>,
    victim: &mut dyn Victim,
    (attacks, images): (&[Named], &Split),
    setting: &Setting<'_>,
    sink: &mut dyn FnMut(Findings) -> Result<(), Failure>,
) -> Result<Outcome, Failure> {
    judge.check_fit(images)?;
    let classes = judge.classes();
    let total: u64 = attacks.iter().map(|named| cost(named, classes).passes()).sum();
    let mut meter = Meter::new(setting.host, total.saturating_mul(images.len() as u64));
    let mut tallies: Vec<Tally> = attacks.iter().map(|_| Tally::default()).collect();
    let mut outcome = Outcome { summaries: Vec::new(), clean: 0, robust: 0, robust_u8: setting.report_u8.then_some(0), passes: 0 };
    for first in (0..images.len()).step_by(setting.together.max(1)) {
        let last = (first + setting.together.max(1)).min(images.len());
        let mut bench = Bench::open(judge, images, first..last)?;
        outcome.clean += bench.standing(Goal::Untargeted).len();
        let mut part = Part { judge, victim, bench: &mut bench, setting, meter: &mut meter, progress: (last, images.len()) };
        for (named, tally) in attacks.iter().zip(&mut tallies) {
            part.run(named, tally)?;
        }
        outcome.robust += bench.standing(Goal::Untargeted).len();
        let findings = bench.close(judge, setting.report_u8)?;
        if let Some(robust) = &mut outcome.robust_u8 {
            *robust += findings.images.iter().filter(|image| image.robust_u8 == Some(true)).count();
        }
        sink(findings)?;
    }
    outcome.passes = meter.spent();
    outcome.summaries = attacks.iter().zip(tallies).map(|(named, tally)| tally.summary(named, (classes, images.len()))).collect();
    Ok(outcome)
}

/// What an attack costs at most on one image, over all restarts.
pub(crate) fn cost(named: &Named, classes: usize) -> Cost {
    named.attack.cost(classes).times(u64::from(named.attack.restarts()))
}

/// What an attack came to over all parts.
#[derive(Default)]
struct Tally {
    broken: usize,
    standing: usize,
    reached: usize,
    distances: Vec<f64>,
    cost: Cost,
}

impl Tally {
    fn summary(self, named: &Named, (classes, images): (usize, usize)) -> AttackSummary {
        let (goal, most) = (named.attack.goal(), cost(named, classes));
        let share = |count: usize| count as f64 / images.max(1) as f64;
        let median = median(self.distances).filter(|median| median.is_finite());
        AttackSummary {
            name: named.name.clone(),
            parameters: named.parameters.clone(),
            goal: goal.as_str().to_owned(),
            gradients_per_image: most.gradients,
            queries_per_image: most.queries,
            gradients: self.cost.gradients,
            queries: self.cost.queries,
            robust_accuracy: share(self.standing),
            broken: self.broken,
            targeted_success: (goal == Goal::Targeted).then(|| share(self.reached)),
            median_distance: median.filter(|_| goal == Goal::MinimalNorm),
        }
    }
}

/// One part of the images under the attacks.
struct Part<'a, 'j, 'h> {
    judge: &'a mut Judge<'j>,
    victim: &'a mut dyn Victim,
    bench: &'a mut Bench,
    setting: &'a Setting<'h>,
    meter: &'a mut Meter<'h>,
    progress: (usize, usize),
}

impl Part<'_, '_, '_> {
    /// All restarts of one attack.
    fn run(&mut self, named: &Named, tally: &mut Tally) -> Result<(), Failure> {
        let goal = named.attack.goal();
        self.bench.prepare(&*named.attack, self.setting.seed);
        let before = self.bench.standing(Goal::Untargeted).len();
        let words = Words::new(named, self.judge, self.setting);
        let most = named.attack.cost(self.judge.classes()).passes().saturating_mul(self.bench.len() as u64);
        for restart in 0..named.attack.restarts() {
            self.meter.begin(most);
            let standing = self.bench.standing(goal);
            let recall = Recall::new(words.as_ref(), (&*self.bench, restart), self.setting.host);
            let found: Vec<Option<Trial>> = standing.iter().map(|&row| recall.find(row)).collect();
            let missing: Vec<usize> = standing.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(row, _)| *row).collect();
            let mut made = self.restart(named, restart, &missing)?.into_iter();
            for (&row, found) in standing.iter().zip(found) {
                let trial = match found {
                    Some(trial) => trial,
                    None => made.next().inspect(|trial| recall.keep(row, trial)).unwrap_or_default(),
                };
                tally.cost.gradients += trial.gradients;
                tally.cost.queries += trial.queries;
                self.hear(row, &trial, Proposer { attack: &named.name, restart, goal });
            }
        }
        let standing = self.bench.standing(Goal::Untargeted).len();
        let (reached, distances) = self.bench.progress();
        tally.broken += before - standing;
        tally.standing += standing;
        tally.reached += reached;
        tally.distances.extend(distances);
        Ok(())
    }

    fn hear(&mut self, row: usize, trial: &Trial, by: Proposer<'_>) {
        let eps = self.judge.eps;
        self.bench.hear(row, trial, by, eps);
    }

    /// One restart of an attack on the images `rows`, judged after each round.
    fn restart(&mut self, named: &Named, restart: u32, rows: &[usize]) -> Result<Vec<Trial>, Failure> {
        let goal = named.attack.goal();
        let mut trials = vec![Trial::default(); rows.len()];
        let mut left: Vec<usize> = (0..rows.len()).collect();
        let (done, all) = self.progress;
        for number in 0..named.attack.rounds(self.judge.classes()) {
            if left.is_empty() {
                break;
            }
            let (images, cases) = self.bench.pick(&left.iter().filter_map(|&index| rows.get(index).copied()).collect::<Vec<_>>());
            let text = format!("{} restart {}, {} images at hand, up to image {done} of {all}", named.name, restart + 1, left.len());
            let (ball, meter) = (self.judge.ball, &mut *self.meter);
            let mut spent = |count| meter.spend(count, &text);
            let mut round = Round {
                restart,
                number,
                seed: self.setting.seed,
                images: &images,
                cases: &cases,
                ball: &ball,
                victim: &mut *self.victim,
                spent: &mut spent,
            };
            let proposals = named.attack.propose(&mut round)?;
            let costs: Vec<(u32, u32)> = proposals.gradients.iter().copied().zip(proposals.queries.iter().copied()).collect();
            let candidates = self.judge.examine(goal, (&images, &cases), proposals, &named.name)?;
            let mut reached = Vec::with_capacity(left.len());
            for ((&index, candidate), (gradients, queries)) in left.iter().zip(candidates).zip(costs) {
                reached.push(candidate.reaches(goal, self.judge.eps));
                let Some(trial) = trials.get_mut(index) else { continue };
                trial.gradients += u64::from(gradients);
                trial.queries += u64::from(queries);
                trial.take(candidate, goal);
            }
            let mut reached = reached.into_iter();
            left.retain(|_| reached.next() == Some(false));
        }
        Ok(trials)
    }
}
