//! The text form of a graph, read. What it looks like is said in `print.rs`.
//!
//! Any word may name a value (`%mean`); names become ids by position. Values are defined before they are used. Spaces
//! and line ends only separate, `// comments` are skipped. A type after an op (`: f32[8]`) is checked against the
//! inferred one. Operands are checked by the typing rules, and what is wrong is reported with the op's position.
//! Regions and slots are read as they stand: whether they are sensible is for [`verify`](crate::verify()), which
//! [`load`] calls. A node read by `load` knows its line.

mod cursor;
mod lexer;
mod literal;

use rustc_hash::FxHashMap;

pub(crate) use self::cursor::Cursor;
use self::cursor::suggestion;
use self::lexer::Token;
pub(crate) use self::lexer::is_word_char;
use crate::{
    Destination, Dims, ElementwiseOp, Encoding, Graph, Layout, LibraryOp, NodeId, Op, Operands, Output,
    Parameter, ParseError, Part, Placement, ReduceOp, RegionId, Slot, Source, Strides, Type, verify,
};

type Result<T> = std::result::Result<T, ParseError>;

/// Reads one graph.
///
/// ```
/// let graph = raptors_ir::parse("graph @double(%x: f32[4]) { %y = add %x, %x  return %y }")?;
/// assert_eq!(graph.to_string(), "graph @double(%0: f32[4]) {\n  %1 = add %0, %0\n  return %1\n}\n");
/// let error = raptors_ir::parse("graph @double(%x: f32[4]) {\n  %y = ad %x, %x\n}").unwrap_err();
/// assert_eq!(error.to_string(), "2:8: `ad` is not an op, did you mean `add`?");
/// # Ok::<(), raptors_ir::ParseError>(())
/// ```
pub fn parse(text: &str) -> Result<Graph> {
    GraphText::default().whole(text).map(|(graph, _)| graph)
}

/// Reads one graph and verifies it, so that whatever is wrong with it has a line and a column.
///
/// `file` is what the sources of the nodes have as their file; their positions are lines, from 1. Without it nodes
/// have no source.
///
/// ```
/// let error = raptors_ir::load("graph @f(%x: f32[8] scalar) {\n  return %x\n}", None).unwrap_err();
/// assert_eq!(error.to_string(), "1:10: f32[8] is passed by value, only 0-d parameters can be");
/// # Ok::<(), raptors_ir::ParseError>(())
/// ```
pub fn load(text: &str, file: Option<u32>) -> Result<Graph> {
    let (graph, offsets) = GraphText { file, ..GraphText::default() }.whole(text)?;
    verify(&graph).map_err(|error| {
        let offset = offsets.get(error.node.index()).copied().unwrap_or(0);
        lexer::Lexer::new(text).error(offset, error.problem)
    })?;
    Ok(graph)
}

