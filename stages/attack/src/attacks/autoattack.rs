//! `AutoAttack`.

use planish_contract::{Failure, Invalid};
use planish_formats::Norm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AnyAttack, ApgdCe, ApgdDlr, ApgdT, Fab, FabT, Square};
use crate::attack::{Attack, Cost, Goal, Proposals, Round};

/// `AutoAttack`: a fixed set of attacks without parameters to tune, each on the images that the ones before it left standing (Croce and
/// Hein, arXiv 2003.01690; L1: arXiv 2103.01208; `autoattack.py` of fra31/auto-attack). Evidence names the attack of the set.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Autoattack {
    /// Which set.
    pub version: Version,
}

/// A set of attacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Version {
    /// APGD-CE, APGD-T, FAB-T, Square: what leaderboards report.
    #[default]
    Standard,
    /// The same and APGD-DLR and FAB, with five restarts of APGD-CE, APGD-DLR and FAB.
    Plus,
}

impl Attack for Autoattack {
    fn goal(&self) -> Goal {
        Goal::Untargeted
    }

    fn restarts(&self) -> u32 {
        0
    }

    fn rounds(&self, _: usize) -> u32 {
        0
    }

    fn cost(&self, _: usize) -> Cost {
        Cost::default()
    }

    fn validate(&self) -> Result<(), Invalid> {
        Ok(())
    }

    fn components(&self, norm: Norm) -> Vec<AnyAttack> {
        let square = AnyAttack::Square(Square::default());
        let fab_t = AnyAttack::FabT(FabT::default());
        match self.version {
            Version::Standard => {
                // In L1 the official code restarts APGD-CE five times and aims at five classes.
                let (restarts, targets) = if norm == Norm::L1 { (5, 5) } else { (1, 9) };
                let apgd_ce = AnyAttack::ApgdCe(ApgdCe { restarts, ..ApgdCe::default() });
                let apgd_t = AnyAttack::ApgdT(ApgdT { targets, ..ApgdT::default() });
                vec![apgd_ce, apgd_t, fab_t, square]
            }
            Version::Plus => {
                let apgd_ce = AnyAttack::ApgdCe(ApgdCe { restarts: 5, ..ApgdCe::default() });
                let apgd_dlr = AnyAttack::ApgdDlr(ApgdDlr { restarts: 5, ..ApgdDlr::default() });
                let fab = AnyAttack::Fab(Fab { restarts: 5, ..Fab::default() });
                vec![apgd_ce, apgd_dlr, fab, square, AnyAttack::ApgdT(ApgdT::default()), fab_t]
            }
        }
    }

    fn propose(&self, _: &mut Round<'_>) -> Result<Proposals, Failure> {
        Err(Failure::internal("a composition of attacks is run part by part"))
    }
}
