use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::path::PathBuf;

use planish_contract::{Folder, Host, SilentHost};
use planish_formats::{DataSet, NamedTensor, SplitName, Values, write_tensors};
use serde_json::json;

use super::*;

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for made in ["data", "checkpoints"] {
            std::fs::create_dir(folder.path().join(made)).unwrap();
        }
        Case { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn run(&self, files: &[(&str, &str)], parameters: serde_json::Value) -> Result<DataSet, Failure> {
        self.packed(files, parameters, (SHARD_BYTES, &SilentHost))
    }

    fn packed(
        &self,
        files: &[(&str, &str)],
        parameters: serde_json::Value,
        (shard_bytes, host): (usize, &dyn Host),
    ) -> Result<DataSet, Failure> {
        let one = |name: &str| {
            let path = self.folder.path().join(name);
            if path.is_dir() {
                return Folder::open(&path).unwrap();
            }
            Folder::new(BTreeMap::from([(name.to_owned(), path)]))
        };
        let context = Context {
            inputs: BTreeMap::new(),
            files: files.iter().map(|(entry, name)| ((*entry).to_owned(), one(name))).collect(),
            outputs: self.folder.path().to_path_buf(),
            checkpoints: self.folder.path().join("checkpoints"),
            threads: 2,
            host,
        };
        let parameters: ImagesParameters = serde_json::from_value(parameters).unwrap();
        write(&parameters, &context, shard_bytes)?;
        DataSet::open(&Folder::open(&self.folder.path().join("data")).unwrap())
    }

    /// Three classes of solid colours; `count` images each.
    fn colours(&self, below: &str, count: u8) {
        for (class, colour) in [("blue", [0, 0, 255]), ("green", [0, 255, 0]), ("red", [255, 0, 0])] {
            for index in 0..count {
                let pixels: Vec<[u8; 3]> = (0..24).map(|at| if at == 0 { [index, 0, 0] } else { colour }).collect();
                std::fs::write(self.path(&format!("{below}{class}/{index}.png")), png(6, &pixels)).unwrap();
            }
        }
    }
}

mod packing;

/// A PNG file of red, green, blue.
fn png(width: u32, pixels: &[[u8; 3]]) -> Vec<u8> {
    let height = pixels.len() as u32 / width;
    let rows = pixels.chunks(width as usize).flat_map(|row| std::iter::once(0).chain(row.iter().flatten().copied()));
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&rows.collect::<Vec<u8>>()).unwrap();
    let chunk = |kind: &[u8], data: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(&[kind, data].concat());
        [&(data.len() as u32).to_be_bytes(), kind, data, &crc.sum().to_be_bytes()].concat()
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &packed.finish().unwrap()), chunk(b"IEND", b"")].concat()
}

fn npy<W: Write>(mut writer: W, shape: &[u64], values: &[u8]) {
    let shape: String = shape.iter().fold(String::new(), |text, size| text + &format!("{size}, "));
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape}), }}\n");
    writer.write_all(b"\x93NUMPY\x01\x00").unwrap();
    writer.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
    writer.write_all(&[header.as_bytes(), values].concat()).unwrap();
}

fn npz<W: Write + Seek>(writer: W, arrays: &[(&str, &[u64], &[u8])]) {
    let mut archive = zip::ZipWriter::new(writer);
    for (name, shape, values) in arrays {
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        npy(&mut archive, shape, values);
    }
    archive.finish().unwrap();
}

#[test]
fn a_folder_for_each_class_becomes_a_data_set() {
    let case = Case::new();
    case.colours("mine/", 3);
    std::fs::write(case.path("mine/red/.DS_Store"), b"junk").unwrap();
    let set = case.run(&[("source", "mine")], json!({ "name": "colours" })).unwrap();
    assert_eq!(set.info.classes, ["blue", "green", "red"]);
    assert_eq!((set.info.name.as_str(), set.info.shape), ("colours", [3, 4, 6]));
    let test = set.split(SplitName::Test).unwrap();
    assert_eq!((test.len(), &test.labels[..3]), (9, &[0, 1, 2][..]));
    for (row, &label) in test.labels.iter().enumerate() {
        // The last pixel of each channel: channels come first.
        let last: Vec<u8> = test.image(row).chunks(24).map(|plane| plane[23]).collect();
        assert_eq!(last, [[0, 0, 255], [0, 255, 0], [255, 0, 0]][label as usize]);
        assert_eq!(u32::from(test.image(row)[0]), test.ids[row] % 3, "ids count the sorted files");
    }
    assert!(!set.has(SplitName::Train));
}

