//! Running attacks in tests.

use planish_attack::Attacks;
use planish_attack::evaluate::{Outcome, Setting, evaluate};
use planish_attack::judge::{Findings, Judge, Scorer};
use planish_contract::{Fraction, SilentHost};
use planish_formats::{Norm, Split, Threat};
use planish_nn::Victim;

/// L∞ with radius `eps`.
pub(crate) fn threat(eps: f64) -> Threat {
    Threat { norm: Norm::Linf, eps: Fraction(eps) }
}

/// Attacks as a user writes them.
pub(crate) fn attacks(value: serde_json::Value) -> Attacks {
    let attacks: Attacks = serde_json::from_value(value).unwrap();
    attacks.validate().unwrap();
    attacks
}

/// Who takes part.
pub(crate) struct Parties<'a> {
    pub(crate) images: &'a Split,
    pub(crate) scorer: &'a mut dyn Scorer,
    pub(crate) victim: &'a mut dyn Victim,
}

/// A whole evaluation with seed 5.
pub(crate) fn run(parties: Parties<'_>, eps: f64, attacks: &Attacks, together: usize) -> (Outcome, Findings) {
    let Parties { images, scorer, victim } = parties;
    let mut judge = Judge::open(images, &threat(eps), scorer).unwrap();
    let setting = Setting { seed: 5, together, host: &SilentHost };
    let outcome = evaluate(&mut judge, victim, &attacks.named(), &setting).unwrap();
    (outcome, judge.close())
}
