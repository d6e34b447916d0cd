//! The judge believes nothing but the model.

use planish_attack::Attacks;
use planish_attack::attack::{Goal, Proposals};
use planish_attack::bench::{Bench, Proposer, Trial};
use planish_attack::judge::{Candidate, Judge};
use planish_contract::{Failure, Host, Progress};
use planish_formats::{Norm, Split};
use planish_nn::Victim;
use serde_json::json;

use crate::linear::Linear;
use crate::trials::{Parties, attacks, run, run_under, setting, threat, within};

/// Two well separated classes: dark and bright images; nothing within 0.1 changes the class.
fn easy() -> (Linear, Split) {
    let mut model = Linear::new(2, 0);
    model.weights = [vec![-1.0; 16], vec![1.0; 16]].concat();
    model.bias = vec![16.0, 0.0];
    let images = [vec![20_u8; 16], vec![230; 16]].concat();
    (model, Split { shape: [1, 4, 4], images: images.into(), labels: vec![0, 1], ids: vec![3, 5] })
}

/// Proposals that cost nothing.
fn proposals(images: Vec<f32>, steps: Vec<u32>) -> Proposals {
    let none = vec![0; steps.len()];
    Proposals { images, steps, gradients: none.clone(), queries: none }
}

/// What the judge makes of proposals for the two images.
fn judged(goal: Goal, norm: Norm, propose: impl Fn(&[f32]) -> Proposals) -> Result<Vec<Candidate>, Failure> {
    let (mut model, images) = easy();
    let mut judge = Judge::new(&within(norm, 0.1), &mut model);
    let bench = Bench::open(&mut judge, &images, 0..2)?;
    let (originals, cases) = bench.pick(&[0, 1]);
    judge.examine(goal, (&originals, &cases), propose(&originals), "liar")
}

#[test]
fn candidates_outside_the_threat_model_are_brought_back() {
    for norm in Norm::ALL {
        // Each image's negative would be misclassified with certainty.
        let negative = |originals: &[f32]| proposals(originals.iter().map(|x| 1.0 - x).collect(), vec![9; 2]);
        for candidate in judged(Goal::Untargeted, norm, negative).unwrap() {
            assert!(!candidate.is_adversarial() && candidate.distance <= 0.1 && candidate.distance > 0.09, "{norm}: {candidate:?}");
        }
        let far = |originals: &[f32]| proposals(vec![1e30; originals.len()], vec![0; 2]);
        let candidates = judged(Goal::Targeted, norm, far).unwrap();
        assert!(candidates.iter().all(|c| c.image.iter().all(|x| (0.0..=1.0).contains(x))));
    }
}

#[test]
fn smallest_perturbations_may_leave_the_ball_but_not_the_box() {
    let beyond = |originals: &[f32]| proposals(originals.iter().map(|x| 2.0 - 3.0 * x).collect(), vec![9; 2]);
    for candidate in judged(Goal::MinimalNorm, Norm::Linf, beyond).unwrap() {
        assert!(candidate.is_adversarial() && candidate.distance > 0.8 && candidate.image.iter().all(|x| (0.0..=1.0).contains(x)));
        assert!(!candidate.reaches(Goal::MinimalNorm, 0.1) && candidate.reaches(Goal::MinimalNorm, 1.0));
    }
}

#[test]
fn what_is_no_image_is_an_error() {
    let check = |propose: fn(&[f32]) -> Proposals, expected: &str| {
        let failure = judged(Goal::Untargeted, Norm::Linf, propose).unwrap_err();
        assert!(matches!(&failure, Failure::Internal(message) if message.contains(expected) && message.contains("liar")), "{failure}");
    };
    check(|originals| proposals(vec![f32::NAN; originals.len()], vec![0; 2]), "not a finite number");
    check(|originals| proposals(originals[1..].to_vec(), vec![0; 2]), "something else");
    check(|originals| proposals(originals.to_vec(), vec![]), "something else");
}

#[test]
fn the_worst_candidate_is_kept() {
    let (mut model, images) = easy();
    let mut judge = Judge::new(&threat(0.1), &mut model);
    let mut bench = Bench::open(&mut judge, &images, 0..2).unwrap();
    let (clean, cases) = bench.pick(&[0, 1]);
    let by = Proposer { attack: "hand", restart: 2, goal: Goal::Untargeted };
    for share in [0.2, 0.8, 0.5] {
        let toward = clean.iter().map(|x| x + share * if *x < 0.5 { 0.1 } else { -0.1 }).collect();
        let candidates = judge.examine(by.goal, (&clean, &cases), proposals(toward, vec![4, 4]), by.attack).unwrap();
        for (row, candidate) in candidates.into_iter().enumerate() {
            let trial = Trial { best: Some(candidate), gradients: 4, queries: 1 };
            bench.hear(row, &trial, by, judge.eps);
        }
    }
    assert_eq!(bench.standing(Goal::Untargeted), [0, 1]);
    let findings = bench.close(&mut judge, true).unwrap();
    for image in &findings.images {
        assert!((image.distance - 0.08).abs() < 1e-6, "{}", image.distance);
        assert_eq!((image.gradients, image.queries, image.robust_u8), (12, 3, Some(true)));
    }
}

