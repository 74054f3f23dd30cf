//! Nights, good and bad, played step by step.

use super::*;
use crate::attempt::Rules;
use crate::message::Message;
use crate::plan::fixture::{self, NOW};
use crate::plan::{Settings, decide_rated};
use crate::policy::{Needs, Policy};
use crate::request::Request;
use crate::snapshot::{Fate, HealthRules};

/// A request in the made-up world: `words` change the rules, `night` is what happens, one word an outcome.
struct Night {
    attempts: Attempts,
    health: HealthBook,
    now: Timestamp,
    log: Vec<String>,
    /// An attempt waits for its reservation.
    is_pending: bool,
}

impl Night {
    fn new(words: &str) -> Night {
        let request = Request::try_from(crate::RequestDraft {
            messages: vec![Message::user("x".repeat(4_000))],
            ..Default::default()
        });
        let request = request.unwrap();
        let settings = Settings { fallbacks_max: 2, ..Settings::default() };
        let needs = Needs::of(&request);
        let snapshot = fixture::snapshot();
        let plan = decide_rated(&request, &Policy::default(), &snapshot, &needs, fixture::rate(0.5), &settings);
        let mut rules = Rules { deadline: Span::from_secs(60), ..Rules::default() };
        let mut health = HealthBook::new(HealthRules::default());
        for word in words.split_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            match name {
                "here" => rules.attempts_here_max = value.parse().unwrap(),
                "most" => rules.attempts_max = value.parse().unwrap(),
                "deadline" => rules.deadline = Span::from_secs(value.parse().unwrap()),
                "check" => rules.check = true,
                "continue" => rules.continue_broken = true,
                "hedge" => rules.hedge_percent = Some(value.parse().unwrap()),
                "stream" => rules.is_stream = true,
                "takes" => {
                    let (endpoint, ms) = value.split_once(':').unwrap();
                    let endpoint = EndpointId::new(endpoint).unwrap();
                    for _ in 0..40 {
                        health.begin(&endpoint, NOW);
                        health.end(&endpoint, Fate::Answered(Span::from_ms(ms.parse().unwrap())), NOW);
                    }
                }
                "no-budget" => {
                    let endpoint = EndpointId::new(value).unwrap();
                    while health.take_retry(&endpoint) {}
                }
                "down" => {
                    let endpoint = EndpointId::new(value).unwrap();
                    for _ in 0..5 {
                        health.begin(&endpoint, NOW);
                        health.end(&endpoint, Fate::Failed, NOW);
                    }
                }
                other => panic!("{other}"),
            }
        }
        let id = RequestId::new("r").unwrap();
        let attempts = Attempts::new(id, plan.unwrap(), rules, NOW, 7);
        Night { attempts, health, now: NOW, log: Vec::new(), is_pending: false }
    }

    /// Follows steps that need no outside word: reservations are granted, waits pass.
    fn follow(&mut self, mut step: Step) -> bool {
        loop {
            match step {
                Step::Reserve(attempt) => {
                    let candidate = self.attempts.candidate(attempt);
                    let aim = format!("{:?}", attempt.aim).to_lowercase();
                    let hedge =
                        attempt.hedge_after.map_or(String::new(), |after| format!(" hedge after {}", after.ms()));
                    self.log.push(format!("{aim} {} {}{hedge}", candidate.model(), candidate.endpoint().id));
                    self.is_pending = true;
                    return true;
                }
                Step::Wait(span) => {
                    let secs = span.ms().div_ceil(1_000);
                    self.log.push(format!("wait {secs}"));
                    self.now = self.now.after(span);
                    step = self.attempts.next(Outcome::Waited, self.now, &mut self.health);
                }
                Step::Check(_) => {
                    self.log.push("check".to_owned());
                    return true;
                }
                Step::Await => {
                    self.log.push("await".to_owned());
                    return true;
                }
                Step::Resume => {
                    self.log.push("resume".to_owned());
                    let plan = self.attempts.plan().clone();
                    step = self.attempts.resume(plan, self.now, &self.health);
                    continue;
                }
                Step::Done => self.log.push("done".to_owned()),
                Step::GiveUp(ref why) => self.log.push(format!("give up after {}", why.tried.len())),
                Step::Send(_) => panic!("sending follows a reservation"),
            }
            if matches!(self.log.last().map(String::as_str), Some(last) if last == "done" || last.starts_with("give up"))
            {
                return false;
            }
        }
    }

    fn happen(&mut self, word: &str) -> bool {
        let (number, word) = match word.split_once(':') {
            Some((number, word)) => (number.parse().unwrap(), word),
            None => {
                let under_way = self.attempts.under_way.last().filter(|_| !self.is_pending);
                (under_way.unwrap_or(&self.attempts.current).number, word)
            }
        };
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let secs = || Span::from_secs(value.parse().unwrap());
        let failed = |kind, retry| Outcome::Failed {
            number,
            error: Box::new(ProviderError::new(kind, retry, "made up")),
            delivered: false,
        };
        let outcome = match name {
            "ok" => Outcome::Answered { number },
            "slow" => Outcome::Slow,
            "passed" => Outcome::Passed,
            "short" => Outcome::FellShort("made up".to_owned()),
            "reject" => Outcome::Rejected("the budget is used up".to_owned()),
            "busy" if value.is_empty() => failed(Kind::Overloaded, Retry::Here(None)),
            "busy" => failed(Kind::RateLimited, Retry::Here(Some(secs()))),
            "auth" => failed(Kind::Auth, Retry::Elsewhere),
            "gone" => failed(Kind::NotFound, Retry::Elsewhere),
            "invalid" => failed(Kind::Invalid, Retry::Never),
            "cut" => Outcome::Failed {
                number,
                error: Box::new(ProviderError::new(Kind::Incomplete, Retry::Here(None), "made up")),
                delivered: true,
            },
            "late" => {
                self.now = self.now.after(secs());
                failed(Kind::Timeout, Retry::Here(None))
            }
            other => panic!("{other}"),
        };
        if std::mem::take(&mut self.is_pending) && name != "reject" {
            let step = self.attempts.next(Outcome::Reserved, self.now, &mut self.health);
            assert!(matches!(step, Step::Send(_)), "{step:?}");
        }
        let step = self.attempts.next(outcome, self.now, &mut self.health);
        self.follow(step)
    }
}

