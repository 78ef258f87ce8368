//! Reads a constant's value: the inverse of `Literal`'s `Display`, bit for bit.

use super::Result;
use super::cursor::Cursor;
use super::lexer::Token;
use crate::{BF16, DType, Element, F16, Kind, Literal, dispatch_dtype};

/// A value whose dtype is not known yet.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    /// One number or word: `2.5`, `-inf`, `true`.
    Single(&'a str),
    /// `nan:0x7fc00001`: the bits.
    Nan(u64),
}

/// `2.5: f32`, `nan:0x7fc00001: f32`, `(0.0, -inf): c64`.
pub(super) fn literal(cursor: &mut Cursor<'_>) -> Result<Literal> {
    let start = cursor.offset;
    if cursor.accept('(')? {
        let real = value(cursor)?;
        cursor.expect(',')?;
        let imag = value(cursor)?;
        cursor.expect(')')?;
        cursor.expect(':')?;
        let dtype = cursor.dtype()?;
        let part = match dtype {
            DType::C64 => DType::F32,
            DType::C128 => DType::F64,
            _ => return Err(cursor.error_at(start, format!("found a pair, and {dtype} is not complex"))),
        };
        let (real, imag) = (convert(cursor, start, real, part)?, convert(cursor, start, imag, part)?);
        return Ok(Literal::from_bits(dtype, real | imag << (8 * part.size())));
    }
    let value = value(cursor)?;
    cursor.expect(':')?;
    let dtype = cursor.dtype()?;
    Ok(Literal::from_bits(dtype, convert(cursor, start, value, dtype)?))
}

fn value<'a>(cursor: &mut Cursor<'a>) -> Result<Value<'a>> {
    let text = match cursor.token {
        Token::Number(text) | Token::Word(text) => text,
        _ => return Err(cursor.unexpected("a value")),
    };
    cursor.advance()?;
    // `nan: f32` and `nan:0x7fc00001: f32` begin alike.
    let mut ahead = cursor.clone();
    if text == "nan"
        && ahead.accept(':')?
        && let Token::Number(digits) = ahead.token
    {
        let bits = digits.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let Some(bits) = bits else {
            let problem = format!("found `{digits}`, expected the bits of a NaN, such as 0x7fc00001");
            return Err(ahead.error_at(ahead.offset, problem));
        };
        ahead.advance()?;
        *cursor = ahead;
        return Ok(Value::Nan(bits));
    }
    Ok(Value::Single(text))
}

/// The bits of `value` as a `dtype`.
fn convert(cursor: &Cursor<'_>, start: usize, value: Value<'_>, dtype: DType) -> Result<u128> {
    let bits = match (value, dtype) {
        (Value::Nan(bits), DType::F16) => {
            u16::try_from(bits).ok().filter(|&bits| F16::from_bits(bits).is_nan()).map(u64::from)
        }
        (Value::Nan(bits), DType::BF16) => {
            u16::try_from(bits).ok().filter(|&bits| BF16::from_bits(bits).is_nan()).map(u64::from)
        }
        (Value::Nan(bits), DType::F32) => {
            u32::try_from(bits).ok().filter(|&bits| f32::from_bits(bits).is_nan()).map(u64::from)
        }
        (Value::Nan(bits), DType::F64) => Some(bits).filter(|&bits| f64::from_bits(bits).is_nan()),
        (Value::Nan(_), _) => None,
        (Value::Single(text), DType::Bool) => text.parse::<bool>().ok().map(u64::from),
        (Value::Single(text), DType::F16) => half(text, F16::from_f64),
        (Value::Single(text), DType::BF16) => half(text, BF16::from_f64),
        (Value::Single(text), DType::F32) => float(text).map(f32::to_bits64),
        (Value::Single(text), DType::F64) => float(text).map(f64::to_bits64),
        (Value::Single(text), _) => {
            dispatch_dtype!(dtype, T => integer::<T>(text), complex => None)
        }
    };
    bits.map(u128::from).ok_or_else(|| {
        let value = match value {
            Value::Single(text) => text.to_owned(),
            Value::Nan(bits) => format!("nan:{bits:#x}"),
        };
        cursor.error_at(start, format!("`{value}` is not a value of {dtype}"))
    })
}

/// Digits that overflow to infinity are a mistake, the word `inf` is not.
fn float<T: Element + std::str::FromStr + Into<f64>>(text: &str) -> Option<T> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let value = text.parse::<T>().ok()?;
    let fits = match unsigned {
        "inf" => true,
        "nan" => unsigned == text,
        _ => unsigned.starts_with(|c: char| c.is_ascii_digit()) && value.into().is_finite(),
    };
    fits.then_some(value)
}

/// As [`float`]: digits that round to infinity are a mistake.
fn half<T: Element + Into<f64>>(text: &str, round: fn(f64) -> T) -> Option<u64> {
    let value: f64 = float(text)?;
    let rounded = round(value);
    (rounded.into().is_infinite() == value.is_infinite()).then(|| rounded.to_bits64())
}

fn integer<T: Element>(text: &str) -> Option<u64> {
    let value: i128 = text.parse().ok()?;
    let bits = 8 * T::DTYPE.size() as u32;
    let (low, high) = match T::DTYPE.kind() {
        Kind::Signed => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
        Kind::Bool | Kind::Unsigned | Kind::Float | Kind::Complex => (0, (1i128 << bits) - 1),
    };
    (low..=high).contains(&value).then(|| T::from_bits64(value as u64).to_bits64())
}
