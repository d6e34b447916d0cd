//! The child's side: set the limits, do the job, answer.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ort::session::RunOptions;
use planish_contract::Failure;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::{Answer, Job, Limits, Report};
use crate::classifier::Classifier;
use crate::inspect::Layout;
use crate::model_file::ModelFile;
use crate::runtime;

/// Does one job from standard input and answers on standard output. For processes that [`super::first_run`] started, and no others:
/// it limits the memory of the process for good.
///
/// Returns whether the job could be read and answered.
#[must_use]
pub fn serve() -> bool {
    let mut text = String::new();
    let read = std::io::stdin().lock().read_to_string(&mut text);
    let Some(job) = read.ok().and_then(|_| serde_json::from_str::<Job>(&text).ok()) else { return false };
    limit(job.limits);
    let answer = match run(&job) {
        Ok(report) => Answer::Ran(report),
        Err(failure) => Answer::Refused { message: failure.to_string(), hint: failure.hint().map(str::to_owned) },
    };
    let Ok(answer) = serde_json::to_string(&answer) else { return false };
    // On a line of its own, whatever a test harness printed before.
    let line = format!("\n{answer}\n");
    let mut output = std::io::stdout().lock();
    output.write_all(line.as_bytes()).and_then(|()| output.flush()).is_ok()
}

/// Limits this process; the parent's clock is the one that counts.
fn limit(limits: Limits) {
    let both = |value| Rlimit { current: Some(value), maximum: Some(value) };
    // A system without one of them still has the parent's clock.
    let _ = setrlimit(Resource::Core, both(0));
    let _ = setrlimit(Resource::As, both(limits.memory));
}

fn run(job: &Job) -> Result<Report, Failure> {
    let started = Instant::now();
    let layout = job.channels_last.map(|last| if last { Layout::ChannelsLast } else { Layout::ChannelsFirst });
    let model = ModelFile::read_as(&job.model, layout)?;
    runtime::ensure(job.library.as_deref())?;
    let mut classifier = Classifier::of_model(&model, &job.model.display().to_string(), 1)?;
    let options = RunOptions::new().map_err(|e| Failure::internal(e.to_string()))?;
    let options = Arc::new(options);
    end_in_time(&options, job.limits, started);
    classifier.set_options(options);
    let repeatable = try_out(&mut classifier)?;
    Ok(Report { seconds: started.elapsed().as_secs_f64(), peak_memory: peak_memory(), repeatable })
}

/// Runs one image twice and two images together; says whether the repetition gave the same.
fn try_out(classifier: &mut Classifier) -> Result<bool, Failure> {
    let pixels = classifier.shape().iter().product::<usize>();
    let images: Vec<f32> = (0..2 * pixels).map(|i| ((i * 37 + 11) % 101) as f32 / 101.0).collect();
    let (first, _) = images.split_at(pixels);
    let once = classifier.logits(first)?;
    let again = classifier.logits(first)?;
    classifier.logits(&images)?;
    Ok(once.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits()))
}

/// Has ONNX Runtime end the run a little before the parent would end the process, so that there is an answer.
fn end_in_time(options: &Arc<RunOptions>, limits: Limits, started: Instant) {
    let deadline = Duration::from_secs(limits.seconds).saturating_sub(started.elapsed());
    let options = Arc::clone(options);
    let watch = move || {
        std::thread::sleep(deadline);
        // Nothing to do if it fails: the parent ends the process.
        drop(options.terminate());
    };
    // Without the thread the parent's clock still counts.
    drop(std::thread::Builder::new().name("deadline".to_owned()).spawn(watch));
}

/// The most memory that this process held (bytes), where Linux tells.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
