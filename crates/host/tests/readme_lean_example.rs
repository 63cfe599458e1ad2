//! Risk: the README shows a program that does not compile. Its blocks are doctests, but the one that needs the feature `lean`: that one
//! is the example `sessions`, which is compiled where the feature is.

#[test]
fn block_of_the_readme_is_the_example() {
    let readme = include_str!("../../../README.md");
    let blocks: Vec<&str> = readme.split("```rust,ignore\n").skip(1).collect();
    let [block] = blocks[..] else { panic!("{} blocks that are no doctests", blocks.len()) };
    let example = include_str!("../examples/sessions.rs");
    let body: Vec<&str> = example.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    let shown: Vec<&str> = block.split("```").next().unwrap().lines().collect();
    assert!(body.windows(shown.len()).any(|lines| lines == shown), "{shown:#?} is not in the example");
}
