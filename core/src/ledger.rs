//! The account: what was reserved, what it cost, what may still be spent. Pure: it is told the time and keeps no file.
//!
//! Every attempt to get an answer makes one reservation of the most it can cost, before anything is sent, and one
//! ending: it is settled at what it cost, or voided where nothing was sent. Entries are never changed; balances are a
//! fold over them. A budget holds because a reservation is made only where `posted + held + amount <= limit`.
//!
//! `Book` is the reference: short, slow and obviously right. The stores in `store` are tested against it. This module
//! does not decide what a call costs (`catalog` does) nor which model is asked (`plan` does).

mod alert;
mod balance;
mod book;
mod budget;
mod entry;
mod error;
mod hash;
mod rate;
mod report;
mod rollup;
mod running;
mod window;

pub use alert::{Alert, AlertKind};
pub use balance::{Amount, Balance, BalanceKey};
pub use book::Book;
pub(crate) use book::{conflict, ended};
pub(crate) use budget::Draw;
pub use budget::{Budget, BudgetError, Dimension, Enforce, Limit, Rules, Scope, Selector, Standing, Thousandths};
pub(crate) use entry::tags_of;
pub use entry::{
    Basis, ChargeLine, End, Ending, Entry, Facts, Fate, Posted, Purpose, Reserve, Row, Settle, Tags, UnknownWord, Void,
};
pub use error::{LedgerError, OverBudget, OverRate};
pub(crate) use hash::Seed;
pub use rate::{Rate, RateState};
pub use report::{By, Decisions, Errors, Group, Held, Line, Pico, Report, ReportAsk, Times};
pub use rollup::{CellKey, ClassKey, Measure, Rollup, Sums, TagKey, class_of, middle_of};
pub(crate) use running::Running;
pub use window::{Frame, Period, Window, WindowError};
