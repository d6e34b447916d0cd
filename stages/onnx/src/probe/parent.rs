//! The parent's side: start the child, watch the clock, read the answer.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use planish_contract::Failure;

use super::{Answer, Job, Report};

/// How much longer than its limit a child may take before it is ended.
const GRACE: Duration = Duration::from_secs(1);
/// The longest pause between two looks at the child.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
/// The most bytes of an answer that are read.
const LONGEST_ANSWER: u64 = 1 << 20;

const HINT: &str = "the model asks for more than a classifier of its size should: check where it comes from";

pub(super) fn run(arguments: &[OsString], job: &Job, file: &str) -> Result<Report, Failure> {
    let started = |e: std::io::Error| Failure::internal(format!("the process that tries the model can't be started: {e}"));
    let job_text = serde_json::to_string(job).map_err(|e| Failure::internal(e.to_string()))?;
    let link = PathBuf::from("/proc/self/exe");
    let executable = if link.exists() { link } else { std::env::current_exe().map_err(started)? };
    let mut child = Command::new(executable)
        .arg0("planish")
        .args(arguments)
        .env("ORT_DISABLE_TELEMETRY", "1")
        // One pool of memory instead of one a thread: address space is what is limited.
        .env("MALLOC_ARENA_MAX", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(started)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A child that is gone already is found out below.
        drop(stdin.write_all(job_text.as_bytes()));
    }
    let reader = child.stdout.take().map(|stdout| {
        std::thread::spawn(move || {
            let mut text = String::new();
            stdout.take(LONGEST_ANSWER).read_to_string(&mut text).map(|_| text).unwrap_or_default()
        })
    });
    let status = wait(&mut child, Duration::from_secs(job.limits.seconds) + GRACE).map_err(started)?;
    let text = reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
    judge(status, &text, job, file)
}

/// Waits for the child at most `limit`; `None` when it had to be ended.
fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() > limit {
            // Fails only when it has ended meanwhile.
            drop(child.kill());
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn judge(status: Option<ExitStatus>, text: &str, job: &Job, file: &str) -> Result<Report, Failure> {
    let Some(status) = status else {
        return Err(Failure::input_hint(format!("{file}: its first run took more than {} s and was ended", job.limits.seconds), HINT));
    };
    // Test harnesses print lines of their own around the answer.
    let answer = text.lines().find_map(|line| serde_json::from_str::<Answer>(line).ok());
    match answer {
        Some(Answer::Ran(report)) => Ok(report),
        Some(Answer::Refused { message, hint }) => {
            let memory = ["Failed to allocate memory", "bad_alloc"].iter().any(|words| message.contains(words));
            let hint = hint.or_else(|| memory.then(|| HINT.to_owned()));
            Err(Failure::Input { message: shorten(&message, job, file), hint })
        }
        None => {
            let how = match (status.signal(), status.code()) {
                (Some(signal), _) => format!("signal {signal}"),
                (None, code) => format!("exit code {}", code.unwrap_or_default()),
            };
            let limit = job.limits.memory >> 20;
            let message = format!("{file}: its first run, limited to {limit} MiB of memory, ended with {how} instead of an answer");
            Err(Failure::input_hint(message, HINT))
        }
    }
}

/// The child's message, with the file named as the user named it.
fn shorten(message: &str, job: &Job, file: &str) -> String {
    message.replace(&job.model.display().to_string(), file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Limits;

    fn outcome(status: Option<i32>, text: &str) -> Result<Report, Failure> {
        let job = Job { model: "/a/b.onnx".into(), library: None, channels_last: None, limits: Limits { memory: 1 << 30, seconds: 7 } };
        judge(status.map(ExitStatus::from_raw), text, &job, "b.onnx")
    }

    #[test]
    fn every_end_of_a_child_has_its_words() {
        let report = Report { seconds: 0.5, peak_memory: 1, repeatable: true };
        let text = serde_json::to_string(&Answer::Ran(report.clone())).unwrap();
        assert_eq!(outcome(Some(0), &format!("running 1 test\n{text}\n")).unwrap(), report);
        let refused = Answer::Refused { message: "/a/b.onnx: is empty".into(), hint: Some("do".into()) };
        let failure = outcome(Some(0), &serde_json::to_string(&refused).unwrap()).unwrap_err();
        assert_eq!((failure.to_string().as_str(), failure.hint()), ("b.onnx: is empty", Some("do")));
        assert!(outcome(None, "").unwrap_err().to_string().contains("more than 7 s"));
        assert!(outcome(Some(6), "").unwrap_err().to_string().contains("limited to 1024 MiB of memory, ended with signal 6"));
        assert!(outcome(Some(3 << 8), "").unwrap_err().to_string().contains("exit code 3"));
    }
}
