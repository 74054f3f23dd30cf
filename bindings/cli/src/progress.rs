//! How far a long command is, for people at a terminal: on standard error, and nothing in a pipe.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of so many of `what`.
pub(crate) fn bar(length: usize, what: &str, quiet: bool) -> ProgressBar {
    if quiet || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length as u64);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}, {elapsed}");
    bar.set_style(style.expect("the template is valid"));
    bar.set_message(what.to_owned());
    bar
}

/// What is being done, and for how long, where nobody knows how much there is to do.
pub(crate) fn spinner(what: &str, quiet: bool) -> ProgressBar {
    if quiet || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner();
    spinner.set_style(ProgressStyle::with_template("{spinner} {msg}, {elapsed}").expect("the template is valid"));
    spinner.set_message(what.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}
