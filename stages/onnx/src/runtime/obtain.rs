//! The pinned release: out of the user's cache folder, or from its Python wheel into it.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use planish_contract::Failure;
use sha2::{Digest, Sha256};

use super::pins::{Pin, VERSION, pin};
use super::search::{Candidate, variable};
use super::{hex, sha256};

/// No pinned wheel is larger (bytes).
const WHEEL_LIMIT: u64 = 64 << 20;
/// No licence file in a wheel is larger (bytes).
const NOTICE_LIMIT: u64 = 4 << 20;
/// Downloads of killed processes are recognised by it.
const SCRATCH: &str = ".download-";

/// The verified library of this platform, obtained first when the cache folder does not hold it.
pub(super) fn cached_or_obtained() -> Result<Candidate, Failure> {
    let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    let pin = pin().ok_or_else(|| Failure::input(format!("none is pinned for this platform ({platform})")))?;
    let folder = cache_folder()?.join(VERSION).join(pin.platform);
    obtain_into(&folder, pin, download)
}

/// The verified library of this platform, if the cache folder holds it.
pub(super) fn cached() -> Option<Candidate> {
    let pin = pin()?;
    let path = cache_folder().ok()?.join(VERSION).join(pin.platform).join(pin.library);
    is_intact(&path, pin).then(|| Candidate { path, found: "in the cache folder".to_owned() })
}

/// Where libraries are kept.
fn cache_folder() -> Result<PathBuf, Failure> {
    let base = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let base = base.or_else(|| std::env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".cache")));
    let base = base.ok_or_else(|| Failure::input("there is no cache folder for it (neither XDG_CACHE_HOME nor HOME is set)"))?;
    Ok(base.join("planish/onnxruntime"))
}

/// The library in `folder`, after `download` (scratch folder → wheel) and a check of its digests where needed.
fn obtain_into(folder: &Path, pin: &Pin, download: impl FnOnce(&Path, &Pin) -> Result<PathBuf, Failure>) -> Result<Candidate, Failure> {
    let path = folder.join(pin.library);
    if is_intact(&path, pin) {
        return Ok(Candidate { path, found: "in the cache folder".to_owned() });
    }
    fs::create_dir_all(folder).map_err(|e| Failure::io(folder, e))?;
    let lock_path = folder.join("lock");
    let lock = fs::File::create(&lock_path).map_err(|e| Failure::io(&lock_path, e))?;
    lock.lock().map_err(|e| Failure::io(&lock_path, e))?;
    // Another process may have put it there meanwhile.
    if is_intact(&path, pin) {
        return Ok(Candidate { path, found: "in the cache folder".to_owned() });
    }
    remove_leftovers(folder);
    let scratch = tempfile::Builder::new().prefix(SCRATCH).tempdir_in(folder).map_err(|e| Failure::io(folder, e))?;
    let wheel = download(scratch.path(), pin)?;
    install(&wheel, folder, pin)?;
    Ok(Candidate { path, found: format!("obtained with pip (onnxruntime {VERSION}, {})", pin.platform) })
}

fn is_intact(path: &Path, pin: &Pin) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() == pin.size) && sha256(path).is_ok_and(|digest| digest == pin.sha256)
}

/// Removes the downloads of killed processes; only the holder of the lock does this.
fn remove_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(SCRATCH) {
            // What can't be removed does no harm.
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

/// Has pip download the pinned wheel into `scratch`.
fn download(scratch: &Path, pin: &Pin) -> Result<PathBuf, Failure> {
    let mut problem = "no Python 3 to obtain it with (`python3` is not on PATH)".to_owned();
    for python in ["python3", "python"] {
        match pip(python, scratch, pin) {
            Ok(output) if output.status.success() => return wheel_in(scratch),
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                problem = format!("`{python} -m pip download onnxruntime=={VERSION}` failed (is there a network?): {}", last_lines(&text));
                if !text.contains("No module named pip") {
                    break;
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => problem = format!("`{python}` can't be started: {e}"),
        }
    }
    Err(Failure::input(problem))
}

fn pip(python: &str, scratch: &Path, pin: &Pin) -> std::io::Result<Output> {
    let fixed = ["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"];
    let wheel = ["--implementation", "cp", "--python-version", "3.11", "--abi", "cp311", "--platform", pin.tag];
    Command::new(python)
        .args(fixed)
        .args(wheel)
        .arg(format!("onnxruntime=={VERSION}"))
        .arg("--dest")
        .arg(scratch)
        // `python -m` imports from the working directory first; this one is empty and ours.
        .current_dir(scratch)
        .stdin(Stdio::null())
        .output()
}

/// The one wheel in a folder.
fn wheel_in(folder: &Path) -> Result<PathBuf, Failure> {
    let entries = fs::read_dir(folder).map_err(|e| Failure::io(folder, e))?;
    let mut wheels = entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "whl"));
    wheels.next().ok_or_else(|| Failure::input("pip downloaded no wheel of it"))
}

/// The last lines of what a program printed, in one line.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.get(lines.len().saturating_sub(3)..).unwrap_or_default().join(" / ")
}

