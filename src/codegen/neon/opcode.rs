//! The vector instructions that kernels are made of, by mnemonic and elements.
//!
//! A row is the word of an instruction on whole registers whose register numbers are all 0: registers are or-ed into it. The
//! last letter is the size of an element, of what is read where the result's differs. A name without one is of bits, or there
//! is only one size.

/// An instruction, apart from its registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Opcode(pub(super) u32);

/// One opcode for elements of 1, 2, 4 and 8 bytes.
pub(super) type Sizes = [Opcode; 4];

impl Opcode {
    /// The word with its registers.
    pub(super) const fn of(self, dst: u8, x: u8, y: u8) -> u32 {
        self.0 | (y as u32) << 16 | (x as u32) << 5 | dst as u32
    }

    /// A shift to the left of elements of `size` bytes.
    pub(super) const fn left(self, size: usize, count: u8) -> Opcode {
        Opcode(self.0 | (8 * size as u32 + count as u32) << 16)
    }

    /// A shift to the right, by 1 to all bits.
    pub(super) const fn right(self, size: usize, count: u8) -> Opcode {
        Opcode(self.0 | (16 * size as u32 - count as u32) << 16)
    }

    /// [`EXT`] from a byte on.
    pub(super) const fn bytes_from(self, byte: u8) -> Opcode {
        Opcode(self.0 | (byte as u32) << 11)
    }
}

macro_rules! opcodes {
    ($($name:ident = $word:literal;)*) => {
        $(pub(super) const $name: Opcode = Opcode($word);)*

        /// Every row, with its name.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, Opcode)] = &[$((stringify!($name), $name)),*];
    };
}

