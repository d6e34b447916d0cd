//! Parts of a report with a heading and words of their own.

use std::collections::BTreeSet;

use planish_contract::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::parameters::ReportParameters;
use crate::table::Section;

/// A part of the report: a question, say, and the tables and figures that answer it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SectionParameters {
    /// What the page's address calls it, `#section-NAME`.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// What it is about; an empty line begins a new paragraph.
    #[serde(default)]
    pub text: String,
    /// Names of tables, in the order to show.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Names of figures, in the order to show.
    #[serde(default)]
    pub figures: Vec<String>,
}

/// Checks that sections have names of their own and that what they show is declared, and shown once.
///
/// # Errors
/// The first that is not.
pub(crate) fn validate(parameters: &ReportParameters) -> Result<(), Invalid> {
    let tables: Vec<&str> = parameters.tables.keys().map(String::as_str).collect();
    let figures: Vec<&str> = parameters.figures.iter().map(|figure| figure.name.as_str()).collect();
    let (mut names, mut shown) = (BTreeSet::new(), BTreeSet::new());
    for (index, section) in parameters.sections.iter().enumerate() {
        let at = |key: &str, message: String| Invalid {
            path: ["sections", &index.to_string(), key].map(str::to_owned).to_vec(),
            message,
            hint: None,
        };
        if section.name.is_empty() || !section.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(at("name", format!("`{}` can't name a section", section.name)).hint("letters, digits and `-` only"));
        }
        if !names.insert(&section.name) {
            return Err(at("name", format!("another section is called `{}`", section.name)));
        }
        if section.tables.is_empty() && section.figures.is_empty() {
            return Err(at("tables", format!("section `{}` has neither a table nor a figure", section.name)));
        }
        for (key, what, wanted, declared) in
            [("tables", "table", &section.tables, &tables), ("figures", "figure", &section.figures, &figures)]
        {
            for name in wanted {
                if !declared.contains(&name.as_str()) {
                    let known =
                        if declared.is_empty() { "there are none".to_owned() } else { format!("there are {}", declared.join(", ")) };
                    return Err(at(key, format!("no {what} is called `{name}`")).hint(known));
                }
                if !shown.insert((what, name)) {
                    return Err(at(key, format!("{what} `{name}` is shown twice")).hint("leave it out of one of the sections"));
                }
            }
        }
    }
    Ok(())
}

/// The sections, by the positions of what they show. Names are those that [`validate`] accepted.
pub(crate) fn of(parameters: &ReportParameters) -> Vec<Section> {
    let table = |name: &String| parameters.tables.keys().position(|known| known == name);
    let figure = |name: &String| parameters.figures.iter().position(|known| known.name == *name);
    let section = |section: &SectionParameters| Section {
        name: section.name.clone(),
        title: section.title.clone(),
        text: paragraphs(&section.text),
        tables: section.tables.iter().filter_map(table).collect(),
        figures: section.figures.iter().filter_map(figure).collect(),
    };
    parameters.sections.iter().map(section).collect()
}

fn paragraphs(text: &str) -> Vec<String> {
    let joined = |lines: &[&str]| lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    let lines: Vec<&str> = text.lines().collect();
    lines.split(|line| line.trim().is_empty()).map(joined).filter(|paragraph| !paragraph.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::paragraphs;

    #[test]
    fn an_empty_line_begins_a_paragraph() {
        assert_eq!(paragraphs("\nOne\n  two.\n\n \nThree."), ["One two.", "Three."]);
    }
}