#[test]
fn rounding_to_8_bits_is_judged_like_everything_else() {
    let (mut model, images) = easy();
    // The classes meet at a mean of 100.4 grey levels.
    model.bias = vec![2.0 * 16.0 * 100.4 / 255.0, 0.0];
    for (mean, survives) in [(100.45_f32, false), (100.6, true)] {
        let mut scorer = model.clone();
        let mut judge = Judge::new(&threat(0.5), &mut scorer);
        let kept = vec![mean / 255.0; 16];
        let found = judge.survives_rounding((&kept, &images.pixels(0..1)), &[0]).unwrap();
        assert_eq!(found, [survives], "{mean}");
    }
    // 20 + 80.6 rounds to 101, which is out of reach at 80.7 levels, so 100 is what is left.
    let mut judge = Judge::new(&threat(80.7 / 255.0), &mut model);
    assert_eq!(judge.survives_rounding((&[100.6 / 255.0; 16], &images.pixels(0..1)), &[0]).unwrap(), [false]);
}

#[test]
fn a_misclassified_image_is_broken_by_nothing_and_left_alone() {
    let (mut model, mut images) = easy();
    images.labels = vec![1, 1];
    let parties = Parties { images: &images, scorer: &mut model.clone(), victim: &mut model };
    let (outcome, findings) = run(parties, 0.1, &attacks(json!({ "pgd": { "steps": 3 } })), 8);
    let wrong = &findings.images[0];
    assert!(!wrong.robust && wrong.broken_by.is_none() && wrong.distance == 0.0);
    assert_eq!((wrong.clean_prediction, wrong.attacked_prediction), (0, 0));
    assert!(findings.images[1].robust);
    assert_eq!((outcome.passes, outcome.summaries[0].gradients, outcome.summaries[0].broken), (4, 3, 0));
    assert!((outcome.summaries[0].robust_accuracy - 0.5).abs() < 1e-12);
}

#[test]
fn refuted_successes_stay_standing_and_are_attacked_again() {
    let (model, images) = easy();
    // The victim takes everything for misclassified at once; the judge does not.
    let mut deluded = model.clone();
    deluded.weights.rotate_left(16);
    deluded.bias = vec![0.0, 16.0];
    let parties = Parties { images: &images, scorer: &mut model.clone(), victim: &mut deluded };
    let (outcome, findings) = run(parties, 0.1, &attacks(json!({ "pgd": { "steps": 5, "restarts": 3 } })), 8);
    assert!(findings.images.iter().all(|image| image.robust));
    // One gradient for each image and restart: the victim's own prediction ends each search, the judge's does not.
    assert_eq!((outcome.passes, deluded.gradients), (6, 6));
}

#[test]
fn the_worst_case_over_attacks_is_at_most_each_alone() {
    let model = Linear::new(6, 11);
    let images = model.images(80, 12);
    let fall = |attacks: &Attacks| {
        let parties = Parties { images: &images, scorer: &mut model.clone(), victim: &mut model.clone() };
        let (outcome, findings) = run(parties, 0.06, attacks, 512);
        (outcome, findings.images.iter().map(|image| image.robust).collect::<Vec<bool>>())
    };
    let alone = [json!({ "pgd": { "steps": 5, "step_size": 0.003 } }), json!({ "multi-targeted": { "steps": 10 } })];
    let (outcome, worst) = fall(&attacks(json!(alone)));
    for attack in &alone {
        let (_, standing) = fall(&attacks(attack.clone()));
        assert!(worst.iter().zip(&standing).all(|(worst, alone)| *alone || !worst), "{attack}");
        assert!(standing.iter().any(|robust| *robust));
    }
    // What each summary says is the state after it.
    let accuracies: Vec<f64> = outcome.summaries.iter().map(|s| s.robust_accuracy).collect();
    assert!(accuracies[0] > accuracies[1]);
    assert!((accuracies[1] - worst.iter().filter(|r| **r).count() as f64 / 80.0).abs() < 1e-12);
    let broken: usize = outcome.summaries.iter().map(|s| s.broken).sum();
    assert_eq!(broken, worst.iter().filter(|robust| !**robust).count());
}

#[test]
fn images_and_model_must_fit() {
    let (model, images) = easy();
    let refuse = |images: Split, expected: &str| {
        let parties = Parties { images: &images, scorer: &mut model.clone(), victim: &mut model.clone() };
        let failure = run_under(parties, threat(0.1), &attacks(json!({ "pgd": {} })), &setting(8)).unwrap_err();
        assert!(matches!(&failure, Failure::Input { .. }) && failure.to_string().contains(expected), "{failure}");
    };
    refuse(Split { labels: vec![0, 2], ..images.clone() }, "image 5 has label 2, but the model has 2 classes");
    refuse(Split { shape: [1, 2, 8], ..images.clone() }, "[1, 2, 8]");
    refuse(images.first(0), "the split is empty");
}

#[test]
fn a_request_to_stop_is_heard() {
    struct Stopping;
    impl Host for Stopping {
        fn progress(&self, _: Progress) {}
        fn stopped(&self) -> bool {
            true
        }
        fn provenance(&self, _: &str, _: serde_json::Value) {}
        fn log(&self, _: &str) {}
    }
    let (model, images) = easy();
    for attack in [json!({ "pgd": { "steps": 50 } }), json!({ "square": {} }), json!({ "spsa": {} }), json!({ "fab-t": {} })] {
        let mut victim = model.clone();
        let setting = planish_attack::evaluate::Setting { host: &Stopping, ..setting(8) };
        let parties = Parties { images: &images, scorer: &mut model.clone(), victim: &mut victim as &mut dyn Victim };
        let failure = run_under(parties, threat(0.1), &attacks(attack), &setting).unwrap_err();
        assert!(matches!(failure, Failure::Stopped));
        assert!(victim.gradients <= 2);
    }
}
