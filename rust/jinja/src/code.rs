//! A compiled template: statements and expressions with their names resolved to slots.
//!
//! jinja2 makes Python of a template, and the scopes of a template are those of that Python: a
//! function for the template, for each macro, call block, block, loop filter and recursive loop, with
//! a local variable for each name of each scope. A slot here is such a variable, so that macros see
//! the variables around them as Python's closures do.

use crate::filters::Filter;
use crate::operations::{Binary, Comparison, Unary};
use crate::tests::Test;
use num_bigint::BigInt;
use std::sync::Arc;

pub type Name = Arc<str>;
/// The number of a name that is looked up in the context.
pub type NameId = u32;
/// The number of a function in Code::functions.
pub type FunctionId = usize;
/// The number of a list in the pool of constants.
pub type PoolId = usize;

#[derive(Default)]
pub struct Code {
    pub functions: Vec<Function>,
    pub names: Vec<Name>,
    /// The blocks by their names.
    pub blocks: Vec<(Name, FunctionId)>,
    pub pool_size: usize,
    pub has_generation: bool,
}

/// The function of the template itself.
pub const ROOT: FunctionId = 0;

#[derive(Default)]
pub struct Function {
    pub slots: usize,
    pub enter: Vec<Load>,
    pub body: Vec<Statement>,
    /// What a recursive loop does each time it is called, in place of a body.
    pub recursion: Option<Box<Recursion>>,
    /// Where `self` is, if the function uses it; a block has `super` too.
    pub own: Option<u32>,
    pub parent: Option<u32>,
    /// Whether functions within this one may keep its variables.
    pub has_inner: bool,
    /// How deep its statements and expressions are within one another.
    pub height: u32,
}

/// A variable: how many functions outwards, and its slot there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variable {
    pub up: u32,
    pub slot: u32,
}

/// What is set when a scope is entered.
pub enum Load {
    /// A slot of the function takes a value of the context.
    Resolve(u32, NameId),
    /// A slot of the function takes the value of a variable around it.
    Alias(u32, Variable),
    Clear(u32),
}

#[derive(Default)]
pub struct Scope {
    pub enter: Vec<Load>,
    pub leave: Vec<u32>,
}

pub struct Statement {
    pub kind: Node,
    pub line: u32,
}

pub type Body = Vec<Statement>;

pub enum Node {
    Autoescape(Expr, Scope, Body),
    Block(Block),
    Break,
    CallBlock(Box<CallBlock>),
    Continue,
    FilterBlock(Box<FilterBlock>),
    For(Box<For>),
    Generation(Arc<MacroInfo>),
    If(Vec<(Expr, Body)>, Body),
    Macro(Box<MacroDefinition>),
    Output(Vec<Piece>),
    RecursiveFor(Expr, FunctionId),
    /// `extends` and `import`.
    OtherTemplate(Expr),
    Include(Expr, bool),
    Set(Target, Expr, Exports),
    SetBlock(Box<SetBlock>),
    With(Vec<(Target, Expr)>, Scope, Body),
}

pub enum Piece {
    /// A text, and its length in characters.
    Data(Arc<str>, usize),
    Expr(Expr, u32),
}

/// Variables of the template's top level that macros and blocks see through the context.
pub type Exports = Vec<(NameId, Variable)>;

pub enum Target {
    Variable(u32),
    Tuple(Vec<Target>),
    NamespaceAttribute(Variable, Name),
}

pub struct Block {
    pub name: Name,
    /// What a scoped block sees of the scope that it is in.
    pub scoped: Option<Exports>,
    pub required: bool,
}

pub struct SetBlock {
    pub scope: Scope,
    pub body: Body,
    pub target: Target,
    pub filter: Option<Captured>,
    pub exports: Exports,
}

/// An expression over the text of a block, which is in the slot.
pub struct Captured {
    pub slot: u32,
    pub expr: Expr,
}