#[test]
fn folders_named_train_and_test_are_splits_and_sizes_are_brought_together() {
    let case = Case::new();
    case.colours("mine/train/", 4);
    case.colours("mine/val/", 2);
    std::fs::write(case.path("mine/val/red/large.png"), png(12, &[[9, 9, 9]; 144])).unwrap();
    let failure = case.run(&[("source", "mine")], json!({})).unwrap_err();
    assert!(failure.to_string().contains("mine") || failure.to_string().contains("large.png"), "{failure}");
    assert!(failure.hint().unwrap().contains("--size"));
    let set = case.run(&[("source", "mine")], json!({ "size": [4, 4], "validation": 3 })).unwrap();
    let sizes = [("test".to_owned(), 7), ("train".to_owned(), 9), ("validation".to_owned(), 3)];
    assert_eq!((set.info.splits.clone(), set.info.shape), (sizes.into(), [3, 4, 4]));
    let (train, validation) = (set.split(SplitName::Train).unwrap(), set.split(SplitName::Validation).unwrap());
    assert!(train.ids.iter().all(|id| !validation.ids.contains(id)));
    assert_eq!(validation.labels, [0, 1, 2]);
}

#[test]
fn jpeg_files_are_read_in_grey_and_in_colour() {
    let case = Case::new();
    std::fs::write(case.path("mine/a/grey.jpg"), include_bytes!("grey.jpg")).unwrap();
    let grey = case.run(&[("source", "mine")], json!({})).unwrap();
    assert_eq!(grey.info.shape, [1, 8, 8]);
    std::fs::write(case.path("mine/b/red.jpeg"), include_bytes!("red.jpg")).unwrap();
    let both = case.run(&[("source", "mine")], json!({})).unwrap();
    assert_eq!(both.info.shape, [3, 8, 8]);
    let test = both.split(SplitName::Test).unwrap();
    let middles: Vec<Vec<u8>> = (0..2).map(|row| test.image(row).chunks(64).map(|plane| plane[27]).collect()).collect();
    // Made as grey 100 and as (250, 10, 10).
    let near = |found: &[u8], made: [u8; 3]| found.iter().zip(made).all(|(a, b)| a.abs_diff(b) <= 3);
    assert!(near(&middles[0], [100; 3]) && near(&middles[1], [250, 10, 10]), "{middles:?}");
}

#[test]
fn arrays_of_every_kind_make_the_same_images() {
    let case = Case::new();
    let (images, labels): (Vec<u8>, [u8; 4]) = ((0..48).collect(), [0, 1, 0, 1]);
    let floats: Vec<f32> = images.iter().map(|&value| f32::from(value) / 255.0).collect();
    let tensor = |name: &str, shape: &[usize], values| NamedTensor { name: name.into(), shape: shape.to_vec(), values };
    let bytes = [tensor("images", &[4, 3, 2, 2], Values::U8(images.clone())), tensor("labels", &[4], Values::I64(vec![0, 1, 0, 1]))];
    write_tensors(&case.path("u8.safetensors"), &bytes, &BTreeMap::new()).unwrap();
    let float = [tensor("x", &[4, 3, 2, 2], Values::F32(floats)), tensor("y", &[4, 1], Values::I64(vec![0, 1, 0, 1]))];
    write_tensors(&case.path("f32.safetensors"), &float, &BTreeMap::new()).unwrap();
    npz(std::fs::File::create(case.path("both.npz")).unwrap(), &[("images", &[4, 3, 2, 2], &images), ("labels", &[4], &labels)]);
    // The same images with their channels last.
    let last: Vec<u8> = images.chunks(12).flat_map(|image| (0..12).map(|at| image[(at % 3) * 4 + at / 3])).collect();
    npy(std::fs::File::create(case.path("x.npy")).unwrap(), &[4, 2, 2, 3], &last);
    npy(std::fs::File::create(case.path("y.npy")).unwrap(), &[4], &labels);
    let expected = case.run(&[("source", "u8.safetensors")], json!({})).unwrap().split(SplitName::Test).unwrap();
    assert_eq!(expected.len(), 4);
    let pair: &[(&str, &str)] = &[("images", "x.npy"), ("labels", "y.npy")];
    for files in [&[("source", "f32.safetensors")][..], &[("source", "both.npz")], pair] {
        let set = case.run(files, json!({})).unwrap();
        assert_eq!(set.split(SplitName::Test).unwrap(), expected, "{files:?}");
        assert_eq!(set.info.classes, ["0", "1"]);
    }
}

