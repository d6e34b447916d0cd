use planish_contract::Coordinate;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn part(axis: &str, label: &str, value: Value, content: &str) -> InputPart {
    let coordinates = Coordinates::from([(axis.to_owned(), Coordinate { label: label.to_owned(), value })]);
    InputPart { coordinates: Some(coordinates), digest: Some(digest(content)) }
}

fn parts() -> KeyParts {
    KeyParts {
        version: FORMAT_VERSION,
        kind: "train".to_owned(),
        code: BTreeMap::from([("planish-train".to_owned(), "aa".to_owned()), ("planish_train::llr".to_owned(), "bb".to_owned())]),
        parameters: json!({ "epochs": 8, "objective": { "llr": { "lambda": 4.0, "steps": 2 } }, "list": [1, 2], "none": null }),
        inputs: BTreeMap::from([
            ("data".to_owned(), vec![InputPart { coordinates: None, digest: Some(digest("data")) }]),
            ("attacks".to_owned(), vec![part("seed", "0", json!(0), "a"), part("seed", "1", json!(1), "b")]),
        ]),
        files: BTreeMap::from([("script".to_owned(), Files::Each(BTreeMap::from([("x.py".to_owned(), digest("print()"))])))]),
        also: json!({ "device": "cpu" }),
    }
}

fn script(parts: &mut KeyParts) -> &mut BTreeMap<String, Digest> {
    match parts.files.get_mut("script") {
        Some(Files::Each(each)) => each,
        other => panic!("{other:?}"),
    }
}

fn changed(change: impl FnOnce(&mut KeyParts)) -> KeyParts {
    let mut parts = parts();
    change(&mut parts);
    parts
}

/// Every single component, changed in every way it can be.
fn single_changes() -> Vec<(&'static str, KeyParts)> {
    vec![
        ("key format 1 → 2", changed(|p| p.version = 2)),
        ("stage kind train → Train", changed(|p| p.kind = "Train".to_owned())),
        ("code of planish_train::llr changed", changed(|p| drop(p.code.insert("planish_train::llr".to_owned(), "cc".to_owned())))),
        ("code of other added", changed(|p| drop(p.code.insert("other".to_owned(), "cc".to_owned())))),
        ("code of planish-train removed", changed(|p| drop(p.code.remove("planish-train")))),
        ("parameter epochs: 8 → 9", changed(|p| p.parameters["epochs"] = json!(9))),
        ("parameter epochs: 8 → -8", changed(|p| p.parameters["epochs"] = json!(-8))),
        ("parameter epochs: 8 → 8.0", changed(|p| p.parameters["epochs"] = json!(8.0))),
        ("parameter epochs: 8 → \"8\"", changed(|p| p.parameters["epochs"] = json!("8"))),
        ("parameter epochs: 8 → true", changed(|p| p.parameters["epochs"] = json!(true))),
        ("parameter none: null → 0", changed(|p| p.parameters["none"] = json!(0))),
        ("parameter more added: 1", changed(|p| p.parameters["more"] = json!(1))),
        ("parameter objective.llr.lambda: 4.0 → 4.5", changed(|p| p.parameters["objective"]["llr"]["lambda"] = json!(4.5))),
        ("parameter list[1]: 2 → 3", changed(|p| p.parameters["list"][1] = json!(3))),
        ("parameter list: [1,2] → [[1],2,3]", changed(|p| p.parameters["list"] = json!([[1], 2, 3]))),
        ("input data changed", changed(|p| p.inputs.get_mut("data").unwrap()[0].digest = Some(digest("other")))),
        ("input data changed", changed(|p| p.inputs.get_mut("data").unwrap()[0].digest = None)),
        ("input data removed", changed(|p| drop(p.inputs.remove("data")))),
        ("input more added", changed(|p| drop(p.inputs.insert("more".to_owned(), Vec::new())))),
        ("input attacks[seed=1] changed", changed(|p| p.inputs.get_mut("attacks").unwrap()[1] = part("seed", "1", json!(1), "c"))),
        ("input attacks[seed=1] changed", changed(|p| p.inputs.get_mut("attacks").unwrap()[1] = part("seed", "1", json!(1.0), "b"))),
        ("input attacks[seed=1] removed", changed(|p| drop(p.inputs.get_mut("attacks").unwrap().pop()))),
        ("input attacks changed", changed(|p| p.inputs.get_mut("attacks").unwrap().reverse())),
        ("input data[] changed", changed(|p| p.inputs.get_mut("data").unwrap()[0].coordinates = Some(Coordinates::new()))),
        ("file script (x.py) changed", changed(|p| script(p).extend([("x.py".to_owned(), digest(""))]))),
        ("file script (y.py) added", changed(|p| script(p).extend([("y.py".to_owned(), digest(""))]))),
        ("file script (x.py) removed", changed(|p| drop(p.files.remove("script")))),
        ("file empty (no files) added", changed(|p| drop(p.files.insert("empty".to_owned(), Files::Each(BTreeMap::new()))))),
        ("key_also device: \"cpu\" → \"cuda:0\"", changed(|p| p.also = json!({ "device": "cuda:0" }))),
        ("key_also all: {\"device\":\"cpu\"} → null", changed(|p| p.also = Value::Null)),
    ]
}