#[track_caller]
fn check(words: &str, night: &str, want: &str) {
    let mut play = Night::new(words);
    let step = play.attempts.first(NOW, &play.health);
    let mut goes_on = play.follow(step);
    for word in night.split_whitespace() {
        assert!(goes_on, "'{word}' after the end: {:?}", play.log);
        goes_on = play.happen(word);
    }
    let want: Vec<&str> = want.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(play.log, want, "{words} / {night}");
}

#[test]
fn a_good_night() {
    check("", "ok", "first cliff/giant cliff \n done");
}

#[test]
fn retries_wait_longer_each_time_and_then_another_stands_in() {
    check(
        "",
        "busy busy busy ok",
        "first cliff/giant cliff
         wait 1
         retry cliff/giant cliff
         wait 1
         retry cliff/giant cliff
         fallback acme/grand acme
         done",
    );
}

#[test]
fn a_retry_after_is_kept_when_short_and_sends_elsewhere_when_long() {
    check("", "busy=3 ok", "first cliff/giant cliff \n wait 3 \n retry cliff/giant cliff \n done");
    check("", "busy=30 ok", "first cliff/giant cliff \n fallback acme/grand acme \n done");
    check(
        "here=9",
        "auth gone busy=30 ok",
        "first cliff/giant cliff
         fallback acme/grand acme
         fallback bolt/thinker bolt
         wait 30
         retry bolt/thinker bolt
         done",
    );
}

#[test]
fn a_wrong_request_is_wrong_everywhere() {
    check("", "invalid", "first cliff/giant cliff \n give up after 1");
}

#[test]
fn nothing_is_tried_after_the_first_piece() {
    check("", "cut", "first cliff/giant cliff \n give up after 1");
}

#[test]
fn without_a_budget_of_retries_there_is_none() {
    check("no-budget=cliff", "busy ok", "first cliff/giant cliff \n fallback acme/grand acme \n done");
}

