//! A run with nothing to do, again and again: whatever is edited in between is noticed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bench::{Bench, shell};

const FILES: &str = "files = { one = \"one.txt\", all = \"data/*.txt\" }";

fn stages(word: &str, variable: &str) -> String {
    let first = format!("cat {{files.one}} {{files.all}}/* > {{outputs.out}}/x; echo {word} >> {{outputs.out}}/x");
    let environment = format!("{FILES}\nparams.environment.VARIABLE = \"{variable}\"");
    shell("a", &first, &environment) + &shell("b", "cat {inputs.a}/x > {outputs.out}/y", "inputs.a = \"a\"")
}

/// Two stages that have run, and whose results were found unchanged twice.
fn settled() -> Bench {
    let bench = Bench::new(&stages("word", "1"));
    std::fs::create_dir(bench.path("data")).unwrap();
    bench.write("one.txt", "one\n");
    bench.write("data/1.txt", "1\n");
    // Files that change within a tick of the clock that stamps them are looked at closely, which is not what is tested here.
    std::thread::sleep(Duration::from_millis(20));
    bench.ok(&["run"]).counts(0, 2);
    assert_nothing_is_read(&bench);
    bench
}

/// The next run does not even make a plan.
fn assert_nothing_is_read(bench: &Bench) {
    bench.ok(&["run"]).counts(2, 0);
    let stamps = || {
        let notes = files(&bench.path(".planish/runs/settled"));
        notes.iter().map(|note| std::fs::metadata(note).unwrap().modified().unwrap()).collect::<Vec<_>>()
    };
    let before = stamps();
    bench.ok(&["run"]).counts(2, 0);
    assert!(!before.is_empty());
    assert_eq!(stamps(), before, "a note was made again");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Writes other bytes of the same length into a file, whatever its mode, and gives it its old time of modification back.
fn edit(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(path).unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(path, bytes).unwrap();
    std::fs::File::options().write(true).open(path).unwrap().set_modified(metadata.modified().unwrap()).unwrap();
    std::fs::set_permissions(path, metadata.permissions()).unwrap();
}

#[test]
fn an_edited_input_command_or_parameter_is_noticed() {
    let bench = settled();
    bench.write("one.txt", "two\n");
    bench.ok(&["run"]).counts(0, 2);
    bench.write("data/2.txt", "2\n");
    bench.ok(&["run"]).counts(0, 2);
    std::fs::remove_file(bench.path("data/2.txt")).unwrap();
    bench.ok(&["run"]).counts(2, 0);
    bench.pipeline(&stages("other", "1"));
    bench.ok(&["run"]).counts(0, 2);
    bench.pipeline(&stages("other", "2"));
    // The variable is not printed, so the output is the same and what follows is cut off.
    bench.ok(&["run"]).counts(1, 1);
    bench.pipeline(&stages("word", "1"));
    bench.write("one.txt", "one\n");
    bench.ok(&["run"]).counts(2, 0);
    bench.ok(&["run", "--set", "a.environment.VARIABLE=\"3\""]).counts(1, 1);
    assert_nothing_is_read(&bench);
}

#[test]
fn every_edited_object_and_entry_is_noticed() {
    let bench = settled();
    for folder in ["objects", "index"] {
        let all = files(&bench.path(".planish").join(folder));
        assert!(all.len() >= 2);
        for path in all {
            edit(&path);
            let said = bench.ok(&["run"]);
            assert!(said.err.contains("damaged"), "{}: {}", path.display(), said.err);
            assert!(!said.out.contains("2 in the store"), "{}: {}", path.display(), said.out);
            std::thread::sleep(Duration::from_millis(20));
            bench.ok(&["run"]).counts(2, 0);
        }
    }
}

#[test]
fn every_missing_object_and_entry_is_noticed() {
    let bench = settled();
    for folder in ["objects", "index"] {
        for path in files(&bench.path(".planish").join(folder)) {
            std::fs::remove_file(&path).unwrap();
            let said = bench.ok(&["run"]);
            assert!(!said.out.contains("2 in the store"), "{}: {}", path.display(), said.out);
            assert!(path.is_file());
            bench.ok(&["run"]).counts(2, 0);
        }
    }
}

#[test]
fn a_damaged_snapshot_memo_or_note_costs_time_only() {
    let bench = settled();
    for name in ["snapshot", "memo"] {
        for bytes in [&b""[..], b"planish index 1\n", &[0xff; 4096]] {
            std::fs::write(bench.path(".planish").join(name), bytes).unwrap();
            bench.ok(&["run"]).counts(2, 0);
            bench.ok(&["plan"]);
        }
    }
    for note in files(&bench.path(".planish/runs/settled")) {
        edit(&note);
        bench.ok(&["run"]).counts(2, 0);
        std::fs::write(&note, "{}").unwrap();
        bench.ok(&["run"]).counts(2, 0);
    }
    assert_nothing_is_read(&bench);
}

#[test]
fn a_note_is_not_asked_when_work_is_forced_or_only_planned() {
    let bench = settled();
    bench.ok(&["run", "--force", "a"]).counts(1, 1);
    let said = bench.ok(&["run", "--dry-run"]);
    assert!(!said.out.contains("ran"), "{}", said.out);
    bench.ok(&["run", "a"]).counts(1, 0);
    bench.pipeline("[stages.a]\nrun = \"unheard-of\"\n");
    bench.planish(&["run"]).complains(2, &["unheard-of"]);
}

#[test]
fn what_failed_is_not_settled() {
    let bench = Bench::new(&(shell("a", "echo x > {outputs.out}/x", "") + &shell("b", "exit 3", "")));
    for _ in 0..2 {
        bench.planish(&["run"]).complains(1, &["failed: b"]);
        assert!(!bench.path(".planish/runs/settled").exists());
    }
}

/// A pipeline of `count` stages, ten children to a parent.
fn tree(count: usize) -> Bench {
    let input = |stage: usize| if stage == 0 { String::new() } else { format!("inputs.parent = \"s{}\"", (stage - 1) / 10) };
    let stages = (0..count).map(|stage| shell(&format!("s{stage}"), &format!("echo {stage} > {{outputs.out}}/x"), &input(stage)));
    Bench::new(&stages.collect::<String>())
}

/// How often a run and all that it starts read from and write to files; `None` where the system does not count.
fn calls(bench: &Bench) -> Option<(u64, u64)> {
    let script = "\"$1\" run --cpus 1 > /dev/null 2>&1 || exit 1; cat /proc/$$/io";
    let arguments = ["-c", script, "sh", env!("CARGO_BIN_EXE_planish")];
    let output = std::process::Command::new("sh").args(arguments).current_dir(bench.path("")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let number = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(|number| number.trim().parse().unwrap());
    number("syscr:").zip(number("syscw:"))
}

#[test]
fn the_work_of_a_run_grows_with_its_stages_and_that_of_nothing_to_do_does_not() {
    let (few, many) = (20, 200);
    let [small, large] = [few, many].map(tree);
    let (Some(small_first), Some(large_first)) = (calls(&small), calls(&large)) else { return };
    // Linear, with room for records that are written at intervals.
    assert!(large_first.1 * few as u64 <= 2 * small_first.1 * many as u64, "writes: {small_first:?}, {large_first:?}");
    assert!(large_first.0 * few as u64 <= 2 * small_first.0 * many as u64, "reads: {small_first:?}, {large_first:?}");
    for bench in [&small, &large] {
        calls(bench);
    }
    let (small, large) = (calls(&small).unwrap(), calls(&large).unwrap());
    // The note, the memo and the snapshot are read in as many pieces as they are large; nothing is written.
    assert!(large.0 <= small.0 + 20, "reads: {small:?}, {large:?}");
    assert!(large.1 <= small.1, "writes: {small:?}, {large:?}");
}

#[test]
fn an_edited_included_file_is_noticed() {
    let bench = Bench::new("include = [\"more.toml\"]\n");
    bench.write("more.toml", &stages("word", "1"));
    std::fs::create_dir(bench.path("data")).unwrap();
    bench.write("one.txt", "one\n");
    bench.write("data/1.txt", "1\n");
    std::thread::sleep(Duration::from_millis(20));
    bench.ok(&["run"]).counts(0, 2);
    assert_nothing_is_read(&bench);
    bench.write("more.toml", &stages("other", "1"));
    bench.ok(&["run"]).counts(0, 2);
}
