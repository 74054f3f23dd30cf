//! Batches from hand-in to account, at the four vendors' APIs on loopback: restarts, lost answers, results in disorder,
//! jobs that are stopped or run out of time.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod lost;
mod rig;
mod vectors;

use rig::{KEY, Rig, VENDORS, check_books, endpoint, fates, id, request, requests, rows};
use tierway::client::{BatchError, ItemOutcome, JobState};
use tierway::ledger::{Budget, Ending, Fate, Frame, Limit, Purpose, Rules, Window};
use tierway::policy::{List, Policy};
use tierway::testing::server::{DeskEnd, Mess, Step, Trouble};
use tierway::{Error, Usd};

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn batch_error(error: Error) -> BatchError {
    match error {
        Error::Batch(error) => *error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_item_is_answered_at_the_batch_price_whatever_the_vendor() {
    for vendor in VENDORS {
        let rig = Rig::new(&format!("whole-{vendor}")).await;
        let client = rig.client(Rules::default());
        let mut batch = client.batch(requests(vendor, 5)).await.unwrap();
        assert_eq!((batch.jobs.len(), batch.jobs[0].state), (1, JobState::Running), "{vendor}");
        assert_eq!(fates(&client).await, (0, 0, 5), "every item is set aside before it is sent");
        let pending = batch.collect().await.unwrap();
        assert!(pending.items.iter().all(|item| item.outcome == ItemOutcome::Pending), "{vendor}");
        rig.desk.finish(DeskEnd::Done, 5);
        assert!(batch.poll().await.unwrap().is_over());
        let collected = batch.collect().await.unwrap();
        for (at, item) in collected.items.iter().enumerate() {
            assert_eq!(item.reply().unwrap().text(), format!("answer {at}"), "{vendor}");
            // 10 tokens at 1 dollar and 500 at 4 dollars a million.
            assert_eq!(item.cost, usd("0.00201"), "{vendor}");
        }
        assert_eq!((collected.cost, collected.strange_lines), (usd("0.01005"), 0), "{vendor}");
        for row in rows(&client).await {
            let Fate::Settled(settle) = &row.fate else { panic!("{row:?}") };
            assert_eq!((settle.cost, settle.ending), (usd("0.00201"), Ending::Answered));
            assert!(settle.cost <= row.reserve.amount, "{vendor}: the bound held");
            assert_eq!(row.reserve.facts.purpose, Purpose::Batch);
        }
        assert!(batch.is_collected());
        check_books(&client, Rules::default()).await;
    }
}

#[tokio::test]
async fn collecting_twice_has_one_effect() {
    for vendor in VENDORS {
        let rig = Rig::new(&format!("twice-{vendor}")).await;
        let client = rig.client(Rules::default());
        let mut batch = client.batch(requests(vendor, 3)).await.unwrap();
        rig.desk.finish(DeskEnd::Done, 3);
        let first = batch.collect().await.unwrap();
        let before = client.store().journal(0, 1_000).await.unwrap();
        let second = batch.collect().await.unwrap();
        assert_eq!(first, second, "{vendor}");
        assert_eq!(client.store().journal(0, 1_000).await.unwrap(), before, "{vendor}");
        // Another client collects at once with this one: still one effect.
        let mut other = client.resume(batch.id()).await.unwrap();
        let (a, b) = tokio::join!(batch.collect(), other.collect());
        assert_eq!(a.unwrap(), b.unwrap());
        assert_eq!(client.store().journal(0, 1_000).await.unwrap(), before, "{vendor}");
    }
}

#[tokio::test]
async fn results_in_disorder_find_their_items() {
    let mess =
        Mess { reversed: true, repeated: true, strange: true, garbled: false, missing: Some(1), nameless: false };
    for vendor in VENDORS {
        let rig = Rig::new(&format!("mess-{vendor}")).await;
        let client = rig.client(Rules::default());
        let mut batch = client.batch(requests(vendor, 4)).await.unwrap();
        rig.desk.finish(DeskEnd::Done, 4);
        rig.desk.mess(mess);
        let collected = batch.collect().await.unwrap();
        let outcomes: Vec<&str> = collected.items.iter().map(|item| item.outcome.as_str()).collect();
        assert_eq!(outcomes, ["answered", "missing", "answered", "answered"], "{vendor}");
        assert_eq!(collected.items[3].reply().unwrap().text(), "answer 3", "{vendor}");
        assert_eq!(collected.strange_lines, 2, "{vendor}: a stranger's and a repeated one");
        assert_eq!(fates(&client).await, (3, 0, 1), "{vendor}: what is missing stays charged in full");
        // The vendor brings the rest: it is settled then.
        rig.desk.mess(Mess::default());
        assert_eq!(batch.collect().await.unwrap().answered(), 4, "{vendor}");
        assert_eq!(fates(&client).await, (4, 0, 0), "{vendor}");
        check_books(&client, Rules::default()).await;
    }
}

#[tokio::test]
async fn results_without_names_stand_in_the_order_of_the_items() {
    let rig = Rig::new("nameless").await;
    let client = rig.client(Rules::default());
    let mut batch = client.batch(requests("google", 3)).await.unwrap();
    rig.desk.finish(DeskEnd::Done, 3);
    rig.desk.mess(Mess { nameless: true, ..Mess::default() });
    let collected = batch.collect().await.unwrap();
    let texts: Vec<String> = collected.items.iter().map(|item| item.reply().unwrap().text()).collect();
    assert_eq!(texts, ["answer 0", "answer 1", "answer 2"]);
}

#[tokio::test]
async fn an_item_that_the_vendor_refuses_costs_nothing_and_the_others_are_answered() {
    for vendor in VENDORS {
        let rig = Rig::new(&format!("errors-{vendor}")).await;
        let client = rig.client(Rules::default());
        let items = vec![request(vendor, "item 0"), request(vendor, "refuse this"), request(vendor, "item 2")];
        let mut batch = client.batch(items).await.unwrap();
        rig.desk.finish(DeskEnd::Done, 3);
        let collected = batch.collect().await.unwrap();
        let ItemOutcome::Failed(error) = &collected.items[1].outcome else { panic!("{vendor}: {collected:?}") };
        assert!(error.status.is_some_and(|status| status >= 400), "{vendor}: {error:?}");
        assert_eq!((collected.answered(), collected.items[1].cost), (2, Usd::ZERO), "{vendor}");
        assert_eq!(fates(&client).await, (3, 0, 0), "{vendor}");
        check_books(&client, Rules::default()).await;
    }
}

#[tokio::test]
async fn what_was_not_answered_in_time_or_was_stopped_is_voided() {
    for vendor in VENDORS {
        for (end, outcome) in [(DeskEnd::Expired, "expired"), (DeskEnd::Cancelled, "cancelled")] {
            let rig = Rig::new(&format!("{outcome}-{vendor}")).await;
            let client = rig.client(Rules::default());
            let mut batch = client.batch(requests(vendor, 5)).await.unwrap();
            if end == DeskEnd::Cancelled {
                let view = batch.cancel().await.unwrap();
                assert!(matches!(view.jobs[0].state, JobState::Stopping | JobState::Running), "{vendor}: {view:?}");
            }
            rig.desk.finish(end, 2);
            let collected = batch.collect().await.unwrap();
            let outcomes: Vec<&str> = collected.items.iter().map(|item| item.outcome.as_str()).collect();
            assert_eq!(outcomes, ["answered", "answered", outcome, outcome, outcome], "{vendor}");
            assert_eq!(collected.cost, usd("0.00402"), "{vendor}: the answers that came are billed");
            assert_eq!(fates(&client).await, (2, 3, 0), "{vendor}");
            assert_eq!(batch.collect().await.unwrap(), collected, "{vendor}: the same afterwards");
            check_books(&client, Rules::default()).await;
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_of_a_stopped_job_is_not_taken_for_unanswered() {
    for vendor in ["openai", "mistral", "anthropic"] {
        let rig = Rig::new(&format!("garbled-{vendor}")).await;
        let client = rig.client(Rules::default());
        let mut batch = client.batch(requests(vendor, 4)).await.unwrap();
        rig.desk.finish(DeskEnd::Cancelled, 2);
        rig.desk.mess(Mess { garbled: true, missing: Some(0), ..Mess::default() });
        let collected = batch.collect().await.unwrap();
        assert_eq!(collected.items[0].outcome, ItemOutcome::Missing, "{vendor}");
        assert!(fates(&client).await.2 >= 1, "{vendor}: it stays charged");
    }
}

#[tokio::test]
async fn a_job_that_fails_voids_or_clears_its_items() {
    for vendor in ["openai", "google", "mistral"] {
        let rig = Rig::new(&format!("failed-{vendor}")).await;
        let client = rig.client(Rules::default());
        let mut batch = client.batch(requests(vendor, 3)).await.unwrap();
        rig.desk.finish(DeskEnd::Failed, 0);
        let collected = batch.collect().await.unwrap();
        assert!(collected.items.iter().all(|item| matches!(item.outcome, ItemOutcome::Failed(_))), "{vendor}");
        assert_eq!((collected.cost, fates(&client).await.2), (Usd::ZERO, 0), "{vendor}: nothing is held");
    }
}

#[tokio::test]
async fn results_that_break_off_are_an_error_and_what_came_is_settled() {
    for vendor in ["openai", "anthropic", "mistral"] {
        let rig = Rig::new(&format!("cut-{vendor}")).await;
        let client = rig.client(Rules::default());
        let mut batch = client.batch(requests(vendor, 3)).await.unwrap();
        rig.desk.finish(DeskEnd::Done, 3);
        rig.desk.trouble(Step::Results, [Trouble::Status(503)]);
        let error = batch.collect().await.unwrap_err();
        assert_eq!((error.status(), error.provider()), (Some(503), Some(vendor)));
        assert_eq!(fates(&client).await, (0, 0, 3), "{vendor}");
        rig.desk.trouble(Step::Results, [Trouble::CutAfter(700)]);
        let cut = batch.collect().await.unwrap();
        assert!(cut.answered() < 3 && cut.strange_lines == 1, "{vendor}: {cut:?}");
        assert_eq!(batch.collect().await.unwrap().answered(), 3, "{vendor}");
        assert_eq!(fates(&client).await, (3, 0, 0), "{vendor}");
    }
}

#[tokio::test]
async fn a_batch_is_divided_by_vendor_and_model() {
    let rig = Rig::new("divided").await;
    let client = rig.client(Rules::default());
    let mut items = Vec::new();
    for (at, vendor) in VENDORS.iter().cycle().take(12).enumerate() {
        let mut draft = request(vendor, &format!("item {at}")).to_draft();
        let model = if at % 3 == 0 { "n" } else { "m" };
        draft.model = tierway::request::ModelChoice::Only(format!("{vendor}/{model}").parse().unwrap());
        items.push(draft.try_into().unwrap());
    }
    let mut batch = client.batch(items).await.unwrap();
    // Anthropic takes several models in one job; the others want one for each.
    assert_eq!(batch.jobs.len(), 7, "{batch:?}");
    rig.desk.finish(DeskEnd::Done, 12);
    let collected = batch.collect().await.unwrap();
    for (at, item) in collected.items.iter().enumerate() {
        assert_eq!(item.reply().unwrap().text(), format!("answer {at}"));
        assert_eq!(item.endpoint, endpoint(VENDORS[at % 4]));
    }
    check_books(&client, Rules::default()).await;
}

#[tokio::test]
async fn policy_and_budgets_refuse_before_anything_is_sent() {
    let rig = Rig::new("refused").await;
    let policy =
        Policy { vendors: List { deny: ["mistral".parse().unwrap()].into(), ..List::default() }, ..Policy::default() };
    let client = rig.builder(Rules::default()).policy(policy).build().unwrap();
    let items = || vec![request("openai", "item 0"), request("mistral", "item 1")];
    let error = batch_error(client.batch(items()).await.unwrap_err());
    let BatchError::Item { number: 1, error } = error else { panic!("{error:?}") };
    assert!(matches!(*error, Error::Refused(_)));
    // An endpoint without a batch API, and a model without a batch price, are no place for an item.
    let error = batch_error(client.batch([request("slow", "item 0")]).await.unwrap_err());
    assert!(error.to_string().contains("batch"), "{error}");
    assert_eq!(batch_error(client.batch([]).await.unwrap_err()), BatchError::Empty);
    drop(client);
    let budget = Budget::new("tight", Limit::Money(usd("0.012")), Window::utc(Frame::Total));
    let rules = Rules::new(vec![budget], Vec::new()).unwrap();
    let tight = Rig::new("tight").await;
    let client = tight.client(rules.clone());
    let error = batch_error(client.batch_as(id("tight"), requests("openai", 9)).await.unwrap_err());
    assert!(matches!(error, BatchError::OverBudget { .. } | BatchError::Item { .. }), "{error:?}");
    assert_eq!((rig.server.requests(), tight.server.requests(), fates(&client).await.2), (0, 0, 0));
    let view = client.resume(&id("tight")).await.map(|batch| batch.view().jobs[0].state);
    assert!(view.is_err() || view == Ok(JobState::Rejected), "{view:?}");
    check_books(&client, rules).await;
}

#[tokio::test]
async fn neither_key_nor_prompt_is_kept_or_goes_to_another_host() {
    for vendor in VENDORS {
        let rig = Rig::new(&format!("canary-{vendor}")).await;
        let client = rig.client(Rules::default());
        let secret = "promptcanary-9911";
        let mut batch = client.batch([request(vendor, secret)]).await.unwrap();
        rig.desk.finish(DeskEnd::Done, 1);
        let collected = batch.collect().await.unwrap();
        assert_eq!(collected.answered(), 1, "{vendor}: where Anthropic's results_url names another host, too");
        rig.desk.trouble(Step::Status, [Trouble::Status(401)]);
        let error = client.batch([request(vendor, secret)]).await.unwrap().poll().await.unwrap_err();
        client.close().await.unwrap();
        let said = format!("{error} {error:?} {batch:?} {:?}", rig.desk);
        for canary in [KEY, secret] {
            assert!(!said.contains(canary), "{vendor}: {said}");
            let disk = rig.bytes_on_disk();
            let found = disk.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{vendor}: {canary} is in the account's file");
        }
        for heard in rig.server.heard() {
            assert!(!heard.path.contains(KEY), "{vendor}");
        }
    }
}
