//! The objectives, one file each.

mod adv;
mod cure;
mod grad_align;
pub mod llr;
mod loss_gap;
mod mart;
mod nominal;
mod trades;

planish_contract::family! {
    /// What training minimises: `objective.NAME = { … }`.
    pub enum AnyObjective: dyn crate::objective::Objective {
        nominal::Nominal,
        adv::Adv,
        trades::Trades,
        mart::Mart,
        cure::Cure,
        grad_align::GradAlign,
        llr::Llr,
        loss_gap::LossGap,
    }
}
