//! The stage kind `report`.

use std::path::Path;

use planish_contract::{Arity, Context, Failure, Interface, Invalid, NoExecution, Progress, Stage};
use planish_formats::kinds;

use crate::details::DETAILS;
use crate::figures::{Obstacle, file_stem};
use crate::gather::Sources;
use crate::parameters::{self, ReportParameters};
use crate::references::References;
use crate::sections;
use crate::table::{Figure, SCHEMA, Table, Tables};
use crate::{build, csv, details, latex, markdown};

/// Computes tables and figures from gathered evidence; pure.
///
/// Inputs, all gathered and all but `attacks` left out where nothing is asked of them: `attacks`, `training`, `landscape`; `data`, one data set, for
/// pictures. `files.references` may name files of values that others reported. Output: `tables`.
pub struct ReportStage;

impl Stage for ReportStage {
    type Parameters = ReportParameters;
    type Execution = NoExecution;

    const NAME: &'static str = "report";
    const PACKAGE: &'static str = env!("CARGO_PKG_NAME");

    fn interface(_: &ReportParameters) -> Interface {
        let inputs = [
            ("attacks", kinds::EVIDENCE, Arity::Gather),
            ("training", kinds::CHECKPOINT, Arity::Gather),
            ("landscape", kinds::MEASUREMENT, Arity::Gather),
            ("data", kinds::DATA_SET, Arity::Optional),
        ];
        Interface::of(&inputs, &[("tables", kinds::TABLES)])
    }

    fn validate(parameters: &ReportParameters) -> Result<(), Invalid> {
        parameters::validate(parameters)
    }

    fn run(parameters: &ReportParameters, _: &NoExecution, context: &Context) -> Result<(), Failure> {
        let references = References::read(context)?;
        let sources = Sources::read(context)?;
        let built = parameters.tables.iter().map(|(name, table)| build::build(name, table, &sources, &references));
        let tables = checked(built.collect::<Result<_, _>>()?, context)?;
        let output = context.output("tables");
        let figures = draw(parameters, &sources, &output, context)?;
        let tables = Tables { schema: SCHEMA, title: parameters.title.clone(), tables, figures, sections: sections::of(parameters) };
        planish_formats::write_json(&output.join("tables.json"), &tables)?;
        planish_formats::write_json(&output.join(DETAILS), &details::of(&sources, parameters.examples, &|line| context.host.log(line))?)?;
        write(&output.join("tables.md"), &markdown::render(&tables))?;
        write(&output.join("tables.tex"), &latex::render(&tables))?;
        write(&output.join("tables.csv"), &csv::render(&tables))?;
        let text = format!("{} tables, {} figures", tables.tables.len(), tables.figures.len());
        context.host.progress(Progress { done: 1, total: 1, text });
        Ok(())
    }
}

/// Says which tables could not be made; a report without any is no report.
fn checked(tables: Vec<Table>, context: &Context) -> Result<Vec<Table>, Failure> {
    let mut first = None;
    for table in &tables {
        if let Some(problem) = &table.problem {
            let text = format!("table `{}`: {problem}", table.name);
            context.host.log(&text);
            first.get_or_insert(text);
        }
    }
    match first {
        Some(text) if tables.iter().all(|table| table.problem.is_some()) => Err(Failure::input(text)),
        _ => Ok(tables),
    }
}

/// Draws every figure; one that has nothing to show says why.
fn draw(parameters: &ReportParameters, sources: &Sources, output: &Path, context: &Context) -> Result<Vec<Figure>, Failure> {
    let folder = output.join("figures");
    std::fs::create_dir_all(&folder).map_err(|e| Failure::io(&folder, e))?;
    let mut figures = Vec::new();
    for figure in &parameters.figures {
        let name = &figure.name;
        context.check_stopped()?;
        let mut entry = Figure {
            name: name.clone(),
            title: figure.title.clone(),
            caption: String::new(),
            problem: None,
            made_from: figure.origins(sources),
        };
        match figure.draw(sources) {
            Ok(drawn) => {
                write(&folder.join(format!("{}.svg", file_stem(name))), &drawn.svg)?;
                write(&folder.join(format!("{}.csv", file_stem(name))), &drawn.data)?;
                entry.caption = drawn.caption;
            }
            Err(Obstacle::Nothing(problem)) => {
                context.host.log(&format!("figure `{name}`: {problem}"));
                entry.problem = Some(problem);
            }
            Err(Obstacle::Failed(failure)) => return Err(failure),
        }
        figures.push(entry);
    }
    Ok(figures)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|e| Failure::io(path, e))
}
