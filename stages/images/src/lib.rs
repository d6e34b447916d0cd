//! The stage `images`: one's own images as a data set.
//!
//! It takes arrays of images with labels (safetensors, `.npz`, a pair of `.npy`) or a folder with a sub-folder of PNG and JPEG
//! files for each class. Images become u8, as in every data set here; what that loses of float images is measured and said.

mod arrays;
mod decode;
mod decoder;
mod fit;
mod folder;
mod moments;
mod numpy;
mod pack;
mod parameters;
mod pixels;
mod pool;
mod selection;
mod stage;

pub use parameters::{ImagesParameters, Layout, Size, Take};
pub use stage::ImagesStage;
