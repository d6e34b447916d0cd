//! The whole report on small made-up evidence.

use std::collections::BTreeMap;
use std::path::Path;

use planish_contract::{Context, Coordinate, Coordinates, Failure, Folder, Gathered, Input, NoExecution, SilentHost, Stage};
use planish_formats::{
    Adversarial, EvidenceHeader, HistoryRecord, ImageEvidence, MaskingCheck, MaskingReport, Norm, SplitName, Threat, Verdict,
    write_evidence,
};

use crate::{ReportParameters, ReportStage, page};

fn coordinates(labels: &[(&str, &str)]) -> Coordinates {
    let coordinate = |label: &str| Coordinate { label: label.to_owned(), value: serde_json::Value::Null };
    labels.iter().map(|(axis, label)| ((*axis).to_owned(), coordinate(label))).collect()
}

/// Evidence for images 0, 1, 2, …: whether each stands.
fn evidence(root: &Path, labels: &[(&str, &str)], clean: f64, robust: &[bool], eps: f64) -> Gathered {
    let name = labels.iter().map(|(_, label)| *label).collect::<Vec<_>>().join("-");
    let directory = root.join(name);
    std::fs::create_dir_all(&directory).unwrap();
    let images: Vec<ImageEvidence> = robust
        .iter()
        .enumerate()
        .map(|(id, robust)| ImageEvidence {
            id: u32::try_from(id).unwrap(),
            label: 0,
            clean_prediction: 0,
            clean_margin: 1.0,
            attacked_prediction: u32::from(!robust),
            attacked_margin: if *robust { 0.5 } else { -0.5 },
            broken_by: None,
            distance: 0.05,
            robust: *robust,
            robust_u8: None,
            nearest: None,
            targeted: None,
            gradients: 0,
            queries: 0,
        })
        .collect();
    let share = robust.iter().filter(|r| **r).count() as f64 / robust.len() as f64;
    let header = EvidenceHeader {
        schema: planish_formats::EVIDENCE_SCHEMA,
        dataset: "fashion-mnist".to_owned(),
        threat: Threat { norm: Norm::Linf, eps: planish_contract::Fraction(eps) },
        bounds: Threat::BOX,
        split: SplitName::Test,
        images: images.len(),
        attacks: Vec::new(),
        clean_accuracy: clean,
        robust_accuracy: share,
        robust_accuracy_u8: None,
    };
    let count = u32::try_from(images.len()).unwrap();
    let adversarial =
        Adversarial { shape: [1, 1, 1], images: vec![0.5; images.len()], ids: (0..count).collect(), labels: vec![0; images.len()] };
    write_evidence(&directory, &header, &images, &adversarial).unwrap();
    Gathered { coordinates: coordinates(labels), folder: Some(Folder::open(&directory).unwrap()) }
}

fn training(root: &Path, method: &str, gradients: u64) -> Gathered {
    let directory = root.join(format!("training-{method}"));
    std::fs::create_dir_all(&directory).unwrap();
    let record = HistoryRecord {
        step: 10,
        learning_rate: 0.1,
        eps: 0.1,
        train_accuracy: 0.5,
        gradients_per_image: gradients,
        ..HistoryRecord::new(1)
    };
    planish_formats::write_json_lines(&directory.join(planish_formats::HISTORY), [&record]).unwrap();
    Gathered { coordinates: coordinates(&[("method", method), ("seed", "0")]), folder: Some(Folder::open(&directory).unwrap()) }
}

fn parameters() -> ReportParameters {
    serde_json::from_value(serde_json::json!({
        "title": "Small <b>& | tables",
        "tables": { "main": {
            "title": "Table",
            "rows": { "axis": "method", "order": ["nominal", "llr"], "names": { "llr": "LLR(S)" } },
            "columns": { "axis": "attack", "order": ["weak", "strong"] },
            "over": ["seed"],
            "references": [
                { "row": "llr", "column": "weak", "value": 54.24, "certainty": "recalled", "source": "Table 2", "dataset": "fashion-mnist", "threat": { "norm": "linf", "eps": 0.1 } },
                { "row": "llr", "column": "nominal", "value": 86.83, "certainty": "recalled", "source": "Table 2", "dataset": "cifar10", "threat": { "norm": "linf", "eps": "8/255" } },
            ],
        } },
    }))
    .unwrap()
}

struct Run {
    root: tempfile::TempDir,
}

impl Run {
    fn new() -> Self {
        Run { root: tempfile::tempdir().unwrap() }
    }

    fn with(&self, parameters: &ReportParameters, attacks: Vec<Gathered>, training: Vec<Gathered>) -> Result<Folder, Failure> {
        let outputs = self.root.path().join("outputs");
        std::fs::create_dir_all(outputs.join("tables")).unwrap();
        let inputs = [("attacks", attacks), ("training", training)];
        let context = Context {
            inputs: inputs.into_iter().map(|(name, list)| (name.to_owned(), Input::Gather(list))).collect(),
            files: BTreeMap::new(),
            checkpoints: self.root.path().to_path_buf(),
            outputs: outputs.clone(),
            threads: 1,
            host: &SilentHost,
        };
        ReportStage::run(parameters, &NoExecution {}, &context)?;
        Folder::open(&outputs.join("tables"))
    }

