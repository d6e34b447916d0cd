//! Figures and their data.

use serde_json::json;

use super::made_up::*;

fn figures(run: &Run, show: &serde_json::Value, name: &str) -> (String, String) {
    let root = run.root.path();
    let parameters = changed(|value| {
        let rows = json!({ "axis": "method", "names": { "llr": "LLR <&>" } });
        value["figures"] = json!([{ "name": name, "title": "A <figure>", "rows": rows, "where": { "seed": ["0"] }, "show": show }]);
    });
    let mut attacks = run.attacks();
    for (method, eps, robust) in [("llr", "0.05", [true, true, true, false]), ("llr", "0.2", [false, true, false, false])] {
        let labels = [("method", method), ("eps", eps), ("seed", "0")];
        attacks.push(evidence(root, &labels, 1.0, &robust, eps.parse().unwrap()));
    }
    let inputs = Inputs {
        attacks,
        training: vec![training(root, &[("method", "llr"), ("seed", "0")], 70)],
        landscape: vec![landscape(root, &[("method", "llr"), ("seed", "0")], &[0.5, 0.25, 0.0])],
        data: Some(data(root, 4)),
    };
    let folder = run.with(&parameters, inputs).unwrap();
    assert!(folder.has(&format!("figures/{name}.svg")), "{}", text(&folder, "tables.json"));
    (text(&folder, &format!("figures/{name}.svg")), text(&folder, &format!("figures/{name}.csv")))
}

/// What tables refuse, figures refuse: a mean over instances that differ where nobody said so.
#[test]
fn an_axis_that_a_figure_neither_shows_nor_averages_over_is_refused() {
    let run = Run::new();
    let root = run.root.path();
    let columns = json!({ "axis": "attack", "order": ["weak", "strong"] });
    let shows = [
        json!({ "strength": { "columns": columns } }),
        json!({ "trade-off": { "columns": columns } }),
        json!({ "pair": { "columns": columns } }),
        json!({ "linearity": {} }),
        json!({ "cost": {} }),
    ];
    for show in shows {
        let drawn = |over: &[&str]| {
            let parameters = changed(|value| {
                value["figures"] = json!([{ "name": "f", "title": "F", "rows": { "axis": "method" }, "over": over, "show": show }]);
            });
            let seeds = ["0", "1"].map(|seed| [("method", "llr"), ("seed", seed)]);
            let training = seeds.iter().map(|labels| training(root, labels, 70)).collect();
            let landscape = seeds.iter().map(|labels| landscape(root, labels, &[0.5, 0.25])).collect();
            let folder = run.with(&parameters, Inputs { attacks: run.attacks(), training, landscape, data: None }).unwrap();
            (folder.has("figures/f.svg"), text(&folder, "tables.json"))
        };
        let (there, tables) = drawn(&[]);
        let words = "differs on axis `seed` (0, 1), which the figure neither shows nor averages over: add `seed` to `over`";
        assert!(!there && tables.contains(words), "{show}: {tables}");
        assert!(drawn(&["seed"]).0, "{show}");
    }
}

#[test]
fn nominal_against_robust_accuracy() {
    let (svg, data) = figures(&Run::new(), &json!({ "trade-off": { "columns": { "axis": "attack" } } }), "f");
    assert!(svg.contains("LLR &lt;&amp;&gt;") && svg.contains("nominal accuracy, %"), "{svg}");
    assert!(data.contains("LLR <&>,,75.0000,") && data.contains(",50.0000,"), "{data}");
    let (_, data) = figures(&Run::new(), &json!({ "trade-off": { "columns": { "axis": "attack" }, "along": "seed" } }), "f");
    assert!(data.contains("LLR <&>,0,75.0000,"), "{data}");
}

#[test]
fn accuracy_against_strength_and_radius() {
    let (svg, data) = figures(&Run::new(), &json!({ "strength": { "columns": { "axis": "attack", "order": ["weak", "strong"] } } }), "f");
    assert!(svg.contains("no attack") && svg.contains("strong"));
    let lines: Vec<&str> = data.lines().skip(1).map(|line| line.rsplitn(3, ',').nth(2).unwrap()).collect();
    assert_eq!(lines[..3], ["LLR <&>,no attack,75.0000", "LLR <&>,weak,75.0000", "LLR <&>,strong,75.0000"]);
    let (svg, data) = figures(&Run::new(), &json!({ "radius": { "columns": { "axis": "eps" } } }), "f");
    assert!(svg.contains("radius ε, linf"));
    let lines: Vec<&str> = data.lines().skip(1).map(|line| line.rsplitn(3, ',').nth(2).unwrap()).collect();
    assert_eq!(lines, ["LLR <&>,0,100.0000", "LLR <&>,0.05,75.0000", "LLR <&>,0.2,25.0000"]);
}

