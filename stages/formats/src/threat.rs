//! Threat models: what an attack may do to an image.

use planish_contract::{Fraction, Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the size of a perturbation is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// The largest change of any pixel.
    Linf,
}

impl std::fmt::Display for Norm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Norm::Linf => "linf",
        })
    }
}

/// A threat model: every perturbation of norm at most `eps` that leaves the image in `[0,1]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Threat {
    /// The norm.
    pub norm: Norm,
    /// The radius, in the unit of the images: `[0,1]`.
    pub eps: Fraction,
}

impl Threat {
    /// Checks the radius; `path` is where the threat model stands among the parameters.
    ///
    /// # Errors
    /// A radius that is not above 0 and at most 1.
    pub fn check(&self, path: &str) -> Result<(), Invalid> {
        let eps = self.eps.value();
        if eps > 0.0 && eps <= 1.0 {
            return Ok(());
        }
        let complaint = Invalid::at(&format!("{path}.eps"), format!("a radius of {eps} is not above 0 and at most 1"));
        Err(complaint.hint("images are in [0,1]: a radius of 8 grey levels is \"8/255\""))
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
        assert!(serde_json::from_str::<Threat>(r#"{"norm":"l0","eps":1}"#).unwrap_err().to_string().contains("expected `linf`"));
    }

    #[test]
    fn only_radii_that_mean_something_pass() {
        assert_eq!(threat(1.0).check("threat"), Ok(()));
        for eps in [0.0, -0.1, 8.0, f64::NAN] {
            assert_eq!(threat(eps).check("threat").unwrap_err().path, ["threat", "eps"]);
        }
    }
}
