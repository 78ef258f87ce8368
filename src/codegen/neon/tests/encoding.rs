//! Words of general instructions, and how far branches are.
//!
//! The texts were assembled by LLVM 14 once, each on its own: `echo "$text" | llvm-mc -triple=aarch64 -show-encoding`.

use super::vectors::{Kind, VECTORS};
use crate::codegen::neon::encoder::{Assembler, Condition, Data, Gpr};
use crate::codegen::neon::opcode::ALL;

#[test]
fn vector_instructions_have_the_words_of_the_assembler() {
    for &(text, word, opcode, ref kind, [dst, x, y]) in VECTORS {
        let size = || match text.split('.').nth(1).map(|rest| &rest[..rest.len().min(3)]) {
            Some("16b") => 1,
            Some("8h,") => 2,
            Some("4s,") => 4,
            _ => 8,
        };
        let encoded = match kind {
            Kind::Two | Kind::One | Kind::Table | Kind::List => opcode.of(dst, x, y),
            Kind::Ext => opcode.bytes_from(y).of(dst, x, x),
            Kind::Shift if text.starts_with("shl") => opcode.left(size(), y).of(dst, x, 0),
            Kind::Shift => opcode.right(size(), y).of(dst, x, 0),
        };
        assert_eq!(encoded, word, "{text}: {encoded:#010x}, not {word:#010x}");
    }
    for (name, opcode) in ALL {
        assert!(VECTORS.iter().any(|row| row.2 == *opcode), "{name} is not in the table");
    }
}

#[test]
fn general_instructions_have_the_words_of_the_assembler() {
    macro_rules! general {
        ($text:literal, $word:literal, $method:ident($($arg:expr),*)) => {{
            let mut asm = Assembler::new();
            asm.$method($($arg),*);
            assert_eq!(asm.words(), [$word], "{}: {:x?}", $text, asm.words());
        }};
    }
    general!("ldr q3, [x9, #32]", 0x3dc00923, load(Data::Vector(3, 16), Gpr(9), 32));
    general!("ldr d31, [sp, #32760]", 0xfd7fffff, load(Data::Vector(31, 8), Gpr::SP, 32760));
    general!("ldr s0, [x28, #4]", 0xbd400780, load(Data::Vector(0, 4), Gpr(28), 4));
    general!("ldr h7, [x5]", 0x7d4000a7, load(Data::Vector(7, 2), Gpr(5), 0));
    general!("ldr b7, [x5, #4095]", 0x3d7ffca7, load(Data::Vector(7, 1), Gpr(5), 4095));
    general!("str q3, [x9, #65520]", 0x3dbffd23, store(Data::Vector(3, 16), Gpr(9), 65520));
    general!("str d31, [sp, #8]", 0xfd0007ff, store(Data::Vector(31, 8), Gpr::SP, 8));
    general!("str s0, [x28, #4]", 0xbd000780, store(Data::Vector(0, 4), Gpr(28), 4));
    general!("str h7, [x5, #2]", 0x7d0004a7, store(Data::Vector(7, 2), Gpr(5), 2));
    general!("str b7, [x5, #1]", 0x3d0004a7, store(Data::Vector(7, 1), Gpr(5), 1));
    general!("ldr x16, [sp, #24]", 0xf9400ff0, load(Data::General(Gpr(16), 8), Gpr::SP, 24));
    general!("str x2, [x17]", 0xf9000222, store(Data::General(Gpr(2), 8), Gpr(17), 0));
    general!("ldr x7, [x17], #8", 0xf8408627, load_next(Data::General(Gpr(7), 8), Gpr(17)));
    general!("ldr w7, [x17], #4", 0xb8404627, load_next(Data::General(Gpr(7), 4), Gpr(17)));
    general!("ldrh w7, [x17], #2", 0x78402627, load_next(Data::General(Gpr(7), 2), Gpr(17)));
    general!("ldrb w7, [x17], #1", 0x38401627, load_next(Data::General(Gpr(7), 1), Gpr(17)));
    general!("str x7, [x6], #8", 0xf80084c7, store_next(Data::General(Gpr(7), 8), Gpr(6)));
    general!("str w7, [x6], #4", 0xb80044c7, store_next(Data::General(Gpr(7), 4), Gpr(6)));
    general!("strh w7, [x6], #2", 0x780024c7, store_next(Data::General(Gpr(7), 2), Gpr(6)));
    general!("strb w7, [x6], #1", 0x380014c7, store_next(Data::General(Gpr(7), 1), Gpr(6)));
    general!("stp x29, x30, [sp, #-16]!", 0xa9bf7bfd, push_pair(Gpr::FRAME, Gpr::LINK));
    general!("ldp x27, x28, [sp], #16", 0xa8c173fb, pop_pair(Gpr(27), Gpr(28)));
    general!("stp d8, d9, [sp, #-16]!", 0x6dbf27e8, push_vectors(8, 9));
    general!("ldp d14, d15, [sp], #16", 0x6cc13fee, pop_vectors(14, 15));
    general!("mov x3, x17", 0xaa1103e3, mov(Gpr(3), Gpr(17)));
    general!("mov x8, #2", 0xd2800048, mov_immediate(Gpr(8), 2));
    general!("mov x16, #65535", 0xd29ffff0, mov_immediate(Gpr(16), 0xffff));
    general!("mov x29, sp", 0x910003fd, add_immediate(Gpr::FRAME, Gpr::SP, 0));
    general!("add x6, sp, #4095", 0x913fffe6, add_immediate(Gpr(6), Gpr::SP, 4095));
    general!("add x6, x5, #5, lsl #12", 0x914014a6, add_immediate(Gpr(6), Gpr(5), 0x5000));
    general!("sub sp, x29, #144", 0xd10243bf, subtract_immediate(Gpr::SP, Gpr::FRAME, 144));
    general!("sub x16, x16, #1", 0xd1000610, subtract_immediate(Gpr(16), Gpr(16), 1));
    general!("add x16, x9, x6", 0x8b060130, add(Gpr(16), Gpr(9), Gpr(6), 0));
    general!("add x1, x2, x3, lsl #3", 0x8b030c41, add(Gpr(1), Gpr(2), Gpr(3), 3));
    general!("add x16, sp, x16, lsl #2", 0x8b306bf0, add_to_stack(Gpr(16), Gpr(16), 2));
    general!("add x3, sp, x17", 0x8b3163e3, add_to_stack(Gpr(3), Gpr(17), 0));
    general!("sub x9, x9, x16, lsl #2", 0xcb100929, subtract(Gpr(9), Gpr(9), Gpr(16), 2));
    general!("and x16, x1, #127", 0x92401830, low_bits(Gpr(16), Gpr(1), 7));
    general!("and x16, x1, #63", 0x92401430, low_bits(Gpr(16), Gpr(1), 6));
    general!("lsl x16, x2, #3", 0xd37df050, shift_left(Gpr(16), Gpr(2), 3));
    general!("ubfm x16, x2, #0, #63", 0xd340fc50, shift_left(Gpr(16), Gpr(2), 0));
    general!("cmp x6, x17", 0xeb1100df, compare(Gpr(6), Gpr(17)));
    general!("cmp x2, #128", 0xf102005f, compare_immediate(Gpr(2), 128));
    general!("blr x16", 0xd63f0200, call(Gpr(16)));
    general!("ret", 0xd65f03c0, ret());
}

