//! The table against the prototypes in `signatures.tsv`, which were taken from the headers of a newer SDK: a
//! line an entry, its name, a tab, and its parameters in C.

use std::collections::BTreeMap;

use raptors::accelerate::raw::{self, Shape};

use crate::support::root;

fn prototypes() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(root().join("tests/accelerate/signatures.tsv")).unwrap();
    text.lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(n, p)| (n.to_owned(), p.to_owned()))
        .collect()
}

/// The parameters of a shape as the headers would write them: types alone, for elements of `t`.
fn expected(shape: Shape, t: &str) -> Vec<String> {
    let vector = [format!("const {t} *"), "vDSP_Stride ".to_owned()];
    let scalar = [format!("const {t} *")];
    let target = [format!("{t} *"), "vDSP_Stride ".to_owned(), "vDSP_Length ".to_owned()];
    let sum = [format!("{t} *"), "vDSP_Length ".to_owned()];
    let [force, read, int] = [format!("{t} *"), format!("const {t} *"), "const int *".to_owned()];
    let parts: Vec<&[String]> = match shape {
        Shape::Vector => vec![&vector, &target],
        Shape::VectorVector | Shape::VectorVectorSwapped => vec![&vector, &vector, &target],
        Shape::VectorScalar => vec![&vector, &scalar, &target],
        Shape::ScalarVector => vec![&scalar, &vector, &target],
        Shape::VectorScalarScalar => vec![&vector, &scalar, &scalar, &target],
        Shape::ThreeVectors => vec![&vector, &vector, &vector, &target],
        Shape::VectorVectorScalar => vec![&vector, &vector, &scalar, &target],
        Shape::VectorScalarVector => vec![&vector, &scalar, &vector, &target],
        Shape::VectorScalarVectorScalar => vec![&vector, &scalar, &vector, &scalar, &target],
        Shape::FourVectors => vec![&vector, &vector, &vector, &vector, &target],
        Shape::Reduce => vec![&vector, &sum],
        Shape::ReduceTwo => vec![&vector, &vector, &sum],
        Shape::Force => return vec![force, read, int],
        Shape::ForceTwo | Shape::ForceTwoSwapped => return vec![force, read.clone(), read, int],
    };
    parts.concat()
}

/// A parameter without its name, and its name.
fn split(parameter: &str) -> (String, &str) {
    let start = parameter.rfind([' ', '*']).unwrap() + 1;
    (parameter[..start].to_owned(), &parameter[start..])
}

#[test]
fn shapes_are_the_signatures_of_the_headers() {
    let prototypes = prototypes();
    for entry in raw::entries() {
        for (name, t) in entry.names.into_iter().zip(["float", "double"]) {
            let parameters: Vec<(String, &str)> = prototypes[name].split(", ").map(split).collect();
            let types: Vec<String> = parameters.iter().map(|(ty, _)| ty.clone()).collect();
            assert_eq!(types, expected(entry.shape, t), "{name}");
            let first = parameters[0].1;
            // Of a difference the headers name the subtrahend B, and have it first.
            let swapped = entry.shape == Shape::VectorVectorSwapped;
            let scalar_first = entry.shape == Shape::ScalarVector;
            assert!(swapped == (first == "B") || scalar_first, "{name}: {first} is first");
        }
    }
}

#[test]
fn conversions_are_those_of_the_headers() {
    let prototypes = prototypes();
    let mut count = 0;
    for (name, from, to) in raw::conversions() {
        let spelled = |dtype: raptors::DType| match dtype.numpy_name() {
            "float32" => "float",
            "float64" => "double",
            "int32" => "int",
            "uint32" => "unsigned int",
            "int16" => "short",
            "uint16" => "unsigned short",
            "uint8" => "unsigned char",
            other => panic!("{other}"),
        };
        let types: Vec<String> = prototypes[name].split(", ").map(|parameter| split(parameter).0).collect();
        let expected =
            format!("const {} *,vDSP_Stride ,{} *,vDSP_Stride ,vDSP_Length ", spelled(from), spelled(to));
        assert_eq!(types.join(","), expected, "{name}");
        count += 1;
    }
    assert_eq!(prototypes.len(), count + 2 * raw::entries().count(), "a prototype that nothing declares");
}

#[test]
fn operands_reach_the_letters_of_the_formula() {
    // 8, 4, 2 and 1 in any formula of sums, differences and products give another number for another order.
    let [a, b, c, d] = [[8.0f32; 4], [4.0; 4], [2.0; 4], [1.0; 4]];
    let sources = [a.as_ptr(), b.as_ptr(), c.as_ptr(), d.as_ptr()];
    let call = |name: &str| {
        let mut target = [f32::NAN; 4];
        // SAFETY: four elements each, apart.
        unsafe { raw::call_f32(name, target.as_mut_ptr(), &sources, [16.0, 32.0], 4).unwrap() };
        target[0]
    };
    let expected = [
        ("vDSP_vsub", 4.0),
        ("vDSP_vdiv", 2.0),
        ("vDSP_svdiv", 2.0),
        ("vDSP_vsdiv", 0.5),
        ("vDSP_vsbm", 8.0),
        ("vDSP_vsbsm", 64.0),
        ("vDSP_vasbm", 12.0),
        ("vDSP_vsbsbm", 4.0),
        ("vDSP_vma", 34.0),
        ("vDSP_vmsb", 30.0),
        ("vDSP_vsma", 132.0),
        ("vDSP_vsmsb", 124.0),
        ("vDSP_vsmsa", 160.0),
        ("vDSP_vmsa", 48.0),
        ("vDSP_vsmsma", 256.0),
        ("vDSP_vmma", 34.0),
        ("vDSP_vmmsb", 30.0),
        ("vvpowf", 4096.0),
        ("vvdivf", 2.0),
        ("vvcopysignf", 8.0),
    ];
    for (name, expected) in expected {
        assert_eq!(call(name), expected, "{name}");
    }
    assert_eq!(call("vvatan2f"), 8.0f64.atan2(4.0) as f32);
}
