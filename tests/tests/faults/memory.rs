//! Giants and bombs are refused in bounded memory.

use tierway::Kind;
use tierway::model::Api;
use tierway::testing::server::{Answer, Fault, Server};

use super::rig::{Format, Rig};

/// The most that giants may take beside what other tests hold. Without bounds, those below alone would take a gigabyte.
const MORE_BYTES_MAX: u64 = 600 << 20;

/// The most memory that this process has had since `forget_peak`, where the system says.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kb| kb << 10)
}

/// Lets the peak begin at what is held now; returns that, where the system can.
fn forget_peak() -> Option<u64> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    peak_bytes()
}

#[tokio::test]
async fn giants_and_bombs_are_refused_in_bounded_memory() {
    let _alone = super::ALONE.lock().await;
    let before = forget_peak();
    let rig = Rig::new();
    const REFUSED: &[Kind] = &[Kind::ReplyTooLarge, Kind::Protocol, Kind::Timeout];
    // A bomb's plain bytes go the way of all bytes: one format for each way of cutting them into pieces will do.
    let is_typical = |format: &Format| matches!(format.api, Api::Messages | Api::OllamaChat | Api::Converse);
    for fault in [Fault::GiantLine { bytes: 100 << 20 }, Fault::GzipBomb { bytes: 120 << 20 }] {
        let is_line = matches!(fault, Fault::GiantLine { .. });
        let server = Server::start(Answer::failing(fault.clone())).await.expect("a loopback port is free");
        for format in Format::all().iter().filter(|format| is_line || is_typical(format)) {
            for is_stream in [false, true] {
                let base = format!("{}/x{}", server.url(), format.base);
                let outcome = rig.ask(format, &base, "canary-key-1234", is_stream).await;
                let error = outcome.result.expect_err("a giant is no answer");
                assert!(REFUSED.contains(&error.kind), "{} {fault:?}: {error}", format.api);
            }
        }
    }
    match before.zip(peak_bytes()) {
        Some((before, peak)) => {
            let more = peak.saturating_sub(before);
            println!("the peak was {} MB more", more >> 20);
            assert!(more < MORE_BYTES_MAX, "the peak was {} MB more", more >> 20);
        }
        None => println!("skipped: peak memory, the system does not say (1 cases)"),
    }
}
