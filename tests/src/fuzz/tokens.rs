//! What strangers show for a token: only the very token is let in.

use security::{MAX_TOKEN_CHARACTERS, MIN_TOKEN_CHARACTERS, Token, TokenRefusal, check};

use super::{Inputs, Target, ensure, mutate};
use crate::random::Random;

pub(super) const TARGET: Target = Target { name: "tokens", case };

fn case(random: &mut Random, inputs: &mut Inputs) -> Result<(), String> {
    inputs.count();
    let text = good_text(random);
    let token = Token::new(&text).map_err(|error| format!("a good token is refused: {error}"))?;
    let right = [b"Bearer ", &text[..]].concat();
    let mut shown = right.clone();
    match random.below(8) {
        0 => {}
        1 => shown = mutate::any_bytes(random, 300),
        2..5 => {
            let mut text = shown.split_off(b"Bearer ".len());
            mutate::bytes(random, &mut text);
            shown.append(&mut text);
        }
        _ => mutate::bytes(random, &mut shown),
    }
    let found = check(Some(&token), Some(&shown));
    let expected = match () {
        () if shown == right => Ok(()),
        () if shown.starts_with(b"Bearer ") => Err(TokenRefusal::Other),
        () => Err(TokenRefusal::Missing),
    };
    ensure(found == expected, || {
        format!("{shown:?} gave {found:?}, expected {expected:?}")
    })?;
    ensure(check(None, Some(&shown)).is_ok(), || {
        "a token is refused where none is asked for".to_owned()
    })?;
    parse(&shown)
}

/// Any bytes as the content of a token file.
fn parse(content: &[u8]) -> Result<(), String> {
    let Ok(token) = Token::new(content) else {
        return Ok(());
    };
    let text = token.reveal();
    let good = (MIN_TOKEN_CHARACTERS..=MAX_TOKEN_CHARACTERS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && content.starts_with(text.as_bytes());
    ensure(good, || format!("accepted {content:?}"))?;
    ensure(!format!("{token:?}").contains(text), || {
        "its debug output shows the token".to_owned()
    })
}

fn good_text(random: &mut Random) -> Vec<u8> {
    let len = random.between(MIN_TOKEN_CHARACTERS as u64, MAX_TOKEN_CHARACTERS as u64);
    (0..len).map(|_| random.between(0x21, 0x7e) as u8).collect()
}
