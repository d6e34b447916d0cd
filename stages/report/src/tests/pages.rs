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
        value["figures"] = json!([{ "name": "a", "title": "</script>", "rows": { "axis": "method" }, "show": { "strength": { "columns": { "axis": "attack" } } } }]);
        value["tables"]["main"]["rows"]["names"]["nominal"] = json!("</script><script>alert(1)</script>");
    });
    let folder =
        run.with(&parameters, Inputs { attacks: run.attacks(), data: Some(data(run.root.path(), 4)), ..Inputs::default() }).unwrap();
    let page = page::render(&folder, &[instance("train[method=<script>]", "train", "fresh")]).unwrap();
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
    let page = page::render(&run.example().unwrap(), &instances).unwrap();
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
    assert_eq!(script["details"]["inputs"]["attacks"][0]["evidence"]["outcomes"], json!("++a+"));
    assert_eq!(script["instances"][0]["arguments"], json!("--profile smoke"));
}
