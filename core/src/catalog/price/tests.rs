//! Bounds hold, charges are exact: against a rational oracle, for every built-in price and for made-up ones.

use proptest::prelude::*;

use super::*;
use crate::catalog::{Billing, Catalog, Charge};
use crate::usage::Usage;

/// 2026-08-21, a Friday.
const DAY: i64 = 1_787_270_400_000;

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    crate::catalog::parse_time(text).unwrap()
}

/// A model of one vendor with these prices.
fn priced(prices: &str) -> PriceList {
    let text = format!(
        "vendor = \"acme\"\n[[endpoints]]\nid = \"acme\"\napi = \"chat_completions\"\nbase_url = \"https://acme.example\"\n\
         region = \"eu\"\nauth = \"none\"\n[[models]]\nid = \"acme/one\"\nfamily = \"one\"\ntier = \"standard\"\n\
         context_window = 1000000\nmax_output = 100000\nsource = \"made up\"\ndate = \"2026-08-21\"\n{prices}"
    );
    let catalog = Catalog::parse(&text, "acme.toml").unwrap_or_else(|error| panic!("{error}"));
    catalog.cards()[0].prices.clone()
}

const RICH: &str = r#"
[[models.prices]]
until = "2026-06-01"
rates = { input = "9", output = "90" }
[[models.prices]]
from = "2026-06-01"
rates = { input = "2", cached_read = "0.2", cache_write_5m = "2.5", cache_write_1h = "4", output = "10", reasoning = "12", input_audio = "7", output_image = "30", request = "0.005", search = "0.01" }
above = [{ tokens = 200_000, rates = { input = "4", cached_read = "0.4", cache_write_5m = "5", cache_write_1h = "8", output = "15", reasoning = "18", input_audio = "7", output_image = "30" } }]
lanes = { batch = "0.5", flex = "0.5", priority = { rates = { input = "3.5", output = "17.5" } } }
hours = [{ from = "16:30", until = "00:30", times = "0.5" }]
uplift = { acme = "1.1" }
"#;

#[track_caller]
fn check(usage: Usage, lane: Option<ServiceTier>, time: &str, total: &str) {
    let billing = Billing { lane, at: at(time), ..Billing::default() };
    let charge = priced(RICH).charge(&usage, &billing).unwrap();
    assert_eq!(charge.total, usd(total), "{charge:?}");
}

#[test]
fn the_conditions_pick_the_rates() {
    let small = || Usage::of(100_000, 10_000);
    check(small(), None, "2026-05-31T23:59Z", "1.8");
    check(small(), None, "2026-06-01T12:00Z", "0.305");
    check(small(), None, "2026-06-01T16:30Z", "0.155");
    check(small(), None, "2026-06-02T00:29Z", "0.155");
    check(small(), None, "2026-06-02T00:30Z", "0.305");
    check(small(), Some(ServiceTier::Batch), "2026-06-02T12:00Z", "0.155");
    check(small(), Some(ServiceTier::Priority), "2026-06-02T12:00Z", "0.53");
    check(Usage::of(200_000, 10_000), None, "2026-06-02T12:00Z", "0.505");
    check(Usage::of(200_001, 10_000), None, "2026-06-02T12:00Z", "0.955004");
    check(Usage::of(300_000, 10_000), Some(ServiceTier::Batch), "2026-06-02T12:00Z", "0.68");
    check(Usage::of(300_000, 10_000), Some(ServiceTier::Priority), "2026-06-02T12:00Z", "1.38");
    let reported = Usage { service_tier: Some(ServiceTier::Batch), ..small() };
    check(reported, Some(ServiceTier::Standard), "2026-06-02T12:00Z", "0.155");
}