#[test]
fn a_breaker_that_opened_since_the_plan_is_passed_over() {
    check("down=cliff", "ok", "first acme/grand acme \n done");
}

#[test]
fn a_budget_may_hold_for_a_cheaper_one() {
    check(
        "",
        "reject reject ok",
        "first cliff/giant cliff \n first acme/grand acme \n fallback bolt/thinker bolt \n done",
    );
}

#[test]
fn an_answer_that_falls_short_escalates_and_the_best_stands() {
    check(
        "check",
        "ok short ok",
        "first cliff/giant cliff
         check
         escalation acme/grand acme
         done",
    );
    check("check", "ok passed", "first cliff/giant cliff \n check \n done");
}

#[test]
fn a_wait_is_over_by_a_clock_that_stands_too() {
    let mut night = Night::new("down=cliff down=acme down=bolt");
    let step = night.attempts.first(NOW, &night.health);
    assert!(matches!(step, Step::Wait(_)), "{step:?}");
    let step = night.attempts.next(Outcome::Waited, NOW, &mut night.health);
    assert!(matches!(step, Step::Reserve(_)), "{step:?}");
}

#[test]
fn the_deadline_holds() {
    check("deadline=10", "late=11", "first cliff/giant cliff \n give up after 1");
    check(
        "deadline=10",
        "late=4 late=7",
        "first cliff/giant cliff \n wait 1 \n retry cliff/giant cliff \n give up after 2",
    );
    check("most=2", "busy busy", "first cliff/giant cliff \n wait 1 \n retry cliff/giant cliff \n give up after 2");
}

#[test]
fn limits_shrink_with_what_is_left() {
    let mut play = Night::new("deadline=10");
    let step = play.attempts.first(NOW.after(Span::from_secs(4)), &play.health);
    let Step::Reserve(attempt) = step else { panic!("{step:?}") };
    assert_eq!(attempt.timeouts.total, Span::from_secs(6));
}

#[test]
fn giving_up_says_what_was_tried_and_what_to_do() {
    let mut play = Night::new("here=1");
    let step = play.attempts.first(NOW, &play.health);
    play.follow(step);
    for word in ["auth", "auth", "auth"] {
        play.happen(word);
    }
    let exhausted = Exhausted { request: RequestId::new("r").unwrap(), tried: play.attempts.tried().to_vec() };
    let text = exhausted.to_string();
    assert!(text.starts_with("no answer after 3 attempts; cliff/giant at cliff: auth: made up"), "{text}");
    assert!(text.ends_with("check the key"), "{text}");
}

#[test]
fn a_slow_call_is_hedged_by_the_same_model_elsewhere_and_the_first_answer_wins() {
    let slow = "first cliff/giant cliff hedge after 111 \n hedge acme/grand acme";
    check("hedge=95 takes=cliff:100", "slow 2:ok", &format!("{slow} \n done"));
    check("hedge=95 takes=cliff:100", "slow 1:ok", &format!("{slow} \n done"));
    check("hedge=95 takes=cliff:100", "slow 2:busy 1:ok", &format!("{slow} \n await \n done"));
    check("hedge=95 takes=cliff:100", "slow 1:auth 2:ok", &format!("{slow} \n await \n done"));
    check(
        "hedge=95 takes=cliff:100",
        "slow 1:busy 2:gone ok",
        &format!("{slow} \n await \n fallback bolt/thinker bolt \n done"),
    );
}

#[test]
fn no_hedge_before_enough_calls_without_a_budget_or_an_attempt_left() {
    check("hedge=95", "ok", "first cliff/giant cliff \n done");
    check("takes=cliff:100", "ok", "first cliff/giant cliff \n done");
    check("hedge=95 stream takes=cliff:100", "ok", "first cliff/giant cliff \n done");
    check("hedge=95 most=1 takes=cliff:100", "ok", "first cliff/giant cliff \n done");
    let first = "first cliff/giant cliff hedge after 111";
    check("hedge=95 takes=cliff:100 no-budget=cliff", "slow ok", &format!("{first} \n await \n done"));
    // The budget is that of the slow one: who stands by has earned none.
    check("hedge=95 takes=cliff:100 no-budget=acme", "slow 2:ok", &format!("{first} \n hedge acme/grand acme \n done"));
    check(
        "hedge=95 takes=cliff:100",
        "slow reject 1:ok",
        &format!("{first} \n hedge acme/grand acme \n await \n done"),
    );
    check("hedge=95 takes=cliff:100 down=acme", "slow 2:ok", &format!("{first} \n hedge bolt/thinker bolt \n done"));
}

