//! Checks that cross packages: the layout rules, conformance over recorded traffic, simulations.

pub mod tidy;
