//! The stage `import`: an ONNX image classifier from elsewhere, as if planish had exported it.
//!
//! What the model takes (order of the axes, range of the values, order of the channels, normalisation) is declared, and wrapped
//! into the graph, so that the stored model takes images `[n, c, h, w]` in `[0,1]`: threat models then mean the same for every
//! model. A declaration that is wrong gives a model that is wrong about nearly every image, and then looks like a weak model under
//! attack: so the declared accuracy, or at least one above chance, is checked first.

mod accuracy;
mod declaration;
mod parameters;
mod source;
mod stage;
#[cfg(test)]
mod testing;
mod wrap;

pub use declaration::{Channels, Declaration, Layout, Range};
pub use parameters::{ImportExecution, ImportParameters};
pub use stage::ImportStage;
