//! What is missing, damaged or does not fit: the rest of the report comes out.

use serde_json::json;

use super::made_up::*;

#[test]
fn missing_and_damaged_results_are_marked_gaps() {
    let run = Run::new();
    let mut attacks = run.attacks();
    attacks[0] = absent(&[("method", "llr"), ("attack", "weak"), ("seed", "0")]);
    std::fs::write(run.root.path().join("attacks/nominal-strong-0/evidence.json"), "{").unwrap();
    let folder = run.with(&parameters(), Inputs { attacks, ..Inputs::default() }).unwrap();
    let markdown = text(&folder, "tables.md");
    for words in ["missing: 1 of 2 instances have no result", "missing: a result can't be read: evidence.json: ", " – [a] |"] {
        assert!(markdown.contains(words), "no `{words}` in\n{markdown}");
    }
    // The seed that is whole still counts; the worst case leaves the other one out.
    let csv = text(&folder, "tables.csv");
    assert!(csv.contains("main,llr,weak,accuracy,%,linf 0.1,4,100.0000,,1,"), "{csv}");
    assert!(csv.contains("main,llr,worst-case,accuracy,%,linf 0.1,4,50.0000,,1,"), "{csv}");
}

/// A model that one of two attacks is missing for counts under neither.
#[test]
fn a_pair_leaves_out_what_only_one_attack_saw() {
    let run = Run::new();
    let mut attacks = run.attacks();
    attacks[0] = absent(&[("method", "llr"), ("attack", "weak"), ("seed", "0")]);
    let parameters = changed(|value| {
        let show = json!({ "pair": { "columns": { "axis": "attack", "order": ["weak", "strong"] } } });
        value["figures"] = json!([{ "name": "f", "title": "F", "rows": { "axis": "method" }, "where": { "seed": ["0"] }, "show": show }]);
    });
    let folder = run.with(&parameters, Inputs { attacks, ..Inputs::default() }).unwrap();
    let data = text(&folder, "figures/f.csv");
    assert!(data.contains("llr,0,0,0,0,0,0") && data.contains("nominal,4,0,3,1,0,0"), "{data}");
}

#[test]
fn adversarial_images_that_cannot_be_read_cost_pictures_only() {
    let run = Run::new();
    let inputs = Inputs { attacks: run.attacks(), data: Some(data(run.root.path(), 4)), ..Inputs::default() };
    let damaged = run.root.path().join("attacks/llr-weak-0/adversarial.safetensors");
    assert!(damaged.is_file());
    std::fs::write(damaged, "{").unwrap();
    let parameters = changed(|value| {
        let show = json!({ "gallery": { "columns": { "axis": "attack", "order": ["weak"] } } });
        value["figures"] = json!([{ "name": "f", "title": "F", "rows": { "axis": "method" }, "over": ["seed"], "show": show }]);
    });
    let folder = run.with(&parameters, inputs).unwrap();
    assert!(text(&folder, "tables.md").contains("| LLR(S) ") && !folder.has("figures/f.svg"));
    assert!(text(&folder, "tables.json").contains("adversarial.safetensors: not a safetensors file"));
    assert!(text(&folder, "details.json").contains("data:image/png"), "other evidence has its pictures");
}

/// Labels tell columns apart.
#[test]
fn a_column_that_is_called_as_one_of_the_tables_own_is_refused_or_itself() {
    let run = Run::new();
    let table = |nominal: bool| {
        changed(|value| {
            value["tables"]["main"]["rows"] = json!({ "axis": "attack" });
            value["tables"]["main"]["columns"] = json!({ "axis": "method" });
            value["tables"]["main"]["nominal"] = json!(nominal);
            value["tables"]["main"]["references"] = json!([]);
        })
    };
    let error = refused(&run, &table(true), run.attacks());
    assert!(error.contains("are both called `nominal`"), "{error}");
    let folder = run.with(&table(false), Inputs { attacks: run.attacks(), ..Inputs::default() }).unwrap();
    // Under attack, not clean.
    let csv = text(&folder, "tables.csv");
    assert!(
        csv.contains("main,strong,nominal,accuracy,%,linf 0.1,4,25.0000,")
            && csv.contains("main,weak,nominal,accuracy,%,linf 0.1,4,0.0000,"),
        "{csv}"
    );
}

