//! The vector instructions that kernels are made of, by mnemonic.
//!
//! A row is what the two encodings need: prefix, map, opcode byte, the bit W in each of them, and how much
//! memory an operand has. Where VEX ignores W, its bit here is 0.

/// How many bytes a memory operand has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tuple {
    /// A whole vector, or in EVEX one element of 4 or 8 bytes for all lanes.
    Full,
    /// A whole vector.
    Whole,
    /// Half a vector; in EVEX also one element of 4 bytes.
    Half,
    /// Half a vector.
    HalfWhole,
    /// A quarter of one.
    Quarter,
    /// An eighth of one.
    Eighth,
    /// So many bytes.
    Bytes(u8),
}

/// An instruction, apart from its operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Opcode {
    /// 0, 1, 2, 3 for none, 66, F3, F2.
    pub(super) pp: u8,
    /// 1, 2, 3 for 0F, 0F38, 0F3A.
    pub(super) map: u8,
    pub(super) opcode: u8,
    /// W in EVEX.
    pub(super) w: u8,
    /// W in VEX.
    pub(super) vex_w: u8,
    pub(super) tuple: Tuple,
}

impl Opcode {
    /// Bytes of a memory operand that is not broadcast, if the instruction is of `vector` bytes.
    pub(super) fn memory_bytes(self, vector: usize) -> usize {
        match self.tuple {
            Tuple::Full | Tuple::Whole => vector,
            Tuple::Half | Tuple::HalfWhole => vector / 2,
            Tuple::Quarter => vector / 4,
            Tuple::Eighth => vector / 8,
            Tuple::Bytes(bytes) => usize::from(bytes),
        }
    }

    /// Bytes of an element that is broadcast.
    pub(super) fn element(self) -> usize {
        match (self.tuple, self.w) {
            (Tuple::Half, _) | (_, 0) => 4,
            _ => 8,
        }
    }

    /// Whether EVEX can broadcast an element of the memory operand.
    pub(super) fn broadcasts(self) -> bool {
        matches!(self.tuple, Tuple::Full | Tuple::Half)
    }

    /// W set in both encodings.
    const fn wide(mut self) -> Opcode {
        self.w = 1;
        self.vex_w = 1;
        self
    }

    /// W set in EVEX.
    const fn evex_wide(mut self) -> Opcode {
        self.w = 1;
        self
    }

    const fn with(mut self, tuple: Tuple) -> Opcode {
        self.tuple = tuple;
        self
    }

    const fn whole(self) -> Opcode {
        self.with(Tuple::Whole)
    }
}

const fn row(pp: u8, map: u8, opcode: u8) -> Opcode {
    Opcode { pp, map, opcode, w: 0, vex_w: 0, tuple: Tuple::Full }
}

macro_rules! opcodes {
    ($($name:ident = $row:expr;)*) => {
        $(pub(super) const $name: Opcode = $row;)*

        /// Every row, with its name.
        #[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
        pub(super) const ALL: &[(&str, Opcode)] = &[$((stringify!($name), $name)),*];
    };
}

