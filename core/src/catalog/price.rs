//! A model's prices over time, and what a call may cost at most before it is made.
//!
//! A list holds dated periods. A period holds a table of rates for each of its hours, lanes and context lengths, all
//! worked out when the list is made: a decision asks a hundred models, and has microseconds for it. Bounds and expected
//! costs use whole pico-dollars per token, rounded up, which is exact for all but one published price in two thousand;
//! charges are exact always.

use crate::id::EndpointId;
use crate::limits::PRICE_AHEAD;
use crate::money::Usd;
use crate::request::ServiceTier;
use crate::sorting::sort_by_key;
use crate::time::Timestamp;

use super::hours::Hours;
use super::rates::{Class, Factor, Rates};

/// A model's prices over time; empty means unpriced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PriceList {
    periods: Vec<Period>,
    /// From when on which period holds, oldest first; `None` where no price does.
    timeline: Vec<(Timestamp, Option<usize>)>,
    /// The commonest answer, without a search.
    quick: Option<Quick>,
}

/// What most calls meet: the latest period, where its rates are the same at all hours, in the ordinary lane, for prompts
/// below the first step. It lies in the list itself, since a decision asks hundreds of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quick {
    /// From when until when nothing else can count, the next hour's prices included.
    from: Timestamp,
    until: Timestamp,
    /// Prompts of at most so many tokens.
    tokens_max: u64,
    input_most: i64,
    output_most: i64,
    input: i64,
    cached: i64,
    output: i64,
    fee: i64,
}

impl Quick {
    fn of(periods: &[Period], timeline: &[(Timestamp, Option<usize>)]) -> Option<Quick> {
        let last = timeline.iter().rposition(|(_, period)| period.is_some())?;
        let (from, period) = (timeline[last].0, &periods[timeline[last].1?]);
        let end = timeline.get(last + 1).map_or(i64::MAX, |(end, _)| end.ms());
        // What never ends does not end an hour early either.
        let ahead = if end == i64::MAX { 0 } else { PRICE_AHEAD.ms() as i64 };
        let lanes = period.tables.first().filter(|_| period.hours.is_empty())?;
        let steps = &lanes.steps[usize::from(lanes.of[lane_number(ServiceTier::Standard)])];
        let step = steps.first()?;
        Some(Quick {
            from,
            until: Timestamp::from_ms(end.saturating_sub(ahead)),
            tokens_max: steps.get(1).map_or(u64::MAX, |next| next.above),
            input_most: step.input_most,
            output_most: step.output_most,
            input: step.input,
            cached: step.cached,
            output: step.output,
            fee: step.fee,
        })
    }

    /// What a call is expected to cost, `cached` of its `input` tokens read from the vendor's cache.
    #[inline]
    pub(crate) fn expected(&self, input: u64, cached: u64, output: u64) -> Usd {
        sum([(input - cached, self.input), (cached, self.cached), (output, self.output), (1, self.fee)])
    }

    /// Whether a call with so long a prompt meets it.
    #[inline]
    pub(crate) fn holds(&self, input: u64, lane: Option<ServiceTier>, at: Timestamp) -> bool {
        matches!(lane, None | Some(ServiceTier::Standard))
            && self.from <= at
            && at < self.until
            && input <= self.tokens_max
    }
}

/// What a period is made of.
#[derive(Clone, Debug)]
pub(super) struct PeriodSpec {
    /// The first instant; the beginning of time where nothing is said.
    pub from: Timestamp,
    /// The first instant after it.
    pub until: Timestamp,
    /// The ordinary rates.
    pub rates: Rates,
    /// Rates of a whole request whose prompt is longer than so many tokens.
    pub above: Vec<(u64, Rates)>,
    /// Rates of other lanes.
    pub lanes: Vec<(ServiceTier, LaneSpec)>,
    /// Other rates at some hours.
    pub hours: Vec<(Hours, Change)>,
    /// What endpoints add.
    pub uplift: Vec<(EndpointId, Factor)>,
}

impl PeriodSpec {
    /// The same rates at all times.
    pub(super) fn always(rates: Rates) -> PeriodSpec {
        PeriodSpec {
            from: Timestamp::from_ms(i64::MIN),
            until: Timestamp::from_ms(i64::MAX),
            rates,
            above: Vec::new(),
            lanes: Vec::new(),
            hours: Vec::new(),
            uplift: Vec::new(),
        }
    }
}

/// How rates change.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Each times a factor.
    Times(Factor),
    /// To these.
    To(Box<Rates>),
}

