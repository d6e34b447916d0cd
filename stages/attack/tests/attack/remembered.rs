//! What earlier runs worked out is used again, and changes no result.

use planish_attack::Attacks;
use planish_attack::bench::Findings;
use planish_attack::evaluate::{Outcome, Setting};
use planish_contract::MemoryHost;
use planish_formats::{Norm, Split};
use serde_json::json;

use crate::linear::Linear;
use crate::trials::{Parties, attacks, run_under, within};

fn remembering<'a>(host: &'a MemoryHost, word: &str) -> Setting<'a> {
    Setting { seed: 5, together: 16, report_u8: true, host, identity: Some(vec![word.as_bytes().to_vec()]) }
}

fn evaluated(images: &Split, attacks: &Attacks, setting: &Setting<'_>) -> (Outcome, Findings) {
    let model = Linear::new(4, 8);
    let parties = Parties { images, scorer: &mut model.clone(), victim: &mut model.clone() };
    run_under(parties, within(Norm::Linf, 0.05), attacks, setting).unwrap()
}

/// The outcome without what the run itself cost.
fn result((outcome, findings): (Outcome, Findings)) -> (String, Findings) {
    (format!("{:?}", Outcome { passes: 0, ..outcome }), findings)
}

#[test]
fn an_empty_a_full_and_a_half_memo_give_the_same() {
    let images = Linear::new(4, 8).images(40, 9);
    let rows = attacks(json!([
        { "apgd-ce": { "steps": 8, "restarts": 2 } },
        { "random-targeted": { "steps": 5, "restarts": 2 } },
        { "fab-t": { "steps": 4 } },
        { "square": { "queries": 15 } },
    ]));
    let host = MemoryHost::default();
    let nothing = evaluated(&images, &rows, &Setting { identity: None, ..remembering(&host, "model") });
    assert!(host.is_empty() && nothing.0.passes > 0);
    let empty = evaluated(&images, &rows, &remembering(&host, "model"));
    assert_eq!((empty.0.passes, host.found()), (nothing.0.passes, 0));
    let full = evaluated(&images, &rows, &remembering(&host, "model"));
    assert_eq!(full.0.passes, 0);
    assert_eq!(host.found(), host.len());
    host.retain(|position| position % 2 == 0);
    let half = evaluated(&images, &rows, &remembering(&host, "model"));
    assert!(half.0.passes > 0 && half.0.passes < nothing.0.passes);
    let expected = result(nothing);
    for other in [empty, full, half] {
        assert_eq!(result(other), expected);
    }
}

#[test]
fn more_restarts_attacks_or_images_cost_what_is_new() {
    let images = Linear::new(4, 8).images(40, 9);
    let host = MemoryHost::default();
    let passes = |images: &Split, rows: serde_json::Value| evaluated(images, &attacks(rows), &remembering(&host, "model")).0.passes;
    let fresh =
        |images: &Split, rows: serde_json::Value| evaluated(images, &attacks(rows), &remembering(&MemoryHost::default(), "m")).0.passes;
    let pgd = |restarts: u32| json!({ "pgd": { "steps": 4, "restarts": restarts } });
    let (one, three) = (passes(&images.first(30), pgd(1)), passes(&images.first(30), pgd(3)));
    assert_eq!(one + three, fresh(&images.first(30), pgd(3)));
    let more = passes(&images, pgd(3));
    assert_eq!(one + three + more, fresh(&images, pgd(3)));
    // The same attack in a list, on images that an earlier attack may have felled; then another one.
    let both = json!([{ "pgd": { "steps": 4, "restarts": 3 } }, { "multi-targeted": { "steps": 3 } }]);
    let added = passes(&images, both.clone());
    assert_eq!(one + three + more + added, fresh(&images, both));
}

#[test]
fn what_changes_a_trial_is_another_trial() {
    let images = Linear::new(4, 8).images(20, 9);
    let host = MemoryHost::default();
    let rows = || attacks(json!({ "pgd": { "steps": 4 } }));
    let cost = |images: &Split, rows: &Attacks, setting: &Setting<'_>| evaluated(images, rows, setting).0.passes;
    let first = cost(&images, &rows(), &remembering(&host, "model"));
    assert_eq!(cost(&images, &rows(), &remembering(&host, "model")), 0);
    assert!(cost(&images, &rows(), &remembering(&host, "other model")) == first);
    assert!(cost(&images, &rows(), &Setting { seed: 6, ..remembering(&host, "model") }) > 0);
    assert!(cost(&images, &attacks(json!({ "pgd": { "steps": 5 } })), &remembering(&host, "model")) > 0);
    let brighter = Split { images: images.images.iter().map(|value| value.saturating_add(1)).collect(), ..images.clone() };
    assert!(cost(&brighter, &rows(), &remembering(&host, "model")) > 0);
    let renumbered = Split { ids: images.ids.iter().map(|id| id + 1).collect(), ..images.clone() };
    assert!(cost(&renumbered, &rows(), &remembering(&host, "model")) > 0);
}
