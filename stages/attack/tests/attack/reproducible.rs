//! The result for an image depends on that image and the seed alone: not on the batch, the order, or the images beside it.

use planish_attack::judge::Findings;
use planish_formats::Split;
use serde_json::json;

use crate::linear::Linear;
use crate::model::{Golden, Own, victim};
use crate::trials::{Parties, attacks, run};

fn both() -> planish_attack::Attacks {
    attacks(json!([
        { "pgd": { "steps": 7, "loss": "margin", "restarts": 2 } },
        { "multi-targeted": { "steps": 4 } },
    ]))
}

/// The same images in another order.
fn permuted(images: &Split, order: &[usize]) -> Split {
    let pick = |values: &[u32]| order.iter().map(|&index| values[index]).collect();
    let pixels = order.iter().flat_map(|&index| images.image(index).to_vec()).collect();
    Split { shape: images.shape, images: pixels, labels: pick(&images.labels), ids: pick(&images.ids) }
}

fn on_linear(images: &Split, together: usize) -> Findings {
    let model = Linear::new(4, 8);
    run(Parties { images, scorer: &mut model.clone(), victim: &mut model.clone() }, 0.07, &both(), together).1
}

#[test]
fn grouping_changes_nothing() {
    let images = Linear::new(4, 8).images(70, 9);
    let whole = on_linear(&images, 512);
    assert!(whole.images.iter().any(|i| i.robust) && whole.images.iter().any(|i| i.broken_by.is_some()));
    for together in [1, 7, 64] {
        assert_eq!(on_linear(&images, together), whole, "{together} together");
    }
}

#[test]
fn order_and_company_change_nothing() {
    let images = Linear::new(4, 8).images(70, 9);
    let whole = on_linear(&images, 512);
    let order: Vec<usize> = (0..70).rev().step_by(2).collect();
    let part = on_linear(&permuted(&images, &order), 512);
    for (place, &index) in order.iter().enumerate() {
        assert_eq!(part.images[place], whole.images[index]);
        assert_eq!(part.kept[place * 16..(place + 1) * 16], whole.kept[index * 16..(index + 1) * 16]);
    }
}

#[test]
fn batches_of_a_network_change_nothing() {
    let images = Golden::read().images();
    let on_network = |batch: usize, together: usize| {
        run(Parties { images: &images, scorer: &mut Own(victim(64)), victim: &mut victim(batch) }, 0.04, &both(), together).1
    };
    let whole = on_network(64, 512);
    assert!(whole.images.iter().any(|i| i.robust) && whole.images.iter().any(|i| i.broken_by.is_some()));
    for (batch, together) in [(1, 512), (7, 512), (64, 5)] {
        assert_eq!(on_network(batch, together), whole, "batch {batch}, {together} together");
    }
}
