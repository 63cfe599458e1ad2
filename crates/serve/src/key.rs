//! The key of a header: what a proxy hashes on, so that each header is imported on few machines only.

use lean_worker::Header;
use sha2::{Digest as _, Sha256};

/// The request and answer header that carries it.
pub const HEADER: &str = "x-leanpool-key";

/// 16 hexadecimal digits, the same in every build: the beginning of the SHA-256 of the header's words, one line for `module`, `prelude` and
/// each import, with one space between the words of an import. A header that can't be read in words is its whole file.
#[must_use]
pub fn of_header(header: &Header) -> String {
    let digest = Sha256::digest(header.text());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The key of a file.
#[must_use]
pub fn of_file(text: &str) -> String {
    of_header(&Header::of(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_space_do_not_change_it_and_order_does() {
        let key = |text| of_file(text);
        assert_eq!(key("import A\nimport B.C\n#check 1"), key("-- x\nimport A import  B.C\n\n#eval 2"));
        assert_ne!(key("import A\nimport B"), key("import B\nimport A"));
        // `printf 'import Mathlib\n' | sha256sum | head -c 16`, as the documents say.
        assert_eq!(key("import Mathlib\n\ntheorem x : True := trivial"), KNOWN);
    }

    const KNOWN: &str = "1015f8f4676a27ea";
}
