//! PGD against an independent implementation in `PyTorch` (`tests/golden/attack_pgd.py`).

use serde_json::json;

use planish_attack::loss::Loss;
use planish_nn::Victim;

use crate::model::{CLASSES, EPS, Golden, Own, victim};
use crate::trials::{Parties, attacks, run};

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
