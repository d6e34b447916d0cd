//! Activation functions on single numbers, without branches, so that loops over them become vector instructions.
//!
//! A number that is not a number stays one: a diverging network must show.

/// An activation function.
pub(crate) trait Function: Copy + Send + Sync {
    /// `f(t)`.
    fn value(self, t: f32) -> f32;
    /// `f′(t)` and `f″(t)`.
    fn derivatives(self, t: f32) -> (f32, f32);
}

/// `t`.
#[derive(Clone, Copy)]
pub(crate) struct Identity;

/// `max(t, 0)`.
#[derive(Clone, Copy)]
pub(crate) struct Relu;

/// `ln(1 + exp t)`.
#[derive(Clone, Copy)]
pub(crate) struct Softplus;

/// `t · sigmoid(t)`.
#[derive(Clone, Copy)]
pub(crate) struct Silu;

impl Function for Identity {
    #[inline(always)]
    fn value(self, t: f32) -> f32 {
        t
    }
    #[inline(always)]
    fn derivatives(self, _: f32) -> (f32, f32) {
        (1.0, 0.0)
    }
}

impl Function for Relu {
    #[inline(always)]
    fn value(self, t: f32) -> f32 {
        if t < 0.0 { 0.0 } else { t }
    }
    #[inline(always)]
    fn derivatives(self, t: f32) -> (f32, f32) {
        (if t > 0.0 { 1.0 } else { 0.0 }, 0.0)
    }
}

impl Function for Softplus {
    #[inline(always)]
    fn value(self, t: f32) -> f32 {
        // ln(1 + e) = 2 artanh(e / (2 + e)), whose series converges fast: the argument is at most 1/3.
        let e = exp_of_minus(t.abs());
        let s = e / (2.0 + e);
        let q = s * s;
        let series = (1.0f32 / 15.0)
            .mul_add(q, 1.0 / 13.0)
            .mul_add(q, 1.0 / 11.0)
            .mul_add(q, 1.0 / 9.0)
            .mul_add(q, 1.0 / 7.0)
            .mul_add(q, 0.2)
            .mul_add(q, 1.0 / 3.0)
            .mul_add(q, 1.0);
        (2.0 * s).mul_add(series, if t < 0.0 { 0.0 } else { t })
    }
    #[inline(always)]
    fn derivatives(self, t: f32) -> (f32, f32) {
        sigmoid(t)
    }
}

impl Function for Silu {
    #[inline(always)]
    fn value(self, t: f32) -> f32 {
        t * sigmoid(t).0
    }
    #[inline(always)]
    fn derivatives(self, t: f32) -> (f32, f32) {
        let (s, slope) = sigmoid(t);
        (t.mul_add(slope, s), slope * t.mul_add(1.0 - 2.0 * s, 2.0))
    }
}

/// The logistic function and its derivative.
#[inline(always)]
fn sigmoid(t: f32) -> (f32, f32) {
    let e = exp_of_minus(t.abs());
    let large = 1.0 / (1.0 + e);
    let small = e * large;
    (if t < 0.0 { small } else { large }, small * large)
}

/// `exp(−a)` for `a ≥ 0`, at least exp(−87): 2ⁿ·exp(r) with |r| ≤ ln 2 / 2 and a polynomial of degree 6.
#[inline(always)]
fn exp_of_minus(a: f32) -> f32 {
    // Adding 1.5·2²³ rounds to whole numbers and leaves n in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if a > 87.0 { -87.0 } else { -a };
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    // ln 2 in two parts, so that the product with n is exact in the first.
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let p = (1.0f32 / 720.0).mul_add(r, 1.0 / 120.0).mul_add(r, 1.0 / 24.0).mul_add(r, 1.0 / 6.0).mul_add(r, 0.5);
    let y = p.mul_add(r * r, r) + 1.0;
    f32::from_bits(y.to_bits().wrapping_add(shifted.to_bits() << 23))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Value, first and second derivative in double precision.
    type Exact = fn(f64) -> [f64; 3];

    fn exact_sigmoid(t: f64) -> f64 {
        1.0 / (1.0 + (-t).exp())
    }

    fn check(function: impl Function, exact: Exact) {
        for step in -40_000..=40_000 {
            let t = step as f32 * 0.0025;
            let [value, slope, curvature] = exact(f64::from(t));
            let (first, second) = function.derivatives(t);
            // Relative to the number, but where derivatives cross zero relative to 0.1.
            for (got, want, least) in [(function.value(t), value, 1e-3), (first, slope, 0.1), (second, curvature, 0.1)] {
                assert!((f64::from(got) - want).abs() < 6e-7 * want.abs().max(least), "at {t}: {got} instead of {want}");
            }
        }
        assert!(function.value(f32::NAN).is_nan());
        assert!(function.value(1e30) >= 1e30);
    }

    #[test]
    fn values_and_derivatives_are_exact_to_rounding() {
        check(Identity, |t| [t, 1.0, 0.0]);
        check(Relu, |t| if t > 0.0 { [t, 1.0, 0.0] } else { [0.0; 3] });
        check(Softplus, |t| {
            let s = exact_sigmoid(t);
            [if t > 0.0 { t + (-t).exp().ln_1p() } else { t.exp().ln_1p() }, s, s * (1.0 - s)]
        });
        check(Silu, |t| {
            let s = exact_sigmoid(t);
            let d = s * (1.0 - s);
            [t * s, s + t * d, d * (2.0 + t * (1.0 - 2.0 * s))]
        });
    }
}
