//! Shows a page in the user's browser.

use super::error::CommandError;

/// Asks the system to show `target`, a path or an address, and does not wait.
///
/// # Errors
/// A system without a browser that can be asked.
pub(super) fn open(target: &str) -> Result<(), CommandError> {
    open::that_detached(target)
        .map_err(|error| CommandError::usage(format!("no browser can be asked to show {target}: {error}"), "open it by hand"))
}
