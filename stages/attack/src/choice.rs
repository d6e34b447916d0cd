//! The parameter `attack`: one attack, or a list of them.

use std::borrow::Cow;

use planish_contract::Invalid;
use planish_formats::Norm;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::attack::Goal;
use crate::attacks::AnyAttack;

/// One attack, or several that run one after the other, each on the images that still stand: the worst case over all of them.
///
/// In TOML `attack.pgd = { … }` or `attack = [{ pgd = { … } }, { multi-targeted = { … } }]`. A list of one is the same as that one.
#[derive(Clone, Debug)]
pub struct Attacks(Vec<AnyAttack>);

impl Attacks {
    /// The attacks, in order.
    #[must_use]
    pub fn new(attacks: Vec<AnyAttack>) -> Self {
        Attacks(attacks)
    }

    /// The attacks in order under a threat model in `norm`, compositions taken apart, each with its name: the one that TOML uses, with
    /// `#2`, `#3`, … where it stands in the list again.
    #[must_use]
    pub fn named(&self, norm: Norm) -> Vec<Named> {
        let mut named: Vec<Named> = Vec::new();
        for attack in self.0.iter().flat_map(|attack| taken_apart(attack, norm)) {
            let (member, parameters) = spelling(&attack);
            let earlier = named.iter().filter(|other| spelling(&other.attack).0 == member).count();
            let name = if earlier == 0 { member } else { format!("{member}#{}", earlier + 1) };
            named.push(Named { name, parameters, member: attack.member(), attack });
        }
        named
    }

    /// The module paths of the attacks in use.
    #[must_use]
    pub fn members(&self) -> Vec<&'static str> {
        let mut members: Vec<&'static str> = self.0.iter().map(AnyAttack::member).collect();
        members.sort_unstable();
        members.dedup();
        members
    }

    /// Checks that there is an attack, each one's parameters, and whether they are defined in `norm`.
    ///
    /// # Errors
    /// The first parameter that can't be used.
    pub fn validate(&self, norm: Norm) -> Result<(), Invalid> {
        if self.0.is_empty() {
            return Err(Invalid::at("attack", "the list of attacks is empty").hint("for example `attack.pgd = { steps = 20 }`"));
        }
        for (index, attack) in self.0.iter().enumerate() {
            let known = attack.norms();
            let defined = if known.contains(&norm) {
                Ok(())
            } else {
                let known = known.iter().map(|norm| norm.as_str()).collect::<Vec<_>>().join(" and ");
                Err(Invalid {
                    path: vec![],
                    message: format!("this attack is not defined for {norm} threats, only for {known}"),
                    hint: None,
                })
            };
            defined.and_then(|()| attack.validate()).map_err(|invalid| {
                let mut path = vec!["attack".to_owned()];
                if self.0.len() > 1 {
                    path.push(index.to_string());
                }
                path.push(spelling(attack).0);
                path.extend(invalid.path);
                Invalid { path, ..invalid }
            })?;
        }
        let targeted = self.0.iter().filter(|attack| attack.goal() == Goal::Targeted).count();
        if targeted > 1 {
            let complaint = Invalid::at("attack", "one image has one target: only one attack of a list may be targeted");
            return Err(complaint.hint("write the attacks as variants of an axis, so that each has evidence of its own"));
        }
        Ok(())
    }
}

/// The parts of a composition, or the attack itself.
fn taken_apart(attack: &AnyAttack, norm: Norm) -> Vec<AnyAttack> {
    let components = attack.components(norm);
    if components.is_empty() { vec![attack.clone()] } else { components }
}

/// An attack of a list.
#[derive(Clone, Debug)]
pub struct Named {
    /// Its name in evidence.
    pub name: String,
    /// Its parameters, defaults filled in.
    pub parameters: serde_json::Value,
    /// The module path of its code.
    pub member: &'static str,
    /// The attack.
    pub attack: AnyAttack,
}

