//! The attacks, one file each.

mod multi_targeted;
mod pgd;

planish_contract::family! {
    /// An attack.
    pub enum AnyAttack: dyn crate::attack::Attack { pgd::Pgd, multi_targeted::MultiTargeted }
}
