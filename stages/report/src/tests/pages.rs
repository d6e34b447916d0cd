//! The page.

use serde_json::json;

use super::made_up::*;
use crate::page;

fn instance(id: &str, kind: &str, state: &str) -> page::Instance {
    page::Instance {
        id: id.to_owned(),
        kind: kind.to_owned(),
        state: state.to_owned(),
        key: "0123".to_owned(),
        made: "2026-01-01T00:00:00Z".to_owned(),
        seconds: Some(1.25),
        facts: vec!["device: cpu".to_owned()],
        log: "log".to_owned(),
        arguments: "--profile smoke".to_owned(),
    }
}

#[test]
fn the_page_is_escaped_and_self_contained() {
    let run = Run::new();
    let parameters = changed(|value| {
        value["figures"] = json!([{ "name": "a", "title": "</script>", "rows": { "axis": "method" }, "over": ["seed"], "show": { "strength": { "columns": { "axis": "attack" } } } }]);
        value["tables"]["main"]["rows"]["names"]["nominal"] = json!("</script><script>alert(1)</script>");
    });
    let folder =
        run.with(&parameters, Inputs { attacks: run.attacks(), data: Some(data(run.root.path(), 4)), ..Inputs::default() }).unwrap();
    let page = page::render(&folder, &[instance("train[method=<script>]", "train", "fresh")], &page::Gathers::new()).unwrap();
    assert!(page.contains("Small &lt;b&gt;&amp; | tables"));
    assert!(page.contains("train[method=&lt;script&gt;]") && !page.contains("method=<script>]"));
    assert!(page.contains("<svg") && page.contains("1.2 s"));
    assert_eq!((page.matches("</script>").count(), page.matches("<script").count()), (2, 2), "only the page's own scripts");
    // Nothing is fetched: addresses are of the page itself or data.
    for (start, _) in page.match_indices("href=\"").chain(page.match_indices("src=\"")) {
        let address = page[start..].split('"').nth(1).unwrap();
        assert!(address.starts_with('#') || address.starts_with("data:"), "{address}");
    }
    assert!(!page.contains("http://") || page.matches("http://").count() == page.matches("http://www.w3.org/2000/svg").count());
}

#[test]
fn cells_know_their_instances_and_stale_ones_are_marked() {
    let run = Run::new();
    let instances = [
        instance("attack[attack=weak,method=llr,seed=0]", "attack", "stale"),
        instance("attack[seed=0,method=nominal,attack=weak]", "attack", "fresh"),
    ];
    let gathers = |attacks: [usize; 6]| page::Gathers::from([("attacks".to_owned(), attacks.to_vec())]);
    // 9 is none; a second stage has an instance at the same labels.
    let page = page::render(&run.example().unwrap(), &instances, &gathers([0, 9, 9, 9, 1, 0])).unwrap();
    assert_eq!(
        page.matches("<span class=\"state stale\">stale</span>").count(),
        3 + 1,
        "nominal, weak, worst case, and the instance itself"
    );
    let start = page.find("id=\"data\">").unwrap() + "id=\"data\">".len();
    let script: serde_json::Value = serde_json::from_str(page[start..].split("</script>").next().unwrap()).unwrap();
    assert_eq!(script["cells"]["main/llr/weak"]["from"][0], json!({ "input": "attacks", "index": 0 }));
    assert_eq!(script["places"]["attacks"][0], json!(0));
    assert_eq!(script["places"]["attacks"][4], json!(1), "whatever the order of the axes");
    assert_eq!(script["places"]["attacks"][5], json!(null), "its labels are others: the tables were made of another instance");
    assert_eq!(script["details"]["inputs"]["attacks"][0]["evidence"]["outcomes"], json!("++a+"));
    assert_eq!(script["instances"][0]["arguments"], json!("--profile smoke"));
}

/// Two stages of one kind may stand at the same labels; which of them a cell shows is told, not guessed.
#[test]
fn instances_at_the_same_labels_are_told_apart() {
    let run = Run::new();
    let labels = "attack=weak,method=llr,seed=0";
    let instances = [instance(&format!("quick[{labels}]"), "attack", "stale"), instance(&format!("thorough[{labels}]"), "attack", "fresh")];
    let folder = run.example().unwrap();
    let stale = |first: usize| {
        let gathers = page::Gathers::from([("attacks".to_owned(), vec![first, 9, 9, 9, 9, 9])]);
        page::render(&folder, &instances, &gathers).unwrap().matches("<span class=\"state stale\">stale</span>").count()
    };
    assert_eq!((stale(0), stale(1)), (3 + 1, 1));
    // Tables of another number of instances: nothing is known.
    let page = page::render(&folder, &instances, &page::Gathers::from([("attacks".to_owned(), vec![0])])).unwrap();
    assert_eq!(page.matches("<span class=\"state stale\">stale</span>").count(), 1);
}

#[test]
fn tables_of_another_version_are_refused() {
    let run = Run::new();
    let folder = run.example().unwrap();
    let path = folder.file("tables.json").unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, text.replacen("\"schema\": 2", "\"schema\": 3", 1)).unwrap();
    let failure = page::render(&folder, &[], &page::Gathers::new()).unwrap_err();
    assert!(failure.to_string().contains("tables of version 3, but this planish shows version 2"), "{failure}");
    assert!(failure.hint().is_some_and(|hint| hint.contains("planish run")));
}
