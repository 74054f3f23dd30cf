//! Pulls from a hub on loopback that behaves well, breaks off, lies, and points to strange places.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use serde_json::json;

use super::*;
use crate::local::{LocalOptions, LocalProvider, with_pulled};

mod server;
use server::{Reply, Server};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

fn hex(bytes: &[u8], checksum: &digest::Checksum) -> String {
    let mut summer = digest::Summer::new(checksum, Some(bytes.len() as u64));
    summer.take(bytes);
    summer.finish()
}

/// The files of a tiny model, by name.
fn model(name: &str) -> HashMap<String, Vec<u8>> {
    let folder = scratch(&format!("source-{name}"));
    crate::local::tests::write_model(&folder);
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tierway-pull-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// What a hub says of these files: weights are large files, the rest is git's.
fn listing(files: &HashMap<String, Vec<u8>>) -> serde_json::Value {
    let one = |(name, bytes): (&String, &Vec<u8>)| match name.ends_with(".safetensors") || name.ends_with(".gguf") {
        true => json!({"rfilename": name, "size": bytes.len(), "blobId": SHA,
            "lfs": {"sha256": hex(bytes, &digest::Checksum::None), "size": bytes.len(), "pointerSize": 130}}),
        false => json!({"rfilename": name, "size": bytes.len(),
            "blobId": hex(bytes, &digest::Checksum::Git(String::new()))}),
    };
    json!({"sha": SHA, "siblings": files.iter().map(one).collect::<Vec<_>>()})
}

/// A hub with one repository, whose weights lie with another host.
struct Hub {
    hub: Server,
    far: Server,
    options: PullOptions,
}

fn hub(name: &str, files: HashMap<String, Vec<u8>>) -> Hub {
    let list = listing(&files);
    hub_with(name, list, files)
}

fn hub_with(name: &str, list: serde_json::Value, files: HashMap<String, Vec<u8>>) -> Hub {
    let kept = files.clone();
    let far = Server::start(move |request| match kept.get(request.path.trim_start_matches("/far/")) {
        Some(bytes) => Reply::file(request, bytes),
        None => Reply::status(404),
    });
    let elsewhere = far.address.clone();
    let hub = Server::start(move |request| {
        if request.path.starts_with("/api/models/owner/tiny/revision/") {
            return Reply::ok(list.to_string().into_bytes());
        }
        let Some(name) = request.path.strip_prefix(&format!("/owner/tiny/resolve/{SHA}/")) else {
            return Reply::status(404);
        };
        match files.get(name) {
            None => Reply::status(404),
            Some(_) if name.ends_with(".safetensors") || name.ends_with(".gguf") => {
                Reply::status(302).with("location", &format!("{elsewhere}/far/{name}?signature=x"))
            }
            Some(bytes) => Reply::file(request, bytes),
        }
    });
    let options = PullOptions {
        hub: hub.address.clone(),
        key: Some(Secret::new("hf_secret").unwrap()),
        folder: scratch(name),
        patience: Duration::from_secs(5),
        pause: Duration::from_millis(1),
        ..PullOptions::default()
    };
    Hub { hub, far, options }
}

impl Hub {
    async fn pull(&self, name: &str) -> Result<Pulled, PullError> {
        pull(name, &self.options, &mut |_| {}).await
    }

    /// Whether nothing is to be seen but what pulls keep for themselves.
    fn is_empty(&self) -> bool {
        let names = fs::read_dir(&self.options.folder).unwrap().map(|entry| entry.unwrap().file_name());
        names.into_iter().all(|name| name.to_str().unwrap().starts_with(".pull-"))
    }
}

#[tokio::test]
async fn a_repository_is_pulled_whole_and_found_and_the_key_stays_with_the_hub() {
    let hub = hub("whole", model("whole"));
    let mut seen = Vec::new();
    let pulled = pull("owner/tiny", &hub.options, &mut |progress| seen.push(progress)).await.unwrap();
    assert_eq!((pulled.model.as_str(), pulled.files, pulled.was_there), ("local/tiny", 4, false));
    assert_eq!(pulled.unchecked, Vec::<String>::new());
    let came: u64 = seen.iter().map(|progress| if let Progress::Bytes(bytes) = progress { *bytes } else { 0 }).sum();
    assert_eq!(came, pulled.bytes);
    assert!(seen.contains(&Progress::Total { files: 4, bytes: Some(came) }));
    let keys = |server: &Server| server.seen().iter().map(|r| r.header("authorization")).collect::<Vec<_>>();
    assert!(keys(&hub.hub).iter().all(|key| key.as_deref() == Some("Bearer hf_secret")));
    assert_eq!(keys(&hub.far), [None], "the other host is asked once, without the key");
    assert!(
        hub.far.seen().iter().all(|request| request.header("referer").is_none() && request.header("cookie").is_none())
    );

    let options = LocalOptions { folders: vec![hub.options.folder.clone()], threads: 1, cache_tokens: 0 };
    let provider = LocalProvider::new(crate::id::ProviderId::new("local").unwrap(), options);
    provider.load("tiny").await.unwrap();
    let catalog = with_pulled(crate::catalog::Catalog::builtin().clone(), std::slice::from_ref(&hub.options.folder));
    let card = catalog.find(&crate::id::ModelId::new("local/tiny").unwrap()).unwrap();
    assert_eq!((card.wire_name.as_str(), card.context_window), ("tiny", 512));

    let asked = hub.hub.seen().len();
    assert!(hub.pull("owner/tiny").await.unwrap().was_there);
    assert_eq!(hub.hub.seen().len(), asked + 1, "the list alone is asked for again");
}

#[tokio::test]
async fn a_download_that_is_cut_goes_on_where_it_was() {
    let hub = hub("cut", model("cut"));
    hub.far.cut_after(Some(5_000));
    let pulled = hub.pull("owner/tiny").await.unwrap();
    let ranges: Vec<_> = hub.far.seen().iter().map(|request| request.header("range")).collect();
    assert_eq!(ranges[..3], [None, Some("bytes=5000-".into()), Some("bytes=10000-".into())]);
    assert_eq!(fs::read(pulled.path.join("model.safetensors")).unwrap(), model("cut")["model.safetensors"]);
}

#[tokio::test]
async fn a_pull_that_failed_goes_on_in_the_next_one() {
    let hub = hub("next", model("next"));
    hub.far.cut_after(Some(7_000));
    hub.far.answers.store(1, Ordering::Relaxed);
    let error = hub.pull("owner/tiny").await.unwrap_err();
    assert!(matches!(error, PullError::Network { .. }), "{error}");
    assert!(hub.is_empty(), "half a model is not seen");
    hub.far.cut_after(None);
    hub.far.answers.store(usize::MAX, Ordering::Relaxed);
    hub.pull("owner/tiny").await.unwrap();
    assert_eq!(hub.far.seen().last().unwrap().header("range"), Some("bytes=7000-".into()));
}

#[tokio::test]
async fn a_server_that_sends_the_whole_again_is_taken_at_its_word() {
    let hub = hub("again", model("again"));
    hub.far.cut_after(Some(5_000));
    hub.far.ignores_ranges.store(true, Ordering::Relaxed);
    let error = hub.pull("owner/tiny").await;
    assert!(matches!(error, Err(PullError::Network { .. })), "each time the same half: {error:?}");
    hub.far.cut_after(None);
    hub.pull("owner/tiny").await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_not_the_published_one_is_dropped() {
    let mut files = model("wrong");
    let list = listing(&files);
    files.get_mut("model.safetensors").unwrap()[2_000] ^= 1;
    let hub = hub_with("wrong", list.clone(), files);
    let error = hub.pull("owner/tiny").await.unwrap_err();
    assert!(matches!(&error, PullError::Checksum { file, .. } if file == "model.safetensors"), "{error}");
    assert!(hub.is_empty());
    let parts = hub.options.folder.join(".pull-tiny/parts");
    assert_eq!(fs::read_dir(parts).unwrap().count(), 0, "nothing of it is gone on with");

    let mut files = model("wrong-small");
    let list = listing(&files);
    files.get_mut("tokenizer_config.json").unwrap()[3] ^= 1;
    let error = hub_with("wrong-small", list, files).pull("owner/tiny").await.unwrap_err();
    assert!(matches!(&error, PullError::Checksum { file, .. } if file == "tokenizer_config.json"), "{error}");
}

#[tokio::test]
async fn a_file_of_another_length_is_dropped() {
    for (name, more) in [("longer", true), ("shorter", false)] {
        let mut files = model(name);
        let list = listing(&files);
        let bytes = files.get_mut("model.safetensors").unwrap();
        if more {
            bytes.extend([0; 100])
        } else {
            bytes.truncate(bytes.len() - 100)
        }
        let hub = hub_with(name, list, files);
        let error = hub.pull("owner/tiny").await.unwrap_err();
        assert!(matches!(error, PullError::Length { .. }), "{name}: {error}");
        // Without a stated length the bytes themselves tell.
        hub.far.hides_length.store(true, Ordering::Relaxed);
        let error = hub.pull("owner/tiny").await.unwrap_err();
        assert!(matches!(error, PullError::Length { .. } | PullError::Network { .. }), "{name}: {error}");
        assert!(hub.is_empty());
    }
}

#[tokio::test]
async fn names_that_leave_their_folder_are_refused() {
    let names = [
        "../x.safetensors",
        "/etc/x.safetensors",
        "a/../../x",
        "..",
        "a\\..\\x.safetensors",
        "c:x.gguf",
        "a//b",
        "x\u{0}.gguf",
        "nul.safetensors",
        "x.gguf.",
    ];
    for (at, name) in names.into_iter().enumerate() {
        let mut list = listing(&model("names"));
        list["siblings"].as_array_mut().unwrap().push(json!({"rfilename": name, "size": 3}));
        let hub = hub_with(&format!("names-{at}"), list, HashMap::new());
        let error = hub.pull("owner/tiny").await.unwrap_err();
        assert!(matches!(error, PullError::FileName { .. }), "{name}: {error}");
        assert_eq!(fs::read_dir(&hub.options.folder).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn sizes_that_cannot_be_are_refused_before_anything_is_asked_for() {
    let sized = |size: u64| {
        let weights = json!({"rfilename": "model.gguf", "lfs": {"sha256": "0".repeat(64), "size": size}});
        json!({"sha": SHA, "siblings": [weights]})
    };
    for (at, size) in [u64::MAX, 1 << 60].into_iter().enumerate() {
        let error = hub_with(&format!("sizes-{at}"), sized(size), HashMap::new()).pull("owner/tiny").await.unwrap_err();
        assert!(matches!(error, PullError::Answer { .. }), "{size}: {error}");
    }
    let error = hub_with("sizes-full", sized(3 << 40), HashMap::new()).pull("owner/tiny").await.unwrap_err();
    assert!(matches!(error, PullError::DiskFull { needed, .. } if needed > 1 << 40), "{error}");
    let lists = [
        json!({"sha": SHA}),
        json!([]),
        json!({"sha": "../..", "siblings": []}),
        json!({"sha": SHA, "siblings": [{"rfilename": "a.gguf", "size": -1}]}),
    ];
    for (at, list) in lists.into_iter().enumerate() {
        let error = hub_with(&format!("lists-{at}"), list, HashMap::new()).pull("owner/tiny").await.unwrap_err();
        assert!(matches!(error, PullError::Answer { .. }), "{at}: {error}");
    }
    let endless = Server::start(|_| Reply::ok(vec![b' '; 17 << 20]));
    let options = PullOptions { hub: endless.address.clone(), folder: scratch("endless"), ..PullOptions::default() };
    let error = pull("owner/tiny", &options, &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, PullError::Answer { .. }), "{error}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_disk_that_fills_up_says_so() {
    let hub = hub("full", model("full"));
    let place = Place::open(&hub.options.folder, "tiny", SHA).unwrap();
    std::os::unix::fs::symlink("/dev/full", place.part("model.safetensors")).unwrap();
    drop(place);
    let error = hub.pull("owner/tiny").await.unwrap_err();
    assert!(matches!(error, PullError::DiskFull { .. }), "{error}");
}

#[tokio::test]
async fn what_the_engine_does_not_run_costs_no_gigabytes() {
    let mut files = model("unsupported");
    let config = r#"{"model_type": "gemma3"}"#;
    files.insert("config.json".into(), config.into());
    let hub = hub("unsupported", files);
    let error = hub.pull("owner/tiny").await.unwrap_err();
    assert!(matches!(error, PullError::Engine(tierway_engine::EngineError::Unsupported { .. })), "{error}");
    assert!(hub.far.seen().is_empty(), "no weight was asked for");
}

#[tokio::test]
async fn a_hub_that_refuses_is_understood() {
    for (status, denied) in [(401, true), (403, true), (404, false)] {
        let server = Server::start(move |_| Reply::status(status));
        let options = PullOptions { hub: server.address.clone(), folder: scratch("refused"), ..PullOptions::default() };
        let error = pull("owner/tiny", &options, &mut |_| {}).await.unwrap_err();
        assert_eq!(matches!(error, PullError::Denied { .. }), denied, "{status}: {error}");
        assert_eq!(matches!(error, PullError::NotFound { .. }), !denied, "{status}: {error}");
    }
}

#[tokio::test]
async fn redirections_without_end_or_to_no_address_are_not_followed() {
    for (at, location) in ["/again", "file:///etc/passwd", "ftp://a/b", "", "http://"].into_iter().enumerate() {
        let server = Server::start(move |_| Reply::status(302).with("location", location));
        let folder = scratch(&format!("redirect-{at}"));
        let options = PullOptions { hub: server.address.clone(), folder, ..PullOptions::default() };
        let error = pull("owner/tiny", &options, &mut |_| {}).await.unwrap_err();
        assert!(matches!(error, PullError::Redirect { .. }), "{location}: {error}");
        assert!(server.seen().len() <= 6);
    }
}

#[tokio::test]
async fn of_several_models_one_must_be_named() {
    let whole = include_bytes!("../../../../fuzz/corpus/gguf/llama").to_vec();
    let files = HashMap::from([("a.Q4.gguf".to_owned(), whole.clone()), ("a.Q8.gguf".to_owned(), whole)]);
    let hub = hub("several", files);
    let error = hub.pull("owner/tiny").await.unwrap_err();
    assert!(matches!(&error, PullError::Choose { files } if files.len() == 2), "{error}");
    let pulled = hub.pull("owner/tiny:a.Q8.gguf").await.unwrap();
    assert_eq!((pulled.files, pulled.model.as_str()), (1, "local/a.q8"));
    let error = hub.pull("owner/tiny:b.gguf").await.unwrap_err();
    assert!(matches!(error, PullError::NotFound { .. }), "{error}");
    let by_address = hub.pull(&format!("{}/owner/tiny/resolve/main/a.Q4.gguf", hub.options.hub)).await.unwrap();
    assert_eq!(by_address.model, "local/a.q4");
}

#[tokio::test]
async fn a_file_at_an_address_is_held_to_the_checksum_that_is_given() {
    let whole = include_bytes!("../../../../fuzz/corpus/gguf/llama").to_vec();
    let sum = hex(&whole, &digest::Checksum::None);
    let server = Server::start(move |request| Reply::file(request, &whole));
    let url = format!("{}/files/tiny.gguf?signature=secret", server.address);
    let options = PullOptions {
        folder: scratch("address"),
        key: Some(Secret::new("hf_secret").unwrap()),
        ..PullOptions::default()
    };
    let wrong = PullOptions { sha256: Some("0".repeat(64)), ..options.clone() };
    let error = pull(&url, &wrong, &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, PullError::Checksum { .. }), "{error}");
    let right = PullOptions { sha256: Some(sum), ..options.clone() };
    assert_eq!(pull(&url, &right, &mut |_| {}).await.unwrap().unchecked, Vec::<String>::new());
    let manifest = fs::read_to_string(options.folder.join("tiny/tierway-pull.json")).unwrap();
    assert!(!manifest.contains("secret"), "an address may hold a signature: {manifest}");
    fs::remove_dir_all(options.folder.join("tiny")).unwrap();
    assert_eq!(pull(&url, &options, &mut |_| {}).await.unwrap().unchecked, ["tiny.gguf"]);
    assert!(server.seen().iter().all(|request| request.header("authorization").is_none()));
    server.hides_length.store(true, Ordering::Relaxed);
    fs::remove_dir_all(options.folder.join("tiny")).unwrap();
    let error = pull(&url, &options, &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, PullError::Answer { .. }), "{error}");
}

#[tokio::test]
async fn one_model_is_pulled_by_one_at_a_time() {
    let hub = hub("busy", model("busy"));
    let held = Place::open(&hub.options.folder, "tiny", SHA).unwrap();
    assert!(matches!(hub.pull("owner/tiny").await, Err(PullError::Busy { .. })));
    drop(held);
    hub.pull("owner/tiny").await.unwrap();
}

#[test]
fn names_are_repositories_addresses_or_the_catalogues() {
    let options = PullOptions::default();
    let fetcher = Fetcher::new(&options).unwrap();
    let parse = |text: &str| Name::parse(text, &fetcher, &options);
    let name = parse("a/b@v1.0").unwrap();
    assert_eq!((name.source.as_str(), name.revision.as_str(), name.folder.as_str()), ("a/b", "v1.0", "b"));
    assert_eq!(parse("https://huggingface.co/a/b/tree/dev").unwrap().revision, "dev");
    for wrong in [
        "",
        "a",
        "a/b/c",
        "../b",
        "a/..",
        "a/.b",
        "a/b@",
        "a/b@../x",
        "a/b:../x",
        "https://x/y.bin",
        "file:///a.gguf",
        "https://huggingface.co/a",
        "a b/c",
    ] {
        assert!(matches!(parse(wrong), Err(PullError::Name { .. })), "{wrong}");
    }
    let catalog = crate::catalog::Catalog::builtin();
    for (id, folder) in name::known() {
        let card = catalog.find(&crate::id::ModelId::new(format!("local/{id}")).unwrap()).unwrap();
        assert_eq!(card.wire_name, folder, "{id} is looked for where it is pulled to");
        assert_eq!(parse(&format!("local/{id}")).unwrap().known, Some(id));
    }
    let plain =
        PullOptions { hub: "http://hub.example".into(), key: Some(Secret::new("k").unwrap()), ..options.clone() };
    assert!(matches!(Fetcher::new(&plain), Err(PullError::Name { .. })), "no key without TLS");
}

#[test]
fn a_folder_is_left_as_it_was_where_a_pull_is_given_up() {
    let folder = scratch("kept");
    fs::create_dir_all(folder.join("tiny")).unwrap();
    fs::write(folder.join("tiny/old"), "old").unwrap();
    drop(Place::open(&folder, "tiny", "x").unwrap());
    assert_eq!(fs::read(folder.join("tiny/old")).unwrap(), b"old");
    assert!(Path::new(&folder.join(".pull-tiny")).is_dir());
}
