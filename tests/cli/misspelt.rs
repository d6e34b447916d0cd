//! Every key of the shipped pipeline, misspelt: planish names the line and says what was meant.

use std::path::Path;

use crate::bench::Bench;

/// Names that the pipeline chooses itself. Only where they are keys of planish's own (an input, a parameter) are they checked.
const CHOSEN: [&str; 42] = [
    "data",
    "train",
    "export",
    "attack",
    "losses",
    "radii",
    "landscape",
    "loss",
    "eps",
    "tables",
    "main",
    "method",
    "smoke",
    "cifar10",
    "nominal",
    "adv",
    "trades",
    "llr",
    "fgsm-20",
    "untargeted",
    "cifar10-small",
    "adv-1",
    "adv-2",
    "adv-10",
    "llr-1",
    "llr-2",
    "steps",
    "time",
    "questions",
    "imagenet",
    "sweep",
    "sweep-export",
    "sweep-attack",
    "sweep-landscape",
    "chosen",
    "diverse",
    "setting",
    "network",
    "sweeps",
    "gap",
    "ablations",
    "wrn-40-8",
];

/// A key: where it is in its line, and the profile that has to be chosen so that it is read.
struct Key {
    line: usize,
    start: usize,
    text: String,
    profile: Option<String>,
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// The words of `text` with their places.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut rest = 0;
    while let Some(start) = text[rest..].find(is_word).map(|start| rest + start) {
        let end = text[start..].find(|c| !is_word(c)).map_or(text.len(), |end| start + end);
        words.push((start, &text[start..end]));
        rest = end;
    }
    words
}

/// The line with the insides of strings blanked, and without its comment.
fn bare(line: &str) -> String {
    let mut inside = false;
    // As many bytes as before, so that places in the one are places in the other.
    let blank = |c: char| {
        inside ^= c == '"';
        if inside && c != '"' { "~".repeat(c.len_utf8()) } else { c.to_string() }
    };
    let text: String = line.chars().map(blank).collect();
    text.split('#').next().unwrap_or_default().to_owned()
}

/// The keys of a document that planish itself gives their names.
fn keys(text: &str) -> Vec<Key> {
    let mut keys = Vec::new();
    let (mut profile, mut in_matrix) = (None, false);
    for (number, line) in text.lines().enumerate() {
        let bare = bare(line);
        if bare.starts_with('[') {
            profile = bare.strip_prefix("[profiles.").and_then(|rest| rest.split('.').next()).map(str::to_owned);
            in_matrix = bare.contains(".matrix.");
        }
        let mut add = |start: usize, word: &str| {
            keys.push(Key { line: number + 1, start, text: word.to_owned(), profile: profile.clone() });
        };
        if bare.starts_with('[') {
            words(&bare).into_iter().filter(|(_, word)| !CHOSEN.contains(word)).for_each(|(start, word)| add(start, word));
            continue;
        }
        for (index, (start, word)) in words(&bare).into_iter().enumerate() {
            let after = bare[start + word.len()..].trim_start();
            let is_key = after.starts_with('=') || (after.starts_with('.') && !word.starts_with(|c: char| c.is_ascii_digit()));
            let is_label = (in_matrix && index == 0)
                || ["names = {", "files = {", "where = {", "values = {"].iter().any(|table| bare[..start].contains(table));
            if is_key && !is_label {
                add(start, word);
            }
        }
    }
    keys
}

/// A slip of the keys: two letters in the wrong order, or one too many.
fn misspell(word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    if letters.len() > 2 && letters[1] != letters[2] {
        letters.swap(1, 2);
    } else {
        letters.push('x');
    }
    letters.into_iter().collect()
}

#[test]
fn every_misspelt_key_is_refused_with_its_line_and_a_suggestion() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipeline.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let keys = keys(&text);
    assert!(keys.len() > 250, "{}", keys.len());
    let bench = Bench::new("");
    std::fs::create_dir_all(bench.path("imagenet")).unwrap();
    bench.write("imagenet/one.png", "an image");
    bench.write("references.toml", include_str!("../../references.toml"));
    for key in keys {
        let wrong = misspell(&key.text);
        let edit = |(index, line): (usize, &str)| {
            let end = key.start + key.text.len();
            if index + 1 == key.line { format!("{}{wrong}{}\n", &line[..key.start], &line[end..]) } else { format!("{line}\n") }
        };
        bench.write("pipeline.toml", &text.lines().enumerate().map(edit).collect::<String>());
        let mut arguments = vec!["plan"];
        arguments.extend(key.profile.iter().flat_map(|profile| ["--profile", profile.as_str()]));
        let said = bench.planish(&arguments);
        let line = format!("pipeline.toml:{}:", key.line);
        let suggests = said.err.contains("did you mean") || said.err.contains("one key of") || said.err.contains("one choice of");
        assert!(said.code == 2 && said.err.contains(&line) && suggests, "`{wrong}` in line {}:\n{}", key.line, said.err);
    }
}
