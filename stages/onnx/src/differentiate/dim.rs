//! Sizes that may depend on the number of images.

/// A size, or an entry of a shape tensor: `fixed + per_image · n`, n being the number of images in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dim {
    pub(crate) fixed: i64,
    pub(crate) per_image: i64,
}

impl Dim {
    /// The number of images.
    pub(crate) const BATCH: Dim = Dim { fixed: 0, per_image: 1 };

    pub(crate) fn of(fixed: i64) -> Self {
        Dim { fixed, per_image: 0 }
    }

    /// The size when it is the same for any number of images.
    pub(crate) fn constant(self) -> Option<i64> {
        (self.per_image == 0).then_some(self.fixed)
    }

    /// Whether a tensor can have this size.
    pub(crate) fn is_plausible(self) -> bool {
        const MOST: i64 = 1 << 40;
        let fits = |number: i64| (-MOST..=MOST).contains(&number);
        fits(self.fixed) && fits(self.per_image) && (self.per_image != 0 || self.fixed >= 0)
    }

    pub(crate) fn plus(self, other: Dim) -> Option<Dim> {
        Some(Dim { fixed: self.fixed.checked_add(other.fixed)?, per_image: self.per_image.checked_add(other.per_image)? })
    }

    pub(crate) fn minus(self, other: Dim) -> Option<Dim> {
        Some(Dim { fixed: self.fixed.checked_sub(other.fixed)?, per_image: self.per_image.checked_sub(other.per_image)? })
    }

    /// The product; unknown when it would be quadratic in n.
    pub(crate) fn times(self, other: Dim) -> Option<Dim> {
        let (factor, dim) = match (self.constant(), other.constant()) {
            (Some(factor), _) => (factor, other),
            (_, Some(factor)) => (factor, self),
            _ => return None,
        };
        Some(Dim { fixed: dim.fixed.checked_mul(factor)?, per_image: dim.per_image.checked_mul(factor)? })
    }

    /// The quotient where it is the same linear function for every n, or a division of constants (rounded as ONNX does: to zero).
    pub(crate) fn over(self, other: Dim) -> Option<Dim> {
        if self == other && self.per_image != 0 && self.fixed == 0 {
            return Some(Dim::of(1));
        }
        if other.per_image != 0 {
            // (b·k) n / (b n) with nothing fixed: k.
            let whole = self.fixed == 0 && other.fixed == 0 && self.per_image.checked_rem(other.per_image)? == 0;
            return if whole { Some(Dim::of(self.per_image.checked_div(other.per_image)?)) } else { None };
        }
        let divisor = other.fixed;
        if self.per_image == 0 {
            return Some(Dim::of(self.fixed.checked_div(divisor)?));
        }
        let exact = self.fixed.checked_rem(divisor)? == 0 && self.per_image.checked_rem(divisor)? == 0;
        exact.then_some(Dim { fixed: self.fixed.checked_div(divisor)?, per_image: self.per_image.checked_div(divisor)? })
    }
}

/// The product of some sizes; unknown when one is.
pub(crate) fn product(dims: &[Option<Dim>]) -> Option<Dim> {
    dims.iter().try_fold(Dim::of(1), |product, dim| product.times((*dim)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_tensors_are_neither_negative_nor_endless() {
        for (fixed, per_image, plausible) in
            [(0, 0, true), (-1, 0, false), (1 << 41, 0, false), (0, 1, true), (-1, 1, true), (0, -(1 << 41), false), (i64::MIN, 0, false)]
        {
            assert_eq!(Dim { fixed, per_image }.is_plausible(), plausible, "{fixed} + {per_image} n");
        }
    }

    #[test]
    fn arithmetic_is_linear_in_the_batch() {
        let n = Dim::BATCH;
        let twelve = n.times(Dim::of(12)).unwrap();
        assert_eq!(twelve, Dim { fixed: 0, per_image: 12 });
        assert_eq!(twelve.over(Dim::of(4)), Some(Dim { fixed: 0, per_image: 3 }));
        assert_eq!(twelve.over(n), Some(Dim::of(12)));
        assert_eq!(twelve.over(Dim::of(5)), None);
        assert_eq!(n.times(n), None);
        assert_eq!(n.plus(Dim::of(2)).unwrap().minus(n), Some(Dim::of(2)));
        assert_eq!(Dim::of(7).over(Dim::of(2)), Some(Dim::of(3)));
        assert_eq!(Dim::of(7).over(Dim::of(0)), None);
        assert_eq!(Dim::of(i64::MIN).over(Dim::of(-1)), None);
        assert_eq!(Dim::of(i64::MAX).plus(Dim::of(1)), None);
        assert_eq!(product(&[Some(n), Some(Dim::of(3)), None]), None);
    }
}
