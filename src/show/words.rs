//! Numbers and reasons in words.

use crate::run::{Adoption, Reason};

/// A duration: `0.3 s`, `12 s`, `3 min 05 s`, `1 h 02 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        _ if seconds < 0.0995 => format!("{:.0} ms", seconds.max(0.0) * 1000.0),
        _ if seconds < 9.95 => format!("{seconds:.1} s"),
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A duration without fractions: `0 s`, `12 s`, `3 min 05 s`.
pub(super) fn whole(seconds: f64) -> String {
    let rounded = seconds.max(0.0).round();
    if rounded < 60.0 { format!("{rounded:.0} s") } else { duration(rounded) }
}

/// A duration, roughly: `5 s`, `12 min`, `1 h 20 min`.
pub(super) fn rough(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match seconds.max(0.0) {
        seconds if seconds < 10.0 => format!("{:.0} s", seconds.ceil()),
        seconds if seconds < 57.5 => format!("{:.0} s", (seconds / 5.0).round() * 5.0),
        seconds if seconds < 3570.0 => format!("{} min", minutes.max(1)),
        seconds if seconds >= 2.0 * 365.25 * 86_400.0 => format!("{:.0} years", seconds / 86_400.0 / 365.25),
        seconds if seconds >= 172_800.0 => format!("{:.0} days", seconds / 86_400.0),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60 / 10 * 10),
    }
}

/// A large number in few digits: `12.3 G`, `4.10 P`.
pub(super) fn metric(number: f64) -> String {
    let mut value = number;
    for unit in ["", " k", " M", " G", " T", " P", " E"] {
        if value < 999.5 {
            let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
            return format!("{value:.digits$}{unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.0} Z")
}

/// An age, roughly: `5 s`, `12 min`, `3 h`, `40 days`.
pub(super) fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A size: `12 B`, `3.4 kB`, `1.2 MB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 999.5 {
            return if unit == "B" || value >= 99.5 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// `1 hit`, `2 hits`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// The reason in one line, shortened after a few differences.
pub(super) fn reason(reason: &Reason) -> String {
    const MOST: usize = 3;
    match reason {
        Reason::Changed(differences) => {
            let mut words: Vec<String> = differences.iter().take(MOST).map(ToString::to_string).collect();
            if let Some(more) = differences.len().checked_sub(MOST).filter(|more| *more > 0) {
                words.push(format!("and {more} more"));
            }
            words.join("; ")
        }
        Reason::First => "it has never run".to_owned(),
        Reason::Forced => "asked for with --force".to_owned(),
        Reason::Retry => "it failed last time".to_owned(),
        Reason::Lost => "its result was removed from the store or damaged".to_owned(),
        Reason::Forgotten => "something changed since its last result, which is no longer in the store".to_owned(),
        Reason::Unchanged => "nothing changed".to_owned(),
    }
}

/// Why a result that is there was made, in one line.
pub(super) fn past_reason(reason: &Reason) -> String {
    match reason {
        Reason::First => "it had never run before".to_owned(),
        Reason::Retry => "it had failed the time before".to_owned(),
        Reason::Lost => "its result had been removed from the store or damaged".to_owned(),
        Reason::Forgotten => "something had changed since its last result, which was no longer in the store".to_owned(),
        Reason::Unchanged => "nothing had changed".to_owned(),
        Reason::Changed(_) | Reason::Forced => self::reason(reason),
    }
}

/// Since when an earlier result is kept, and why.
#[must_use]
pub fn adoption(adoption: &Adoption) -> String {
    let because = adoption.because.as_deref().map(|because| format!(": {because}")).unwrap_or_default();
    let earlier = adoption.from.get(..12).unwrap_or(&adoption.from);
    format!("made by earlier code (key {earlier}…), kept on {}{because}", adoption.at)
}

/// The first `longest` characters of `text`, with a sign where there are more.
pub(crate) fn beginning(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!([beginning("äöü", 2), beginning("äöü", 3)], ["äö…", "äöü"]);
    }

    #[test]
    fn durations_read_well() {
        let cases =
            [(0.0123, "12 ms"), (0.34, "0.3 s"), (12.4, "12 s"), (59.8, "1 min 00 s"), (185.0, "3 min 05 s"), (3720.0, "1 h 02 min")];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn rough_durations_read_well() {
        for (seconds, text) in [
            (0.2, "1 s"),
            (33.0, "35 s"),
            (59.0, "1 min"),
            (700.0, "12 min"),
            (3599.0, "1 h 00 min"),
            (5340.0, "1 h 20 min"),
            (3e6, "35 days"),
            (3e9, "95 years"),
        ] {
            assert_eq!(rough(seconds), text);
        }
    }

    #[test]
    fn large_numbers_read_well() {
        for (number, text) in [(5.0, "5.00"), (12.34e9, "12.3 G"), (4.1e15, "4.10 P"), (999.7e12, "1.00 P"), (5e25, "50000 Z")] {
            assert_eq!(metric(number), text);
        }
    }

    #[test]
    fn ages_read_well() {
        for (seconds, text) in [(5, "5 s"), (150, "2 min"), (7300, "2 h"), (172_800, "2 days"), (u64::MAX, "213503982334601 days")] {
            assert_eq!(age(seconds), text);
        }
    }

    #[test]
    fn sizes_read_well() {
        let cases = [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (123_456, "123 kB"), (1_250_000, "1.2 MB"), (u64::MAX, "18446744.1 TB")];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn numbers_have_their_plural() {
        assert_eq!((count(0, "hit"), count(1, "hit"), count(2, "hit")), ("0 hits".to_owned(), "1 hit".to_owned(), "2 hits".to_owned()));
    }
}
