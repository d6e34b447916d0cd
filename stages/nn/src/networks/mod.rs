//! The networks, one file each.

pub mod preact_resnet;
pub mod resnet;
pub mod small_cnn;
pub mod wide_resnet;

planish_contract::family! {
    /// A network and its parameters: `network.wide-resnet = { depth = 28, width = 8 }`.
    pub enum AnyNetwork: dyn crate::NetworkSpec {
        wide_resnet::WideResnet,
        preact_resnet::PreactResnet,
        resnet::Resnet,
        small_cnn::SmallCnn,
    }
}
