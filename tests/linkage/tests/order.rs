//! What is declared in other crates is found, and reported the same whatever the order of
//! linking.

use std::process::Command;

fn run(program: &str) -> String {
    let output = Command::new(program).output().expect("a program that was built");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_order_of_linking_makes_no_difference() {
    let report = run(env!("CARGO_BIN_EXE_alpha_first"));
    assert_eq!(report, run(env!("CARGO_BIN_EXE_beta_first")));
    let lines: Vec<_> = report.lines().collect();
    let declared = ["alpha::Short", "alpha::Room", "alpha::Doc"];
    assert_eq!(lines[..3], declared);
    assert_eq!(lines[3..6], ["beta::Draft", "beta::Chat", "beta::Hall"]);
    assert_eq!(lines[6], "2 problems:");
    // Each conflict with both places, to the column.
    let prefix = "the prefix \"room:\" is declared twice: at tests/linkage/alpha/src/lib.rs:10:1 \
                  and at tests/linkage/beta/src/lib.rs:13:1";
    let patterns = "the patterns \"doc:{id}\" at tests/linkage/alpha/src/lib.rs:14:1 and \
                    \"doc:{id}:draft\" at tests/linkage/beta/src/lib.rs:6:1 can match the same name";
    assert!(lines.iter().any(|line| line.contains(prefix)), "{report}");
    assert!(lines.iter().any(|line| line.contains(patterns)), "{report}");
}

#[test]
fn a_dependency_that_is_never_named_is_missed_and_the_remedy_is_said() {
    let report = run(env!("CARGO_BIN_EXE_neither"));
    assert!(!report.contains("alpha::"), "{report}");
    for text in ["\"room:\"", "\"hall\"", "\"doc:{id}\""] {
        let line = report.lines().find(|line| line.contains(text)).expect(text);
        assert!(line.contains("use that_crate as _;"), "{line}");
    }
}
