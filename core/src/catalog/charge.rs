//! What a call cost: one line for each class that was used, exact, each rounded up once to a whole pico-dollar.

use serde::{Deserialize, Serialize};

use crate::id::EndpointId;
use crate::money::Usd;
use crate::request::ServiceTier;
use crate::time::Timestamp;
use crate::usage::Usage;

use super::price::{Held, PriceList};
use super::rates::{CLASSES, Class, Factor};

/// What decides the price of a call beside what it used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Billing<'a> {
    /// The lane that was asked for; the one that the vendor reports counts before it.
    pub lane: Option<ServiceTier>,
    /// When the call ended.
    pub at: Timestamp,
    /// Where it was made: some endpoints cost more.
    pub endpoint: Option<&'a EndpointId>,
    /// Whether the vendor's own figure counts where it states one.
    pub take_stated: bool,
    /// Pictures that the call made, for models that bill them by the piece: no vendor's usage counts them.
    pub images: u64,
}

/// A call's cost, line by line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// One line for each class that was used; empty where the vendor's own figure was taken.
    pub lines: Vec<ChargeLine>,
    /// The sum.
    pub total: Usd,
    /// Which price it was.
    pub basis: Basis,
    /// Classes that were used and have no price: they are not in the sum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unpriced: Vec<Class>,
}

/// One class of a charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeLine {
    /// What was billed.
    pub class: Class,
    /// How many tokens or pieces.
    pub quantity: u64,
    /// Dollars for a million tokens or one piece, before an endpoint's uplift.
    pub rate: Usd,
    /// `quantity * rate * uplift`, rounded up to a whole pico-dollar.
    pub amount: Usd,
}

/// Which of a model's prices a charge was made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// Whether it is the vendor's own figure.
    pub is_stated: bool,
    /// The lane.
    pub lane: ServiceTier,
    /// From when the price holds, in milliseconds since 1970; absent where it has no beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The rates of prompts longer than this; absent for the ordinary ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above_tokens: Option<u64>,
    /// Whether the rates are those of special hours.
    pub is_special_hour: bool,
    /// What the endpoint adds, as a factor; absent where it adds nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uplift: Option<String>,
}

/// Why there is no charge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PriceError {
    /// The model has no price.
    #[error("the model has no price: add a price row for it")]
    Unpriced,
    /// The model has prices, and none held at that time.
    #[error("no price of the model holds at {} ms since 1970: add a row for that time", at.ms())]
    NotThen {
        /// The time.
        at: Timestamp,
    },
    /// The cost is beyond what can be held.
    #[error("the cost is beyond 9.2 million dollars: check the usage")]
    Overflow,
}

impl PriceList {
    /// What a call cost.
    ///
    /// # Errors
    /// `PriceError` where no price holds at that time, or the sum is too large.
    pub fn charge(&self, usage: &Usage, billing: &Billing<'_>) -> Result<Charge, PriceError> {
        let lane = usage.service_tier.or(billing.lane).unwrap_or(ServiceTier::Standard);
        if let (true, Some(stated)) = (billing.take_stated, usage.stated_cost) {
            return Ok(stated_charge(stated, lane));
        }
        if self.is_empty() {
            return Err(PriceError::Unpriced);
        }
        let input = usage.input.unwrap_or(0);
        let held =
            self.held(input, lane, billing.at, billing.endpoint).ok_or(PriceError::NotThen { at: billing.at })?;
        let mut charge = Charge { lines: Vec::new(), total: Usd::ZERO, basis: basis(&held), unpriced: Vec::new() };
        let mut quantities = quantities(usage);
        quantities[Class::Request as usize] = u64::from(held.rates.of(Class::Request).is_some());
        quantities[Class::Image as usize] = billing.images;
        for class in Class::ALL {
            let quantity = quantities[class as usize];
            if quantity == 0 {
                continue;
            }
            match held.rates.of(class) {
                None => charge.unpriced.push(class),
                Some(rate) => {
                    let factor = if class.is_tokens() { held.uplift } else { Factor::ONE };
                    let amount = amount(class, quantity, rate, factor)?;
                    charge.total = charge.total.checked_add(amount).ok_or(PriceError::Overflow)?;
                    charge.lines.push(ChargeLine { class, quantity, rate, amount });
                }
            }
        }
        Ok(charge)
    }
}

