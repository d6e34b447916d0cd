//! The store's own commands where nothing may be written, and where there is no room: on a small file system of its own.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use crate::bench::{Bench, shell};

/// A file system in memory, until dropped.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// `None` where this process may not mount one.
    fn mount() -> Option<Disk> {
        let folder = tempfile::tempdir().unwrap();
        let disk = Command::new("mount").args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"]).arg(folder.path()).output();
        if disk.is_ok_and(|output| output.status.success()) {
            return Some(Disk { folder });
        }
        drop(writeln!(std::io::stderr(), "skipped: file systems can't be mounted here"));
        None
    }

    fn remount(&self, how: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(self.folder.path()).status().unwrap();
        assert!(done.success());
    }

    /// Takes all the room that is left.
    fn fill(&self, name: &str) {
        let written = std::fs::write(self.folder.path().join(name), vec![1; 1 << 20]);
        assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }

    fn empty(&self, name: &str) {
        std::fs::remove_file(self.folder.path().join(name)).unwrap();
    }

    fn store(&self) -> String {
        self.folder.path().join("store").to_str().unwrap().to_owned()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.folder.path()).status());
    }
}

fn pipeline(text: &str) -> String {
    shell("a", &format!("echo {text} > {{outputs.out}}/x"), "") + &shell("b", "cp {inputs.a}/x {outputs.out}/", "inputs.a = \"a\"")
}

/// A store with results of an earlier plan, pinned as `old`, and of the latest.
fn bench(disk: &Disk) -> Bench {
    let bench = Bench::new(&pipeline("first"));
    let store = disk.store();
    bench.ok(&["run", "--store", &store]);
    bench.ok(&["pin", "old", "--store", &store]);
    bench.pipeline(&pipeline("second"));
    bench.ok(&["run", "--store", &store]);
    bench
}

/// Damages the file that holds `second`.
fn damage(disk: &Disk) {
    let mut pending = vec![PathBuf::from(disk.store()).join("objects")];
    while let Some(path) = pending.pop() {
        match std::fs::read_dir(&path) {
            Ok(entries) => pending.extend(entries.map(|entry| entry.unwrap().path())),
            Err(_) if std::fs::read(&path).unwrap() == b"second\n" => {
                std::fs::remove_file(&path).unwrap();
                std::fs::write(&path, "SECOND\n").unwrap();
            }
            Err(_) => {}
        }
    }
}

#[test]
fn a_store_that_can_only_be_read_is_read_and_never_half_changed() {
    let Some(disk) = Disk::mount() else { return };
    let bench = bench(&disk);
    let store = disk.store();
    disk.remount("ro");
    let dry = bench.ok(&["gc", "--dry-run", "--store", &store]).out;
    assert!(dry.contains("nothing to remove; 4 results stay") && dry.contains("kept for  old"), "{dry}");
    for arguments in [&["gc"][..], &["pin", "new"], &["unpin", "old"]] {
        let said = bench.planish(&[arguments, &["--store", &store]].concat());
        said.complains(3, &["Read-only file system", "hint: give yourself the right to write there"]);
        assert_eq!(said.out, "", "{arguments:?}");
    }
    assert!(bench.ok(&["pin", "--store", &store]).out.contains("pin   old"));
    bench.ok(&["verify", "--store", &store]);
    bench.ok(&["run", "--store", &store]).counts(2, 0);
    disk.remount("rw");
    damage(&disk);
    disk.remount("ro");
    for _ in 0..2 {
        let said = bench.planish(&["verify", "--store", &store]);
        assert!(said.code == 5 && said.out.contains("is damaged: not repaired: can't lock"), "{}{}", said.out, said.err);
        assert!(said.out.contains("the result of `b` (") && said.out.contains("lost files: not repaired: can't lock"), "{}", said.out);
    }
    disk.remount("rw");
    assert_eq!(bench.planish(&["verify", "--store", &store]).code, 4);
    bench.ok(&["run", "--store", &store]).counts(0, 2);
}

#[test]
fn a_full_disk_stops_what_needs_room_and_nothing_that_makes_some() {
    let Some(disk) = Disk::mount() else { return };
    let bench = bench(&disk);
    let store = disk.store();
    disk.fill("filler");
    bench.ok(&["gc", "--dry-run", "--store", &store]);
    let said = bench.planish(&["pin", "new", "--store", &store]);
    said.complains(3, &["no space left", "hint: free some space"]);
    let list = bench.ok(&["pin", "--store", &store]).out;
    assert!(list.contains("pin   old") && !list.contains("new"), "{list}");
    // What is there already needs no room.
    bench.ok(&["verify", "--store", &store]);
    bench.ok(&["unpin", "old", "--store", &store]);
    let said = bench.ok(&["gc", "--store", &store]).out;
    assert!(said.contains("2 results; 2 results stay"), "{said}");
    bench.ok(&["run", "--store", &store]).counts(2, 0);
    disk.empty("filler");
    damage(&disk);
    disk.fill("filler");
    // Setting aside moves files, so a repair needs next to none.
    let said = bench.planish(&["verify", "--store", &store]);
    assert!(said.code == 4 || said.code == 5 && said.out.contains("not repaired: no space left"), "{}{}", said.out, said.err);
    disk.fill("rest");
    bench.planish(&["run", "--store", &store]).complains(3, &["no space left"]);
    for name in ["filler", "rest"] {
        disk.empty(name);
    }
    assert!([0, 4].contains(&bench.planish(&["verify", "--store", &store]).code));
    bench.ok(&["run", "--store", &store]).counts(0, 2);
    bench.ok(&["verify", "--store", &store]);
}
