//! The suite that both runtimes pass, on this one.

mod suite;

use postkern_blocking::Blocking;

#[test]
fn a_client_is_greeted_and_may_quit() {
    suite::a_client_is_greeted_and_may_quit(&Blocking);
}

#[test]
fn a_stop_is_told_to_all_and_ends_the_server() {
    suite::a_stop_is_told_to_all_and_ends_the_server(&Blocking);
}

#[test]
fn who_is_over_the_limit_is_told_so() {
    suite::who_is_over_the_limit_is_told_so(&Blocking);
}

#[test]
fn mail_is_relayed_and_wakes_who_idles() {
    suite::mail_is_relayed_and_wakes_who_idles(&Blocking);
}
