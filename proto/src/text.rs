//! Text of the other end, for people.

/// The most characters of the other end's text that are shown.
pub const MAX_TEXT_CHARACTERS: usize = 1000;

/// `text` as it may be printed to a terminal: without control characters, which could steer it, and not longer than
/// [`MAX_TEXT_CHARACTERS`].
pub fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(MAX_TEXT_CHARACTERS).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced_and_long_text_is_cut() {
        assert_eq!(printable("a \u{1b}[2J\r\nb é"), "a \u{fffd}[2J\u{fffd}\u{fffd}b é");
        let long = "é".repeat(MAX_TEXT_CHARACTERS + 1);
        assert_eq!(printable(&long).chars().count(), MAX_TEXT_CHARACTERS);
    }
}
