//! The broker (stands in until the server is here).

fn main() {}
