//! Every price of the built-in catalogue against a rational oracle that reads the rows itself: no line of code is shared.
//!
//! For each price of each model a thousand usages are drawn, with counts in every class, at ordinary and at special
//! hours, below and above each context length, in every lane, and at every endpoint with an uplift. A charge line must be
//! the exact product, rounded up to a pico-dollar, and the total their sum.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::Path;

use tierway::catalog::{Billing, Catalog, parse_time};
use tierway::id::EndpointId;
use tierway::request::ServiceTier;
use tierway::time::Timestamp;
use tierway::usage::Usage;
use toml::{Table, Value};

const DRAWS: usize = 1_000;
const DAY_MS: i64 = 86_400_000;

/// A fraction; the numbers of prices and counts stay far inside.
#[derive(Clone, Copy, Debug)]
struct Ratio {
    over: u128,
    under: u128,
}

impl Ratio {
    /// A decimal as it is written, as text or as a short number.
    fn parse(value: &Value) -> Ratio {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            other => panic!("no number: {other:?}"),
        };
        let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
        let under = 10u128.pow(part.len() as u32);
        Ratio { over: format!("{whole}{part}").parse().unwrap(), under }.lowest()
    }

    fn of(number: u128) -> Ratio {
        Ratio { over: number, under: 1 }
    }

    fn times(self, other: Ratio) -> Ratio {
        Ratio { over: self.over * other.over, under: self.under * other.under }.lowest()
    }

    fn lowest(self) -> Ratio {
        let (mut a, mut b) = (self.over.max(1), self.under);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        Ratio { over: self.over / a, under: self.under / a }
    }

    fn up(self) -> u128 {
        self.over.div_ceil(self.under)
    }
}

type Rates = BTreeMap<String, Ratio>;

fn rates(table: &Value) -> Rates {
    table.as_table().unwrap().iter().map(|(class, rate)| (class.clone(), Ratio::parse(rate))).collect()
}

const PIECES: [&str; 3] = ["request", "search", "image"];

/// What a class costs, or the class that it is part of.
fn rate_of(rates: &Rates, class: &str) -> Option<Ratio> {
    let part_of = match class {
        "cached_read" | "cache_write_5m" | "input_audio" | "input_image" => Some("input"),
        "cache_write_1h" => Some("cache_write_5m"),
        "cached_audio" => Some("cached_read"),
        "reasoning" | "output_audio" | "output_image" => Some("output"),
        _ => None,
    };
    rates.get(class).copied().or_else(|| part_of.and_then(|other| rate_of(rates, other)))
}

/// Token rates times a factor; prices of pieces stay.
fn scaled(rates: &Rates, factor: Ratio) -> Rates {
    let times = |(class, rate): (&String, &Ratio)| {
        let rate = if PIECES.contains(&class.as_str()) { *rate } else { rate.times(factor) };
        (class.clone(), rate)
    };
    rates.iter().map(times).collect()
}

/// One price, and where in its lists a draw is.
struct Situation {
    rates: Rates,
    at: Timestamp,
    input: u64,
    lane: Option<ServiceTier>,
    endpoint: Option<(EndpointId, Ratio)>,
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((u128::from(self.0 >> 11) * u128::from(bound)) >> 53) as u64
    }

    /// Small counts as often as large ones.
    fn count(&mut self, most: u64) -> u64 {
        let bound = 10u64.pow(self.below(9) as u32 + 1).min(most.max(1));
        self.below(bound + 1).min(most)
    }
}

fn time(price: &Table, key: &str) -> Option<Timestamp> {
    price.get(key).map(|text| parse_time(text.as_str().unwrap()).unwrap())
}

