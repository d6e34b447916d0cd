use super::*;
use crate::tensors::from_u32;
use crate::{NamedTensor, SCHEMA, Values, write_tensors};

fn sample() -> (DataSetInfo, BTreeMap<SplitName, Split>) {
    let split = |n: u32| Split {
        shape: [1, 2, 2],
        images: (0..n * 4).map(|v| v as u8).collect(),
        labels: (0..n).map(|v| v % 2).collect(),
        ids: (0..n).map(|v| 100 + v).collect(),
    };
    let splits = BTreeMap::from([(SplitName::Train, split(5)), (SplitName::Test, split(2))]);
    let info = DataSetInfo {
        schema: SCHEMA,
        name: "tiny".into(),
        classes: vec!["a".into(), "b".into()],
        shape: [1, 2, 2],
        mean: vec![0.5],
        std: vec![0.25],
        splits: splits.iter().map(|(name, split)| (name.to_string(), split.len())).collect(),
        shards: BTreeMap::new(),
        sources: vec![Source { name: "x".into(), sha256: "00".into() }],
    };
    (info, splits)
}

fn written(info: &DataSetInfo, splits: &BTreeMap<SplitName, Split>) -> (tempfile::TempDir, Folder) {
    let folder = tempfile::tempdir().unwrap();
    write_data_set(folder.path(), info, splits).unwrap();
    let files = Folder::open(folder.path()).unwrap();
    (folder, files)
}

#[test]
fn a_data_set_reads_back() {
    let (info, splits) = sample();
    let (_folder, files) = written(&info, &splits);
    let set = DataSet::open(&files).unwrap();
    assert_eq!(set.info, info);
    assert_eq!(set.split(SplitName::Train).unwrap(), splits[&SplitName::Train]);
    assert!(!set.has(SplitName::Validation));
    let failure = set.split(SplitName::Validation).unwrap_err();
    assert_eq!(failure.to_string(), "the data set `tiny` has no validation split");
    assert_eq!(failure.hint(), Some("give the data stage `validation = N` images"));
}

#[test]
fn selections_are_prefixes_and_pixels_are_in_the_unit_interval() {
    let (_, splits) = sample();
    let split = &splits[&SplitName::Train];
    assert_eq!(split.first(2).images, (0..8).collect::<Vec<u8>>());
    assert_eq!(split.first(2).ids, [100, 101]);
    assert_eq!(split.first(99), *split);
    assert_eq!(split.image(1), [4, 5, 6, 7]);
    assert!(split.image(5).is_empty());
    assert_eq!(split.pixels(0..1), [0.0, 1.0 / 255.0, 2.0 / 255.0, 3.0 / 255.0]);
    assert!(split.pixels(4..usize::MAX).is_empty());
}

#[test]
fn a_description_that_contradicts_itself_is_refused() {
    let (good, splits) = sample();
    let (folder, files) = written(&good, &splits);
    let refuse = |edit: &dyn Fn(&mut DataSetInfo), expected: &str| {
        let mut info = good.clone();
        edit(&mut info);
        write_json(&folder.path().join(INFO), &info).unwrap();
        let message = DataSet::open(&files).unwrap_err().to_string();
        assert!(message.contains("dataset.json: ") && message.contains(expected), "{message}");
    };
    refuse(&|info| info.schema = 2, "schema version 2");
    refuse(&|info| info.shape = [usize::MAX, 2, 2], "an image shape of");
    refuse(&|info| info.shape = [0, 2, 2], "an image shape of");
    refuse(&|info| info.mean = vec![], "0 means and 1 deviations for 1 channels");
    refuse(&|info| info.std = vec![0.0], "not above 0");
    refuse(&|info| info.classes.clear(), "no classes");
    refuse(&|info| info.splits = BTreeMap::from([("dev".into(), 1)]), "a split named `dev`");
}