    fn example(&self) -> Result<Folder, Failure> {
        let root = self.root.path();
        let at = |method, attack, seed, clean, robust: &[bool]| {
            evidence(root, &[("method", method), ("attack", attack), ("seed", seed)], clean, robust, 0.1)
        };
        let attacks = vec![
            at("llr", "weak", "0", 0.75, &[true, true, false, true]),
            at("llr", "strong", "0", 0.75, &[true, false, true, true]),
            at("llr", "weak", "1", 1.0, &[true, true, true, true]),
            at("llr", "strong", "1", 1.0, &[true, true, false, false]),
            at("nominal", "weak", "0", 1.0, &[false, false, false, false]),
            at("nominal", "strong", "0", 1.0, &[true, false, false, false]),
        ];
        self.with(&parameters(), attacks, vec![training(root, "llr", 70)])
    }
}

fn text(folder: &Folder, name: &str) -> String {
    std::fs::read_to_string(folder.file(name).unwrap()).unwrap()
}

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
    | nominal              |       100.0 |               0.0 |    25.0 [c] |        0.0 |                           – |
    | LLR(S)               | 87.5 ± 17.7 |       87.5 ± 17.7 | 62.5 ± 17.7 | 50.0 ± 0.0 |                          70 |
    | LLR(S) *(reference)* |   86.83 [b] | 54.24 (+33.3) [a] |           – |          – |                           – |

    a. paper (recalled): Table 2, on fashion-mnist under linf 0.1
    b. paper (recalled): Table 2, on cifar10 under linf 8/255
    c. a stronger attack left more accuracy than a weaker one

    Each cell is over 4 images: one cell's 95 % interval is at most ±49.0 points.
    ");
}

#[test]
fn csv_has_a_line_a_cell() {
    let run = Run::new();
    let csv = text(&run.example().unwrap(), "tables.csv");
    assert_eq!(csv.lines().count(), 1 + 2 * 4);
    assert!(csv.contains("main,llr,weak,linf 0.1,4,87.5000,17.6777,2,54.2400,paper (recalled),33.2600"), "{csv}");
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
fn the_page_is_escaped_and_self_contained() {
    let run = Run::new();
    let instance = page::Instance {
        id: "train[method=<script>]".to_owned(),
        state: "fresh".to_owned(),
        key: "0123".to_owned(),
        made: "2026-01-01T00:00:00Z".to_owned(),
        seconds: Some(1.25),
        facts: vec!["device: cpu".to_owned()],
        log: "log".to_owned(),
    };
    let page = page::render(&run.example().unwrap(), &[instance]).unwrap();
    assert!(page.contains("Small &lt;b&gt;&amp; | tables"));
    assert!(page.contains("train[method=&lt;script&gt;]") && !page.contains("<script>]"));
    assert!(page.contains("<svg") && page.contains("1.2 s"));
    assert!(!page.contains("src=") && !page.contains("href="));
}

#[test]
fn mixed_threat_models_are_refused() {
    let run = Run::new();
    let at = |attack, eps| evidence(run.root.path(), &[("method", "llr"), ("attack", attack)], 1.0, &[true], eps);
    let error = run.with(&parameters(), vec![at("weak", 0.1), at("strong", 0.2)], Vec::new()).unwrap_err();
    assert!(error.to_string().contains("mixes threat models"), "{error}");
}

#[test]
fn an_axis_that_nothing_shows_is_refused() {
    let run = Run::new();
    let at = |beta| evidence(run.root.path(), &[("method", "llr"), ("attack", "weak"), ("beta", beta)], 1.0, &[true], 0.1);
    let error = run.with(&parameters(), vec![at("1"), at("6")], Vec::new()).unwrap_err();
    assert!(error.to_string().contains("differs on axis `beta` (1, 6)"), "{error}");
}

#[test]
fn a_table_without_evidence_is_refused() {
    let error = Run::new().with(&parameters(), Vec::new(), Vec::new()).unwrap_err();
    assert!(error.to_string().contains("no gathered evidence carries both axes"), "{error}");
}

#[test]
fn parameters_are_checked() {
    let mut same = parameters();
    same.tables.get_mut("main").unwrap().columns.axis = "method".to_owned();
    assert_eq!(ReportStage::validate(&same).unwrap_err().path, ["tables", "main", "columns"]);
    let mut value = parameters();
    value.tables.get_mut("main").unwrap().references[0].value = 254.0;
    assert_eq!(ReportStage::validate(&value).unwrap_err().path, ["tables", "main", "references"]);
}

#[test]
fn evidence_is_marked_by_what_it_says_of_itself() {
    let run = Run::new();
    let at = |attack| evidence(run.root.path(), &[("method", "llr"), ("attack", attack)], 1.0, &[true, false], 0.1);
    let (weak, strong) = (at("weak"), at("strong"));
    let check = |name: &str, verdict| MaskingCheck { name: name.into(), verdict, value: 1.0, bound: 0.1, finding: "seen".into() };
    let checks = vec![check("zero-gradients", Verdict::Failed), check("eps-sweep", Verdict::Passed)];
    let report = MaskingReport { schema: planish_formats::SCHEMA, images: 16, checks };
    planish_formats::write_json(&run.root.path().join("llr-weak/masking.json"), &report).unwrap();
    let folder = |gathered: Gathered| Gathered { folder: Some(Folder::open(&run.root.path().join("llr-weak")).unwrap()), ..gathered };
    let tables = run.with(&parameters(), vec![folder(weak), strong], Vec::new()).unwrap();
    let markdown = text(&tables, "tables.md");
    assert!(markdown.contains("50.0 [c] |") && markdown.contains("54.24 (-4.2) [a]"), "{markdown}");
    assert_eq!(markdown.matches("signs of masked gradients (zero-gradients): the attacks may overstate robustness").count(), 1);
}
