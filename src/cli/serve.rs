//! `planish serve`: a page on this machine that shows a pipeline while it runs, and its reports.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use clap::Args;

use crate::exit::Exit;
use crate::run::{find_log, latest_run, read_progress, telltales};
use crate::serve::{Site, serve as serve_site};
use crate::show::{self, Known, LatestView, LiveView, Screen};

use super::error::CommandError;
use super::hooks::Hooks;
use super::log::end_of;
use super::open::{Opened, PipelineArguments};
use super::report;

/// Serve a page that shows the pipeline while it runs, and its reports; it reads the store and changes nothing
#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// Where to listen; with port 0, any that is free. Other addresses than this machine's own let others read along
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7878")]
    listen: SocketAddr,
    /// Show it in the browser
    #[arg(long)]
    open: bool,
}

pub(super) fn serve(arguments: &ServeArguments, hooks: &Hooks<'_>, screen: Screen) -> Result<Exit, CommandError> {
    let site = Store { arguments: &arguments.pipeline, hooks };
    // A mistake in the pipeline is told now; one that is made later shows on the page.
    site.open()?;
    let listen = arguments.listen;
    let refuse = |error: std::io::Error| {
        CommandError::usage(format!("can't listen on {listen}: {error}"), "--listen 127.0.0.1:0 takes any free port")
    };
    let listener = TcpListener::bind(listen).map_err(refuse)?;
    let address = listener.local_addr().map_err(refuse)?;
    if !address.ip().is_loopback() {
        screen.say(&format!("{address} is not this machine's own address: whoever reaches it can read logs and results"));
    }
    screen.answer(&format!("http://{address}/\n"));
    screen.say("Ctrl-C ends it");
    if arguments.open {
        super::browser::open(&format!("http://{address}/"))?;
    }
    serve_site(listener, &site, || false).map_err(refuse)?;
    Ok(Exit::Success)
}

/// The pipeline and its store, read anew each time.
struct Store<'a> {
    arguments: &'a PipelineArguments,
    hooks: &'a Hooks<'a>,
}

impl Store<'_> {
    fn open(&self) -> Result<Opened, CommandError> {
        self.arguments.open(&[], self.hooks.kinds)
    }

    fn view(&self) -> Result<LiveView, CommandError> {
        let opened = self.open()?;
        let forecasts = opened.forecast()?;
        let record = latest_run(&opened.store, &opened.plan.name);
        let running = record.as_ref().filter(|record| record.goes_on());
        let progress = running.map_or_else(BTreeMap::new, |record| read_progress(&opened.store, &record.run));
        let known = Known { plan: &opened.plan, forecasts: &forecasts, history: &opened.history, run: running, progress: &progress };
        Ok(LiveView {
            pipeline: opened.plan.name.clone(),
            profile: opened.profile.clone(),
            problem: None,
            run: record.as_ref().map(LatestView::new),
            instances: known.instances(),
            pages: report::names(&opened, self.hooks, &forecasts)?,
        })
    }
}

impl Site for Store<'_> {
    fn state(&self) -> String {
        let view = self.view().unwrap_or_else(|error| LiveView {
            pipeline: self.arguments.file.display().to_string(),
            profile: self.arguments.profile.clone(),
            problem: Some(show::problem(&error)),
            ..LiveView::default()
        });
        show::json_line("serve", &view)
    }

    fn mark(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        changed(&self.arguments.file).hash(&mut hasher);
        for path in telltales(&self.arguments.root()) {
            changed(&path).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn page(&self, name: &str) -> Result<Option<String>, String> {
        let page = || {
            let opened = self.open()?;
            report::page(&opened, self.hooks, name)
        };
        page().map_err(|error| show::problem(&error))
    }

    fn log(&self, instance: &str) -> Option<Vec<u8>> {
        let opened = self.open().ok()?;
        let (_, path) = find_log(&opened.store, &opened.plan.name, instance)?;
        end_of(&path).ok().map(|(text, _)| text)
    }
}

/// Something that is another one after a file or folder was replaced or written.
fn changed(path: &Path) -> Option<(std::time::SystemTime, u64)> {
    let stat = std::fs::metadata(path).ok()?;
    Some((stat.modified().ok()?, stat.len()))
}
