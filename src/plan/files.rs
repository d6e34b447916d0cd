//! `files`: paths and globs → the regular files they stand for.

use std::path::{Component, Path, PathBuf};

use super::PlannedFile;
use crate::spec::Problem;
use crate::spec::document::FileSpec;
use crate::spec::source::describe;

/// The most files that one entry may stand for: ImageNet has 1,331,167. A folder that was not meant, such as a home folder, should be refused
/// before all of it is read.
const MAX_FILES: usize = 2_000_000;

/// Finds the files of one entry, relative to the folder of the pipeline file.
pub(super) fn find(folder: &Path, file: &FileSpec) -> Result<PlannedFile, Problem> {
    let pattern = file.pattern.text.as_str();
    match files_of(folder, pattern) {
        Ok(paths) => {
            Ok(PlannedFile { name: file.name.text.clone(), pattern: pattern.to_owned(), folder: folder.to_path_buf(), paths: paths.into() })
        }
        Err(reason) => Err(Problem::new(format!("`files.{}` can't be found: {reason}", file.name.text))
            .at(file.pattern.span, "here")
            .help(format!("paths are relative to the pipeline file; looked for {}", folder.join(pattern).display()))),
    }
}

/// The regular files that a path or glob relative to `folder` stands for, sorted: name inside the folder that a stage is given, and where
/// the file is.
///
/// # Errors
/// Why there is none, in words.
pub fn files_of(folder: &Path, pattern: &str) -> Result<Vec<(String, PathBuf)>, String> {
    up_to(folder, pattern, MAX_FILES)
}

fn up_to(folder: &Path, pattern: &str, most: usize) -> Result<Vec<(String, PathBuf)>, String> {
    let path = folder.join(pattern);
    // A name with brackets in it may be a plain path.
    let found = match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => plain(&path),
        Ok(metadata) if metadata.is_dir() => walk(&path, most),
        Ok(metadata) => Err(format!("it is {}, neither a file nor a folder", describe(metadata.file_type()))),
        Err(_) if is_glob(pattern) => glob(folder, pattern, most),
        Err(error) => Err(error.to_string()),
    };
    found.and_then(|paths| if paths.is_empty() { Err("there is no such file".to_owned()) } else { Ok(paths) })
}