#[test]
fn a_split_that_contradicts_the_description_is_refused() {
    let (info, splits) = sample();
    let (folder, files) = written(&info, &splits);
    let set = DataSet::open(&files).unwrap();
    let refuse = |edit: &dyn Fn(&mut [NamedTensor; 3]), expected: &str| {
        let split = &splits[&SplitName::Test];
        let images = NamedTensor { name: "images".into(), shape: vec![2, 1, 2, 2], values: Values::U8(split.images.to_vec()) };
        let mut tensors = [images, from_u32("labels", &split.labels), from_u32("ids", &split.ids)];
        edit(&mut tensors);
        write_tensors(&folder.path().join("test.safetensors"), &tensors, &BTreeMap::new()).unwrap();
        let message = set.split(SplitName::Test).unwrap_err().to_string();
        assert!(message.contains("test.safetensors: ") && message.contains(expected), "{message}");
    };
    refuse(&|tensors| tensors[0].shape = vec![2, 2, 2, 1], "has shape [2, 2, 2, 1], not [n, 1, 2, 2]");
    refuse(&|tensors| tensors[0].values = Values::F32(vec![0.0; 8]), "not of type U8");
    refuse(&|tensors| tensors[1].values = Values::I64(vec![0, 2]), "label 2, but there are 2 classes");
    refuse(&|tensors| tensors[1].values = Values::I64(vec![0, -1]), "`labels` holds -1");
    refuse(&|tensors| tensors[2].name = "id".into(), "`ids` is missing");
    refuse(&|tensors| tensors[2] = from_u32("ids", &[1, 2, 3]), "has shape [3], not [2]");
}

#[test]
fn parts_that_disagree_are_not_written() {
    let (info, mut splits) = sample();
    splits.remove(&SplitName::Test);
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(write_data_set(folder.path(), &info, &splits), Err(Failure::Internal(_))));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// The sample with at most two images a file: three files of the training split, one of the test split.
fn sharded() -> (tempfile::TempDir, BTreeMap<SplitName, Split>) {
    let (info, splits) = sample();
    let folder = tempfile::tempdir().unwrap();
    write_sharded(folder.path(), &info, &splits, 9).unwrap();
    (folder, splits)
}

#[test]
fn a_large_split_is_divided_over_files() {
    let (folder, splits) = sharded();
    let files = Folder::open(folder.path()).unwrap();
    let names: Vec<&str> = files.files().map(|(name, _)| name).collect();
    let train = ["train-00000-of-00003.safetensors", "train-00001-of-00003.safetensors", "train-00002-of-00003.safetensors"];
    assert_eq!(names, [["dataset.json", "test.safetensors"].as_slice(), &train].concat());
    let set = DataSet::open(&files).unwrap();
    let split = set.split(SplitName::Train).unwrap();
    assert_eq!(split, splits[&SplitName::Train]);
    assert_eq!(split.image(4), [16, 17, 18, 19]);
    assert_eq!(split.pixels(1..3), splits[&SplitName::Train].pixels(1..3));
    assert_eq!(set.images(SplitName::Train, Some(3)).unwrap(), splits[&SplitName::Train].first(3));
    assert_eq!(set.split(SplitName::Test).unwrap(), splits[&SplitName::Test]);
    assert_eq!(set.info.shards, BTreeMap::from([("train".to_owned(), 3)]));
}

#[test]
fn files_of_a_split_that_do_not_fit_together_are_refused() {
    let (folder, splits) = sharded();
    let refuse = |expected: &str| {
        let message =
            DataSet::open(&Folder::open(folder.path()).unwrap()).and_then(|set| set.split(SplitName::Train)).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    };
    let train = &splits[&SplitName::Train];
    let put = |index: usize, rows: std::ops::Range<usize>| {
        let path = folder.path().join(shard::file_name(SplitName::Train, index, 3));
        let images = train.values_of(&rows).unwrap();
        write_shard(&path, train.shape, (&train.labels[rows.clone()], &train.ids[rows]), |write| write(&images)).unwrap();
    };
    put(2, 3..5);
    refuse("holds 6 images, but dataset.json says 5");
    put(1, 2..3);
    refuse("hold different numbers of images");
    std::fs::remove_file(folder.path().join(shard::file_name(SplitName::Train, 1, 3))).unwrap();
    refuse("train-00001-of-00003.safetensors");
    let mut info = DataSet::open(&Folder::open(folder.path()).unwrap()).unwrap().info;
    for (split, count) in [("train", usize::MAX), ("train", 0), ("dev", 3)] {
        info.shards = BTreeMap::from([(split.to_owned(), count)]);
        write_json(&folder.path().join(INFO), &info).unwrap();
        refuse(&format!("{count} files of a split `{split}`"));
    }
}
