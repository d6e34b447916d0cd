//! Finding the official files of a data set among files on disk.

use std::path::{Path, PathBuf};

use planish_contract::{Failure, Folder};

use crate::dataset::{Facts, Publication};

/// A copy of a data set on disk, not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its files, in the order of [`Facts::files`]; each may be compressed with gzip.
    Files(Vec<PathBuf>),
    /// The archive as published.
    Archive(PathBuf),
}

/// Looks in the folder `root` and in the places below it where copies of the data set usually lie.
///
/// # Errors
/// [`Failure::Input`] when `root` is no folder, or holds only some of the files.
pub fn in_folder(root: &Path, facts: &Facts) -> Result<Option<Found>, Failure> {
    if !root.is_dir() {
        return Err(Failure::input(format!("{}: there is no such data folder", root.display())));
    }
    let folders = [facts.name].into_iter().chain(facts.folders.iter().copied()).map(|folder| root.join(folder));
    let folders: Vec<PathBuf> = folders.chain([root.to_path_buf()]).collect();
    find(facts, &root.display().to_string(), &|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()))
}

/// Looks among files that the pipeline gives, by the last part of their names.
///
/// # Errors
/// [`Failure::Input`] when only some of the files, or none, are there.
pub fn among(files: &Folder, facts: &Facts) -> Result<Found, Failure> {
    let look =
        |name: &str| files.files().find(|(_, path)| path.file_name().is_some_and(|last| last == name)).map(|(_, path)| path.to_path_buf());
    if let Some(found) = find(facts, "`files.source`", &look)? {
        return Ok(found);
    }
    // A single file can only be the archive, whatever its name.
    let mut all = files.files();
    if let (Publication::Archive { .. }, Some((_, path)), None) = (&facts.publication, all.next(), all.next()) {
        return Ok(Found::Archive(path.to_path_buf()));
    }
    Err(Failure::input_hint(format!("`files.source` holds no copy of {}", facts.name), format!("it needs {}", wanted(facts))))
}

/// What a complete copy consists of, in words.
#[must_use]
pub fn wanted(facts: &Facts) -> String {
    let names: Vec<&str> = facts.files.iter().map(|file| file.name).collect();
    match &facts.publication {
        Publication::Gzip(_) => format!("{} (plain or .gz)", names.join(", ")),
        Publication::Archive { folder, download } => format!("{}, or the folder {folder} with {}", download.name, names.join(", ")),
    }
}

fn find(facts: &Facts, place: &str, look: &dyn Fn(&str) -> Option<PathBuf>) -> Result<Option<Found>, Failure> {
    let files: Vec<Option<PathBuf>> = facts.files.iter().map(|file| spellings(file.name).iter().find_map(|name| look(name))).collect();
    if let Some(all) = files.iter().cloned().collect::<Option<Vec<_>>>() {
        return Ok(Some(Found::Files(all)));
    }
    if let Publication::Archive { download, .. } = &facts.publication
        && let Some(archive) = look(download.name)
    {
        return Ok(Some(Found::Archive(archive)));
    }
    if files.iter().all(Option::is_none) {
        return Ok(None);
    }
    let missing = facts.files.iter().zip(&files).filter(|(_, path)| path.is_none()).map(|(file, _)| file.name);
    let missing: Vec<&str> = missing.collect();
    let message = format!("{place} holds only a part of {}: {} missing", facts.name, missing.join(", "));
    Err(Failure::input_hint(message, format!("a complete copy is {}", wanted(facts))))
}

/// The names under which a file is found: plain or compressed, and as MNIST's original page unpacks it.
fn spellings(name: &str) -> [String; 4] {
    let dotted = name.replacen("-idx", ".idx", 1);
    [name.to_owned(), format!("{name}.gz"), format!("{dotted}.gz"), dotted]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;
    use crate::datasets::{Cifar10, Mnist};
    use std::collections::BTreeMap;

    fn touch(folder: &Path, names: &[&str]) {
        for name in names {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
    }

    #[test]
    fn files_are_found_plain_or_packed_and_below_the_usual_folders() {
        let folder = tempfile::tempdir().unwrap();
        let facts = Mnist {}.facts();
        assert_eq!(in_folder(folder.path(), facts).unwrap(), None);
        let names = ["train-images.idx3-ubyte", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
        touch(&folder.path().join("MNIST/raw"), &names);
        let found = in_folder(folder.path(), facts).unwrap();
        assert_eq!(found, Some(Found::Files(names.iter().map(|name| folder.path().join("MNIST/raw").join(name)).collect())));
    }

    #[test]
    fn a_partial_copy_names_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        touch(folder.path(), &["train-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"]);
        let failure = in_folder(folder.path(), Mnist {}.facts()).unwrap_err();
        assert!(failure.to_string().ends_with("a part of mnist: train-labels-idx1-ubyte, t10k-labels-idx1-ubyte missing"), "{failure}");
        assert!(failure.hint().unwrap().contains("plain or .gz"));
        let none = in_folder(&folder.path().join("none"), Mnist {}.facts()).unwrap_err();
        assert!(none.to_string().ends_with("none: there is no such data folder"));
    }

    #[test]
    fn an_archive_stands_in_for_its_files() {
        let folder = tempfile::tempdir().unwrap();
        touch(folder.path(), &["cifar-10-batches-bin/data_batch_1.bin", "cifar-10-binary.tar.gz"]);
        let archive = Found::Archive(folder.path().join("cifar-10-binary.tar.gz"));
        assert_eq!(in_folder(folder.path(), Cifar10 {}.facts()).unwrap(), Some(archive));
    }

    #[test]
    fn given_files_are_matched_by_name_and_a_single_one_is_the_archive() {
        let given =
            |paths: &[&str]| Folder::new(paths.iter().map(|path| ((*path).to_owned(), PathBuf::from(path))).collect::<BTreeMap<_, _>>());
        let facts = Cifar10 {}.facts();
        assert_eq!(among(&given(&["/d/my-cifar.tgz"]), facts).unwrap(), Found::Archive("/d/my-cifar.tgz".into()));
        let all: Vec<String> = facts.files.iter().map(|file| format!("/d/x/{}", file.name)).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(among(&given(&all), facts).unwrap(), Found::Files(all.iter().map(PathBuf::from).collect()));
        assert!(among(&given(&["/d/a", "/d/b"]), facts).unwrap_err().to_string().contains("holds no copy of cifar10"));
        assert!(among(&given(&[]), Mnist {}.facts()).is_err());
    }
}
