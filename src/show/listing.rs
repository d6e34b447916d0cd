//! What a run would do (`plan`) and how things stand (`status`), an instance a line.

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::Plan;
use crate::run::{Adoption, Forecast, Guess, History, Mark, Prospect, Reason, Standing};

use super::words;

/// What a run would do with an instance.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PlanView<'a> {
    instance: &'a str,
    stage: &'a str,
    kind: &'a str,
    /// `hit`, `run`, `depends` or `broken`.
    action: &'static str,
    key: Option<String>,
    reason: Option<&'a Reason>,
    /// The instances whose results come first.
    depends_on: Vec<&'a str>,
    message: Option<&'a str>,
    /// How much work it is, in multiply-accumulates, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    work: Option<f64>,
    /// How long it is expected to take, in seconds: 0 for a hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_seconds: Option<f64>,
}

impl<'a> PlanView<'a> {
    /// The views of all instances of a plan, with how long they will take.
    #[must_use]
    pub fn all(plan: &'a Plan, forecasts: &'a [Forecast], guesses: &[Guess<'_>], prospects: &[Prospect]) -> Vec<Self> {
        let views = Self::untimed(plan, forecasts).into_iter().zip(guesses).zip(prospects);
        views
            .map(|((view, guess), prospect)| PlanView {
                work: prospect.work.as_ref().map(|work| work.amount),
                expected_seconds: guess.seconds,
                ..view
            })
            .collect()
    }

    fn untimed(plan: &'a Plan, forecasts: &'a [Forecast]) -> Vec<Self> {
        plan.instances.iter().zip(forecasts).map(|(instance, forecast)| Self::new(plan, instance, forecast)).collect()
    }

    fn new(plan: &'a Plan, instance: &'a crate::plan::Instance, forecast: &'a Forecast) -> Self {
        let mut view = PlanView {
            instance: &instance.id,
            stage: &instance.stage,
            kind: &instance.kind,
            action: "hit",
            key: None,
            reason: None,
            depends_on: Vec::new(),
            message: None,
            work: None,
            expected_seconds: None,
        };
        match forecast {
            Forecast::Hit { resolved, .. } => view.key = Some(resolved.key.to_string()),
            Forecast::Run { resolved, reason } => {
                view.action = "run";
                view.key = Some(resolved.key.to_string());
                view.reason = Some(reason);
            }
            Forecast::Depends { on } => {
                view.action = "depends";
                view.depends_on = on.iter().filter_map(|index| plan.instances.get(*index)).map(|other| other.id.as_str()).collect();
            }
            Forecast::Broken { failed } => {
                view.action = "broken";
                view.message = Some(&failed.message);
            }
        }
        view
    }

    fn remark(&self) -> String {
        match (self.reason, self.message) {
            (Some(reason), _) => words::reason(reason),
            (None, Some(message)) => message.to_owned(),
            (None, None) if self.depends_on.is_empty() => String::new(),
            (None, None) => format!("depends on {}", few(&self.depends_on)),
        }
    }
}

/// How an instance stands.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StatusView<'a> {
    instance: &'a str,
    stage: &'a str,
    kind: &'a str,
    state: Standing,
    key: Option<String>,
    reason: Option<&'a Reason>,
    depends_on: Vec<&'a str>,
    /// The run that last worked on it.
    run: Option<&'a str>,
    /// How long that took.
    seconds: Option<f64>,
    message: Option<&'a str>,
    /// The reason given for keeping a result of earlier code, if that was done to this one.
    adopted: Option<&'a Adoption>,
    /// The instances whose adopted results it was made from, directly or through others.
    rests_on: Vec<&'a str>,
}

impl<'a> StatusView<'a> {
    /// The views of all instances of a plan.
    #[must_use]
    pub fn all(plan: &'a Plan, forecasts: &'a [Forecast], history: &'a History, marks: &'a [Mark]) -> Vec<Self> {
        let views = PlanView::untimed(plan, forecasts).into_iter().zip(forecasts).zip(marks);
        views
            .map(|((view, forecast), mark)| {
                let past = history.past(view.instance);
                let state = Standing::of(forecast, past);
                let failure = past.and_then(|past| past.failure.as_ref()).filter(|_| state == Standing::Failed);
                StatusView {
                    instance: view.instance,
                    stage: view.stage,
                    kind: view.kind,
                    state,
                    key: view.key,
                    reason: view.reason,
                    depends_on: view.depends_on,
                    run: past.and_then(|past| past.run.as_deref()),
                    seconds: past.and_then(|past| past.seconds).filter(|_| state == Standing::Fresh),
                    message: view.message.or(failure.map(|failed| failed.message.as_str())),
                    adopted: mark.own.as_ref(),
                    rests_on: mark.rests_on.keys().map(String::as_str).collect(),
                }
            })
            .collect()
    }

    fn remark(&self) -> String {
        match (self.message, self.reason) {
            (Some(message), _) => message.to_owned(),
            (None, Some(reason)) => words::reason(reason),
            (None, None) if !self.depends_on.is_empty() => format!("depends on {}", few(&self.depends_on)),
            (None, None) => {
                let took = self.seconds.map(|seconds| format!("took {}", words::duration(seconds)));
                let adopted = self.adopted.map(|adoption| match &adoption.because {
                    Some(because) => format!("adopted from earlier code: {because}"),
                    None => "adopted from earlier code".to_owned(),
                });
                let rests = (!self.rests_on.is_empty()).then(|| format!("rests on adopted {}", few(&self.rests_on)));
                took.into_iter().chain(adopted).chain(rests).collect::<Vec<_>>().join("; ")
            }
        }
    }
}

/// A list of instances, cut after a few.
pub(super) fn few(instances: &[&str]) -> String {
    match instances {
        [first, second, third, _, ..] => format!("{first}, {second}, {third} and {} more", instances.len() - 3),
        _ => instances.join(", "),
    }
}

/// What a run would do, as text.
#[must_use]
pub fn plan(views: &[PlanView<'_>]) -> String {
    let rows = views.iter().map(|view| [view.action.to_owned(), view.instance.to_owned(), view.remark()]).collect::<Vec<_>>();
    let number = |action: &str| views.iter().filter(|view| view.action == action).count();
    let mut sums = vec![words::count(number("hit"), "hit"), format!("{} to run", number("run"))];
    for (action, words) in [("depends", "depend on these"), ("broken", "can't run")] {
        if number(action) > 0 {
            sums.push(format!("{} {words}", number(action)));
        }
    }
    format!("{}\n{}\n", table(&rows), sums.join(", "))
}

/// How things stand, as text.
#[must_use]
pub fn status(views: &[StatusView<'_>]) -> String {
    let rows = views.iter().map(|view| [view.state.as_str().to_owned(), view.instance.to_owned(), view.remark()]).collect::<Vec<_>>();
    let number = |state: Standing| views.iter().filter(|view| view.state == state).count();
    let states = [Standing::Fresh, Standing::Stale, Standing::Missing, Standing::Failed];
    let sums: Vec<String> =
        states.into_iter().filter(|state| number(*state) > 0).map(|state| format!("{} {}", number(state), state.as_str())).collect();
    format!("{}\n{}\n", table(&rows), sums.join(", "))
}

/// Rows with the first columns aligned, a line each.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_tail() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        assert_eq!(table(&[row("hit", "a"), row("depends", "")]), "hit      a\ndepends\n");
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(few(&["a", "b"]), "a, b");
        assert_eq!(few(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