impl Named {
    /// An attack that stands alone.
    #[must_use]
    pub fn alone(attack: AnyAttack) -> Self {
        let (name, parameters) = spelling(&attack);
        Named { name, parameters, member: attack.member(), attack }
    }
}

/// The member's name as TOML has it, and its parameters.
fn spelling(attack: &AnyAttack) -> (String, serde_json::Value) {
    match serde_json::to_value(attack) {
        Ok(serde_json::Value::Object(map)) => map.into_iter().next().unwrap_or_default(),
        _ => Default::default(),
    }
}

impl Serialize for Attacks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Attacks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Attacks;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("an attack such as `pgd = { steps = 20 }`, or a list of them")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Attacks, A::Error> {
                AnyAttack::deserialize(MapAccessDeserializer::new(map)).map(|attack| Attacks(vec![attack]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Attacks, A::Error> {
                let mut attacks = Vec::new();
                while let Some(attack) = sequence.next_element()? {
                    attacks.push(attack);
                }
                Ok(Attacks(attacks))
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}

/// One attack, or a list of them.
impl JsonSchema for Attacks {
    fn schema_name() -> Cow<'static, str> {
        "Attacks".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Attacks").into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<AnyAttack>();
        json_schema!({
            "description": "One attack, or several that run one after the other, each on the images that still stand.",
            "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: serde_json::Value) -> Result<Attacks, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn one_and_a_list_of_one_are_the_same() {
        let one = read(json!({ "pgd": { "steps": 3 } })).unwrap();
        let list = read(json!([{ "pgd": { "steps": 3 } }])).unwrap();
        let canonical = serde_json::to_value(&one).unwrap();
        assert_eq!(canonical, serde_json::to_value(&list).unwrap());
        assert_eq!(canonical["pgd"]["step_size"], json!("0.25 eps"));
        assert_eq!(serde_json::to_value(read(canonical.clone()).unwrap()).unwrap(), canonical);
        assert_eq!(one.members(), ["planish_attack::attacks::pgd"]);
    }

    #[test]
    fn names_in_a_list() {
        let attacks = read(json!([{ "pgd": {} }, { "multi-targeted": {} }, { "pgd": { "loss": "margin" } }])).unwrap();
        let names: Vec<String> = attacks.named(Norm::Linf).into_iter().map(|n| n.name).collect();
        assert_eq!(names, ["pgd", "multi-targeted", "pgd#2"]);
        assert_eq!(attacks.members().len(), 2);
    }

    #[test]
    fn defaults_follow_the_optimizer() {
        let canonical = serde_json::to_value(read(json!({ "pgd": { "optimizer": "adam" } })).unwrap()).unwrap();
        assert_eq!(canonical["pgd"]["step_size"], json!(0.1));
        assert_eq!(canonical["pgd"]["decay"], json!(0.1));
    }

    #[test]
    fn refuses_with_the_place() {
        let path = |value| read(value).unwrap().validate(Norm::Linf).unwrap_err().path.join(".");
        assert_eq!(path(json!({ "pgd": { "steps": 0 } })), "attack.pgd.steps");
        assert_eq!(path(json!([{ "pgd": {} }, { "multi-targeted": { "restarts": 0 } }])), "attack.1.multi-targeted.restarts");
        assert_eq!(path(json!({ "pgd": { "step_size": -1.0 } })), "attack.pgd.step_size");
        assert_eq!(path(json!({ "pgd": { "decay": 0.0 } })), "attack.pgd.decay");
        assert_eq!(path(json!({ "pgd": { "start": "zero", "restarts": 2 } })), "attack.pgd.restarts");
        assert_eq!(path(json!([])), "attack");
        assert!(read(json!({ "pgd": { "stepz": 1 } })).unwrap_err().to_string().contains("stepz"));
        assert!(read(json!({ "pdg": {} })).unwrap_err().to_string().contains("pdg"));
        assert!(read(json!("pgd")).unwrap_err().to_string().contains("pgd = { steps = 20 }"));
    }
}
