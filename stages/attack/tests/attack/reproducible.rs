//! The result for an image depends on that image and the seed alone: not on the batch, the order, or the images beside it.

use planish_attack::Attacks;
use planish_attack::bench::Findings;
use planish_formats::{Norm, Split};
use serde_json::json;

use crate::linear::Linear;
use crate::model::{Golden, Own, victim};
use crate::trials::{Parties, attacks, run, run_under, setting, within};

/// Every attack; a new attack is a new row.
fn all() -> Vec<Attacks> {
    let rows = [
        json!([{ "pgd": { "steps": 7, "loss": "margin", "restarts": 2 } }, { "multi-targeted": { "steps": 4 } }]),
        json!({ "pgd": { "steps": 5, "loss": "dlr", "optimizer": "adam" } }),
        json!({ "random-targeted": { "steps": 6, "restarts": 2 } }),
        json!({ "apgd-ce": { "steps": 12, "restarts": 2 } }),
        json!({ "apgd-dlr": { "steps": 12 } }),
        json!({ "apgd-t": { "steps": 10 } }),
        json!({ "fab": { "steps": 5, "restarts": 2 } }),
        json!({ "fab-t": { "steps": 6, "restarts": 2 } }),
        json!({ "square": { "queries": 40, "restarts": 2 } }),
        json!({ "deepfool": { "steps": 6 } }),
        json!({ "spsa": { "steps": 4, "samples": 8, "restarts": 2 } }),
        json!({ "nes": { "steps": 4, "samples": 6, "restarts": 2 } }),
    ];
    rows.into_iter().map(attacks).collect()
}

/// The same images in another order.
fn permuted(images: &Split, order: &[usize]) -> Split {
    let pick = |values: &[u32]| order.iter().map(|&index| values[index]).collect();
    let pixels = order.iter().flat_map(|&index| images.image(index).to_vec()).collect();
    Split { shape: images.shape, images: pixels, labels: pick(&images.labels), ids: pick(&images.ids) }
}

fn on_linear(images: &Split, attacks: &Attacks, (norm, together): (Norm, usize)) -> Findings {
    let model = Linear::new(4, 8);
    let eps = match norm {
        Norm::Linf => 0.07,
        Norm::L2 => 0.25,
        Norm::L1 => 0.8,
    };
    let parties = Parties { images, scorer: &mut model.clone(), victim: &mut model.clone() };
    run_under(parties, within(norm, eps), attacks, &setting(together)).unwrap().1
}

/// The norms that every attack of the list is defined for.
fn norms(attacks: &Attacks) -> impl Iterator<Item = Norm> {
    Norm::ALL.into_iter().filter(|norm| attacks.validate(*norm).is_ok())
}

#[test]
fn grouping_changes_nothing() {
    let images = Linear::new(4, 8).images(40, 9);
    for attacks in all() {
        for norm in norms(&attacks) {
            let whole = on_linear(&images, &attacks, (norm, 512));
            for together in [1, 7] {
                assert_eq!(on_linear(&images, &attacks, (norm, together)), whole, "{attacks:?} in {norm}, {together} together");
            }
        }
    }
}

#[test]
fn order_and_company_change_nothing() {
    let images = Linear::new(4, 8).images(40, 9);
    let order: Vec<usize> = (0..40).rev().step_by(3).collect();
    let shuffled = permuted(&images, &order);
    for attacks in all() {
        for norm in norms(&attacks) {
            let whole = on_linear(&images, &attacks, (norm, 512));
            let part = on_linear(&shuffled, &attacks, (norm, 512));
            for (place, &index) in order.iter().enumerate() {
                assert_eq!(part.images[place], whole.images[index], "{attacks:?} in {norm}");
                assert_eq!(part.kept[place * 16..(place + 1) * 16], whole.kept[index * 16..(index + 1) * 16]);
            }
        }
    }
}

#[test]
fn batches_of_a_network_change_nothing() {
    let images = Golden::read().images();
    for attacks in all() {
        let on_network = |batch: usize, together: usize| {
            run(Parties { images: &images, scorer: &mut Own(victim(64)), victim: &mut victim(batch) }, 0.04, &attacks, together).1
        };
        let whole = on_network(64, 512);
        for (batch, together) in [(1, 512), (7, 5)] {
            assert_eq!(on_network(batch, together), whole, "{attacks:?}: batch {batch}, {together} together");
        }
    }
}
