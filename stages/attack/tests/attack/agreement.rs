//! Checkpoint and exported model must be the same network.

use planish_attack::agreement::check_agreement;
use planish_contract::Failure;

use crate::linear::Linear;

#[test]
fn the_same_model_agrees() {
    let model = Linear::new(3, 1);
    let images = model.images(5, 2);
    assert!(check_agreement(&images, &mut model.clone(), &mut model.clone(), 1e-3).unwrap() < 1e-9);
}

#[test]
fn another_one_does_not() {
    let model = Linear::new(3, 1);
    let images = model.images(5, 2);
    let mut other = model.clone();
    other.bias[1] += 0.25;
    let failure = check_agreement(&images, &mut model.clone(), &mut other, 1e-3).unwrap_err();
    assert!(failure.to_string().contains("differs by 2.500e-1, more than 1e-3"), "{failure}");
    assert!(failure.hint().unwrap().contains("gradients"));
    assert!(check_agreement(&images, &mut model.clone(), &mut other, 0.5).is_ok());

    let failure = check_agreement(&images, &mut model.clone(), &mut Linear::new(4, 1), 1e-3).unwrap_err();
    assert!(matches!(failure, Failure::Input { .. }) && failure.to_string().contains("has 3 classes"), "{failure}");
}
