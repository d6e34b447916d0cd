//! The set of allowed perturbations, and what floating-point numbers make of it.

use planish_formats::Norm;

use crate::Stream;

/// All images within `eps` of an original in `norm` whose pixels are in `[0,1]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ball {
    /// How distances are measured.
    pub norm: Norm,
    /// The radius, in units of the pixel range.
    pub eps: f32,
}

impl Ball {
    /// The ball whose radius is the largest 32-bit number not above `eps`, so that no distance in it is above `eps`.
    #[must_use]
    pub fn new(norm: Norm, eps: f64) -> Self {
        let nearest = eps as f32;
        let eps = if f64::from(nearest) > eps { nearest.next_down() } else { nearest };
        Ball { norm, eps }
    }

    /// Moves every pixel of `adversarial` to the nearest place within the ball around `original` (whose pixels are in `[0,1]`).
    /// Afterwards `|a − x| ≤ eps` holds for the 32-bit difference and for [`Ball::distance`]. A pixel that is not a number becomes the original's.
    pub fn project(&self, adversarial: &mut [f32], original: &[f32]) {
        match self.norm {
            Norm::Linf => {
                for (a, x) in adversarial.iter_mut().zip(original) {
                    *a = self.clip(*a, *x);
                }
            }
        }
    }

    fn clip(self, a: f32, x: f32) -> f32 {
        if a.is_nan() {
            return x;
        }
        // A rounded bound can lie outside the ball by half a unit in the last place; then the next number inside is the bound.
        let outside = |bound: f32| (f64::from(bound) - f64::from(x)).abs() > f64::from(self.eps);
        let (low, high) = (x - self.eps, x + self.eps);
        let low = if outside(low) { low.next_up() } else { low };
        let high = if outside(high) { high.next_down() } else { high };
        a.max(low).min(high).clamp(0.0, 1.0)
    }

    /// How far `adversarial` is from `original` in this norm, in units of the pixel range.
    #[must_use]
    pub fn distance(&self, adversarial: &[f32], original: &[f32]) -> f64 {
        match self.norm {
            Norm::Linf => adversarial.iter().zip(original).map(|(a, x)| (f64::from(*a) - f64::from(*x)).abs()).fold(0.0, f64::max),
        }
    }

    /// A random point: every pixel moved by a uniform number in ± eps, then projected.
    pub fn random_start(&self, stream: &mut Stream, original: &[f32]) -> Vec<f32> {
        let mut start: Vec<f32> = original.iter().map(|x| x + stream.uniform(-self.eps, self.eps)).collect();
        self.project(&mut start, original);
        start
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pixel() -> impl Strategy<Value = f32> {
        prop_oneof![
            (0u16..=255).prop_map(|v| f32::from(v) / 255.0),
            0.0f32..=1.0,
            Just(0.0),
            Just(1.0),
            Just(f32::MIN_POSITIVE),
            Just(1.0f32.next_down()),
            Just(1e-30),
        ]
    }

    fn radius() -> impl Strategy<Value = f64> {
        prop_oneof![(0u16..=64).prop_map(|k| f64::from(k) / 255.0), 0.0f64..=1.5, Just(0.031), Just(0.1)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn nothing_leaves_the_ball(x in pixel(), a in prop_oneof![-3.0f32..3.0, any::<f32>(), pixel()], eps in radius(), nudge in -2i32..=2) {
            let ball = Ball::new(Norm::Linf, eps);
            let edge = (0..nudge.abs()).fold(x + ball.eps, |e, _| if nudge > 0 { e.next_up() } else { e.next_down() });
            for start in [a, edge, -edge, x - ball.eps] {
                let mut projected = [start];
                ball.project(&mut projected, &[x]);
                let [p] = projected;
                prop_assert!((0.0..=1.0).contains(&p));
                prop_assert!((p - x).abs() <= ball.eps, "{p} {x} {}", ball.eps);
                prop_assert!(ball.distance(&[p], &[x]) <= eps);
                let mut again = projected;
                ball.project(&mut again, &[x]);
                prop_assert_eq!(again, projected);
            }
        }

        #[test]
        fn points_inside_stay(x in pixel(), share in -0.999f32..0.999, eps in radius()) {
            let ball = Ball::new(Norm::Linf, eps);
            let a = (x + share * ball.eps).clamp(0.0, 1.0);
            prop_assume!((f64::from(a) - f64::from(x)).abs() <= f64::from(ball.eps));
            let mut projected = [a];
            ball.project(&mut projected, &[x]);
            prop_assert_eq!(projected[0], a);
        }
    }

    #[test]
    fn what_is_not_a_number_becomes_the_original() {
        let ball = Ball::new(Norm::Linf, 0.1);
        let mut image = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
        ball.project(&mut image, &[0.5; 3]);
        assert_eq!(image[0], 0.5);
        assert!(image[1] > 0.59 && image[2] < 0.41);
    }

    #[test]
    fn random_starts_fill_the_ball() {
        let ball = Ball::new(Norm::Linf, 0.1);
        let start = ball.random_start(&mut Stream::new(1, "start", &[]), &[0.5; 1000]);
        let distance = ball.distance(&start, &[0.5; 1000]);
        assert!(distance > 0.0995 && distance <= 0.1);
        let mean: f32 = start.iter().sum::<f32>() / 1000.0;
        assert!((mean - 0.5).abs() < 0.01);
    }
}
