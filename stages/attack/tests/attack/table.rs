//! Every attack on every model: it stays in the ball, never makes things worse for itself than its start, and reaches what is known.

use serde_json::{Value, json};

use planish_attack::attack::{Attack, Case, Proposals, Round};
use planish_attack::judge::{Scorer, rivals};
use planish_attack::loss::{Loss, margin};
use planish_attack::search::HEADROOM;
use planish_formats::{Norm, Split};
use planish_nn::{Ball, GradientPass, Victim};

use crate::linear::Linear;
use crate::model::{Golden, Own, victim};
use crate::trials::{Parties, attacks, run, run_under, setting, within};

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
        json!({ "apgd-ce": { "steps": 30 } }),
        json!({ "apgd-dlr": { "steps": 30, "restarts": 2 } }),
        json!({ "apgd-t": { "steps": 20 } }),
        json!({ "square": { "queries": 200 } }),
        json!({ "spsa": { "steps": 20, "samples": 32 } }),
        json!({ "nes": { "steps": 20, "samples": 32 } }),
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
        self.start.get_or_insert_with(|| images.to_vec());
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
    let logits = inner.logits(&pixels).unwrap();
    let known = images.ids.iter().zip(&images.labels).zip(logits.chunks(inner.classes()));
    let cases: Vec<Case> = known.map(|((&id, &label), row)| Case { id, label, rivals: rivals(row, label), target: None }).collect();
    let mut watched = Watched { inner, start: None };
    let ball = Ball::new(Norm::Linf, eps);
    let mut round =
        Round { restart: 0, number: 0, seed: 1, images: &pixels, cases: &cases, ball: &ball, victim: &mut watched, spent: &mut |_| Ok(()) };
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
    let (start, proposals) = one_round(&*attacks.named(Norm::Linf)[0].attack, images, victim, eps);
    let (before, after) = (measure(victim, &start, &images.labels), measure(victim, &proposals.images, &images.labels));
    for ((before, after), id) in before.iter().zip(&after).zip(&images.ids) {
        assert!(after.0 <= before.0, "{row}: image {id} went from margin {} to {}", before.0, after.0);
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
    let bound: u64 = outcome.summaries.iter().map(|s| s.gradients_per_image + s.queries_per_image).sum();
    assert!(outcome.passes > 0 && outcome.passes <= bound * images.len() as u64);
    assert_eq!(outcome.passes, findings.images.iter().map(|image| image.gradients + image.queries).sum::<u64>());
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
    check_optimum(&json!({ "apgd-ce": { "steps": 40 } }), 2);
    check_optimum(&json!([{ "apgd-t": { "steps": 60 } }, { "multi-targeted": { "steps": 20, "optimizer": "sign" } }]), 6);
    for loss in ["cross-entropy", "margin"] {
        check_optimum(&json!({ "pgd": { "loss": loss, "steps": 20 } }), 2);
        check_optimum(&json!({ "pgd": { "loss": loss, "steps": 60, "optimizer": "adam", "restarts": 2 } }), 2);
    }
}

/// Radii at which some images of the linear model fall and some stand.
fn radius(norm: Norm) -> f64 {
    match norm {
        Norm::Linf => 0.06,
        Norm::L2 => 0.2,
        Norm::L1 => 0.5,
    }
}

/// Attacks within the ball find what is to be found, in every norm: an image falls if and only if its boundary lies within the radius.
#[test]
fn images_of_a_linear_model_fall_where_they_can() {
    let model = Linear::new(5, 3);
    let images = model.images(60, 4);
    let rows = [
        json!({ "multi-targeted": { "steps": 150, "optimizer": "sign" } }),
        json!({ "apgd-t": {} }),
        json!([{ "apgd-ce": {} }, { "apgd-dlr": {} }, { "apgd-t": {} }]),
        json!({ "fab-t": {} }),
        json!({ "autoattack": {} }),
    ];
    for row in rows {
        // Of so few pixels sparse steps choose badly; the projections of FAB do not.
        let weak = row.get("fab-t").is_none() && row.get("autoattack").is_none();
        for norm in Norm::ALL {
            let parties = Parties { images: &images, scorer: &mut model.clone(), victim: &mut model.clone() };
            let (_, findings) = run_under(parties, within(norm, radius(norm)), &attacks(row.clone()), &setting(512)).unwrap();
            let mut fallen = 0;
            for (index, found) in findings.images.iter().enumerate() {
                let distance = model.nearest(&images.pixels(index..index + 1), found.label, norm) / radius(norm);
                assert!(found.robust || distance < 1.0 + 1e-5, "{row} in {norm}: image {} fell at {distance}", found.id);
                assert!(
                    !found.robust || distance > if weak && norm == Norm::L1 { 0.8 } else { 0.97 },
                    "{row} in {norm}: image {} stands at {distance}",
                    found.id
                );
                fallen += usize::from(!found.robust);
            }
            assert!(fallen > 5 && fallen < 55, "{norm}: {fallen} of 60 fell: the test says little");
        }
    }
}

