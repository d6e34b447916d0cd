//! What runs leave behind and later commands read: run records, histories, adoptions, settled notes. The first byte says which one the
//! rest is.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

use planish::plan::{Plan, plan};
use planish::run::{Adoptions, Evidence, Forecast, History, Settled, find_log, forecast, read_record, undo};
use planish::show::{self, StatusView};
use planish::spec::{LoadOptions, load};
use planish_cache::{Key, Store};
use planish_fuzz::{kinds::Harmless, scratch, stays_inside};
use serde_json::{Value, json};

const PIPELINE: &str = "[stages.a]\nrun = \"data\"\n[stages.b]\nrun = \"train\"\ninputs.data = \"a\"\n";

struct World {
    store: Store,
    plan: Plan,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let file = scratch().join("pipeline.toml");
        std::fs::write(&file, PIPELINE).expect("a file in memory");
        let options = LoadOptions { file, text: None, profile: None, sets: Vec::new(), execution: BTreeMap::new() };
        let pipeline = load(&options, &Harmless).expect("a sound pipeline");
        let plan = plan(&pipeline, &[]).expect("a sound pipeline");
        let store = Store::open(&scratch().join("store")).expect("a store");
        std::fs::create_dir_all(store.runs_dir().join("1")).expect("a folder in memory");
        std::env::set_current_dir(scratch()).expect("a folder");
        World { store, plan }
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    let world = world();
    match kind {
        b'r' => record(world, bytes),
        b'h' => history(world, bytes),
        b'a' => adoptions(world, bytes),
        b's' => settled(world, bytes),
        _ => {}
    }
});

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder in memory");
    std::fs::write(path, bytes).expect("a file in memory");
}

fn record(world: &World, bytes: &[u8]) {
    write(&world.store.runs_dir().join("1/run.json"), bytes);
    let Some(record) = read_record(&world.store, "1") else { return };
    for instance in record.instances.keys() {
        let _ = (record.is_running(instance), find_log(&world.store, &record.pipeline, instance));
    }
    let text = serde_json::to_vec(&record).expect("a record that was read can be written");
    write(&world.store.runs_dir().join("1/run.json"), &text);
    assert_eq!(format!("{:?}", read_record(&world.store, "1")), format!("{:?}", Some(record)));
}

fn forecasts(world: &World, history: &History) -> Vec<Forecast> {
    forecast(&world.plan, &world.store, history, &BTreeSet::new()).expect("a store that can be read")
}

fn history(world: &World, bytes: &[u8]) {
    let file = scratch().join("pipeline.toml");
    let path = History::load(&world.store, &file, None).path(&world.store);
    write(&path, bytes);
    let _ = History::load(&world.store, &file, None);
    // The history of this pipeline, as far as the input is one.
    if let Ok(Value::Object(mut table)) = serde_json::from_slice(bytes) {
        table.insert("pipeline".to_owned(), json!(file));
        write(&path, &serde_json::to_vec(&table).expect("a value can be written"));
    }
    let mut history = History::load(&world.store, &file, None);
    let forecasts = forecasts(world, &history);
    let evidence = Evidence { plan: &world.plan, forecasts: &forecasts, history: &history, store: &world.store };
    let explanations = evidence.explain(0..world.plan.instances.len()).expect("a store");
    let _ = (show::explanations(&explanations), show::json("why", &explanations));
    let views = StatusView::all(&world.plan, &forecasts, &history, &[]);
    let _ = (show::status(&views), show::json("status", &views));
    history.adopted("b", Key::new(planish_cache::Digest::of(b"b")), planish::run::Reason::Unchanged);
    history.save(&world.store).expect("a history can be written");
    let again = History::load(&world.store, &file, None);
    assert_eq!(again.past("b"), history.past("b"));
}

fn adoptions(world: &World, bytes: &[u8]) {
    write(&world.store.runs_dir().join("adoptions.json"), bytes);
    let adoptions = Adoptions::load(&world.store);
    let list: Value = serde_json::to_value(&adoptions).expect("a list that was read can be written");
    let key = list.get("keys").and_then(|keys| keys.as_object()?.keys().next()?.parse::<Key>().ok());
    let marks = adoptions.marks(&world.plan, |_| key);
    let mut history = History::load(&world.store, &scratch().join("none.toml"), None);
    let forecasts = forecasts(world, &history);
    let _ = show::status(&StatusView::all(&world.plan, &forecasts, &history, &marks));
    if let Some(key) = key {
        undo(&world.store, &mut history, "b", &key).expect("an adopted result can be given up");
    }
}

/// The body of a note, made to belong to this executable and this machine.
fn settled(world: &World, bytes: &[u8]) {
    let path = scratch().join("note.json");
    write(&path, bytes);
    let _ = Settled::find(&path, &world.store);
    write(&path, &with_checksum(bytes));
    if let Ok(mut body) = serde_json::from_slice::<Value>(bytes)
        && let Some(table) = body.as_object_mut()
    {
        if !is_tame(&Value::Object(table.clone())) {
            return;
        }
        table.insert("schema".to_owned(), json!(1));
        table.insert("build".to_owned(), json!(planish::fingerprint::BUILD_ID));
        table.insert("machine".to_owned(), json!(planish::run::cpu_features()));
        write(&path, &with_checksum(&serde_json::to_vec(&body).expect("a value can be written")));
    }
    if let Some(note) = Settled::find(&path, &world.store) {
        let _ = note.instances();
    }
}

fn with_checksum(body: &[u8]) -> Vec<u8> {
    [blake3::hash(body).to_hex().as_bytes(), body].concat()
}

/// Whether every path that a note may name lies in the scratch folder.
fn is_tame(value: &Value) -> bool {
    match value {
        Value::String(text) => stays_inside(text),
        Value::Array(items) => items.iter().all(is_tame),
        Value::Object(table) => table.iter().all(|(key, value)| stays_inside(key) && is_tame(value)),
        _ => true,
    }
}
