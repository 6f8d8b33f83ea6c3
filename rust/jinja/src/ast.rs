//! A template as it is written: jinja2's nodes, before names are resolved.

use crate::operations::{Binary, Comparison, Unary};
use num_bigint::BigInt;
use std::sync::Arc;

pub type Name = Arc<str>;

#[derive(Clone, Debug)]
pub enum Literal {
    None,
    Bool(bool),
    Integer(BigInt),
    Float(f64),
    Str(Arc<str>),
}

#[derive(Clone, Debug)]
pub enum Expr {
    And(Box<(Expr, Expr)>),
    Attribute(Box<Expr>, Name),
    Binary(Binary, Box<(Expr, Expr)>),
    Call(Box<Call>),
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    Concat(Vec<Expr>),
    Conditional(Box<Conditional>),
    Dict(Vec<(Expr, Expr)>),
    Filter(Box<Applied>),
    Item(Box<(Expr, Expr)>),
    List(Vec<Expr>),
    Literal(Literal),
    Name(Name, u32),
    /// `name.attribute` as the target of an assignment.
    NamespaceAttribute(Name, Name),
    Not(Box<Expr>),
    Or(Box<(Expr, Expr)>),
    /// Only ever the key of an item.
    Slice(Box<[Option<Expr>; 3]>),
    Test(Box<Applied>),
    Tuple(Vec<Expr>),
    Unary(Unary, Box<Expr>),
}

#[derive(Clone, Debug)]
pub struct Conditional {
    pub test: Expr,
    pub then: Expr,
    pub otherwise: Option<Expr>,
    pub line: u32,
}

#[derive(Clone, Debug)]
pub struct Call {
    pub callee: Expr,
    pub arguments: Arguments,
    pub line: u32,
}

/// A filter or a test.
#[derive(Clone, Debug)]
pub struct Applied {
    /// None stands for the text of the block that is filtered.
    pub to: Option<Expr>,
    pub name: Name,
    pub arguments: Arguments,
    pub line: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Arguments {
    pub positional: Vec<Expr>,
    pub named: Vec<(Name, Expr)>,
    /// *x
    pub star: Option<Expr>,
    /// **x
    pub double_star: Option<Expr>,
}

#[derive(Clone, Debug)]
pub enum Target {
    Name(Name, u32),
    NamespaceAttribute(Name, Name),
    Tuple(Vec<Target>),
}

#[derive(Clone, Debug)]
pub struct Statement {
    pub kind: Node,
    pub line: u32,
}

pub type Body = Vec<Statement>;

#[derive(Clone, Debug)]
pub enum Node {
    Autoescape(Expr, Body),
    Block(Block),
    Break,
    CallBlock(CallBlock),
    Continue,
    Extends(Expr),
    FilterBlock(Expr, Body),
    For(Box<For>),
    FromImport(Expr, Vec<(Name, Name)>),
    Generation(Signature),
    If(Vec<(Expr, Body)>, Body),
    Import(Expr, Name),
    Include(Include),
    Macro(Name, Signature),
    Output(Vec<Piece>),
    Set(Target, Expr),
    /// The filter is applied to the text of the body.
    SetBlock(Target, Option<Expr>, Body),
    With(Vec<(Target, Expr)>, Body),
}

#[derive(Clone, Debug)]
pub enum Piece {
    Data(Arc<str>),
    Expr(Expr, u32),
}

#[derive(Clone, Debug)]
pub struct Block {
    pub name: Name,
    pub scoped: bool,
    pub required: bool,
    pub body: Body,
}

#[derive(Clone, Debug)]
pub struct CallBlock {
    pub call: Call,
    pub caller: Signature,
}

/// What a macro and a call block have in common.
#[derive(Clone, Debug)]
pub struct Signature {
    pub parameters: Vec<Name>,
    /// Of the last parameters.
    pub defaults: Vec<Expr>,
    pub body: Body,
}

#[derive(Clone, Debug)]
pub struct For {
    pub target: Target,
    pub over: Expr,
    pub test: Option<Expr>,
    pub recursive: bool,
    pub body: Body,
    pub otherwise: Body,
}

#[derive(Clone, Debug)]
pub struct Include {
    pub template: Expr,
    pub ignore_missing: bool,
}
