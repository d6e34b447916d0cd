use super::*;
use crate::spec::testing::Fake;

#[test]
fn every_key_of_a_stage_is_described() {
    let schema = schema(&Fake);
    for stage in schema["definitions"]["stage"]["anyOf"].as_array().unwrap() {
        let described: std::collections::BTreeSet<&str> = stage["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(described, crate::spec::shape::stage_keys().collect(), "{}", stage["properties"]["run"]["const"]);
    }
}
