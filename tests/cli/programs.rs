//! What a program of a `command` stage gets, and what becomes of what it makes.

use crate::bench::{Bench, is_alive, shell};

#[test]
fn a_program_sees_the_declared_environment_and_little_else() {
    let bench = Bench::new(&shell(
        "a",
        "env > {outputs.out}/env; pwd > {outputs.out}/pwd",
        "params.environment = { WORD = \"a b\", PLACE = \"{outputs.out}\" }",
    ));
    let output = bench.command(&["run"]).env("SECRET", "1").output().unwrap();
    assert!(output.status.success());
    let text = bench.result("a", "out/env");
    let mut names: Vec<&str> = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    // The shell adds these.
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    names.sort_unstable();
    let known = ["HOME", "LANG", "OMP_NUM_THREADS", "PATH", "PLACE", "RAYON_NUM_THREADS", "TMPDIR", "WORD"];
    assert_eq!(names, known);
    assert!(text.contains("WORD=a b\n"));
    let private = bench.path(".planish/tmp").to_str().unwrap().to_owned();
    for line in text.lines().filter(|line| line.starts_with("HOME=") || line.starts_with("PLACE=")) {
        assert!(line.contains(&private), "{line}");
    }
    assert!(bench.result("a", "out/pwd").starts_with(&private));
}

#[test]
fn a_program_that_edits_its_inputs_harms_nobody_and_leaves_no_result() {
    let spoil =
        |place: &str| format!("cp {place} copy; echo mine > copy; chmod u+w {place}; echo spoiled > {place}; cp copy {{outputs.out}}/x");
    let bench = Bench::new(
        &(shell("a", "echo good > {outputs.out}/x", "")
            + &shell("b", &spoil("{inputs.a}/x"), "inputs.a = \"a\"")
            + &shell("c", &spoil("{files.f}"), "files.f = \"f\"")),
    );
    bench.write("f", "good\n");
    let said = bench.planish(&["run"]);
    let (input, file) = ("failed: b: the program edited what it was given: inputs/a/x; the result was not stored", "given: files/f/f;");
    said.complains(1, &[input, file, "hint: let it copy the file into its working directory"]);
    assert_eq!((bench.result("a", "out/x").as_str(), bench.read("f").as_str()), ("good\n", "good\n"));
    assert_eq!(bench.standings(), ["fresh", "failed", "failed"]);
}

#[test]
fn what_no_output_declares_is_noted_and_not_kept() {
    let script = "echo x > {outputs.out}/x; mkdir deep; echo s > deep/stray; mkdir {outputs.out}/../other; touch a b c d e";
    let bench = Bench::new(&(shell("a", script, "") + &shell("clean", "echo x > {outputs.out}/x", "")));
    bench.ok(&["run"]);
    let log = bench.ok(&["log", "a"]).out;
    assert_eq!(log, "planish: not kept, for no output declares it: a, b, c, d, deep/stray and 2 more\n");
    assert_eq!(bench.ok(&["log", "clean"]).out, "");
    let view = bench.json(&["show", "a", "--json"]);
    assert_eq!(view[0]["outputs"].as_array().unwrap().len(), 1);
}

#[test]
fn no_shell_reads_what_the_user_wrote() {
    let bench = Bench::new(
        "[stages.a]\nrun = \"command\"\nparams.outputs = [\"out\"]\n\
        params.command = [\"cp\", \"$HOME\", \"*\", \"a b;c\", \"`id`\", \"{outputs.out}\"]\n",
    );
    bench.planish(&["run"]).complains(1, &["`cp` ended with exit code 1", "'$HOME'", "'*'", "'a b;c'", "'`id`'"]);
}

#[test]
fn a_gathered_input_is_a_list_of_folders() {
    let one = shell(
        "one",
        "echo $SEED > {outputs.out}/x",
        "[stages.one.matrix.seed]\ns0 = { environment.SEED = \"0\" }\ns1 = { environment.SEED = \"1\" }",
    );
    let all =
        shell("all", "cat {inputs.one}/*/x > {outputs.out}/x; cp {inputs.one}/gathered.json {outputs.out}/", "inputs.one = [\"one\"]");
    let bench = Bench::new(&(one + &all));
    bench.ok(&["run"]).counts(0, 3);
    assert_eq!(bench.result("all", "out/x"), "0\n1\n");
    let list: serde_json::Value = serde_json::from_str(&bench.result("all", "out/gathered.json")).unwrap();
    assert_eq!(list[1]["folder"], "0001");
    assert_eq!(list[1]["coordinates"]["seed"]["label"], "s1");
}

