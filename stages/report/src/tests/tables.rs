//! Tables, their marks, references and formats.

use planish_contract::Stage;
use planish_formats::{MaskingCheck, MaskingReport, Verdict};
use serde_json::json;

use super::made_up::*;
use crate::ReportStage;

#[test]
fn markdown_shows_means_worst_cases_references_and_marks() {
    let run = Run::new();
    let folder = run.example().unwrap();
    insta::assert_snapshot!(text(&folder, "tables.md"), @r"
    # Small &lt;b&gt;&amp; \| tables

    ## Table

    Accuracy in %, fashion-mnist, linf 0.1, 4 images.

    |                      |     Nominal |              weak |      strong | Worst case | Training gradients an image |
    |----------------------|------------:|------------------:|------------:|-----------:|----------------------------:|
    | nominal              |       100.0 |               0.0 |    25.0 [b] |        0.0 |                           – |
    | LLR(S)               | 87.5 ± 17.7 |       87.5 ± 17.7 | 62.5 ± 17.7 | 50.0 ± 0.0 |                          70 |
    | LLR(S) *(reference)* |           – | 54.24 (+33.3) [a] |           – |          – |                           – |

    a. paper (recalled): Table 2, on fashion-mnist under linf 0.1
    b. a stronger attack left more accuracy than a weaker one

    Each cell is over 4 images: one cell's 95 % interval is at most ±49.0 points.

    No row is bold: the images can't tell the rows of any column apart (McNemar's exact test image by image, Holm's correction within a column, 5 %).
    ");
}

#[test]
fn latex_is_escaped_and_has_rules() {
    let run = Run::new();
    let parameters = changed(|value| {
        value["tables"]["main"]["title"] = json!("100 % of R&D_1");
        value["tables"]["main"]["rows"]["names"]["llr"] = json!("LLR^{#}");
    });
    let folder = run.with(&parameters, Inputs { attacks: run.attacks(), ..Inputs::default() }).unwrap();
    insta::assert_snapshot!(text(&folder, "tables.tex"), @r"
    % Needs \usepackage{booktabs}.

    \begin{table}
    \centering
    \caption{100 \% of R\&D\_1. Accuracy in \%, fashion-mnist, linf 0.1, 4 images.}
    \label{tab:main}
    \begin{tabular}{lrrrr}
    \toprule
     & Nominal & weak & strong & Worst case \\
    \midrule
    nominal & 100.0 & 0.0 & 25.0\textsuperscript{b} & 0.0 \\
    LLR\textasciicircum{}\{\#\} & 87.5 $\pm$ 17.7 & 87.5 $\pm$ 17.7 & 62.5 $\pm$ 17.7 & 50.0 $\pm$ 0.0 \\
    \midrule
    LLR\textasciicircum{}\{\#\} (reference) & -- & 54.24 ($+33.3$)\textsuperscript{a} & -- & -- \\
    \bottomrule
    \end{tabular}
    \par\medskip\footnotesize\raggedright
    \textsuperscript{a}~paper (recalled): Table 2, on fashion-mnist under linf 0.1.\\
    \textsuperscript{b}~a stronger attack left more accuracy than a weaker one.\\
    Each cell is over 4 images: one cell's 95 \% interval is at most $\pm$49.0 points.\\
    No row is bold: the images can't tell the rows of any column apart (McNemar's exact test image by image, Holm's correction within a column, 5 \%).
    \end{table}
    ");
}

#[test]
fn csv_has_a_line_a_cell() {
    let run = Run::new();
    let csv = text(&run.example().unwrap(), "tables.csv");
    assert_eq!(csv.lines().count(), 1 + 2 * 5);
    let line = "main,llr,weak,accuracy,%,linf 0.1,4,87.5000,17.6777,2,false,54.2400,paper (recalled),33.2600,";
    assert!(csv.lines().any(|found| found == line), "{csv}");
}

#[test]
fn equal_evidence_gives_equal_bytes() {
    let (one, two) = (Run::new(), Run::new());
    let (one, two) = (one.example().unwrap(), two.example().unwrap());
    for (name, path) in one.files() {
        assert_eq!(std::fs::read(path).unwrap(), std::fs::read(two.file(name).unwrap()).unwrap(), "{name}");
    }
}

#[test]
fn references_that_fit_nothing_or_compare_to_nothing_say_so() {
    let run = Run::new();
    let parameters = changed(|value| value["tables"]["main"]["references"] = json!(["elsewhere"]));
    let folder = run.with(&parameters, Inputs { attacks: run.attacks(), ..Inputs::default() }).unwrap();
    let markdown = text(&folder, "tables.md");
    assert!(markdown.contains(r"no place for row \`tradse\` (references.toml, line 15); its rows are nominal, llr,"), "{markdown}");
    assert!(markdown.contains(" 86.83 [a] |"), "no difference across data sets: {markdown}");
    let parameters = changed(|value| value["tables"]["main"]["references"] = json!(["papre"]));
    let error = run.with(&parameters, Inputs { attacks: run.attacks(), ..Inputs::default() }).unwrap_err();
    assert_eq!(error.to_string(), "there is no set of references `papre` (there are: elsewhere, paper)");
}

#[test]
fn groups_make_rows_and_columns() {
    let run = Run::new();
    let parameters = changed(|value| {
        let table = &mut value["tables"]["main"];
        table["rows"] = json!({ "groups": [{ "label": "all", "where": { "method": ["llr", "nominal"] } }, { "label": "llr", "where": { "method": ["llr"] } }] });
        table["columns"] = json!({ "groups": [
            { "label": "weak", "where": { "attack": ["weak"] } }, { "label": "both", "where": { "attack": ["weak", "strong"] } },
        ], "names": { "both": "Both attacks" } });
        table["worst_case"] = json!(false);
    });
    let folder = run.with(&parameters, Inputs { attacks: run.attacks(), ..Inputs::default() }).unwrap();
    let csv = text(&folder, "tables.csv");
    // Both attacks on one model count as one, image by image: 2 of 4 each.
    assert!(csv.contains("main,llr,both,accuracy,%,linf 0.1,4,50.0000,0.0000,2,"), "{csv}");
    assert!(csv.contains("main,all,both,accuracy,%,linf 0.1,4,33.3333,28.8675,3,"), "{csv}");
    assert!(text(&folder, "tables.md").contains("| Both attacks |"));
}

#[test]
fn medians_of_distances_count_images_that_were_right() {
    let run = Run::new();
    let at = |method: &str, distances: &[Option<f64>]| {
        let labels = [("method", method), ("attack", "deepfool")];
        evidence_of(run.root.path(), &labels, 1.0, &nearest(distances), linf(0.1))
    };
    let attacks = vec![
        at("llr", &[Some(0.1), Some(0.3), None]),
        at("nominal", &[Some(0.01), Some(0.02), Some(f64::NAN)]),
        at("adv", &[Some(0.1), None, None]),
    ];
    let parameters = changed(|value| {
        value["tables"]["main"]["value"] = json!("median-distance");
        value["tables"]["main"]["references"] = json!([]);
    });
    let folder = run.with(&parameters, Inputs { attacks, ..Inputs::default() }).unwrap();
    let markdown = text(&folder, "tables.md");
    for words in ["0.3000 [", "0.0200 [", "– [", "no median: fewer than half of the images", "in the linf norm, not an accuracy"] {
        assert!(markdown.contains(words), "no `{words}` in\n{markdown}");
    }
}

/// Of several attacks each image's smallest distance counts, then the median; what an attack without a smallest perturbation broke has its distance.
#[test]
fn the_median_over_attacks_is_of_the_smallest_distances() {
    let run = Run::new();
    let at = |attack: &str, images: &[planish_formats::ImageEvidence]| {
        evidence_of(run.root.path(), &[("method", "llr"), ("attack", attack)], 1.0, images, linf(0.1))
    };
    let attacks = || {
        vec![
            at("fab", &nearest(&[Some(0.3), Some(0.1), None])),
            at("deepfool", &nearest(&[Some(0.2), Some(0.4), Some(0.5)])),
            // Breaks image 2 alone, at 0.05.
            at("pgd", &[image(0, true), image(1, true), image(2, false)]),
        ]
    };
    let csv = |names: &[&str]| {
        let parameters = changed(|value| {
            value["tables"]["main"]["columns"] = json!({ "groups": [{ "label": "all", "where": { "attack": names } }] });
            value["tables"]["main"]["value"] = json!("median-distance");
            value["tables"]["main"]["references"] = json!([]);
        });
        text(&run.with(&parameters, Inputs { attacks: attacks(), ..Inputs::default() }).unwrap(), "tables.csv")
    };
    let two = csv(&["fab", "deepfool"]);
    assert!(two.contains("main,llr,all,median-distance,") && two.contains(",3,0.2000,"), "{two}");
    let three = csv(&["fab", "deepfool", "pgd"]);
    assert!(three.contains(",3,0.1000,"), "{three}");
}

/// With groups too, a model that lacks an attack does not count in the worst case, and is marked.
#[test]
fn a_worst_case_over_groups_needs_every_attack() {
    let run = Run::new();
    let mut attacks = run.attacks();
    // llr with seed 1 was never under the strong attack.
    attacks.remove(3);
    let parameters = changed(|value| {
        let group = |label: &str| json!({ "label": label, "where": { "attack": [label] } });
        value["tables"]["main"]["columns"] = json!({ "groups": [group("weak"), group("strong")] });
        value["tables"]["main"]["references"] = json!([]);
    });
    let folder = run.with(&parameters, Inputs { attacks, ..Inputs::default() }).unwrap();
    let csv = text(&folder, "tables.csv");
    assert!(csv.contains("main,llr,worst-case,accuracy,%,linf 0.1,4,50.0000,,1,"), "{csv}");
    assert!(csv.contains("main,llr,weak,accuracy,%,linf 0.1,4,87.5000,17.6777,2,"), "{csv}");
    assert!(text(&folder, "tables.md").contains("missing: not every model was under strong; one that was not does not count"));
}

#[test]
fn the_median_of_gamma_is_a_column() {
    let run = Run::new();
    let at = |method: &str, gamma: &[f32]| landscape(run.root.path(), &[("method", method), ("seed", "0")], gamma);
    let landscape = vec![at("llr", &[0.5, 0.25, 0.125]), at("nominal", &[5.0, 25.0, 12.5])];
    let parameters = changed(|value| value["tables"]["main"]["linearity"] = json!(true));
    let folder = run.with(&parameters, Inputs { attacks: run.attacks(), landscape, ..Inputs::default() }).unwrap();
    let csv = text(&folder, "tables.csv");
    assert!(csv.contains("main,llr,linearity,linearity,nats,linf 0.1,3,0.2500,,1,false,"), "{csv}");
    let markdown = text(&folder, "tables.md");
    assert!(markdown.contains("γ, median") && markdown.contains("over 3 images, not 4"), "{markdown}");
}

#[test]
fn parameters_are_checked() {
    let wrong = |change: fn(&mut serde_json::Value)| ReportStage::validate(&changed(change)).unwrap_err().path.join(".");
    assert_eq!(wrong(|v| v["tables"]["main"]["columns"]["axis"] = json!("method")), "tables.main.columns");
    assert_eq!(wrong(|v| v["tables"]["main"]["over"] = json!(["attack"])), "tables.main.over");
    assert_eq!(wrong(|v| v["tables"]["main"]["rows"] = json!({})), "tables.main.rows");
    assert_eq!(wrong(|v| v["tables"]["main"]["rows"]["values"] = json!({ "llr": "accuracy" })), "tables.main.rows.values");
    assert_eq!(wrong(|v| v["tables"]["main"]["rows"] = json!({ "groups": [{ "label": "a", "where": {} }] })), "tables.main.rows.groups");
    assert_eq!(wrong(|v| v["tables"] = json!({})), "tables");
    let figure = |show: serde_json::Value| json!([{ "name": "a", "title": "A", "rows": { "axis": "method" }, "show": show }]);
    let wrong = |show| ReportStage::validate(&changed(|v| v["figures"] = figure(show))).unwrap_err().path.join(".");
    assert_eq!(wrong(json!({ "surfaces": { "images": 0 } })), "figures.0.show.images");
    assert_eq!(wrong(json!({ "gallery": { "columns": { "axis": "attack" }, "magnify": 0.0 } })), "figures.0.show.magnify");
    assert_eq!(wrong(json!({ "strength": { "columns": {} } })), "figures.0.show.columns");
}

#[test]
fn evidence_is_marked_by_what_it_says_of_itself() {
    let run = Run::new();
    run.at(("llr", "weak", "0"), 1.0, &[true, false]);
    let strong = run.at(("llr", "strong", "0"), 1.0, &[true, false]);
    let check = |name: &str, verdict| MaskingCheck { name: name.into(), verdict, value: 1.0, bound: 0.1, finding: "seen".into() };
    let checks = vec![check("zero-gradients", Verdict::Failed), check("eps-sweep", Verdict::Passed)];
    let report = MaskingReport { schema: planish_formats::SCHEMA, images: 16, checks };
    let directory = run.root.path().join("attacks/llr-weak-0");
    planish_formats::write_json(&directory.join("masking.json"), &report).unwrap();
    let weak = gathered(&directory, &[("method", "llr"), ("attack", "weak"), ("seed", "0")]);
    let tables = run.with(&parameters(), Inputs { attacks: vec![weak, strong], ..Inputs::default() }).unwrap();
    let markdown = text(&tables, "tables.md");
    assert!(markdown.contains("50.0 [b] |") && markdown.contains("54.24 (-4.2) [a]"), "{markdown}");
    assert_eq!(markdown.matches("signs of masked gradients (zero-gradients): the attacks may overstate robustness").count(), 1);
}
