//! What lies behind the numbers, for the page: `details.json`.

use std::collections::BTreeMap;

use planish_contract::{Coordinates, Failure};
use planish_formats::{ImageEvidence, MaskingCheck};
use serde::{Deserialize, Serialize};

use crate::figures::{data_address, sprite};
use crate::gather::{Attacked, Content, Images, Piece, Sources};

/// The file beside `tables.json`.
pub(crate) const DETAILS: &str = "details.json";

/// More examples than this, over all models, would make the page heavy.
const MOST_EXAMPLES: usize = 600;

/// What lies behind the numbers of a report.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Details {
    /// The instances of each input, in the order in which [`crate::table::Origin`] counts them.
    pub(crate) inputs: BTreeMap<String, Vec<Gathered>>,
    /// Lists of images that evidence is about, each once.
    pub(crate) images: Vec<Vec<u32>>,
    /// The names of the classes, where data is connected.
    pub(crate) classes: Vec<String>,
}

/// One gathered instance.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Gathered {
    /// Axis → label.
    pub(crate) labels: BTreeMap<String, String>,
    /// Why there is no result; nothing where there is one.
    pub(crate) gap: Option<String>,
    /// What attacks did, of evidence.
    pub(crate) evidence: Option<Card>,
}

/// Evidence, in short.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Card {
    pub(crate) subject: String,
    /// Percent.
    pub(crate) clean: f64,
    /// Percent.
    pub(crate) robust: f64,
    pub(crate) attacks: Vec<AttackCard>,
    /// Class, images, correct without an attack, standing.
    pub(crate) classes: Vec<(u32, usize, usize, usize)>,
    pub(crate) checks: Vec<MaskingCheck>,
    /// Which of [`Details::images`] it is about.
    pub(crate) images: usize,
    /// One character an image: `.` wrong without an attack, `+` stands, a letter for the attack (a, b, …) that broke it, `!` another.
    pub(crate) outcomes: String,
    /// Some images, with their adversarial versions and five times magnified differences below.
    pub(crate) examples: Option<Examples>,
}

/// What one attack did.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AttackCard {
    pub(crate) name: String,
    /// `steps = 20, …`.
    pub(crate) parameters: String,
    pub(crate) broken: usize,
    /// Percent that it and those before it left.
    pub(crate) left: f64,
    /// Passes that it spends on an image, at most.
    pub(crate) gradients: u64,
    pub(crate) queries: u64,
}

/// A picture of some images.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Examples {
    pub(crate) picture: String,
    /// Image, class, prediction under attack, whether it stands.
    pub(crate) images: Vec<(u32, u32, u32, bool)>,
}

/// Everything behind the numbers; `examples` images of each evidence. `log` is told what can't be shown.
pub(crate) fn of(sources: &Sources, examples: usize, log: &dyn Fn(&str)) -> Result<Details, Failure> {
    let mut details =
        Details { classes: sources.data.as_ref().map(|data| data.info.classes.clone()).unwrap_or_default(), ..Details::default() };
    // Pictures of the first split alone: ids are counted within a split.
    let split = sources.attacks.iter().find_map(Piece::get).map(|attacked| attacked.evidence.header.split);
    let images = split.map(|split| sources.images(split)).transpose()?.flatten();
    let examples = examples.min(MOST_EXAMPLES / sources.attacks.len().max(1));
    let mut attacks = Vec::new();
    for piece in &sources.attacks {
        let mut entry = gathered(piece);
        if let Some(attacked) = piece.get() {
            let images = images.as_ref().filter(|_| split == Some(attacked.evidence.header.split) && examples > 0);
            let examples = match images.map(|images| pictures(attacked, images, examples)).transpose() {
                Err(Failure::Input { message, .. }) => {
                    log(&format!("no example images: {message}"));
                    None
                }
                found => found?.flatten(),
            };
            entry.evidence = Some(Card { examples, ..card(attacked, &mut details.images) });
        }
        attacks.push(entry);
    }
    details.inputs.insert("attacks".to_owned(), attacks);
    details.inputs.insert("training".to_owned(), sources.training.iter().map(gathered).collect());
    details.inputs.insert("landscape".to_owned(), sources.landscape.iter().map(gathered).collect());
    Ok(details)
}

fn gathered<T>(piece: &Piece<T>) -> Gathered {
    let gap = match &piece.content {
        Content::There(_) => None,
        Content::Absent => Some("it has no result".to_owned()),
        Content::Damaged(reason) => Some(reason.clone()),
    };
    Gathered { labels: labels(&piece.coordinates), gap, evidence: None }
}