/// How a lane's rates differ.
#[derive(Clone, Debug)]
pub(super) struct LaneSpec {
    pub change: Change,
    /// Its own rates by context length; empty means that those of the ordinary lane count where they are dearer.
    pub above: Vec<(u64, Rates)>,
}

/// Prices from one date to another.
#[derive(Clone, Debug, PartialEq)]
struct Period {
    from: Timestamp,
    until: Timestamp,
    hours: Vec<Hours>,
    /// Tables at ordinary times, then those of each of `hours`.
    tables: Vec<Lanes>,
    uplift: Vec<(EndpointId, Factor)>,
}

/// Rates by lane and context length.
#[derive(Clone, Debug, PartialEq)]
struct Lanes {
    steps: Vec<Vec<Step>>,
    /// Where in `steps` a lane stands, by `lane_number`.
    of: [u8; 4],
}

/// Rates from a context length on.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    /// Prompts of more tokens than this; 0 for the first.
    above: u64,
    /// Pico-dollars of the dearest prompt token of this and the shorter steps, in the dearest region.
    input_most: i64,
    /// The same of an output token.
    output_most: i64,
    input: i64,
    cached: i64,
    output: i64,
    /// For the call itself.
    fee: i64,
    rates: Rates,
}

/// The rates that hold for a call, and why these.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'a> {
    pub rates: &'a Rates,
    pub from: Timestamp,
    pub above: u64,
    pub is_special_hour: bool,
    pub lane: ServiceTier,
    pub uplift: Factor,
}

impl PriceList {
    /// One price at all times and in all lanes, in dollars per million tokens: prompt, prompt read from the vendor's
    /// cache, output.
    pub fn per_million(input: Usd, cached: Usd, output: Usd) -> PriceList {
        let rates = Rates::new([(Class::Input, input), (Class::CachedRead, cached), (Class::Output, output)]);
        PriceList::new(vec![PeriodSpec::always(rates)]).expect("one table without factors has nothing to refuse")
    }

    /// A list of periods. Where two hold at once, the one that began later counts.
    ///
    /// # Errors
    /// The number of the period, and what is wrong with it.
    pub(super) fn new(specs: Vec<PeriodSpec>) -> Result<PriceList, (usize, String)> {
        let mut periods = Vec::with_capacity(specs.len());
        for (at, spec) in specs.into_iter().enumerate() {
            periods.push(Period::new(spec).map_err(|reason| (at, reason))?);
        }
        let timeline = timeline(&periods);
        let quick = Quick::of(&periods, &timeline);
        Ok(PriceList { periods, timeline, quick })
    }

    /// Whether there is no price.
    pub fn is_empty(&self) -> bool {
        self.periods.is_empty()
    }

    /// Whether a price bounds what a call costs at this time.
    pub fn is_bounded(&self, at: Timestamp) -> bool {
        let quick = self.quick.is_some_and(|quick| quick.from <= at && at < quick.until);
        quick || self.segment(at).is_some_and(|at| self.timeline[at].1.is_some())
    }

    /// What most calls meet, for who looks at many lists.
    pub(crate) fn quick(&self) -> Option<Quick> {
        self.quick
    }

    /// From when until when `is_bounded` holds without a search; an empty span where there is none.
    pub(crate) fn quick_span(&self) -> (Timestamp, Timestamp) {
        self.quick.map_or((Timestamp::EPOCH, Timestamp::EPOCH), |quick| (quick.from, quick.until))
    }

    /// The most that a call with these bounds can cost: the dearest classes, context lengths, regions and hours that it
    /// can meet, and the prices of the next hour as well. `None` where no price holds.
    ///
    /// Without a lane it is bounded by the ordinary one; `Auto` may turn out to be any. Searches that a vendor runs and
    /// bills by the piece are not in it: nothing bounds their number.
    pub fn upper_bound(&self, input: u64, output: u64, lane: Option<ServiceTier>, at: Timestamp) -> Option<Usd> {
        if let Some(quick) = self.quick.filter(|quick| quick.holds(input, lane, at)) {
            return Some(sum([(input, quick.input_most), (output, quick.output_most), (1, quick.fee), (0, 0)]));
        }
        let first = self.segment(at)?;
        self.timeline[first].1?;
        let end = at.after(PRICE_AHEAD);
        let held =
            self.timeline[first..].iter().take_while(|(start, _)| *start <= end).filter_map(|(_, period)| *period);
        held.map(|period| self.periods[period].most(input, output, lane, at)).max()
    }

