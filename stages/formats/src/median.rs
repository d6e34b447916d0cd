//! The median.

/// The median: the middle value, or the mean of the two middle ones; nothing for no values. Values may be infinite.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    median_of_sorted(&sorted)
}

/// The same of values in order.
pub(crate) fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let (low, high) = (*sorted.get(sorted.len().saturating_sub(1) / 2)?, *sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(low, high))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_middle_or_between_the_two() {
        assert_eq!((median([]), median([3.0, 1.0]), median([9.0, 1.0, 2.0])), (None, Some(2.0), Some(2.0)));
        assert_eq!(median([1.0, f64::INFINITY, f64::INFINITY]), Some(f64::INFINITY));
        assert_eq!(median([1.0, f64::INFINITY]), Some(f64::INFINITY), "as many have none as have one");
    }
}
