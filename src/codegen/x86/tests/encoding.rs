//! Every instruction, encoded and decoded again by iced-x86: mnemonic, registers, memory, and the memory's
//! size.

use iced_x86::{Decoder, DecoderOptions, Instruction, OpKind, Register};

use crate::codegen::x86::encoder::{Arithmetic, Assembler, Condition, Gpr, Masking, Memory, Operand};
use crate::codegen::x86::opcode::{ALL, Opcode};

/// The mnemonic in an encoding and the vector lengths it has there; none if it is not used in it.
fn expected(name: &str, evex: bool) -> Option<(String, &'static [usize])> {
    const ANY: &[usize] = &[16, 32, 64];
    const SHORT: &[usize] = &[16, 32];
    let base = name.split('_').next().unwrap_or(name).to_lowercase();
    let (vex, evex_name, lengths): (Option<&str>, Option<&str>, &[usize]) = match name {
        "VMOVD_LOAD" | "VMOVD_STORE" => (Some("vmovd"), Some("vmovd"), &[16]),
        "VMOVQ_LOAD" | "VMOVQ_STORE" | "VMOVQ_FROM_GPR" => (Some("vmovq"), Some("vmovq"), &[16]),
        "VPEXTRB" => (Some("vpextrb"), Some("vpextrb"), &[16]),
        "VPEXTRW" => (Some("vpextrw"), Some("vpextrw"), &[16]),
        "VROUNDPS" => (Some("vroundps"), Some("vrndscaleps"), ANY),
        "VROUNDPD" => (Some("vroundpd"), Some("vrndscalepd"), ANY),
        "VPAND" => (Some("vpand"), Some("vpandd"), ANY),
        "VPANDN" => (Some("vpandn"), Some("vpandnd"), ANY),
        "VPOR" => (Some("vpor"), Some("vpord"), ANY),
        "VPXOR" => (Some("vpxor"), Some("vpxord"), ANY),
        "VPANDQ" => (Some("vpand"), Some("vpandq"), ANY),
        "VPANDNQ" => (Some("vpandn"), Some("vpandnq"), ANY),
        "VPORQ" => (Some("vpor"), Some("vporq"), ANY),
        "VPXORQ" => (Some("vpxor"), Some("vpxorq"), ANY),
        "SHIFT_W" => (Some("vpsllw"), Some("vpsllw"), ANY),
        "SHIFT_D" => (Some("vpslld"), Some("vpslld"), ANY),
        "SHIFT_Q" => (Some("vpsllq"), Some("vpsllq"), ANY),
        "VPSRAQ_IMM" => (None, Some("vpsraq"), ANY),
        "VFMADDPS" => (Some("vfmadd132ps"), Some("vfmadd132ps"), ANY),
        "VFMADDPD" => (Some("vfmadd132pd"), Some("vfmadd132pd"), ANY),
        "VFMSUBPS" => (Some("vfmsub132ps"), Some("vfmsub132ps"), ANY),
        "VFMSUBPD" => (Some("vfmsub132pd"), Some("vfmsub132pd"), ANY),
        "VFNMADDPS" => (Some("vfnmadd132ps"), Some("vfnmadd132ps"), ANY),
        "VFNMADDPD" => (Some("vfnmadd132pd"), Some("vfnmadd132pd"), ANY),
        "VFNMSUBPS" => (Some("vfnmsub132ps"), Some("vfnmsub132ps"), ANY),
        "VFNMSUBPD" => (Some("vfnmsub132pd"), Some("vfnmsub132pd"), ANY),
        "VPERMQ" => (Some("vpermq"), Some("vpermq"), &[32]),
        "VPERMPS" => (Some("vpermps"), Some("vpermps"), &[32]),
        "VPERMPD" => (None, Some("vpermpd"), &[32, 64]),
        "VEXTRACT128" => (Some("vextracti128"), Some("vextracti32x4"), &[32]),
        "VEXTRACT256" => (None, Some("vextracti64x4"), &[64]),
        "VCVTTPD2DQ" | "VCVTPD2PS" => (Some(&base), Some(&base), ANY),
        "KAND" => (Some("kandq"), None, &[32]),
        "KANDN" => (Some("kandnq"), None, &[32]),
        "KOR" => (Some("korq"), None, &[32]),
        "KXOR" => (Some("kxorq"), None, &[32]),
        "KMOV_LOAD" | "KMOV_STORE" | "KMOV_FROM_GPR" | "KMOV_TO_GPR" => (Some("kmovq"), None, &[16]),
        "KORTESTB" | "KORTESTW" | "KORTESTD" | "KORTESTQ" => (Some(&base), None, &[16]),
        "VPBLENDVB" | "VBLENDVPS" | "VBLENDVPD" | "VPTEST" | "VMOVMSKPS" | "VMOVMSKPD" => {
            (Some(&base), None, SHORT)
        }
        name if name.starts_with("VPCMPEQ") || name.starts_with("VPCMPGT") => (Some(&base), None, SHORT),
        name if name.starts_with("VMOVDQU")
            || name.starts_with("VPCMP")
            || name.starts_with("VPBLENDM")
            || name.starts_with("VSCALEF")
            || name.starts_with("VGET")
            || matches!(name, "VPMULLQ" | "VPMINSQ" | "VPMINUQ" | "VPMAXSQ" | "VPMAXUQ" | "VPSRAVQ")
            || matches!(name, "VPSLLVW" | "VPSRLVW" | "VPSRAVW")
            || matches!(name, "VPMOVWB" | "VPMOVDB" | "VPMOVQB" | "VPMOVDW" | "VPMOVQW" | "VPMOVQD")
            || matches!(name, "VCVTQQ2PS" | "VCVTQQ2PD" | "VCVTTPS2QQ" | "VCVTTPD2QQ") =>
        {
            (None, Some(&base), ANY)
        }
        _ => (Some(&base), Some(&base), ANY),
    };
    let name = if evex { evex_name } else { vex };
    let lengths = if evex || lengths != ANY { lengths } else { SHORT };
    name.map(|name| (name.to_owned(), lengths))
}