/// An instant at which this price holds and no later one does, where there is one.
fn moment(prices: &[&Table], number: usize) -> Option<Timestamp> {
    let far = |ms: i64| Timestamp::from_ms(1_700_000_000_000 + ms);
    let from = |price: &Table| time(price, "from").unwrap_or(Timestamp::from_ms(i64::MIN));
    let until = |price: &Table| time(price, "until").unwrap_or(Timestamp::from_ms(i64::MAX));
    let holds = |at: Timestamp| {
        let all = prices.iter().enumerate().filter(|(_, price)| from(price) <= at && at < until(price));
        all.max_by_key(|(number, price)| (from(price), *number)).map(|(number, _)| number)
    };
    let edges = prices
        .iter()
        .flat_map(|price| [from(price), until(price)])
        .filter(|at| at.ms().unsigned_abs() < i64::MAX as u64 / 2);
    let near: Vec<Timestamp> = edges
        .flat_map(|at| [at, Timestamp::from_ms(at.ms() - 8 * DAY_MS)])
        .chain([far(0), far(3_650 * DAY_MS)])
        .collect();
    // A week from here on, so that every day and hour can be met.
    near.into_iter()
        .find(|at| holds(*at) == Some(number) && holds(Timestamp::from_ms(at.ms() + 7 * DAY_MS - 1)) == Some(number))
}

/// Minutes since midnight, UTC.
fn minutes(text: &str) -> i64 {
    let (hours, minutes) = text.split_once(':').unwrap();
    hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap()
}

/// The first of the special hours that an instant is in; a window belongs to the day on which it opens.
fn special(price: &Table, at: Timestamp) -> Option<&Table> {
    let (day, minute) = (at.ms().div_euclid(DAY_MS), at.ms().rem_euclid(DAY_MS) / 60_000);
    // The first of January 1970 was a Thursday.
    let name = |day: i64| ["thu", "fri", "sat", "sun", "mon", "tue", "wed"][day.rem_euclid(7) as usize];
    let windows = price.get("hours").and_then(Value::as_array).into_iter().flatten().map(|row| row.as_table().unwrap());
    windows.into_iter().find(|row| {
        let days: Vec<&str> =
            row.get("days").and_then(Value::as_array).into_iter().flatten().map(|day| day.as_str().unwrap()).collect();
        let opens_on = |day: i64| days.is_empty() || days.contains(&name(day));
        let (from, until) = (minutes(row["from"].as_str().unwrap()), minutes(row["until"].as_str().unwrap()));
        match from < until {
            true => opens_on(day) && (from..until).contains(&minute),
            false => (opens_on(day) && minute >= from) || (opens_on(day - 1) && minute < until),
        }
    })
}

/// The rates of a length in a list of steps; those of pieces hold on.
fn stepped(base: &Rates, above: Option<&Value>, input: u64) -> Rates {
    let steps = above.and_then(Value::as_array).into_iter().flatten().map(|row| row.as_table().unwrap());
    let reached = steps.filter(|row| input > row["tokens"].as_integer().unwrap() as u64);
    match reached.max_by_key(|row| row["tokens"].as_integer()) {
        None => base.clone(),
        Some(row) => {
            let mut step = rates(&row["rates"]);
            for piece in PIECES {
                if let (None, Some(rate)) = (step.get(piece), base.get(piece)) {
                    step.insert(piece.to_owned(), *rate);
                }
            }
            step
        }
    }
}

