//! What a run reads of earlier ones may be damaged in any way: it is read or it is not, and nothing panics.

use std::path::Path;

use planish_cache::Store;
use proptest::prelude::*;

use crate::run::adoption::Adoptions;
use crate::run::history::History;
use crate::run::record::{find_log, read_record};
use crate::run::settled::Settled;

const HISTORY: &str = r#"{"schema":1,"pipeline":"/p.toml","profile":null,"latest_run":"1","instances":{"a":{"key":"00","reason":{"changed":[{"parameter":{"path":"x","old":1,"new":null}}]},"run":"1","seconds":1.5,"log":"runs/1/a.log","failure":null}}}"#;
const RECORD: &str = r#"{"schema":1,"run":"1","pipeline":"p","process":1,"started":"2026-01-01T00:00:00.000Z","ended":null,"exit":null,"instances":{"a":{"state":"running","key":null,"reason":"first","seconds":null,"log":"../../etc/passwd","message":null}}}"#;
const ADOPTIONS: &str = r#"{"keys":{"00":{"instance":"a","from":"00","because":null,"at":"","code":[],"build":""}}}"#;

/// Bytes put in place of others: where, between 0 and 1, how many go, what comes.
type Edit = (f64, usize, Vec<u8>);

fn edited(text: &str, edits: &[Edit]) -> Vec<u8> {
    edits.iter().fold(text.as_bytes().to_vec(), |mut bytes, (place, length, new)| {
        let start = ((bytes.len() as f64) * place) as usize;
        let end = (start + length).min(bytes.len());
        bytes.splice(start..end, new.iter().copied());
        bytes
    })
}

fn edit() -> impl Strategy<Value = Edit> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..4),
        prop::sample::select(vec!["{", "[", "null", "1e999", "-1", "\"", "\\u0000", "{\"a\":", "99999999999999999999"])
            .prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    (0.0..1.0, 0usize..20, piece)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_notes_of_earlier_runs_never_panic(edits in prop::collection::vec(edit(), 0..5)) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let pipeline = Path::new("pipeline.toml");
        let history = History::load(&store, pipeline, None).path(&store);
        let runs = store.runs_dir();
        for path in [history.as_path(), &runs.join("1/run.json"), &runs.join("adoptions.json"), &runs.join("note")] {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        std::fs::write(&history, edited(HISTORY, &edits)).unwrap();
        std::fs::write(runs.join("1/run.json"), edited(RECORD, &edits)).unwrap();
        std::fs::write(runs.join("adoptions.json"), edited(ADOPTIONS, &edits)).unwrap();
        let body = edited(HISTORY, &edits);
        let sealed = [blake3::hash(&body).to_hex().as_bytes(), &body].concat();
        std::fs::write(runs.join("note"), sealed).unwrap();
        drop(History::load(&store, pipeline, None));
        if let Some(record) = read_record(&store, "1") {
            let _ = record.is_running("a");
        }
        let _ = find_log(&store, "p", "a");
        drop(Adoptions::load(&store));
        prop_assert!(Settled::find(&runs.join("note"), &store).is_none());
    }
}
