//! `planish gc`: remove from the store what nothing needs.

use std::time::Duration;

use clap::Args;
use planish_cache::{CollectOptions, Garbage};

use crate::exit::Exit;
use crate::run::{OldNotes, old_runs, remove_runs};
use crate::show::{self, CollectionView, Screen};
use crate::spec::resources::parse_bytes;

use super::error::CommandError;
use super::open::StoreArguments;

/// Remove what nothing needs: results that the latest plan of no profile reaches
///
/// What stays: the results of the latest run of each pipeline file and profile, pinned ones (`planish pin`), and whatever running work uses; it is safe
/// to collect beside a run. Checkpoints go when no latest plan would go on from them, sub-results of attacks 30 days after
/// their last use, records and logs of runs when newer ones tell of all their instances, and notes by which runs with nothing to do are quick when
/// they are of another build or tell of results that are gone.
#[derive(Debug, Args)]
pub(super) struct GcArguments {
    #[command(flatten)]
    store: StoreArguments,
    /// Remove only what was last used longer ago: `30d`, `12h`, `2w`
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<Duration>,
    /// Remove only as much as it takes, longest unused first, to bring the store down to this size: `20GB`
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
    /// How many of the newest runs keep their records and logs; so do those that `status`, `why` and `log` tell of
    #[arg(long, value_name = "N", default_value_t = 20)]
    keep_runs: usize,
    /// Show what would go, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn gc(arguments: &GcArguments, screen: Screen) -> Result<Exit, CommandError> {
    let store = arguments.store.open()?;
    let options = CollectOptions { older_than: arguments.older_than, max_size: arguments.max_size, dry_run: arguments.dry_run };
    let collected = store.collect(&options)?;
    let runs = old_runs(&store, arguments.keep_runs, arguments.older_than);
    let gone = collected.removed.iter().filter_map(|removed| match removed.what {
        Garbage::Result { key, .. } => Some(key),
        _ => None,
    });
    let notes = OldNotes::find(&store, &gone.collect(), arguments.older_than)?;
    if !arguments.dry_run {
        remove_runs(&runs).and_then(|()| notes.remove()).map_err(|(path, source)| CommandError::Io { path, source })?;
    }
    let there = store.keys()?.into_iter().collect();
    let view = CollectionView::new(&collected, &options, &there).runs(&runs).notes(&notes);
    screen.answer(&if arguments.json { show::json_answer("gc", &view) } else { view.text() });
    if let Some(most) = arguments.max_size.filter(|_| !collected.within_budget) {
        screen.complain(&view.over_budget(most));
    }
    Ok(Exit::Success)
}

/// `30d`, `1.5 h`.
fn age(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and a unit: s, min, h, d or w, as in `30d`".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let scale = match unit.trim() {
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        _ => return Err(wrong()),
    };
    let seconds = number.trim().parse::<f64>().map_err(|_| wrong())? * scale;
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

fn size(text: &str) -> Result<u64, String> {
    parse_bytes(text).ok_or_else(|| "write a number of bytes, or `500MB`, `20GB`, `4GiB`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read() {
        assert_eq!(age("30d"), Ok(Duration::from_hours(30 * 24)));
        assert_eq!(age("1.5 h"), Ok(Duration::from_mins(90)));
        assert_eq!(age("0s"), Ok(Duration::ZERO));
        assert_eq!(age("2w"), Ok(Duration::from_hours(14 * 24)));
        for wrong in ["", "30", "d", "-1d", "30 years", "1e9d", "999999999999999999999w"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }
}
