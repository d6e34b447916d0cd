//! CIFAR-100 (Krizhevsky 2009, *Learning multiple layers of features from tiny images*): colour images of 100 fine classes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Malformed;
use crate::dataset::{Checksum, Dataset, Download, Facts, Official, OfficialFile, Publication, Sizes};

/// CIFAR-100: 50,000 training and 10,000 test images `[3, 32, 32]` with their fine labels, the binary version.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cifar100 {}

impl Dataset for Cifar100 {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn decode(&self, contents: &[Vec<u8>]) -> Result<Official, Malformed> {
        crate::cifar::decode(&FACTS, contents, 2)
    }
}

// The archive's MD5 on the authors' page is 03b5dce01913d631647c71ecec9e9cb8. Mean and deviation are those of the official
// training split, rounded to four digits.
static FACTS: Facts = Facts {
    name: "cifar100",
    classes: &[
        "apple",
        "aquarium_fish",
        "baby",
        "bear",
        "beaver",
        "bed",
        "bee",
        "beetle",
        "bicycle",
        "bottle",
        "bowl",
        "boy",
        "bridge",
        "bus",
        "butterfly",
        "camel",
        "can",
        "castle",
        "caterpillar",
        "cattle",
        "chair",
        "chimpanzee",
        "clock",
        "cloud",
        "cockroach",
        "couch",
        "crab",
        "crocodile",
        "cup",
        "dinosaur",
        "dolphin",
        "elephant",
        "flatfish",
        "forest",
        "fox",
        "girl",
        "hamster",
        "house",
        "kangaroo",
        "keyboard",
        "lamp",
        "lawn_mower",
        "leopard",
        "lion",
        "lizard",
        "lobster",
        "man",
        "maple_tree",
        "motorcycle",
        "mountain",
        "mouse",
        "mushroom",
        "oak_tree",
        "orange",
        "orchid",
        "otter",
        "palm_tree",
        "pear",
        "pickup_truck",
        "pine_tree",
        "plain",
        "plate",
        "poppy",
        "porcupine",
        "possum",
        "rabbit",
        "raccoon",
        "ray",
        "road",
        "rocket",
        "rose",
        "sea",
        "seal",
        "shark",
        "shrew",
        "skunk",
        "skyscraper",
        "snail",
        "snake",
        "spider",
        "squirrel",
        "streetcar",
        "sunflower",
        "sweet_pepper",
        "table",
        "tank",
        "telephone",
        "television",
        "tiger",
        "tractor",
        "train",
        "trout",
        "tulip",
        "turtle",
        "wardrobe",
        "whale",
        "willow_tree",
        "wolf",
        "woman",
        "worm",
    ],
    shape: [3, 32, 32],
    mean: &[0.5071, 0.4865, 0.4409],
    std: &[0.2673, 0.2564, 0.2762],
    official: Sizes { train: 50_000, validation: 0, test: 10_000 },
    defaults: Sizes { train: 49_000, validation: 1_000, test: 10_000 },
    files: &[
        OfficialFile { name: "train.bin", size: 153_700_000, checksum: Checksum::Md5("6172c7755cfe09b2fe270c85cebc1b15") },
        OfficialFile { name: "test.bin", size: 30_740_000, checksum: Checksum::Md5("4499cfba6c016c1be1438163640a0898") },
    ],
    folders: &["cifar-100-binary", "cifar100", "cifar100/cifar-100-binary"],
    publication: Publication::Archive {
        folder: "cifar-100-binary",
        download: Download {
            name: "cifar-100-binary.tar.gz",
            addresses: &["https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"],
            size: 168_513_733,
            sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        },
    },
};