#[test]
fn files_are_one_file_or_a_folder() {
    let script = "cat {files.one} > {outputs.out}/one; cat {files.all}/*.txt > {outputs.out}/all; test -x {files.tool} && {files.tool} > {outputs.out}/tool";
    let bench = Bench::new(&shell("a", script, "files = { one = \"a.txt\", all = \"*.txt\", tool = \"tool\" }"));
    bench.write("a.txt", "a\n");
    bench.write("b.txt", "b\n");
    bench.write("tool", "#!/bin/sh\necho tool\n");
    std::fs::set_permissions(bench.path("tool"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    bench.ok(&["run"]);
    let results = ["out/one", "out/all", "out/tool"].map(|name| bench.result("a", name));
    assert_eq!(results, ["a\n", "a\nb\n", "tool\n"]);
}

#[test]
fn several_outputs_have_digests_of_their_own() {
    let made = "[stages.two]\nrun = \"command\"\nparams.outputs = [\"left\", \"right\"]\n\
        params.command = [\"sh\", \"-c\", 'echo l > {outputs.left}/x; cat {files.f} > {outputs.right}/x; echo stray > stray']\nfiles.f = \"f\"\n";
    let bench = Bench::new(&(made.to_owned() + &shell("use", "cp {inputs.l}/x {outputs.out}/", "inputs.l = \"two:left\"")));
    bench.write("f", "1");
    bench.ok(&["run"]);
    let view = bench.json(&["show", "two", "--json"]);
    let names: Vec<&str> = view[0]["outputs"].as_array().unwrap().iter().map(|output| output["output"].as_str().unwrap()).collect();
    assert_eq!(names, ["left", "right"], "what is not declared is not kept");
    bench.write("f", "2");
    // Only the other output changed.
    bench.ok(&["run"]).counts(1, 1);
}

#[test]
fn programs_run_side_by_side_within_the_processors() {
    // Each waits for the other: together they finish, one after the other they never would.
    let wait = |own: &str, other: &str| {
        format!(
            "touch @/{own}; for i in $(seq 200); do test -e @/{other} && break; sleep 0.05; done; test -e @/{other} && echo x > {{outputs.out}}/{own}"
        )
    };
    let pipeline = shell("a", &wait("a", "b"), "") + &shell("b", &wait("b", "a"), "");
    let bench = Bench::new(&pipeline);
    bench.ok(&["run", "--cpus", "2"]).counts(0, 2);
}

#[test]
fn a_stage_that_asks_for_too_much_gets_all_there_is() {
    let bench = Bench::new(&shell("a", "echo $OMP_NUM_THREADS > {outputs.out}/x", "cpus = 4096"));
    let said = bench.ok(&["run", "--cpus", "3"]);
    assert!(said.err.contains("a: asks for cpus = 4096, gets 3"), "{}", said.err);
    assert_eq!(bench.result("a", "out/x"), "3\n");
}

#[test]
fn a_script_is_started_from_files_and_other_braces_stay() {
    let pipeline = "[stages.a]\nrun = \"command\"\nfiles.script = \"s.sh\"\n\
        params.command = [\"{files.script}\", \"{not a placeholder}\"]\nparams.outputs = [\"out\"]\nparams.environment.OUT = \"{outputs.out}\"\n";
    let bench = Bench::new(pipeline);
    bench.write("s.sh", "#!/bin/sh\necho \"$1\" > $OUT/x\n");
    std::fs::set_permissions(bench.path("s.sh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    bench.ok(&["run"]);
    assert_eq!(bench.result("a", "out/x"), "{not a placeholder}\n");
}

#[test]
fn programs_share_a_worker_until_one_leaves_a_process_behind() {
    let first = shell("a", "echo $PPID > {outputs.out}/x", "");
    let leaves = shell("b", "sleep 60 & echo $! > @/left; echo $PPID > {outputs.out}/x; cat {inputs.a}/x > /dev/null", "inputs.a = \"a\"");
    let after = shell("c", "echo $PPID > {outputs.out}/x; cat {inputs.b}/x > /dev/null", "inputs.b = \"b\"");
    let bench = Bench::new(&(first + &leaves + &after));
    bench.ok(&["run", "--cpus", "1"]).counts(0, 3);
    let [a, b, c] = ["a", "b", "c"].map(|stage| bench.result(stage, "out/x"));
    assert_eq!(a, b);
    assert_ne!(b, c);
    assert!(!is_alive(&bench.read("left")), "what the program left runs on");
}

#[test]
fn a_program_finds_nothing_of_the_one_before_it() {
    let leave = "echo x > stray; echo x > $HOME/stray; echo x > $TMPDIR/stray; mkdir deep; echo x > deep/stray; echo x > {outputs.out}/x";
    let look = "find $HOME $TMPDIR . ! -type d > {outputs.out}/found; ls {inputs.a} > {outputs.out}/inputs";
    let bench = Bench::new(&(shell("a", leave, "") + &shell("b", look, "inputs.a = \"a\"")));
    bench.ok(&["run", "--cpus", "1"]).counts(0, 2);
    assert_eq!((bench.result("b", "out/found").as_str(), bench.result("b", "out/inputs").as_str()), ("", "x\n"));
}
