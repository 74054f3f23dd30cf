//! The memory limit, measured on the spot: what decoding could reach if it did nothing but read.

use std::time::Instant;

/// Bytes that each thread reads: far more than any cache holds.
const BYTES: usize = 256 << 20;

/// Bytes a second that so many threads read from memory together, the best of three rounds.
pub fn read_bandwidth(threads: usize) -> f64 {
    let buffers: Vec<Vec<u64>> = (0..threads).map(|at| vec![at as u64 + 1; BYTES / 8]).collect();
    let round = || {
        let start = Instant::now();
        let sum: u64 = std::thread::scope(|scope| {
            let readers: Vec<_> = buffers.iter().map(|buffer| scope.spawn(|| sum(buffer))).collect();
            readers.into_iter().map(|reader| reader.join().unwrap_or(0)).fold(0, u64::wrapping_add)
        });
        std::hint::black_box(sum);
        (threads * BYTES) as f64 / start.elapsed().as_secs_f64()
    };
    (0..3).map(|_| round()).fold(0.0, f64::max)
}

fn sum(buffer: &[u64]) -> u64 {
    let mut sums = [0u64; 16];
    for part in buffer.chunks_exact(16) {
        sums.iter_mut().zip(part).for_each(|(sum, value)| *sum = sum.wrapping_add(*value));
    }
    sums.iter().fold(0, |all, sum| all.wrapping_add(*sum))
}
