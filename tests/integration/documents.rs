//! What the documents say of the program is so.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::udf;

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(name: &str) -> String {
    std::fs::read_to_string(home().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The sources below a directory, one after the other.
fn sources(directory: &Path) -> String {
    let mut all = String::new();
    let mut todo = vec![directory.to_owned()];
    while let Some(directory) = todo.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    all
}

/// The names of the UDF images, which are made up of parts.
fn udf_images() -> HashSet<String> {
    let hostile = udf::hostile::catalogue().into_iter().map(|hostile| hostile.name);
    udf::samples::samples().into_iter().map(|(name, _)| name).chain(hostile).collect()
}

/// The rows of all tables that have a column of this name: the code spans in that column.
fn column(document: &str, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = None;
    for line in document.lines() {
        let cells: Vec<&str> =
            line.strip_prefix('|').map(|line| line.split('|').map(str::trim).collect()).unwrap_or_default();
        if cells.is_empty() {
            at = None;
        } else if let Some(place) = cells.iter().position(|cell| *cell == name) {
            at = Some(place);
        } else if let Some(cell) = at.and_then(|at: usize| cells.get(at)) {
            found.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

#[test]
fn the_tables_of_the_documents_are_true() {
    let code = sources(&home().join("src")) + &sources(&home().join("tests"));
    let images = udf_images();
    let known = |test: &str| {
        images.contains(test) || code.contains(&format!("fn {test}(")) || code.contains(&format!("\"{test}\""))
    };
    let mut wrong = Vec::new();
    for name in ["docs/standards.md", "docs/semantics.md"] {
        let document = text(name);
        let tests = column(&document, "Tests");
        assert!(tests.len() > 30, "{name} lists {} tests", tests.len());
        for test in tests {
            if !known(&test) {
                wrong.push(format!("{name}: there is no test {test}"));
            }
        }
        for function in column(&document, "Function") {
            let (file, function) = function.split_once(": ").expect("a file and a function");
            let file = if file.starts_with("src/") { file.to_owned() } else { format!("src/iso9660/{file}") };
            let code = std::fs::read_to_string(home().join(&file)).unwrap_or_default();
            if !["(", "<"].iter().any(|next| code.contains(&format!("fn {function}{next}"))) {
                wrong.push(format!("{name}: {file} has no function {function}"));
            }
        }
    }
    for test in column(&text("docs/reliability.md"), "Tests") {
        if !known(&test) {
            wrong.push(format!("docs/reliability.md: there is no test {test}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn printed(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mount-iso")).args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_readme_lists_every_option_and_exit_code() {
    let readme = text("README.md");
    let words = column(&readme, "Option");
    let help = printed(&["help", "options"]);
    let explained = help.split("Accepted without an effect").next().unwrap();
    for line in explained.lines().filter(|line| line.starts_with("  ")) {
        let word = line.split_whitespace().next().unwrap();
        assert!(words.iter().any(|known| known == word), "README lacks {word}");
    }
    for word in &words {
        assert!(explained.contains(&format!("  {word} ")), "README has {word}, the program does not");
    }
    let codes = column(&readme, "Code");
    let help = printed(&["--help"]);
    let table = help.split("Exit codes:").nth(1).unwrap();
    let known: Vec<_> = table.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let known: Vec<_> = known.into_iter().filter(|word| word.parse::<u8>().is_ok()).collect();
    assert_eq!(codes, known);
}