#[test]
fn parts_are_taken_out_of_their_totals() {
    let usage = Usage {
        cached_read: Some(40_000),
        cache_write_5m: Some(10_000),
        cache_write_1h: Some(5_000),
        input_audio: Some(1_000),
        reasoning: Some(4_000),
        output_image: Some(1_000),
        searches: Some(2),
        ..Usage::of(100_000, 10_000)
    };
    // 44,000 x 2 + 40,000 x 0.2 + 10,000 x 2.5 + 5,000 x 4 + 1,000 x 7 + 5,000 x 10 + 4,000 x 12 + 1,000 x 30, by
    // the million, then 0.005 for the call and 0.02 for the searches.
    let exact = usd("0.276").checked_add(usd("0.025")).unwrap();
    let billing = Billing { at: at("2026-06-02T12:00Z"), ..Billing::default() };
    let charge = priced(RICH).charge(&usage, &billing).unwrap();
    assert_eq!(charge.total, exact, "{charge:?}");
    assert_eq!(charge.lines.len(), 10);
    let text = serde_json::to_value(&charge).unwrap();
    assert_eq!(text["total"], "0.301");
    assert_eq!(serde_json::from_value::<Charge>(text).unwrap(), charge);
}

#[test]
fn an_endpoint_may_add_to_the_rates_and_never_to_the_fees() {
    let endpoint = EndpointId::new("acme").unwrap();
    let billing = Billing { at: at("2026-06-02T12:00Z"), endpoint: Some(&endpoint), ..Billing::default() };
    let charge = priced(RICH).charge(&Usage::of(100_000, 10_000), &billing).unwrap();
    assert_eq!(charge.total, usd("0.335"));
    assert_eq!(charge.basis.uplift.as_deref(), Some("1.1"));
}

#[test]
fn input_that_is_billed_apart_costs_what_is_billed_whatever_was_cached() {
    let list = PriceList::per_million(usd("1"), usd("0.1"), usd("4"));
    let usage = Usage { billed_input: Some(69), cached_read: Some(992), ..Usage::of(1_494, 25) };
    let charge = list.charge(&usage, &Billing::default()).unwrap();
    assert_eq!(charge.total, usd("0.000169"), "{:?}", charge.lines);
    let quantities: Vec<_> = charge.lines.iter().map(|line| (line.class, line.quantity)).collect();
    assert_eq!(quantities, [(Class::Input, 69), (Class::Output, 25)]);
    assert_eq!(usage.plus(&Usage::of(10, 1)).billed_input, Some(79));
}

#[test]
fn what_has_no_price_is_said() {
    let list = PriceList::per_million(usd("1"), usd("1"), usd("1"));
    let searched = Usage { searches: Some(3), ..Usage::of(1, 1) };
    assert_eq!(list.charge(&searched, &Billing::default()).unwrap().unpriced, [Class::Search]);
    let unpriced = PriceList::default().charge(&searched, &Billing::default());
    assert_eq!(unpriced.unwrap_err(), super::super::PriceError::Unpriced);
    let later = priced("[[models.prices]]\nfrom = \"2026-06-01\"\nrates = { input = \"1\", output = \"1\" }\n");
    let early = Billing { at: at("2026-05-01"), ..Billing::default() };
    assert!(later.charge(&searched, &early).unwrap_err().to_string().contains("add a row"));
    assert_eq!(later.upper_bound(1, 1, None, at("2026-05-01")), None);
    assert!(list.charge(&Usage::of(u64::MAX, u64::MAX), &Billing::default()).is_err());
    assert_eq!(list.upper_bound(u64::MAX, u64::MAX, None, Timestamp::EPOCH), Some(Usd::MAX));
}

#[test]
fn pictures_may_be_billed_by_the_piece() {
    let list = priced("[[models.prices]]\nrates = { input = 2, output = 8, image = \"0.04\" }\n");
    let billing = Billing { images: 3, ..Billing::default() };
    assert_eq!(list.charge(&Usage::of(1_000, 0), &billing).unwrap().total, usd("0.122"));
}

