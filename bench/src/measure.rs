//! How long something takes: on the wall, and of the processor's time.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde::Serialize;

/// What one kind of call takes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Taken {
    /// Processor time of this process a call, in microseconds.
    pub cpu_us: f64,
    /// Half of the calls took no longer, in microseconds.
    pub wall_p50_us: f64,
    /// 95 of 100 took no longer, in microseconds.
    pub wall_p95_us: f64,
    /// 99 of 100 took no longer, in microseconds.
    pub wall_p99_us: f64,
    /// Calls a second.
    pub per_second: f64,
}

/// Processor time that this process has used: user and system.
fn cpu() -> Duration {
    // SAFETY: `getrusage` fills the struct that it is given, and every bit pattern of it is valid.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &mut usage), 0, "RUSAGE_SELF is always valid");
        usage
    };
    let of = |time: libc::timeval| Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64);
    of(usage.ru_utime) + of(usage.ru_stime)
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)]
}

fn us(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

/// Makes `count` calls, `at_once` of them at a time, after a fifth as many that are not counted.
pub async fn calls<F: Future<Output = usize>>(count: usize, at_once: usize, call: impl Fn() -> F) -> Taken {
    let timed = || async {
        let began = Instant::now();
        assert!(call().await > 0, "every call brings an answer");
        us(began.elapsed())
    };
    let run = async |count: usize| {
        if at_once > 1 {
            let calls = futures_util::stream::iter(0..count).map(|_| timed());
            return calls.buffer_unordered(at_once).collect::<Vec<f64>>().await;
        }
        // One after another they are awaited where they stand, as a caller would.
        let mut walls = Vec::with_capacity(count);
        for _ in 0..count {
            walls.push(timed().await);
        }
        walls
    };
    run((count / 5).max(at_once)).await;
    let (before, began) = (cpu(), Instant::now());
    let mut walls = run(count).await;
    let (elapsed, used) = (began.elapsed(), cpu() - before);
    walls.sort_by(f64::total_cmp);
    Taken {
        cpu_us: us(used) / count as f64,
        wall_p50_us: quantile(&walls, 0.5),
        wall_p95_us: quantile(&walls, 0.95),
        wall_p99_us: quantile(&walls, 0.99),
        per_second: count as f64 / elapsed.as_secs_f64(),
    }
}

/// Of several measurements the one with the least processor time: the machine's other work only ever adds.
pub fn least(taken: &[Taken]) -> Taken {
    *taken.iter().min_by(|a, b| a.cpu_us.total_cmp(&b.cpu_us)).expect("there is at least one")
}

/// Does something `count` times without waiting for anything: the median and the 99th percentile in microseconds.
pub fn work<T>(count: usize, mut work: impl FnMut() -> T) -> (f64, f64) {
    for _ in 0..count / 10 + 1 {
        std::hint::black_box(work());
    }
    let mut times: Vec<f64> = (0..count)
        .map(|_| {
            let began = Instant::now();
            std::hint::black_box(work());
            us(began.elapsed())
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (quantile(&times, 0.5), quantile(&times, 0.99))
}
