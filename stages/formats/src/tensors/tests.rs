use super::*;
use proptest::prelude::*;

fn sample() -> Vec<NamedTensor> {
    vec![
        NamedTensor { name: "b".into(), shape: vec![2, 1], values: Values::F32(vec![1.5, f32::MIN_POSITIVE]) },
        NamedTensor { name: "a".into(), shape: vec![3], values: Values::U8(vec![1, 2, 255]) },
        NamedTensor { name: "c".into(), shape: vec![1], values: Values::I64(vec![-7]) },
        NamedTensor { name: "scalar".into(), shape: vec![], values: Values::F32(vec![2.0]) },
        NamedTensor { name: "empty".into(), shape: vec![0, 4], values: Values::F32(vec![]) },
    ]
}

fn metadata() -> BTreeMap<String, String> {
    [("one", "1"), ("two", "2"), ("three", "3")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}

#[test]
fn tensors_read_back_and_order_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let mut tensors = sample();
    write_tensors(&one, &tensors, &metadata()).unwrap();
    tensors.reverse();
    write_tensors(&two, &tensors, &metadata()).unwrap();
    assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
    assert_eq!(std::fs::read(&one).unwrap(), tensor_bytes(&tensors, &metadata()).unwrap());
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(read_tensors(&one).unwrap(), tensors);
}

#[test]
fn the_metadata_is_where_other_readers_look_for_it() {
    let bytes = tensor_bytes(&sample(), &metadata()).unwrap();
    let (_, read) = SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(read.metadata().as_ref().unwrap().get("two").map(String::as_str), Some("2"));
}

#[test]
fn a_shape_that_disagrees_and_a_name_taken_twice_are_refused() {
    let mut tensors = sample();
    tensors[0].shape = vec![3];
    assert!(tensor_bytes(&tensors, &BTreeMap::new()).unwrap_err().to_string().contains("`b` has shape [3] but 2 values"));
    let twice = [sample().remove(0), sample().remove(0)];
    assert!(tensor_bytes(&twice, &BTreeMap::new()).unwrap_err().to_string().contains("taken"));
}

#[test]
fn truncated_empty_and_mislabelled_files_are_refused() {
    let bytes = tensor_bytes(&sample(), &BTreeMap::new()).unwrap();
    for cut in 0..bytes.len() {
        let message = tensors_from_bytes(&bytes[..cut], "w.safetensors").unwrap_err().to_string();
        assert!(message.starts_with("w.safetensors: not a safetensors file"), "{message}");
    }
    let text = String::from_utf8_lossy(&bytes).replace("F32", "F16");
    assert!(tensors_from_bytes(text.as_bytes(), "w").is_err());
    let huge = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    assert!(tensors_from_bytes(&huge, "w").is_err());
    let json = br#"{"a":{"dtype":"BOOL","shape":[8],"data_offsets":[0,8]}} "#;
    let other = [&(json.len() as u64).to_le_bytes()[..], json, &[0; 8]].concat();
    assert!(tensors_from_bytes(&other, "w").unwrap_err().to_string().contains("has type BOOL"));
}

proptest! {
    #[test]
    fn mutated_bytes_never_panic(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = tensor_bytes(&sample(), &metadata()).unwrap();
        for (index, value) in edits {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(tensors) = tensors_from_bytes(&bytes, "mutated") {
            for tensor in tensors {
                prop_assert_eq!(element_count(&tensor.shape), Some(tensor.values.len()));
            }
        }
    }

    #[test]
    fn any_tensors_read_back(values in proptest::collection::vec(any::<f32>().prop_filter("NaN", |v| !v.is_nan()), 0..40)) {
        let tensors = [NamedTensor { name: "x".into(), shape: vec![values.len()], values: Values::F32(values) }];
        let bytes = tensor_bytes(&tensors, &BTreeMap::new()).unwrap();
        prop_assert_eq!(tensors_from_bytes(&bytes, "x").unwrap(), tensors);
    }
}