/// The number of a register within its class.
fn number(register: Register) -> Option<u8> {
    if register == Register::None {
        None
    } else if register.is_gpr() || register.is_vector_register() || register.is_k() {
        Some(register.number() as u8)
    } else {
        None
    }
}

fn decode(code: &[u8]) -> Instruction {
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let instruction = decoder.decode();
    assert!(!instruction.is_invalid() && instruction.len() == code.len(), "{code:02x?}: {instruction:?}");
    instruction
}

struct Case {
    opcode: Opcode,
    evex: bool,
    bytes: usize,
    reg: u8,
    vvvv: u8,
    operand: Operand,
    masking: Masking,
    imm: Option<u8>,
}

impl Case {
    fn encode(&self) -> Vec<u8> {
        let mut asm = Assembler::new();
        let Case { opcode, bytes, reg, vvvv, operand, masking, imm, .. } = *self;
        if self.evex {
            asm.evex(opcode, bytes, reg, vvvv, operand, masking, imm);
        } else {
            asm.vex(opcode, bytes == 32, reg, vvvv, operand, imm);
        }
        asm.finish(&[])
    }
}

/// Whether the instruction has an immediate, as iced knows it.
fn takes_immediate(name: &str) -> bool {
    name.starts_with("VCMP")
        || matches!(
            name,
            "VROUNDPS"
                | "VROUNDPD"
                | "VCVTPS2PH"
                | "VGETMANTPS"
                | "VGETMANTPD"
                | "VPSHUFD"
                | "VSHUFPS"
                | "VPERMQ"
                | "VEXTRACT128"
                | "VEXTRACT256"
                | "VPEXTRB"
                | "VPEXTRW"
        )
        || matches!(name, "VPBLENDVB" | "VBLENDVPS" | "VBLENDVPD" | "VPSRAQ_IMM" | "VPSRLDQ")
        || name.starts_with("SHIFT")
        || matches!(
            name,
            "VPCMPB" | "VPCMPUB" | "VPCMPW" | "VPCMPUW" | "VPCMPD" | "VPCMPUD" | "VPCMPQ" | "VPCMPUQ"
        )
}

#[test]
fn every_vector_instruction_decodes_to_what_was_meant() {
    let mut checked = 0;
    for &(name, opcode) in ALL {
        for evex in [false, true] {
            let Some((mnemonic, lengths)) = expected(name, evex) else { continue };
            for &bytes in lengths {
                checked += check_forms(name, opcode, evex, bytes, &mnemonic);
            }
        }
    }
    assert!(checked > 3000, "only {checked} instructions");
}

