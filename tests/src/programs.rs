//! Where the programs under test are.

use std::path::PathBuf;

/// A program under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `coordinator`.
    Coordinator,
    /// `worker`.
    Worker,
}

impl Program {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Worker => "worker",
        }
    }

    /// Where it is: cargo puts a test into `deps`, and programs of the same profile, `chaos` too, into the folder above.
    ///
    /// # Panics
    ///
    /// If it has not been built.
    pub fn path(self) -> PathBuf {
        let test = std::env::current_exe().expect("a running program has a path");
        let folder = test.parent().expect("a program is in a folder");
        let programs = if folder.ends_with("deps") {
            folder.parent().expect("the folder of a test is in that of the profile")
        } else {
            folder
        };
        let program = programs
            .join(self.name())
            .with_extension(std::env::consts::EXE_EXTENSION);
        assert!(
            program.is_file(),
            "found no program {}, expected it to be built before the tests: run `scripts/test --release --workspace`, \
             or `cargo build` with the profile of this test",
            program.display()
        );
        program
    }
}
