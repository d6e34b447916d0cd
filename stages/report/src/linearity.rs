//! γ as the landscape stage measured it.

use planish_formats::{Measurement, Threat, Values};

use crate::statistics::Scores;

/// γ of each image within `threat`, in nats; nothing where it was not measured there.
pub(crate) fn gamma(measurement: &Measurement, threat: Threat) -> Option<Scores> {
    let radius = measurement.header.threats.iter().position(|measured| *measured == threat)?;
    let images = measurement.header.images;
    let values = measurement.floats("gamma")?.get(radius * images..(radius + 1) * images)?;
    let ids = whole(measurement, "ids")?;
    Some(ids.iter().zip(values).filter_map(|(id, value)| Some((u32::try_from(*id).ok()?, f64::from(*value)))).collect())
}

/// The integers of array `name`.
pub(crate) fn whole<'a>(measurement: &'a Measurement, name: &str) -> Option<&'a [i64]> {
    measurement.arrays.iter().find(|array| array.name == name).and_then(|array| match &array.values {
        Values::I64(values) => Some(values.as_slice()),
        _ => None,
    })
}
