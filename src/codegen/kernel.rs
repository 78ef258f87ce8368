//! Stand-in.
use super::vector::evaluate::evaluate;
use super::vector::{Step, VectorOp, VectorProgram};
use crate::runtime::level::Level;

#[repr(C)]
pub(crate) struct KernelArgs {
    pub(crate) rows: usize,
    pub(crate) lanes: usize,
    pub(crate) position: i64,
    pub(crate) pool: *const u64,
    pub(crate) streams: *const StreamArgs,
}
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamArgs {
    pub(crate) base: *mut u8,
    pub(crate) row_stride: isize,
}
#[derive(Clone, Debug)]
pub(crate) struct Kernel(std::sync::Arc<VectorProgram>);

pub(crate) fn kernel(program: &VectorProgram, _level: Level) -> Result<Kernel, String> {
    if std::env::var_os("STUB").is_none() {
        return Err("stub".into());
    }
    if program.accumulations.iter().any(|a| program.ty(a.value) == super::vector::Type::Mask) {
        return Err("no".into());
    }
    Ok(Kernel(std::sync::Arc::new(program.clone())))
}

impl Kernel {
    pub(crate) unsafe fn run(&self, args: &KernelArgs) {
        use super::vector::{Combine, Type};
        use crate::kernels::reduce;
        use raptors_ir::{DType, ReduceOp};
        let p = &self.0;
        let mut accs: Vec<Vec<u8>> = vec![Vec::new(); p.accumulations.len()];
        for row in 0..args.rows {
            accs.iter_mut().for_each(|a| a.clear());
            for lane in 0..args.lanes {
                let mut values: Vec<u64> = Vec::new();
                let at = |s: usize, lane: usize| unsafe {
                    let st = &*args.streams.add(s);
                    let l = if p.streams[s].step == Step::Unit { lane } else { 0 };
                    st.base.offset(row as isize * st.row_stride).add(l * p.streams[s].ty.size())
                };
                for inst in &p.insts {
                    let a: Vec<u64> = inst.args.iter().map(|x| values[x.index()]).collect();
                    values.push(match inst.op {
                        VectorOp::Load(s) => {
                            let mut b = [0u8; 8];
                            unsafe {
                                at(s.index(), lane).copy_to_nonoverlapping(b.as_mut_ptr(), inst.ty.size())
                            };
                            u64::from_le_bytes(b)
                        }
                        VectorOp::Splat(n) => {
                            let w = unsafe { *args.pool.add(n as usize) };
                            if inst.ty.size() == 8 { w } else { w & ((1 << (8 * inst.ty.size())) - 1) }
                        }
                        VectorOp::Position => (args.position + lane as i64) as u64,
                        op => evaluate(
                            op,
                            inst.args.last().map_or(inst.ty, |x| p.ty(*x)),
                            inst.ty,
                            &a,
                            &p.rares,
                        ),
                    });
                }
                for (v, s) in &p.stores {
                    let b = values[v.index()].to_le_bytes();
                    unsafe {
                        at(s.index(), lane).copy_from_nonoverlapping(b.as_ptr(), p.ty(*v).size());
                    }
                }
                for (n, a) in p.accumulations.iter().enumerate() {
                    accs[n].extend(&values[a.value.index()].to_le_bytes()[..p.ty(a.value).size()]);
                }
            }
            for (n, a) in p.accumulations.iter().enumerate() {
                let (op, signed) = match a.combine {
                    Combine::Add => (ReduceOp::Sum, false),
                    Combine::Mul => (ReduceOp::Prod, false),
                    Combine::Min => (ReduceOp::Min, false),
                    Combine::Max => (ReduceOp::Max, false),
                    Combine::MinSigned => (ReduceOp::Min, true),
                    Combine::MaxSigned => (ReduceOp::Max, true),
                    Combine::MinUnsigned => (ReduceOp::Min, false),
                    Combine::MaxUnsigned => (ReduceOp::Max, false),
                };
                let dt = match (p.ty(a.value), signed) {
                    (Type::I8, true) => DType::I8,
                    (Type::I8, _) => DType::U8,
                    (Type::I16, true) => DType::I16,
                    (Type::I16, _) => DType::U16,
                    (Type::I32, true) => DType::I32,
                    (Type::I32, _) => DType::U32,
                    (Type::I64, true) => DType::I64,
                    (Type::I64, _) => DType::U64,
                    (Type::F32, _) => DType::F32,
                    (Type::F64, _) => DType::F64,
                    _ => unreachable!(),
                };
                assert!(args.lanes <= reduce::block(dt));
                let k = reduce::reduce(op, dt, Level::Baseline).unwrap();
                unsafe {
                    let st = &*args.streams.add(a.target.index());
                    (k.row)(accs[n].as_ptr(), args.lanes, st.base.offset(row as isize * st.row_stride));
                }
            }
        }
    }
}