#[test]
fn constants_of_any_size_are_made_of_parts() {
    let mut asm = Assembler::new();
    asm.mov_immediate(Gpr(0), 0x1234_0000_5678_9abc);
    asm.add_immediate(Gpr(6), Gpr::SP, 0x5008);
    asm.subtract_immediate(Gpr(16), Gpr::SP, 0x12_3456);
    asm.add_immediate(Gpr(6), Gpr(6), 0);
    // movz x0, 0x9abc; movk x0, 0x5678, lsl 16; movk x0, 0x1234, lsl 48; add x6, sp, 5, lsl 12; add x6, x6, 8;
    // sub x16, sp, 0x123, lsl 12; sub x16, x16, 0x456
    let expected =
        [0xd293_5780, 0xf2aa_cf00, 0xf2e2_4680, 0x9140_17e6, 0x9100_20c6, 0xd144_8ff0, 0xd111_5a10];
    assert_eq!(asm.words(), expected, "{:x?}", asm.words());
}

#[test]
fn branches_go_where_their_labels_are() {
    let mut asm = Assembler::new();
    let (top, done) = (asm.label(), asm.label());
    asm.place(top);
    asm.constants(Gpr(5));
    asm.branch(done);
    asm.branch_if(Condition::Below, done);
    asm.branch_if(Condition::AboveEqual, top);
    asm.branch_if_zero(Gpr(2), done);
    asm.branch_unless_zero(Gpr(8), top);
    asm.branch_if_clear(Gpr(16), 3, done);
    asm.call_label(top);
    asm.align(3);
    asm.place(done);
    asm.ret();
    let Some(bytes) = asm.finish(&[1]) else { panic!("a branch is too long") };
    let words: Vec<u32> = bytes[..40]
        .chunks(4)
        .map(|word| word.iter().rev().fold(0, |bits, &byte| bits << 8 | u32::from(byte)))
        .collect();
    // adr x5, 64; b 36; b.lo 36; b.hs 0; cbz x2, 36; cbnz x8, 0; tbz x16, 3, 36; bl 0; nop; ret
    let expected = [
        0x1000_0205,
        0x1400_0008,
        0x5400_00e3,
        0x54ff_ffa2,
        0xb400_00a2,
        0xb5ff_ff68,
        0x3618_0070,
        0x97ff_fff9,
        0xd503_201f,
        0xd65f_03c0,
    ];
    assert_eq!(words, expected, "{words:x?}");
    assert_eq!(bytes.len(), 65);
}

#[test]
fn a_branch_that_is_too_long_is_refused() {
    let mut asm = Assembler::new();
    let far = asm.label();
    asm.branch_if_zero(Gpr(2), far);
    (0..1 << 18).for_each(|_| asm.ret());
    asm.place(far);
    asm.ret();
    assert!(asm.finish(&[]).is_none());
}
