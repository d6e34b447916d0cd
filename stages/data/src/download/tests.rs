//! Against a server on the loopback interface that misbehaves as told.

use super::*;
use crate::loopback::{Answer, serve};
use planish_contract::{Progress, SilentHost};
use std::net::TcpListener;
use std::sync::Mutex;

/// More than a stride of progress and the read after it, so that a download can be stopped in the middle.
const CONTENT: &[u8] = &[7; 500_000];

fn download(addresses: &[&'static str]) -> Download {
    let sha256: &'static str = format!("{:x}", Sha256::digest(CONTENT)).leak();
    Download { name: "file.gz", addresses: addresses.to_vec().leak(), size: CONTENT.len() as u64, sha256 }
}

const QUICK: Patience = Patience { attempts: 3, pause: Duration::from_millis(1), silence: Duration::from_millis(1500) };

fn fetch(folder: &Path, addresses: &[&'static str]) -> Result<PathBuf, Failure> {
    Downloader::new(&SilentHost, folder).patience(QUICK).fetch(&download(addresses))
}

#[test]
fn a_file_is_downloaded_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(CONTENT, vec![Answer::Whole]);
    let path = fetch(&folder.path().join("new/folder"), &[server.address]).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), CONTENT);
    assert_eq!(fetch(&folder.path().join("new/folder"), &[server.address]).unwrap(), path);
    assert_eq!(*server.starts.lock().unwrap(), [0]);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn cuts_and_silence_are_resumed_where_they_came() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(CONTENT, vec![Answer::Cut(100_000), Answer::Status(503), Answer::Stall(50_000), Answer::Whole]);
    let path = fetch(folder.path(), &[server.address]).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), CONTENT);
    assert_eq!(*server.starts.lock().unwrap(), [0, 100_000, 100_000, 150_000]);
}

#[test]
fn a_server_that_cannot_resume_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(CONTENT, vec![Answer::Cut(1000), Answer::IgnoringRanges]);
    assert_eq!(std::fs::read(fetch(folder.path(), &[server.address]).unwrap()).unwrap(), CONTENT);
    assert_eq!(*server.starts.lock().unwrap(), [0, 1000]);
}

#[test]
fn other_content_is_never_kept() {
    let folder = tempfile::tempdir().unwrap();
    let wrong: &'static [u8] = vec![8; CONTENT.len()].leak();
    let server = serve(CONTENT, vec![Answer::Instead(wrong)]);
    let message = fetch(folder.path(), &[server.address]).unwrap_err().to_string();
    assert!(message.starts_with("file.gz can't be downloaded (http://127.0.0.1:"), "{message}");
    assert!(message.contains("not the official file: sha256 ") && message.contains(" expected, "), "{message}");
    assert!(!folder.path().join("file.gz").exists());
    assert_eq!(std::fs::metadata(folder.path().join("file.gz.part")).unwrap().len(), 0);
    let endless: &'static [u8] = vec![7; CONTENT.len() + 1].leak();
    let server = serve(CONTENT, vec![Answer::Instead(endless)]);
    let message = fetch(folder.path(), &[server.address]).unwrap_err().to_string();
    assert!(message.contains(&format!("sends more than the {} bytes", CONTENT.len())), "{message}");
}

#[test]
fn a_refusal_is_not_repeated_and_the_next_address_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let (gone, good) = (serve(CONTENT, vec![Answer::Status(404)]), serve(CONTENT, vec![Answer::Whole]));
    let message = fetch(folder.path(), &[gone.address]).unwrap_err().to_string();
    assert!(message.ends_with(": the server answers 404)"), "{message}");
    assert_eq!(gone.starts.lock().unwrap().len(), 1);
    assert!(fetch(folder.path(), &[gone.address, good.address]).is_ok());
}

#[test]
fn a_dead_server_is_given_up_after_some_attempts() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(CONTENT, vec![Answer::Status(500)]);
    let message = fetch(folder.path(), &[server.address]).unwrap_err().to_string();
    assert!(message.contains("the server answers 500 for now"), "{message}");
    assert_eq!(server.starts.lock().unwrap().len(), 3);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = format!("http://{nobody}/file").leak();
    assert!(matches!(fetch(folder.path(), &[address]), Err(Failure::Input { .. })));
}

#[test]
fn a_damaged_file_is_replaced_and_a_damaged_part_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file.gz"), vec![9; CONTENT.len()]).unwrap();
    std::fs::write(folder.path().join("file.gz.part"), vec![9; 1000]).unwrap();
    let (one, two) = (serve(CONTENT, vec![Answer::Whole]), serve(CONTENT, vec![Answer::Whole]));
    let path = fetch(folder.path(), &[one.address, two.address]).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), CONTENT);
    assert_eq!((one.starts.lock().unwrap()[0], two.starts.lock().unwrap()[0]), (1000, 0));
}

#[test]
fn several_downloaders_of_one_file_download_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(CONTENT, vec![Answer::Whole]);
    std::thread::scope(|scope| {
        let fetchers: Vec<_> = (0..3).map(|_| scope.spawn(|| fetch(folder.path(), &[server.address]).unwrap())).collect();
        for fetcher in fetchers {
            assert_eq!(std::fs::read(fetcher.join().unwrap()).unwrap(), CONTENT);
        }
    });
    assert_eq!(server.starts.lock().unwrap().len(), 1);
}

/// Asks to stop after some progress.
struct Impatient(Mutex<u64>);

impl Host for Impatient {
    fn progress(&self, progress: Progress) {
        assert_eq!(progress.total, CONTENT.len() as u64);
        *self.0.lock().unwrap() = progress.done;
    }
    fn stopped(&self) -> bool {
        *self.0.lock().unwrap() > 0
    }
    fn provenance(&self, _: &str, _: serde_json::Value) {}
    fn log(&self, _: &str) {}
}

#[test]
fn a_stopped_download_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(CONTENT, vec![Answer::Whole]);
    let host = Impatient(Mutex::new(0));
    let stopped = Downloader::new(&host, folder.path()).patience(QUICK).fetch(&download(&[server.address]));
    assert!(matches!(stopped, Err(Failure::Stopped)));
    let kept = std::fs::metadata(folder.path().join("file.gz.part")).unwrap().len() as usize;
    assert!(kept > 0 && kept < CONTENT.len());
    assert!(fetch(folder.path(), &[server.address]).is_ok());
    assert_eq!(*server.starts.lock().unwrap(), [0, kept]);
}
