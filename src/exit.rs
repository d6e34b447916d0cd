//! The exit codes of `planish`.

use std::process::ExitCode;

/// How a command ended, as its exit code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: everything that was asked for is there.
    Success,
    /// 1: at least one stage failed.
    StageFailed,
    /// 2: the command line or the pipeline file can't be used.
    Usage,
    /// 3: the store can't be read or written.
    Store,
    /// 4: the store was damaged, and is repaired.
    Repaired,
    /// 5: the store is damaged, and not all of it could be repaired.
    Damaged,
    /// 6: checks for masked gradients that failed or could not decide, where `planish attack --strict` asked.
    Masked,
    /// 70: a mistake of planish itself.
    Internal,
    /// 130: interrupted; what was kept lets the next run go on.
    Interrupted,
}

impl Exit {
    /// The number that the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::StageFailed => 1,
            Exit::Usage => 2,
            Exit::Store => 3,
            Exit::Repaired => 4,
            Exit::Damaged => 5,
            Exit::Masked => 6,
            Exit::Internal => 70,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// What `planish help` says about exit codes.
pub const HELP: &str = "Exit codes:
    0  everything that was asked for is there
    1  a stage failed
    2  the command line or the pipeline file can't be used
    3  the store can't be read or written
    4  the store was damaged, and is repaired (verify)
    5  the store is damaged, and not all of it could be repaired (verify)
    6  attack --strict: checks for masked gradients failed or could not decide
   70  a mistake of planish itself
  130  interrupted; run the same command again to go on";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_lists_every_code() {
        for exit in [
            Exit::Success,
            Exit::StageFailed,
            Exit::Usage,
            Exit::Store,
            Exit::Repaired,
            Exit::Damaged,
            Exit::Masked,
            Exit::Internal,
            Exit::Interrupted,
        ] {
            assert!(HELP.lines().any(|line| line.trim_start().starts_with(&format!("{}  ", exit.code()))), "{exit:?}");
        }
    }
}
