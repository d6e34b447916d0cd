//! Stage kinds: typed for those who write them, erased for the engine.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Context, Failure, Interface, Known, Outlook, Work};

/// A parameter that parses but can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The path of the parameter inside `params`, outermost key first.
    pub path: Vec<String>,
    /// What is wrong with it, as a lowercase fragment.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Invalid {
    /// A complaint about the parameter at `path` (keys separated by dots).
    pub fn at(path: &str, message: impl Into<String>) -> Self {
        Invalid { path: path.split('.').map(str::to_owned).collect(), message: message.into(), hint: None }
    }

    /// The same complaint with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The `execution` of a stage kind that has none.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoExecution {}

/// A stage kind. Its parameters are a typed struct: serde, unknown keys refused, families as
/// externally tagged enums.
pub trait Stage: Send + Sync + 'static {
    /// What changes the result: part of the key, with every default filled in.
    type Parameters: Serialize + DeserializeOwned + JsonSchema + Send + Sync;
    /// What must not change a single byte (batch size of an attack, device, data folder): never part of the key.
    type Execution: Serialize + DeserializeOwned + JsonSchema + Send + Sync;

    /// The name that `run = "…"` uses.
    const NAME: &'static str;
    /// The package that holds the stage (`env!("CARGO_PKG_NAME")`): its code fingerprint counts.
    const PACKAGE: &'static str;

    /// What the configured stage takes and makes.
    fn interface(parameters: &Self::Parameters) -> Interface;

    /// Checks what types alone can't (ranges, combinations), at plan time.
    ///
    /// # Errors
    /// The first parameter that can't be used.
    fn validate(parameters: &Self::Parameters) -> Result<(), Invalid> {
        let _ = parameters;
        Ok(())
    }

    /// The module paths of the family members that the parameters name, and those they use.
    fn members(parameters: &Self::Parameters) -> Vec<&'static str> {
        let _ = parameters;
        Vec::new()
    }

    /// What is known of an instance before it runs; `inputs` is what is known of what is connected to it. For estimates of time alone.
    fn outlook(parameters: &Self::Parameters, inputs: &Known) -> Outlook {
        let _ = (parameters, inputs);
        Outlook::default()
    }

    /// Does a small piece of the work, on `images` made-up images at most, to be timed; says how much it was. `None` where there is nothing that
    /// could be tried without the inputs themselves.
    ///
    /// # Errors
    /// What the computation fails with.
    fn trial(parameters: &Self::Parameters, execution: &Self::Execution, inputs: &Known, images: usize) -> Result<Option<Work>, Failure> {
        let _ = (parameters, execution, inputs, images);
        Ok(None)
    }

    /// Does the work.
    ///
    /// # Errors
    /// Whatever kept it from finishing; nothing that it wrote is published then.
    fn run(parameters: &Self::Parameters, execution: &Self::Execution, context: &Context) -> Result<(), Failure>;
}

/// A stage's parameters as the engine keeps them.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The typed parameters written back, defaults filled in.
    pub parameters: serde_json::Value,
    /// What the configured stage takes and makes.
    pub interface: Interface,
    /// The family members in use.
    pub members: Vec<&'static str>,
}

/// A [`Stage`] without its types.
pub trait AnyStage: Send + Sync {
    /// See [`Stage::NAME`].
    fn name(&self) -> &'static str;
    /// See [`Stage::PACKAGE`].
    fn package(&self) -> &'static str;

    /// What may be written as parameters, as JSON Schema; the definitions that it refers to join `generator`.
    fn parameters_schema(&self, generator: &mut SchemaGenerator) -> Schema;

    /// What may be written as `execution`, as JSON Schema.
    fn execution_schema(&self, generator: &mut SchemaGenerator) -> Schema;

    /// Reads parameters from any format into their canonical form.
    ///
    /// # Errors
    /// The deserialiser's own error; or, as `Ok(Err(_))`, a parameter that parses but can't be used.
    fn prepare(&self, parameters: &mut dyn erased_serde::Deserializer) -> Result<Result<Prepared, Invalid>, erased_serde::Error>;

