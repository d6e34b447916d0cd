//! Many files from outside: they enter keys as a list, which is made once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::open;
use crate::key::Files;
use crate::plan::{Plan, PlannedFile, files_of};
use crate::run::brief::job_files;
use crate::run::readiness::Upstream;
use crate::run::resolve::{ResolveError, Resolver};
use crate::run::testing::plan_of;

const COUNT: usize = 300;

/// Two instances with the same files, and where those are.
fn plan(folder: &Path) -> Plan {
    std::fs::create_dir_all(folder.join("data")).unwrap();
    for number in 0..COUNT {
        std::fs::write(folder.join(format!("data/{number:04}")), number.to_string()).unwrap();
    }
    let paths = Arc::from(files_of(folder, "data").unwrap());
    let mut plan = plan_of(&[("first", &[]), ("second", &[])]);
    let file = PlannedFile { name: "images".to_owned(), pattern: "data".to_owned(), folder: folder.to_path_buf(), paths };
    plan.instances.iter_mut().for_each(|instance| instance.files = vec![file.clone()]);
    plan
}

fn nothing<'a>(_: usize) -> Upstream<'a> {
    Upstream::Unknown
}

#[test]
fn many_files_are_read_once_for_all_instances_and_are_not_in_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, store) = (plan(folder.path()), open(folder.path()));
    let mut resolver = Resolver::new(&plan, &store).listing_above(COUNT - 1);
    let mut told = Vec::new();
    let first = resolver.resolve_telling(&plan.instances[0], nothing, &mut |done, total| told.push((done, total))).unwrap();
    assert_eq!(told, [(0, COUNT)]);
    let second = resolver.resolve_telling(&plan.instances[1], nothing, &mut |_, _| panic!("they are known")).unwrap();
    assert_eq!(first.key, second.key);
    assert!(matches!(&first.parts.files["images"], Files::Listed(list) if list.count() == COUNT as u64));
    assert!(job_files(&plan.instances[0], &first.parts)["images"].paths.is_empty());
    assert_eq!(resolver.files_read().values().filter(|digest| digest.is_some()).count(), 1);

    let few = Resolver::new(&plan, &store).listing_above(COUNT).resolve(&plan.instances[0], nothing).unwrap();
    assert!(matches!(&few.parts.files["images"], Files::Each(each) if each.len() == COUNT));
    assert_eq!(job_files(&plan.instances[0], &few.parts)["images"].paths.len(), COUNT);
}

#[test]
fn few_files_that_change_in_between_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, store) = (plan(folder.path()), open(folder.path()));
    let mut resolver = Resolver::new(&plan, &store);
    let first = resolver.resolve(&plan.instances[0], nothing).unwrap();
    std::fs::write(folder.path().join("data/0123"), "changed").unwrap();
    let second = resolver.resolve(&plan.instances[1], nothing).unwrap();
    assert_eq!(first.parts.differences(&second.parts)[0].to_string(), "file images (0123) changed");
    assert_eq!(resolver.files_read()["data"], None);
}

#[test]
fn the_first_file_that_cant_be_read_is_named_and_an_interrupt_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, store) = (plan(folder.path()), open(folder.path()));
    for number in [299, 7, 123] {
        std::fs::remove_file(folder.path().join(format!("data/{number:04}"))).unwrap();
    }
    for _ in 0..5 {
        let error = Resolver::new(&plan, &store).resolve(&plan.instances[0], nothing).unwrap_err();
        assert!(matches!(&error, ResolveError::File { path, .. } if path.ends_with("data/0007")), "{error}");
    }
    let seen = Arc::new(AtomicBool::new(false));
    seen.store(true, Ordering::SeqCst);
    let error = Resolver::new(&plan, &store).stopped_by(seen).resolve(&plan.instances[0], nothing).unwrap_err();
    assert!(matches!(error, ResolveError::Stopped), "{error}");
}