/// A draw; `None` where the rows leave open what this oracle does not know: a lane's own rates where lengths or hours
/// have other ones.
fn situation(price: &Table, start: Timestamp, random: &mut Random) -> Option<Situation> {
    let own = price.get("own").map(|own| own_rates(own.as_table().unwrap()));
    let base = own.unwrap_or_else(|| rates(&price["rates"]));
    let at = Timestamp::from_ms(start.ms() + random.below(7 * DAY_MS as u64) as i64);
    let above = price.get("above");
    let steps: Vec<u64> = above
        .and_then(Value::as_array)
        .map_or(Vec::new(), |rows| rows.iter().map(|row| row["tokens"].as_integer().unwrap() as u64).collect());
    let edges: Vec<u64> = steps.iter().flat_map(|edge| [*edge, *edge + 1]).collect();
    let input = match random.below(3) {
        0 if !edges.is_empty() => edges[random.below(edges.len() as u64) as usize],
        _ => random.count(1_000_000),
    };
    let mut table = stepped(&base, above, input);
    let hour = special(price, at);
    if let Some(row) = hour {
        table = match row.get("times") {
            Some(factor) => scaled(&table, Ratio::parse(factor)),
            None => table.into_iter().chain(rates(&row["rates"])).collect(),
        };
    }
    let names = [("flex", ServiceTier::Flex), ("priority", ServiceTier::Priority), ("batch", ServiceTier::Batch)];
    let (name, lane) = names[random.below(3) as usize];
    let lane = Some(lane).filter(|_| random.below(2) == 0);
    if let (Some(_), Some(row)) = (lane, price.get("lanes").and_then(|lanes| lanes.get(name))) {
        table = match row.get("rates") {
            None => scaled(&table, Ratio::parse(row)),
            Some(_) if hour.is_some() || (!steps.is_empty() && row.get("above").is_none()) => return None,
            Some(own) => {
                let lane: Rates = base.clone().into_iter().chain(rates(own)).collect();
                stepped(&lane, row.get("above"), input)
            }
        };
    }
    let uplifts = price.get("uplift").and_then(Value::as_table);
    let uplifts: Vec<(&String, &Value)> = uplifts.map_or(Vec::new(), |table| table.iter().collect());
    let endpoint = (!uplifts.is_empty() && random.below(2) == 0).then(|| {
        let (id, factor) = uplifts[random.below(uplifts.len() as u64) as usize];
        (EndpointId::new(id).unwrap(), Ratio::parse(factor))
    });
    Some(Situation { rates: table, at, input, lane, endpoint })
}

/// Dollars for a million tokens on one's own machine, rounded up to a pico-dollar.
fn own_rates(own: &Table) -> Rates {
    let busy = own.get("busy").map_or(Ratio::of(1), Ratio::parse);
    let an_hour = Ratio::parse(&own["gpu_hour"]).times(Ratio::of(own["gpus"].as_integer().unwrap() as u128));
    let rate = |speed: &str| {
        let speed = own[speed].as_integer().unwrap() as u128;
        let pico = an_hour.times(Ratio { over: 1_000_000 * 1_000_000_000_000, under: 3_600 * speed });
        let pico = pico.times(Ratio { over: busy.under, under: busy.over }).up();
        Ratio { over: pico, under: 1_000_000_000_000 }.lowest()
    };
    [("input".to_owned(), rate("input_tokens_per_s")), ("output".to_owned(), rate("output_tokens_per_s"))].into()
}

/// Counts of every class: what a line must count, and the usage that says so.
fn draw(situation: &Situation, random: &mut Random) -> (BTreeMap<&'static str, u64>, Usage, u64) {
    let mut left = situation.input;
    let mut take = |random: &mut Random| {
        let part = random.count(left);
        left -= part;
        part
    };
    let (cached, write_5m, write_1h, audio) = (take(random), take(random), take(random), take(random));
    let image = take(random);
    let cached_audio = random.count(cached);
    let output = random.count(100_000);
    let (reasoning, output_audio, output_image) = (output / 3, random.count(output / 3), random.count(output / 3));
    let (searches, images) = (random.below(4), random.below(4));
    let counts = [
        ("input", left),
        ("cached_read", cached - cached_audio),
        ("cache_write_5m", write_5m),
        ("cache_write_1h", write_1h),
        ("input_audio", audio),
        ("cached_audio", cached_audio),
        ("input_image", image),
        ("output", output - reasoning - output_audio - output_image),
        ("reasoning", reasoning),
        ("output_audio", output_audio),
        ("output_image", output_image),
        ("request", 1),
        ("search", searches),
        ("image", images),
    ];
    let usage = Usage {
        cached_read: Some(cached),
        cache_write_5m: Some(write_5m),
        cache_write_1h: Some(write_1h),
        input_audio: Some(audio + cached_audio),
        cached_audio: Some(cached_audio),
        input_image: Some(image),
        reasoning: Some(reasoning),
        output_audio: Some(output_audio),
        output_image: Some(output_image),
        searches: Some(searches),
        ..Usage::of(situation.input, output)
    };
    (counts.into(), usage, images)
}

