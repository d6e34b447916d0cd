//! Every attack on every model: it stays in the ball, never makes things worse for itself than its start, and reaches what is known.

use serde_json::{Value, json};

use planish_attack::ascent::HEADROOM;
use planish_attack::attack::{Attack, Case, Proposals, Round};
use planish_attack::judge::Scorer;
use planish_attack::loss::{Loss, margin};
use planish_formats::{Norm, Split};
use planish_nn::{Ball, GradientPass, Victim};

use crate::linear::Linear;
use crate::model::{Golden, Own, victim};
use crate::trials::{Parties, attacks, run};

/// Every attack with its options; a new attack is a new row.
fn rows() -> Vec<Value> {
    vec![
        json!({ "pgd": {} }),
        json!({ "pgd": { "steps": 20, "step_size": 0.003, "loss": "cross-entropy" } }),
        json!({ "pgd": { "loss": "margin", "restarts": 2 } }),
        json!({ "pgd": { "loss": "margin", "optimizer": "adam", "steps": 30 } }),
        json!({ "pgd": { "optimizer": "adam", "step_size": "0.5 eps", "start": "zero" } }),
        json!({ "multi-targeted": { "steps": 20 } }),
        json!({ "multi-targeted": { "steps": 20, "optimizer": "sign", "restarts": 2 } }),
    ]
}

/// A victim that remembers what it was first asked for: the start of the attack.
struct Watched<'a> {
    inner: &'a mut dyn Victim,
    start: Option<Vec<f32>>,
}

impl Victim for Watched<'_> {
    fn shape(&self) -> [usize; 3] {
        self.inner.shape()
    }
    fn classes(&self) -> usize {
        self.inner.classes()
    }
    fn logits(&mut self, images: &[f32]) -> Result<Vec<f32>, planish_contract::Failure> {
        self.inner.logits(images)
    }
    fn gradient(
        &mut self,
        images: &[f32],
        loss: &mut dyn FnMut(usize, &[f32], &mut [f32]) -> f32,
    ) -> Result<GradientPass, planish_contract::Failure> {
        self.start.get_or_insert_with(|| images.to_vec());
        self.inner.gradient(images, loss)
    }
}

/// Where one round of an attack started and what it proposed.
fn one_round(attack: &dyn Attack, images: &Split, inner: &mut dyn Victim, eps: f64) -> (Vec<f32>, Proposals) {
    let pixels = images.pixels(0..images.len());
    let rivals = |label: u32| (0..inner.classes() as u32).filter(|&class| class != label).collect();
    let cases: Vec<Case> = images.ids.iter().zip(&images.labels).map(|(&id, &label)| Case { id, label, rivals: rivals(label) }).collect();
    let mut watched = Watched { inner, start: None };
    let ball = Ball::new(Norm::Linf, eps);
    let mut round = Round { number: 0, seed: 1, images: &pixels, cases: &cases, ball: &ball, victim: &mut watched, spent: &mut |_| Ok(()) };
    let proposals = attack.propose(&mut round).unwrap();
    (watched.start.unwrap(), proposals)
}

/// Margins and cross-entropies of images.
fn measure(victim: &mut dyn Victim, images: &[f32], labels: &[u32]) -> Vec<(f64, f32)> {
    let classes = victim.classes();
    let logits = victim.logits(images).unwrap();
    let rows = logits.chunks(classes).zip(labels);
    rows.map(|(row, &label)| (margin(row, label), Loss::CrossEntropy.value(row, label, &mut vec![0.0; classes]))).collect()
}

fn check_progress(row: &Value, images: &Split, victim: &mut dyn Victim, eps: f64) {
    let attacks = attacks(row.clone());
    let (start, proposals) = one_round(attacks.named()[0].attack, images, victim, eps);
    let (before, after) = (measure(victim, &start, &images.labels), measure(victim, &proposals.images, &images.labels));
    for ((before, after), id) in before.iter().zip(&after).zip(&images.ids) {
        assert!(after.0 <= before.0, "{row}: image {id} went from margin {} to {}", before.0, after.0);
        assert!(after.1 >= before.1 - 1e-6, "{row}: image {id} went from loss {} to {}", before.1, after.1);
    }
    let better = before.iter().zip(&after).filter(|(before, after)| after.0 < before.0 - 1e-4).count();
    let moving = before.iter().filter(|(margin, _)| *margin > -HEADROOM).count();
    assert!(better * 10 >= moving * 9, "{row}: only {better} of {moving} images got worse");
}

