//! What the machine has to give to instances that run side by side.

use crate::plan::Resources;

use super::machine;

/// Processors, memory and GPUs that are free now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    total: Total,
    cpus: usize,
    memory: u64,
    /// The free GPUs, in the order of the total.
    gpus: Vec<String>,
}

/// An amount of everything, without saying which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    cpus: usize,
    memory: u64,
    gpus: usize,
}

impl Room {
    /// What is left when `wanted` is taken; `None` when it does not fit.
    pub(super) fn minus(self, wanted: Room) -> Option<Room> {
        Some(Room {
            cpus: self.cpus.checked_sub(wanted.cpus)?,
            memory: self.memory.checked_sub(wanted.memory)?,
            gpus: self.gpus.checked_sub(wanted.gpus)?,
        })
    }

    /// With what a running instance holds.
    pub(super) fn plus(self, share: &Share) -> Room {
        Room { cpus: self.cpus + share.cpus, memory: self.memory.saturating_add(share.memory), gpus: self.gpus + share.gpus.len() }
    }
}

/// What there is in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// Processors that the run may use.
    pub cpus: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// GPUs, as `CUDA_VISIBLE_DEVICES` names them.
    pub gpus: Vec<String>,
}

/// What a running instance holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// How many processors: the number of threads it may keep busy.
    pub cpus: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// Which GPUs.
    pub gpus: Vec<String>,
}

impl Total {
    /// This machine, with `cpus` processors to use.
    #[must_use]
    pub fn of_machine(cpus: usize) -> Self {
        Total { cpus: cpus.max(1), memory: machine::memory().unwrap_or(u64::MAX), gpus: machine::gpus() }
    }

    /// What `wanted` comes down to here, and what had to be cut.
    #[must_use]
    pub fn clamp(&self, wanted: Resources) -> (Resources, Vec<String>) {
        let mut cut = Vec::new();
        let mut within = |name: &str, asked: u64, there: u64| {
            if asked > there {
                cut.push(format!("asks for {name} = {asked}, gets {there}"));
            }
            asked.min(there)
        };
        let cpus = within("cpus", wanted.cpus.max(1) as u64, self.cpus as u64);
        let memory = wanted.memory.map(|bytes| within("memory", bytes, self.memory));
        let gpus = within("gpus", wanted.gpus as u64, self.gpus.len() as u64);
        (Resources { cpus: cpus as usize, memory, gpus: gpus as usize }, cut)
    }
}

impl Budget {
    /// Everything is free.
    #[must_use]
    pub fn new(total: Total) -> Self {
        Budget { cpus: total.cpus, memory: total.memory, gpus: total.gpus.clone(), total }
    }

    /// Takes what an instance declares, cut to what there is in all; `None` when it is not free now.
    pub fn take(&mut self, wanted: Resources) -> Option<Share> {
        let (wanted, _) = self.total.clamp(wanted);
        let memory = wanted.memory.unwrap_or(0);
        if wanted.cpus > self.cpus || memory > self.memory || wanted.gpus > self.gpus.len() {
            return None;
        }
        self.cpus -= wanted.cpus;
        self.memory -= memory;
        Some(Share { cpus: wanted.cpus, memory, gpus: self.gpus.drain(..wanted.gpus).collect() })
    }

    /// Whether no processor is free.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.cpus == 0
    }

    /// What is free.
    pub(super) fn room(&self) -> Room {
        Room { cpus: self.cpus, memory: self.memory, gpus: self.gpus.len() }
    }

    /// What an instance will take.
    pub(super) fn demand(&self, wanted: Resources) -> Room {
        let (wanted, _) = self.total.clamp(wanted);
        Room { cpus: wanted.cpus, memory: wanted.memory.unwrap_or(0), gpus: wanted.gpus }
    }

    /// Takes back what an instance held.
    pub fn give_back(&mut self, share: Share) {
        self.cpus += share.cpus;
        self.memory += share.memory;
        self.gpus.extend(share.gpus);
        // So that the same GPUs are used again, whoever is done first.
        let place = |gpu: &String| self.total.gpus.iter().position(|known| known == gpu);
        self.gpus.sort_by_key(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(cpus: usize, memory: Option<u64>, gpus: usize) -> Resources {
        Resources { cpus, memory, gpus }
    }

    fn gpus(count: usize) -> Vec<String> {
        (0..count).map(|gpu| gpu.to_string()).collect()
    }

    #[test]
    fn shares_never_exceed_the_total() {
        let mut budget = Budget::new(Total { cpus: 4, memory: 100, gpus: gpus(2) });
        let first = budget.take(resources(3, Some(60), 1)).unwrap();
        assert_eq!(first.gpus, ["0"]);
        assert_eq!(budget.take(resources(2, None, 0)), None);
        assert_eq!(budget.take(resources(1, Some(60), 0)), None);
        let second = budget.take(resources(1, Some(40), 1)).unwrap();
        assert_eq!(second.gpus, ["1"]);
        budget.give_back(first);
        budget.give_back(second);
        assert_eq!(budget, Budget::new(Total { cpus: 4, memory: 100, gpus: gpus(2) }));
    }

    #[test]
    fn whoever_asks_for_too_much_gets_all_and_a_notice() {
        let total = Total { cpus: 2, memory: 100, gpus: gpus(0) };
        let (cut, notices) = total.clamp(resources(8, Some(200), 1));
        assert_eq!(cut, resources(2, Some(100), 0));
        assert_eq!(notices.len(), 3);
        assert!(Budget::new(total.clone()).take(resources(8, Some(200), 1)).is_some());
        assert_eq!(total.clamp(resources(0, None, 0)), (resources(1, None, 0), Vec::new()));
    }
}
