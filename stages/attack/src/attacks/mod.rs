//! The attacks, one file each.

mod apgd_ce;
mod apgd_dlr;
mod apgd_t;
mod autoattack;
mod deepfool;
mod fab;
mod fab_t;
mod multi_targeted;
mod nes;
mod pgd;
mod random_targeted;
mod spsa;
mod square;

planish_contract::family! {
    /// An attack.
    pub enum AnyAttack: dyn crate::attack::Attack {
        pgd::Pgd,
        multi_targeted::MultiTargeted,
        random_targeted::RandomTargeted,
        apgd_ce::ApgdCe,
        apgd_dlr::ApgdDlr,
        apgd_t::ApgdT,
        fab::Fab,
        fab_t::FabT,
        square::Square,
        autoattack::Autoattack,
        deepfool::Deepfool,
        spsa::Spsa,
        nes::Nes,
    }
}
