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

    /// Brings `adversarial` into the ball around `original` (whose pixels are in `[0,1]`) and into `[0,1]`. Afterwards [`Ball::distance`] is
    /// at most `eps`, and what was inside is left as it was. A pixel that is not a number becomes the original's.
    ///
    /// L∞: every pixel goes to the nearest place. L2: the perturbation shrinks to the radius, then is clipped, as in the official code of
    /// AutoAttack. L1: the Euclidean projection to the ball and the box at once (arXiv 2103.01208, proposition 2.1).
    pub fn project(&self, adversarial: &mut [f32], original: &[f32]) {
        match self.norm {
            Norm::Linf => {
                for (a, x) in adversarial.iter_mut().zip(original) {
                    *a = self.clip(*a, *x);
                }
            }
            Norm::L2 | Norm::L1 => self.project_sum(adversarial, original),
        }
    }

    fn project_sum(self, adversarial: &mut [f32], original: &[f32]) {
        for (a, x) in adversarial.iter_mut().zip(original) {
            *a = if a.is_nan() { *x } else { a.clamp(-1e6, 1e6) };
        }
        let eps = f64::from(self.eps);
        let distance = self.distance(adversarial, original);
        if distance <= eps {
            // Clipping brings every pixel nearer to the original.
            clip_to_box(adversarial);
            return;
        }
        if self.norm == Norm::L1 {
            shrink_to_simplex(adversarial, original, eps);
        } else {
            scale(adversarial, original, eps / distance);
        }
        clip_to_box(adversarial);
        // Rounding to 32 bits can leave the point outside by a little; then it shrinks by as little until it is inside.
        let mut slack = 1e-7;
        while self.distance(adversarial, original) > eps {
            scale(adversarial, original, 1.0 - slack);
            slack = (slack * 2.0).min(1.0);
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
            Norm::L2 => differences(adversarial, original).map(|d| d * d).sum::<f64>().sqrt(),
            Norm::L1 => differences(adversarial, original).map(f64::abs).sum(),
        }
    }

    /// A point drawn uniformly from the ball, then projected to `[0,1]` as well.
    ///
    /// In L2 and L1 its direction is that of normal and of Laplace numbers, and its length the radius times the `d`-th root of a uniform number.
    pub fn random_start(&self, stream: &mut Stream, original: &[f32]) -> Vec<f32> {
        let mut start: Vec<f32> = match self.norm {
            Norm::Linf => original.iter().map(|x| x + stream.uniform(-self.eps, self.eps)).collect(),
            Norm::L2 | Norm::L1 => {
                let direction: Vec<f32> = match self.norm {
                    Norm::L1 => original.iter().map(|_| laplace(stream)).collect(),
                    _ => original.iter().map(|_| stream.normal()).collect(),
                };
                let length = self.distance(&direction, &vec![0.0; direction.len()]).max(f64::MIN_POSITIVE);
                let radius = f64::from(self.eps) * f64::from(stream.uniform(0.0, 1.0)).powf(1.0 / original.len().max(1) as f64);
                original.iter().zip(&direction).map(|(x, d)| x + (f64::from(*d) * radius / length) as f32).collect()
            }
        };
        self.project(&mut start, original);
        start
    }
}

fn clip_to_box(image: &mut [f32]) {
    for pixel in image {
        *pixel = pixel.clamp(0.0, 1.0);
    }
}

fn differences<'a>(adversarial: &'a [f32], original: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
    adversarial.iter().zip(original).map(|(a, x)| f64::from(*a) - f64::from(*x))
}

fn scale(adversarial: &mut [f32], original: &[f32], factor: f64) {
    for (a, x) in adversarial.iter_mut().zip(original) {
        *a = (f64::from(*x) + (f64::from(*a) - f64::from(*x)) * factor) as f32;
    }
}

/// A number from the Laplace distribution of scale 1.
fn laplace(stream: &mut Stream) -> f32 {
    let u = f64::from(stream.uniform(-1.0, 1.0));
    ((1.0 - u.abs()).max(1e-9).ln() * -u.signum()) as f32
}

