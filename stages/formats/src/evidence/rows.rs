//! Entries as rows of a Parquet table.

use std::collections::BTreeMap;
use std::path::Path;

use planish_contract::Failure;

use super::{BrokenBy, EVIDENCE_SCHEMA, EvidenceHeader, ImageEvidence, Nearest, Targeted};
use crate::Threat;
use crate::table::{self, Cells, Column, Table};

/// The key of the metadata with the schema's version.
const SCHEMA_KEY: &str = "planish.schema";

/// Writes the entries; norm and radius stand in every row, so that tables can be joined.
pub(super) fn write(path: &Path, header: &EvidenceHeader, images: &[ImageEvidence]) -> Result<(), Failure> {
    let metadata = BTreeMap::from([
        (SCHEMA_KEY.to_owned(), EVIDENCE_SCHEMA.to_string()),
        ("planish.dataset".to_owned(), header.dataset.clone()),
        ("planish.split".to_owned(), header.split.to_string()),
        ("planish.threat".to_owned(), header.threat.to_string()),
        ("planish.box".to_owned(), format!("{:?}", header.bounds)),
    ]);
    table::write(path, &columns(&header.threat, images), &metadata)
}

fn columns(threat: &Threat, images: &[ImageEvidence]) -> Vec<Column> {
    let whole = |name, value: fn(&ImageEvidence) -> u64| must(name, Cells::Whole(each(images, |i| i64::try_from(value(i)).ok())));
    let real = |name, value: fn(&ImageEvidence) -> f64| must(name, Cells::Real(each(images, |i| Some(value(i)))));
    let maybe_whole = |name, value: fn(&ImageEvidence) -> Option<u32>| may(name, Cells::Whole(each(images, |i| value(i).map(i64::from))));
    let maybe_real = |name, value: fn(&ImageEvidence) -> Option<f64>| may(name, Cells::Real(each(images, value)));
    let maybe_flag = |name, value: fn(&ImageEvidence) -> Option<bool>| may(name, Cells::Flag(each(images, value)));
    let maybe_text = |name, value: fn(&ImageEvidence) -> Option<&String>| may(name, Cells::Text(each(images, |i| value(i).cloned())));
    vec![
        whole("id", |i| i.id.into()),
        whole("label", |i| i.label.into()),
        whole("clean_prediction", |i| i.clean_prediction.into()),
        real("clean_margin", |i| i.clean_margin),
        whole("attacked_prediction", |i| i.attacked_prediction.into()),
        real("attacked_margin", |i| i.attacked_margin),
        must("robust", Cells::Flag(each(images, |i| Some(i.robust)))),
        maybe_flag("robust_u8", |i| i.robust_u8),
        maybe_text("attack", |i| i.broken_by.as_ref().map(|by| &by.attack)),
        maybe_whole("restart", |i| i.broken_by.as_ref().map(|by| by.restart)),
        maybe_whole("step", |i| i.broken_by.as_ref().map(|by| by.step)),
        real("distance", |i| i.distance),
        must("norm", Cells::Text(each(images, |_| Some(threat.norm.to_string())))),
        must("eps", Cells::Real(each(images, |_| Some(threat.eps.value())))),
        maybe_real("minimal_distance", |i| i.nearest.as_ref().map(|n| n.distance)),
        maybe_text("minimal_attack", |i| i.nearest.as_ref().map(|n| &n.attack)),
        maybe_whole("target", |i| i.targeted.as_ref().map(|t| t.target)),
        maybe_flag("target_reached", |i| i.targeted.as_ref().map(|t| t.reached)),
        maybe_real("target_shortfall", |i| i.targeted.as_ref().map(|t| t.shortfall)),
        whole("gradients", |i| i.gradients),
        whole("queries", |i| i.queries),
    ]
}

fn each<T>(images: &[ImageEvidence], value: impl Fn(&ImageEvidence) -> Option<T>) -> Vec<Option<T>> {
    images.iter().map(value).collect()
}

fn must(name: &'static str, cells: Cells) -> Column {
    Column { name, optional: false, cells }
}

fn may(name: &'static str, cells: Cells) -> Column {
    Column { name, optional: true, cells }
}

