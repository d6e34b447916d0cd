//! Threat models: what an attack may do to an image.

use planish_contract::{Fraction, Invalid, parse_fraction};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the size of a perturbation is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// The largest change of any pixel.
    Linf,
    /// The root of the sum of squared changes.
    L2,
    /// The sum of absolute changes.
    L1,
}

impl Norm {
    /// All of them.
    pub const ALL: [Norm; 3] = [Norm::Linf, Norm::L2, Norm::L1];

    /// The name, as in TOML and in evidence.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Norm::Linf => "linf",
            Norm::L2 => "l2",
            Norm::L1 => "l1",
        }
    }
}

impl std::fmt::Display for Norm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A threat model: every perturbation of norm at most `eps` that leaves the image in [`Threat::BOX`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Threat {
    /// The norm.
    pub norm: Norm,
    /// The radius, in the unit of the images: `[0,1]`.
    pub eps: Fraction,
}

impl Threat {
    /// The range of every pixel. Other ranges and normalisation belong into the network.
    pub const BOX: [f64; 2] = [0.0, 1.0];

    /// Checks the radius; `path` is where the threat model stands among the parameters.
    ///
    /// # Errors
    /// A radius that is not above 0, or above 1 in L∞; the other norms add up pixels, so their radii have no bound but being finite.
    pub fn check(&self, path: &str) -> Result<(), Invalid> {
        let eps = self.eps.value();
        let complain = |message: String, hint: &str| Err(Invalid::at(&format!("{path}.eps"), message).hint(hint));
        match self.norm {
            Norm::Linf if eps > 0.0 && eps <= 1.0 => Ok(()),
            Norm::Linf => complain(
                format!("a radius of {eps} is not above 0 and at most 1"),
                "images are in [0,1]: a radius of 8 grey levels is \"8/255\"",
            ),
            Norm::L2 | Norm::L1 if eps > 0.0 && eps.is_finite() => Ok(()),
            Norm::L2 => complain(format!("a radius of {eps} is not above 0"), "images are in [0,1]: a usual radius for CIFAR-10 is 0.5"),
            Norm::L1 => complain(format!("a radius of {eps} is not above 0"), "images are in [0,1]: a usual radius for CIFAR-10 is 12"),
        }
    }
}

/// Reads `linf:8/255`, `l2:0.5` or, as it is shown, `linf 8/255`.
impl std::str::FromStr for Threat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = || format!("`{text}` is not a threat model: write NORM:EPS such as linf:8/255, l2:0.5 or l1:12");
        let (norm, eps) = text.split_once(':').or_else(|| text.split_once(' ')).ok_or_else(help)?;
        let norm = Norm::ALL.into_iter().find(|known| known.as_str() == norm.trim()).ok_or_else(help)?;
        let threat = Threat { norm, eps: Fraction(parse_fraction(eps.trim()).ok_or_else(help)?) };
        threat.check("threat").map_err(|invalid| format!("{}; {}", invalid.message, invalid.hint.unwrap_or_default()))?;
        Ok(threat)
    }
}

/// `linf 8/255`, or the decimal when the radius is no whole number of grey levels.
impl std::fmt::Display for Threat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let eps = self.eps.value();
        let levels = eps * 255.0;
        if (levels - levels.round()).abs() <= 1e-9 && levels.round() != 0.0 {
            write!(f, "{} {}/255", self.norm, levels.round())
        } else {
            write!(f, "{} {eps}", self.norm)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threat(eps: f64) -> Threat {
        Threat { norm: Norm::Linf, eps: Fraction(eps) }
    }

    #[test]
    fn a_radius_is_shown_as_people_write_it() {
        assert_eq!(threat(8.0 / 255.0).to_string(), "linf 8/255");
        assert_eq!(threat(0.1).to_string(), "linf 0.1");
        assert_eq!(threat(0.031).to_string(), "linf 0.031");
    }

    #[test]
    fn it_reads_fractions_and_writes_numbers() {
        let read: Threat = serde_json::from_str(r#"{"norm":"linf","eps":"1/4"}"#).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), r#"{"norm":"linf","eps":0.25}"#);
        assert!(serde_json::from_str::<Threat>(r#"{"norm":"linf","eps":1,"size":2}"#).is_err());
        assert!(
            serde_json::from_str::<Threat>(r#"{"norm":"l0","eps":1}"#)
                .unwrap_err()
                .to_string()
                .contains("expected one of `linf`, `l2`, `l1`")
        );
    }

    #[test]
    fn it_reads_as_on_a_command_line() {
        assert_eq!("linf:8/255".parse(), Ok(threat(8.0 / 255.0)));
        assert_eq!("l2:0.5".parse(), Ok(Threat { norm: Norm::L2, eps: Fraction(0.5) }));
        for threat in [threat(0.1), threat(4.0 / 255.0), Threat { norm: Norm::L1, eps: Fraction(12.0) }] {
            assert_eq!(threat.to_string().parse(), Ok(threat));
        }
        for text in ["linf", "linf:", "l3:1", "linf:8", "l2:-1", "l1:nan", "8/255"] {
            assert!(text.parse::<Threat>().is_err(), "{text}");
        }
    }

    #[test]
    fn sums_of_pixels_have_larger_radii() {
        for norm in [Norm::L2, Norm::L1] {
            assert_eq!(Threat { norm, eps: Fraction(12.0) }.check("threat"), Ok(()));
            assert!(Threat { norm, eps: Fraction(0.0) }.check("threat").is_err());
            assert!(Threat { norm, eps: Fraction(f64::INFINITY) }.check("threat").is_err());
        }
    }

    #[test]
    fn only_radii_that_mean_something_pass() {
        assert_eq!(threat(1.0).check("threat"), Ok(()));
        for eps in [0.0, -0.1, 8.0, f64::NAN] {
            assert_eq!(threat(eps).check("threat").unwrap_err().path, ["threat", "eps"]);
        }
    }
}