opcodes! {
    // Floats.
    FADD_S = 0x4e20_d400;
    FADD_D = 0x4e60_d400;
    FSUB_S = 0x4ea0_d400;
    FSUB_D = 0x4ee0_d400;
    FMUL_S = 0x6e20_dc00;
    FMUL_D = 0x6e60_dc00;
    FDIV_S = 0x6e20_fc00;
    FDIV_D = 0x6e60_fc00;
    FMIN_S = 0x4ea0_f400;
    FMIN_D = 0x4ee0_f400;
    FMAX_S = 0x4e20_f400;
    FMAX_D = 0x4e60_f400;
    FCMEQ_S = 0x4e20_e400;
    FCMEQ_D = 0x4e60_e400;
    FCMGE_S = 0x6e20_e400;
    FCMGE_D = 0x6e60_e400;
    FCMGT_S = 0x6ea0_e400;
    FCMGT_D = 0x6ee0_e400;
    FMLA_S = 0x4e20_cc00;
    FMLA_D = 0x4e60_cc00;
    FMLS_S = 0x4ea0_cc00;
    FMLS_D = 0x4ee0_cc00;
    FSQRT_S = 0x6ea1_f800;
    FSQRT_D = 0x6ee1_f800;
    FNEG_S = 0x6ea0_f800;
    FNEG_D = 0x6ee0_f800;
    FRINTN_S = 0x4e21_8800;
    FRINTN_D = 0x4e61_8800;
    FRINTM_S = 0x4e21_9800;
    FRINTM_D = 0x4e61_9800;
    FRINTP_S = 0x4ea1_8800;
    FRINTP_D = 0x4ee1_8800;
    FRINTZ_S = 0x4ea1_9800;
    FRINTZ_D = 0x4ee1_9800;
    // Integers.
    ADD_B = 0x4e20_8400;
    ADD_H = 0x4e60_8400;
    ADD_S = 0x4ea0_8400;
    ADD_D = 0x4ee0_8400;
    SUB_B = 0x6e20_8400;
    SUB_H = 0x6e60_8400;
    SUB_S = 0x6ea0_8400;
    SUB_D = 0x6ee0_8400;
    MUL_B = 0x4e20_9c00;
    MUL_H = 0x4e60_9c00;
    MUL_S = 0x4ea0_9c00;
    SMIN_B = 0x4e20_6c00;
    SMIN_H = 0x4e60_6c00;
    SMIN_S = 0x4ea0_6c00;
    SMAX_B = 0x4e20_6400;
    SMAX_H = 0x4e60_6400;
    SMAX_S = 0x4ea0_6400;
    UMIN_B = 0x6e20_6c00;
    UMIN_H = 0x6e60_6c00;
    UMIN_S = 0x6ea0_6c00;
    UMAX_B = 0x6e20_6400;
    UMAX_H = 0x6e60_6400;
    UMAX_S = 0x6ea0_6400;
    CMEQ_B = 0x6e20_8c00;
    CMEQ_H = 0x6e60_8c00;
    CMEQ_S = 0x6ea0_8c00;
    CMEQ_D = 0x6ee0_8c00;
    CMGE_B = 0x4e20_3c00;
    CMGE_H = 0x4e60_3c00;
    CMGE_S = 0x4ea0_3c00;
    CMGE_D = 0x4ee0_3c00;
    CMGT_B = 0x4e20_3400;
    CMGT_H = 0x4e60_3400;
    CMGT_S = 0x4ea0_3400;
    CMGT_D = 0x4ee0_3400;
    CMHS_B = 0x6e20_3c00;
    CMHS_H = 0x6e60_3c00;
    CMHS_S = 0x6ea0_3c00;
    CMHS_D = 0x6ee0_3c00;
    CMHI_B = 0x6e20_3400;
    CMHI_H = 0x6e60_3400;
    CMHI_S = 0x6ea0_3400;
    CMHI_D = 0x6ee0_3400;
    SSHL_B = 0x4e20_4400;
    SSHL_H = 0x4e60_4400;
    SSHL_S = 0x4ea0_4400;
    SSHL_D = 0x4ee0_4400;
    USHL_B = 0x6e20_4400;
    USHL_H = 0x6e60_4400;
    USHL_S = 0x6ea0_4400;
    USHL_D = 0x6ee0_4400;
    NEG_B = 0x6e20_b800;
    NEG_H = 0x6e60_b800;
    NEG_S = 0x6ea0_b800;
    NEG_D = 0x6ee0_b800;
    UMAXP_S = 0x6ea0_a400;
    UMLAL = 0x2ea0_8000;
    UADDLP = 0x6ea0_2800;
    REV64 = 0x4ea0_0800;
    // Bits.
    AND = 0x4e20_1c00;
    ORR = 0x4ea0_1c00;
    EOR = 0x6e20_1c00;
    BIC = 0x4e60_1c00;
    ORN = 0x4ee0_1c00;
    BSL = 0x6e60_1c00;
    BIT = 0x6ea0_1c00;
    BIF = 0x6ee0_1c00;
    MVN = 0x6e20_5800;
    // Shifts by a constant: [`Opcode::left`] and [`Opcode::right`] add the count.
    SHL_B = 0x4f00_5400;
    SHL_H = 0x4f00_5400;
    SHL_S = 0x4f00_5400;
    SHL_D = 0x4f00_5400;
    USHR_B = 0x6f00_0400;
    USHR_H = 0x6f00_0400;
    USHR_S = 0x6f00_0400;
    USHR_D = 0x6f00_0400;
    SSHR_B = 0x4f00_0400;
    SSHR_H = 0x4f00_0400;
    SSHR_S = 0x4f00_0400;
    SSHR_D = 0x4f00_0400;
    // Conversions.
    FCVTZS_S = 0x4ea1_b800;
    FCVTZS_D = 0x4ee1_b800;
    SCVTF_S = 0x4e21_d800;
    SCVTF_D = 0x4e61_d800;
    FCVTL_H = 0x0e21_7800;
    FCVTL_S = 0x0e61_7800;
    FCVTN_H = 0x0e21_6800;
    FCVTN_S = 0x0e61_6800;
    XTN_B = 0x0e21_2800;
    XTN_H = 0x0e61_2800;
    XTN_S = 0x0ea1_2800;
    SQXTN = 0x0ea1_4800;
    SXTL_B = 0x0f08_a400;
    SXTL_H = 0x0f10_a400;
    SXTL_S = 0x0f20_a400;
    UXTL_B = 0x2f08_a400;
    UXTL_H = 0x2f10_a400;
    UXTL_S = 0x2f20_a400;
    // Moves across lanes.
    TBL1 = 0x4e00_0000;
    TBL4 = 0x4e00_6000;
    EXT = 0x6e00_0000;
    UZP1_S2 = 0x0e80_1800;
    UZP1_S = 0x4e80_1800;
    UZP1_D = 0x4ec0_1800;
    UZP2_S2 = 0x0e80_5800;
    UZP2_S = 0x4e80_5800;
    UZP2_D = 0x4ec0_5800;
    ZIP1_S2 = 0x0e80_3800;
    ZIP1_S = 0x4e80_3800;
    ZIP1_D = 0x4ec0_3800;
    ZIP2_S2 = 0x0e80_7800;
    ZIP2_S = 0x4e80_7800;
    ZIP2_D = 0x4ec0_7800;
    // Values from elsewhere.
    DUP_X = 0x4e08_0c00;
    MOVI_ZEROS = 0x6f00_e400;
    MOVI_ONES = 0x6f07_e7e0;
    LD1R_B = 0x4d40_c000;
    LD1R_H = 0x4d40_c400;
    LD1R_S = 0x4d40_c800;
    LD1R_D = 0x4d40_cc00;
    LD1_FOUR = 0x4c40_2000;
    FMOV_X = 0x9e66_0000;
}