fn labels(coordinates: &Coordinates) -> BTreeMap<String, String> {
    coordinates.iter().map(|(axis, coordinate)| (axis.clone(), coordinate.label.clone())).collect()
}

/// Evidence in short, without examples.
fn card(attacked: &Attacked, lists: &mut Vec<Vec<u32>>) -> Card {
    let evidence = &attacked.evidence;
    let header = &evidence.header;
    let ids: Vec<u32> = evidence.images.iter().map(|image| image.id).collect();
    let list = lists.iter().position(|known| *known == ids).unwrap_or_else(|| {
        lists.push(ids);
        lists.len() - 1
    });
    let names: Vec<&str> = header.attacks.iter().map(|attack| attack.name.as_str()).collect();
    let attacks = header.attacks.iter().map(|attack| AttackCard {
        name: attack.name.clone(),
        parameters: settings(&attack.parameters),
        broken: attack.broken,
        left: 100.0 * attack.robust_accuracy,
        gradients: attack.gradients_per_image,
        queries: attack.queries_per_image,
    });
    Card {
        subject: format!("{}, {}, {} {} images", header.dataset, header.threat, header.images, header.split),
        clean: 100.0 * header.clean_accuracy,
        robust: 100.0 * header.robust_accuracy,
        attacks: attacks.collect(),
        classes: classes(&evidence.images),
        checks: attacked.masking.as_ref().map(|report| report.checks.clone()).unwrap_or_default(),
        images: list,
        outcomes: evidence.images.iter().map(|image| outcome(image, &names)).collect(),
        examples: None,
    }
}

/// `steps = 20, step_size = 0.01`.
fn settings(parameters: &serde_json::Value) -> String {
    let Some(map) = parameters.as_object() else { return parameters.to_string() };
    map.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ")
}

fn outcome(image: &ImageEvidence, attacks: &[&str]) -> char {
    if image.clean_prediction != image.label {
        return '.';
    }
    if image.robust {
        return '+';
    }
    let by = image.broken_by.as_ref().and_then(|by| attacks.iter().position(|name| *name == by.attack));
    by.and_then(|index| u8::try_from(index).ok()).filter(|index| *index < 26).map_or('!', |index| char::from(b'a' + index))
}

/// Class, images, correct without an attack, standing.
pub(crate) fn classes(images: &[ImageEvidence]) -> Vec<(u32, usize, usize, usize)> {
    let mut counts: BTreeMap<u32, (usize, usize, usize)> = BTreeMap::new();
    for image in images {
        let count = counts.entry(image.label).or_default();
        count.0 += 1;
        count.1 += usize::from(image.clean_prediction == image.label);
        count.2 += usize::from(image.robust);
    }
    counts.into_iter().map(|(label, (all, clean, robust))| (label, all, clean, robust)).collect()
}

/// The first images that are classified correctly without an attack: a broken and a standing one in turn, as far as there are both.
fn pictures(attacked: &Attacked, images: &Images, count: usize) -> Result<Option<Examples>, Failure> {
    let entries = &attacked.evidence.images;
    let of = |robust: bool| {
        let fits = move |(_, image): &(usize, &ImageEvidence)| image.clean_prediction == image.label && image.robust == robust;
        entries.iter().enumerate().filter(fits).take(count).collect::<Vec<_>>()
    };
    let (broken, standing) = (of(false), of(true));
    let mut chosen = Vec::new();
    for place in 0..count {
        chosen.extend(broken.get(place).into_iter().chain(standing.get(place)).copied());
    }
    chosen.truncate(count);
    let chosen: Vec<(usize, &ImageEvidence, Vec<f32>)> =
        chosen.into_iter().filter_map(|(place, image)| Some((place, image, images.image(image.id)?))).collect();
    let attacked = attacked.adversarial(&chosen.iter().map(|(place, ..)| *place).collect::<Vec<_>>())?;
    if attacked.is_empty() {
        return Ok(None);
    }
    let shown = chosen.iter().map(|(_, image, _)| (image.id, image.label, image.attacked_prediction, image.robust)).collect();
    let pairs: Vec<(Vec<f32>, Vec<f32>)> = chosen.into_iter().map(|(_, _, clean)| clean).zip(attacked).collect();
    Ok(Some(Examples { picture: data_address(&sprite(&pairs, images.shape(), 5.0))?, images: shown }))
}
