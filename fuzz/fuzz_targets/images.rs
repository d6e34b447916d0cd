//! One's own images: files of images and arrays, as the stage `images` reads them.
#![no_main]

use std::collections::BTreeMap;

use planish_contract::{Context, Folder, NoExecution, SilentHost, Stage};
use planish_formats::DataSet;
use planish_images::{ImagesParameters, ImagesStage, Size};

/// What the first byte chooses from.
const NAMES: [&str; 4] = ["a/x.jpg", "a/x.png", "x.npz", "x.safetensors"];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let name = NAMES[usize::from(*first) % NAMES.len()];
    planish_fuzz::with_files(bytes, &["file"], |given| {
        let root = given.file("file").expect("the file").parent().expect("its folder");
        for made in ["data", "checkpoints"] {
            std::fs::create_dir(root.join(made)).expect("a folder in memory");
        }
        let source = Folder::new(BTreeMap::from([(name.to_owned(), root.join("file"))]));
        let context = Context {
            inputs: BTreeMap::new(),
            files: BTreeMap::from([("source".to_owned(), source)]),
            outputs: root.to_path_buf(),
            checkpoints: root.join("checkpoints"),
            threads: 1,
            host: &SilentHost,
        };
        let size = (*first < 128 && name.starts_with('a')).then_some(Size { height: 8, width: 8 });
        let parameters = ImagesParameters { size, ..ImagesParameters::default() };
        if ImagesStage::run(&parameters, &NoExecution {}, &context).is_ok() {
            let set = DataSet::open(&Folder::open(&root.join("data")).expect("a folder")).expect("what was written reads back");
            let split = set.split(planish_formats::SplitName::Test).expect("the test split");
            assert_eq!(split.images.len(), split.len() * split.image_len());
        }
    });
});