/// Puts the library and its licences into `folder`, after a check of every digest.
fn install(wheel: &Path, folder: &Path, pin: &Pin) -> Result<(), Failure> {
    let file = fs::File::open(wheel).map_err(|e| Failure::io(wheel, e))?;
    let mut bytes = Vec::new();
    file.take(WHEEL_LIMIT).read_to_end(&mut bytes).map_err(|e| Failure::io(wheel, e))?;
    check(&bytes, pin.wheel, "the downloaded wheel")?;
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| Failure::input(format!("the wheel does not open: {e}")))?;
    for name in ["LICENSE", "ThirdPartyNotices.txt"] {
        let notice = member(&mut archive, &format!("onnxruntime/{name}"), NOTICE_LIMIT)?;
        write_atomic(folder, name, &notice)?;
    }
    let library = member(&mut archive, &format!("onnxruntime/capi/{}", pin.library), pin.size)?;
    check(&library, pin.sha256, "the library in the wheel")?;
    // Last: its presence says that all is there.
    write_atomic(folder, pin.library, &library)
}

fn check(bytes: &[u8], expected: &str, what: &str) -> Result<(), Failure> {
    let actual = hex(&Sha256::digest(bytes));
    if actual == expected {
        return Ok(());
    }
    Err(Failure::input(format!("{what} is not the pinned one (SHA-256 {actual}, expected {expected})")))
}

/// The bytes of one member of the wheel, at most `limit`.
fn member(archive: &mut zip::ZipArchive<Cursor<Vec<u8>>>, name: &str, limit: u64) -> Result<Vec<u8>, Failure> {
    let unreadable = |e: String| Failure::input(format!("`{name}` in the wheel can't be read: {e}"));
    let file = archive.by_name(name).map_err(|e| unreadable(e.to_string()))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(|e| unreadable(e.to_string()))?;
    Ok(bytes)
}

fn write_atomic(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let path = folder.join(name);
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|e| e.error)?;
        Ok(())
    };
    write().map_err(|e| Failure::io(&path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wheel with `library` as the library, and the pin that fits it.
    fn wheel(folder: &Path, library: &[u8]) -> (PathBuf, Pin) {
        let path = folder.join("a.whl");
        let mut archive = zip::ZipWriter::new(fs::File::create(&path).unwrap());
        for (name, bytes) in [("LICENSE", &b"free"[..]), ("ThirdPartyNotices.txt", b"more"), ("capi/lib.so", library)] {
            archive.start_file(format!("onnxruntime/{name}"), zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap();
        let digest = |bytes: &[u8]| -> &'static str { hex(&Sha256::digest(bytes)).leak() };
        let wheel = digest(&fs::read(&path).unwrap());
        (path, Pin { platform: "test", tag: "test", wheel, library: "lib.so", sha256: digest(library), size: library.len() as u64 })
    }

    #[test]
    fn a_download_is_unpacked_once_and_a_damaged_library_is_replaced() {
        let source = tempfile::tempdir().unwrap();
        let (path, pin) = wheel(source.path(), b"library");
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("cache");
        fs::create_dir_all(target.join(format!("{SCRATCH}old"))).unwrap();
        let first = obtain_into(&target, &pin, |_, _| Ok(path.clone())).unwrap();
        assert!(first.found.contains("pip"));
        assert_eq!(fs::read(&first.path).unwrap(), b"library");
        assert_eq!(fs::read(target.join("LICENSE")).unwrap(), b"free");
        let again = obtain_into(&target, &pin, |_, _| Err(Failure::internal("must not download"))).unwrap();
        assert_eq!(again.found, "in the cache folder");
        fs::write(&first.path, b"damaged").unwrap();
        obtain_into(&target, &pin, |_, _| Ok(path.clone())).unwrap();
        assert_eq!(fs::read(&first.path).unwrap(), b"library");
        let mut names: Vec<_> = fs::read_dir(&target).unwrap().flatten().map(|e| e.file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["LICENSE", "ThirdPartyNotices.txt", "lib.so", "lock"]);
    }

    #[test]
    fn another_wheel_or_library_is_refused_and_nothing_is_kept() {
        let source = tempfile::tempdir().unwrap();
        let (path, pin) = wheel(source.path(), b"library");
        let folder = tempfile::tempdir().unwrap();
        let other_wheel = Pin { wheel: pin.sha256, ..pin };
        let failure = obtain_into(folder.path(), &other_wheel, |_, _| Ok(path.clone())).unwrap_err();
        assert!(failure.to_string().contains("wheel is not the pinned one"), "{failure}");
        let (path, pin) = wheel(source.path(), b"library");
        let other_library = Pin { sha256: pin.wheel, ..pin };
        let failure = obtain_into(folder.path(), &other_library, |_, _| Ok(path)).unwrap_err();
        assert!(failure.to_string().contains("library in the wheel is not the pinned one"), "{failure}");
        assert!(!folder.path().join("lib.so").exists());
    }

    #[test]
    fn processes_side_by_side_download_once() {
        let source = tempfile::tempdir().unwrap();
        let (path, pin) = wheel(source.path(), b"library");
        let folder = tempfile::tempdir().unwrap();
        let downloads = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let candidate = obtain_into(folder.path(), &pin, |_, _| {
                        downloads.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        Ok(path.clone())
                    });
                    assert_eq!(fs::read(candidate.unwrap().path).unwrap(), b"library");
                });
            }
        });
        assert_eq!(downloads.into_inner(), 1);
    }

    #[test]
    fn a_program_that_fails_is_quoted_in_one_line() {
        assert_eq!(last_lines("a\n\nb\nc\nERROR: d\n"), "b / c / ERROR: d");
        assert_eq!(last_lines(""), "");
    }
}
