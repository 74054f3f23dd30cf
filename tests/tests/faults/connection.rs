//! Failures before a byte of the request has left: the ledger may void the reservation.

use tierway::testing::server::{Answer, Server, refused_url};
use tierway::{Kind, ProviderError};

use super::rig::{Again, Format, LIMITS, Rig, Want};

/// Asks at `base` in every format and mode, and expects an unsent failure of this kind.
async fn check(base: &str, kind: Kind, advice: &str) {
    let rig = Rig::new();
    for format in Format::all() {
        for is_stream in [false, true] {
            let outcome = rig.ask(&format, base, "canary-key-1234", is_stream).await;
            let error: Box<ProviderError> = outcome.result.expect_err("nobody answers");
            assert_eq!(error.kind, kind, "{}: {error}", format.api);
            assert!(!error.sent, "{}: {error}", format.api);
            assert!(error.to_string().contains(advice), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
            assert!(outcome.took < LIMITS.total.to_duration() * 5, "took {:?}", outcome.took);
        }
    }
}

#[tokio::test]
async fn a_refused_connection_was_not_sent() {
    let base = refused_url().expect("a loopback port is free");
    check(&base, Kind::Connect, "check the address").await;
}

#[tokio::test]
async fn a_host_that_is_not_there_was_not_sent() {
    check("http://no-such-host.invalid/v1", Kind::Connect, "check the address").await;
}

#[tokio::test]
async fn a_server_without_tls_was_not_sent() {
    let server = Server::start(Answer::text("plain")).await.expect("a loopback port is free");
    let base = server.url().replace("http://", "https://");
    check(&base, Kind::Tls, "TLS failed").await;
    assert_eq!(server.requests(), 0);
}

/// A listener that takes connections and never speaks: the limit to a connection, TLS included, ends it.
#[tokio::test]
async fn a_silent_handshake_ends_within_the_connect_limit() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let base = format!("https://{}", listener.local_addr().expect("it is bound"));
    let rig = Rig::new();
    let want = Want::Error(&[Kind::Timeout], Again::Any);
    let outcome = rig.ask_for(&want, &Format::all()[0], &base, "canary-key-1234", false).await;
    let error = outcome.result.expect_err("nobody answers");
    assert_eq!((error.kind, error.sent), (Kind::Timeout, false), "{error}");
    assert!(outcome.took < LIMITS.total.to_duration() * 5, "took {:?}", outcome.took);
}

#[tokio::test]
async fn an_address_that_is_none_was_not_sent() {
    let rig = Rig::new();
    for base in ["not an address", "ftp://127.0.0.1", "http://"] {
        let outcome = rig.ask(&Format::all()[0], base, "canary-key-1234", false).await;
        let error = outcome.result.expect_err("it is no address");
        assert!(!error.sent && matches!(error.kind, Kind::Encode | Kind::Connect), "{base}: {error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}
