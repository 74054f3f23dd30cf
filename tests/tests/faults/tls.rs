//! TLS over loopback: what must not be trusted is refused before a byte of the request leaves, and a root of one's own works.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tierway::Kind;
use tierway::testing::server::Server;
use tierway::transport::TransportOptions;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::rig::{Format, LIMITS, Rig, TEXT, answer};

/// Who signs.
type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("no names are fine");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("keys can be made")).expect("it signs itself")
}

/// What a server shows: a certificate for a host, valid for a while.
struct Shown {
    host: &'static str,
    from: i32,
    until: i32,
}

const GOOD: Shown = Shown { host: "127.0.0.1", from: 2020, until: 2099 };

/// A certificate with its key; signed by itself where there is nobody else.
fn certificate(shown: &Shown, by: Option<&Authority>) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate().expect("keys can be made");
    let mut params = CertificateParams::new(vec![shown.host.to_owned()]).expect("it is a host");
    (params.not_before, params.not_after) = (date_time_ymd(shown.from, 1, 1), date_time_ymd(shown.until, 1, 1));
    let certificate = match by {
        Some(authority) => params.signed_by(&key, authority),
        None => params.self_signed(&key),
    };
    let certificate = certificate.expect("it can be signed");
    (vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
}

/// Speaks TLS before a server that does not.
pub(crate) async fn front(
    server: &Server,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> SocketAddr {
    let behind = server.url().trim_start_matches("http://").to_owned();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the versions are known")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("key and certificate fit");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let Ok(mut secured) = acceptor.accept(socket).await else { return };
                let Ok(mut plain) = TcpStream::connect(behind).await else { return };
                // Either side may go away first.
                let _ = tokio::io::copy_bidirectional(&mut secured, &mut plain).await;
            });
        }
    });
    address
}

/// A server with a good certificate, and options that trust who signed it.
pub(crate) async fn trusted(server: &Server) -> (SocketAddr, TransportOptions) {
    let own = authority("our own root");
    let (chain, key) = certificate(&GOOD, Some(&own));
    let options = TransportOptions { extra_roots_pem: vec![own.pem().into_bytes()], ..TransportOptions::default() };
    (front(server, chain, key).await, options)
}

#[tokio::test]
async fn a_certificate_that_must_not_be_trusted_is_refused_before_a_byte_is_sent() {
    let (own, other) = (authority("our own root"), authority("somebody else"));
    let cases: [(&str, Shown, Option<&Authority>); 5] = [
        ("self-signed", GOOD, None),
        ("signed by a stranger", GOOD, Some(&other)),
        ("for another host", Shown { host: "api.example.com", ..GOOD }, Some(&own)),
        ("expired", Shown { until: 2021, ..GOOD }, Some(&own)),
        ("not valid yet", Shown { from: 2098, ..GOOD }, Some(&own)),
    ];
    let options = TransportOptions { extra_roots_pem: vec![own.pem().into_bytes()], ..TransportOptions::default() };
    let rig = Rig::with(options);
    let server = Server::start(answer()).await.expect("a loopback port is free");
    let mut count = 0;
    for (name, shown, by) in &cases {
        let (chain, key) = certificate(shown, *by);
        let address = front(&server, chain, key).await;
        for format in Format::all() {
            for is_stream in [false, true] {
                let base = format!("https://{address}/x{}", format.base);
                let outcome = rig.ask(&format, &base, "canary-key-1234", is_stream).await;
                let error = outcome.result.expect_err("it must not be trusted");
                assert_eq!((error.kind, error.sent), (Kind::Tls, false), "{name}, {}: {error}", format.api);
                assert!(error.to_string().contains("root certificates"), "{error}");
                assert!(!format!("{error:?}").contains("canary"), "{error:?}");
                assert!(outcome.took < LIMITS.total.to_duration() * 5, "{name} took {:?}", outcome.took);
                count += 1;
            }
        }
    }
    assert_eq!(server.requests(), 0);
    assert!(count >= 70, "only {count} cases");
}

#[tokio::test]
async fn a_root_of_ones_own_is_trusted() {
    let server = Server::start(answer()).await.expect("a loopback port is free");
    let (address, options) = trusted(&server).await;
    let rig = Rig::with(options);
    for format in Format::all() {
        for is_stream in [false, true] {
            let base = format!("https://{address}/x{}", format.base);
            let outcome = rig.ask(&format, &base, "canary-key-1234", is_stream).await;
            assert_eq!(outcome.text().as_deref(), Some(TEXT), "{}: {outcome:?}", format.api);
        }
    }
}

#[tokio::test]
async fn a_root_that_is_none_is_said_at_the_first_call() {
    let options = TransportOptions {
        extra_roots_pem: vec![b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n".to_vec()],
        ..TransportOptions::default()
    };
    let rig = Rig::with(options);
    let error = rig.ask(&Format::all()[0], "https://127.0.0.1:9", "canary-key-1234", false).await.result;
    let error = error.expect_err("the root is none");
    assert!(!error.sent && error.to_string().contains("root certificate"), "{error}");
}
