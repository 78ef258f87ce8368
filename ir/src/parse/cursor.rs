//! Reads tokens one after another: what every part of the grammar needs, and the messages for what does not fit.

use super::Result;
use super::lexer::{Lexer, Token};
use crate::{BufferId, DType, DimSlice, ParseError, RegionId, Shape, Slot};

/// The token that is next, and what is after it.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    lexer: Lexer<'a>,
    /// The next token.
    pub(super) token: Token<'a>,
    /// Byte offset where `token` begins.
    pub(super) offset: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Result<Cursor<'a>> {
        let mut lexer = Lexer::new(text);
        let (token, offset) = lexer.next()?;
        Ok(Cursor { lexer, token, offset })
    }

    pub(super) fn advance(&mut self) -> Result<()> {
        (self.token, self.offset) = self.lexer.next()?;
        Ok(())
    }

    pub(super) fn accept(&mut self, c: char) -> Result<bool> {
        let found = self.token == Token::Punctuation(c);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(crate) fn accept_word(&mut self, word: &str) -> Result<bool> {
        let found = self.token == Token::Word(word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn expect(&mut self, c: char) -> Result<()> {
        if self.accept(c)? { Ok(()) } else { Err(self.unexpected(&format!("`{c}`"))) }
    }

    pub(crate) fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.accept_word(word)? { Ok(()) } else { Err(self.unexpected(&format!("`{word}`"))) }
    }

    /// The number of line ends in these bytes of the text.
    pub(super) fn line_ends(&self, bytes: std::ops::Range<usize>) -> usize {
        self.lexer.line_ends(bytes)
    }

    pub(crate) fn unexpected(&self, expected: &str) -> ParseError {
        self.error_at(self.offset, format!("found {}, expected {expected}", self.token))
    }

    pub(super) fn error_at(&self, offset: usize, problem: String) -> ParseError {
        self.lexer.error(offset, problem)
    }

    /// `@name`, or `@"any text"`.
    pub(super) fn graph_name(&mut self) -> Result<String> {
        let name = match self.token {
            Token::Name(name) => name.to_owned(),
            Token::QuotedName(quoted) => unescape(quoted),
            _ => return Err(self.unexpected("the graph's name: `@name`")),
        };
        self.advance()?;
        Ok(name)
    }

    pub(super) fn dtype(&mut self) -> Result<DType> {
        let Token::Word(name) = self.token else { return Err(self.unexpected("a dtype")) };
        let Some(dtype) = DType::from_name(name) else {
            let suggestion = suggestion(name, DType::ALL.iter().map(|dtype| dtype.name()));
            return Err(self.error_at(self.offset, format!("`{name}` is not a dtype{suggestion}")));
        };
        self.advance()?;
        Ok(dtype)
    }

    pub(super) fn shape(&mut self) -> Result<Shape> {
        let offset = self.offset;
        let dims = self.list(Cursor::unsigned)?;
        Shape::new(&dims).map_err(|error| self.error_at(offset, error.to_string()))
    }

    /// `[item, item]`.
    pub(crate) fn list<T>(&mut self, item: fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = Vec::new();
        self.expect('[')?;
        while !self.accept(']')? {
            items.push(item(self)?);
            if !self.accept(',')? && self.token != Token::Punctuation(']') {
                return Err(self.unexpected("`,` or `]`"));
            }
        }
        Ok(items)
    }

    /// A count, length or index: it fits an `isize`, as every shape's do.
    pub(crate) fn unsigned(&mut self) -> Result<usize> {
        Ok(self.integer(0, "a number from 0")? as usize)
    }

    pub(super) fn signed(&mut self) -> Result<isize> {
        self.integer(isize::MIN, "a whole number")
    }

    fn integer(&mut self, low: isize, expected: &str) -> Result<isize> {
        let Token::Number(digits) = self.token else { return Err(self.unexpected(expected)) };
        match digits.parse() {
            Ok(value) if value >= low => {
                self.advance()?;
                Ok(value)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    /// `start:len:step`.
    pub(super) fn dim_slice(&mut self) -> Result<DimSlice> {
        let start = self.unsigned()?;
        self.expect(':')?;
        let len = self.unsigned()?;
        self.expect(':')?;
        Ok(DimSlice { start, len, step: self.signed()? })
    }

    /// `r0`.
    pub(super) fn region(&mut self) -> Result<RegionId> {
        let Some(n) = self.numbered("r") else { return Err(self.unexpected("a region: `r0`")) };
        self.advance()?;
        Ok(RegionId(n))
    }

    /// `a64`, `b1`, `p3` or `out0`.
    pub(super) fn slot(&mut self) -> Result<Slot> {
        let slot = if let Some(offset) = self.numbered("a") {
            Slot::Arena(offset)
        } else if let Some(n) = self.numbered("b") {
            Slot::Buffer(BufferId(n))
        } else if let Some(n) = self.numbered("p") {
            Slot::Parameter(n)
        } else if let Some(n) = self.numbered("out") {
            Slot::Output(n)
        } else {
            return Err(self.unexpected("a slot: `a0`, `b0`, `p0` or `out0`"));
        };
        self.advance()?;
        Ok(slot)
    }

    /// The number in a word such as `r0`.
    fn numbered<N: std::str::FromStr>(&self, prefix: &str) -> Option<N> {
        let Token::Word(word) = self.token else { return None };
        word.strip_prefix(prefix)?.parse().ok()
    }
}

fn unescape(quoted: &str) -> String {
    let mut name = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => name.push('\n'),
                Some(escaped) => name.push(escaped),
                None => {}
            },
            _ => name.push(c),
        }
    }
    name
}

/// `, did you mean …?` for the name nearest to `word`; nothing where none is near.
pub(super) fn suggestion<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> String {
    let nearest = names.map(|name| (edit_distance(word, name), name)).min();
    match nearest {
        Some((distance, name)) if distance <= 1 + word.len() / 3 => format!(", did you mean `{name}`?"),
        _ => String::new(),
    }
}

/// Levenshtein's distance, in bytes.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
