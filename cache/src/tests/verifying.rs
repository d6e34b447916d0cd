use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{files_below, publish, settle, store};
use crate::{Digest, Fault, Repair, Store, Verified, VerifyOptions};

fn verify(store: &Store, dry_run: bool) -> Verified {
    store.verify(VerifyOptions { dry_run }, &mut |_| {}).unwrap()
}

fn overwrite(path: &Path, bytes: &[u8]) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Everything in the store but the memo of stats and what belongs to this process.
fn contents(store: &Store) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let keep = |path: &std::path::PathBuf| !path.starts_with(store.layout.tmp()) && *path != store.layout.memo();
    files_below(store.root()).into_iter().filter(keep).map(|path| (path.clone(), std::fs::read(&path).unwrap_or_default())).collect()
}

#[test]
fn an_intact_store_is_clean() {
    let (_root, store) = store();
    assert!(verify(&store, false).is_clean());
    publish(&store, "a", "one");
    publish(&store, "b", "two");
    store.parts().put_many([(Digest::of(b"k"), b"v".to_vec())]).unwrap();
    let mut steps = Vec::new();
    let verified = store.verify(VerifyOptions::default(), &mut |progress| steps.push(progress)).unwrap();
    assert!(verified.is_clean() && verified.is_repaired());
    assert_eq!((verified.objects, verified.results, verified.parts, verified.other_versions), (5, 2, 1, 0));
    let last = steps.last().unwrap();
    assert!(steps.len() == 6 && last.done == last.total && last.total == verified.bytes && verified.bytes > 0);
}

#[test]
fn what_the_stat_memo_hides_is_found() {
    let (_root, store) = store();
    let digest = store.ingest_bytes(b"some bytes").unwrap();
    settle();
    let blob = store.blob(&digest).unwrap().unwrap();
    overwrite(&blob, b"sOme bytes");
    settle();
    // As if the disk had changed the bytes behind the file system's back.
    let stat = crate::fs::stat(&blob).unwrap().unwrap();
    store.memo().note(&stat, digest, crate::fs::now());
    assert!(store.blob(&digest).unwrap().is_some());
    let verified = verify(&store, false);
    assert!(matches!(verified.findings[0].fault, Fault::DamagedBlob(found) if found == digest), "{verified:?}");
    assert_eq!(store.blob(&digest).unwrap(), None);
    assert!(verify(&store, false).is_clean());
}

#[test]
fn damage_of_every_kind_is_found_and_repaired_and_a_dry_run_changes_nothing() {
    type Damage = fn(&Store);
    let file = |store: &Store| store.layout.object(&Digest::of(b"one"));
    let manifest = |store: &Store| store.layout.object(store.entries().unwrap().next().unwrap().unwrap().outputs.values().next().unwrap());
    let entry = |store: &Store| files_below(&store.layout.index())[0].clone();
    let cases: [(&str, Damage, usize); 11] = [
        ("a file flipped", |store| overwrite(&store.layout.object(&Digest::of(b"one")), b"onE"), 2),
        ("a file gone", |store| std::fs::remove_file(store.layout.object(&Digest::of(b"one"))).unwrap(), 1),
        ("an entry emptied", |store| std::fs::write(&files_below(&store.layout.index())[0], "").unwrap(), 1),
        ("a pack flipped", |store| overwrite(&pack(store), b"planish parts 1\nxxxxxxxx"), 1),
        ("a pack gone", |store| std::fs::remove_file(pack(store)).unwrap(), 1),
        ("a mark gone", |store| std::fs::remove_file(&files_below(&store.layout.parts())[0]).unwrap(), 1),
        ("the stat memo damaged", |store| std::fs::write(store.layout.memo(), "x").unwrap(), 1),
        ("the snapshot damaged", |store| std::fs::write(store.layout.snapshot(), "x").unwrap(), 1),
        (
            "a link in place of a file",
            |store| {
                let path = store.layout.object(&Digest::of(b"one"));
                std::fs::remove_file(&path).unwrap();
                std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
            },
            2,
        ),
        (
            "a folder in place of an entry",
            |store| {
                let path = files_below(&store.layout.index())[0].clone();
                std::fs::remove_file(&path).unwrap();
                std::fs::create_dir(&path).unwrap();
            },
            1,
        ),
        (
            "swapped with a valid blob",
            |store| {
                let bytes = std::fs::read(pack(store)).unwrap();
                overwrite(&store.layout.object(&Digest::of(b"one")), &bytes);
            },
            2,
        ),
    ];
    for (what, damage, findings) in cases {
        let (_root, store) = store();
        publish(&store, "a", "one");
        store.parts().put_many([(Digest::of(b"k"), b"v".to_vec())]).unwrap();
        store.save_memo().unwrap();
        assert!(file(&store).exists() && manifest(&store).exists() && entry(&store).exists(), "{what}");
        damage(&store);

        let before = contents(&store);
        let dry = verify(&store, true);
        assert_eq!(contents(&store), before, "{what}: a dry run changes nothing");
        assert!(!dry.is_clean() && !dry.is_repaired(), "{what}");
        assert!(dry.findings.iter().all(|finding| finding.repair == Repair::DryRun), "{what}");
        let verified = verify(&store, false);
        assert!(verified.is_repaired(), "{what}: {verified:?}");
        assert!(verified.findings.len() >= findings && !dry.findings.is_empty(), "{what}: {verified:?}");
        assert!(verify(&store, false).is_clean(), "{what}: {:?}", verify(&store, false));
        publish(&store, "a", "one");
        assert!(verify(&store, false).is_clean(), "{what}");
        assert!(store.get(&super::entry("a", Digest::of(b"")).key).unwrap().is_some(), "{what}");
    }
}

fn pack(store: &Store) -> std::path::PathBuf {
    let mark = files_below(&store.layout.parts()).remove(0);
    store.layout.object(&mark.file_name().unwrap().to_str().unwrap().parse().unwrap())
}

#[test]
fn intact_sub_results_of_a_damaged_pack_are_saved() {
    let (_root, store) = store();
    let parts = |n: u8| (Digest::of(&[n]), vec![n; 10]);
    store.parts().put_many([parts(1), parts(2)]).unwrap();
    let mut bytes = std::fs::read(pack(&store)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    overwrite(&pack(&store), &bytes);
    let verified = verify(&store, false);
    assert!(verified.is_repaired() && !verified.is_clean());
    assert_eq!(store.parts().get(&parts(1).0), Some(parts(1).1));
    assert_eq!(store.parts().get(&parts(2).0), None);
    assert!(verify(&store, false).is_clean());
}

#[test]
fn what_cannot_be_repaired_is_said() {
    let (_root, store) = store();
    store.pin("paper", &[("a".to_owned(), super::entry("a", Digest::of(b"")).key)].into()).unwrap();
    std::fs::write(store.layout.roots().join("pin-paper"), "damaged").unwrap();
    let verified = verify(&store, false);
    assert!(!verified.is_repaired());
    assert!(matches!(&verified.findings[0].repair, Repair::Failed(fix) if fix.contains("pin")));
}

#[test]
fn results_of_other_versions_are_counted_and_left_alone() {
    let (_root, store) = store();
    let (entry, _) = publish(&store, "a", "one");
    std::fs::write(store.layout.entry(&entry.key), "{\"planish-entry\":9}\n").unwrap();
    let verified = verify(&store, false);
    assert!(verified.is_clean());
    assert_eq!((verified.results, verified.other_versions), (0, 1));
}