#[test]
fn a_vendors_own_figure_counts_where_it_is_wanted() {
    let list = PriceList::per_million(usd("1"), usd("1"), usd("1"));
    let usage = Usage { stated_cost: Some(usd("0.0123")), ..Usage::of(10, 10) };
    let billing = |take_stated| Billing { take_stated, ..Billing::default() };
    assert_eq!(list.charge(&usage, &billing(true)).unwrap().total, usd("0.0123"));
    assert_eq!(list.charge(&usage, &billing(false)).unwrap().total, usd("0.00002"));
}

#[test]
fn of_two_periods_the_later_counts_until_it_ends() {
    let list = priced(
        "[[models.prices]]\nrates = { input = \"4\", output = \"4\" }\n\
         [[models.prices]]\nfrom = \"2026-06-01\"\nuntil = \"2026-07-01\"\nrates = { input = \"1\", output = \"1\" }\n",
    );
    for (time, price) in [("2026-05-31", "4"), ("2026-06-01", "1"), ("2026-06-30T23:59Z", "1"), ("2026-07-01", "4")] {
        assert_eq!(list.rates(0, None, at(time)).unwrap().of(Class::Input), Some(usd(price)), "{time}");
    }
    let bound = list.upper_bound(1_000_000, 0, None, at("2026-06-30T23:30Z"));
    assert_eq!(bound, Some(usd("4")), "a call may end in the next period");
}

/// A fraction of integers, for an oracle that shares no code with the price engine.
fn ceil_ratio(numerator: u128, denominator: u128) -> u128 {
    numerator.div_ceil(denominator)
}

/// Every built-in rate of every class, period, length and lane.
fn all_rates() -> Vec<(String, PriceList, Timestamp, u64, Option<ServiceTier>)> {
    let lanes = [None, Some(ServiceTier::Flex), Some(ServiceTier::Priority), Some(ServiceTier::Batch)];
    let mut found = Vec::new();
    for card in Catalog::builtin().cards() {
        for period in card.prices.periods() {
            let time = period.from.map_or(Timestamp::from_ms(DAY - 20 * 366 * 86_400_000), |from| from);
            let mut lengths = vec![0];
            lengths.extend(card.prices.context_steps(time).into_iter().map(|above| above + 1));
            for length in lengths {
                found.extend(lanes.map(|lane| (card.id.to_string(), card.prices.clone(), time, length, lane)));
            }
        }
    }
    found
}

#[test]
fn every_builtin_price_is_exact_at_a_thousand_counts() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut checked = 0;
    for (id, list, time, length, lane) in all_rates() {
        let rates = list.rates(length, lane, time).unwrap_or_else(|| panic!("{id} at {time:?}"));
        let mut classes: Vec<Class> = Class::ALL.into_iter().filter(|class| rates.own(*class).is_some()).collect();
        classes.retain(|class| class.is_tokens());
        for count in 0..1_000_u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let tokens = if count < 100 { count } else { (seed >> 33) % 10_u64.pow((count % 8 + 1) as u32) };
            let class = classes[count as usize % classes.len()];
            let usage = of_class(class, tokens, length);
            let billing = Billing { lane, at: time, ..Billing::default() };
            let charge = list.charge(&usage, &billing).unwrap();
            let Some(line) = charge.lines.iter().find(|line| line.class == class) else {
                assert_eq!(tokens, 0, "{id} {class}");
                continue;
            };
            if line.rate == rates.of(class).unwrap() {
                let exact = ceil_ratio(u128::from(line.quantity) * line.rate.pico() as u128, 1_000_000);
                assert_eq!(line.amount.pico() as u128, exact, "{id} {class} {tokens}");
                checked += 1;
            }
        }
    }
    assert!(checked > 400_000, "{checked} lines");
}