/// The nearest point in L2 whose perturbation has an L1 norm of `eps` at most and that lies in `[0,1]`: every change becomes
/// min(max(|d| − λ, 0), room), with the smallest λ ≥ 0 that suffices. `room` is how far a pixel can go in its direction.
fn shrink_to_simplex(adversarial: &mut [f32], original: &[f32], eps: f64) {
    let changes: Vec<(f64, f64)> = adversarial
        .iter()
        .zip(original)
        .map(|(a, x)| {
            let change = f64::from(*a) - f64::from(*x);
            (change, if change > 0.0 { 1.0 - f64::from(*x) } else { f64::from(*x) })
        })
        .collect();
    let total = |lambda: f64| changes.iter().map(|(change, room)| (change.abs() - lambda).clamp(0.0, *room)).sum::<f64>();
    // The total falls from λ = 0 in straight pieces that end at |d| − room and |d|.
    let mut ends: Vec<f64> =
        changes.iter().flat_map(|(change, room)| [change.abs() - room, change.abs()]).filter(|end| *end > 0.0).collect();
    ends.push(0.0);
    ends.sort_unstable_by(f64::total_cmp);
    let first = ends.partition_point(|end| total(*end) > eps);
    let lambda = match (first.checked_sub(1).and_then(|before| ends.get(before)), ends.get(first)) {
        (Some(&before), Some(&after)) => {
            let (high, low) = (total(before), total(after));
            if high > low { before + (after - before) * (high - eps) / (high - low) } else { after }
        }
        (None, Some(&after)) => after,
        _ => f64::INFINITY,
    };
    for ((a, x), (change, room)) in adversarial.iter_mut().zip(original).zip(changes) {
        *a = (f64::from(*x) + (change.abs() - lambda).clamp(0.0, room).copysign(change)) as f32;
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn nothing_leaves_a_ball_of_sums(
            points in prop::collection::vec((pixel(), prop_oneof![-3.0f32..3.0, any::<f32>(), pixel()]), 1..40),
            eps in prop_oneof![0.001f64..3.0, Just(0.5), Just(1.0)],
            l1 in any::<bool>(),
        ) {
            let ball = Ball::new(if l1 { Norm::L1 } else { Norm::L2 }, eps);
            let (original, mut point): (Vec<f32>, Vec<f32>) = points.into_iter().unzip();
            ball.project(&mut point, &original);
            prop_assert!(point.iter().all(|p| (0.0..=1.0).contains(p)));
            prop_assert!(ball.distance(&point, &original) <= eps);
            let mut again = point.clone();
            ball.project(&mut again, &original);
            prop_assert_eq!(again, point);
        }
    }

    #[test]
    fn the_projection_to_the_l1_ball_is_the_nearest_point() {
        let original = [0.5, 0.9, 0.2, 0.0];
        let mut point = [1.3, 1.4, 0.1, 0.4];
        Ball::new(Norm::L1, 0.6).project(&mut point, &original);
        // Changes 0.8, 0.5, −0.1, 0.4 with room 0.5, 0.1, 0.2, 1: λ = 0.3 leaves 0.5 + 0.1 + 0 + 0.1 and λ = 0.4 leaves 0.4 + 0.1.
        // So λ = 0.35: 0.45 + 0.1 + 0 + 0.05.
        for (found, expected) in point.iter().zip([0.95, 1.0, 0.2, 0.05]) {
            assert!((found - expected).abs() < 1e-6, "{point:?}");
        }
        let mut inside = [0.6, 0.8, 0.3, 0.1];
        Ball::new(Norm::L1, 0.5).project(&mut inside, &original);
        assert_eq!(inside, [0.6, 0.8, 0.3, 0.1]);
    }

    #[test]
    fn random_starts_fill_the_other_balls() {
        for (norm, eps) in [(Norm::L2, 0.5), (Norm::L1, 12.0)] {
            let ball = Ball::new(norm, eps);
            let distance = ball.distance(&ball.random_start(&mut Stream::new(1, "start", &[]), &[0.5; 1000]), &[0.5; 1000]);
            assert!(distance > 0.98 * eps && distance <= eps, "{norm}: {distance}");
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