fn check_forms(name: &str, opcode: Opcode, evex: bool, bytes: usize, mnemonic: &str) -> usize {
    let is_mask_op = name.starts_with('K');
    let registers: &[u8] = match (is_mask_op, evex) {
        (true, _) => &[0, 1, 3, 7],
        (false, false) => &[0, 5, 8, 15],
        (false, true) => &[0, 5, 13, 20, 31],
    };
    let is_shift = name.starts_with("SHIFT") || matches!(name, "VPSRAQ_IMM" | "VPSRLDQ");
    let is_to_mask = evex && (name.starts_with("VPCMP") || name.starts_with("VCMPP"));
    let has_general =
        matches!(name, "VMOVMSKPS" | "VMOVMSKPD" | "KMOV_TO_GPR" | "KMOV_FROM_GPR" | "VMOVQ_FROM_GPR");
    let imm = takes_immediate(name).then_some(0x20);
    let memories = [
        Memory::at(Gpr::RSP, 0),
        Memory::at(Gpr(13), 0),
        Memory::at(Gpr::RDI, 64),
        Memory::at(Gpr::RBX, -24),
        Memory::at(Gpr(12), 4096),
        Memory::indexed(Gpr(9), Gpr::RAX, 8, 0),
        Memory::indexed(Gpr::RBP, Gpr(14), 4, 320),
        Memory::indexed(Gpr::RSI, Gpr::RCX, 1, 1000),
    ];
    let mut checked = 0;
    let three = is_three_operand(name);
    for &reg in registers {
        for &rm in registers {
            let reg = match name {
                "SHIFT_W" | "SHIFT_D" | "SHIFT_Q" => 6,
                "VPSRAQ_IMM" => 4,
                "VPSRLDQ" => 3,
                _ if is_to_mask => reg & 7,
                _ if has_general => reg & 7,
                _ => reg,
            };
            let rm = if has_general { rm & 7 } else { rm };
            let vvvv = if three || is_shift { registers[(usize::from(rm) + 1) % registers.len()] } else { 0 };
            let only_memory = matches!(
                name,
                "KMOV_STORE" | "VPEXTRB" | "VPEXTRW" | "VMOVD_LOAD" | "VMOVD_STORE" | "VMOVNTPS"
            );
            let mut operands: Vec<Operand> = Vec::new();
            if !only_memory {
                operands.push(Operand::Register(rm));
            }
            let is_register_only = has_general && name != "VMOVQ_FROM_GPR"
                || name.starts_with("KAND")
                || matches!(name, "KOR" | "KXOR")
                || name.starts_with("KORTEST")
                || is_shift && !evex
                || matches!(name, "VPMOVWB" | "VPMOVDB" | "VPMOVQB" | "VPMOVDW" | "VPMOVQW" | "VPMOVQD");
            if !is_register_only {
                operands.extend(memories.map(Operand::Memory));
                if evex && opcode.broadcasts() {
                    operands.extend(memories.map(Operand::Broadcast));
                }
            }
            for operand in operands {
                let masking = Masking::None;
                let case = Case { opcode, evex, bytes, reg, vvvv, operand, masking, imm };
                let code = case.encode();
                let instruction = decode(&code);
                let decoded = format!("{:?}", instruction.mnemonic()).to_lowercase();
                assert_eq!(decoded, mnemonic, "{name} {bytes} {operand:?} {code:02x?}");
                check_operands(name, &case, &instruction, three, is_shift);
                checked += 1;
            }
        }
    }
    checked
}

/// Whether the instruction has a register operand in vvvv beside two others.
fn is_three_operand(name: &str) -> bool {
    let two = name.starts_with("VMOV")
        || name.starts_with("VPBROADCAST")
        || name.starts_with("VSQRT")
        || name.starts_with("VROUND")
        || name.starts_with("VGET")
        || name.starts_with("VCVT")
        || name.starts_with("VPMOV")
        || name.starts_with("VEXTRACT")
        || name.starts_with("VPEXTR")
        || name.starts_with("KMOV")
        || name.starts_with("KORTEST")
        || name.starts_with("SHIFT")
        || matches!(name, "VPTEST" | "VPERMQ" | "VPSHUFD" | "VPSRAQ_IMM" | "VPSRLDQ");
    !two
}

