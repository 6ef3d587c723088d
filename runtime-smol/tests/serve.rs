//! The suite that both runtimes pass, on this one.

#[path = "../../runtime-blocking/tests/suite/mod.rs"]
mod suite;

use postkern_smol::Smol;

#[test]
fn a_client_is_greeted_and_may_quit() {
    suite::a_client_is_greeted_and_may_quit(&Smol);
}

#[test]
fn a_stop_is_told_to_all_and_ends_the_server() {
    suite::a_stop_is_told_to_all_and_ends_the_server(&Smol);
}

#[test]
fn who_is_over_the_limit_is_told_so() {
    suite::who_is_over_the_limit_is_told_so(&Smol);
}

#[test]
fn mail_is_relayed_and_wakes_who_idles() {
    suite::mail_is_relayed_and_wakes_who_idles(&Smol);
}
