//! How long a run would take, and on what grounds.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use planish_contract::Work;

use crate::plan::Plan;
use crate::run::{Basis, Ground, Guess, Prospect, Rate, Throughput};

use super::listing::{few, table};
use super::words;

/// How long a run would take.
#[derive(Debug)]
pub struct TimeView<'a> {
    /// The time, without what is not known.
    pub left: Duration,
    /// The stages of which nothing is known.
    pub unknown: Vec<&'a str>,
    /// The plan.
    pub plan: &'a Plan,
    /// How long each of its instances takes.
    pub guesses: &'a [Guess<'a>],
    /// How much work each is.
    pub prospects: &'a [Prospect],
    /// How quick the device is.
    pub throughput: &'a Throughput,
    /// Whether the device is that of this machine.
    pub here: bool,
}

/// What stands behind a number.
#[derive(Default)]
struct Line {
    instances: usize,
    amount: f64,
    at_most: bool,
}

impl TimeView<'_> {
    /// (Stage kind, ground in words) → what it is told of.
    fn lines(&self) -> BTreeMap<(&str, String), Line> {
        let mut lines: BTreeMap<(&str, String), Line> = BTreeMap::new();
        for ((instance, guess), prospect) in self.plan.instances.iter().zip(self.guesses).zip(self.prospects) {
            let ground = match (guess.ground, &prospect.work) {
                (Ground::Hit | Ground::Unknown, _) => continue,
                (Ground::Before, _) => "as long as the last time, or by as much more as there is more work".to_owned(),
                (Ground::Usual(usual), _) => {
                    let results = words::count(usual.results, "result");
                    format!("{} each, as {results} of the kind took here", words::duration(usual.seconds))
                }
                (Ground::Rate(rate), work) => self.rate(rate, work.as_ref()),
            };
            let line = lines.entry((&instance.kind, ground)).or_default();
            line.instances += 1;
            if let (Ground::Rate(_), Some(work)) = (guess.ground, &prospect.work) {
                (line.amount, line.at_most) = (line.amount + work.amount, line.at_most || work.at_most);
            }
        }
        lines
    }

    /// A throughput, and where it comes from.
    fn rate(&self, rate: &Rate, work: Option<&Work>) -> String {
        let of = if work.is_some_and(|work| work.like == rate.like) { "the same network" } else { rate.like.as_str() };
        let basis = match &rate.basis {
            Basis::Results(count) => format!("by {} of {of}", words::count(*count, "result")),
            Basis::Trial(when) => format!("by a trial of {of} on {}", when.get(..10).unwrap_or(when)),
            Basis::Assumed(words) => format!("assumed, not measured: {words}"),
        };
        let share = if self.throughput.processors > 1 { " and processor" } else { "" };
        format!("{} a second{share}, {basis}", words::metric(rate.per_second))
    }

    /// Whether a network would be timed by `planish throughput --measure`.
    fn unmeasured(&self) -> bool {
        let pairs = self.plan.instances.iter().zip(self.guesses).zip(self.prospects);
        self.here
            && pairs.into_iter().any(|((instance, guess), prospect)| match (guess.ground, &prospect.work) {
                (Ground::Hit | Ground::Before, _) | (_, None) => false,
                (_, Some(work)) => self.throughput.exact(&instance.kind, work).is_none(),
            })
    }
}

/// Throughputs as text, one a line.
#[must_use]
pub fn throughput(throughput: &Throughput) -> String {
    let row = |rate: &Rate| {
        let basis = match &rate.basis {
            Basis::Results(count) => words::count(*count, "result"),
            Basis::Trial(when) => format!("trial on {}", when.get(..10).unwrap_or(when)),
            Basis::Assumed(words) => format!("assumed: {words}"),
        };
        [rate.kind.clone(), format!("{}/s", words::metric(rate.per_second)), rate.like.clone(), basis]
    };
    let usual = throughput
        .usual
        .iter()
        .map(|usual| [usual.kind.clone(), words::duration(usual.seconds), "an instance".to_owned(), words::count(usual.results, "result")]);
    let rows: Vec<[String; 4]> = throughput.rates.iter().map(row).chain(usual).collect();
    let share = if throughput.processors > 1 { " of each" } else { "" };
    let head = format!("{}, {}", throughput.device, words::count(throughput.processors, "processor"));
    if rows.is_empty() {
        return format!("{head}: nothing was measured; `planish throughput --measure` makes trials\n");
    }
    format!("{head}; multiply-accumulates{share}, or time:\n{}", table(&rows))
}

