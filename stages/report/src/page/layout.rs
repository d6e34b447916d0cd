//! Which table and figure stands where on the page.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{PageFigure, PageTable};
use crate::table::{Origin, Section, Table, Tables};

/// What stands on the page, in order.
#[derive(Serialize)]
pub(super) struct Layout<'a> {
    /// The tables that are in no section.
    pub(super) tables: Vec<PageTable<'a>>,
    /// The figures that are in no section.
    pub(super) figures: Vec<PageFigure<'a>>,
    pub(super) sections: Vec<PageSection<'a>>,
}

/// A section with what it shows.
#[derive(Serialize)]
pub(super) struct PageSection<'a> {
    section: &'a Section,
    tables: Vec<PageTable<'a>>,
    figures: Vec<PageFigure<'a>>,
    /// The names of the instances behind it, sorted.
    instances: Vec<&'a str>,
}

impl<'a> Layout<'a> {
    /// Hands tables and figures to the sections that name them; `instance` names the instance of an origin.
    pub(super) fn new(
        document: &'a Tables,
        tables: Vec<PageTable<'a>>,
        figures: Vec<PageFigure<'a>>,
        instance: &dyn Fn(&Origin) -> Option<&'a str>,
    ) -> Self {
        let mut tables: Vec<Option<PageTable<'a>>> = tables.into_iter().map(Some).collect();
        let mut figures: Vec<Option<PageFigure<'a>>> = figures.into_iter().map(Some).collect();
        let sections = document.sections.iter().map(|section| {
            let of_tables = section.tables.iter().filter_map(|index| document.tables.get(*index)).flat_map(Table::origins);
            let of_figures = section.figures.iter().filter_map(|index| document.figures.get(*index)).flat_map(|figure| &figure.made_from);
            let behind: BTreeSet<&str> = of_tables.chain(of_figures).filter_map(instance).collect();
            PageSection {
                section,
                tables: section.tables.iter().filter_map(|index| tables.get_mut(*index)?.take()).collect(),
                figures: section.figures.iter().filter_map(|index| figures.get_mut(*index)?.take()).collect(),
                instances: behind.into_iter().collect(),
            }
        });
        let sections = sections.collect();
        Layout { tables: tables.into_iter().flatten().collect(), figures: figures.into_iter().flatten().collect(), sections }
    }
}
