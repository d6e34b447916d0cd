use planish_contract::Fraction;

use super::*;
use crate::Norm;

fn sample() -> (EvidenceHeader, Vec<ImageEvidence>, Adversarial) {
    let header = EvidenceHeader {
        schema: EVIDENCE_SCHEMA,
        dataset: "fashion-mnist".into(),
        threat: Threat { norm: Norm::Linf, eps: Fraction(0.1) },
        bounds: Threat::BOX,
        split: SplitName::Test,
        images: 2,
        attacks: vec![AttackSummary {
            name: "pgd".into(),
            parameters: serde_json::json!({ "steps": 20 }),
            goal: "untargeted".into(),
            gradients_per_image: 20,
            queries_per_image: 1,
            gradients: 27,
            queries: 2,
            robust_accuracy: 0.5,
            broken: 1,
            targeted_success: None,
            median_distance: None,
        }],
        clean_accuracy: 1.0,
        robust_accuracy: 0.5,
        robust_accuracy_u8: Some(0.5),
    };
    let broken = ImageEvidence {
        id: 7,
        label: 3,
        clean_prediction: 3,
        clean_margin: 0.25,
        attacked_prediction: 1,
        attacked_margin: -0.5,
        broken_by: Some(BrokenBy { attack: "pgd".into(), restart: 0, step: 20 }),
        distance: 0.1,
        robust: false,
        robust_u8: Some(false),
        nearest: Some(Nearest { distance: 0.07, attack: "fab-t".into() }),
        targeted: Some(Targeted { target: 1, reached: true, shortfall: -0.5 }),
        gradients: 7,
        queries: 1,
    };
    let standing = ImageEvidence {
        id: 9,
        attacked_prediction: 3,
        attacked_margin: 0.125,
        broken_by: None,
        robust: true,
        robust_u8: None,
        nearest: None,
        targeted: None,
        ..broken.clone()
    };
    let adversarial = Adversarial { shape: [1, 1, 2], images: vec![0.0, 1.0, 0.5, 0.25], ids: vec![7, 9], labels: vec![3, 3] };
    (header, vec![broken, standing], adversarial)
}

#[test]
fn evidence_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let (header, images, adversarial) = sample();
    write_evidence(folder.path(), &header, &images, &adversarial).unwrap();
    let evidence = Evidence::open(&Folder::open(folder.path()).unwrap()).unwrap();
    assert_eq!((&evidence.header, &evidence.images), (&header, &images));
    assert_eq!(evidence.adversarial().unwrap(), adversarial);
    let bytes = std::fs::read(folder.path().join(IMAGES)).unwrap();
    write_evidence(folder.path(), &header, &images, &adversarial).unwrap();
    assert_eq!(std::fs::read(folder.path().join(IMAGES)).unwrap(), bytes);
}

#[test]
fn parts_that_disagree_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (mut header, mut images, adversarial) = sample();
    write_evidence(folder.path(), &header, &images, &adversarial).unwrap();
    let open = || Evidence::open(&Folder::open(folder.path()).unwrap());
    images[0].id = 8;
    write_entries(folder.path(), &header, &images).unwrap();
    assert!(open().unwrap().adversarial().unwrap_err().to_string().contains("not those of"));
    header.images = 3;
    assert!(write_entries(folder.path(), &header, &images).is_err());
    write_json(&folder.path().join(HEADER), &header).unwrap();
    assert!(open().unwrap_err().to_string().contains("2 entries, but the header speaks of 3"));
    header.images = 2;
    header.threat = Threat { norm: Norm::L2, eps: Fraction(0.1) };
    write_json(&folder.path().join(HEADER), &header).unwrap();
    assert!(open().unwrap_err().to_string().contains("another threat model than l2 0.1"));
    header.schema = 1;
    write_json(&folder.path().join(HEADER), &header).unwrap();
    assert!(open().unwrap_err().to_string().contains("schema version 1"));
}

#[test]
fn damaged_tables_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (header, images, adversarial) = sample();
    write_evidence(folder.path(), &header, &images, &adversarial).unwrap();
    let path = folder.path().join(IMAGES);
    let bytes = std::fs::read(&path).unwrap();
    let open = || Evidence::open(&Folder::open(folder.path()).unwrap());
    for damaged in [&bytes[..bytes.len() / 2], &bytes[..3], b"", b"PAR1PAR1"] {
        std::fs::write(&path, damaged).unwrap();
        assert!(matches!(open(), Err(Failure::Input { .. })));
    }
    crate::table::write(&path, &[], &std::collections::BTreeMap::new()).unwrap();
    assert!(matches!(open(), Err(Failure::Input { .. })));
}
