//! The stage kind `report`.

use planish_contract::{Arity, Context, Failure, Interface, Invalid, NoExecution, Progress, Stage};
use planish_formats::kinds;

use crate::parameters::{self, ReportParameters};
use crate::table::{SCHEMA, Tables};
use crate::{collect, csv, figure, markdown};

/// Computes tables and figures from gathered evidence; pure.
pub struct ReportStage;

impl Stage for ReportStage {
    type Parameters = ReportParameters;
    type Execution = NoExecution;

    const NAME: &'static str = "report";
    const PACKAGE: &'static str = env!("CARGO_PKG_NAME");

    fn interface(_: &ReportParameters) -> Interface {
        Interface::of(
            &[("attacks", kinds::EVIDENCE, Arity::Gather), ("training", kinds::CHECKPOINT, Arity::Gather)],
            &[("tables", kinds::TABLES)],
        )
    }

    fn validate(parameters: &ReportParameters) -> Result<(), Invalid> {
        parameters::validate(parameters)
    }

    fn run(parameters: &ReportParameters, _: &NoExecution, context: &Context) -> Result<(), Failure> {
        let evidence = collect::read_evidence(context)?;
        let training = collect::read_training(context)?;
        let built = parameters.tables.iter().map(|(name, table)| collect::build(name, table, &evidence, &training));
        let tables = Tables { schema: SCHEMA, title: parameters.title.clone(), tables: built.collect::<Result<_, _>>()? };
        let output = context.output("tables");
        planish_formats::json::write_json(&output.join("tables.json"), &tables)?;
        write(&output.join("tables.md"), &markdown::render(&tables))?;
        write(&output.join("tables.csv"), &csv::render(&tables))?;
        let figures = output.join("figures");
        std::fs::create_dir_all(&figures).map_err(|e| Failure::io(&figures, e))?;
        for table in &tables.tables {
            let points = figure::points(table);
            write(&figures.join(format!("{}.svg", figure::file_stem(&table.name))), &figure::render(table, &points)?)?;
            write(&figures.join(format!("{}.csv", figure::file_stem(&table.name))), &figure::data(&points))?;
        }
        context.host.progress(Progress { done: 1, total: 1, text: format!("{} tables", tables.tables.len()) });
        Ok(())
    }
}

fn write(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|e| Failure::io(path, e))
}