fn stated_charge(total: Usd, lane: ServiceTier) -> Charge {
    let basis = Basis { is_stated: true, lane, since: None, above_tokens: None, is_special_hour: false, uplift: None };
    Charge { lines: Vec::new(), total, basis, unpriced: Vec::new() }
}

fn basis(held: &Held<'_>) -> Basis {
    Basis {
        is_stated: false,
        lane: held.lane,
        since: Some(held.from).filter(|from| from.ms() > i64::MIN),
        above_tokens: Some(held.above).filter(|above| *above > 0),
        is_special_hour: held.is_special_hour,
        uplift: (held.uplift != Factor::ONE).then(|| held.uplift.to_string()),
    }
}

/// How much of each class was used, by the class's place. What is part of a total is taken out of it; parts that a vendor
/// reports beyond their total are billed as reported, but for images of the prompt: those read from the cache are counted
/// there, and no vendor says which they are in a way that all share. Where a vendor bills its input apart from what it
/// counted, that is the input, and the cache is part of what was counted.
fn quantities(usage: &Usage) -> [u64; CLASSES] {
    let count = |part: Option<u64>| part.unwrap_or(0);
    let (total, cached_read, cached_audio) = match usage.billed_input {
        Some(billed) => (Some(billed), 0, 0),
        None => (usage.input, count(usage.cached_read), count(usage.cached_audio)),
    };
    let rest = |total: u64, parts: &[u64]| parts.iter().fold(total, |left, part| left.saturating_sub(*part));
    let cached_audio = cached_audio.min(cached_read);
    let input_audio = count(usage.input_audio).saturating_sub(cached_audio);
    let writes = [count(usage.cache_write_5m), count(usage.cache_write_1h)];
    let unread = rest(count(total), &[cached_read, writes[0], writes[1], input_audio]);
    let input_image = count(usage.input_image).min(if total.is_some() { unread } else { u64::MAX });
    let (reasoning, output_audio, output_image) =
        (count(usage.reasoning), count(usage.output_audio), count(usage.output_image));
    let mut quantities = [0; CLASSES];
    let mut put = |class: Class, quantity| quantities[class as usize] = quantity;
    put(Class::Input, unread.saturating_sub(input_image));
    put(Class::CachedRead, cached_read - cached_audio);
    put(Class::CacheWrite5m, writes[0]);
    put(Class::CacheWrite1h, writes[1]);
    put(Class::InputAudio, input_audio);
    put(Class::CachedAudio, cached_audio);
    put(Class::InputImage, input_image);
    put(Class::Output, rest(count(usage.output), &[reasoning, output_audio, output_image]));
    put(Class::Reasoning, reasoning);
    put(Class::OutputAudio, output_audio);
    put(Class::OutputImage, output_image);
    put(Class::Search, count(usage.searches));
    quantities
}

/// `quantity * rate * factor`, rounded up to a whole pico-dollar.
fn amount(class: Class, quantity: u64, rate: Usd, factor: Factor) -> Result<Usd, PriceError> {
    let scale = if class.is_tokens() { 1_000_000i128 * 1_000_000 } else { 1_000_000 };
    let product = i128::from(quantity).checked_mul(i128::from(rate.pico()));
    let product = product.and_then(|product| product.checked_mul(i128::from(factor.micro())));
    let product = product.ok_or(PriceError::Overflow)?;
    let whole = product / scale + i128::from(product % scale != 0);
    Usd::try_from_pico(whole).map_err(|_| PriceError::Overflow)
}
