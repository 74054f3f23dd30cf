//! The tables: made once however many start at once, kept apart by schema, and read with ordinary SQL.

use std::process::Command;

use tierway::ledger::{LedgerError, Rules};
use tierway::store::{PostgresStore, Store};
use tierway::testing::store::wait;

use crate::race::{reserve, rules, settle};
use crate::{fresh, server};

/// What `psql` answers; `None` where it is not there.
fn psql(url: &str, sql: &str) -> Option<String> {
    let (plain, schema) = url.split_once("?&schema=").unwrap();
    let bin = std::env::var("TIERWAY_TEST_POSTGRES_BIN").map_or("psql".to_owned(), |bin| format!("{bin}/psql"));
    let asked =
        Command::new(bin).args([plain, "-Atc", sql]).env("PGOPTIONS", format!("-c search_path={schema}")).output();
    let Ok(out) = asked else {
        println!("skipped: psql is not here (1 case)");
        return None;
    };
    assert!(out.status.success(), "{sql}: {}", String::from_utf8_lossy(&out.stderr));
    Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

#[test]
fn stores_that_start_at_once_make_one_ledger() {
    let Some(server) = server("concurrent start", 5) else { return };
    for _ in 0..5 {
        let url = fresh(&server);
        std::thread::scope(|scope| {
            for at in 0..8 {
                let url = &url;
                scope.spawn(move || {
                    let store = PostgresStore::open(url, rules("1")).unwrap();
                    wait(store.reserve(reserve(&format!("s{at}"), 0))).unwrap();
                    wait(store.close()).unwrap();
                });
            }
        });
        let store = PostgresStore::open(&url, rules("1")).unwrap();
        let balances = wait(store.balances()).unwrap();
        assert_eq!(balances.values().map(|b| b.held).collect::<Vec<_>>(), [800_000_000_000]);
        wait(store.close()).unwrap();
    }
}

#[test]
fn the_views_have_the_names_and_columns_of_the_file() {
    let Some(server) = server("views", 9) else { return };
    let url = fresh(&server);
    let store = PostgresStore::open(&url, rules("1")).unwrap();
    for name in ["a", "b", "c"] {
        wait(store.reserve(reserve(name, 7))).unwrap();
    }
    wait(store.settle(settle("a"))).unwrap();
    wait(store.settle(settle("b"))).unwrap();
    let spend = "attempts,input_tokens,output_tokens,cost_usd,cost_exact";
    let columns = [
        ("spend_by_day", format!("day,{spend}")),
        ("spend_by_model", format!("model,{spend}")),
        ("spend_by_tier", format!("tier,{spend}")),
        ("spend_by_vendor", format!("vendor,{spend}")),
        ("spend_by_tag", format!("tag,value,{spend}")),
        ("savings", "day,baseline_usd,cost_usd,saved_usd".to_owned()),
        ("budget_balances", "budget,unit,scope,window_start,posted,held".to_owned()),
        ("unknown_attempts", "attempt,request,at,model,vendor,endpoint,amount_pico".to_owned()),
        (
            "attempts",
            "attempt,request,at,model,vendor,endpoint,tier,purpose,key,tags,amount_pico,tokens_max,baseline,fate,\
             cost_pico,cost_usd,baseline_cost_pico,basis,ending,latency_ms,first_token_ms,overrun,usage,lines,why"
                .to_owned(),
        ),
    ];
    for (view, wanted) in columns {
        let sql = format!(
            "SELECT string_agg(column_name, ',' ORDER BY ordinal_position) FROM information_schema.columns
             WHERE table_schema = current_schema() AND table_name = '{view}'"
        );
        let Some(found) = psql(&url, &sql) else { return };
        assert_eq!(found, wanted, "{view}");
    }
    let ask = |sql: &str| psql(&url, sql).unwrap();
    assert_eq!(ask("SELECT day, attempts, cost_exact FROM spend_by_day"), "2026-05-29|2|0.100000000000");
    assert_eq!(ask("SELECT tag, value, attempts, cost_exact FROM spend_by_tag"), "round|7|2|0.100000000000");
    assert_eq!(ask("SELECT baseline_usd, cost_usd, saved_usd FROM savings"), "0.4|0.1|0.3");
    assert_eq!(ask("SELECT budget, unit, posted, held FROM budget_balances"), "race|money|0.1|0.1");
    assert_eq!(ask("SELECT fate, tags->>'round' FROM attempts WHERE attempt = 'c'"), "open|7");
    wait(store.close()).unwrap();
}

#[test]
fn a_schema_of_something_else_and_a_later_format_are_refused() {
    let Some(server) = server("foreign schemas", 2) else { return };
    let url = fresh(&server);
    let schema = url.split_once("schema=").unwrap().1;
    let Some(_) = psql(&url, &format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.budgets (x int)")) else { return };
    let error = PostgresStore::open(&url, Rules::default()).unwrap_err();
    assert!(matches!(error, LedgerError::Corrupt { .. }), "{error}");
    let url = fresh(&server);
    wait(PostgresStore::open(&url, Rules::default()).unwrap().close()).unwrap();
    psql(&url, "INSERT INTO ledger_format (format) VALUES (99)");
    let error = PostgresStore::open(&url, Rules::default()).unwrap_err();
    assert!(matches!(error, LedgerError::TooNew { found: 99, .. }), "{error}");
}

#[test]
fn the_journal_cannot_be_changed() {
    let Some(server) = server("triggers", 1) else { return };
    let url = fresh(&server);
    let store = PostgresStore::open(&url, Rules::default()).unwrap();
    wait(store.reserve(reserve("a", 0))).unwrap();
    let sql = "DO $$ BEGIN DELETE FROM reservations; EXCEPTION WHEN raise_exception THEN RAISE NOTICE 'kept'; END $$;
        SELECT COUNT(*) FROM reservations";
    if let Some(count) = psql(&url, sql) {
        assert!(count.ends_with('1'), "{count}");
    }
    wait(store.close()).unwrap();
}
