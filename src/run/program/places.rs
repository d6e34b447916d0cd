//! Laying out what a program may see, in its private folder.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use planish_contract::{Context, Failure, Folder, Gathered, Input};
use serde_json::json;

use super::Program;
use super::placeholder::{Piece, pieces, unknown};
use crate::run::sources::FileState;

/// Where everything lies that a program may see.
pub(super) struct Places {
    /// What a placeholder names, such as `inputs.NAME`, and where it is.
    known: BTreeMap<String, PathBuf>,
    /// The copies that the program was given, as they were.
    copies: Vec<(PathBuf, FileState)>,
}

impl Places {
    /// Makes the folders of the program, and copies its inputs and files there.
    ///
    /// # Errors
    /// [`Failure::Io`] when a file can't be copied, [`Failure::Input`] when its name leads out of its folder.
    pub(super) fn lay_out(program: Program<'_>, context: &Context<'_>) -> Result<Self, Failure> {
        for folder in ["work", "home", "tmp"] {
            create_folder(&program.sandbox.join(folder))?;
        }
        let mut places = Places { known: BTreeMap::new(), copies: Vec::new() };
        for (name, input) in &context.inputs {
            let folder = program.sandbox.join("inputs").join(name);
            match input {
                Input::One(artifact) => places.copy_folder(artifact, &folder)?,
                Input::Gather(list) => places.copy_gathered(list, &folder)?,
            }
            places.known.insert(format!("inputs.{name}"), folder);
        }
        for (name, files) in &context.files {
            let folder = program.sandbox.join("files").join(name);
            places.copy_folder(files, &folder)?;
            let only = files.files().next().filter(|_| program.single_files.contains(name));
            places.known.insert(format!("files.{name}"), only.map_or_else(|| folder.clone(), |(file, _)| folder.join(file)));
        }
        for entry in fs::read_dir(&context.outputs).map_err(|e| Failure::io(&context.outputs, e))? {
            let entry = entry.map_err(|e| Failure::io(&context.outputs, e))?;
            places.known.insert(format!("outputs.{}", entry.file_name().to_string_lossy()), entry.path());
        }
        Ok(places)
    }

    /// `text` with its placeholders replaced; other braces stay as they are.
    pub(super) fn fill(&self, text: &str) -> Result<OsString, Failure> {
        let mut filled = OsString::new();
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => filled.push(text),
                Piece::Placeholder(name) => match self.known.get(name) {
                    Some(place) => filled.push(place),
                    None => return Err(Failure::input(unknown(name, self.known.keys().map(String::as_str)))),
                },
            }
        }
        Ok(filled)
    }

    /// Refuses a program that edited the copies of its inputs or files: what it made of them is not what its key says.
    ///
    /// # Errors
    /// [`Failure::Input`] that names the file.
    pub(super) fn check_copies(&self, program: Program<'_>) -> Result<(), Failure> {
        for (path, before) in &self.copies {
            if FileState::of(path).ok() != Some(*before) {
                let name = path.strip_prefix(program.sandbox).unwrap_or(path).display();
                let message = format!("the program edited what it was given: {name}; the result was not stored");
                return Err(Failure::input_hint(message, "let it copy the file into its working directory, and edit the copy"));
            }
        }
        Ok(())
    }

    fn copy_gathered(&mut self, list: &[Gathered], folder: &Path) -> Result<(), Failure> {
        create_folder(folder)?;
        let mut index = Vec::new();
        for (position, gathered) in list.iter().enumerate() {
            let name = format!("{position:04}");
            if let Some(artifact) = &gathered.folder {
                self.copy_folder(artifact, &folder.join(&name))?;
            }
            let place = gathered.folder.is_some().then_some(name);
            index.push(json!({ "folder": place, "coordinates": gathered.coordinates }));
        }
        let path = folder.join("gathered.json");
        let text = serde_json::to_string_pretty(&index).map_err(|e| Failure::internal(e.to_string()))?;
        fs::write(&path, text + "\n").map_err(|e| Failure::io(&path, e))
    }

    fn copy_folder(&mut self, artifact: &Folder, to: &Path) -> Result<(), Failure> {
        create_folder(to)?;
        for (name, from) in artifact.files() {
            let relative = Path::new(name);
            if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
                return Err(Failure::input(format!("the file name `{name}` leads out of its folder")));
            }
            let target = to.join(relative);
            if let Some(parent) = target.parent() {
                create_folder(parent)?;
            }
            fs::copy(from, &target).map_err(|e| Failure::io(from, e))?;
            make_read_only(&target)?;
            let state = FileState::of(&target).map_err(|e| Failure::io(&target, e))?;
            self.copies.push((target, state));
        }
        Ok(())
    }
}

fn make_read_only(path: &Path) -> Result<(), Failure> {
    let mode = fs::metadata(path).map_err(|e| Failure::io(path, e))?.permissions().mode();
    let permissions = fs::Permissions::from_mode(mode & 0o555 | 0o400);
    fs::set_permissions(path, permissions).map_err(|e| Failure::io(path, e))
}

fn create_folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|e| Failure::io(path, e))
}
