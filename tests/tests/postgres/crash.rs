//! Servers that die, hang or are not there; processes that are killed; TLS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tierway::ledger::{Book, Entry, LedgerError, Rules};
use tierway::store::{Only, Page, PostgresOptions, PostgresStore, Store};
use tierway::testing::store::wait;

use crate::race::{reserve, rules, settle};
use crate::{Folder, fresh, leased, server};

/// A server of this test's own, to be killed.
struct Cluster {
    folder: Folder,
    bin: String,
    user: String,
    port: u16,
}

impl Cluster {
    /// Where the server's programs are known.
    fn new() -> Option<Cluster> {
        let Ok(bin) = std::env::var("TIERWAY_TEST_POSTGRES_BIN") else {
            println!("skipped: a server that dies: TIERWAY_TEST_POSTGRES_BIN is not set (1 case)");
            return None;
        };
        let user = std::env::var("TIERWAY_TEST_POSTGRES_USER").unwrap_or_default();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Cluster { folder: Folder::new(), bin, user, port };
        if !cluster.user.is_empty() {
            let owned = Command::new("chown").arg(&cluster.user).arg(&cluster.folder.0).status().unwrap();
            assert!(owned.success());
        }
        cluster.shell("$bin/initdb -D data -U tierway -A trust -E UTF8 --no-instructions");
        let settings = format!("listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\n");
        cluster.shell(&format!("printf \"{settings}\" >> data/postgresql.conf"));
        cluster.start();
        Some(cluster)
    }

    fn shell(&self, line: &str) {
        let line = line.replace("$bin", &self.bin);
        let line = format!("cd '{}' && {{ {line}; }} >> shell.log 2>&1 < /dev/null", self.folder.0.display());
        let mut command = match self.user.as_str() {
            "" => Command::new("bash"),
            user => {
                let mut command = Command::new("su");
                command.args(["-s", "/bin/bash", user]);
                command
            }
        };
        let status = command.args(["-c", &line]).status().unwrap();
        let log = std::fs::read_to_string(self.folder.0.join("shell.log")).unwrap_or_default();
        assert!(status.success(), "{line}: {log}");
    }

    fn start(&self) {
        self.shell("$bin/pg_ctl -D data -l server.log -w start");
    }

    fn kill(&self) {
        self.shell("$bin/pg_ctl -D data -m immediate stop");
    }

    fn url(&self) -> String {
        format!("postgres://tierway@127.0.0.1:{}/postgres?", self.port)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shell("$bin/pg_ctl -D data -m immediate stop || true");
    }
}

fn replays(store: &PostgresStore, limit: &str) -> Vec<Entry> {
    let journal = wait(store.journal(0, usize::MAX)).unwrap();
    let book = Book::replay(rules(limit), &journal).unwrap();
    assert_eq!(book.balances(), wait(store.balances()).unwrap(), "balances are a replay of the journal");
    journal
}

/// Callers write while the server is killed twice; answers what they were told.
fn load(store: &PostgresStore, cluster: &Cluster) -> Vec<(String, bool)> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|caller| {
                let stop = &stop;
                scope.spawn(move || {
                    let mut told = Vec::new();
                    for n in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            return told;
                        }
                        let name = format!("c{caller}.{n}");
                        if wait(store.reserve(reserve(&name, caller))).is_ok() {
                            told.push((name.clone(), false));
                            if wait(store.settle(settle(&name))).is_ok() {
                                told.push((name, true));
                            }
                        }
                    }
                    told
                })
            })
            .collect();
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(700));
            cluster.kill();
            std::thread::sleep(Duration::from_millis(300));
            cluster.start();
        }
        std::thread::sleep(Duration::from_millis(700));
        stop.store(true, Ordering::Relaxed);
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    })
}

