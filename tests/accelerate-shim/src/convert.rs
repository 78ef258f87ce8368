//! vDSP: conversions. Ties are rounded away from zero, and what does not fit is the nearest that does.

use crate::log::{self, Call};

type Stride = isize;
type Length = usize;

macro_rules! conversions {
    ($($name:ident $from:ident $to:ident = $f:expr;)*) => { $(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(a: *const $from, ia: Stride, c: *mut $to, ic: Stride, n: Length) {
            log::add(|| Call {
                name: stringify!($name),
                target: c.addr(),
                sources: vec![a.addr()],
                scalars: Vec::new(),
                len: n,
            });
            assert!(a.is_aligned() && c.is_aligned(), "{}: memory that is not aligned", stringify!($name));
            let f: fn($from) -> $to = $f;
            for i in 0..n as isize {
                // SAFETY: the caller's vectors have `n` elements.
                unsafe { c.offset(i * ic).write(f(a.offset(i * ia).read())) };
            }
        }
    )* };
}

conversions! {
    vDSP_vdpsp f64 f32 = |x| x as f32;
    vDSP_vspdp f32 f64 = f64::from;
    vDSP_vflt32 i32 f32 = |x| x as f32;
    vDSP_vflt32D i32 f64 = f64::from;
    vDSP_vfltu32 u32 f32 = |x| x as f32;
    vDSP_vfltu32D u32 f64 = f64::from;
    vDSP_vflt16 i16 f32 = f32::from;
    vDSP_vflt16D i16 f64 = f64::from;
    vDSP_vfltu16 u16 f32 = f32::from;
    vDSP_vfltu16D u16 f64 = f64::from;
    vDSP_vfltu8 u8 f32 = f32::from;
    vDSP_vfltu8D u8 f64 = f64::from;
    vDSP_vfix32 f32 i32 = |x| x as i32;
    vDSP_vfixr32 f32 i32 = |x| x.round() as i32;
}
