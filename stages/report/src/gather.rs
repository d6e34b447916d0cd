//! What the pipeline connected: evidence, trainings and measurements. What is missing or damaged is kept as a gap, so that the rest of
//! the report comes out.

use std::collections::BTreeMap;

use planish_contract::{Context, Coordinates, Failure, Folder, Gathered};
use planish_formats::evidence::ADVERSARIAL;
use planish_formats::{Adversarial, DataSet, Event, Evidence, HistoryRecord, MaskingReport, Measurement, Probed, Split, SplitName};

use crate::table::Origin;

/// What there is of an instance's result.
#[derive(Debug)]
pub(crate) enum Content<T> {
    There(T),
    /// The gather is optional and the instance has no result.
    Absent,
    /// It can't be read, and why.
    Damaged(String),
}

/// The result of one gathered instance.
#[derive(Debug)]
pub(crate) struct Piece<T> {
    pub(crate) coordinates: Coordinates,
    pub(crate) content: Content<T>,
}

impl<T> Piece<T> {
    pub(crate) fn get(&self) -> Option<&T> {
        match &self.content {
            Content::There(content) => Some(content),
            _ => None,
        }
    }
}

/// Evidence and what was found out about masked gradients.
#[derive(Debug)]
pub(crate) struct Attacked {
    pub(crate) evidence: Evidence,
    pub(crate) masking: Option<MaskingReport>,
    folder: Folder,
}

impl Attacked {
    fn open(folder: &Folder) -> Result<Self, Failure> {
        Ok(Attacked { evidence: Evidence::open(folder)?, masking: MaskingReport::open(folder)?, folder: folder.clone() })
    }

    /// The worst images of some entries, by their positions, `[c, h, w]` in `[0, 1]`. Nothing else of the file is read.
    pub(crate) fn adversarial(&self, places: &[usize]) -> Result<Vec<Vec<f32>>, Failure> {
        let read = || Adversarial::read_some(self.folder.file(ADVERSARIAL)?, places);
        read().map_err(|failure| match failure {
            Failure::Input { message, hint } => Failure::Input { message: without_places(&message, Some(&self.folder)), hint },
            failure => failure,
        })
    }
}

/// One training.
#[derive(Debug)]
pub(crate) struct Training {
    /// Forward and backward passes for each training image, over all epochs.
    pub(crate) gradients: u64,
    pub(crate) epochs: u32,
    /// What was measured along it, in the order of steps.
    pub(crate) probes: Vec<Probed>,
    /// What went wrong.
    pub(crate) events: Vec<Event>,
}

/// Everything that the report is made from.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) attacks: Vec<Piece<Attacked>>,
    pub(crate) training: Vec<Piece<Training>>,
    pub(crate) landscape: Vec<Piece<Measurement>>,
    pub(crate) data: Option<DataSet>,
}

impl Sources {
    /// Reads every input.
    pub(crate) fn read(context: &Context) -> Result<Self, Failure> {
        Ok(Sources {
            attacks: pieces(context, "attacks", Attacked::open)?,
            training: pieces(context, "training", training)?,
            landscape: pieces(context, "landscape", Measurement::open)?,
            data: context.optional_input("data")?.map(DataSet::open).transpose()?,
        })
    }

    /// Where an instance stands.
    pub(crate) fn coordinates(&self, origin: &Origin) -> Option<&Coordinates> {
        match origin.input.as_str() {
            "attacks" => self.attacks.get(origin.index).map(|piece| &piece.coordinates),
            "training" => self.training.get(origin.index).map(|piece| &piece.coordinates),
            "landscape" => self.landscape.get(origin.index).map(|piece| &piece.coordinates),
            _ => None,
        }
    }

    /// The images of `split` by id, if data is connected.
    pub(crate) fn images(&self, split: SplitName) -> Result<Option<Images>, Failure> {
        let Some(data) = &self.data else { return Ok(None) };
        let split = data.images(split, None)?;
        let places = split.ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        Ok(Some(Images { split, places }))
    }
}

/// The images of a split.
#[derive(Debug)]
pub(crate) struct Images {
    split: Split,
    places: BTreeMap<u32, usize>,
}

impl Images {
    /// Image `id`, `[c, h, w]`, in `[0, 1]`.
    pub(crate) fn image(&self, id: u32) -> Option<Vec<f32>> {
        self.places.get(&id).map(|place| self.split.pixels(*place..*place + 1))
    }

    /// Channels, height, width.
    pub(crate) fn shape(&self) -> [usize; 3] {
        self.split.shape
    }
}

fn pieces<T>(context: &Context, input: &str, read: impl Fn(&Folder) -> Result<T, Failure>) -> Result<Vec<Piece<T>>, Failure> {
    let piece = |gathered: &Gathered| {
        let found = match gathered.folder.as_ref().map(&read) {
            None => Content::Absent,
            Some(Ok(result)) => Content::There(result),
            // What is malformed is a gap; what can't be read at all is the machine's fault, and another try may help.
            Some(Err(Failure::Input { message, .. })) => {
                let message = without_places(&message, gathered.folder.as_ref());
                context.host.log(&format!("{input} at {}: {message}", place(&gathered.coordinates)));
                Content::Damaged(message)
            }
            Some(Err(failure)) => return Err(failure),
        };
        Ok(Piece { coordinates: gathered.coordinates.clone(), content: found })
    };
    context.gathered(input)?.iter().map(piece).collect()
}

/// The message with the names that files have in their artifact: where the store keeps them is no part of a report.
fn without_places(message: &str, folder: Option<&Folder>) -> String {
    let files = folder.into_iter().flat_map(Folder::files);
    files.fold(message.to_owned(), |message, (name, path)| message.replace(&path.display().to_string(), name))
}

/// `method=llr, seed=0`.
pub(crate) fn place(coordinates: &Coordinates) -> String {
    coordinates.iter().map(|(axis, c)| format!("{axis}={}", c.label)).collect::<Vec<_>>().join(", ")
}

fn training(folder: &Folder) -> Result<Training, Failure> {
    let path = folder.file(planish_formats::HISTORY)?;
    let records: Vec<HistoryRecord> = planish_formats::read_json_lines(path)?;
    Ok(Training {
        gradients: records.iter().map(|record| record.gradients_per_image).sum(),
        epochs: records.last().map_or(0, |record| record.epoch),
        probes: records.iter().flat_map(|record| record.probes.iter().cloned()).collect(),
        events: records.into_iter().flat_map(|record| record.events).collect(),
    })
}
