//! `planish adopt`: results of earlier code that are kept, and how far their mark reaches.

use planish::key::{KeyParts, key};
use planish_cache::Store;

use crate::bench::{Bench, shell};

/// `a` → `b` → `c`, and `d` apart.
fn bench() -> Bench {
    let copy = |name: &str, input: &str| {
        shell(
            name,
            &format!("cat {{inputs.i}}/x > {{outputs.out}}/x; echo {name} >> {{outputs.out}}/x"),
            &format!("inputs.i = \"{input}\""),
        )
    };
    let pipeline = shell("a", "echo $WORD > {outputs.out}/x", "params.environment.WORD = \"one\"")
        + &copy("b", "a")
        + &copy("c", "b")
        + &shell("d", "echo d > {outputs.out}/x", "");
    Bench::new(&pipeline)
}

/// Makes the result of `instance` one that other code made.
pub(crate) fn age(bench: &Bench, instance: &str) {
    let store = Store::open(&bench.path(".planish")).unwrap();
    let mut entry = store.entries().unwrap().map(Result::unwrap).find(|entry| entry.instance == instance).unwrap();
    assert!(store.withdraw(&entry.key).unwrap());
    let mut parts: KeyParts = serde_json::from_value(entry.parts).unwrap();
    parts.code.insert("planish-earlier".to_owned(), "00".to_owned());
    let earlier = entry.key.to_string();
    entry.key = key(&parts);
    entry.parts = serde_json::to_value(&parts).unwrap();
    store.publish(&entry).unwrap();
    // The instance's past points at it.
    for file in std::fs::read_dir(bench.path(".planish/runs/history")).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap().replace(&earlier, &entry.key.to_string());
        std::fs::write(path, text).unwrap();
    }
}

#[test]
fn an_adopted_result_is_used_and_marks_everything_made_from_it() {
    let bench = bench();
    bench.ok(&["run", "a", "d"]);
    age(&bench, "a");
    assert!(bench.ok(&["plan"]).out.contains("run      a  code of planish-earlier removed\n"));
    let said = bench.ok(&["adopt", "a", "--because", "only a name changed"]);
    assert_eq!(said.out, "a: adopted (code of planish-earlier removed)\n");
    bench.ok(&["run"]).counts(2, 2);
    let status = bench.ok(&["status"]).out;
    assert!(status.contains("adopted from earlier code: only a name changed"), "{status}");
    assert_eq!(status.matches("rests on adopted a").count(), 2, "{status}");
    let views = bench.json(&["status", "--json"]);
    assert_eq!(views[0]["adopted"]["because"], "only a name changed");
    assert_eq!(views[2]["rests_on"], serde_json::json!(["a"]));
    assert_eq!((&views[3]["adopted"], &views[3]["rests_on"]), (&serde_json::Value::Null, &serde_json::json!([])));
    // What is recorded beside each result, whatever becomes of the list of adoptions.
    let provenance = |instance: &str| bench.json(&["show", instance, "--json"])[0]["provenance"].clone();
    assert_eq!(provenance("a")["adopted"][0]["because"], "only a name changed");
    for instance in ["b", "c"] {
        assert_eq!(provenance(instance)["rests_on"]["a"]["because"], "only a name changed", "{instance}");
    }
    assert!(provenance("d")["rests_on"].is_null());
    let text = bench.ok(&["show", "c"]).out;
    assert!(text.contains("rests on adopted a  made by earlier code (key "), "{text}");
    bench.ok(&["run"]).counts(4, 0);
}

#[test]
fn a_result_made_before_the_adoption_is_marked_too() {
    let bench = bench();
    bench.ok(&["run"]);
    age(&bench, "a");
    bench.ok(&["adopt", "a"]);
    bench.ok(&["run"]).counts(4, 0);
    assert_eq!(bench.ok(&["status"]).out.matches("rests on adopted a").count(), 2);
}

#[test]
fn an_adoption_is_taken_back() {
    let bench = bench();
    bench.ok(&["run"]);
    age(&bench, "a");
    bench.ok(&["adopt", "a"]);
    assert_eq!(bench.ok(&["adopt", "--undo", "a"]).out, "a: no longer adopted; the next run makes it anew\n");
    assert!(bench.ok(&["plan"]).out.contains("run      a  code of planish-earlier removed\n"));
    bench.planish(&["adopt", "--undo", "a"]).complains(2, &["nothing of this was adopted"]);
    bench.ok(&["run"]).counts(3, 1);
    assert!(!bench.ok(&["status"]).out.contains("adopted"));
}

#[test]
fn only_code_may_differ() {
    let bench = bench();
    bench.ok(&["run"]);
    bench.planish(&["adopt", "a"]).complains(2, &["there is nothing to adopt"]);
    age(&bench, "a");
    let other = ["--set", "a.environment={ WORD = \"two\" }"];
    bench.planish(&["adopt", "a", other[0], other[1]]).complains(
        2,
        &["`a` can't be adopted, for more than its code changed: parameter environment.WORD: \"one\" → \"two\"", "planish run 'a'"],
    );
    bench.planish(&["adopt", "b"]).complains(2, &["`b` can't be adopted before what it is made from: a"]);
    let fresh = crate::bench::Bench::new(&shell("a", "echo > {outputs.out}/x", ""));
    fresh.planish(&["adopt", "a"]).complains(2, &["`a` has no earlier result in the store"]);
    assert!(bench.ok(&["plan"]).out.contains("run      a"));
}

#[test]
fn whole_chains_are_adopted_in_order_even_without_a_history() {
    let bench = bench();
    bench.ok(&["run"]);
    for instance in ["a", "b"] {
        age(&bench, instance);
    }
    std::fs::remove_dir_all(bench.path(".planish/runs/history")).unwrap();
    assert_eq!(bench.ok(&["adopt", "b", "a"]).out.lines().count(), 2);
    bench.ok(&["run"]).counts(4, 0);
}
