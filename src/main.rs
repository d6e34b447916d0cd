//! The planish command line: arguments → command → exit code.

mod registry;

use std::process::ExitCode;

fn main() -> ExitCode {
    planish::cli::main(&registry::hooks()).into()
}