    /// Reads `execution` from any format into its canonical form.
    ///
    /// # Errors
    /// The deserialiser's own error.
    fn prepare_execution(&self, execution: &mut dyn erased_serde::Deserializer) -> Result<serde_json::Value, erased_serde::Error>;

    /// What is known of an instance before it runs, see [`Stage::outlook`]; `parameters` are canonical.
    fn outlook(&self, parameters: &serde_json::Value, inputs: &Known) -> Outlook;

    /// Does a small piece of the work, see [`Stage::trial`]; `parameters` and `execution` are canonical.
    ///
    /// # Errors
    /// What the computation fails with.
    fn trial(
        &self,
        parameters: &serde_json::Value,
        execution: &serde_json::Value,
        inputs: &Known,
        images: usize,
    ) -> Result<Option<Work>, Failure>;

    /// Does the work; `parameters` and `execution` are canonical forms made by the two calls above.
    ///
    /// # Errors
    /// See [`Stage::run`].
    fn run(&self, parameters: &serde_json::Value, execution: &serde_json::Value, context: &Context) -> Result<(), Failure>;
}

impl<S: Stage> AnyStage for std::marker::PhantomData<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn package(&self) -> &'static str {
        S::PACKAGE
    }

    fn parameters_schema(&self, generator: &mut SchemaGenerator) -> Schema {
        named(S::NAME, "parameters", <S::Parameters as JsonSchema>::json_schema(generator))
    }

    fn execution_schema(&self, generator: &mut SchemaGenerator) -> Schema {
        named(S::NAME, "execution", <S::Execution as JsonSchema>::json_schema(generator))
    }

    fn prepare(&self, parameters: &mut dyn erased_serde::Deserializer) -> Result<Result<Prepared, Invalid>, erased_serde::Error> {
        let typed: S::Parameters = erased_serde::deserialize(parameters)?;
        if let Err(invalid) = S::validate(&typed) {
            return Ok(Err(invalid));
        }
        let value = serde_json::to_value(&typed).map_err(serde::de::Error::custom)?;
        Ok(Ok(Prepared { parameters: value, interface: S::interface(&typed), members: S::members(&typed) }))
    }

    fn prepare_execution(&self, execution: &mut dyn erased_serde::Deserializer) -> Result<serde_json::Value, erased_serde::Error> {
        let typed: S::Execution = erased_serde::deserialize(execution)?;
        serde_json::to_value(&typed).map_err(serde::de::Error::custom)
    }

    fn outlook(&self, parameters: &serde_json::Value, inputs: &Known) -> Outlook {
        read_canonical(parameters).map_or_else(|_| Outlook::default(), |parameters| S::outlook(&parameters, inputs))
    }

    fn trial(
        &self,
        parameters: &serde_json::Value,
        execution: &serde_json::Value,
        inputs: &Known,
        images: usize,
    ) -> Result<Option<Work>, Failure> {
        S::trial(&read_canonical(parameters)?, &read_canonical(execution)?, inputs, images)
    }

    fn run(&self, parameters: &serde_json::Value, execution: &serde_json::Value, context: &Context) -> Result<(), Failure> {
        let parameters: S::Parameters = read_canonical(parameters)?;
        let execution: S::Execution = read_canonical(execution)?;
        S::run(&parameters, &execution, context)
    }
}

/// Two stage kinds may give their types one name, so they are told apart by a title instead of a definition.
fn named(stage: &str, section: &str, mut schema: Schema) -> Schema {
    schema.insert("title".to_owned(), format!("{section} of a stage of kind {stage}").into());
    schema
}

fn read_canonical<T: DeserializeOwned>(value: &serde_json::Value) -> Result<T, Failure> {
    T::deserialize(value).map_err(|e| Failure::internal(format!("canonical parameters do not read back: {e}")))
}