pub struct FilterBlock {
    pub scope: Scope,
    pub body: Body,
    pub filter: Captured,
}

pub struct For {
    pub over: Expr,
    pub filter: Option<Arc<LoopFilter>>,
    pub pass: Pass,
}

/// A recursive loop, less the iterable.
pub struct Recursion {
    pub filter: Option<Arc<LoopFilter>>,
    pub pass: Pass,
}

/// What a loop does with its iterable.
pub struct Pass {
    pub target: Target,
    /// The slot of `loop`, if it is used.
    pub special: Option<u32>,
    pub scope: Scope,
    pub body: Body,
    pub otherwise: Option<(Scope, Body)>,
}

/// `for target in … if test`
pub struct LoopFilter {
    pub function: FunctionId,
    pub target: Target,
    pub test: Expr,
}

pub struct MacroDefinition {
    pub target: Variable,
    pub export: Option<NameId>,
    pub info: Arc<MacroInfo>,
}

pub struct MacroInfo {
    /// None is a call block's.
    pub name: Option<Name>,
    pub function: FunctionId,
    pub parameters: Vec<Parameter>,
    /// The slots of `caller`, `kwargs` and `varargs`, where the macro uses them.
    pub caller: Option<u32>,
    pub accesses_caller: bool,
    pub kwargs: Option<u32>,
    pub varargs: Option<u32>,
}

pub struct Parameter {
    pub name: Name,
    pub slot: u32,
    pub default: Option<Expr>,
}

pub struct CallBlock {
    pub call: Call,
    pub caller: Arc<MacroInfo>,
}

pub enum Constant {
    None,
    Bool(bool),
    Int(i64),
    Big(Arc<BigInt>),
    Float(f64),
    Str(Arc<str>),
}

pub enum Expr {
    And(Box<(Expr, Expr)>),
    Attribute(Box<Expr>, Name),
    Binary(Binary, Box<(Expr, Expr)>),
    Call(Box<Call>),
    Compare(Box<(Expr, Comparison, Expr)>),
    CompareChain(Box<Expr>, Vec<(Comparison, Expr)>),
    Concat(Vec<Expr>),
    Conditional(Box<Conditional>),
    Constant(Constant),
    Dict(Vec<(Expr, Expr)>),
    Filter(Filter, Box<Applied>),
    Item(Box<(Expr, Expr)>),
    List(Vec<Expr>),
    /// A list or tuple of constants that nothing but a search sees: it is made once a rendering.
    Pooled(PoolId, Box<Expr>),
    Not(Box<Expr>),
    Or(Box<(Expr, Expr)>),
    /// A parameter of a macro or a loop, which always has a value where it is seen.
    Parameter(Variable),
    Slice(Box<(Expr, [Option<Expr>; 3])>),
    /// x + y + z
    Sum(Vec<Expr>),
    Test(Test, Box<Applied>),
    Tuple(Vec<Expr>),
    Unary(Unary, Box<Expr>),
    /// A filter or test that does not exist, where that counts only when it is used.
    Unknown(String, Box<Applied>),
    Variable(Variable, NameId),
}

pub struct Conditional {
    pub test: Expr,
    pub then: Expr,
    pub otherwise: Option<Expr>,
    pub line: u32,
}

pub struct Call {
    pub callee: Callee,
    pub arguments: Arguments,
    pub line: u32,
}

pub enum Callee {
    Method(Expr, Name),
    Value(Expr),
}

pub struct Applied {
    pub to: Expr,
    pub arguments: Arguments,
}

pub struct Arguments {
    pub positional: Vec<Expr>,
    pub named: Vec<(Name, Expr)>,
    pub stars: Option<Box<Stars>>,
}

/// What makes the arguments of a call more than a list.
pub struct Stars {
    pub star: Option<Expr>,
    pub double_star: Option<Expr>,
    /// Names may be given twice: jinja2 builds a dict where a name is a keyword of Python.
    pub overrides: bool,
}