#[test]
fn bad_input_is_named() {
    let case = Case::new();
    let images = |labels: Vec<i64>, pixel: f32| {
        let n = labels.len();
        let tensors = [
            NamedTensor { name: "images".into(), shape: vec![2, 1, 1, 1], values: Values::F32(vec![pixel; 2]) },
            NamedTensor { name: "labels".into(), shape: vec![n], values: Values::I64(labels) },
        ];
        write_tensors(&case.path("x.safetensors"), &tensors, &BTreeMap::new()).unwrap();
        case.run(&[("source", "x.safetensors")], json!({ "classes": ["a", "b"], "layout": "nchw" })).map(|_| ())
    };
    let message = |result: Result<(), Failure>| result.unwrap_err().to_string();
    assert!(images(vec![0, 1], 0.5).is_ok());
    assert!(message(images(vec![0, 2], 0.5)).contains("label 2, but `classes` names 2"));
    assert!(message(images(vec![0, -1], 0.5)).contains("image 1 has label -1"));
    assert!(message(images(vec![0], 0.5)).contains("2 images, but 1 labels"));
    assert!(message(images(vec![0, 1], 2.0)).contains("holds the value 2"));
    images(vec![0, 1], 0.5).unwrap();
    let run = |files: &[(&str, &str)], parameters| message(case.run(files, parameters).map(|_| ()));
    let too_many = run(&[("source", "x.safetensors")], json!({ "test": 3, "layout": "nchw" }));
    assert!(too_many.contains("3 test images are asked for, but there are 2"), "{too_many}");
    assert!(run(&[], json!({})).contains("files.source"));
    std::fs::write(case.path("broken/a/x.png"), b"not an image").unwrap();
    assert!(run(&[("source", "broken")], json!({})).contains("a/x.png can't be decoded"));
    std::fs::write(case.path("huge/a/x.png"), png(5_000, &vec![[0; 3]; 5_000 * 5_000])).unwrap();
    assert!(run(&[("source", "huge")], json!({})).contains("5000×5000 pixels are larger than a data set holds"));
    std::fs::write(case.path("text/a/notes.txt"), b"x").unwrap();
    assert!(run(&[("source", "text")], json!({})).contains("a/notes.txt is no PNG or JPEG"));
    std::fs::write(case.path("x.npz"), b"PK").unwrap();
    assert!(run(&[("source", "x.npz")], json!({})).contains("not an .npz file"));
    npy(std::fs::File::create(case.path("x.npy")).unwrap(), &[2, 1, 1], &[1, 2]);
    assert!(run(&[("source", "x.npy")], json!({})).contains("images or labels, not both"));
    let bytes = std::fs::read(case.path("x.npy")).unwrap();
    std::fs::write(case.path("y.npy"), &bytes[..bytes.len() - 1]).unwrap();
    assert!(run(&[("images", "x.npy"), ("labels", "y.npy")], json!({})).contains("y.npy"));
    npz(std::fs::File::create(case.path("z.npz")).unwrap(), &[("images", &[1, 1, 1], &[1])]);
    assert!(run(&[("source", "z.npz")], json!({})).contains("it has: images"));
}