#[test]
fn a_loser_is_named_and_is_no_failure() {
    let mut play = Night::new("hedge=95 takes=cliff:100");
    let step = play.attempts.first(NOW, &play.health);
    play.follow(step);
    play.happen("slow");
    play.happen("2:ok");
    let tried = play.attempts.tried();
    assert_eq!((tried.len(), tried[0].number, &tried[0].setback), (1, 1, &Setback::Outrun));
    assert_eq!(play.attempts.current.number, 2);
}

#[test]
fn a_broken_stream_is_continued_elsewhere_where_that_is_asked_for() {
    check("continue", "cut ok", "first cliff/giant cliff \n resume \n continuation acme/grand acme \n done");
    check(
        "continue",
        "cut busy ok",
        "first cliff/giant cliff
         resume
         continuation acme/grand acme
         wait 1
         continuation acme/grand acme
         done",
    );
    check(
        "continue",
        "cut cut cut",
        "first cliff/giant cliff
         resume
         continuation acme/grand acme
         resume
         continuation bolt/thinker bolt
         resume
         give up after 3",
    );
    check("continue most=1", "cut", "first cliff/giant cliff \n give up after 1");
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Hedges and continuations too: it ends within its bounds, every attempt has one fate, and never are more than
        /// two under way.
        #[test]
        fn hedged_nights_end(words in proptest::collection::vec((0usize..10, any::<bool>()), 0..80), most in 1u32..12) {
            let mut play =
                Night::new(&format!("hedge=95 continue most={most} takes=cliff:100 takes=acme:900 takes=bolt:50"));
            let step = play.attempts.first(NOW, &play.health);
            let mut goes_on = play.follow(step);
            let nights = ["slow", "busy", "busy=2", "auth", "gone", "late=3", "reject", "invalid", "cut", "ok"];
            for (at, is_older) in words {
                if !goes_on { break; }
                let under_way = &play.attempts.under_way;
                let word = match (play.is_pending, under_way.len(), nights[at]) {
                    (false, _, "reject") => continue,
                    // A piece is delivered by an attempt that has won.
                    (pending, count, "cut") if count + usize::from(pending) > 1 => "ok",
                    (_, count, "slow") if count > 1 => "busy",
                    (_, _, word) => word,
                };
                let older = under_way.first().filter(|_| is_older && word != "reject").map(|attempt| attempt.number);
                goes_on = play.happen(&older.map_or(word.to_owned(), |number| format!("{number}:{word}")));
                prop_assert!(play.attempts.under_way.len() <= 2);
            }
            prop_assert!(play.attempts.number <= most);
            let mut numbers: Vec<u32> = play.attempts.tried().iter().map(|tried| tried.number).collect();
            numbers.sort_unstable();
            let count = numbers.len();
            numbers.dedup();
            prop_assert_eq!(numbers.len(), count);
        }

        /// Whatever happens, it ends, within its bounds, and never at a candidate that was not planned.
        #[test]
        fn it_always_ends(words in proptest::collection::vec(0usize..9, 0..80), most in 1u32..12) {
            let mut play = Night::new(&format!("check most={most}"));
            let step = play.attempts.first(NOW, &play.health);
            let mut goes_on = play.follow(step);
            let nights = ["busy", "busy=2", "busy=50", "auth", "gone", "late=3", "reject", "invalid", "ok"];
            for at in words {
                if !goes_on { break; }
                let checking = play.log.last().is_some_and(|line| line == "check");
                goes_on = play.happen(if checking { if at % 2 == 0 { "short" } else { "passed" } } else { nights[at] });
            }
            prop_assert!(play.attempts.number <= most);
            prop_assert!(play.now <= NOW.after(Span::from_secs(60 + 300)));
        }
    }
}
