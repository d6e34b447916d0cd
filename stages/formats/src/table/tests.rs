use super::*;

fn sample() -> (Vec<Column>, BTreeMap<String, String>) {
    let column = |name, optional, cells| Column { name, optional, cells };
    let columns = vec![
        column("id", false, Cells::Whole((0..40).map(|i| Some(i - 3)).collect())),
        column("maybe", true, Cells::Whole((0..40).map(|i| (i % 3 == 0).then_some(i)).collect())),
        column("margin", false, Cells::Real((0..40).map(|i| Some(f64::from(i) / 7.0)).collect())),
        column("flag", true, Cells::Flag((0..40).map(|i| (i > 4).then_some(i % 5 < 2)).collect())),
        column("robust", false, Cells::Flag((0..40).map(|i| Some(i % 7 < 3)).collect())),
        column("attack", true, Cells::Text((0..40).map(|i| (i < 20).then(|| format!("apgd-{i}"))).collect())),
        column("nothing", true, Cells::Text(vec![None; 40])),
    ];
    (columns, BTreeMap::from([("planish.schema".to_owned(), "2".to_owned())]))
}

fn written() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let (columns, metadata) = sample();
    write(&path, &columns, &metadata).unwrap();
    (folder, path)
}

#[test]
fn tables_read_back() {
    let (_folder, path) = written();
    let table = read(&path).unwrap();
    let (columns, metadata) = sample();
    assert_eq!(table.metadata, metadata);
    assert_eq!(table.columns.len(), columns.len());
    for column in columns {
        assert_eq!(table.columns[column.name], column.cells, "{}", column.name);
    }
}

#[test]
fn an_empty_table_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    write(&path, &[Column { name: "id", optional: true, cells: Cells::Whole(vec![]) }], &BTreeMap::new()).unwrap();
    assert_eq!(read(&path).unwrap().columns["id"], Cells::Whole(vec![]));
}

#[test]
fn lacking_cells_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let lacking = [Column { name: "id", optional: false, cells: Cells::Whole(vec![None]) }];
    assert!(write(&path, &lacking, &BTreeMap::new()).is_err());
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let (_folder, path) = written();
    let bytes = std::fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        for damage in [0x01, 0x40, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= damage;
            // Damage to a value gives another, valid table.
            drop(read::table(&damaged));
        }
        assert!(read::table(&bytes[..at]).is_err());
    }
}

/// A list of booleans that claims 2^62 of them; found by fuzzing.
#[test]
fn a_few_bytes_make_no_long_lists() {
    for kind in [1, 2, 5, 12] {
        let mut list = vec![0x19, 0xf0 | kind];
        thrift::varint(1 << 62, &mut list);
        list.extend([0; 9]);
        assert_eq!(thrift::Cursor(&list).structure(), None, "{kind}");
    }
    let two = [0x19, 0x22, 1, 2, 0];
    assert_eq!(thrift::Cursor(&two).structure().unwrap().list(1), [thrift::Value::Int(1), thrift::Value::Int(0)]);
}

#[test]
fn a_few_bytes_make_no_long_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let read = |rows: usize| {
        write(&path, &[Column { name: "none", optional: true, cells: Cells::Text(vec![None; rows]) }], &BTreeMap::new()).unwrap();
        read::table(&std::fs::read(&path).unwrap())
    };
    assert_eq!(read(500).unwrap().columns["none"].len(), 500);
    // As many nulls, in as many bytes, as would fill gigabytes.
    assert!(read(1 << 20).unwrap_err().contains("more cells"));
}

/// Bytes that pyarrow and pandas were seen to read (`tests/golden/evidence_table.py` reads them again).
#[test]
fn the_format_does_not_drift() {
    let (_folder, path) = written();
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/evidence_table.parquet");
    if std::env::var_os("PLANISH_BLESS").is_some() {
        std::fs::copy(&path, &golden).unwrap();
    }
    assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&golden).unwrap());
}
