//! The logarithm of gamma near its zeros left of 0, for one number, in sums of two `f64`.
//!
//! `1 / gamma(x)` is a polynomial from 1 to 2, where it is an entire function's Taylor series about 1.5 to 2^-109, times
//! the numbers in between, and the logarithm is that of a number near 1. The neighbours of the zeros are within 0.7 ULP,
//! as measured; beyond -18 there is no `f64` near enough to a zero.

/// A number as the sum of two, the second within half an ULP of the first.
type Pair = (f64, f64);

/// `1 / gamma(1.5 + t)`, of `t`.
const RECIPROCAL_GAMMA: [Pair; 33] = [
    (std::f64::consts::FRAC_2_SQRT_PI, 1.533545961316588e-17),
    (-0.0411745264452831, -3.3752130157375745e-18),
    (-0.5266544355255445, -6.112036385608127e-18),
    (0.17510202604393457, -1.0657471268514412e-17),
    (0.050966860247706074, 3.1247224718944427e-18),
    (-0.042155169368535604, 3.0976342103734477e-18),
    (0.006612897826824127, 3.573455638859823e-19),
    (0.002120731442572938, 1.3781297975220145e-19),
    (-0.0011107302545948906, -9.753454144222531e-20),
    (0.00015235762076747688, -1.0906520861329338e-20),
    (2.5355204923814165e-05, 4.893956349690275e-22),
    (-1.3896805717913756e-05, 2.1533543121307036e-22),
    (2.1562032905141724e-06, 8.714226745633228e-23),
    (5.7942640540526726e-08, -7.454341938541845e-25),
    (-8.913551118311116e-08, -3.639776989356635e-24),
    (1.7103469415915374e-08, 1.1274857846497739e-25),
    (-9.313686445241901e-10, -3.474969316158858e-26),
    (-2.6804741033496623e-10, -2.3612584194639298e-26),
    (7.458932233316326e-11, 2.4373478754056218e-27),
    (-8.012807061414718e-12, -7.570390468804759e-28),
    (-8.382343033451855e-14, 3.885823863175652e-30),
    (1.6946340904320522e-13, 2.2653509452158334e-30),
    (-2.7875756707125753e-14, 6.524116911441165e-31),
    (1.8670394695065306e-15, -4.254392590878746e-32),
    (1.3049499008587988e-16, -9.270238560188959e-33),
    (-4.8588741441877864e-17, -1.339620604759889e-33),
    (5.829542692459468e-18, -7.523759917630262e-35),
    (-2.592909417993784e-19, 4.8295929078260184e-36),
    (-3.326754010285789e-20, 1.6251345689863235e-36),
    (7.944961635768106e-21, -3.661196591132274e-37),
    (-7.755543288437357e-22, -3.001439691199397e-38),
    (2.5533736291329696e-23, 1.0788765942473458e-40),
    (4.274520160147173e-24, 2.7654689015952895e-40),
];

/// `log |gamma(x)|` where it is within 1/2 of 0 and `x` is from -20 to -2.
pub(super) fn lgamma_about_root(x: f64) -> f64 {
    let (high, low) = reciprocal_gamma(x);
    let size = if high < 0.0 { (-high, -low) } else { (high, low) };
    let beyond = two_sum(size.0 - 1.0, size.1);
    -log_of_one_more(beyond)
}

/// `1 / gamma(x)` for `x` from -20 to -2.
fn reciprocal_gamma(x: f64) -> Pair {
    let steps = 1.0 - x.floor();
    let start = two_sum(x, steps);
    let t = two_sum(start.0 - 1.5, start.1);
    let mut value = RECIPROCAL_GAMMA.iter().rev().fold((0.0, 0.0), |sum, c| add(*c, multiply(sum, t)));
    let mut step = 0.0;
    while step < steps {
        value = multiply(value, two_sum(x, step));
        step += 1.0;
    }
    value
}

/// `log(1 + x)`, for `x` from -0.4 to 0.7.
fn log_of_one_more(x: Pair) -> f64 {
    // log(1 + x) = 2 atanh(s), s = x / (2 + x).
    let s = divide(x, two_sum(2.0 + x.0, x.1 + ((2.0 - (2.0 + x.0)) + x.0)));
    // The cube's term to twice the precision; the rest begins with 2/5 s^5.
    let square = multiply(s, s);
    let cube = multiply(square, s);
    let third = multiply(cube, (0.6666666666666666, 3.700743415417188e-17));
    let series =
        (2..20).rev().fold(0.0, |sum: f64, k| sum.mul_add(square.0, 2.0 / (2.0 * f64::from(k) + 1.0)));
    let rest = cube.0 * square.0 * series;
    let twice = (2.0 * s.0, 2.0 * s.1);
    let sum = add(twice, third);
    sum.0 + (sum.1 + rest)
}

fn two_sum(x: f64, y: f64) -> Pair {
    let sum = x + y;
    let part = sum - x;
    (sum, (x - (sum - part)) + (y - part))
}

fn add(x: Pair, y: Pair) -> Pair {
    let (high, rest) = two_sum(x.0, y.0);
    let (low, lowest) = two_sum(x.1, y.1);
    let (high, rest) = two_sum(high, rest + low);
    two_sum(high, rest + lowest)
}

fn multiply(x: Pair, y: Pair) -> Pair {
    let high = x.0 * y.0;
    let low = x.0.mul_add(y.0, -high) + x.0.mul_add(y.1, x.1 * y.0);
    two_sum(high, low)
}

fn divide(x: Pair, y: Pair) -> Pair {
    let high = x.0 / y.0;
    let rest = (-high).mul_add(y.0, x.0) + (-high).mul_add(y.1, x.1);
    two_sum(high, rest / y.0)
}