    /// What a call is expected to cost, `cached` of its `input` tokens read from the vendor's cache; `None` where there
    /// is no price.
    pub fn expected(
        &self,
        input: u64,
        cached: u64,
        output: u64,
        lane: Option<ServiceTier>,
        at: Timestamp,
    ) -> Option<Usd> {
        let cached = cached.min(input);
        if let Some(quick) = self.quick.filter(|quick| quick.holds(input, lane, at)) {
            return Some(quick.expected(input, cached, output));
        }
        let (step, ..) = self.period(at)?.step(input, lane.unwrap_or(ServiceTier::Standard), at);
        Some(sum([(input - cached, step.input), (cached, step.cached), (output, step.output), (1, step.fee)]))
    }

    /// What a call is expected to cost, where the commonest prices hold for all of `input_max`; it is never above
    /// `upper_bound` of these most tokens. `None` says nothing about whether there is a price.
    pub(crate) fn quick_expected(
        &self,
        (input, input_max): (u64, u64),
        cached: u64,
        output: u64,
        lane: Option<ServiceTier>,
        at: Timestamp,
    ) -> Option<Usd> {
        self.quick.filter(|quick| quick.holds(input_max, lane, at)).map(|quick| quick.expected(input, cached, output))
    }

    /// The rates in force for a prompt of `input` tokens, or `None` where no price holds.
    pub fn rates(&self, input: u64, lane: Option<ServiceTier>, at: Timestamp) -> Option<Rates> {
        self.held(input, lane.unwrap_or(ServiceTier::Standard), at, None).map(|held| *held.rates)
    }

    pub(super) fn held(
        &self,
        input: u64,
        lane: ServiceTier,
        at: Timestamp,
        endpoint: Option<&EndpointId>,
    ) -> Option<Held<'_>> {
        let period = self.period(at)?;
        let (step, is_special_hour, lane) = period.step(input, lane, at);
        let uplift = endpoint.and_then(|id| period.uplift.iter().find(|(name, _)| name == id));
        Some(Held {
            rates: &step.rates,
            from: period.from,
            above: step.above,
            is_special_hour,
            lane,
            uplift: uplift.map_or(Factor::ONE, |(_, factor)| *factor),
        })
    }

    /// The ordinary rates of the period in force, or of the last one where none is: for tables, not for charges.
    pub fn ordinary(&self, at: Timestamp) -> Option<&Rates> {
        let period = self.period(at).or(self.periods.last())?;
        Some(&period.tables[0].steps[0][0].rates)
    }

    /// What endpoints add to the rates at this time.
    pub fn uplifts(&self, at: Timestamp) -> &[(EndpointId, Factor)] {
        self.period(at).map_or(&[], |period| &period.uplift)
    }

    /// From when until when each period holds, oldest first, with its ordinary rates; `None` for no end.
    pub fn periods(&self) -> impl Iterator<Item = PricePeriod<'_>> {
        self.periods.iter().map(|period| PricePeriod {
            from: Some(period.from).filter(|from| from.ms() > i64::MIN),
            until: Some(period.until).filter(|until| until.ms() < i64::MAX),
            rates: &period.tables[0].steps[0][0].rates,
        })
    }

    /// The context lengths above which other rates hold at this time.
    pub fn context_steps(&self, at: Timestamp) -> Vec<u64> {
        let steps = self.period(at).map(|period| &period.tables[0].steps[0]);
        steps.into_iter().flatten().map(|step| step.above).filter(|above| *above > 0).collect()
    }

    /// The lanes that have rates of their own at this time.
    pub fn lanes(&self, at: Timestamp) -> Vec<ServiceTier> {
        let lanes = [ServiceTier::Flex, ServiceTier::Priority, ServiceTier::Batch];
        let period = self.period(at);
        lanes.into_iter().filter(|lane| period.is_some_and(|period| period.tables[0].has(*lane))).collect()
    }

    /// Whether some hours have rates of their own at this time.
    pub fn has_hours(&self, at: Timestamp) -> bool {
        self.period(at).is_some_and(|period| !period.hours.is_empty())
    }

    /// Where in the timeline an instant stands.
    fn segment(&self, at: Timestamp) -> Option<usize> {
        self.timeline.iter().rposition(|(start, _)| *start <= at)
    }

    fn period(&self, at: Timestamp) -> Option<&Period> {
        self.timeline[self.segment(at)?].1.map(|period| &self.periods[period])
    }
}

