//! Bounds hold, charges are exact.

use super::*;

#[test]
fn one_price_at_all_times() {
    let usd = |text: &str| text.parse::<Usd>().unwrap();
    let list = PriceList::per_million(usd("2"), usd("0.5"), usd("8"));
    let at = Timestamp::from_ms(1_787_270_400_000);
    assert_eq!(list.upper_bound(1_000, 100, None, at), Some(usd("0.0028")));
    assert_eq!(list.expected(1_000, 400, 100, None, at), Some(usd("0.0022")));
}