/// Reads the entries back.
pub(super) fn read(path: &Path, threat: &Threat) -> Result<Vec<ImageEvidence>, Failure> {
    let table = table::read(path)?;
    let found = table.metadata.get(SCHEMA_KEY).map_or("none", String::as_str);
    if found != EVIDENCE_SCHEMA.to_string() {
        return Err(Failure::input(format!(
            "{}: schema version {found}, but this planish reads version {EVIDENCE_SCHEMA}",
            path.display()
        )));
    }
    let rows = Rows { table, place: path.display().to_string() };
    let count = rows.count("id")?;
    let entries = (0..count).map(|row| rows.entry(row)).collect::<Result<Vec<_>, Failure>>()?;
    let same =
        |row| Ok(rows.text("norm", row)?.as_deref() == Some(threat.norm.as_str()) && rows.real("eps", row)? == Some(threat.eps.value()));
    for row in 0..count {
        if !same(row)? {
            return Err(Failure::input(format!("{}: row {row} stands under another threat model than {threat}", rows.place)));
        }
    }
    Ok(entries)
}

struct Rows {
    table: Table,
    place: String,
}

impl Rows {
    fn column(&self, name: &str) -> Result<&Cells, Failure> {
        self.table.columns.get(name).ok_or_else(|| Failure::input(format!("{}: column `{name}` is missing", self.place)))
    }

    fn count(&self, name: &str) -> Result<usize, Failure> {
        Ok(self.column(name)?.len())
    }

    fn wrong<T>(&self, name: &str) -> Result<T, Failure> {
        Err(Failure::input(format!("{}: column `{name}` does not hold what it should", self.place)))
    }

    fn whole(&self, name: &str, row: usize) -> Result<Option<u64>, Failure> {
        match self.column(name)? {
            Cells::Whole(cells) => match cells.get(row).copied().flatten().map(u64::try_from) {
                None => Ok(None),
                Some(Ok(value)) => Ok(Some(value)),
                Some(Err(_)) => self.wrong(name),
            },
            _ => self.wrong(name),
        }
    }

    fn small(&self, name: &str, row: usize) -> Result<Option<u32>, Failure> {
        match self.whole(name, row)?.map(u32::try_from) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(_)) => self.wrong(name),
        }
    }

    fn real(&self, name: &str, row: usize) -> Result<Option<f64>, Failure> {
        match self.column(name)? {
            Cells::Real(cells) => Ok(cells.get(row).copied().flatten()),
            _ => self.wrong(name),
        }
    }

    fn flag(&self, name: &str, row: usize) -> Result<Option<bool>, Failure> {
        match self.column(name)? {
            Cells::Flag(cells) => Ok(cells.get(row).copied().flatten()),
            _ => self.wrong(name),
        }
    }

    fn text(&self, name: &str, row: usize) -> Result<Option<String>, Failure> {
        match self.column(name)? {
            Cells::Text(cells) => Ok(cells.get(row).cloned().flatten()),
            _ => self.wrong(name),
        }
    }

    /// A cell that must be there.
    fn must<T>(&self, name: &str, cell: Option<T>) -> Result<T, Failure> {
        cell.map_or_else(|| self.wrong(name), Ok)
    }

    fn entry(&self, row: usize) -> Result<ImageEvidence, Failure> {
        let small = |name| self.must(name, self.small(name, row)?);
        let real = |name| self.must(name, self.real(name, row)?);
        let whole = |name| self.must(name, self.whole(name, row)?);
        Ok(ImageEvidence {
            id: small("id")?,
            label: small("label")?,
            clean_prediction: small("clean_prediction")?,
            clean_margin: real("clean_margin")?,
            attacked_prediction: small("attacked_prediction")?,
            attacked_margin: real("attacked_margin")?,
            broken_by: match self.text("attack", row)? {
                Some(attack) => Some(BrokenBy { attack, restart: small("restart")?, step: small("step")? }),
                None => None,
            },
            distance: real("distance")?,
            robust: self.must("robust", self.flag("robust", row)?)?,
            robust_u8: self.flag("robust_u8", row)?,
            nearest: match self.text("minimal_attack", row)? {
                Some(attack) => Some(Nearest { attack, distance: real("minimal_distance")? }),
                None => None,
            },
            targeted: match self.small("target", row)? {
                Some(target) => Some(Targeted {
                    target,
                    reached: self.must("target_reached", self.flag("target_reached", row)?)?,
                    shortfall: real("target_shortfall")?,
                }),
                None => None,
            },
            gradients: whole("gradients")?,
            queries: whole("queries")?,
        })
    }
}