fn check_operands(name: &str, case: &Case, instruction: &Instruction, three: bool, is_shift: bool) {
    let context = || format!("{name} {:?}: {instruction:?}", case.operand);
    let mut expected = vec![];
    if !is_shift {
        expected.push(case.reg);
    }
    if three || is_shift {
        expected.push(case.vvvv);
    }
    if let Operand::Register(rm) = case.operand {
        expected.push(rm);
    }
    if name.contains("BLENDV") {
        expected.push(2);
    }
    let mut actual: Vec<u8> = (0..instruction.op_count())
        .filter(|&n| instruction.op_kind(n) == OpKind::Register)
        .filter_map(|n| number(instruction.op_register(n)))
        .collect();
    expected.sort_unstable();
    actual.sort_unstable();
    assert_eq!(actual, expected, "{}", context());
    let (memory, is_broadcast) = match case.operand {
        Operand::Register(_) => return,
        Operand::Memory(memory) => (memory, false),
        Operand::Broadcast(memory) => (memory, true),
    };
    assert_eq!(instruction.is_broadcast(), is_broadcast, "{}", context());
    assert_eq!(instruction.memory_displacement64() as i32, memory.displacement, "{}", context());
    let index = memory.index.map(|(index, _)| index.0);
    assert_eq!(number(instruction.memory_index()), index, "{}", context());
    if let Some((_, scale)) = memory.index {
        assert_eq!(instruction.memory_index_scale(), 1 << scale, "{}", context());
    }
    let bytes = if is_broadcast { case.opcode.element() } else { case.opcode.memory_bytes(case.bytes) };
    // The masks of `kmov` are 8 bytes.
    let bytes = if name.starts_with("KMOV") { 8 } else { bytes };
    assert_eq!(instruction.memory_size().size(), bytes, "{}", context());
}

#[test]
fn masks_decode_to_what_was_meant() {
    for (masking, zeroing, register) in [
        (Masking::Merge(1), false, Register::K1),
        (Masking::Merge(7), false, Register::K7),
        (Masking::Zero(3), true, Register::K3),
    ] {
        let opcode = crate::codegen::x86::opcode::VADDPD;
        let operand = Operand::Broadcast(Memory::at(Gpr::RDX, 8));
        let case = Case { opcode, evex: true, bytes: 64, reg: 17, vvvv: 18, operand, masking, imm: None };
        let instruction = decode(&case.encode());
        assert_eq!(instruction.op_mask(), register);
        assert_eq!(instruction.zeroing_masking(), zeroing);
        assert_eq!(instruction.merging_masking(), !zeroing);
    }
}