impl fmt::Display for TimeView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = few(&self.unknown);
        if self.left.is_zero() && !self.unknown.is_empty() {
            write!(f, "time: not known; nothing like {unknown} has run")?;
        } else {
            let processors = words::count(self.throughput.processors, "processor");
            let on = if self.here { processors } else { format!("{} ({processors})", self.throughput.device) };
            write!(f, "time: about {} on {on}", words::rough(self.left.as_secs_f64()))?;
            if !self.unknown.is_empty() {
                write!(f, " and more: nothing like {unknown} has run")?;
            }
        }
        for ((kind, ground), line) in self.lines() {
            write!(f, "\n  {kind}: {}", words::count(line.instances, "instance"))?;
            if line.amount > 0.0 {
                let most = if line.at_most { "at most " } else { "" };
                write!(f, ", {most}{} multiply-accumulates", words::metric(line.amount))?;
            }
            write!(f, ", {ground}")?;
        }
        if self.unmeasured() {
            write!(f, "\n  `planish throughput --measure` times networks that have not run here, in seconds")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::testing::plan_of;

    fn said(view: &TimeView<'_>, left: u64, unknown: &[&'static str]) -> String {
        let TimeView { plan, guesses, prospects, throughput, here, .. } = *view;
        TimeView { left: Duration::from_secs(left), unknown: unknown.to_vec(), plan, guesses, prospects, throughput, here }.to_string()
    }

    #[test]
    fn the_time_says_what_it_rests_on() {
        let plan = plan_of(&[("a", &[]), ("b", &[]), ("c", &[])]);
        let rate =
            Rate { kind: "command".to_owned(), like: "cnn width=4".to_owned(), per_second: 2e9, basis: Basis::Results(2), largest: None };
        let throughput = Throughput { device: "here".to_owned(), processors: 2, rates: vec![rate.clone()], usual: Vec::new() };
        let work = |like: &str| Prospect {
            work: Some(Work { amount: 1e12, like: like.to_owned(), at_most: true, device: None }),
            ..Prospect::default()
        };
        let (prospects, unknown) =
            ([work("cnn width=4"), work("cnn width=8"), Prospect::default()], Guess { seconds: None, ground: Ground::Unknown });
        let rated = Guess { seconds: Some(1.0), ground: Ground::Rate(&rate) };
        let before = Guess { seconds: Some(1.0), ground: Ground::Before };
        let guesses = [rated, rated, before];
        let view = TimeView {
            left: Duration::ZERO,
            unknown: Vec::new(),
            plan: &plan,
            guesses: &guesses,
            prospects: &prospects,
            throughput: &throughput,
            here: true,
        };
        assert_eq!(
            said(&view, 125, &[]),
            "time: about 2 min on 2 processors\n  \
             command: 1 instance, at most 1.00 T multiply-accumulates, 2.00 G a second and processor, by 2 results of cnn width=4\n  \
             command: 1 instance, at most 1.00 T multiply-accumulates, 2.00 G a second and processor, by 2 results of the same network\n  \
             command: 1 instance, as long as the last time, or by as much more as there is more work\n  \
             `planish throughput --measure` times networks that have not run here, in seconds"
        );
        let elsewhere = said(&TimeView { here: false, ..view }, 30, &["x", "y"]);
        assert!(elsewhere.starts_with("time: about 30 s on here (2 processors) and more: nothing like x, y has run\n"), "{elsewhere}");
        let guesses = [unknown; 3];
        let view = TimeView {
            left: Duration::ZERO,
            unknown: Vec::new(),
            plan: &plan,
            guesses: &guesses,
            prospects: &[Prospect::default(), Prospect::default(), Prospect::default()],
            throughput: &throughput,
            here: true,
        };
        assert_eq!(said(&view, 0, &["train"]), "time: not known; nothing like train has run");
    }
}
