//! The family of data sets, one file each.

mod cifar10;
mod cifar100;
mod fashion_mnist;
mod mnist;

planish_contract::family! {
    /// A data set.
    pub enum AnyDataset: dyn crate::dataset::Dataset {
        fashion_mnist::FashionMnist,
        mnist::Mnist,
        cifar10::Cifar10,
        cifar100::Cifar100,
    }
}