#[test]
fn general_instructions_decode_to_what_was_meant() {
    let registers = [Gpr::RAX, Gpr::RBP, Gpr::RSI, Gpr(8), Gpr(12), Gpr(13), Gpr(15)];
    let names = ["rax", "rbp", "rsi", "r8", "r12", "r13", "r15"];
    let text = |write: &dyn Fn(&mut Assembler)| {
        let mut asm = Assembler::new();
        write(&mut asm);
        format!("{}", decode(&asm.finish(&[])))
    };
    for (to, x) in registers.into_iter().zip(names) {
        for (from, y) in registers.into_iter().zip(names) {
            assert_eq!(text(&|asm| asm.mov(to, from)), format!("mov {x},{y}"));
            assert_eq!(text(&|asm| asm.load(to, Memory::at(from, 16))), format!("mov {x},[{y}+10h]"));
            assert_eq!(text(&|asm| asm.store(Memory::at(to, 128), from)), format!("mov [{x}+80h],{y}"));
            let names = [(Arithmetic::Add, "add"), (Arithmetic::And, "and")];
            let more = [(Arithmetic::Sub, "sub"), (Arithmetic::Xor, "xor"), (Arithmetic::Cmp, "cmp")];
            for (op, name) in names.into_iter().chain(more) {
                assert_eq!(text(&|asm| asm.arithmetic(op, to, from)), format!("{name} {x},{y}"));
                let memory = Memory::at(from, 8);
                assert_eq!(text(&|asm| asm.arithmetic_memory(op, to, memory)), format!("{name} {x},[{y}+8]"));
                assert_eq!(
                    text(&|asm| asm.arithmetic_to_memory(op, memory, to)),
                    format!("{name} [{y}+8],{x}")
                );
            }
            assert_eq!(text(&|asm| asm.mov_if(Condition::Below, to, from)), format!("cmovb {x},{y}"));
            let memory = Memory::indexed(to, from, 4, -8);
            assert_eq!(text(&|asm| asm.lea(Gpr::RCX, memory)), format!("lea rcx,[{x}+{y}*4-8]"));
        }
        assert_eq!(text(&|asm| asm.push(to)), format!("push {x}"));
        assert_eq!(text(&|asm| asm.pop(to)), format!("pop {x}"));
        assert_eq!(text(&|asm| asm.call(to)), format!("call {x}"));
        assert_eq!(text(&|asm| asm.mov_immediate(to, 7)), format!("mov {x},7"));
        assert_eq!(text(&|asm| asm.mov_address(to, 1 << 40)), format!("mov {x},10000000000h"));
        assert_eq!(text(&|asm| asm.shift_left(to, 3)), format!("shl {x},3"));
        assert_eq!(text(&|asm| asm.shift_right(to, 3)), format!("shr {x},3"));
        assert_eq!(text(&|asm| asm.shift_right_by_cl(to)), format!("shr {x},cl"));
        assert_eq!(text(&|asm| asm.test_immediate(to, 16)), format!("test {x},10h"));
        let compared = text(&|asm| {
            asm.arithmetic_immediate(Arithmetic::Cmp, to, 1000);
        });
        assert_eq!(compared, format!("cmp {x},3E8h"));
        let memory = Memory::at(to, 8);
        let compared = text(&|asm| asm.arithmetic_memory_immediate(Arithmetic::Sub, memory, 1));
        assert_eq!(compared, format!("sub qword ptr [{x}+8],1"));
        assert_eq!(text(&|asm| asm.store_immediate(memory, 2)), format!("mov qword ptr [{x}+8],2"));
        assert_eq!(text(&|asm| asm.load_bytes(Gpr::RDX, memory, 1)), format!("movzx edx,byte ptr [{x}+8]"));
        assert_eq!(text(&|asm| asm.load_bytes(Gpr::RDX, memory, 2)), format!("movzx edx,word ptr [{x}+8]"));
        assert_eq!(text(&|asm| asm.load_bytes(Gpr::RDX, memory, 4)), format!("mov edx,[{x}+8]"));
        assert_eq!(text(&|asm| asm.load_bytes(Gpr::RDX, memory, 8)), format!("mov rdx,[{x}+8]"));
        assert_eq!(text(&|asm| asm.store_bytes(memory, Gpr::RDX, 1)), format!("mov [{x}+8],dl"));
        assert_eq!(text(&|asm| asm.store_bytes(memory, Gpr::RDX, 2)), format!("mov [{x}+8],dx"));
        assert_eq!(text(&|asm| asm.store_bytes(memory, Gpr::RDX, 4)), format!("mov [{x}+8],edx"));
        assert_eq!(text(&|asm| asm.store_bytes(memory, Gpr::RDX, 8)), format!("mov [{x}+8],rdx"));
    }
    assert_eq!(text(&|asm| asm.ret()), "ret");
    assert_eq!(text(&|asm| asm.sfence()), "sfence");
    assert_eq!(text(&|asm| asm.vzeroupper()), "vzeroupper");
}

#[test]
fn jumps_and_constants_are_found() {
    let mut asm = Assembler::new();
    let (top, end) = (asm.label(), asm.label());
    asm.align(32);
    asm.place(top);
    asm.jump_if(Condition::BelowEqual, end);
    let opcode = crate::codegen::x86::opcode::VPSHUFB;
    asm.vex(opcode, true, 3, 4, Operand::Memory(Memory::constant(32)), None);
    asm.jump(top);
    asm.place(end);
    asm.call_label(top);
    let used = asm.position();
    let code = asm.finish(&[7; 64]);
    let lines: Vec<Instruction> =
        Decoder::with_ip(64, &code[..used], 0, DecoderOptions::NONE).iter().collect();
    assert_eq!(lines[0].near_branch_target(), lines[3].ip());
    assert_eq!(lines[1].ip_rel_memory_address(), used.next_multiple_of(64) as u64 + 32);
    assert_eq!(lines[2].near_branch_target(), 0);
    assert_eq!(lines[3].near_branch_target(), 0);
    for missing in 1..64 {
        let mut asm = Assembler::new();
        (0..missing).for_each(|_| asm.ret());
        asm.align(64);
        let code = asm.finish(&[]);
        assert_eq!(code.len(), 64);
        let decoder = Decoder::with_ip(64, &code[missing..], 0, DecoderOptions::NONE);
        assert!(decoder.into_iter().all(|nop| format!("{:?}", nop.mnemonic()) == "Nop"));
    }
}
