//! Sessions between our two machines, of random octets: what coverage-guided fuzzing does in
//! depth, done a little in every run of the tests.

/// Sessions played.
const SESSIONS: u64 = 3000;

#[test]
fn both_sides_understand_each_other() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        // xorshift64: no quality is needed, and the same octets each time.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..SESSIONS {
        let len = random() % 2048;
        let data: Vec<u8> = (0..len).map(|_| random() as u8).collect();
        postkern_fuzz::smtp_session(&data);
    }
}
