//! The judge believes nothing but the model.

use planish_attack::attack::{Attack, Goal, Proposals, Round};
use planish_attack::evaluate::{Setting, evaluate};
use planish_attack::judge::{Findings, Judge, Proposer};
use planish_attack::{Attacks, Named};
use planish_contract::{Failure, Host, Invalid, Progress, SilentHost};
use planish_formats::Split;
use planish_nn::Victim;
use serde_json::json;

use crate::linear::Linear;
use crate::trials::{Parties, attacks, run, threat};

/// An attack that cheats: it proposes what it was made with.
#[derive(Debug)]
struct Liar(fn(&Round<'_>) -> Proposals);

impl Attack for Liar {
    fn goal(&self) -> Goal {
        Goal::Untargeted
    }
    fn rounds(&self, _: usize) -> u32 {
        1
    }
    fn restart(&self, round: u32, _: usize) -> u32 {
        round
    }
    fn gradients(&self, _: usize) -> u64 {
        0
    }
    fn validate(&self) -> Result<(), Invalid> {
        Ok(())
    }
    fn propose(&self, round: &mut Round<'_>) -> Result<Proposals, Failure> {
        Ok((self.0)(round))
    }
}

/// Two well separated classes: dark and bright images; nothing within 0.1 changes the class.
fn easy() -> (Linear, Split) {
    let mut model = Linear::new(2, 0);
    model.weights = [vec![-1.0; 16], vec![1.0; 16]].concat();
    model.bias = vec![16.0, 0.0];
    let images = [vec![20_u8; 16], vec![230; 16]].concat();
    (model, Split { shape: [1, 4, 4], images: images.into(), labels: vec![0, 1], ids: vec![3, 5] })
}

fn judged(liar: &Liar) -> Result<Findings, Failure> {
    let (model, images) = easy();
    let mut scorer = model.clone();
    let mut judge = Judge::open(&images, &threat(0.1), &mut scorer)?;
    let named = Named { name: "liar".into(), parameters: json!({}), attack: liar };
    evaluate(&mut judge, &mut model.clone(), &[named], &Setting { seed: 0, together: 8, host: &SilentHost })?;
    Ok(judge.close())
}

#[test]
fn candidates_outside_the_ball_are_brought_back() {
    // Each image's negative would be misclassified with certainty.
    let negative =
        |round: &Round<'_>| Proposals { images: round.images.iter().map(|x| 1.0 - x).collect(), steps: vec![9; round.cases.len()] };
    let findings = judged(&Liar(negative)).unwrap();
    assert!(findings.images.iter().all(|image| image.robust && image.broken_by.is_none()));
    assert!(
        findings.images.iter().all(|image| image.attacked_margin < image.clean_margin && image.distance <= 0.1 && image.distance > 0.09)
    );
    let far = |round: &Round<'_>| Proposals { images: vec![1e30; round.images.len()], steps: vec![0; round.cases.len()] };
    assert!(judged(&Liar(far)).unwrap().kept.iter().all(|x| (0.0..=1.0).contains(x)));
}

#[test]
fn what_is_no_image_is_an_error() {
    let nan = |round: &Round<'_>| Proposals { images: vec![f32::NAN; round.images.len()], steps: vec![0; round.cases.len()] };
    let short = |round: &Round<'_>| Proposals { images: round.images.iter().copied().skip(1).collect(), steps: vec![0; round.cases.len()] };
    let unnumbered = |round: &Round<'_>| Proposals { images: round.images.to_vec(), steps: vec![] };
    for (liar, expected) in [(Liar(nan), "not a finite number"), (Liar(short), "something else"), (Liar(unnumbered), "something else")] {
        let failure = judged(&liar).unwrap_err();
        assert!(matches!(&failure, Failure::Internal(message) if message.contains(expected) && message.contains("liar")), "{failure}");
    }
}

#[test]
fn the_worst_candidate_is_kept() {
    let (model, images) = easy();
    let mut scorer = model.clone();
    let mut judge = Judge::open(&images, &threat(0.1), &mut scorer).unwrap();
    let clean = judge.originals(&[0, 1]);
    let by = Proposer { attack: "hand", restart: 2 };
    let toward =
        |share: f32| Proposals { images: clean.iter().map(|x| x + share * if *x < 0.5 { 0.1 } else { -0.1 }).collect(), steps: vec![4, 4] };
    for share in [0.2, 0.8, 0.5] {
        assert_eq!(judge.hear(&[0, 1], toward(share), by).unwrap(), 0);
    }
    assert_eq!(judge.standing(), [0, 1]);
    let findings = judge.close();
    for image in &findings.images {
        assert!((image.distance - 0.08).abs() < 1e-6, "{}", image.distance);
    }
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
    assert_eq!((outcome.gradients, outcome.summaries[0].broken), (3, 0));
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
    assert_eq!((outcome.gradients, deluded.gradients), (6, 6));
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
        let mut scorer = model.clone();
        let failure = Judge::open(&images, &threat(0.1), &mut scorer).err().unwrap();
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
    let (mut scorer, mut victim) = (model.clone(), model);
    let mut judge = Judge::open(&images, &threat(0.1), &mut scorer).unwrap();
    let pgd = attacks(json!({ "pgd": { "steps": 50 } }));
    let setting = Setting { seed: 0, together: 8, host: &Stopping };
    let failure = evaluate(&mut judge, &mut victim as &mut dyn Victim, &pgd.named(), &setting).unwrap_err();
    assert!(matches!(failure, Failure::Stopped));
    assert_eq!(victim.gradients, 2);
}