#[test]
fn a_server_that_is_killed_loses_nothing_that_was_answered() {
    if server("a server that is killed", 2).is_none() {
        return;
    }
    let Some(cluster) = Cluster::new() else { return };
    let folder = Folder::new();
    let patient = PostgresOptions { patience: Duration::from_secs(60), ..PostgresOptions::default() };
    for options in [patient.clone(), PostgresOptions { patience: patient.patience, ..leased(&folder.0) }] {
        let url = fresh(&cluster.url());
        let store = PostgresStore::open_with(&url, rules("1000000"), options).unwrap();
        let told = load(&store, &cluster);
        wait(store.close()).unwrap();
        let store = PostgresStore::open(&url, rules("1000000")).unwrap();
        let journal = replays(&store, "1000000");
        let mut there = std::collections::BTreeSet::new();
        for entry in &journal {
            assert!(
                there.insert((entry.attempt().to_string(), !matches!(entry, Entry::Reserve(_)))),
                "{entry:?} twice"
            );
        }
        println!("{} entries were answered, {} are there", told.len(), there.len());
        assert!(told.len() > 40, "the callers came to nothing: {}", told.len());
        let lost: Vec<_> = told.iter().filter(|entry| !there.contains(entry)).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        wait(store.close()).unwrap();
    }
}

