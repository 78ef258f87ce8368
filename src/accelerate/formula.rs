//! What an entry computes, as a pattern over lane programs.
//!
//! A formula has the names of our ops, `+ - * /`, vectors `a` to `d`, scalars `s` and `t`, and may be a `sum`
//! of all. A pattern matches a value of a lane program if ops (or their relaxed twins) and dtypes are the same; operands of
//! commutative ops may be exchanged. A letter stands for one value wherever it is.

use raptors_ir::{DType, ElementwiseOp, Fact};

use super::shape::{MOST_SCALARS, MOST_SOURCES};
use crate::codegen::lane::{LaneOp, LaneProgram, ValueId};

/// A formula as a tree.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Pattern {
    /// A vector, by its number.
    Vector(usize),
    /// A scalar, by its number.
    Scalar(usize),
    /// An op of two or more.
    Op(ElementwiseOp, Vec<Pattern>),
    /// The sum of all elements.
    Sum(Box<Pattern>),
}

/// The values that letters stand for.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(crate) struct Letters {
    pub(crate) vectors: [Option<ValueId>; MOST_SOURCES],
    pub(crate) scalars: [Option<ValueId>; MOST_SCALARS],
}

/// What a value that is no op can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leaf {
    /// Contiguous elements.
    Vector,
    /// The same everywhere.
    Scalar,
}

impl Pattern {
    /// The pattern of a formula of the table.
    pub(crate) fn parse(formula: &'static str) -> Pattern {
        let mut parser = Parser { formula, rest: formula };
        let pattern = parser.sum();
        match parser.rest.trim() {
            "" => pattern,
            rest => unreachable!("{formula}: what is {rest}?"),
        }
    }

    /// The op at its root, if the operands are the vectors in order.
    pub(crate) fn plain_op(&self) -> Option<ElementwiseOp> {
        match self {
            Pattern::Op(op, operands) => {
                let is_plain = |(n, operand): (usize, &Pattern)| *operand == Pattern::Vector(n);
                operands.iter().enumerate().all(is_plain).then_some(*op)
            }
            Pattern::Vector(_) | Pattern::Scalar(_) | Pattern::Sum(_) => None,
        }
    }

    /// The letters for which it is `value`, computed in `dtype`; `leaf` says what inputs are.
    pub(crate) fn matches(
        &self,
        body: &LaneProgram,
        value: ValueId,
        dtype: DType,
        leaf: &dyn Fn(ValueId) -> Option<Leaf>,
        known: Letters,
    ) -> Option<Letters> {
        let inst = &body.insts[value.index()];
        if inst.dtype != dtype {
            return None;
        }
        match self {
            Pattern::Vector(n) => {
                let mut letters = known;
                bind(&mut letters.vectors[*n], value, leaf(value) == Some(Leaf::Vector))?;
                Some(letters)
            }
            Pattern::Scalar(n) => {
                let mut letters = known;
                bind(&mut letters.scalars[*n], value, leaf(value) == Some(Leaf::Scalar))?;
                Some(letters)
            }
            Pattern::Op(op, patterns) => {
                let is_op =
                    matches!(inst.op, LaneOp::Elementwise(found, of) if found.strict() == *op && of == dtype);
                if !is_op {
                    return None;
                }
                let in_order = |args: &[ValueId]| {
                    args.iter().zip(patterns).try_fold(known, |known, (&arg, pattern)| {
                        pattern.matches(body, arg, dtype, leaf, known)
                    })
                };
                let mut exchanged = inst.args.clone();
                let commutes = op.has(Fact::Commutative) || *op == ElementwiseOp::Fma;
                if commutes {
                    exchanged.swap(0, 1);
                }
                in_order(&inst.args).or_else(|| if commutes { in_order(&exchanged) } else { None })
            }
            Pattern::Sum(_) => None,
        }
    }
}

/// Has a letter stand for a value, if it is of the letter's kind and the letter stands for nothing else.
fn bind(letter: &mut Option<ValueId>, value: ValueId, is_of_kind: bool) -> Option<()> {
    (is_of_kind && *letter.get_or_insert(value) == value).then_some(())
}

/// A reader of formulas: sums of products of atoms.
struct Parser {
    formula: &'static str,
    rest: &'static str,
}

