//! `include`: documents laid over each other.

use crate::spec::testing::Case;

const STAGE: &str = "[stages.a]\nrun = \"command\"\nparams = { command = [\"common\"], outputs = [\"o\"] }\n";

fn command(case: &Case) -> String {
    case.plan().instances[0].parameters["command"][0].as_str().unwrap().to_owned()
}

fn folder(case: Case, name: &str, text: &str) -> Case {
    std::fs::create_dir_all(case.options.file.parent().unwrap().join(name).parent().unwrap()).unwrap();
    case.file(name, text)
}

#[test]
fn the_including_file_wins_and_later_includes_win_over_earlier_ones() {
    assert_eq!(command(&Case::new("include = [\"common.toml\"]\n").file("common.toml", STAGE)), "common");
    let over = "include = [\"common.toml\"]\nstages.a.params.command = [\"mine\"]\n";
    assert_eq!(command(&Case::new(over).file("common.toml", STAGE)), "mine");
    let two = Case::new("include = [\"common.toml\", \"other.toml\"]\n").file("common.toml", STAGE);
    assert_eq!(command(&two.file("other.toml", "stages.a.params.command = [\"other\"]\n")), "other");
}

#[test]
fn profiles_of_all_files_are_laid_over_in_the_same_order() {
    let profile = |word: &str| format!("[profiles.p.stages.a.params]\ncommand = [\"{word}\"]\n");
    let common = STAGE.to_owned() + &profile("common profile");
    let case = Case::new("include = [\"common.toml\"]\nstages.a.params.command = [\"mine\"]\n").file("common.toml", &common).profile("p");
    assert_eq!(command(&case), "common profile");
    let both = "include = [\"common.toml\"]\n".to_owned() + &profile("my profile");
    assert_eq!(command(&Case::new(&both).file("common.toml", &common).profile("p")), "my profile");
    assert!(Case::new(&both).file("common.toml", &common).profile("q").broken().contains("there is no profile `q`"));
}

#[test]
fn paths_are_relative_to_the_file_that_they_stand_in() {
    let inner = STAGE.to_owned() + "files = { one = \"x.txt\", many = \"*.txt\" }\n";
    let case = folder(Case::new("include = [\"shared/outer.toml\"]\n"), "shared/outer.toml", "include = [\"deep/inner.toml\"]\n");
    let case = folder(case, "shared/deep/inner.toml", &inner).file("shared/deep/x.txt", "x").file("x.txt", "not this");
    let plan = case.plan();
    let paths: Vec<_> = plan.instances[0].files.iter().map(|file| file.paths[0].1.clone()).collect();
    assert!(paths.iter().all(|path| path.ends_with("shared/deep/x.txt")), "{paths:?}");
}

#[test]
fn mistakes_point_into_the_right_file() {
    let wrong = Case::new("include = [\"common.toml\"]\n").file("common.toml", &STAGE.replace("command", "comand")).broken();
    assert!(wrong.contains("common.toml:2") && wrong.contains("did you mean `command`?"), "{wrong}");
    let both = Case::new(
        "include = [\"common.toml\"]\nstages.b = { run = \"command\", inputs.x = \"a:p\", params = { command = [\"x\"], outputs = [\"o\"] } }\n",
    );
    let both = both.file("common.toml", STAGE).broken();
    assert!(both.contains("pipeline.toml:2") && both.contains("no output `p`"), "{both}");
    let axes = "[stages.a.matrix]\none = { v.command = [\"x\"] }\n";
    let clash = Case::new("include = [\"common.toml\"]\n[stages.a.matrix]\ntwo = { v.command = [\"y\"] }\n");
    let clash = clash.file("common.toml", &(STAGE.to_owned() + axes)).broken();
    assert!(clash.contains("common.toml:5") && clash.contains("pipeline.toml:3"), "both ends are shown:\n{clash}");
}

#[test]
fn what_can_not_be_included_is_refused() {
    for (include, words) in [
        ("include = [\"nothing.toml\"]", "the included file can't be read"),
        ("include = \"common.toml\"", "`include` must be a list of files"),
        ("include = [3]", "`include` must be a string"),
        ("include = [\"pipeline.toml\"]", "includes itself"),
        ("include = [\"loop.toml\"]", "includes itself"),
        ("includes = [\"common.toml\"]", "did you mean `include`?"),
        ("[profiles.p]\ninclude = [\"common.toml\"]", "unknown key `include`"),
    ] {
        let case = Case::new(&format!("{include}\n")).file("common.toml", STAGE).file("loop.toml", "include = [\"./loop2.toml\"]\n");
        let text = case.file("loop2.toml", "include = [\"loop.toml\"]\n").broken();
        assert!(text.contains(words), "{include}:\n{text}");
    }
    let wide = (0..7).fold(Case::new("include = [\"f0.toml\", \"f0.toml\", \"f0.toml\"]\n"), |case, n| {
        case.file(&format!("f{n}.toml"), &format!("include = [\"f{0}.toml\", \"f{0}.toml\", \"f{0}.toml\"]\n", n + 1))
    });
    assert!(wide.file("f7.toml", STAGE).broken().contains("at most 100 files"));
}