opcodes! {
    // Moves.
    VMOVUPS_LOAD = row(0, 1, 0x10).whole();
    VMOVUPS_STORE = row(0, 1, 0x11).whole();
    VMOVAPS = row(0, 1, 0x28).whole();
    VMOVNTPS = row(0, 1, 0x2b).whole();
    VMOVDQU8_LOAD = row(3, 1, 0x6f).whole();
    VMOVDQU8_STORE = row(3, 1, 0x7f).whole();
    VMOVDQU16_LOAD = row(3, 1, 0x6f).evex_wide().whole();
    VMOVDQU16_STORE = row(3, 1, 0x7f).evex_wide().whole();
    VMOVDQU32_LOAD = row(2, 1, 0x6f).whole();
    VMOVDQU32_STORE = row(2, 1, 0x7f).whole();
    VMOVDQU64_LOAD = row(2, 1, 0x6f).evex_wide().whole();
    VMOVDQU64_STORE = row(2, 1, 0x7f).evex_wide().whole();
    VMOVD_LOAD = row(1, 1, 0x6e).with(Tuple::Bytes(4));
    VMOVD_STORE = row(1, 1, 0x7e).with(Tuple::Bytes(4));
    VMOVQ_LOAD = row(2, 1, 0x7e).evex_wide().with(Tuple::Bytes(8));
    VMOVQ_STORE = row(1, 1, 0xd6).evex_wide().with(Tuple::Bytes(8));
    VMOVQ_FROM_GPR = row(1, 1, 0x6e).wide().with(Tuple::Bytes(8));
    VPEXTRB = row(1, 3, 0x14).with(Tuple::Bytes(1));
    VPEXTRW = row(1, 3, 0x15).with(Tuple::Bytes(2));
    VPBROADCASTB = row(1, 2, 0x78).with(Tuple::Bytes(1));
    VPBROADCASTW = row(1, 2, 0x79).with(Tuple::Bytes(2));
    VPBROADCASTD = row(1, 2, 0x58).with(Tuple::Bytes(4));
    VPBROADCASTQ = row(1, 2, 0x59).evex_wide().with(Tuple::Bytes(8));

    // Floats.
    VADDPS = row(0, 1, 0x58);
    VADDPD = row(1, 1, 0x58).evex_wide();
    VSUBPS = row(0, 1, 0x5c);
    VSUBPD = row(1, 1, 0x5c).evex_wide();
    VMULPS = row(0, 1, 0x59);
    VMULPD = row(1, 1, 0x59).evex_wide();
    VDIVPS = row(0, 1, 0x5e);
    VDIVPD = row(1, 1, 0x5e).evex_wide();
    VMINPS = row(0, 1, 0x5d);
    VMINPD = row(1, 1, 0x5d).evex_wide();
    VMAXPS = row(0, 1, 0x5f);
    VMAXPD = row(1, 1, 0x5f).evex_wide();
    VSQRTPS = row(0, 1, 0x51);
    VSQRTPD = row(1, 1, 0x51).evex_wide();
    VCMPPS = row(0, 1, 0xc2);
    VCMPPD = row(1, 1, 0xc2).evex_wide();
    // In EVEX these are vrndscaleps and vrndscalepd.
    VROUNDPS = row(1, 3, 0x08);
    VROUNDPD = row(1, 3, 0x09).evex_wide();
    VSCALEFPS = row(1, 2, 0x2c);
    VSCALEFPD = row(1, 2, 0x2c).evex_wide();
    VGETEXPPS = row(1, 2, 0x42);
    VGETEXPPD = row(1, 2, 0x42).evex_wide();
    VGETMANTPS = row(1, 3, 0x26);
    VGETMANTPD = row(1, 3, 0x26).evex_wide();
    // The 132 forms; 213 is 0x10 further, 231 0x20.
    VFMADDPS = row(1, 2, 0x98);
    VFMADDPD = row(1, 2, 0x98).wide();
    VFMSUBPS = row(1, 2, 0x9a);
    VFMSUBPD = row(1, 2, 0x9a).wide();
    VFNMADDPS = row(1, 2, 0x9c);
    VFNMADDPD = row(1, 2, 0x9c).wide();
    VFNMSUBPS = row(1, 2, 0x9e);
    VFNMSUBPD = row(1, 2, 0x9e).wide();

    // Integers.
    VPADDB = row(1, 1, 0xfc).whole();
    VPADDW = row(1, 1, 0xfd).whole();
    VPADDD = row(1, 1, 0xfe);
    VPADDQ = row(1, 1, 0xd4).evex_wide();
    VPSUBB = row(1, 1, 0xf8).whole();
    VPSUBW = row(1, 1, 0xf9).whole();
    VPSUBD = row(1, 1, 0xfa);
    VPSUBQ = row(1, 1, 0xfb).evex_wide();
    VPMULLW = row(1, 1, 0xd5).whole();
    VPMULLD = row(1, 2, 0x40);
    VPMULLQ = row(1, 2, 0x40).evex_wide();
    VPMULUDQ = row(1, 1, 0xf4).evex_wide();
    VPMINSB = row(1, 2, 0x38).whole();
    VPMINSW = row(1, 1, 0xea).whole();
    VPMINSD = row(1, 2, 0x39);
    VPMINSQ = row(1, 2, 0x39).evex_wide();
    VPMINUB = row(1, 1, 0xda).whole();
    VPMINUW = row(1, 2, 0x3a).whole();
    VPMINUD = row(1, 2, 0x3b);
    VPMINUQ = row(1, 2, 0x3b).evex_wide();
    VPMAXSB = row(1, 2, 0x3c).whole();
    VPMAXSW = row(1, 1, 0xee).whole();
    VPMAXSD = row(1, 2, 0x3d);
    VPMAXSQ = row(1, 2, 0x3d).evex_wide();
    VPMAXUB = row(1, 1, 0xde).whole();
    VPMAXUW = row(1, 2, 0x3e).whole();
    VPMAXUD = row(1, 2, 0x3f);
    VPMAXUQ = row(1, 2, 0x3f).evex_wide();
    VPAND = row(1, 1, 0xdb);
    VPANDQ = row(1, 1, 0xdb).evex_wide();
    VPANDN = row(1, 1, 0xdf);
    VPANDNQ = row(1, 1, 0xdf).evex_wide();
    VPOR = row(1, 1, 0xeb);
    VPORQ = row(1, 1, 0xeb).evex_wide();
    VPXOR = row(1, 1, 0xef);
    VPXORQ = row(1, 1, 0xef).evex_wide();

    // Shifts by a constant: the number of the instruction in its group is not here.
    SHIFT_W = row(1, 1, 0x71).whole();
    SHIFT_D = row(1, 1, 0x72);
    SHIFT_Q = row(1, 1, 0x73).evex_wide();
    VPSRAQ_IMM = row(1, 1, 0x72).evex_wide();
    VPSRLDQ = row(1, 1, 0x73).whole();
    // Shifts by lane.
    VPSLLVW = row(1, 2, 0x12).evex_wide().whole();
    VPSRLVW = row(1, 2, 0x10).evex_wide().whole();
    VPSRAVW = row(1, 2, 0x11).evex_wide().whole();
    VPSLLVD = row(1, 2, 0x47);
    VPSLLVQ = row(1, 2, 0x47).wide();
    VPSRLVD = row(1, 2, 0x45);
    VPSRLVQ = row(1, 2, 0x45).wide();
    VPSRAVD = row(1, 2, 0x46);
    VPSRAVQ = row(1, 2, 0x46).evex_wide();

    // Comparisons to a vector.
    VPCMPEQB = row(1, 1, 0x74).whole();
    VPCMPEQW = row(1, 1, 0x75).whole();
    VPCMPEQD = row(1, 1, 0x76).whole();
    VPCMPEQQ = row(1, 2, 0x29).whole();
    VPCMPGTB = row(1, 1, 0x64).whole();
    VPCMPGTW = row(1, 1, 0x65).whole();
    VPCMPGTD = row(1, 1, 0x66).whole();
    VPCMPGTQ = row(1, 2, 0x37).whole();
    VPTEST = row(1, 2, 0x17).whole();
    VMOVMSKPS = row(0, 1, 0x50).whole();
    VMOVMSKPD = row(1, 1, 0x50).whole();
    // Comparisons to a mask register.
    VPCMPB = row(1, 3, 0x3f).whole();
    VPCMPUB = row(1, 3, 0x3e).whole();
    VPCMPW = row(1, 3, 0x3f).evex_wide().whole();
    VPCMPUW = row(1, 3, 0x3e).evex_wide().whole();
    VPCMPD = row(1, 3, 0x1f);
    VPCMPUD = row(1, 3, 0x1e);
    VPCMPQ = row(1, 3, 0x1f).evex_wide();
    VPCMPUQ = row(1, 3, 0x1e).evex_wide();

    // Choices.
    VPBLENDVB = row(1, 3, 0x4c).whole();
    VBLENDVPS = row(1, 3, 0x4a).whole();
    VBLENDVPD = row(1, 3, 0x4b).whole();
    VPBLENDMB = row(1, 2, 0x66).whole();
    VPBLENDMW = row(1, 2, 0x66).evex_wide().whole();
    VPBLENDMD = row(1, 2, 0x64);
    VPBLENDMQ = row(1, 2, 0x64).evex_wide();

    // Conversions.
    VPMOVSXBW = row(1, 2, 0x20).with(Tuple::HalfWhole);
    VPMOVSXBD = row(1, 2, 0x21).with(Tuple::Quarter);
    VPMOVSXBQ = row(1, 2, 0x22).with(Tuple::Eighth);
    VPMOVSXWD = row(1, 2, 0x23).with(Tuple::HalfWhole);
    VPMOVSXWQ = row(1, 2, 0x24).with(Tuple::Quarter);
    VPMOVSXDQ = row(1, 2, 0x25).with(Tuple::HalfWhole);
    VPMOVZXBW = row(1, 2, 0x30).with(Tuple::HalfWhole);
    VPMOVZXBD = row(1, 2, 0x31).with(Tuple::Quarter);
    VPMOVZXBQ = row(1, 2, 0x32).with(Tuple::Eighth);
    VPMOVZXWD = row(1, 2, 0x33).with(Tuple::HalfWhole);
    VPMOVZXWQ = row(1, 2, 0x34).with(Tuple::Quarter);
    VPMOVZXDQ = row(1, 2, 0x35).with(Tuple::HalfWhole);
    VPMOVWB = row(2, 2, 0x30).with(Tuple::HalfWhole);
    VPMOVDB = row(2, 2, 0x31).with(Tuple::Quarter);
    VPMOVQB = row(2, 2, 0x32).with(Tuple::Eighth);
    VPMOVDW = row(2, 2, 0x33).with(Tuple::HalfWhole);
    VPMOVQW = row(2, 2, 0x34).with(Tuple::Quarter);
    VPMOVQD = row(2, 2, 0x35).with(Tuple::HalfWhole);
    VCVTDQ2PS = row(0, 1, 0x5b);
    VCVTDQ2PD = row(2, 1, 0xe6).with(Tuple::Half);
    VCVTQQ2PS = row(0, 1, 0x5b).evex_wide();
    VCVTQQ2PD = row(2, 1, 0xe6).evex_wide();
    VCVTTPS2DQ = row(2, 1, 0x5b);
    VCVTTPD2DQ = row(1, 1, 0xe6).evex_wide();
    VCVTTPS2QQ = row(1, 1, 0x7a).with(Tuple::Half);
    VCVTTPD2QQ = row(1, 1, 0x7a).evex_wide();
    VCVTPS2PD = row(0, 1, 0x5a).with(Tuple::Half);
    VCVTPD2PS = row(1, 1, 0x5a).evex_wide();
    VCVTPH2PS = row(1, 2, 0x13).with(Tuple::HalfWhole);
    // Rounds as its immediate says: 0 is to nearest.
    VCVTPS2PH = row(1, 3, 0x1d).with(Tuple::HalfWhole);

    // Moves across lanes.
    VPSHUFB = row(1, 2, 0x00).whole();
    VPSHUFD = row(1, 1, 0x70);
    VPERMPS = row(1, 2, 0x16);
    VPERMPD = row(1, 2, 0x16).evex_wide();
    VPERMQ = row(1, 3, 0x00).wide();
    VSHUFPS = row(0, 1, 0xc6);
    VUNPCKLPS = row(0, 1, 0x14);
    VUNPCKHPS = row(0, 1, 0x15);
    VUNPCKLPD = row(1, 1, 0x14).evex_wide();
    VUNPCKHPD = row(1, 1, 0x15).evex_wide();
    VPUNPCKLWD = row(1, 1, 0x61).whole();
    VPUNPCKLDQ = row(1, 1, 0x62);
    // To 16 bytes from 32, and to 32 from 64.
    VEXTRACT128 = row(1, 3, 0x39).with(Tuple::Bytes(16));
    VEXTRACT256 = row(1, 3, 0x3b).evex_wide().with(Tuple::Bytes(32));

    // Mask registers, all 64 bits.
    KAND = row(0, 1, 0x41).wide();
    KANDN = row(0, 1, 0x42).wide();
    KOR = row(0, 1, 0x45).wide();
    KXOR = row(0, 1, 0x47).wide();
    KMOV_LOAD = row(0, 1, 0x90).wide();
    KMOV_STORE = row(0, 1, 0x91).wide();
    KMOV_FROM_GPR = row(3, 1, 0x92).wide();
    KMOV_TO_GPR = row(3, 1, 0x93).wide();
    // The low 8, 16, 32 or 64 bits.
    KORTESTB = row(1, 1, 0x98);
    KORTESTW = row(0, 1, 0x98);
    KORTESTD = row(1, 1, 0x98).wide();
    KORTESTQ = row(0, 1, 0x98).wide();
}
