//! The objectives, one file each.

mod adv;
mod llr;
mod nominal;
mod trades;

planish_contract::family! {
    /// What training minimises: `objective.NAME = { … }`.
    pub enum AnyObjective: dyn crate::objective::Objective {
        nominal::Nominal,
        adv::Adv,
        trades::Trades,
        llr::Llr,
    }
}
