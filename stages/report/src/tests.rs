//! The whole report on small made-up evidence.

mod figures;
mod gaps;
mod made_up;
mod pages;
mod sections;
mod tables;