#[test]
fn a_measurement_that_is_not_finite_is_a_gap() {
    let run = Run::new();
    let landscape = vec![landscape(run.root.path(), &[("method", "llr"), ("seed", "0")], &[0.5, f32::NAN])];
    let parameters = changed(|value| {
        value["tables"]["main"]["linearity"] = json!(true);
        value["figures"] = json!([{ "name": "gamma", "title": "γ", "rows": { "axis": "method" }, "show": { "linearity": {} } }]);
    });
    let folder = run.with(&parameters, Inputs { attacks: run.attacks(), landscape, ..Inputs::default() }).unwrap();
    assert!(text(&folder, "tables.md").contains("measurements.safetensors: \\`gamma\\` holds a number that is not finite"));
    assert!(text(&folder, "tables.json").contains("no measurement was gathered in `inputs.landscape` for these rows"));
    assert!(!folder.has("figures/gamma.svg"));
}

#[test]
fn a_table_that_cannot_be_made_leaves_the_others() {
    let run = Run::new();
    let parameters = changed(|value| {
        let mut other = value["tables"]["main"].clone();
        other["columns"]["axis"] = json!("attakc");
        value["tables"]["other"] = other;
    });
    let folder = run.with(&parameters, Inputs { attacks: run.attacks(), ..Inputs::default() }).unwrap();
    let markdown = text(&folder, "tables.md");
    assert!(
        markdown.contains("| LLR(S) ") && markdown.contains("**This table could not be made:** no gathered evidence fits"),
        "{markdown}"
    );
    assert!(markdown.contains("they name \\`attakc\\`, \\`method\\`"), "{markdown}");
    assert!(text(&folder, "tables.tex").contains("% Table other could not be made"));
}

fn refused(run: &Run, parameters: &crate::ReportParameters, attacks: Vec<planish_contract::Gathered>) -> String {
    run.with(parameters, Inputs { attacks, ..Inputs::default() }).unwrap_err().to_string()
}

#[test]
fn mixed_threat_models_are_refused() {
    let run = Run::new();
    let at = |attack, eps| evidence(run.root.path(), &[("method", "llr"), ("attack", attack)], 1.0, &[true], eps);
    let error = refused(&run, &parameters(), vec![at("weak", 0.1), at("strong", 0.2)]);
    assert!(error.contains("table `main`: it mixes threat models: linf 0.1 and linf 51/255"), "{error}");
}

#[test]
fn an_axis_that_nothing_shows_is_refused() {
    let run = Run::new();
    let at = |beta| evidence(run.root.path(), &[("method", "llr"), ("attack", "weak"), ("beta", beta)], 1.0, &[true], 0.1);
    let error = refused(&run, &parameters(), vec![at("1"), at("6")]);
    assert!(error.contains("differs on axis `beta` (1, 6)") && error.contains("where = { beta = [\"1\"] }"), "{error}");
    let parameters = changed(|value| value["tables"]["main"]["where"] = json!({ "beta": ["6"] }));
    run.with(&parameters, Inputs { attacks: vec![at("1"), at("6")], ..Inputs::default() }).unwrap();
}

#[test]
fn a_report_without_evidence_is_refused() {
    let error = refused(&Run::new(), &parameters(), Vec::new());
    assert!(error.contains("no gathered evidence fits both rows and columns"), "{error}");
}

#[test]
fn mistakes_in_the_file_of_references_are_pointed_at() {
    let mut run = Run::new();
    run.references = REFERENCES.replacen("certainty", "certanty", 1);
    let error = run.example().unwrap_err();
    assert!(error.to_string().contains("[references.toml:4:1]\n4 │ certanty = \"recalled\"\n  · ──────── here"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("second-hand or recalled")));
}
