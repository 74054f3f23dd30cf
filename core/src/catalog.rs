//! What is on sale: models, endpoints and exact prices, from data that was parsed and checked.

mod price;
pub use price::PriceList;
