//! How sure the model was, by the probabilities of the tokens that it drew.

use crate::reply::Reply;

use super::Verdict;

/// The geometric mean of the drawn tokens' probabilities, from 0 to 1; `None` where the vendor reported none.
pub fn probability(reply: &Reply) -> Option<f64> {
    let logs = reply.logprobs.iter().map(|token| token.logprob).filter(|log| !log.is_nan());
    let (count, sum) = logs.fold((0.0, 0.0), |(count, sum), log| (count + 1.0, sum + log.min(0.0)));
    (count > 0.0).then(|| (sum / count).exp())
}

/// Judges an answer by how sure the model was: `least` from 0 to 1.
pub fn confidence(reply: &Reply, least: f64) -> Verdict {
    match probability(reply) {
        Some(found) if found >= least => Verdict::Pass,
        Some(found) => Verdict::Short(format!("the model was not sure: {found:.2} a token, below {least:.2}")),
        None => Verdict::short("no probabilities came with it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::TokenLogprob;

    #[test]
    fn the_mean_of_the_logarithms_decides() {
        let token = |p: f64| TokenLogprob { token: "x".into(), logprob: p.ln(), top: Vec::new() };
        let reply = Reply { logprobs: vec![token(0.9), token(0.4)], ..Reply::default() };
        assert!((probability(&reply).unwrap() - 0.6).abs() < 1e-9);
        assert_eq!(confidence(&reply, 0.59), Verdict::Pass);
        assert!(matches!(confidence(&reply, 0.61), Verdict::Short(_)));
        assert!(matches!(confidence(&Reply::default(), 0.0), Verdict::Short(_)));
    }
}
