//! The checks that the graph of the judged model decides, however few images there are.

use planish_formats::{MaskingCheck, Verdict};
use planish_onnx::GraphFacts;
use planish_onnx::inspect::NoteKind;

/// All of them, in the order of the report.
pub(super) fn checks(facts: &GraphFacts) -> Vec<MaskingCheck> {
    vec![
        noted(facts, "random-operators", (NoteKind::Random, "no operator draws random numbers")),
        noted(facts, "softmax-output", (NoteKind::Softmax, "the last operator is no softmax")),
        ended_gradients(facts),
    ]
}

/// Fails where the inspection found something of the kind.
fn noted(facts: &GraphFacts, name: &str, (kind, otherwise): (NoteKind, &str)) -> MaskingCheck {
    let note = facts.notes.iter().find(|note| note.kind == kind);
    decided(name, usize::from(note.is_some()), note.map_or_else(|| otherwise.to_owned(), ToString::to_string))
}

/// Rounding, choices of an index and their like on the way from the images to the logits: what they do is in the logits and not in the
/// gradient.
fn ended_gradients(facts: &GraphFacts) -> MaskingCheck {
    const NAME: &str = "ended-gradients";
    match &facts.gradients {
        Ok(masking) if masking.is_none() => decided(NAME, 0, "no path from the images to the logits ends gradients".to_owned()),
        Ok(masking) => decided(NAME, masking.nodes.len().max(1), masking.to_string()),
        Err(refusal) => {
            MaskingCheck { name: NAME.to_owned(), verdict: Verdict::Undecided, value: 0.0, bound: 0.0, finding: refusal.to_string() }
        }
    }
}

/// A check that fails when `count` is above 0.
fn decided(name: &str, count: usize, finding: String) -> MaskingCheck {
    let verdict = if count > 0 { Verdict::Failed } else { Verdict::Passed };
    MaskingCheck { name: name.to_owned(), verdict, value: count as f64, bound: 0.0, finding }
}