fn check_ball(row: &Value, (images, eps): (&Split, f64), scorer: &mut dyn Scorer, victim: &mut dyn Victim) {
    let pixels = images.pixels(0..images.len());
    let (outcome, findings) = run(Parties { images, scorer, victim }, eps, &attacks(row.clone()), 512);
    for (kept, original) in findings.kept.iter().zip(&pixels) {
        assert!((0.0..=1.0).contains(kept) && (f64::from(*kept) - f64::from(*original)).abs() <= eps, "{row}");
    }
    let bound: u64 = outcome.summaries.iter().map(|s| s.gradients_per_image).sum();
    assert!(outcome.gradients > 0 && outcome.gradients <= bound * images.len() as u64);
    let broken = findings.images.iter().filter(|image| image.broken_by.is_some()).count();
    assert_eq!(broken, outcome.summaries[0].broken);
    assert!(broken > 0, "{row} breaks nothing");
    for image in &findings.images {
        assert!(image.attacked_margin <= image.clean_margin && image.distance <= eps);
        assert_eq!(image.robust, image.attacked_margin > 0.0);
        assert_eq!(image.robust, image.attacked_prediction == image.label);
    }
}

#[test]
fn on_a_linear_model() {
    let mut model = Linear::new(5, 1);
    let images = model.images(40, 2);
    for row in rows() {
        check_progress(&row, &images, &mut model.clone(), 0.1);
        check_ball(&row, (&images, 0.1), &mut model.clone(), &mut model);
    }
}

#[test]
fn on_a_convolutional_network() {
    let images = Golden::read().images();
    let (mut network, mut own) = (victim(64), Own(victim(64)));
    for row in rows() {
        check_progress(&row, &images, &mut network, 0.04);
        check_ball(&row, (&images, 0.04), &mut own, &mut network);
    }
}

/// Attacks that must find the exact worst case of a linear model with that many classes.
fn check_optimum(row: &Value, classes: usize) {
    let mut model = Linear::new(classes, 3);
    let images = model.images(60, 4);
    let eps = 0.08;
    let parties = Parties { images: &images, scorer: &mut model.clone(), victim: &mut model };
    let (_, findings) = run(parties, eps, &attacks(row.clone()), 512);
    let mut robust = 0;
    for (index, found) in findings.images.iter().enumerate() {
        let optimum = model.optimum(&images.pixels(index..index + 1), found.label, eps);
        assert!(found.attacked_margin >= optimum - 1e-5, "{row}: better than the optimum is impossible");
        if optimum.abs() > HEADROOM {
            assert_eq!(found.robust, optimum > 0.0, "{row}: image {} with optimum {optimum}", found.id);
        }
        if optimum > 0.0 {
            assert!(found.attacked_margin - optimum < 2e-3, "{row}: {} instead of {optimum}", found.attacked_margin);
            robust += 1;
        }
    }
    assert!(robust > 5 && robust < 55, "{robust} of 60 are robust: the test says little");
}

#[test]
fn the_optimum_of_a_linear_model_is_reached() {
    for classes in [2, 6] {
        check_optimum(&json!({ "multi-targeted": { "steps": 20, "optimizer": "sign" } }), classes);
        check_optimum(&json!({ "multi-targeted": { "steps": 60 } }), classes);
    }
    for loss in ["cross-entropy", "margin"] {
        check_optimum(&json!({ "pgd": { "loss": loss, "steps": 20 } }), 2);
        check_optimum(&json!({ "pgd": { "loss": loss, "steps": 60, "optimizer": "adam", "restarts": 2 } }), 2);
    }
}

#[test]
fn multi_targeted_spends_what_it_says() {
    let attacks = attacks(json!({ "multi-targeted": { "steps": 7, "restarts": 3 } }));
    let attack = attacks.named()[0].attack;
    assert_eq!((attack.rounds(10), attack.gradients(10)), (27, 189));
    assert_eq!((attack.restart(8, 10), attack.restart(9, 10), attack.restart(26, 10)), (0, 1, 2));
}