#[test]
fn every_catalogue_price_at_a_thousand_usages_is_the_exact_product() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src/catalog/data");
    let catalog = Catalog::builtin();
    let mut random = Random(20_261_124);
    let (mut prices_seen, mut lines_seen, mut never, mut met) = (0, 0usize, Vec::new(), BTreeMap::new());
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let text = std::fs::read_to_string(&file).unwrap();
        let data: Table = text.parse().unwrap();
        for model in data.get("models").and_then(Value::as_array).into_iter().flatten() {
            let id = model["id"].as_str().unwrap();
            let list = &catalog.resolve(id).unwrap_or_else(|error| panic!("{id}: {error}")).prices;
            let prices: Vec<&Table> =
                model["prices"].as_array().unwrap().iter().map(|row| row.as_table().unwrap()).collect();
            for (number, price) in prices.iter().enumerate() {
                let Some(start) = moment(&prices, number) else {
                    never.push(format!("{id} {number}"));
                    continue;
                };
                prices_seen += 1;
                for _ in 0..DRAWS {
                    let Some(situation) = situation(price, start, &mut random) else { continue };
                    lines_seen += check(id, list, &situation, &mut random, &mut met);
                }
            }
        }
    }
    println!("{prices_seen} prices, {lines_seen} lines; {met:?}; without a week of their own: {never:?}");
    assert!(
        prices_seen >= 440 && lines_seen > 2_000_000 && never.len() * 20 < prices_seen,
        "{prices_seen} {lines_seen}"
    );
    for class in ["input", "cached_read", "cache_write_5m", "cache_write_1h", "output", "search"] {
        assert!(met.contains_key(class), "no price of {class} was met");
    }
}

/// Judges one charge; returns how many lines it had.
fn check(
    id: &str,
    list: &tierway::catalog::PriceList,
    situation: &Situation,
    random: &mut Random,
    met: &mut BTreeMap<String, usize>,
) -> usize {
    let (counts, usage, images) = draw(situation, random);
    let endpoint = situation.endpoint.as_ref().map(|(id, _)| id);
    let billing = Billing { lane: situation.lane, at: situation.at, endpoint, take_stated: false, images };
    let charge = list.charge(&usage, &billing).unwrap_or_else(|error| panic!("{id}: {error}"));
    let mut lines: BTreeMap<&str, u128> = BTreeMap::new();
    for (class, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        let Some(rate) = rate_of(&situation.rates, class) else { continue };
        let is_piece = PIECES.contains(&class);
        let unit = if is_piece { 1_000_000_000_000 } else { 1_000_000 };
        let uplift = situation.endpoint.as_ref().filter(|_| !is_piece).map_or(Ratio::of(1), |(_, factor)| *factor);
        lines.insert(class, Ratio::of(u128::from(count)).times(rate).times(Ratio::of(unit)).times(uplift).up());
    }
    let got: BTreeMap<&str, u128> =
        charge.lines.iter().map(|line| (line.class.as_str(), line.amount.pico() as u128)).collect();
    let context = || format!("{id} at {} ms, {:?}, {:?}: {usage:?}", situation.at.ms(), situation.lane, endpoint);
    assert_eq!(got, lines, "{}", context());
    assert_eq!(charge.total.pico() as u128, lines.values().sum::<u128>(), "{}", context());
    got.keys().for_each(|class| *met.entry((*class).to_owned()).or_default() += 1);
    got.len()
}