/// Reads the operands and attributes of an op.
type Form = fn(&mut GraphText, &mut Cursor<'_>) -> Result<(Op, Operands)>;

/// Ops that are neither elementwise nor reductions.
const FORMS: &[(&str, Form)] = &[
    ("constant", |_, cursor| Ok((Op::Constant(literal::literal(cursor)?), Operands::new()))),
    ("iota", |_, cursor| Ok((Op::Iota(cursor.unsigned()?), Operands::new()))),
    ("where", |text, cursor| Ok((Op::Where, text.operands(cursor)?))),
    ("cast", |text, cursor| {
        let operands = text.operands(cursor)?;
        Ok((Op::Cast(cursor.dtype()?), operands))
    }),
    ("complex", |text, cursor| Ok((Op::Complex, text.operands(cursor)?))),
    ("part", |text, cursor| {
        let operands = text.operands(cursor)?;
        for part in Part::ALL {
            if cursor.accept_word(part.name())? {
                return Ok((Op::Part(part), operands));
            }
        }
        Err(cursor.unexpected("`real` or `imag`"))
    }),
    ("slice", |text, cursor| {
        let operands = text.operands(cursor)?;
        Ok((Op::Slice(cursor.list(Cursor::dim_slice)?), operands))
    }),
    ("reshape", |text, cursor| {
        let operands = text.operands(cursor)?;
        Ok((Op::Reshape(cursor.shape()?), operands))
    }),
    ("permute", |text, cursor| {
        let operands = text.operands(cursor)?;
        Ok((Op::Permute(cursor.list(Cursor::unsigned)?.into()), operands))
    }),
    ("broadcast", |text, cursor| {
        let operands = text.operands(cursor)?;
        Ok((Op::Broadcast(cursor.shape()?), operands))
    }),
    ("matmul", |text, cursor| Ok((Op::Matmul, text.operands(cursor)?))),
    ("concat", |text, cursor| {
        let operands = text.operands(cursor)?;
        cursor.expect_word("axis")?;
        Ok((Op::Concat(cursor.unsigned()?), operands))
    }),
    ("copy", |text, cursor| Ok((Op::Copy, text.operands(cursor)?))),
];

/// The graph so far.
#[derive(Default)]
struct GraphText {
    graph: Graph,
    names: FxHashMap<String, NodeId>,
    /// A node's region, and the byte offset where that is said.
    regions: Vec<(NodeId, RegionId, usize)>,
    slots: Vec<(NodeId, Slot)>,
    buffers: Vec<usize>,
    arena: usize,
    /// The byte offset where each node is defined.
    offsets: Vec<usize>,
    /// The file of the nodes' sources.
    file: Option<u32>,
    /// Line ends before a byte offset, and that offset.
    lines: (u32, usize),
}

impl GraphText {
    /// The graph that is all of a text, and the byte offset where each node is defined.
    fn whole(self, text: &str) -> Result<(Graph, Vec<usize>)> {
        let mut cursor = Cursor::new(text)?;
        let read = self.read(&mut cursor)?;
        match cursor.token {
            Token::End => Ok(read),
            _ => Err(cursor.unexpected("nothing after the graph")),
        }
    }

    fn read(mut self, cursor: &mut Cursor<'_>) -> Result<(Graph, Vec<usize>)> {
        cursor.expect_word("graph")?;
        self.graph = Graph::new(&cursor.graph_name()?);
        cursor.expect('(')?;
        while !cursor.accept(')')? {
            self.parameter(cursor)?;
            if !cursor.accept(',')? && cursor.token != Token::Punctuation(')') {
                return Err(cursor.unexpected("`,` or `)` after a parameter"));
            }
        }
        cursor.expect('{')?;
        while let Token::Value(name) = cursor.token {
            self.statement(cursor, name)?;
        }
        if cursor.accept_word("buffers")? {
            self.buffers = cursor.list(Cursor::unsigned)?;
        }
        if cursor.accept_word("arena")? {
            self.arena = cursor.unsigned()?;
        }
        if !cursor.accept_word("return")? {
            return Err(cursor.unexpected("`%name = op …`, `buffers […]`, `arena …` or `return`"));
        }
        if let Token::Value(_) = cursor.token {
            self.output(cursor)?;
            while cursor.accept(',')? {
                self.output(cursor)?;
            }
        }
        cursor.expect('}')?;
        self.finish(cursor)
    }

    fn finish(mut self, cursor: &Cursor<'_>) -> Result<(Graph, Vec<usize>)> {
        let len = self.graph.len();
        let mut regions: Vec<Vec<NodeId>> = Vec::new();
        for (node, region, offset) in self.regions {
            let index = region.0 as usize;
            if index >= len {
                let problem = format!("found region {region}, but the graph has {len} nodes");
                return Err(cursor.error_at(offset, problem));
            }
            if regions.len() <= index {
                regions.resize(index + 1, Vec::new());
            }
            regions[index].push(node);
        }
        self.graph.set_regions(regions);
        if !self.slots.is_empty() || !self.buffers.is_empty() || self.arena > 0 {
            let mut slots = vec![None; len];
            for (node, slot) in self.slots {
                slots[node.index()] = Some(slot);
            }
            self.graph.set_placement(Placement { slots, buffers: self.buffers, arena: self.arena });
        }
        Ok((self.graph, self.offsets))
    }

    /// `%1: f32[4] strides [8] swapped donated`.
    fn parameter(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let Token::Value(name) = cursor.token else { return Err(cursor.unexpected("a parameter or `)`")) };
        let start = cursor.offset;
        cursor.advance()?;
        cursor.expect(':')?;
        let ty = Type { dtype: cursor.dtype()?, shape: cursor.shape()? };
        let layout = if cursor.accept_word("scalar")? {
            Layout::Scalar
        } else if cursor.accept_word("strides")? {
            let strides = Strides::from_vec(cursor.list(Cursor::signed)?);
            let encoding = if cursor.accept_word("swapped")? {
                Encoding::Swapped
            } else if cursor.accept_word("unaligned")? {
                Encoding::Unaligned
            } else {
                Encoding::Native
            };
            Layout::Strided { strides, encoding }
        } else {
            Layout::RowMajor
        };
        let donated = cursor.accept_word("donated")?;
        let source = self.source(cursor, start);
        let id = self.graph.push_parameter(Parameter { ty, layout, donated }, source);
        self.name(cursor, start, name, id)
    }

    /// `%2 = add %0, %1: f32[8] in r0 -> b1`.
    fn statement(&mut self, cursor: &mut Cursor<'_>, name: &str) -> Result<()> {
        let start = cursor.offset;
        cursor.advance()?;
        cursor.expect('=')?;
        let op_offset = cursor.offset;
        let (op, operands) = self.op(cursor)?;
        let source = self.source(cursor, start);
        let id = self
            .graph
            .push(op, &operands, source)
            .map_err(|error| cursor.error_at(op_offset, error.to_string()))?;
        self.check_type(cursor, id)?;
        if cursor.accept_word("in")? {
            let offset = cursor.offset;
            self.regions.push((id, cursor.region()?, offset));
        }
        if cursor.token == Token::Arrow {
            cursor.advance()?;
            self.slots.push((id, cursor.slot()?));
        }
        self.name(cursor, start, name, id)
    }

    fn op(&mut self, cursor: &mut Cursor<'_>) -> Result<(Op, Operands)> {
        let Token::Word(name) = cursor.token else { return Err(cursor.unexpected("an op")) };
        let offset = cursor.offset;
        cursor.advance()?;
        if let Some((_, form)) = FORMS.iter().find(|(form, _)| *form == name) {
            return form(self, cursor);
        }
        if let Some(op) = ElementwiseOp::from_name(name) {
            return Ok((Op::Elementwise(op), self.operands(cursor)?));
        }
        if let Some(op) = ReduceOp::from_name(name) {
            let operands = self.operands(cursor)?;
            cursor.expect_word("axes")?;
            return Ok((Op::Reduce(op, Dims::from_vec(cursor.list(Cursor::unsigned)?)), operands));
        }
        if LibraryOp::NAMES.contains(&name) {
            let operands = self.operands(cursor)?;
            if let Some(op) = LibraryOp::read(name, cursor) {
                return Ok((Op::Library(op?), operands));
            }
        }
        let names = FORMS.iter().map(|(form, _)| *form);
        let names = names.chain(ElementwiseOp::ALL.iter().map(|op| op.name()));
        let names = names.chain(ReduceOp::ALL.iter().map(|op| op.name()));
        let names = names.chain(LibraryOp::NAMES.iter().copied());
        Err(cursor.error_at(offset, format!("`{name}` is not an op{}", suggestion(name, names))))
    }

    /// `: f32[8]` where it is given; after a constant's dtype only `[]`.
    fn check_type(&self, cursor: &mut Cursor<'_>, id: NodeId) -> Result<()> {
        let inferred = &self.graph.node(id).ty;
        let start = cursor.offset;
        let stated = match self.graph.op(id) {
            Op::Constant(_) if cursor.token != Token::Punctuation('[') => return Ok(()),
            Op::Constant(_) => Type { dtype: inferred.dtype, shape: cursor.shape()? },
            _ if !cursor.accept(':')? => return Ok(()),
            _ => Type { dtype: cursor.dtype()?, shape: cursor.shape()? },
        };
        if stated == *inferred {
            return Ok(());
        }
        Err(cursor.error_at(start, format!("found the type {stated}, but the operands give {inferred}")))
    }

    fn operands(&mut self, cursor: &mut Cursor<'_>) -> Result<Operands> {
        let mut operands = Operands::new();
        loop {
            operands.push(self.value(cursor)?);
            if !cursor.accept(',')? {
                return Ok(operands);
            }
        }
    }

    fn value(&self, cursor: &mut Cursor<'_>) -> Result<NodeId> {
        let Token::Value(name) = cursor.token else { return Err(cursor.unexpected("a value: `%name`")) };
        let Some(&id) = self.names.get(name) else {
            return Err(cursor.error_at(cursor.offset, format!("`%{name}` is not defined before this line")));
        };
        cursor.advance()?;
        Ok(id)
    }

    /// `%8 into %3`.
    fn output(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let node = self.value(cursor)?;
        let mut destination = Destination::Fresh;
        if cursor.accept_word("into")? {
            let offset = cursor.offset;
            destination = if cursor.accept_word("out")? {
                Destination::Provided
            } else if let Token::Value(name) = cursor.token {
                let Op::Parameter(n) = *self.graph.op(self.value(cursor)?) else {
                    return Err(cursor
                        .error_at(offset, format!("found `%{name}`, expected a parameter after `into`")));
                };
                Destination::Parameter(n)
            } else {
                return Err(cursor.unexpected("`out` or a parameter after `into`"));
            };
        }
        self.graph.push_output(Output { node, destination });
        Ok(())
    }

    /// The source of a node that is defined at `offset`, further on than those before.
    fn source(&mut self, cursor: &Cursor<'_>, offset: usize) -> Option<Source> {
        let file = self.file?;
        let (lines, counted) = &mut self.lines;
        *lines += cursor.line_ends(*counted..offset) as u32;
        *counted = offset;
        Some(Source { file, position: 1 + *lines })
    }

    fn name(&mut self, cursor: &Cursor<'_>, offset: usize, name: &str, id: NodeId) -> Result<()> {
        self.offsets.push(offset);
        match self.names.insert(name.to_owned(), id) {
            None => Ok(()),
            Some(_) => Err(cursor.error_at(offset, format!("`%{name}` is defined twice"))),
        }
    }
}
