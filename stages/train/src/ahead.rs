//! Work made ahead of its use, on a thread of its own.

use std::sync::mpsc::{IntoIter, sync_channel};
use std::thread::Scope;

/// How many pieces wait to be used.
const AHEAD: usize = 2;

/// The items of `source`, made on another thread of `scope` while earlier ones are used; at most [`AHEAD`] wait. In the order of `source`. When what
/// comes out is dropped, the thread ends after the item that it is at.
pub(crate) fn ahead<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    source: impl Iterator<Item = T> + Send + 'scope,
) -> IntoIter<T> {
    let (sender, receiver) = sync_channel(AHEAD);
    scope.spawn(move || {
        for item in source {
            if sender.send(item).is_err() {
                break;
            }
        }
    });
    receiver.into_iter()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn everything_comes_in_order() {
        let items: Vec<u32> = std::thread::scope(|scope| ahead(scope, 0..100).collect());
        assert_eq!(items, (0..100).collect::<Vec<u32>>());
    }

    #[test]
    fn who_stops_listening_ends_the_work() {
        let made = AtomicUsize::new(0);
        let first = std::thread::scope(|scope| {
            let source = (0..u32::MAX).inspect(|_| {
                made.fetch_add(1, Ordering::SeqCst);
            });
            ahead(scope, source).next()
        });
        assert_eq!(first, Some(0));
        assert!(made.load(Ordering::SeqCst) <= 2 + AHEAD);
    }
}
