//! The stage kind `import`.

use planish_contract::{Arity, Context, Failure, Interface, Invalid, Stage};
use planish_formats::onnx_model::{INFO, MODEL};
use planish_formats::{CHECK, DataSet, ModelCheck, ModelInfo, SCHEMA, Split, kinds, write_json};
use planish_onnx::{Classifier, GraphFacts, ModelFile, runtime};

use crate::accuracy::{self, Subject, check};
use crate::parameters::{ImportExecution, ImportParameters};
use crate::source;
use crate::wrap::{Known, wrap};

/// The output with the model.
const OUTPUT: &str = "model";
/// The output with `check.json`: apart from the model, so that other images to check it on change nothing after it.
const CHECK_OUTPUT: &str = "check";

/// Brings an ONNX model from elsewhere into the pipeline.
///
/// Files: `model`. Input: `data`, on which the model's accuracy is checked. Outputs: `model`, and `check` with `check.json`.
#[derive(Clone, Copy, Debug)]
pub struct ImportStage;

impl Stage for ImportStage {
    type Parameters = ImportParameters;
    type Execution = ImportExecution;

    const NAME: &'static str = "import";
    const PACKAGE: &'static str = env!("CARGO_PKG_NAME");

    fn interface(_: &ImportParameters) -> Interface {
        let outputs = [(OUTPUT, kinds::ONNX_MODEL), (CHECK_OUTPUT, kinds::MODEL_CHECK)];
        Interface::of(&[("data", kinds::DATA_SET, Arity::Optional)], &outputs)
    }

    fn validate(parameters: &ImportParameters) -> Result<(), Invalid> {
        parameters.check()
    }

    fn run(parameters: &ImportParameters, execution: &ImportExecution, context: &Context) -> Result<(), Failure> {
        let data = context.optional_input("data")?.map(DataSet::open).transpose()?;
        if data.is_none() && parameters.expect_accuracy.is_some() {
            let hint = "connect the data set: inputs.data = \"data\"";
            return Err(Failure::input_hint("an accuracy is expected, but there are no images to check it on", hint));
        }
        let known = data
            .as_ref()
            .map_or_else(Known::default, |data| Known { shape: Some(data.info.shape), classes: Some(data.info.classes.len()) });
        let (name, original) = source::read(context.files.get("model"), parameters)?;
        let of_file = |failure| match failure {
            Failure::Input { message, hint } => Failure::Input { message: format!("{name}: {message}"), hint },
            other => other,
        };
        let wrapped = wrap(original.clone(), &parameters.takes, parameters.output.as_deref(), &known).map_err(of_file)?;
        let path = context.output(OUTPUT).join(MODEL);
        accuracy::write(&path, &wrapped)?;
        let scratch = path.display().to_string();
        let of_user = |failure| renamed(failure, &scratch, &name);
        let file = ModelFile::read(&path).map_err(of_user)?;
        let classes = describe(&file, data.as_ref(), context)?;
        let library = runtime::ensure(execution.onnxruntime.as_deref())?;
        context.host.provenance("onnxruntime", serde_json::to_value(library).map_err(|e| Failure::internal(e.to_string()))?);
        let mut model = Classifier::open_read(&file, &path, context.threads).map_err(of_user)?;
        let mut found = match &data {
            None => unchecked(),
            Some(data) => {
                let images = images(data, parameters, classes).map_err(of_file)?;
                let subject = Subject { parameters, original: &original, known: &known, images: &images, context };
                check(&subject, &mut model).map_err(of_file)?
            }
        };
        found.remarks.extend(GraphFacts::of(&file).remarks());
        tell(&found, context);
        write_json(&context.output(CHECK_OUTPUT).join(CHECK), &found)
    }
}

/// Writes `model.json`; returns the number of classes.
fn describe(file: &ModelFile, data: Option<&DataSet>, context: &Context) -> Result<usize, Failure> {
    let named = data.map(|data| &data.info.classes).filter(|classes| classes.len() == file.signature.classes);
    let info = ModelInfo {
        schema: SCHEMA,
        shape: file.signature.shape,
        classes: named.cloned().unwrap_or_else(|| (0..file.signature.classes).map(|class| class.to_string()).collect()),
        input: file.signature.input.clone(),
        output: file.signature.output.clone(),
        opset: file.inspection.opset,
        parameters: file.inspection.parameters,
    };
    write_json(&context.output(OUTPUT).join(INFO), &info)?;
    Ok(info.classes.len())
}

/// The images on which the accuracy is checked.
fn images(data: &DataSet, parameters: &ImportParameters, classes: usize) -> Result<Split, Failure> {
    let split = data.split(parameters.split)?.first(parameters.check_images);
    if split.is_empty() {
        return Err(Failure::input(format!("the {} split of {} has no images", parameters.split, data.info.name)));
    }
    match split.labels.iter().zip(&split.ids).find(|(label, _)| **label as usize >= classes) {
        None => Ok(split),
        Some((label, id)) => {
            let message = format!("image {id} of {} has label {label}, but the model has {classes} classes", data.info.name);
            Err(Failure::input_hint(message, "the model was trained on other classes, or the labels are not its class numbers"))
        }
    }
}

fn unchecked() -> ModelCheck {
    let remark = "no data set is connected to `data`: the accuracy was not checked".to_owned();
    ModelCheck { schema: SCHEMA, images: 0, accuracy: 0.0, chance: 0.0, remarks: vec![remark] }
}

fn tell(check: &ModelCheck, context: &Context) {
    if check.images > 0 {
        context.host.log(&format!("{:.1} % of {} clean images are classified correctly", 100.0 * check.accuracy, check.images));
    }
    check.remarks.iter().for_each(|remark| context.host.log(remark));
}

/// The failure about the wrapped file, told of the file that the user knows.
fn renamed(failure: Failure, scratch: &str, name: &str) -> Failure {
    match failure {
        Failure::Input { message, hint } => Failure::Input { message: message.replace(scratch, name), hint },
        other => other,
    }
}

#[cfg(test)]
mod tests;
