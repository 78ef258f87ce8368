//! What the table of ops says of complex numbers, against what the definitions give.

use super::*;
use crate::OnComplex;

#[test]
fn what_an_op_makes_of_complex_numbers_is_what_it_says() {
    for dtype in [DType::C64, DType::C128] {
        for &op in ElementwiseOp::ALL {
            let operands =
                [(0.5, -1.25), (2.0, 0.75), (1.0, 1.0)].map(|(re, im)| Literal::complex(dtype, re, im));
            let expected = match op.on_complex() {
                OnComplex::Complex => Some(dtype),
                OnComplex::Real => Some(dtype.part()),
                OnComplex::Bool => Some(DType::Bool),
                OnComplex::Refused => None,
            };
            let found = evaluate(op, &operands[..op.arity()]).map(Literal::dtype);
            assert_eq!(found, expected, "{} of {dtype}", op.name());
            assert_eq!(op.accepts(dtype), expected.is_some(), "{} of {dtype}", op.name());
        }
    }
}
