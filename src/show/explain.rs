//! `why`: reasons as an indented tree.

use std::fmt::Write;

use crate::run::{Explanation, Reason, Standing, Superseded};

use super::words;

/// Why instances stand as they do, as text.
#[must_use]
pub fn explanations(list: &[Explanation]) -> String {
    let mut text = String::new();
    for explanation in list {
        tell(explanation, 0, &mut text);
    }
    text
}

fn tell(explanation: &Explanation, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    // Writing to a string never fails.
    let mut line = |words: &str| {
        let _ = writeln!(text, "{indent}{words}");
    };
    line(&format!("{}: {}", explanation.instance, headline(explanation)));
    if let Some(failure) = explanation.failure.as_ref().filter(|_| explanation.standing == Standing::Failed) {
        line(&format!("  last time: {}", failure.message));
    }
    match &explanation.reason {
        Some(Reason::Changed(differences)) => {
            for difference in differences {
                line(&format!("  {difference}"));
            }
        }
        Some(reason) if explanation.standing == Standing::Fresh => line(&format!("  {}", words::past_reason(reason))),
        Some(reason) => line(&format!("  {}", words::reason(reason))),
        None if explanation.standing == Standing::Fresh => line("  its result was in the store already"),
        None => {}
    }
    if let Some(superseded) = &explanation.superseded {
        for difference in &superseded.differences {
            line(&format!("  {difference}"));
        }
        // Where only what it takes changed, that is told below.
        if matches!(explanation.reason, Some(Reason::Changed(_))) || !superseded.differences.is_empty() {
            line(&format!("  {}", earlier(superseded, explanation.key.as_deref())));
        }
    }
    if !explanation.causes.is_empty() {
        line(if explanation.reason.is_some() { "  because of" } else { "  depends on" });
    }
    for cause in &explanation.causes {
        tell(cause, depth + 2, text);
    }
}

/// The earlier result, in a line.
fn earlier(superseded: &Superseded, now: Option<&str>) -> String {
    let short = |key: &str| format!("{}…", key.get(..12).unwrap_or(key));
    let now = now.map(|key| format!(" → {}", short(key))).unwrap_or_default();
    let which = if superseded.foreign { "the newest result of that name in the store" } else { "the earlier result" };
    format!("compared with {which} (key {}{now}, run {}, {})", short(&superseded.key), superseded.run, superseded.made)
}

fn headline(explanation: &Explanation) -> String {
    let standing = explanation.standing.as_str();
    match (&explanation.run, explanation.standing) {
        (Some(run), Standing::Fresh) => format!("{standing}, made in run {run}"),
        (Some(run), Standing::Failed) => format!("{standing} in run {run}"),
        _ => standing.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Difference;

    #[test]
    fn causes_are_told_down_to_the_first() {
        let cause = Explanation {
            instance: "data".to_owned(),
            standing: Standing::Stale,
            reason: Some(Reason::Changed(vec![Difference::Parameter {
                path: "train".to_owned(),
                old: Some(1.into()),
                new: Some(2.into()),
            }])),
            key: None,
            run: None,
            failure: None,
            superseded: None,
            causes: Vec::new(),
        };
        let top = Explanation {
            instance: "train".to_owned(),
            standing: Standing::Stale,
            reason: None,
            key: None,
            run: None,
            failure: None,
            superseded: None,
            causes: vec![cause],
        };
        let text = explanations(&[top]);
        assert_eq!(text, "train: stale\n  depends on\n    data: stale\n      parameter train: 1 → 2\n");
    }
}