/// Attacks that minimise the norm find the distance of a linear model's boundary, which is known.
#[test]
fn the_distance_of_a_linear_boundary_is_found() {
    let model = Linear::new(4, 3);
    let images = model.images(50, 4);
    for (row, most) in [(json!({ "fab": {} }), 1.01), (json!({ "fab-t": {} }), 1.01), (json!({ "deepfool": {} }), 1.05)] {
        let attacks = attacks(row.clone());
        for norm in Norm::ALL.into_iter().filter(|norm| attacks.validate(*norm).is_ok()) {
            let parties = Parties { images: &images, scorer: &mut model.clone(), victim: &mut model.clone() };
            // A radius that nothing lies in, so that nothing is spared.
            let (outcome, findings) = run_under(parties, within(norm, 1e-5), &attacks, &setting(512)).unwrap();
            let (mut exact, mut ratios) = (Vec::new(), Vec::new());
            for (index, found) in findings.images.iter().enumerate() {
                let distance = model.nearest(&images.pixels(index..index + 1), found.label, norm);
                let nearest = found.nearest.as_ref().map_or(f64::INFINITY, |nearest| nearest.distance);
                assert!(nearest >= distance - 1e-6, "{row} in {norm}: {nearest} is nearer than {distance}");
                let image = &findings.nearest[index * 16..(index + 1) * 16];
                assert!((Ball::new(norm, 1.0).distance(image, &images.pixels(index..index + 1)) - nearest).abs() < 1e-9);
                exact.push(nearest);
                ratios.push(nearest / distance);
            }
            // DeepFool and FAB choose the nearest boundary without a thought of the box; where it matters they may choose the wrong one.
            ratios.sort_by(f64::total_cmp);
            let judged = if row.get("fab-t").is_some() { ratios[49] } else { ratios[25] };
            assert!(judged < most, "{row} in {norm}: {judged}");
            assert_eq!(outcome.summaries[0].median_distance, planish_formats::median(exact));
            assert!(findings.images.iter().all(|image| image.robust && image.distance == 0.0));
        }
    }
}

#[test]
fn targets_are_reached_where_they_can_be() {
    let model = Linear::new(4, 3);
    let images = model.images(60, 4);
    for loss in ["logit-difference", "cross-entropy", "dlr"] {
        let row = json!({ "random-targeted": { "steps": 60, "restarts": 2, "loss": loss } });
        let success = |eps: f64| {
            let parties = Parties { images: &images, scorer: &mut model.clone(), victim: &mut model.clone() };
            let (outcome, findings) = run(parties, eps, &attacks(row.clone()), 512);
            let reached = findings.images.iter().filter(|image| image.targeted.as_ref().unwrap().reached).count();
            assert!((outcome.summaries[0].targeted_success.unwrap() - reached as f64 / 60.0).abs() < 1e-12);
            for (index, image) in findings.images.iter().enumerate() {
                let (targeted, kept) = (image.targeted.as_ref().unwrap(), &findings.targeted[index * 16..(index + 1) * 16]);
                let logits = Scorer::logits(&mut model.clone(), kept).unwrap();
                let predicted = (0..).zip(&logits).max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
                assert!(targeted.target != image.label && targeted.reached == (predicted == targeted.target));
            }
            reached
        };
        let (near, far) = (success(0.05), success(0.8));
        assert!(near < 30 && far > 45, "{loss}: {near} {far}");
    }
}

#[test]
fn attacks_spend_what_they_say() {
    let cost = |row: Value, classes: usize| {
        let named = attacks(row).named(Norm::Linf);
        named.iter().map(|n| n.attack.cost(classes).times(u64::from(n.attack.restarts())).gradients).collect::<Vec<_>>()
    };
    assert_eq!(cost(json!({ "multi-targeted": { "steps": 7, "restarts": 3 } }), 10), [189]);
    assert_eq!(cost(json!({ "autoattack": {} }), 10), [100, 900, 900, 0]);
    assert_eq!(cost(json!({ "autoattack": { "version": "plus" } }), 10), [500, 500, 4500, 0, 900, 900]);
    let names: Vec<String> = attacks(json!({ "autoattack": {} })).named(Norm::Linf).into_iter().map(|n| n.name).collect();
    assert_eq!(names, ["apgd-ce", "apgd-t", "fab-t", "square"]);
}
