//! Random streams that depend on what they are for, never on batches or threads.

/// A stream of random numbers, fixed by a seed, a purpose and a key (an image's id, a restart, an epoch).
///
/// It is the output of BLAKE3 in its extendable form over the length-prefixed parts, so that streams with
/// different parts are independent, and each can be made again anywhere.
#[derive(Clone, Debug)]
pub struct Stream {
    reader: blake3::OutputReader,
    buffer: [u8; 1024],
    next: usize,
    spare: Option<f32>,
}

impl Stream {
    /// The stream for `purpose`, such as `"random start"`, and `key`.
    #[must_use]
    pub fn new(seed: u64, purpose: &str, key: &[u64]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("planish 2026 random stream");
        hasher.update(&seed.to_le_bytes());
        hasher.update(&(purpose.len() as u64).to_le_bytes());
        hasher.update(purpose.as_bytes());
        hasher.update(&(key.len() as u64).to_le_bytes());
        for part in key {
            hasher.update(&part.to_le_bytes());
        }
        Stream { reader: hasher.finalize_xof(), buffer: [0; 1024], next: 1024, spare: None }
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        if self.next + N > self.buffer.len() {
            self.reader.fill(&mut self.buffer);
            self.next = 0;
        }
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.buffer[self.next..self.next + N]);
        self.next += N;
        bytes
    }

    /// A number in `[0, 1)` on the grid of multiples of 2⁻²⁴.
    fn unit(&mut self) -> f32 {
        (u32::from_le_bytes(self.bytes()) >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// A number drawn uniformly from `[low, high]`; rounding may return `high`.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        (low + (high - low) * self.unit()).clamp(low.min(high), high.max(low))
    }

    /// A number drawn from the standard normal distribution (Box and Muller's method).
    pub fn normal(&mut self) -> f32 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        // In (0, 1], so that the logarithm is finite.
        let radius = (-2.0 * f64::from(1.0 - self.unit()).ln()).sqrt();
        let angle = std::f64::consts::TAU * f64::from(self.unit());
        self.spare = Some((radius * angle.sin()) as f32);
        (radius * angle.cos()) as f32
    }

    /// A whole number drawn uniformly from `0..n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        // Draws above the largest multiple of n would make small numbers likelier.
        let limit = u64::MAX - u64::MAX % n;
        loop {
            let draw = u64::from_le_bytes(self.bytes());
            if draw < limit {
                return draw % n;
            }
        }
    }

    /// Fills `values` with numbers drawn uniformly from `[low, high]`.
    pub fn fill_uniform(&mut self, values: &mut [f32], low: f32, high: f32) {
        for value in values {
            *value = self.uniform(low, high);
        }
    }

    /// Puts `values` into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_blake3() {
        let mut message = Vec::new();
        message.extend(7u64.to_le_bytes());
        message.extend(4u64.to_le_bytes());
        message.extend(b"test");
        message.extend(2u64.to_le_bytes());
        message.extend(1u64.to_le_bytes());
        message.extend(2u64.to_le_bytes());
        let digest = blake3::derive_key("planish 2026 random stream", &message);
        let word = u64::from_le_bytes(digest[..8].try_into().unwrap());
        assert_eq!(Stream::new(7, "test", &[1, 2]).below(1000), word % 1000);
    }

    #[test]
    fn known_answers() {
        let mut stream = Stream::new(1, "known answer", &[]);
        let drawn: Vec<u64> = (0..4).map(|_| stream.below(1_000_000)).collect();
        assert_eq!(drawn, [117_334, 977_314, 717_531, 748_026]);
    }

    #[test]
    fn every_part_matters() {
        let draw = |seed, purpose: &str, key: &[u64]| Stream::new(seed, purpose, key).below(u64::MAX);
        let all = [draw(1, "a", &[]), draw(2, "a", &[]), draw(1, "b", &[]), draw(1, "a", &[0]), draw(1, "a", &[0, 0])];
        for (i, a) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|b| a != b));
        }
    }

    #[test]
    fn moments_are_right() {
        let mut stream = Stream::new(3, "moments", &[]);
        let n = 100_000;
        let normal: Vec<f64> = (0..n).map(|_| f64::from(stream.normal())).collect();
        let moment = |values: &[f64], power: i32| values.iter().map(|v| v.powi(power)).sum::<f64>() / f64::from(n);
        assert!(moment(&normal, 1).abs() < 0.02);
        assert!((moment(&normal, 2) - 1.0).abs() < 0.03);
        assert!((moment(&normal, 4) - 3.0).abs() < 0.2);
        let uniform: Vec<f64> = (0..n).map(|_| f64::from(stream.uniform(-1.0, 1.0))).collect();
        assert!(moment(&uniform, 1).abs() < 0.01);
        assert!((moment(&uniform, 2) - 1.0 / 3.0).abs() < 0.01);
        assert!(uniform.iter().all(|v| (-1.0..=1.0).contains(v)));
    }

    #[test]
    fn below_and_shuffle_are_fair() {
        let mut stream = Stream::new(4, "fair", &[]);
        let mut counts = [[0u32; 5]; 5];
        for _ in 0..20_000 {
            let mut values = [0usize, 1, 2, 3, 4];
            stream.shuffle(&mut values);
            for (place, value) in values.into_iter().enumerate() {
                counts[place][value] += 1;
            }
        }
        assert!(counts.iter().flatten().all(|c| (3700..4300).contains(c)), "{counts:?}");
        assert_eq!(stream.below(1), 0);
        assert_eq!(stream.below(0), 0);
    }
}
