//! CIFAR-10 (Krizhevsky 2009, *Learning multiple layers of features from tiny images*): colour images of 10 classes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Malformed;
use crate::dataset::{Checksum, Dataset, Download, Facts, Official, OfficialFile, Publication, Sizes};

/// CIFAR-10: 50,000 training and 10,000 test images `[3, 32, 32]` of 10 classes, the binary version.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cifar10 {}

impl Dataset for Cifar10 {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn decode(&self, contents: &[Vec<u8>]) -> Result<Official, Malformed> {
        crate::cifar::decode(&FACTS, contents, 1)
    }
}

// The archive's MD5 on the authors' page is c32a1d4ab5d03f1284b67883e8d87530. Mean and deviation are the constants of the
// code released with the paper: (125.3, 123.0, 113.9)/255 and (63.0, 62.1, 66.7)/255; the official training split has
// (125.307, 122.950, 113.865)/255 and (62.993, 62.089, 66.705)/255.
static FACTS: Facts = Facts {
    name: "cifar10",
    classes: &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    shape: [3, 32, 32],
    mean: &[125.3 / 255.0, 123.0 / 255.0, 113.9 / 255.0],
    std: &[63.0 / 255.0, 62.1 / 255.0, 66.7 / 255.0],
    official: Sizes { train: 50_000, validation: 0, test: 10_000 },
    defaults: Sizes { train: 49_000, validation: 1_000, test: 10_000 },
    files: &[
        OfficialFile {
            name: "data_batch_1.bin",
            size: 30_730_000,
            checksum: Checksum::Sha256("cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
        },
        OfficialFile {
            name: "data_batch_2.bin",
            size: 30_730_000,
            checksum: Checksum::Sha256("a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
        },
        OfficialFile {
            name: "data_batch_3.bin",
            size: 30_730_000,
            checksum: Checksum::Sha256("bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
        },
        OfficialFile {
            name: "data_batch_4.bin",
            size: 30_730_000,
            checksum: Checksum::Sha256("014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
        },
        OfficialFile {
            name: "data_batch_5.bin",
            size: 30_730_000,
            checksum: Checksum::Sha256("755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
        },
        OfficialFile {
            name: "test_batch.bin",
            size: 30_730_000,
            checksum: Checksum::Sha256("8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
        },
    ],
    folders: &["cifar-10-batches-bin", "cifar10", "cifar10/cifar-10-batches-bin"],
    publication: Publication::Archive {
        folder: "cifar-10-batches-bin",
        download: Download {
            name: "cifar-10-binary.tar.gz",
            addresses: &["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"],
            size: 170_052_171,
            sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        },
    },
};
