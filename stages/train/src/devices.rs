//! The devices of a training, and work on several of them at once.

use std::ops::Range;
use std::thread::{Builder, ScopedJoinHandle};

use burn::tensor::StreamId;
use planish_contract::{Failure, panic_message};
use planish_nn::device::describe;
use planish_nn::{Device, Parameters, Statistics};

/// Where a training computes. The first device holds its state; the parts of a step are spread over all of them. Which devices these are is no
/// part of the result: equal devices give equal bytes, however many there are.
#[derive(Clone, Debug)]
pub struct Devices {
    primary: Device,
    others: Vec<Device>,
}

impl Devices {
    /// These devices; autodiff is switched on.
    ///
    /// # Errors
    /// [`Failure::Internal`] when there is none.
    pub fn new(devices: Vec<Device>) -> Result<Self, Failure> {
        let mut devices = devices.into_iter().map(Device::autodiff);
        let primary = devices.next().ok_or_else(|| Failure::internal("a training without devices"))?;
        Ok(Devices { primary, others: devices.collect() })
    }

    /// The device that holds the training's state, with autodiff.
    #[must_use]
    pub fn primary(&self) -> &Device {
        &self.primary
    }

    /// All of them, the primary one first.
    pub fn all(&self) -> impl Iterator<Item = &Device> {
        std::iter::once(&self.primary).chain(&self.others)
    }

    /// What they are, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        self.all().map(describe).collect::<Vec<_>>().join(", ")
    }

    /// The state on each device that has something to do in a step of `parts` parts; at least one.
    #[must_use]
    pub fn replicas(&self, parts: usize, weights: &Parameters, running: &Statistics) -> Vec<Replica> {
        self.all().take(parts.max(1)).map(|device| Replica::on(device, weights, running)).collect()
    }

    /// What to say when steps have fewer parts than there are devices.
    #[must_use]
    pub fn idle(&self, parts: usize) -> Option<String> {
        let all = self.all().count();
        let named = |(index, device): (usize, &Device)| format!("number {}, {}", index + 1, describe(device));
        let idle: Vec<String> = self.all().enumerate().skip(parts).map(named).collect();
        if idle.is_empty() {
            return None;
        }
        Some(format!(
            "{} of {all} devices have nothing to do ({}): a step has `accumulate` = {parts} parts, and each runs on one device; at least {all} \
             parts use them all (with batch normalisation that is another training)",
            idle.len(),
            idle.join("; ")
        ))
    }
}

/// A training's state on one device.
pub struct Replica {
    /// The device, with autodiff.
    pub device: Device,
    /// The weights as leaves of a reverse pass.
    pub tracked: Parameters,
    /// The weights as constants.
    pub frozen: Parameters,
    /// The running statistics.
    pub running: Statistics,
}

impl Replica {
    /// `weights` and `running` statistics, copied to `device` unless they are there.
    #[must_use]
    pub fn on(device: &Device, weights: &Parameters, running: &Statistics) -> Self {
        let here = weights.to_device(device);
        Replica { tracked: here.tracked(), frozen: here.constant_on_autodiff(), running: running.to_device(device), device: device.clone() }
    }
}

/// As much as the main thread of a program usually has.
const STACK: usize = 8 << 20;

/// `work` of every index, all at the same time, results in the order of the indices. One index is worked on right here.
///
/// # Errors
/// The first failure by index; [`Failure::Internal`] when a thread panics or can't be started. All threads have ended by then.
pub(crate) fn at_once<T: Send>(indices: Range<usize>, work: &(dyn Fn(usize) -> Result<T, Failure> + Sync)) -> Result<Vec<T>, Failure> {
    if indices.len() <= 1 {
        return indices.map(work).collect();
    }
    // A thread has queues and memory pools of its own on every device, which would pile up with new threads in every step.
    let stream = StreamId::current();
    std::thread::scope(|scope| {
        let start = |index: usize| {
            let thread = Builder::new().name(format!("part {index}")).stack_size(STACK);
            thread.spawn_scoped(scope, move || stream.executes(|| work(index)))
        };
        let threads: Vec<_> = indices.clone().map(start).collect();
        // Every thread is waited for before a failure is passed on.
        let results: Vec<Result<T, Failure>> = indices.zip(threads).map(|(index, thread)| result(index, thread)).collect();
        results.into_iter().collect()
    })
}

fn result<T>(index: usize, thread: std::io::Result<ScopedJoinHandle<'_, Result<T, Failure>>>) -> Result<T, Failure> {
    let thread = thread.map_err(|error| Failure::internal(format!("no thread for part {} of a step: {error}", index + 1)))?;
    thread.join().unwrap_or_else(|panic| {
        let why = panic_message(panic.as_ref()).unwrap_or_default();
        Err(Failure::internal(format!("part {} of a step panicked: {why}", index + 1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_work_is_done_at_once() {
        let meeting = std::sync::Barrier::new(3);
        let all = at_once(4..7, &|index| {
            meeting.wait();
            Ok(index)
        });
        assert_eq!(all.unwrap(), [4, 5, 6]);
        assert_eq!(at_once(0..0, &|index| Ok(index)).unwrap(), [0usize; 0]);
    }

    #[test]
    fn the_first_failure_is_told_after_all_have_ended_and_a_panic_is_a_failure() {
        let ended = std::sync::atomic::AtomicUsize::new(0);
        let failed = at_once(0..4, &|index| {
            let fails = index % 2 == 1;
            ended.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            if fails { Err(Failure::input(format!("no {index}"))) } else { Ok(()) }
        });
        assert_eq!((failed.unwrap_err().to_string().as_str(), ended.into_inner()), ("no 1", 4));
        let failed = at_once(0..3, &|index| if index == 2 { panic!("out of memory {index}") } else { Ok(()) });
        let failed = failed.unwrap_err().to_string();
        assert!(failed.contains("part 3") && failed.contains("out of memory 2"), "{failed}");
    }

    #[test]
    fn devices_without_parts_are_named() {
        let devices = Devices::new(vec![Device::flex(); 3]).unwrap();
        assert!(devices.idle(3).is_none() && devices.idle(8).is_none());
        let words = devices.idle(2).unwrap();
        assert!(words.starts_with("1 of 3 devices") && words.contains("accumulate"), "{words}");
        assert!(Devices::new(Vec::new()).is_err());
    }
}
