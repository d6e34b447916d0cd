//! Files that are huge, or no files at all, where planish reads: a message or a fresh start, and neither a hang nor all of the memory.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::bench::{Bench, Said, shell, signal};

/// Kilobytes of address space that a command may use: far less than the files here are long.
const SPACE: &str = "4000000";
const HUGE: u64 = 10 << 30;

/// Runs a command with bounded memory, and gives up when it hangs.
#[track_caller]
fn bounded(bench: &Bench, arguments: &[&str]) -> Said {
    let line = format!("ulimit -v {SPACE}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &line, env!("CARGO_BIN_EXE_planish")]).args(arguments).current_dir(bench.path(""));
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let process = child.id();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    if let Ok(output) = receiver.recv_timeout(Duration::from_mins(1)) {
        return Said::of(&output.unwrap());
    }
    signal(process, "KILL");
    panic!("planish {arguments:?} hangs");
}

/// Puts a file of 10 GB that takes no room on the disk in place of `path`.
fn inflate(path: &Path) {
    inflate_to(path, HUGE);
}

fn inflate_to(path: &Path, size: u64) {
    drop(std::fs::remove_file(path));
    std::fs::File::create(path).unwrap().set_len(size).unwrap();
}

/// Puts a named pipe in place of `path`.
fn pipe(path: &Path) {
    drop(std::fs::remove_file(path));
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn bench() -> Bench {
    let bench = Bench::new(
        &(shell("a", "cat {files.f} > {outputs.out}/x", "files.f = \"f\"")
            + &shell("b", "cp {inputs.a}/x {outputs.out}/", "inputs.a = \"a\"")),
    );
    bench.write("f", "text\n");
    bench
}

/// The files in a folder of the store and below it.
fn files(bench: &Bench, folder: &str) -> Vec<PathBuf> {
    let (mut found, mut pending) = (Vec::new(), vec![bench.path(".planish").join(folder)]);
    while let Some(path) = pending.pop() {
        match std::fs::read_dir(&path) {
            Ok(entries) => pending.extend(entries.map(|entry| entry.unwrap().path())),
            Err(_) => found.push(path),
        }
    }
    found.retain(|path| path.exists());
    found
}

#[test]
fn huge_records_and_pipes_in_their_place_are_as_good_as_none() {
    for spoil in [inflate, pipe] {
        let bench = bench();
        bench.ok(&["run"]);
        bench.ok(&["run"]).counts(2, 0);
        bench.write(".planish/runs/adopted.json", "{}");
        let records: Vec<PathBuf> =
            files(&bench, "runs").into_iter().filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
        for part in ["history/", "settled/", "run.json", "adopted.json"] {
            assert!(records.iter().any(|path| path.to_str().unwrap().contains(part)), "{part} {records:?}");
        }
        for path in &records {
            spoil(path);
        }
        for name in ["snapshot", "memo"] {
            assert!(bench.path(".planish").join(name).exists(), "{name}");
            spoil(&bench.path(".planish").join(name));
        }
        for (arguments, code) in
            [(&["verify", "--dry-run"][..], 5), (&["status"], 0), (&["why", "a"], 0), (&["log", "a"], 2), (&["show", "a"], 0)]
        {
            let said = bounded(&bench, arguments);
            assert_eq!(said.code, code, "{arguments:?} {}{}", said.out, said.err);
        }
        assert_eq!(bounded(&bench, &["adopt", "a"]).code, 2);
        bounded(&bench, &["run"]).counts(2, 0);
        assert_eq!(bounded(&bench, &["gc"]).code, 0);
        bench.ok(&["verify"]);
    }
}

#[test]
fn a_huge_root_or_lease_keeps_gc_from_working_and_is_named() {
    let bench = bench();
    bench.ok(&["run"]);
    // It is hashed to know whether it changed, so it is no larger than it must be.
    inflate_to(&files(&bench, "roots")[0], 300 << 20);
    bounded(&bench, &["gc"]).complains(3, &["is damaged"]);
    bounded(&bench, &["run"]).counts(2, 0);
    let folder = bench.path(".planish/tmp/other");
    std::fs::create_dir(&folder).unwrap();
    inflate(&folder.join("lease"));
    // Nobody holds that folder: it is swept.
    assert_eq!(bounded(&bench, &["gc"]).code, 0);
}

#[test]
fn results_whose_entries_or_manifests_are_huge_are_made_again() {
    let bench = bench();
    // They are hashed to know whether they changed, and not read into memory.
    for (folder, size) in [("index", 300 << 20), ("objects", 300 << 20)] {
        bench.ok(&["run"]);
        let mut all: Vec<PathBuf> = files(&bench, folder);
        all.retain(|path| std::fs::read_to_string(path).is_ok_and(|text| text.len() > 10 && !text.contains("damaged")));
        assert!(!all.is_empty(), "{folder}");
        for path in &all {
            inflate_to(path, size);
        }
        let said = bounded(&bench, &["run"]);
        assert!(said.code == 0 && !said.out.contains(" 0 ran"), "{folder}: {}{}", said.out, said.err);
        assert_eq!(bounded(&bench, &["verify"]).code, 0);
        bench.ok(&["run"]).counts(2, 0);
    }
}

#[test]
fn a_huge_log_is_told_in_json_by_its_end() {
    let bench = bench();
    bench.ok(&["run"]);
    let log = files(&bench, "runs").into_iter().find(|path| path.ends_with("a.log")).unwrap();
    std::fs::File::options().write(true).open(&log).unwrap().set_len(HUGE).unwrap();
    let said = bounded(&bench, &["log", "a", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(answer["instances"][0]["omitted"], HUGE - (4 << 20));
}

#[test]
fn what_is_no_file_is_no_pipeline_and_no_input() {
    let bench = bench();
    pipe(&bench.path("pipe"));
    let _socket = UnixListener::bind(bench.path("socket")).unwrap();
    std::fs::create_dir(bench.path("folder")).unwrap();
    for (name, what) in [("pipe", "a named pipe"), ("socket", "a socket"), ("/dev/zero", "a device"), ("folder", "a folder")] {
        let said = bounded(&bench, &["run", "--file", name]);
        said.complains(2, &["the pipeline can't be read", &format!("it is {what}, not a file"), "--file PATH"]);
        bench.write("pipeline.toml", &format!("include = [\"{name}\"]\n"));
        bounded(&bench, &["plan"])
            .complains(2, &["the included file can't be read", &format!("it is {what}, not a file"), "pipeline.toml:1:12"]);
        let files = format!("files.f = \"{name}\"");
        bench.pipeline(&shell("a", "cat {files.f} > {outputs.out}/x", &files));
        if what != "a folder" {
            bounded(&bench, &["plan"]).complains(2, &["`files.f` can't be found", &format!("it is {what}, neither a file nor a folder")]);
        }
    }
    std::fs::rename(bench.path("pipe"), bench.path("folder/pipe")).unwrap();
    bounded(&bench, &["plan"]).complains(2, &["folder/pipe is neither a file nor a folder"]);
    // A pattern stands for files only.
    bench.pipeline(&shell("a", "cat {files.f}/* > {outputs.out}/x", "files.f = \"folder/*\""));
    bounded(&bench, &["plan"]).complains(2, &["there is no such file"]);
    bench.write("folder/file", "x");
    bounded(&bench, &["run"]).counts(0, 1);
    pipe(&bench.path("pipeline.toml"));
    bounded(&bench, &["run"]).complains(2, &["it is a named pipe, not a file"]);
}

#[test]
fn a_list_of_members_has_an_end() {
    let script = "head -c 2000000 /dev/zero > {outputs.out}/members.json";
    let bench = Bench::new(&(shell("a", script, "") + &shell("b", "cp {inputs.a}/* {outputs.out}/", "inputs.a = \"a\"")));
    bounded(&bench, &["run"]).complains(1, &["members.json: a list of members may have 1048576 bytes at most", "another name"]);
}