/// Passes bytes on in both ways, until it is told to stop passing.
fn proxy(target: String) -> (String, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let frozen = Arc::new(AtomicBool::new(false));
    let freeze = frozen.clone();
    std::thread::spawn(move || {
        for from in listener.incoming() {
            let Ok(from) = from else { return };
            let Ok(to) = TcpStream::connect(&target) else { continue };
            for (from, to) in [(from.try_clone(), to.try_clone()), (Ok(to), Ok(from))] {
                let (mut from, mut to, freeze) = (from.unwrap(), to.unwrap(), freeze.clone());
                std::thread::spawn(move || {
                    let mut bytes = [0; 16_384];
                    while let Ok(count @ 1..) = from.read(&mut bytes) {
                        while freeze.load(Ordering::Relaxed) {
                            std::thread::sleep(Duration::from_millis(10));
                        }
                        if to.write_all(&bytes[..count]).is_err() {
                            return;
                        }
                    }
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    (address, frozen)
}

fn hasty() -> PostgresOptions {
    PostgresOptions {
        connect_max: Duration::from_millis(1_500),
        answer_max: Duration::from_millis(1_500),
        patience: Duration::from_secs(3),
        ..PostgresOptions::default()
    }
}

#[test]
fn a_server_that_hangs_is_an_error_in_time_and_comes_back() {
    let Some(server) = server("a server that hangs", 1) else { return };
    let (_, rest) = server.split_once('@').unwrap();
    let (target, database) = rest.split_once('/').unwrap();
    let (address, frozen) = proxy(target.to_owned());
    let url = fresh(&format!("postgres://tierway@{address}/{database}"));
    // Its tables are made without haste.
    wait(PostgresStore::open(&url, rules("1")).unwrap().close()).unwrap();
    let store = PostgresStore::open_with(&url, rules("1"), hasty()).unwrap();
    wait(store.reserve(reserve("a", 0))).unwrap();
    frozen.store(true, Ordering::Relaxed);
    let start = Instant::now();
    let error = wait(store.reserve(reserve("b", 0))).unwrap_err();
    assert!(matches!(error, LedgerError::Io { .. }), "{error}");
    let error = wait(store.settle(settle("a"))).unwrap_err();
    assert!(matches!(error, LedgerError::Io { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    frozen.store(false, Ordering::Relaxed);
    // The settlement was refused to its caller and is kept all the same: it is here, or was just written.
    assert!((0..60).any(|_| wait(store.settle(settle("a"))).is_ok()), "it comes back");
    wait(store.reserve(reserve("c", 0))).unwrap();
    let journal = replays(&store, "1");
    assert_eq!(journal.iter().filter(|entry| entry.attempt().as_str() == "a").count(), 2);
    wait(store.close()).unwrap();
}

#[test]
fn a_server_that_is_not_there_or_never_answers_is_a_typed_error() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    for address in ["127.0.0.1:1".to_owned(), silent] {
        let start = Instant::now();
        let url = format!("postgres://ann:s3cret@{address}/books");
        let error = PostgresStore::open_with(&url, Rules::default(), hasty()).unwrap_err();
        assert!(matches!(error, LedgerError::Io { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret") && !error.to_string().contains("ann"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    }
}

#[test]
fn tls_checks_the_servers_name_and_its_root() {
    let Some(server) = server("TLS", 4) else { return };
    let root = std::env::var("TIERWAY_TEST_POSTGRES_HOME").map(|home| format!("{home}/root.pem")).unwrap_or_default();
    if !std::path::Path::new(&root).exists() {
        println!("skipped: TLS: the server has no certificate (4 cases)");
        return;
    }
    let url = fresh(&server).replace("127.0.0.1", "localhost");
    let store = PostgresStore::open(&format!("{url}&sslmode=verify-full&sslrootcert={root}"), rules("1")).unwrap();
    wait(store.reserve(reserve("a", 0))).unwrap();
    wait(store.settle(settle("a"))).unwrap();
    replays(&store, "1");
    wait(store.close()).unwrap();
    let error = PostgresStore::open(&format!("{url}&sslmode=require"), rules("1")).unwrap_err();
    assert!(error.to_string().contains("certificate"), "an unknown root: {error}");
    let other = url.replace("localhost", "127.0.0.1");
    let error = PostgresStore::open(&format!("{other}&sslmode=require&sslrootcert={root}"), rules("1")).unwrap_err();
    assert!(error.to_string().contains("certificate"), "another name: {error}");
    let error = PostgresStore::open(&format!("{url}&sslmode=require&sslrootcert=/nowhere"), rules("1")).unwrap_err();
    assert!(matches!(error, LedgerError::Io { .. }), "{error}");
}

/// The process that is killed: spends under leases, or without, and says what was answered.
#[test]
fn child() {
    let Ok(url) = std::env::var("TIERWAY_POSTGRES_CHILD") else { return };
    let options = match std::env::var("TIERWAY_POSTGRES_FOLDER") {
        Ok(folder) => leased(std::path::Path::new(&folder)),
        Err(_) => PostgresOptions::default(),
    };
    let options = PostgresOptions { alive_max: Duration::from_secs(2), ..options };
    let store = PostgresStore::open_with(&url, rules("1000"), options).unwrap();
    for n in 0.. {
        let name = format!("k{}.{n}", std::process::id());
        wait(store.reserve(reserve(&name, 0))).unwrap();
        println!("\nreserved {name}");
        wait(store.settle(settle(&name))).unwrap();
        println!("\nsettled {name}");
    }
}

#[test]
fn a_process_that_is_killed_loses_nothing_and_its_leases_come_back() {
    let Some(server) = server("a process that is killed", 6) else { return };
    for round in 0..6 {
        let (url, folder) = (fresh(&server), Folder::new());
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "crash::child", "--nocapture"]).env("TIERWAY_POSTGRES_CHILD", &url);
        if round % 2 == 0 {
            command.env("TIERWAY_POSTGRES_FOLDER", &folder.0);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told: Vec<String> = Vec::new();
        let enough = 40 + 60 * round;
        while told.len() < enough {
            let line = lines.next().unwrap().unwrap();
            told.extend(Some(line).filter(|line| line.starts_with("reserved ") || line.starts_with("settled ")));
        }
        child.kill().unwrap();
        told.extend(
            lines.map_while(Result::ok).filter(|line| line.starts_with("reserved ") || line.starts_with("settled ")),
        );
        child.wait().unwrap();
        std::thread::sleep(Duration::from_secs(if round % 2 == 0 { 0 } else { 3 }));
        let store = PostgresStore::open_with(&url, rules("1000"), leased(&folder.0)).unwrap();
        let journal = replays(&store, "1000");
        for line in &told {
            let (what, name) = line.split_once(' ').unwrap();
            let is_it = |entry: &&Entry| {
                entry.attempt().as_str() == name && matches!(entry, Entry::Reserve(_)) == (what == "reserved")
            };
            assert_eq!(journal.iter().filter(is_it).count(), 1, "{line}");
        }
        let page = Page { only: Only::Unknown, ..Page::default() };
        let unknown = wait(store.rows(page)).unwrap().len();
        assert!(unknown <= 1, "one call was in flight and {unknown} are unknown");
        let open = wait(store.rows(Page { only: Only::Held, ..Page::default() })).unwrap().len();
        assert_eq!(open, unknown, "nothing stays open of a process that is dead");
        // Nothing of the leases stays behind: all that is not spent or unknown can be spent.
        let balances = wait(store.balances()).unwrap();
        let used: i128 = balances.values().map(|balance| balance.used()).sum();
        let all = 1_000_000_000_000_000 - used;
        let mut rest = reserve("rest", 0);
        rest.amount = tierway::money::Usd::from_pico(i64::try_from(all).unwrap());
        wait(store.reserve(rest)).unwrap();
        wait(store.close()).unwrap();
    }
}
