//! A client whose ledger's disk fails: what cannot be reserved is not sent, and what was sent has its row.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use tierway::client::Client;
use tierway::ledger::Entry;
use tierway::store::{Only, Page, SqliteStore, Store};
use tierway::testing::store::{History, wait};
use tierway::{Error, Request};

use crate::acme::{self, answer, scripted};
use crate::{Folder, fault};

/// Calls of one child.
const CALLS: usize = 12;

/// Twelve calls, each told with what came of it, and then what was sent.
pub(crate) fn child(file: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let provider = scripted("cheap", vec![answer("Paris.", 1_000, 500)]);
        let store = match SqliteStore::open(file, Default::default()) {
            Ok(store) => Arc::new(store),
            Err(error) => return println!("\ntold error {error}"),
        };
        let catalog = acme::catalog(&["cheap"], "dear", "chat_completions");
        let builder = acme::at(Client::builder().catalog(catalog).store(store.clone()), "cheap", &provider);
        let client = builder.build().unwrap();
        for number in 0..CALLS {
            let outcome = match number % 3 {
                0 => client.send(&acme::easy()).await.map(drop),
                1 => stream(&client, &acme::easy()).await,
                _ => give_up(&client, &acme::easy()).await,
            };
            match outcome {
                Ok(()) => println!("\ntold answered"),
                Err(Error::Ledger(error)) => println!("\ntold error {error}"),
                Err(error) => panic!("{error}"),
            }
        }
        provider.asked().iter().for_each(|asked| println!("\ntold sent {}", asked.attempt));
        let closed = client.close().await.map_or_else(|error| format!("error {error}"), |()| "closed".to_owned());
        println!("\ntold {closed}");
    });
}

async fn stream(client: &Client, request: &Request) -> Result<(), Error> {
    client.stream(request).await?.finish().await.map(drop)
}

/// Its ending is written by nobody who waits for it.
async fn give_up(client: &Client, request: &Request) -> Result<(), Error> {
    let mut stream = client.stream(request).await?;
    let first = stream.next().await.transpose();
    drop(stream);
    first.map(drop)
}

#[test]
fn a_failing_disk_lets_no_call_out_that_has_no_reservation() {
    let (folder, cases) = (Folder::new(), crate::cases(40, 400));
    let Some(library) = fault::library(&folder, cases) else { return };
    let mut random = History::new(crate::seed());
    let (mut sent, mut refused, mut closed) = (0, 0, 0);
    for case in 0..cases {
        let file = folder.file(&format!("unsent{case}.db"));
        let errno = if case % 2 == 0 { 5 } else { 28 };
        let settings = [
            ("FAULT_AT", (1 + random.below(120)).to_string()),
            ("FAULT_COUNT", [1, 3, 1_000_000][case % 3].to_string()),
            ("FAULT_ERRNO", errno.to_string()),
        ];
        let told = fault::run(&library, &file, "client:1", &settings);
        let context = format!("case {case} {settings:?}");
        let attempts: Vec<&str> = told.iter().filter_map(|line| line.strip_prefix("sent ")).collect();
        let answered = told.iter().filter(|line| *line == "answered").count();
        assert!(answered <= attempts.len(), "{context}: {told:?}");
        refused += told.iter().filter(|line| line.starts_with("error ")).count();
        sent += attempts.len();
        let (there, unknown) = account(&file, &context);
        let unreserved: Vec<_> = attempts.iter().filter(|attempt| !there.contains(**attempt)).collect();
        assert!(unreserved.is_empty(), "{context}: sent without a reservation: {unreserved:?}");
        // An ending that nobody waits for is written once the disk does again.
        if told.iter().any(|line| line == "closed") {
            let errors = told.iter().filter(|line| line.starts_with("error ")).count();
            assert!(unknown <= errors, "{context}: {unknown} unknown: {told:?}");
            closed += 1;
        }
    }
    println!(
        "{cases} clients on failing disks, {closed} of which closed well: {sent} calls sent, {refused} refused, \
         0 sent without a reservation"
    );
    assert!(closed > cases / 4, "{closed}");
    assert!(sent > cases * 2 && refused > cases, "{sent} sent, {refused} refused");
}

/// The attempts of which the file holds a reservation, and how many of them are unknown.
fn account(file: &Path, context: &str) -> (HashSet<String>, usize) {
    let store = SqliteStore::open(file, History::rules()).unwrap_or_else(|error| panic!("{context}: {error}"));
    let journal = wait(store.journal(0, usize::MAX)).unwrap();
    let unknown = wait(store.rows(Page { only: Only::Unknown, ..Page::default() })).unwrap().len();
    wait(store.close()).unwrap();
    let reserves = journal.iter().filter(|entry| matches!(entry, Entry::Reserve(_)));
    (reserves.map(|entry| entry.attempt().to_string()).collect(), unknown)
}