impl Parser {
    fn sum(&mut self) -> Pattern {
        let mut left = self.product();
        loop {
            let op = match self.next_of("+-") {
                Some('+') => ElementwiseOp::Add,
                Some(_) => ElementwiseOp::Subtract,
                None => return left,
            };
            left = Pattern::Op(op, vec![left, self.product()]);
        }
    }

    fn product(&mut self) -> Pattern {
        let mut left = self.atom();
        loop {
            let op = match self.next_of("*/") {
                Some('*') => ElementwiseOp::Multiply,
                Some(_) => ElementwiseOp::Divide,
                None => return left,
            };
            left = Pattern::Op(op, vec![left, self.atom()]);
        }
    }

    fn atom(&mut self) -> Pattern {
        if self.next_of("(").is_some() {
            let inner = self.sum();
            self.expect(")");
            return inner;
        }
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        if self.next_of("(").is_none() {
            return match name {
                "a" | "b" | "c" | "d" => Pattern::Vector(usize::from(name.as_bytes()[0] - b'a')),
                "s" | "t" => Pattern::Scalar(usize::from(name.as_bytes()[0] - b's')),
                name => unreachable!("{}: what is {name}?", self.formula),
            };
        }
        let mut operands = vec![self.sum()];
        while self.next_of(",").is_some() {
            operands.push(self.sum());
        }
        self.expect(")");
        match (name, ElementwiseOp::from_name(name)) {
            ("sum", _) => Pattern::Sum(Box::new(operands.remove(0))),
            (_, Some(op)) if op.arity() == operands.len() => Pattern::Op(op, operands),
            _ => unreachable!("{}: {name} is no op of {} operands", self.formula, operands.len()),
        }
    }

    fn expect(&mut self, one: &str) {
        assert!(self.next_of(one).is_some(), "{}: {one} is missing before {}", self.formula, self.rest);
    }

    /// The next character, if it is one of these.
    fn next_of(&mut self, any: &str) -> Option<char> {
        self.rest = self.rest.trim_start();
        let next = self.rest.chars().next().filter(|&c| any.contains(c))?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accelerate::entry::ENTRIES;

    #[test]
    fn formulas_are_read_with_their_usual_precedence() {
        use ElementwiseOp::{Add, Fma, Multiply, Subtract};
        let [a, b, c] = [0, 1, 2].map(Pattern::Vector);
        let product = Pattern::Op(Multiply, vec![b.clone(), Pattern::Scalar(0)]);
        let sum = Pattern::Op(Add, vec![a.clone(), product]);
        assert_eq!(Pattern::parse("a + b * s - c"), Pattern::Op(Subtract, vec![sum, c.clone()]));
        let difference = Pattern::Op(Subtract, vec![a.clone(), b.clone()]);
        let squares = Pattern::Op(Multiply, vec![difference.clone(), difference]);
        assert_eq!(Pattern::parse("sum((a - b) * (a - b))"), Pattern::Sum(Box::new(squares)));
        assert_eq!(Pattern::parse("fma(a, b, c)").plain_op(), Some(Fma));
        assert_eq!(Pattern::parse("fma(b, a, c)").plain_op(), None);
    }

    #[test]
    fn every_formula_of_the_table_uses_the_letters_of_its_shape() {
        for entry in ENTRIES.iter() {
            for form in &entry.forms {
                let (mut vectors, mut scalars) = ([false; MOST_SOURCES], [false; MOST_SCALARS]);
                let mut seen = vec![&form.pattern];
                while let Some(pattern) = seen.pop() {
                    match pattern {
                        Pattern::Vector(n) => vectors[*n] = true,
                        Pattern::Scalar(n) => scalars[*n] = true,
                        Pattern::Op(_, operands) => seen.extend(operands),
                        Pattern::Sum(of) => seen.push(of),
                    }
                }
                let all =
                    |used: &[bool], count| used.iter().enumerate().all(|(n, &used)| used == (n < count));
                assert!(all(&vectors, entry.shape.sources()), "{entry:?}");
                let passed = form.scalars.split_whitespace().count();
                assert!(passed == 0 || passed == entry.shape.scalars(), "{entry:?}");
                assert!(passed > 0 || all(&scalars, entry.shape.scalars()), "{entry:?}");
                assert!(form.pattern.plain_op().is_some() || !entry.shape.is_force(), "{entry:?}");
            }
        }
    }
}
