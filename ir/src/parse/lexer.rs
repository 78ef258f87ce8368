//! Cuts graph text into tokens. Spaces, line ends and `// comments` separate tokens and mean nothing else.

use std::fmt;

use crate::ParseError;

/// A piece of text that stands for one thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Token<'a> {
    /// `graph`, `f32`, `nan`: letters, digits and underscores, not beginning with a digit.
    Word(&'a str),
    /// `8`, `-2.5e-7`, `-inf`, `0x7fc00001`: begins with a digit, or a minus sign.
    Number(&'a str),
    /// `%mean`, without the sign.
    Value(&'a str),
    /// `@name`, without the sign.
    Name(&'a str),
    /// `@"name"`, without the sign and the quotes; escapes are as written.
    QuotedName(&'a str),
    /// A punctuation character.
    Punctuation(char),
    /// `->`.
    Arrow,
    /// After the last token.
    End,
}

/// As quoted in messages.
impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Word(text) | Token::Number(text) => write!(f, "`{text}`"),
            Token::Value(text) => write!(f, "`%{text}`"),
            Token::Name(text) => write!(f, "`@{text}`"),
            Token::QuotedName(text) => write!(f, "`@\"{text}\"`"),
            Token::Punctuation(c) => write!(f, "`{c}`"),
            Token::Arrow => f.write_str("`->`"),
            Token::End => f.write_str("the end of the text"),
        }
    }
}

/// Whether words and names consist of such characters.
pub(crate) fn is_word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A position in the text.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    /// Byte offset of the next character.
    offset: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, offset: 0 }
    }

    /// The next token, and the byte offset where it begins.
    pub(super) fn next(&mut self) -> Result<(Token<'a>, usize), ParseError> {
        self.skip_blanks();
        let start = self.offset;
        let Some(first) = self.rest().chars().next() else { return Ok((Token::End, start)) };
        let token = match first {
            '-' if self.rest().starts_with("->") => {
                self.offset += 2;
                Token::Arrow
            }
            '-' | '0'..='9' => Token::Number(self.take_number()),
            '%' => {
                self.offset += 1;
                Token::Value(self.take_word("a name of a value after `%`")?)
            }
            '@' if self.rest().starts_with("@\"") => self.take_quoted()?,
            '@' => {
                self.offset += 1;
                Token::Name(self.take_word("a name after `@`")?)
            }
            c if is_word_char(c) => Token::Word(self.take_while(is_word_char)),
            '(' | ')' | '[' | ']' | '{' | '}' | ',' | ':' | '=' => {
                self.offset += 1;
                Token::Punctuation(first)
            }
            c => return Err(self.error(start, format!("found {c:?}, which begins nothing"))),
        };
        Ok((token, start))
    }

    /// The error that `problem` at byte `offset` is.
    pub(super) fn error(&self, offset: usize, problem: String) -> ParseError {
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ParseError {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            problem,
        }
    }

    /// The number of line ends in these bytes of the text.
    pub(super) fn line_ends(&self, bytes: std::ops::Range<usize>) -> usize {
        self.text.as_bytes()[bytes].iter().filter(|&&byte| byte == b'\n').count()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let skipped = rest.trim_start();
            self.offset += rest.len() - skipped.len();
            if !skipped.starts_with("//") {
                return;
            }
            self.offset += skipped.find('\n').unwrap_or(skipped.len());
        }
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.offset += len;
        &rest[..len]
    }

    fn take_word(&mut self, expected: &str) -> Result<&'a str, ParseError> {
        match self.take_while(is_word_char) {
            "" => Err(self.error(self.offset, format!("expected {expected}"))),
            word => Ok(word),
        }
    }

    /// A sign, then letters, digits and points; a sign also after the `e` of an exponent.
    fn take_number(&mut self) -> &'a str {
        let rest = self.rest();
        let exponent_sign = |at: usize| !rest.starts_with("0x") && rest[..at].ends_with(['e', 'E']);
        let end = rest.char_indices().find(|&(at, c)| match c {
            '-' => at > 0 && !exponent_sign(at),
            '+' => !exponent_sign(at),
            _ => !(is_word_char(c) || c == '.'),
        });
        let len = end.map_or(rest.len(), |(at, _)| at);
        self.offset += len;
        &rest[..len]
    }

    fn take_quoted(&mut self) -> Result<Token<'a>, ParseError> {
        let start = self.offset;
        self.offset += "@\"".len();
        let rest = self.rest();
        let mut escaped = false;
        for (at, c) in rest.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    self.offset += at + 1;
                    return Ok(Token::QuotedName(&rest[..at]));
                }
                _ => {}
            }
        }
        Err(self.error(start, "a quoted name without its closing `\"`".to_owned()))
    }
}
