//! The directions of dependency, and what no source file may contain.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the workspace.
fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the crate lies in the workspace").to_owned()
}

/// What a crate is built from; what only its own tests use does not count.
fn dependencies(krate: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join(krate).join("Cargo.toml")).expect("every crate has a manifest");
    let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
    let table = manifest.get("dependencies").and_then(toml::Value::as_table);
    table.into_iter().flat_map(toml::Table::keys).cloned().collect()
}

/// A source file: its path from the root, with `/`, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The lines of the program, without comments and without the tests at the end of the file.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let program = (1..).zip(self.text.lines());
        program
            .take_while(|(_, line)| *line != "#[cfg(test)]")
            .map(|(number, line)| (number, line.split("//").next().unwrap_or_default()))
    }

    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }
}

/// All Rust files of our crates.
fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for krate in ["shared", "proto", "coordinator", "worker", "tests"] {
        collect(&root().join(krate), &mut sources);
    }
    assert!(sources.len() > 50, "found only {} files", sources.len());
    sources
}

fn collect(folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("the workspace can be read") {
        let path = entry.expect("the workspace can be read").path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root()).expect("it is in the workspace");
            sources.push(Source {
                path: relative.to_string_lossy().replace('\\', "/"),
                text: fs::read_to_string(&path).expect("a source file is text"),
            });
        }
    }
}

/// Where the code of files for which `applies` holds contains one of `words`, as a word of its own.
fn found(applies: impl Fn(&Source) -> bool, words: &[&str]) -> Vec<String> {
    let mut places = Vec::new();
    for source in sources().iter().filter(|source| applies(source)) {
        for (number, line) in source.code() {
            if words.iter().any(|word| has_word(line, word)) {
                places.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    places
}

fn has_word(line: &str, word: &str) -> bool {
    let part_of_name = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(start, _)| {
        !line[..start].ends_with(part_of_name) && !line[start + word.len()..].starts_with(part_of_name)
    })
}

const NOTHING: [String; 0] = [];

#[test]
fn shared_knows_no_async_no_sockets_and_no_other_crate_of_ours() {
    let dependencies = dependencies("shared");
    assert!(dependencies.contains(&"ndarray".to_owned()), "{dependencies:?}");
    for forbidden in [
        "tokio",
        "tonic",
        "prost",
        "proto",
        "coordinator",
        "worker",
        "settings",
        "rand",
    ] {
        assert!(
            !dependencies.contains(&forbidden.to_owned()),
            "shared depends on {forbidden}"
        );
    }
}

#[test]
fn proto_knows_shared_and_neither_program() {
    let dependencies = dependencies("proto");
    assert!(dependencies.contains(&"shared".to_owned()));
    for forbidden in ["coordinator", "worker", "settings", "tokio"] {
        assert!(
            !dependencies.contains(&forbidden.to_owned()),
            "proto depends on {forbidden}"
        );
    }
}

#[test]
fn settings_know_neither_program_nor_the_network() {
    for forbidden in ["coordinator", "worker", "proto", "shared", "tokio", "tonic"] {
        assert!(
            !dependencies("shared/settings").contains(&forbidden.to_owned()),
            "settings depend on {forbidden}"
        );
    }
}

#[test]
fn security_knows_settings_and_opens_no_socket() {
    for forbidden in ["coordinator", "worker", "proto", "shared", "tokio", "tonic"] {
        assert!(
            !dependencies("shared/security").contains(&forbidden.to_owned()),
            "security depends on {forbidden}"
        );
    }
}

#[test]
fn the_two_programs_do_not_know_each_other() {
    assert!(!dependencies("coordinator").contains(&"worker".to_owned()));
    assert!(!dependencies("worker").contains(&"coordinator".to_owned()));
}

#[test]
fn what_decides_reads_no_clock_throws_no_dice_and_awaits_nothing() {
    let decides = |source: &Source| source.is_in(&["coordinator/src/engine/", "worker/src/session"]);
    assert!(
        sources().iter().filter(|source| decides(source)).count() >= 6,
        "the modules have moved"
    );
    let ambient = ["tokio", "tonic", "Instant", "SystemTime", "rand", "async", "await"];
    assert_eq!(found(decides, &ambient), NOTHING);
    let mathematics = |source: &Source| source.is_in(&["shared/src/"]) && !source.is_in(&["shared/src/dataset/"]);
    assert_eq!(
        found(mathematics, &["Instant", "SystemTime", "net", "async", "await"]),
        NOTHING
    );
}

#[test]
fn generated_types_stop_at_the_door() {
    let door = ["proto/", "coordinator/src/rpc", "worker/src/rpc", "tests/"];
    let generated = ["wire", "include_proto"];
    assert_eq!(found(|source| !source.is_in(&door), &generated), NOTHING);
    assert!(
        !found(|source| source.is_in(&["coordinator/src/rpc"]), &generated).is_empty(),
        "the door has moved"
    );
}

#[test]
fn nothing_is_left_to_be_done_and_no_test_is_switched_off() {
    // Spelled in two parts, so that this file does not contain them.
    let words = [
        ["todo", "!"],
        ["unimplemented", "!"],
        ["TO", "DO"],
        ["FIX", "ME"],
        ["#[ign", "ore"],
        ["db", "g!("],
    ];
    let words = words.map(|parts| parts.concat());
    let mut places = Vec::new();
    for Source { path, text } in sources() {
        for (number, line) in (1..).zip(text.lines()) {
            if words.iter().any(|word| line.contains(word)) {
                places.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    assert_eq!(places, NOTHING);
}

#[test]
fn no_program_file_has_more_than_400_lines() {
    let length = |source: &Source| {
        (1..)
            .zip(source.text.lines())
            .map(|(number, _): (usize, _)| number)
            .last()
    };
    let program_lines = |source: &Source| source.code().map(|(number, _)| number).last();
    let mut long = Vec::new();
    for source in sources() {
        let is_test = source.is_in(&["tests/"]) || source.path.contains("/tests");
        let lines = if is_test {
            length(&source)
        } else {
            program_lines(&source)
        };
        if let Some(lines) = lines.filter(|&lines| lines > 400) {
            long.push(format!("{}: {lines} lines", source.path));
        }
    }
    assert_eq!(long, NOTHING);
}
