//! Sections: a heading, words, tables and figures.

use planish_contract::Stage;
use serde_json::json;

use super::made_up::*;
use crate::{ReportParameters, ReportStage, page};

/// A table and a figure in a section, another table in none.
fn sectioned(change: impl FnOnce(&mut serde_json::Value)) -> ReportParameters {
    changed(|value| {
        value["tables"]["other"] = value["tables"]["main"].clone();
        value["tables"]["other"]["title"] = json!("Other");
        let show = json!({ "strength": { "columns": { "axis": "attack" } } });
        value["figures"] = json!([{ "name": "f", "title": "F", "rows": { "axis": "method" }, "over": ["seed"], "show": show }]);
        let text = "Why *this*?\n\nBecause <b>.";
        value["sections"] = json!([{ "name": "why", "title": "Why?", "text": text, "tables": ["main"], "figures": ["f"] }]);
        change(value);
    })
}

#[test]
fn a_section_holds_its_table_and_figure_and_names_what_is_behind_them() {
    let run = Run::new();
    let folder = run.with(&sectioned(|_| {}), Inputs { attacks: run.attacks(), ..Inputs::default() }).unwrap();
    let markdown = text(&folder, "tables.md");
    let places: Vec<usize> = ["## Other", "## Why?", "Why \\*this\\*?\n\nBecause &lt;b&gt;.", "### Table\n", "![F](figures/f.svg)"]
        .iter()
        .map(|words| markdown.find(words).unwrap_or_else(|| panic!("no `{words}` in\n{markdown}")))
        .collect();
    assert!(places.is_sorted(), "{markdown}");

    // llr, seed 0: weak and strong; the others are not on the page.
    let gathers = page::Gathers::from([("attacks".to_owned(), vec![0, 1, 9, 9, 9, 9])]);
    let instance = |attack: &str| page::Instance {
        id: format!("attack[attack={attack},method=llr,seed=0]"),
        kind: "attack".into(),
        state: "fresh".into(),
        key: String::new(),
        made: String::new(),
        seconds: None,
        facts: Vec::new(),
        log: String::new(),
        arguments: String::new(),
    };
    let html = page::render(&folder, &[instance("weak"), instance("strong")], &gathers).unwrap();
    let part = &html[html.find("<section id=\"section-why\"").unwrap()..];
    let part = &part[..part.find("</section>").unwrap()];
    for words in [
        "<p>Because &lt;b&gt;.</p>",
        "data-cell=\"main&#x2f;llr&#x2f;weak\"",
        "<svg",
        "The 2 instances behind it",
        "attack[attack=strong,method=llr,seed=0]",
    ] {
        assert!(part.contains(words), "no `{words}` in\n{part}");
    }
    assert!(
        !part.contains("data-cell=\"other&#x2f;") && html.contains("data-cell=\"other&#x2f;") && html.contains("href=\"#section-why\"")
    );
    assert_eq!(html.matches("<svg").count(), 1, "the figure stands in its section alone");
}

#[test]
fn sections_name_what_is_declared_and_once() {
    let refused = |change: fn(&mut serde_json::Value)| {
        let invalid = ReportStage::validate(&sectioned(change)).unwrap_err();
        format!("{}: {} ({})", invalid.path.join("."), invalid.message, invalid.hint.unwrap_or_default())
    };
    for (change, expected) in [
        (
            (|v| v["sections"][0]["tables"] = json!(["mian"])) as fn(&mut serde_json::Value),
            "sections.0.tables: no table is called `mian` (there are main, other)",
        ),
        (|v| v["sections"][0]["figures"] = json!(["g"]), "sections.0.figures: no figure is called `g` (there are f)"),
        (|v| v["sections"][0]["tables"] = json!(["main", "main"]), "sections.0.tables: table `main` is shown twice"),
        (|v| v["sections"][0]["name"] = json!("a b"), "sections.0.name: `a b` can't name a section"),
        (|v| v["sections"][0] = json!({ "name": "a", "title": "A" }), "sections.0.tables: section `a` has neither a table nor a figure"),
        (
            |v| {
                v["sections"] =
                    json!([{ "name": "a", "title": "A", "tables": ["main"] }, { "name": "a", "title": "B", "tables": ["other"] }]);
            },
            "sections.1.name: another section is called `a`",
        ),
    ] {
        let said = refused(change);
        assert!(said.starts_with(expected), "{said}");
    }
}
