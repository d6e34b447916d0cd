use super::{entry, publish, store};
use crate::{Digest, Published, Store, StoreError};

#[test]
fn the_first_published_entry_stands() {
    let (_root, store) = store();
    let (first, published) = publish(&store, "train", "one");
    assert_eq!(published, Published::New);
    let (_, published) = publish(&store, "train", "two");
    assert_eq!(published, Published::Existing(Box::new(first.clone())));
    assert_eq!(store.get(&first.key).unwrap(), Some(first));
}

#[test]
fn a_lost_result_whose_repetition_differs_is_superseded() {
    let (_root, store) = store();
    let (first, _) = publish(&store, "train", "one");
    let tree = store.tree(&first.outputs["last"]).unwrap().unwrap();
    std::fs::remove_file(store.blob(&tree.files["weights"].digest).unwrap().unwrap()).unwrap();
    assert_eq!(store.get(&first.key).unwrap(), None);

    let (second, published) = publish(&store, "train", "two");
    assert_eq!(published, Published::Superseded(Box::new(first.clone())));
    let standing = store.get(&first.key).unwrap().unwrap();
    assert_eq!(standing.outputs, second.outputs);
    let superseded = standing.superseded.clone().unwrap();
    assert_eq!((superseded.outputs, superseded.provenance), (first.outputs, first.provenance));

    // From now on the second one stands, even when the first one's bytes come again.
    let (_, published) = publish(&store, "train", "one");
    assert_eq!(published, Published::Existing(Box::new(standing)));
}

#[test]
fn an_entry_without_its_outputs_is_not_published() {
    let (root, store) = store();
    let lost = entry("train", Digest::of(b"nowhere"));
    let error = store.publish(&lost).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }) && error.to_string().contains("output `last`"), "{error}");

    let folder = super::make_folder(root.path(), "output", &[("weights", b"w")]);
    let (digest, tree) = store.ingest_folder(&folder).unwrap();
    std::fs::remove_file(store.blob(&tree.files["weights"].digest).unwrap().unwrap()).unwrap();
    assert!(matches!(store.publish(&entry("train", digest)), Err(StoreError::Corrupt { .. })));
    assert_eq!(store.entries().unwrap().count(), 0);
}

#[test]
fn an_entry_that_could_not_be_read_back_is_not_published() {
    let (_root, store) = store();
    let (mut entry, _) = publish(&store, "train", "one");
    entry.version = 2;
    assert!(matches!(store.publish(&entry), Err(StoreError::Invalid(_))));
    entry.version = 1;
    entry.outputs.insert("../x".to_owned(), entry.outputs["last"]);
    assert!(matches!(store.publish(&entry), Err(StoreError::Invalid(_))));
}

#[test]
fn entries_are_listed_in_the_order_of_their_keys() {
    let (_root, store) = store();
    let mut made: Vec<_> = (0..12).map(|i| publish(&store, &format!("train[seed={i}]"), &i.to_string()).0).collect();
    made.sort_by_key(|entry| entry.key);
    assert_eq!(store.entries().unwrap().collect::<Result<Vec<_>, _>>().unwrap(), made);
}

#[test]
fn of_many_threads_that_publish_one_key_exactly_one_wins() {
    let (root, _store) = store();
    let path = root.path().join("store");
    for round in 0..5 {
        let (path, instance) = (&path, &format!("train[seed={round}]"));
        let results: Vec<_> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..6)
                .map(|racer| scope.spawn(move || publish(&Store::open(path).unwrap(), instance, &format!("{round} {racer}"))))
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        let winners: Vec<_> = results.iter().filter(|(_, published)| *published == Published::New).collect();
        let [(winner, _)] = winners.as_slice() else { panic!("{} winners", winners.len()) };
        for (_, published) in &results {
            assert!(matches!(published, Published::New) || *published == Published::Existing(Box::new(winner.clone())));
        }
        assert_eq!(Store::open(path).unwrap().get(&winner.key).unwrap().as_ref(), Some(winner));
    }
}

#[test]
fn a_blob_that_is_damaged_again_and_again_while_threads_make_it_ends_up_right() {
    let (_root, store) = store();
    let digest = Digest::of(b"the right bytes");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..60 {
                    assert_eq!(store.ingest_bytes(b"the right bytes").unwrap(), digest);
                    // Present or not, but never an error.
                    assert!(store.blob(&digest).is_ok());
                }
            });
        }
        scope.spawn(|| {
            let path = store.layout.object(&digest);
            for round in 0..60 {
                let bad = store.root().join(format!("tmp/bad-{round}"));
                std::fs::write(&bad, "the wrong bytes").unwrap();
                let _ = std::fs::rename(&bad, &path);
                std::thread::yield_now();
            }
        });
    });
    store.ingest_bytes(b"the right bytes").unwrap();
    assert_eq!(std::fs::read(store.blob(&digest).unwrap().unwrap()).unwrap(), b"the right bytes");
}
