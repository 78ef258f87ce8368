//! Functions: a kept plan gives what an evaluation gives, for whatever it is bound to.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use raptors::array::Array;
use raptors::function::{Input, Output};
use raptors::ir::{Layout, Literal};
use raptors::{DType, Error, Function, Options, Shape, Tensor, Type, apply_graph, lazy};

use crate::eval::{arguments, elements, leaf};
use crate::support::{Random, random_graph, same};

fn vector(len: usize) -> Type {
    Type { dtype: DType::F64, shape: Shape::new(&[len]).unwrap() }
}

/// An evaluation of the same graph, of the same inputs, gives the same bits; also the second time, of other ones.
#[test]
fn random_functions_give_what_evaluations_give() {
    for seed in 0..1500 {
        let mut random = Random::new(seed);
        let graph = random_graph(&mut random);
        let types: Vec<Type> = graph.parameters().iter().map(|parameter| parameter.ty.clone()).collect();
        let function = Function::new(&types, |x| apply_graph(&graph, x), &Options::default()).unwrap();
        for _ in 0..2 {
            let arguments = arguments(&mut random, &graph);
            let leaves = graph.parameters().iter().zip(&arguments);
            let tensors: Vec<Tensor> =
                leaves.map(|(parameter, elements)| leaf(parameter, elements).eval().unwrap()).collect();
            let inputs: Vec<Input<'_>> = tensors.iter().map(Input::from).collect();
            let results = function.call(&inputs).unwrap();
            let lazies: Vec<Array> = tensors.into_iter().map(Tensor::into_lazy).collect();
            let lazies = apply_graph(&graph, &lazies).unwrap();
            let expected = raptors::eval(&lazies.iter().collect::<Vec<_>>()).unwrap();
            for (result, expected) in results.iter().zip(&expected) {
                assert_eq!(result.shape(), expected.shape());
                let pairs = elements(result).into_iter().zip(elements(expected));
                assert!(pairs.into_iter().all(|(a, b)| same(a, b)), "seed {seed}\n{graph}");
            }
        }
    }
}

#[test]
fn arguments_are_checked() {
    let double = Function::new(&[vector(3)], |x| Ok(vec![&x[0] * 2.0]), &Options::default()).unwrap();
    let (x, short, narrow) = (vec![1.0, 2.0, 3.0], vec![1.0, 2.0], vec![1.0f32, 2.0, 3.0]);
    assert_eq!(double.call(&[(&x).into()]).unwrap()[0].as_slice(), Some(&[2.0, 4.0, 6.0][..]));
    assert!(matches!(double.call(&[]), Err(Error::ArgumentCount { given: 0, needed: 1 })));
    for wrong in [Input::from(&short), Input::from(&narrow), Input::new(&x, &[1, 3]).unwrap(), (&2.5).into()]
    {
        let error = double.call(&[wrong]).unwrap_err();
        assert!(matches!(error, Error::ArgumentMismatch { number: 0, .. }), "{error}");
        assert!(error.to_string().contains("argument 0 is"), "{error}");
    }
    let error = Input::new(&x, &[2, 2]).unwrap_err().to_string();
    assert!(error.contains("3 values do not fill the shape (2, 2)"), "{error}");
}

#[test]
fn what_a_function_holds_is_read_at_each_call() {
    let table = lazy(&[1.0, 2.0, 3.0]);
    let held = table.clone();
    let sum = Function::new(&[vector(3)], |x| Ok(vec![&x[0] + &held]), &Options::default()).unwrap();
    drop((table, held));
    for factor in [1.0, 2.0] {
        let x = vec![factor; 3];
        assert_eq!(sum.call(&[(&x).into()]).unwrap()[0].as_slice::<f64>().unwrap()[2], factor + 3.0);
    }
}

#[test]
fn placeholders_have_no_value() {
    let mut escaped = None;
    let trace = |x: &[Array]| {
        let error = x[0].sum(&[]).item("bool", &Options::default()).unwrap_err();
        assert!(error.to_string().starts_with("bool: there is no value here"), "{error}");
        assert!(matches!(x[0].eval(), Err(Error::NoValue { op: "eval", .. })));
        assert!(x[0].plan().is_err());
        escaped = Some(&x[0] + 1.0);
        Ok(vec![x[0].clone()])
    };
    let identity = Function::new(&[vector(2)], trace, &Options::default()).unwrap();
    assert_eq!(identity.call(&[(&vec![1.0, 2.0]).into()]).unwrap()[0].as_slice(), Some(&[1.0, 2.0][..]));
    assert!(matches!(escaped.unwrap().eval(), Err(Error::NoValue { .. })));
}

#[test]
fn mistakes_are_returned() {
    let wrong = |x: &[Array]| Ok(vec![&x[0] + &x[1]]);
    let error = Function::new(&[vector(2), vector(3)], wrong, &Options::default()).unwrap_err();
    assert!(error.to_string().contains("do not broadcast"), "{error}");
    let options = Options { max_memory: Some(8), ..Options::default() };
    let large = Function::new(&[vector(100)], |x| Ok(vec![&x[0] * 2.5]), &options).unwrap();
    assert!(matches!(large.call(&[(&vec![0.0; 100]).into()]), Err(Error::MemoryLimit { .. })));
}

/// A scalar is given at each call, unless rules look for its value.
#[test]
fn scalars_are_part_of_a_plan_where_rules_look_for_them() {
    let of = |value: f64| {
        let x = Array::memory_placeholder(0, vector(2), Layout::RowMajor, false, None);
        let a = Array::scalar_placeholder(0, Literal::new(value), None);
        let b = Array::scalar_placeholder(1, Literal::new(7.5), None);
        Function::of_results(&[&(&x * &a + &b)], &Options::default()).unwrap()
    };
    let scalars = |a: f64, b: f64| [Literal::new(a), Literal::new(b)];
    let (any, one) = (of(3.5), of(1.0));
    assert!(any.serves(&scalars(4.25, 7.75)) && any.serves(&scalars(f64::NAN, 3.0)));
    for (a, b) in [(1.0, 7.5), (0.0, 7.5), (-0.0, 7.5), (3.5, 2.0)] {
        assert!(!any.serves(&scalars(a, b)), "{a} {b}");
    }
    assert!(one.serves(&scalars(1.0, 9.5)) && !one.serves(&scalars(3.5, 9.5)));
    let mut x = [1.0, 2.0];
    let pointers = [x.as_mut_ptr().cast()];
    for (function, a) in [(&any, 4.25), (&one, 1.0)] {
        // SAFETY: the address is of two row-major doubles, which are not donated.
        let outputs = unsafe { function.run(&pointers, &scalars(a, 9.5)).unwrap() };
        let Output::Tensor(tensor) = &outputs[0] else { panic!("nothing was donated") };
        assert_eq!(tensor.as_slice(), Some(&[a + 9.5, 2.0 * a + 9.5][..]));
    }
}

#[test]
fn donated_arguments_hold_results() {
    let x = Array::memory_placeholder(0, vector(1000), Layout::RowMajor, true, None);
    let function = Function::of_results(&[&(&x * 2.5)], &Options::default()).unwrap();
    let mut memory = vec![2.0; 1000];
    let pointers = [memory.as_mut_ptr().cast()];
    // SAFETY: the address is of a thousand doubles, which nothing else uses.
    let outputs = unsafe { function.run(&pointers, &[]).unwrap() };
    assert!(matches!(&outputs[0], Output::Argument(0, ty) if *ty == vector(1000)));
    assert_eq!(memory, [5.0; 1000]);
}
