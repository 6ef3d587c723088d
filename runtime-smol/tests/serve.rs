//! The suite that both runtimes pass, on this one.

#[path = "../../runtime-blocking/tests/suite/mod.rs"]
mod suite;

use postkern_smol::Smol;

#[test]
#[ignore = "waits for accept::endpoint and Peers"]
fn a_client_is_greeted_and_may_quit() {
    suite::a_client_is_greeted_and_may_quit(&Smol);
}

#[test]
#[ignore = "waits for accept::endpoint and Peers"]
fn a_stop_is_told_to_all_and_ends_the_server() {
    suite::a_stop_is_told_to_all_and_ends_the_server(&Smol);
}

#[test]
#[ignore = "waits for accept::endpoint and Peers"]
fn who_is_over_the_limit_is_told_so() {
    suite::who_is_over_the_limit_is_told_so(&Smol);
}