#[test]
fn gamma_surfaces_and_cost() {
    let run = Run::new();
    let (svg, data) = figures(&run, &json!({ "linearity": {} }), "f");
    assert!(svg.contains("γ(ε, x) within linf 0.1, nats") && data.lines().count() == 4, "{data}");
    let (svg, data) = figures(&run, &json!({ "surfaces": {} }), "f");
    assert!(
        svg.contains("0.00 to 2.00 nats")
            && svg.contains("(image 0)")
            && svg.contains("<polygon")
            && svg.contains("data:image/png;base64,")
    );
    assert_eq!(data.lines().count(), 1 + 25);
    let (svg, data) = figures(&run, &json!({ "cost": {} }), "f");
    assert!(svg.contains("70 (35.0 an epoch)") && data.contains("LLR <&>,2,70.00,35.0000"), "{data}");
}

#[test]
fn pairs_count_what_only_one_breaks() {
    let (svg, data) = figures(&Run::new(), &json!({ "pair": { "columns": { "axis": "attack", "order": ["weak", "strong"] } } }), "f");
    assert!(svg.contains("only weak") && svg.contains("broken by both"));
    // Stand, both, only the first, only the second, wrong.
    assert!(data.contains("LLR <&>,4,2,0,1,1,0"), "{data}");
    assert!(data.contains("nominal,4,0,3,1,0,0"), "{data}");
}

#[test]
fn a_gallery_shows_images_of_every_method() {
    let (svg, data) = figures(&Run::new(), &json!({ "gallery": { "columns": { "axis": "attack" }, "images": 3 } }), "f");
    // The clean ones, and two of each method.
    assert_eq!(svg.matches("<image").count(), 3 + 2 * 2 * 3);
    assert!(svg.contains("T-shirt &lt;top&gt; &amp; more") && svg.contains("stands") && svg.contains("difference × 5"));
    assert_eq!(data.lines().count(), 1 + 2 * 3);
}

/// A curve a method, the mean over its models; all of the probe in the data.
#[test]
fn a_probe_is_drawn_along_training() {
    let run = Run::new();
    let root = run.root.path();
    let draw = |value: &str| {
        let parameters = changed(|report| {
            let show = json!({ "training": { "value": value } });
            report["figures"] = json!([{ "name": "f", "title": "F", "rows": { "axis": "method" }, "over": ["seed"], "show": show }]);
        });
        let training = vec![
            probed_training(root, &[("method", "llr"), ("seed", "0")], &[(0.5, 0.0), (0.25, 0.5), (4.0, 0.25)]),
            probed_training(root, &[("method", "llr"), ("seed", "1")], &[(1.5, 0.0), (0.75, 0.5), (6.0, 0.25)]),
            training(root, &[("method", "nominal"), ("seed", "0")], 10),
        ];
        let folder = run.with(&parameters, Inputs { attacks: run.attacks(), training, ..Inputs::default() }).unwrap();
        (text(&folder, "figures/f.svg"), text(&folder, "figures/f.csv"), text(&folder, "tables.json"))
    };
    let (svg, data, tables) = draw("gamma");
    assert!(svg.contains("mean γ(ε, x), nats") && svg.contains("optimiser steps"));
    assert_eq!(data.lines().count(), 1 + 6, "{data}");
    assert!(data.contains("llr,\"method=llr, seed=1\",20,75.0000,0.5,25.0000,1.5,6,6,6"), "{data}");
    assert!(tables.contains("Signs of catastrophic overfitting: llr at step 20"), "{tables}");
    let (svg, ..) = draw("robust-accuracy");
    assert!(svg.contains("accuracy under the search, %"));
}

#[test]
fn without_a_probe_the_figure_along_training_says_what_is_missing() {
    let run = Run::new();
    let parameters = changed(|report| {
        report["figures"] = json!([{ "name": "f", "title": "F", "rows": { "axis": "method" }, "show": { "training": {} } }]);
    });
    let training = vec![training(run.root.path(), &[("method", "llr"), ("seed", "0")], 70)];
    let folder = run.with(&parameters, Inputs { attacks: run.attacks(), training, ..Inputs::default() }).unwrap();
    assert!(!folder.has("figures/f.svg") && text(&folder, "tables.json").contains("give their stage a `probe`"));
}