/// A usage of so many tokens of one class, in a prompt of at least `length`.
fn of_class(class: Class, tokens: u64, length: u64) -> Usage {
    let input = tokens.max(length);
    let part = Some(tokens);
    match class {
        Class::CachedRead => Usage { cached_read: part, ..Usage::of(input, 0) },
        Class::CacheWrite5m => Usage { cache_write_5m: part, ..Usage::of(input, 0) },
        Class::CacheWrite1h => Usage { cache_write_1h: part, ..Usage::of(input, 0) },
        Class::InputAudio => Usage { input_audio: part, ..Usage::of(input, 0) },
        Class::CachedAudio => Usage { cached_audio: part, cached_read: part, input_audio: part, ..Usage::of(input, 0) },
        Class::InputImage => Usage { input_image: part, ..Usage::of(input, 0) },
        Class::Output => Usage::of(length, tokens),
        Class::Reasoning => Usage { reasoning: part, ..Usage::of(length, tokens) },
        Class::OutputAudio => Usage { output_audio: part, ..Usage::of(length, tokens) },
        Class::OutputImage => Usage { output_image: part, ..Usage::of(length, tokens) },
        _ => Usage::of(input, 0),
    }
}

/// A usage whose parts lie inside totals that lie inside the bounds.
fn usages() -> impl Strategy<Value = (u64, u64, Usage)> {
    let shares = prop::collection::vec(0..=100_u64, 10);
    (0..600_000_u64, 0..50_000_u64, 0..=100_u64, 0..=100_u64, shares).prop_map(|(input, output, i, o, shares)| {
        let (used_in, used_out) = (input * i / 100, output * o / 100);
        let mut left = used_in;
        let mut take = |share: u64| {
            let part = left * share / 100;
            left -= part;
            part
        };
        let cached = take(shares[0]);
        let usage = Usage {
            cached_read: Some(cached),
            cache_write_5m: Some(take(shares[1])),
            cache_write_1h: Some(take(shares[2])),
            input_audio: Some(take(shares[3]) + cached * shares[4] / 100),
            cached_audio: Some(cached * shares[4] / 100),
            input_image: Some(take(shares[5])),
            reasoning: Some(used_out * shares[6] / 300),
            output_audio: Some(used_out * shares[7] / 300),
            output_image: Some(used_out * shares[8] / 300),
            ..Usage::of(used_in, used_out)
        };
        (input, output, usage)
    })
}

/// The lane that was asked for, and one that a vendor may report for it.
fn lanes() -> impl Strategy<Value = (Option<ServiceTier>, Option<ServiceTier>)> {
    use ServiceTier::{Auto, Batch, Flex, Priority, Standard};
    prop::sample::select(vec![
        (None, None),
        (None, Some(Standard)),
        (Some(Standard), Some(Standard)),
        (Some(Flex), Some(Flex)),
        (Some(Flex), Some(Standard)),
        (Some(Priority), Some(Priority)),
        (Some(Priority), Some(Standard)),
        (Some(Batch), None),
        (Some(Auto), Some(Priority)),
        (Some(Auto), Some(Flex)),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn a_bound_bounds_every_charge(
        (input, output, usage) in usages(),
        (asked, reported) in lanes(),
        model in any::<prop::sample::Index>(),
        minute in 0..(400 * 24 * 60_i64),
        lasts_s in 0..3_600_u64,
        endpoint in any::<prop::sample::Index>(),
    ) {
        let catalog = Catalog::builtin();
        let card = &catalog.cards()[model.index(catalog.cards().len())];
        let rich = priced(RICH);
        for list in [&card.prices, &rich] {
            let start = Timestamp::from_ms(DAY - 200 * 86_400_000 + minute * 60_000);
            let Some(bound) = list.upper_bound(input, output, asked, start) else { continue };
            let end = start.after(crate::time::Span::from_secs(lasts_s));
            let uplifts = list.uplifts(end);
            let place = (!uplifts.is_empty()).then(|| &uplifts[endpoint.index(uplifts.len())].0);
            let billing = Billing { lane: asked, at: end, endpoint: place, take_stated: false, images: 0 };
            let usage = Usage { service_tier: reported, ..usage.clone() };
            let charge = list.charge(&usage, &billing).unwrap();
            prop_assert!(charge.total <= bound, "{} {} > {bound}: {charge:?}", card.id, charge.total);
        }
    }
}