#[test]
fn each_single_component_changes_the_key_and_is_named() {
    let mut seen = std::collections::BTreeSet::from([key(&parts())]);
    for (expected, other) in single_changes() {
        assert!(seen.insert(key(&other)), "the key misses: {expected}");
        let differences: Vec<String> = parts().differences(&other).iter().map(ToString::to_string).collect();
        assert_eq!(differences, [expected]);
    }
    assert_eq!(parts().differences(&parts()), []);
}

#[test]
fn parts_with_the_same_text_in_other_places_differ() {
    let moved = |a: &str, b: &str| key(&changed(|p| p.code = BTreeMap::from([(a.to_owned(), b.to_owned())])));
    assert_ne!(moved("ab", "c"), moved("a", "bc"));
    let parameters = |value: Value| key(&changed(|p| p.parameters = value));
    assert_ne!(parameters(json!(["a", "b"])), parameters(json!(["ab"])));
    assert_ne!(parameters(json!([["a"], "b"])), parameters(json!([["a", "b"]])));
    assert_ne!(parameters(json!({ "a": null })), parameters(json!({})));
}

#[test]
fn the_key_is_pinned() {
    // Whoever changes what a key is made of changes this value and raises the version with it.
    assert_eq!(key(&parts()).to_string(), "5d37a2c1c5419aefd36b114916b017129d7b215f84f811d69ed2f6f13ae5a338");
}

#[test]
fn parts_read_back() {
    let text = serde_json::to_string(&parts()).unwrap();
    let again: KeyParts = serde_json::from_str(&text).unwrap();
    assert_eq!(again, parts());
    assert_eq!(key(&again), key(&parts()));
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e300..1e300_f64).prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,3}", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn keys_agree_exactly_when_the_parts_do(a in json_value(), b in json_value()) {
        let (first, second) = (changed(|p| p.parameters = a.clone()), changed(|p| p.parameters = b.clone()));
        prop_assert_eq!(key(&first) == key(&second), a == b);
        prop_assert_eq!(first.differences(&second).is_empty(), a == b);
        let spelled: Value = serde_json::from_str(&serde_json::to_string_pretty(&a).unwrap()).unwrap();
        prop_assert_eq!(key(&changed(|p| p.parameters = spelled)), key(&first));
    }
}

fn many(change: impl FnOnce(&mut BTreeMap<String, Digest>)) -> Files {
    let mut files = (0..300).map(|number| (format!("n/{number:04}.jpeg"), digest(&number.to_string()))).collect();
    change(&mut files);
    Files::of(files.iter().map(|(name, digest)| (name.as_str(), *digest)), 200)
}

#[test]
fn of_many_files_the_changed_ones_are_named_from_the_list_in_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let with = |files| changed(|parts| drop(parts.files.insert("many".to_owned(), files)));
    let said = |old: &KeyParts, new: &KeyParts| old.differences(new).iter().map(ToString::to_string).collect::<Vec<_>>();
    let old = with(many(|_| {}));
    let entry = serde_json::to_value(&old).unwrap();
    assert!(entry.to_string().len() < 2000, "{entry}");
    let new = with(many(|files| {
        files.insert("n/0123.jpeg".to_owned(), digest("other"));
        files.remove("n/0007.jpeg");
        files.insert("n/0300.jpeg".to_owned(), digest("300"));
    }));
    assert_ne!(key(&old), key(&new));
    let unknown = KeyParts::recall(entry.clone(), &new, &store).unwrap();
    assert_eq!(said(&unknown, &new), ["file many (300 files, then 300: their list is not in the store any more) changed"]);
    old.keep_lists(&store).unwrap();
    let known = KeyParts::recall(entry.clone(), &new, &store).unwrap();
    let three = ["file many (n/0007.jpeg) removed", "file many (n/0123.jpeg) changed", "file many (n/0300.jpeg) added"];
    assert_eq!(said(&known, &new), three);
    assert_eq!(key(&known), key(&old));
    assert_eq!(said(&known, &old), [""; 0]);

    let all = with(many(|files| files.values_mut().for_each(|content| *content = digest("other"))));
    assert_eq!(said(&known, &all).last().unwrap(), "file many (and 280 more) changed");
    let list = std::fs::read_dir(listings(&store)).unwrap().next().unwrap().unwrap().path();
    std::fs::write(list, "damaged").unwrap();
    let unknown = KeyParts::recall(entry, &new, &store).unwrap();
    assert_eq!(said(&unknown, &new).len(), 1);
}

#[test]
fn a_list_and_the_same_files_written_out_have_other_keys() {
    let listed = changed(|parts| drop(parts.files.insert("many".to_owned(), many(|_| {}))));
    let Files::Listed(listing) = many(|_| {}) else { panic!() };
    let each: BTreeMap<String, Digest> = Files::Listed(listing).each().unwrap().map(|(name, digest)| (name.to_owned(), digest)).collect();
    let written = changed(|parts| drop(parts.files.insert("many".to_owned(), Files::Each(each))));
    assert_ne!(key(&listed), key(&written));
    assert_eq!(listed.differences(&written)[0].to_string(), "file many (the same files, listed otherwise) changed");
    for parts in [&listed, &written] {
        assert_eq!(serde_json::from_value::<KeyParts>(serde_json::to_value(parts).unwrap()).unwrap(), *parts);
    }
}
