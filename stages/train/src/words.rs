//! What people see of a training while it runs.

use std::collections::BTreeMap;

use planish_formats::{HistoryRecord, Validation};

use crate::totals::Totals;

/// The progress line: `place`, the means of the epoch so far, and (images a second, seconds left).
pub(crate) fn progress_text(place: &str, totals: &Totals, (speed, left): (f64, f64)) -> String {
    let terms = terms(&totals.means());
    format!("{place}, {terms}, accuracy {:.1} %, {speed:.0} images/s, {} left", 100.0 * totals.accuracy(), duration(left))
}

/// One line for the log.
pub(crate) fn describe(record: &HistoryRecord) -> String {
    let validation = record.validation.as_ref().map_or_else(String::new, |measured| format!("; validation: {}", validated(measured)));
    let probe = record.probes.last().map_or_else(String::new, |probed| {
        format!(
            "; probe after step {}: accuracy {:.1} %, robust {:.1} %, mean gamma {:.4}",
            probed.step,
            100.0 * probed.accuracy,
            100.0 * probed.robust_accuracy,
            probed.gamma.mean
        )
    });
    format!("epoch {}: accuracy {:.1} %, {}{validation}{probe}", record.epoch, 100.0 * record.train_accuracy, terms(&record.terms))
}

/// What validation measured.
pub(crate) fn validated(measured: &Validation) -> String {
    let robust = measured.robust_accuracy.map_or_else(String::new, |accuracy| format!(", robust {:.1} %", 100.0 * accuracy));
    format!("accuracy {:.1} %{robust}, loss {:.4}", 100.0 * measured.accuracy, measured.loss)
}

/// The loss first, then its parts; a part that is the whole is left out.
fn terms(means: &BTreeMap<String, f64>) -> String {
    let loss = means.get("loss").map(|mean| format!("loss {mean:.4}"));
    let parts = means
        .iter()
        .filter(|(name, mean)| name.as_str() != "loss" && means.get("loss").is_none_or(|loss| (loss - *mean).abs() > 1e-5 * loss.abs()));
    loss.into_iter().chain(parts.map(|(name, mean)| format!("{name} {mean:.4}"))).collect::<Vec<_>>().join(", ")
}

/// Seconds in words, coarser the longer they are.
fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_comes_first_and_nothing_twice() {
        let means = |list: &[(&str, f64)]| list.iter().map(|(name, mean)| ((*name).to_owned(), *mean)).collect();
        assert_eq!(terms(&means(&[("cross-entropy", 0.5), ("loss", 0.5)])), "loss 0.5000");
        assert_eq!(
            terms(&means(&[("cross-entropy", 0.5), ("linear-term", 0.1), ("loss", 0.8)])),
            "loss 0.8000, cross-entropy 0.5000, linear-term 0.1000"
        );
    }

    #[test]
    fn durations_are_short() {
        assert_eq!([duration(3.4), duration(61.0), duration(7260.0)], ["3 s", "1 min 1 s", "2 h 1 min"]);
    }
}
