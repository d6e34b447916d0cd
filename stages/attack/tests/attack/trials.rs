//! Running attacks in tests.

use planish_attack::Attacks;
use planish_attack::bench::Findings;
use planish_attack::evaluate::{Outcome, Setting, evaluate};
use planish_attack::judge::{Judge, Scorer};
use planish_contract::{Failure, Fraction, SilentHost};
use planish_formats::{Norm, Split, Threat};
use planish_nn::Victim;

/// L∞ with radius `eps`.
pub(crate) fn threat(eps: f64) -> Threat {
    within(Norm::Linf, eps)
}

/// A threat model.
pub(crate) fn within(norm: Norm, eps: f64) -> Threat {
    Threat { norm, eps: Fraction(eps) }
}

/// Attacks as a user writes them.
pub(crate) fn attacks(value: serde_json::Value) -> Attacks {
    let attacks: Attacks = serde_json::from_value(value).unwrap();
    attacks.validate(Norm::Linf).unwrap();
    attacks
}

/// Who takes part.
pub(crate) struct Parties<'a> {
    pub(crate) images: &'a Split,
    pub(crate) scorer: &'a mut dyn Scorer,
    pub(crate) victim: &'a mut dyn Victim,
}

/// Seed 5, nobody to tell, nothing remembered.
pub(crate) fn setting(together: usize) -> Setting<'static> {
    Setting { seed: 5, together, report_u8: false, host: &SilentHost, identity: None }
}

/// Appends what was found of one part.
pub(crate) fn collect(all: &mut Findings, part: Findings) {
    all.images.extend(part.images);
    all.kept.extend(part.kept);
    all.nearest.extend(part.nearest);
    all.targeted.extend(part.targeted);
}

/// A whole evaluation with that setting.
pub(crate) fn run_under(
    parties: Parties<'_>,
    threat: Threat,
    attacks: &Attacks,
    setting: &Setting<'_>,
) -> Result<(Outcome, Findings), Failure> {
    let Parties { images, scorer, victim } = parties;
    let mut judge = Judge::new(&threat, scorer);
    let mut findings = Findings::default();
    let named = attacks.named(threat.norm);
    let outcome = evaluate(&mut judge, victim, (&named, images), setting, &mut |part| {
        collect(&mut findings, part);
        Ok(())
    })?;
    Ok((outcome, findings))
}

/// A whole evaluation in L∞ with seed 5.
pub(crate) fn run(parties: Parties<'_>, eps: f64, attacks: &Attacks, together: usize) -> (Outcome, Findings) {
    run_under(parties, threat(eps), attacks, &setting(together)).unwrap()
}