/// A period of a price list.
#[derive(Clone, Copy, Debug)]
pub struct PricePeriod<'a> {
    /// Its first instant, where it has one.
    pub from: Option<Timestamp>,
    /// The first instant after it, where there is one.
    pub until: Option<Timestamp>,
    /// The ordinary rates.
    pub rates: &'a Rates,
}

/// Cuts time at every period's ends and says which period holds in each stretch.
fn timeline(periods: &[Period]) -> Vec<(Timestamp, Option<usize>)> {
    let mut cuts: Vec<Timestamp> = periods.iter().flat_map(|period| [period.from, period.until]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let newest = |at: Timestamp| {
        let holds = |(_, period): &(usize, &Period)| period.from <= at && at < period.until;
        periods
            .iter()
            .enumerate()
            .filter(holds)
            .max_by_key(|(number, period)| (period.from, *number))
            .map(|found| found.0)
    };
    let mut line: Vec<(Timestamp, Option<usize>)> = cuts.into_iter().map(|cut| (cut, newest(cut))).collect();
    line.dedup_by_key(|(_, period)| *period);
    line
}

/// Tokens times pico-dollars; a sum beyond what `Usd` holds is held at its largest, which refuses the call.
#[inline]
fn sum(lines: [(u64, i64); 4]) -> Usd {
    let total: i128 = lines.iter().map(|(count, rate)| i128::from(*count) * i128::from(*rate)).sum();
    Usd::try_from_pico(total).unwrap_or(Usd::MAX)
}

/// Pico-dollars of one token, rounded up.
fn a_token(per_million: Usd) -> i64 {
    per_million.pico().div_euclid(1_000_000) + i64::from(per_million.pico() % 1_000_000 != 0)
}

/// A lane's place in `Lanes::of`.
const fn lane_number(lane: ServiceTier) -> usize {
    match lane {
        ServiceTier::Auto | ServiceTier::Standard => 0,
        ServiceTier::Flex => 1,
        ServiceTier::Priority => 2,
        ServiceTier::Batch => 3,
    }
}

impl Period {
    fn new(spec: PeriodSpec) -> Result<Period, String> {
        if spec.from >= spec.until {
            return Err("it ends before it begins: swap from and until".to_owned());
        }
        let worst = spec.uplift.iter().map(|(_, factor)| *factor).max().unwrap_or(Factor::ONE).max(Factor::ONE);
        let mut tables = vec![Lanes::new(&spec.rates, &spec.above, &spec.lanes, worst)?];
        let mut hours = Vec::new();
        for (window, change) in spec.hours {
            let (rates, above) = match change {
                Change::Times(factor) => {
                    let above = spec.above.iter().map(|(above, rates)| Ok((*above, times(rates, factor)?)));
                    (times(&spec.rates, factor)?, above.collect::<Result<Vec<_>, String>>()?)
                }
                Change::To(_) if !spec.above.is_empty() => {
                    return Err("rates by hour and by context length need a factor for the hours".to_owned());
                }
                Change::To(rates) => (spec.rates.with(&rates), Vec::new()),
            };
            tables.push(Lanes::new(&rates, &above, &spec.lanes, worst)?);
            hours.push(window);
        }
        Ok(Period { from: spec.from, until: spec.until, hours, tables, uplift: spec.uplift })
    }

    /// The rates in force, whether they are those of special hours, and whose lane's they are.
    fn step(&self, input: u64, lane: ServiceTier, at: Timestamp) -> (&Step, bool, ServiceTier) {
        let special = self.hours.iter().position(|hours| hours.holds(at));
        let lanes = &self.tables[special.map_or(0, |at| at + 1)];
        let lane = if lanes.has(lane) { lane } else { ServiceTier::Standard };
        (lanes.step(lane, input), special.is_some(), lane)
    }

    fn most(&self, input: u64, output: u64, lane: Option<ServiceTier>, at: Timestamp) -> Usd {
        if self.hours.is_empty() {
            return self.tables[0].most(input, output, lane);
        }
        let always = self.hours.iter().any(|hours| hours.covers(at, PRICE_AHEAD));
        let ordinary = Some(&self.tables[0]).filter(|_| !always);
        let special = self.hours.iter().zip(&self.tables[1..]).filter(|(hours, _)| hours.meets(at, PRICE_AHEAD));
        let tables = ordinary.into_iter().chain(special.map(|(_, lanes)| lanes));
        tables.map(|lanes| lanes.most(input, output, lane)).max().unwrap_or(Usd::MAX)
    }
}

fn times(rates: &Rates, factor: Factor) -> Result<Rates, String> {
    rates.times(factor).ok_or_else(|| format!("a rate times {factor} is no whole pico-dollar: write the rates out"))
}

impl Lanes {
    fn new(
        rates: &Rates,
        above: &[(u64, Rates)],
        lanes: &[(ServiceTier, LaneSpec)],
        worst: Factor,
    ) -> Result<Lanes, String> {
        let mut all = Lanes { steps: vec![steps(rates, above, worst)?], of: [0; 4] };
        for (lane, spec) in lanes {
            let (own, longer) = match &spec.change {
                Change::Times(factor) => {
                    let longer = above.iter().map(|(above, rates)| Ok((*above, times(rates, *factor)?)));
                    (times(rates, *factor)?, longer.collect::<Result<Vec<_>, String>>()?)
                }
                Change::To(own) => {
                    let own = rates.with(own);
                    let longer = above.iter().map(|(above, rates)| (*above, rates.dearer(&own))).collect();
                    (own, longer)
                }
            };
            let longer = if spec.above.is_empty() { longer } else { spec.above.clone() };
            all.of[lane_number(*lane)] = all.steps.len() as u8;
            all.steps.push(steps(&own, &longer, worst)?);
        }
        Ok(all)
    }

    fn has(&self, lane: ServiceTier) -> bool {
        lane_number(lane) == 0 || self.of[lane_number(lane)] != 0
    }

    fn step(&self, lane: ServiceTier, input: u64) -> &Step {
        let steps = &self.steps[usize::from(self.of[lane_number(lane)])];
        steps[1..].iter().rfind(|step| step.above < input).unwrap_or(&steps[0])
    }

    /// A vendor may fall back to the ordinary lane from the faster and the slower one, never from a batch.
    fn most(&self, input: u64, output: u64, lane: Option<ServiceTier>) -> Usd {
        let most = |lane: ServiceTier| {
            let step = self.step(lane, input);
            sum([(input, step.input_most), (output, step.output_most), (1, step.fee), (0, 0)])
        };
        match lane {
            None | Some(ServiceTier::Standard) => most(ServiceTier::Standard),
            Some(ServiceTier::Batch) => most(ServiceTier::Batch),
            Some(lane @ (ServiceTier::Flex | ServiceTier::Priority)) => most(lane).max(most(ServiceTier::Standard)),
            Some(ServiceTier::Auto) => {
                let lanes = [ServiceTier::Standard, ServiceTier::Flex, ServiceTier::Priority, ServiceTier::Batch];
                lanes.into_iter().map(most).max().unwrap_or(Usd::MAX)
            }
        }
    }
}

/// Rates by context length, shortest first.
fn steps(rates: &Rates, above: &[(u64, Rates)], worst: Factor) -> Result<Vec<Step>, String> {
    let mut longer = above.to_vec();
    sort_by_key(&mut longer, |(above, _)| *above);
    let mut steps: Vec<Step> = Vec::with_capacity(1 + longer.len());
    for (above, own) in std::iter::once((0, *rates)).chain(longer) {
        if let Some(class) = own.lacks(rates) {
            return Err(format!("the rates above {above} tokens lack {class}, which the others have: add it"));
        }
        let own = rates.with(&own);
        let dearest = |classes: &[Class]| -> Result<i64, String> {
            let rate = i128::from(own.dearest(classes).pico()) * i128::from(worst.micro());
            let rounded = (rate + 999_999_999_999) / 1_000_000_000_000;
            i64::try_from(rounded).map_err(|_| "a rate is beyond 9 million dollars".to_owned())
        };
        let last = steps.last();
        let rate = |class: Class| a_token(own.of(class).unwrap_or(Usd::ZERO));
        steps.push(Step {
            above,
            input_most: dearest(&Class::INPUT)?.max(last.map_or(0, |step| step.input_most)),
            output_most: dearest(&Class::OUTPUT)?.max(last.map_or(0, |step| step.output_most)),
            input: rate(Class::Input),
            cached: rate(Class::CachedRead),
            output: rate(Class::Output),
            fee: own.of(Class::Request).unwrap_or(Usd::ZERO).pico().max(last.map_or(0, |step| step.fee)),
            rates: own,
        });
    }
    Ok(steps)
}

#[cfg(test)]
mod tests;