pub(super) const ADD: Sizes = [ADD_B, ADD_H, ADD_S, ADD_D];
pub(super) const SUB: Sizes = [SUB_B, SUB_H, SUB_S, SUB_D];
pub(super) const CMEQ: Sizes = [CMEQ_B, CMEQ_H, CMEQ_S, CMEQ_D];
pub(super) const CMGT: Sizes = [CMGT_B, CMGT_H, CMGT_S, CMGT_D];
pub(super) const CMGE: Sizes = [CMGE_B, CMGE_H, CMGE_S, CMGE_D];
pub(super) const CMHI: Sizes = [CMHI_B, CMHI_H, CMHI_S, CMHI_D];
pub(super) const CMHS: Sizes = [CMHS_B, CMHS_H, CMHS_S, CMHS_D];
pub(super) const SSHL: Sizes = [SSHL_B, SSHL_H, SSHL_S, SSHL_D];
pub(super) const USHL: Sizes = [USHL_B, USHL_H, USHL_S, USHL_D];
pub(super) const NEG: Sizes = [NEG_B, NEG_H, NEG_S, NEG_D];
pub(super) const SHL: Sizes = [SHL_B, SHL_H, SHL_S, SHL_D];
pub(super) const USHR: Sizes = [USHR_B, USHR_H, USHR_S, USHR_D];
pub(super) const SSHR: Sizes = [SSHR_B, SSHR_H, SSHR_S, SSHR_D];
pub(super) const LD1R: Sizes = [LD1R_B, LD1R_H, LD1R_S, LD1R_D];
/// For elements of 1, 2 and 4 bytes.
pub(super) const MUL: [Opcode; 3] = [MUL_B, MUL_H, MUL_S];
pub(super) const SMIN: [Opcode; 3] = [SMIN_B, SMIN_H, SMIN_S];
pub(super) const SMAX: [Opcode; 3] = [SMAX_B, SMAX_H, SMAX_S];
pub(super) const UMIN: [Opcode; 3] = [UMIN_B, UMIN_H, UMIN_S];
pub(super) const UMAX: [Opcode; 3] = [UMAX_B, UMAX_H, UMAX_S];
/// From elements of 1, 2 and 4 bytes to those of twice the size.
pub(super) const SXTL: [Opcode; 3] = [SXTL_B, SXTL_H, SXTL_S];
pub(super) const UXTL: [Opcode; 3] = [UXTL_B, UXTL_H, UXTL_S];
/// To elements of 1, 2 and 4 bytes from those of twice the size.
pub(super) const XTN: [Opcode; 3] = [XTN_B, XTN_H, XTN_S];
