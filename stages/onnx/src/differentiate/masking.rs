//! Where the gradient of a model says less than the model does.

use super::refusal::Place;

/// The nodes at which gradients end although the logits depend on the images through them.
///
/// Such a model looks robust to attacks by gradients and need not be (gradient masking: Athalye et al., arXiv 1802.00420).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masking {
    /// Rounding, quantisation, signs, comparisons and choices of an index whose result enters the logits, in the order of the
    /// graph. A condition that only selects between two values is not among them.
    pub nodes: Vec<Place>,
    /// Whether no path from the images to the logits is free of them: the gradient is zero everywhere.
    pub complete: bool,
}

impl std::fmt::Display for Masking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 3;
        if self.nodes.is_empty() {
            return write!(f, "gradients are masked: the logits do not depend on the images");
        }
        let (share, goes) = if self.complete { ("every path", "goes") } else { ("some paths", "go") };
        let shown: Vec<String> = self.nodes.iter().take(SHOWN).map(ToString::to_string).collect();
        write!(f, "gradients are masked: {share} from the images to the logits {goes} through {}", shown.join(", "))?;
        match self.nodes.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl Masking {
    /// Whether there is anything to say.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.nodes.is_empty() && !self.complete
    }
}
