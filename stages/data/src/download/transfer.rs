//! One request: the rest of a file, appended to what is there.

use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

use planish_contract::{Host, Progress};
use ureq::Agent;
use ureq::http::{Response, StatusCode, header};

use super::error::Trouble;
use crate::dataset::Download;

/// How often progress is shown, in bytes.
const STRIDE: u64 = 1 << 18;

/// One request.
pub(super) struct Transfer<'a> {
    pub(super) host: &'a dyn Host,
    /// What has arrived so far; opened for appending.
    pub(super) file: &'a File,
    pub(super) download: &'a Download,
    pub(super) silence: Duration,
}

impl Transfer<'_> {
    /// Asks `address` for what is missing and appends it.
    pub(super) fn run(&self, address: &str) -> Result<(), Trouble> {
        let have = self.file.metadata()?.len();
        if have == self.download.size {
            return Ok(());
        }
        let mut request = self.agent().get(address);
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let response = request.call().map_err(|error| Trouble::Network(error.to_string()))?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if starts_at(&response, have) => {}
            // The server sends everything, or something that does not fit what is there: begin anew.
            StatusCode::OK => self.file.set_len(0)?,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                self.file.set_len(0)?;
                return Err(Trouble::Network("the server can't continue the download".to_owned()));
            }
            busy if busy.is_server_error() || busy == StatusCode::TOO_MANY_REQUESTS => return Err(Trouble::Busy(busy.as_u16())),
            refused => return Err(Trouble::Refused(refused.as_u16())),
        }
        self.append(response.into_body().into_reader())
    }

    fn agent(&self) -> Agent {
        Agent::config_builder()
            .http_status_as_error(false)
            // Packed files are published as such; a server must not pack or unpack them on the way.
            .accept_encoding("identity")
            .timeout_resolve(Some(self.silence))
            .timeout_connect(Some(self.silence))
            .timeout_recv_response(Some(self.silence))
            .timeout_per_read(Some(self.silence))
            .build()
            .into()
    }

    fn append(&self, mut body: impl Read) -> Result<(), Trouble> {
        let expected = self.download.size;
        let mut have = self.file.metadata()?.len();
        let mut shown = have;
        let mut buffer = vec![0; 1 << 16];
        self.show(have);
        loop {
            if self.host.stopped() {
                return Err(Trouble::Stopped);
            }
            let n = body.read(&mut buffer).map_err(|error| Trouble::Network(error.to_string()))?;
            if n == 0 {
                self.show(have);
                return if have == expected { Ok(()) } else { Err(Trouble::Short { expected, found: have }) };
            }
            have += n as u64;
            if have > expected {
                self.file.set_len(0)?;
                return Err(Trouble::Long(expected));
            }
            let mut file = self.file;
            file.write_all(buffer.get(..n).unwrap_or_default())?;
            if have - shown >= STRIDE {
                shown = have;
                self.show(have);
            }
        }
    }

    fn show(&self, done: u64) {
        self.host.progress(Progress { done, total: self.download.size, text: format!("downloading {} (bytes)", self.download.name) });
    }
}

/// Whether a partial answer starts at byte `have`.
fn starts_at<T>(response: &Response<T>, have: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")).and_then(|range| range.split('-').next());
    start.and_then(|start| start.trim().parse().ok()) == Some(have)
}
