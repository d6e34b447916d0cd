use proptest::prelude::*;

use super::good::PAPER;
use crate::spec::testing::Case;

/// A change of a text at a place between 0 and 1.
#[derive(Clone, Debug)]
enum Edit {
    Remove(f64, usize),
    Insert(f64, String),
    Copy(f64, usize, f64),
}

fn edit() -> impl Strategy<Value = Edit> {
    let pieces = prop::sample::select(vec![
        "=",
        "[",
        "]",
        "{",
        "}",
        "\"",
        ".",
        ",",
        "\n",
        "[[",
        "'''",
        "#",
        "0",
        "-",
        "nan",
        "1e999",
        "true",
        "\"a.b\" = 1",
        "over = []",
        "matrix",
        "stages",
        "profiles",
        "params.x.y.z = 1\n",
        "[stages.train]\n",
        "1979-05-27",
        "é",
        "\u{0}",
        "\u{feff}",
        "99999999999999999999",
        "{ from = \"train\", over = [\"seed\"] }",
        "[\"train[seed=9]\"]",
        "train[seed=",
        "exclude = [{ seed = 9 }]\n",
        "\"\"",
    ]);
    prop_oneof![
        (0.0..1.0, 1usize..40).prop_map(|(at, length)| Edit::Remove(at, length)),
        (0.0..1.0, pieces).prop_map(|(at, text)| Edit::Insert(at, text.to_owned())),
        (0.0..1.0, 1usize..60, 0.0..1.0).prop_map(|(from, length, to)| Edit::Copy(from, length, to)),
    ]
}

fn apply(text: &[char], edit: &Edit) -> Vec<char> {
    let at = |place: f64| ((text.len() as f64) * place) as usize;
    let mut edited = text.to_vec();
    match edit {
        Edit::Remove(place, length) => drop(edited.drain(at(*place)..(at(*place) + length).min(text.len()))),
        Edit::Insert(place, piece) => drop(edited.splice(at(*place)..at(*place), piece.chars())),
        Edit::Copy(from, length, to) => {
            let piece = text[at(*from)..(at(*from) + length).min(text.len())].to_vec();
            drop(edited.splice(at(*to)..at(*to), piece));
        }
    }
    edited
}

/// Whatever comes out, it is a plan or messages that can be drawn.
fn survive(case: &Case) {
    match case.plan_for(&[]) {
        Ok(plan) => assert!(plan.instances.len() <= crate::plan::MAX_INSTANCES),
        Err(errors) => assert!(!errors.render(true, 80).is_empty() && !errors.to_string().is_empty()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edited_pipelines_never_panic(edits in prop::collection::vec(edit(), 1..6)) {
        let text = edits.iter().fold(PAPER.chars().collect::<Vec<_>>(), |text, edit| apply(&text, edit));
        let text: String = text.into_iter().collect();
        survive(&Case::new(&text));
        survive(&Case::new(&text).profile("cifar10").set("train.epochs=3"));
    }

    #[test]
    fn any_set_never_panics(set in "(train|stages|data|attack|name)?[.a-z\"=\\[\\]{}0-9é]{0,30}") {
        survive(&Case::new(PAPER).set(&set));
        survive(&Case::new(PAPER).set(&format!("train.{set}")));
    }

    #[test]
    fn any_target_never_panics(target in "(train|data)?[\\[\\]=,:a-z0-9é]{0,20}") {
        if let Err(errors) = Case::new(PAPER).plan_for(&[&target]) {
            assert!(!errors.render(true, 80).is_empty());
        }
    }

    #[test]
    fn any_text_never_panics(text in "\\PC{0,60}") {
        survive(&Case::new(&text));
    }
}
