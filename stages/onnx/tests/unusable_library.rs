//! A library that can't be used. On its own, since a process keeps the first library that works.

use std::path::Path;

use planish_onnx::runtime;

#[test]
fn an_unusable_library_is_refused_with_its_path_and_the_next_call_may_succeed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"not a library").unwrap();
    for path in [file.path(), Path::new("/nowhere/libonnxruntime.so")] {
        let failure = runtime::ensure(Some(path)).unwrap_err();
        assert!(failure.to_string().contains(&format!("{} can't be used", path.display())), "{failure}");
        assert!(failure.hint().unwrap().contains("ORT_DYLIB_PATH"));
    }
    let info = runtime::ensure(None).expect("an ONNX Runtime");
    assert!(info.path.is_file());
}
