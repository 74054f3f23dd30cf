//! Refuses templates by their text alone, before a parser or compiler that recurses sees them.
//!
//! The compiler computes constants, and recurses over chains of operators and of `elif`. So both are counted here, and
//! what constants could grow to is bounded from above.

use minijinja::machinery::{Token, tokenize};

use crate::limits::{TEMPLATE_CONSTANT_BYTES_MAX, TEMPLATE_ELIFS_MAX, TEMPLATE_TAG_TOKENS_MAX};

/// What one tag has.
#[derive(Default)]
struct Tag {
    tokens: usize,
    bytes: usize,
    multiplies: bool,
    raises: bool,
    /// No arithmetic on the tag's numbers makes more than this.
    most: f64,
}

/// Checks a template's text.
pub(super) fn check(source: &str) -> Result<(), String> {
    let (mut tag, mut elifs, mut constants) = (Tag { most: 1.0, ..Tag::default() }, 0, 0.0);
    for token in tokenize(source, false, Default::default(), Default::default()) {
        let (token, span) = token.map_err(|error| error.kind().to_string())?;
        tag.tokens += 1;
        tag.bytes += (span.end_offset - span.start_offset) as usize;
        match token {
            Token::VariableStart | Token::BlockStart => tag = Tag { most: 1.0, ..Tag::default() },
            Token::VariableEnd | Token::BlockEnd => constants += tag.constants()?,
            Token::Ident("elif") => elifs += 1,
            Token::Mul => tag.multiplies = true,
            Token::Pow => tag.raises = true,
            // Both a + b and a * b are at most (a + 1) * (b + 1).
            Token::Int(number) => tag.most *= number as f64 + 1.0,
            Token::Int128(number) => tag.most *= *number as f64 + 1.0,
            Token::Float(number) => tag.most *= number + 1.0,
            _ => {}
        }
        if tag.tokens > TEMPLATE_TAG_TOKENS_MAX {
            return Err(format!("one of its tags has more than {TEMPLATE_TAG_TOKENS_MAX} words"));
        }
    }
    if elifs > TEMPLATE_ELIFS_MAX {
        return Err(format!("it has more than {TEMPLATE_ELIFS_MAX} branches"));
    }
    if constants > TEMPLATE_CONSTANT_BYTES_MAX as f64 {
        return Err(format!("its constants may have more than {TEMPLATE_CONSTANT_BYTES_MAX} bytes"));
    }
    Ok(())
}

impl Tag {
    /// Bytes that the tag's constants have at most.
    fn constants(&self) -> Result<f64, String> {
        match (self.multiplies, self.raises) {
            (true, true) => Err("a tag both multiplies and raises to a power".into()),
            (true, false) => Ok(self.bytes as f64 * self.most),
            (false, _) => Ok(0.0),
        }
    }
}
