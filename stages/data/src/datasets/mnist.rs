//! MNIST (`LeCun`, Cortes and Burges 1998): grey images of handwritten digits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Malformed;
use crate::dataset::{Checksum, Dataset, Download, Facts, Official, OfficialFile, Publication, Sizes};

/// MNIST: 60,000 training and 10,000 test images `[1, 28, 28]` of 10 classes.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mnist {}

impl Dataset for Mnist {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn decode(&self, contents: &[Vec<u8>]) -> Result<Official, Malformed> {
        crate::idx::decode(&FACTS, contents)
    }
}

// The authors' own address no longer answers; the two below are the copies that PyTorch and TensorFlow use. Mean and deviation
// are those of the official training split, rounded to four digits.
static FACTS: Facts = Facts {
    name: "mnist",
    classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    shape: [1, 28, 28],
    mean: &[0.1307],
    std: &[0.3081],
    official: Sizes { train: 60_000, validation: 0, test: 10_000 },
    defaults: Sizes { train: 59_000, validation: 1_000, test: 10_000 },
    files: &[
        OfficialFile {
            name: "train-images-idx3-ubyte",
            size: 47_040_016,
            checksum: Checksum::Sha256("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        },
        OfficialFile {
            name: "train-labels-idx1-ubyte",
            size: 60_008,
            checksum: Checksum::Sha256("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        },
        OfficialFile {
            name: "t10k-images-idx3-ubyte",
            size: 7_840_016,
            checksum: Checksum::Sha256("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        },
        OfficialFile {
            name: "t10k-labels-idx1-ubyte",
            size: 10_008,
            checksum: Checksum::Sha256("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        },
    ],
    folders: &["mnist", "MNIST/raw"],
    publication: Publication::Gzip(&[
        Download {
            name: "train-images-idx3-ubyte.gz",
            addresses: &[
                "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
                "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz",
            ],
            size: 9_912_422,
            sha256: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        },
        Download {
            name: "train-labels-idx1-ubyte.gz",
            addresses: &[
                "https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz",
                "https://storage.googleapis.com/cvdf-datasets/mnist/train-labels-idx1-ubyte.gz",
            ],
            size: 28_881,
            sha256: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        },
        Download {
            name: "t10k-images-idx3-ubyte.gz",
            addresses: &[
                "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz",
                "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-images-idx3-ubyte.gz",
            ],
            size: 1_648_877,
            sha256: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        },
        Download {
            name: "t10k-labels-idx1-ubyte.gz",
            addresses: &[
                "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz",
                "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-labels-idx1-ubyte.gz",
            ],
            size: 4_542,
            sha256: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    ]),
};
