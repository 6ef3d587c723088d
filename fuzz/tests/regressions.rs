//! Replays what was found once: `regressions/TARGET/*`, and `corpus/TARGET/*` if it is there.

use std::path::Path;

#[test]
fn nothing_that_was_found_comes_back() {
    for (name, target) in postkern_fuzz::TARGETS {
        for folder in ["regressions", "corpus"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(name);
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            for entry in entries {
                let path = entry.expect("the folder can be read").path();
                println!("{}", path.display());
                target(&std::fs::read(&path).expect("the file can be read"));
            }
        }
    }
}
