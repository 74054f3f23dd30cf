//! Processes that die and answers that are lost: nothing is sent twice, and nothing is forgotten.

use std::sync::Arc;

use async_trait::async_trait;
use tierway::client::{BatchError, ItemOutcome, JobState};
use tierway::ledger::{Fate, Rules};
use tierway::testing::server::{DeskEnd, Step, Trouble};
use tierway::transport::{HttpTransport, Incoming, Outgoing, Transport};
use tierway::{Kind, ProviderError};

use super::batch_error;
use super::rig::{Rig, VENDORS, check_books, fates, id, requests, rows};

#[tokio::test]
async fn a_batch_outlives_the_process() {
    for vendor in VENDORS {
        let rig = Rig::new(&format!("restart-{vendor}")).await;
        let first = rig.client(Rules::default());
        let batch = first.batch_as(id("night"), requests(vendor, 4)).await.unwrap();
        assert_eq!(batch.jobs[0].state, JobState::Running);
        drop((batch, first));
        // The desk works on while nobody watches.
        rig.desk.finish(DeskEnd::Done, 4);
        let second = rig.client(Rules::default());
        let unknown = rows(&second).await;
        assert!(unknown.iter().all(|row| matches!(row.fate, Fate::Unknown { .. } | Fate::Open)), "{vendor}");
        assert_eq!(second.batches().await.unwrap().len(), 1);
        let mut batch = second.resume(&id("night")).await.unwrap();
        let collected = batch.collect().await.unwrap();
        assert_eq!(collected.answered(), 4, "{vendor}");
        assert_eq!(fates(&second).await, (4, 0, 0), "{vendor}: no attempt stays unknown");
        check_books(&second, Rules::default()).await;
        drop((batch, second));
        let third = rig.client(Rules::default());
        let again = third.resume(&id("night")).await.unwrap().collect().await.unwrap();
        assert_eq!(again, collected, "{vendor}: a third process finds the same");
        assert_eq!(rig.desk.jobs(), 1);
        let unknown = third.resume(&id("other")).await.unwrap_err();
        assert!(matches!(batch_error(unknown), BatchError::Unknown { .. }));
    }
}

#[tokio::test]
async fn an_id_is_handed_in_once() {
    for vendor in VENDORS {
        let rig = Rig::new(&format!("once-{vendor}")).await;
        let client = rig.client(Rules::default());
        client.batch_as(id("job-1"), requests(vendor, 2)).await.unwrap();
        let again = client.batch_as(id("job-1"), requests(vendor, 2)).await.unwrap();
        assert_eq!((again.items, rig.desk.jobs(), fates(&client).await), (2, 1, (0, 0, 2)), "{vendor}");
        // Two at the same moment: one of them sends.
        let (a, b) = tokio::join!(
            client.batch_as(id("job-2"), requests(vendor, 2)),
            client.batch_as(id("job-2"), requests(vendor, 2))
        );
        assert_eq!((a.unwrap().items, b.unwrap().items, rig.desk.jobs()), (2, 2, 2), "{vendor}");
        assert_eq!(fates(&client).await, (0, 0, 4), "{vendor}");
    }
}

#[tokio::test]
async fn a_job_whose_answer_was_lost_is_found_again_and_not_sent_twice() {
    for vendor in VENDORS {
        let rig = Rig::new(&format!("lost-{vendor}")).await;
        let client = rig.client(Rules::default());
        rig.desk.trouble(Step::Create, [Trouble::LostAnswer]);
        // The first look fails as well: the process knows nothing but that it may have been sent.
        rig.desk.trouble(Step::List, [Trouble::Status(503)]);
        let batch = client.batch_as(id("lost"), requests(vendor, 3)).await.unwrap();
        assert_eq!((batch.jobs[0].state, batch.jobs[0].vendor_id.clone()), (JobState::Sending, None), "{vendor}");
        drop((batch, client));
        let client = rig.client(Rules::default());
        let mut batch = client.batch_as(id("lost"), requests(vendor, 3)).await.unwrap();
        let found = batch.poll().await.unwrap().jobs[0].clone();
        // Anthropic keeps no mark of ours: the batch is told by its items, once it is over.
        let wanted = if vendor == "anthropic" { JobState::Sending } else { JobState::Running };
        assert_eq!(found.state, wanted, "{vendor}");
        rig.desk.finish(DeskEnd::Done, 3);
        let collected = batch.collect().await.unwrap();
        assert_eq!((collected.answered(), rig.desk.jobs()), (3, 1), "{vendor}");
        assert_eq!(fates(&client).await, (3, 0, 0), "{vendor}");
        check_books(&client, Rules::default()).await;
    }
}

#[tokio::test]
async fn another_batch_of_the_same_size_is_not_taken_for_a_lost_one() {
    let rig = Rig::new("alike").await;
    let client = rig.client(Rules::default());
    client.batch_as(id("known"), requests("anthropic", 3)).await.unwrap();
    let other = rig.builder(Rules::default());
    drop(other);
    rig.desk.trouble(Step::Create, [Trouble::Status(500)]);
    let mut lost = client.batch_as(id("never"), requests("anthropic", 3)).await.unwrap();
    assert_eq!(lost.jobs[0].state, JobState::Sending);
    rig.desk.finish(DeskEnd::Done, 3);
    assert_eq!(
        lost.poll().await.unwrap().jobs[0].state,
        JobState::Sending,
        "it was never made, and nothing proves that"
    );
    let pending = lost.collect().await.unwrap();
    assert!(pending.items.iter().all(|item| item.outcome == ItemOutcome::Pending));
    assert_eq!(fates(&client).await, (0, 0, 6), "its items stay charged until somebody says what became of them");
}