fn is_glob(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

fn plain(path: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let name = path.file_name().ok_or("the path has no file name")?;
    Ok(vec![(inner_name(Path::new(name))?, path.to_path_buf())])
}

/// The regular files in a folder and below it, sorted by name.
fn walk(folder: &Path, most: usize) -> Result<Vec<(String, PathBuf)>, String> {
    let mut files = Vec::new();
    let mut pending = vec![(folder.to_path_buf(), String::new())];
    while let Some((current, prefix)) = pending.pop() {
        let unreadable = |error: std::io::Error| format!("{}: {error}", current.display());
        for entry in std::fs::read_dir(&current).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| format!("the name {} is not UTF-8", name.display()))?;
            // The folder tells it of all but links, so that a million files need not be asked one by one.
            let kind = entry.file_type().map_err(unreadable)?;
            let is_file = kind.is_file()
                || kind.is_symlink() && std::fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?.is_file();
            if is_file {
                files.push((format!("{prefix}{name}"), path));
            } else if kind.is_dir() {
                pending.push((path, format!("{prefix}{name}/")));
            } else {
                // Links to folders may lead in circles, and leaving them out silently would be worse.
                return Err(format!("{} is neither a file nor a folder", path.display()));
            }
            within_bound(files.len(), most)?;
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// The regular files that match, named relative to the pattern's leading part without wildcards.
fn glob(folder: &Path, pattern: &str, most: usize) -> Result<Vec<(String, PathBuf)>, String> {
    let literal: PathBuf = Path::new(pattern).components().take_while(|part| !is_glob(&part.as_os_str().to_string_lossy())).collect();
    let base = folder.join(&literal);
    let folder = folder.to_str().ok_or("the folder of the pipeline file is not UTF-8")?;
    let absolute =
        if Path::new(pattern).is_absolute() { pattern.to_owned() } else { format!("{}/{pattern}", glob::Pattern::escape(folder)) };
    let mut files = Vec::new();
    for path in glob::glob(&absolute).map_err(|error| format!("the glob does not read: {}", error.msg))? {
        let path = path.map_err(|error| error.to_string())?;
        if path.is_file() {
            files.push((inner_name(&relative(&path, &base))?, path));
            within_bound(files.len(), most)?;
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// `path` below `base`; both as the glob writes them, `.` parts left out.
fn relative(path: &Path, base: &Path) -> PathBuf {
    let tidy = |path: &Path| path.components().filter(|part| *part != Component::CurDir).collect::<PathBuf>();
    let (path, base) = (tidy(path), tidy(base));
    path.strip_prefix(&base).map_or_else(|_| path.clone(), Path::to_path_buf)
}

fn inner_name(path: &Path) -> Result<String, String> {
    let parts = path.components().map(|part| match part {
        Component::Normal(name) => name.to_str().ok_or_else(|| format!("the name {} is not UTF-8", name.display())),
        _ => Err(format!("{} does not lie below the pattern's folder", path.display())),
    });
    Ok(parts.collect::<Result<Vec<_>, _>>()?.join("/"))
}

fn within_bound(count: usize, most: usize) -> Result<(), String> {
    if count > most { Err(format!("more than {most} files match")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Span;
    use crate::spec::node::Name;

    fn names(folder: &Path, pattern: &str) -> Result<Vec<String>, Problem> {
        let span = Span { file: 0, start: 0, end: 0 };
        let file = FileSpec { name: Name::new("x", span), pattern: Name::new(pattern, span) };
        find(folder, &file).map(|file| file.paths.iter().map(|(name, _)| name.clone()).collect())
    }

    #[test]
    fn paths_folders_and_globs_are_found_sorted() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("data/deep")).unwrap();
        for name in ["b.txt", "a.txt", "data/2.bin", "data/deep/1.bin", "odd[1].txt"] {
            std::fs::write(root.join(name), name).unwrap();
        }
        assert_eq!(names(root, "a.txt").unwrap(), ["a.txt"]);
        assert_eq!(names(root, "./data/../a.txt").unwrap(), ["a.txt"]);
        assert_eq!(names(root, "data").unwrap(), ["2.bin", "deep/1.bin"]);
        assert_eq!(names(root, "?.txt").unwrap(), ["a.txt", "b.txt"]);
        assert_eq!(names(root, "data/**/*.bin").unwrap(), ["2.bin", "deep/1.bin"]);
        assert_eq!(names(root, "./data/*.bin").unwrap(), ["2.bin"]);
        assert_eq!(names(root, "odd[1].txt").unwrap(), ["odd[1].txt"]);
        assert_eq!(names(&root.join("data"), "../*.txt").unwrap(), ["a.txt", "b.txt", "odd[1].txt"]);
        for wrong in ["c.txt", "*.zip", "a.txt/x", "[", "***"] {
            assert!(names(root, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn more_files_than_may_be_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..300 {
            std::fs::create_dir_all(folder.path().join(format!("data/{}", number % 7))).unwrap();
            std::fs::write(folder.path().join(format!("data/{}/{number}", number % 7)), "").unwrap();
        }
        for pattern in ["data", "data/*/*"] {
            let found = up_to(folder.path(), pattern, 300).unwrap();
            assert_eq!((found.len(), found.is_sorted()), (300, true));
            assert_eq!(up_to(folder.path(), pattern, 299).unwrap_err(), "more than 299 files match");
        }
    }

    #[test]
    fn links_to_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        std::fs::write(folder.path().join("a.txt"), "a").unwrap();
        std::os::unix::fs::symlink("..", folder.path().join("data/loop")).unwrap();
        std::os::unix::fs::symlink("../a.txt", folder.path().join("data/link.txt")).unwrap();
        assert!(names(folder.path(), "data").is_err());
        std::fs::remove_file(folder.path().join("data/loop")).unwrap();
        assert_eq!(names(folder.path(), "data").unwrap(), ["link.txt"]);
    }
}
