//! Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747): grey images of clothes, MIT licence.
//!
//! 10,000 training, 1,000 validation and 1,000 test images are part of the program; they are the same images that the full
//! files give for these sizes. `embedded/pack.py` says how they were packed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Malformed;
use crate::dataset::{Checksum, Dataset, Download, Embedded, Facts, Official, OfficialFile, Publication, Sizes};

/// Fashion-MNIST: 60,000 training and 10,000 test images `[1, 28, 28]` of 10 classes.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FashionMnist {}

impl Dataset for FashionMnist {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn decode(&self, contents: &[Vec<u8>]) -> Result<Official, Malformed> {
        crate::idx::decode(&FACTS, contents)
    }

    fn embedded(&self) -> Option<&'static Embedded> {
        Some(&EMBEDDED)
    }
}

static EMBEDDED: Embedded = Embedded {
    packed: include_bytes!("../../embedded/fashion-mnist.safetensors.lzma"),
    sha256: "7577feac9831da704c427d837c7ba1f141aeaf6d4086c84ab6f8f24422e75b8b",
    sizes: FACTS.defaults,
};

// Mean 0.28604 and deviation 0.35302 were computed from the official training split.
static FACTS: Facts = Facts {
    name: "fashion-mnist",
    classes: &["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"],
    shape: [1, 28, 28],
    mean: &[0.286_04],
    std: &[0.353_02],
    official: Sizes { train: 60_000, validation: 0, test: 10_000 },
    defaults: Sizes { train: 10_000, validation: 1_000, test: 1_000 },
    files: &[
        OfficialFile {
            name: "train-images-idx3-ubyte",
            size: 47_040_016,
            checksum: Checksum::Sha256("c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
        },
        OfficialFile {
            name: "train-labels-idx1-ubyte",
            size: 60_008,
            checksum: Checksum::Sha256("bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
        },
        OfficialFile {
            name: "t10k-images-idx3-ubyte",
            size: 7_840_016,
            checksum: Checksum::Sha256("5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
        },
        OfficialFile {
            name: "t10k-labels-idx1-ubyte",
            size: 10_008,
            checksum: Checksum::Sha256("0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        },
    ],
    folders: &["fashion-mnist", "FashionMNIST/raw"],
    publication: Publication::Gzip(&[
        Download {
            name: "train-images-idx3-ubyte.gz",
            addresses: &[
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-images-idx3-ubyte.gz",
                "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/train-images-idx3-ubyte.gz",
            ],
            size: 26_421_880,
            sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        },
        Download {
            name: "train-labels-idx1-ubyte.gz",
            addresses: &[
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-labels-idx1-ubyte.gz",
                "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/train-labels-idx1-ubyte.gz",
            ],
            size: 29_515,
            sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        },
        Download {
            name: "t10k-images-idx3-ubyte.gz",
            addresses: &[
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-images-idx3-ubyte.gz",
                "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/t10k-images-idx3-ubyte.gz",
            ],
            size: 4_422_102,
            sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        },
        Download {
            name: "t10k-labels-idx1-ubyte.gz",
            addresses: &[
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-labels-idx1-ubyte.gz",
                "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/t10k-labels-idx1-ubyte.gz",
            ],
            size: 5_148,
            sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
    ]),
};
