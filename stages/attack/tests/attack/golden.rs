//! PGD against an independent implementation in `PyTorch` (`tests/golden/attack_pgd.py`); APGD and FAB against the official code of
//! `AutoAttack` (`tests/golden/attack_autoattack.py`).

use serde_json::json;

use planish_attack::loss::Loss;
use planish_formats::Norm;
use planish_nn::Victim;

use crate::model::{CLASSES, EPS, Golden, Own, victim};
use crate::trials::{Parties, attacks, run, run_under, setting, within};

#[test]
fn pgd_finds_what_pytorch_finds() {
    let golden = Golden::read();
    let images = golden.images();
    let mut network = victim(100);
    let clean = network.logits(&images.pixels(0..images.len())).unwrap();
    let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart(&clean, golden.floats("clean_logits")) < 1e-4);

    let pgd = attacks(json!({ "pgd": { "steps": 20, "step_size": 0.01, "loss": "cross-entropy", "start": "zero" } }));
    let parties = Parties { images: &images, scorer: &mut Own(victim(100)), victim: &mut network };
    let (outcome, findings) = run(parties, EPS, &pgd, 512);
    let logits = network.logits(&findings.kept).unwrap();
    let losses: Vec<f32> =
        logits.chunks(CLASSES).zip(&images.labels).map(|(row, &label)| Loss::CrossEntropy.value(row, label, &mut [0.0; CLASSES])).collect();
    assert!(apart(&losses, golden.floats("attacked_loss")) < 1e-4, "{losses:?}");
    assert!(apart(&logits, golden.floats("attacked_logits")) < 5e-4);
    let steps = golden.integers("steps");
    let mut robust = 0;
    for ((found, expected), &step) in findings.images.iter().zip(golden.floats("attacked_logits").chunks(CLASSES)).zip(&steps) {
        let rival = (0..).zip(expected).filter(|&(class, _)| class != found.label).map(|(_, &z)| z).fold(f32::MIN, f32::max);
        assert_eq!(found.robust, expected[found.label as usize] > rival, "image {}", found.id);
        if let Some(broken) = &found.broken_by {
            assert_eq!((broken.restart, broken.step), (0, step), "image {}", found.id);
        }
        robust += usize::from(found.robust);
    }
    assert_eq!((outcome.summaries[0].broken, robust), (36, 12));
}

/// Evaluates on the golden network under `norm` and `eps`.
fn evaluated(attack: serde_json::Value, norm: Norm, eps: f64) -> planish_attack::bench::Findings {
    let images = Golden::read().images();
    let parties = Parties { images: &images, scorer: &mut Own(victim(100)), victim: &mut victim(100) };
    run_under(parties, within(norm, eps), &attacks(attack), &setting(512)).unwrap().1
}

/// Signs and checkpoints turn rounding into whole steps, so single images may end elsewhere; `agree` of them must not.
fn check_agreement(found: &[f64], expected: &[f32], agree: usize, what: &str) {
    let near = |(a, b): (&f64, &f32)| (a - f64::from(*b)).abs() <= 2e-3 * f64::from(b.abs()).max(0.1);
    let count = found.iter().zip(expected).filter(|pair| near(*pair)).count();
    assert!(count >= agree, "{what}: {count} of {} agree: {found:?} {expected:?}", found.len());
}

#[test]
fn apgd_finds_what_the_official_code_finds() {
    let golden = Golden::open("attack_autoattack");
    for (norm, eps) in [(Norm::Linf, 0.02), (Norm::L2, 0.1), (Norm::L1, 0.5)] {
        let expected = golden.floats(&format!("apgd_{norm}"));
        let findings = evaluated(json!({ "apgd-ce": { "steps": 30, "start": "zero" } }), norm, eps);
        let margins: Vec<f64> = findings.images.iter().map(|image| image.attacked_margin).collect();
        // The official code goes on where an image is broken; ours stops there.
        let broken = |margin: f64| margin <= 0.0;
        assert!(margins.iter().zip(expected).all(|(a, b)| broken(*a) == broken(f64::from(*b))), "{norm}");
        let standing: Vec<(f64, f32)> = margins.iter().copied().zip(expected.iter().copied()).filter(|(a, _)| !broken(*a)).collect();
        let (found, expected): (Vec<f64>, Vec<f32>) = standing.into_iter().unzip();
        assert!(found.len() > 30);
        // In L1 which pixels a step moves hangs on rounding as well.
        let tenths = if norm == Norm::L1 { 7 } else { 9 };
        check_agreement(&found, &expected, found.len() * tenths / 10, &format!("APGD in {norm}"));
    }
}

#[test]
fn fab_finds_what_the_official_code_finds() {
    let golden = Golden::open("attack_autoattack");
    for norm in Norm::ALL {
        for (name, attack) in [("fab", json!({ "fab": { "steps": 20 } })), ("fab_t", json!({ "fab-t": { "steps": 20 } }))] {
            // A radius that nothing lies in, so that no class is spared.
            let findings = evaluated(attack, norm, 1e-6);
            let distances: Vec<f64> = findings.images.iter().map(|i| i.nearest.as_ref().map_or(f64::INFINITY, |n| n.distance)).collect();
            check_agreement(&distances, golden.floats(&format!("{name}_{norm}")), 46, &format!("{name} in {norm}"));
        }
    }
}
