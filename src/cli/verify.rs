//! `planish verify`: read everything in the store, and repair it.

use clap::Args;
use planish_cache::VerifyOptions;

use crate::exit::Exit;
use crate::show::{self, Screen, VerificationView, VerifyBar};

use super::error::CommandError;
use super::open::StoreArguments;

/// Read everything in the store and repair what is damaged
///
/// Damaged files are set aside, so that the next run makes them again; records of results that lost files are too. Exit codes: 0 all is well, 4 damage
/// was found and repaired, 5 not all of it could be repaired (or --dry-run), 3 the store can't be read.
#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    #[command(flatten)]
    store: StoreArguments,
    /// Show what is damaged, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn verify(arguments: &VerifyArguments, screen: Screen) -> Result<Exit, CommandError> {
    let store = arguments.store.open()?;
    let mut bar = VerifyBar::new(screen);
    let verified = store.verify(VerifyOptions { dry_run: arguments.dry_run }, &mut |progress| bar.advance(progress))?;
    drop(bar);
    let view = VerificationView::new(&verified);
    screen.answer(&if arguments.json { show::json_answer("verify", &view) } else { view.text() });
    Ok(match (verified.is_clean(), verified.is_repaired()) {
        (true, _) => Exit::Success,
        (false, true) => Exit::Repaired,
        (false, false) => Exit::Damaged,
    })
}
