//! Through a proxy on loopback: it is used where it is named, sees no key and no prompt of calls over TLS, and its own
//! password shows nowhere.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tierway::Kind;
use tierway::testing::server::Server;
use tierway::transport::{Proxy, TransportOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::rig::{Format, Rig, TEXT, answer};
use super::tls::trusted;

/// A proxy, all that it was told, and how it answers a wish for a tunnel.
struct TestProxy {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl TestProxy {
    async fn start(reply: &'static str) -> TestProxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let record = heard.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, record.clone(), reply));
            }
        });
        TestProxy { address, heard }
    }

    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().expect("nobody panics with it")).into_owned()
    }

    fn options(&self, roots: Vec<Vec<u8>>) -> TransportOptions {
        let proxy = Proxy::Url(format!("http://porter:canary-password@{}", self.address));
        TransportOptions { proxy, extra_roots_pem: roots, ..TransportOptions::default() }
    }
}

/// Opens a tunnel where it is asked for one, and passes everything on.
async fn serve(mut client: TcpStream, record: Arc<Mutex<Vec<u8>>>, reply: &str) -> Option<()> {
    let note = |bytes: &[u8]| record.lock().expect("nobody panics with it").extend_from_slice(bytes);
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if client.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    note(&head);
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut words = text.split_whitespace();
    let (method, target) = (words.next()?, words.next()?);
    if method == "CONNECT" {
        client.write_all(reply.as_bytes()).await.ok()?;
        if !reply.contains(" 200 ") {
            return None;
        }
        let mut server = TcpStream::connect(target).await.ok()?;
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let up = async {
            let mut buffer = [0; 4_096];
            while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                note(&buffer[..read]);
                if to_server.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
            }
        };
        tokio::select! {
            () = up => {}
            _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
        }
        return Some(());
    }
    let rest = target.strip_prefix("http://")?;
    let (host, path) = rest.split_once('/')?;
    let mut server = TcpStream::connect(host).await.ok()?;
    let forwarded = text.replacen(target, &format!("/{path}"), 1);
    server.write_all(forwarded.as_bytes()).await.ok()?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}

const TUNNEL: &str = "HTTP/1.1 200 OK\r\n\r\n";

#[tokio::test]
async fn calls_over_tls_go_through_the_proxy_and_it_learns_neither_key_nor_prompt() {
    let server = Server::start(answer()).await.expect("a loopback port is free");
    let (address, options) = trusted(&server).await;
    let proxy = TestProxy::start(TUNNEL).await;
    let options = proxy.options(options.extra_roots_pem);
    assert!(!format!("{options:?}").contains("canary"), "{options:?}");
    let rig = Rig::with(options);
    for format in Format::all() {
        for is_stream in [false, true] {
            let base = format!("https://{address}/x{}", format.base);
            let outcome = rig.ask(&format, &base, "canary-key-1234", is_stream).await;
            assert_eq!(outcome.text().as_deref(), Some(TEXT), "{}: {outcome:?}", format.api);
        }
    }
    let heard = proxy.heard();
    assert!(heard.starts_with(&format!("CONNECT {address} ")), "the proxy was not asked");
    assert!(heard.to_ascii_lowercase().contains("proxy-authorization: basic "), "the proxy wants its own password");
    assert!(!heard.contains("canary") && !heard.contains("promptcanary"), "the proxy learnt a key or a prompt");
    // The password is the proxy's alone.
    for request in server.heard() {
        assert!(
            request.headers.iter().all(|(name, value)| name != "proxy-authorization" && !value.contains("password"))
        );
    }
}

#[tokio::test]
async fn plain_calls_go_through_the_proxy_too() {
    let server = Server::start(answer()).await.expect("a loopback port is free");
    let proxy = TestProxy::start(TUNNEL).await;
    let rig = Rig::with(proxy.options(Vec::new()));
    let format = &Format::all()[0];
    let outcome = rig.ask(format, &format!("{}/x/v1", server.url()), "canary-key-1234", false).await;
    assert_eq!(outcome.text().as_deref(), Some(TEXT), "{outcome:?}");
    assert!(proxy.heard().starts_with(&format!("POST {}/x/v1/", server.url())), "the proxy was not asked");
    let direct = Rig::with(TransportOptions { proxy: Proxy::Direct, ..TransportOptions::default() });
    let before = proxy.heard().len();
    let outcome = direct.ask(format, &format!("{}/x/v1", server.url()), "canary-key-1234", false).await;
    assert_eq!(outcome.text().as_deref(), Some(TEXT), "{outcome:?}");
    assert_eq!(proxy.heard().len(), before, "no proxy was asked for");
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_not_there_is_an_unsent_error_without_its_password() {
    let server = Server::start(answer()).await.expect("a loopback port is free");
    let (address, options) = trusted(&server).await;
    let refusing = TestProxy::start("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n").await;
    let gone = TestProxy { address: "127.0.0.1:9".parse().expect("it is an address"), heard: refusing.heard.clone() };
    for proxy in [&refusing, &gone] {
        let rig = Rig::with(proxy.options(options.extra_roots_pem.clone()));
        for format in Format::all() {
            for is_stream in [false, true] {
                let base = format!("https://{address}/x{}", format.base);
                let outcome = rig.ask(&format, &base, "canary-key-1234", is_stream).await;
                let error = outcome.result.expect_err("there is no way through");
                assert!(!error.sent && matches!(error.kind, Kind::Connect | Kind::Network), "{error} {}", error.sent);
                assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
            }
        }
    }
    let bad =
        TransportOptions { proxy: Proxy::Url("http://u:canary@[nonsense".to_owned()), ..TransportOptions::default() };
    let error = Rig::with(bad).ask(&Format::all()[0], "https://127.0.0.1:9", "canary-key", false).await.result;
    let error = error.expect_err("the proxy's address is none");
    assert!(!error.sent && !format!("{error:?}").contains("canary"), "{error:?}");
    assert_eq!(server.requests(), 0);
}