#[tokio::test]
async fn a_job_that_the_vendor_refuses_is_voided() {
    for vendor in VENDORS {
        let rig = Rig::new(&format!("refused-{vendor}")).await;
        let client = rig.client(Rules::default());
        rig.desk.trouble(Step::Create, [Trouble::Status(400)]);
        let error = client.batch_as(id("bad"), requests(vendor, 3)).await.unwrap_err();
        assert_eq!((error.status(), error.code()), (Some(400), "invalid"), "{vendor}");
        assert_eq!((rig.desk.jobs(), fates(&client).await), (0, (0, 3, 0)), "{vendor}");
        let collected = client.resume(&id("bad")).await.unwrap().collect().await.unwrap();
        assert!(collected.items.iter().all(|item| matches!(item.outcome, ItemOutcome::Rejected(_))), "{vendor}");
        // Too many at the moment: the same job is handed in a little later, once.
        rig.desk.trouble(Step::Create, [Trouble::Status(429)]);
        let batch = client.batch_as(id("later"), requests(vendor, 3)).await.unwrap();
        assert_eq!((batch.jobs[0].state, rig.desk.jobs()), (JobState::Running, 1), "{vendor}");
        check_books(&client, Rules::default()).await;
    }
}

#[tokio::test]
async fn an_upload_that_fails_makes_no_job() {
    for vendor in ["openai", "mistral"] {
        let rig = Rig::new(&format!("upload-{vendor}")).await;
        let client = rig.client(Rules::default());
        rig.desk.trouble(Step::Upload, [Trouble::LostAnswer, Trouble::Status(503)]);
        let batch = client.batch_as(id("up"), requests(vendor, 2)).await.unwrap();
        assert_eq!(
            (batch.jobs[0].state, rig.desk.jobs()),
            (JobState::Running, 1),
            "{vendor}: a file may be sent again"
        );
        rig.desk.trouble(Step::Upload, [Trouble::Status(413)]);
        let error = client.batch_as(id("big"), requests(vendor, 2)).await.unwrap_err();
        assert_eq!(error.status(), Some(413), "{vendor}");
        assert_eq!(fates(&client).await, (0, 2, 2), "{vendor}");
    }
}

/// A transport that dies at a request, as a process does: it never answers.
#[derive(Debug)]
struct Dying {
    http: HttpTransport,
    at: &'static str,
    /// Told where it dies.
    is_there: tokio::sync::Notify,
}

#[async_trait]
impl Transport for Dying {
    async fn post(&self, outgoing: Outgoing) -> Result<Incoming, ProviderError> {
        if outgoing.url().ends_with(self.at) {
            self.is_there.notify_one();
            std::future::pending::<()>().await;
        }
        self.http.post(outgoing).await
    }
}

#[tokio::test]
async fn a_process_that_dies_before_the_job_leaves_nothing_sent_and_all_accounted() {
    for (vendor, at) in [("openai", "/files"), ("mistral", "/files"), ("openai", "/batches"), ("anthropic", "/batches")]
    {
        let rig = Rig::new(&format!("died-{vendor}{}", at.replace('/', "-"))).await;
        let dying = Arc::new(Dying { http: HttpTransport::default(), at, is_there: tokio::sync::Notify::new() });
        let client = rig.builder(Rules::default()).transport(dying.clone()).build().unwrap();
        let work = client.batch_as(id("d"), requests(vendor, 2));
        tokio::select! {
            _ = work => panic!("it waits for ever"),
            () = dying.is_there.notified() => {}
        }
        drop(client);
        let client = rig.client(Rules::default());
        let mut batch = client.batch_as(id("d"), requests(vendor, 2)).await.unwrap();
        assert_eq!((batch.jobs[0].state, rig.desk.jobs()), (JobState::Sending, 0), "{vendor}");
        batch.poll().await.unwrap();
        assert_eq!((batch.jobs[0].state, rig.desk.jobs()), (JobState::Sending, 0), "{vendor}: it is not sent again");
        assert_eq!(fates(&client).await, (0, 0, 2), "{vendor}: charged until somebody says what became of it");
    }
}

#[tokio::test]
async fn a_vendor_that_cannot_be_asked_changes_nothing() {
    for vendor in VENDORS {
        let rig = Rig::new(&format!("silent-{vendor}")).await;
        let client = rig.client(Rules::default());
        let mut batch = client.batch(requests(vendor, 2)).await.unwrap();
        rig.desk.trouble(Step::Status, [Trouble::Status(500), Trouble::LostAnswer, Trouble::CutAfter(9)]);
        let kinds = [Kind::Server, Kind::Network, Kind::Protocol];
        for kind in kinds {
            let error = batch.poll().await.unwrap_err();
            assert_eq!(error.provider_error().unwrap().kind, kind, "{vendor}: {error}");
        }
        assert_eq!(batch.poll().await.unwrap().jobs[0].state, JobState::Running, "{vendor}");
        rig.desk.trouble(Step::Cancel, [Trouble::Status(500)]);
        assert_eq!(batch.cancel().await.unwrap_err().status(), Some(500), "{vendor}");
        rig.desk.finish(DeskEnd::Done, 2);
        // It ended a moment before it was to be stopped: then it stands as it is.
        batch.cancel().await.unwrap();
        assert_eq!(batch.collect().await.unwrap().answered(), 2, "{vendor}");
    }
}
