//! What the attribute says.

use darling::ast::NestedMeta;
use darling::util::Flag;
use darling::{Error, FromMeta, Result};
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit, LitStr};

/// What an attribute says where it is silent: prefix and class.
pub(crate) struct Preset(pub(crate) &'static str);

#[derive(FromMeta)]
pub(crate) struct Options {
    #[darling(default)]
    prefix: Option<Text>,
    #[darling(default)]
    pub(crate) name: Option<Text>,
    #[darling(default)]
    pub(crate) class: Option<Text>,
    #[darling(default)]
    pub(crate) ttl: Option<Time>,
    #[darling(default)]
    pub(crate) condition: Option<Code>,
    #[darling(default)]
    pub(crate) key: Option<Code>,
    #[darling(default)]
    pub(crate) tags: Tags,
    #[darling(default)]
    pub(crate) stale_while_revalidate: Option<Time>,
    #[darling(default)]
    pub(crate) stale_if_error: Option<Time>,
    #[darling(default)]
    pub(crate) cache: Option<Code>,
    pub(crate) store_none: Flag,
    pub(crate) store_errors: Flag,
    pub(crate) fallible: Flag,
}

pub(crate) fn read(preset: Option<&Preset>, arguments: TokenStream) -> Result<Options> {
    let items = NestedMeta::parse_meta_list(arguments)?;
    let mut options = Options::from_list(&items)?;
    if let Some(Preset(class)) = preset {
        let text = || Text(LitStr::new(class, Span::call_site()));
        options.prefix.get_or_insert_with(text);
        options.class.get_or_insert_with(text);
    }
    let Some(Text(prefix)) = &options.prefix else {
        let missing = "`prefix = \"..\"` is missing: results are stored under `nb:{prefix}:`";
        return Err(Error::custom(missing));
    };
    let plain = |c: char| !c.is_whitespace() && !"*?[]^\\{}".contains(c);
    match !prefix.value().is_empty() && prefix.value().chars().all(plain) {
        true => Ok(options),
        false => {
            let form = "a prefix is not empty, and has no blanks and none of * ? [ ] ^ \\ { }";
            Err(Error::custom(form).with_span(prefix))
        }
    }
}

impl Options {
    pub(crate) fn prefix(&self) -> Option<&LitStr> {
        self.prefix.as_ref().map(|Text(prefix)| prefix)
    }
}

/// A literal text.
#[derive(Clone)]
pub(crate) struct Text(pub(crate) LitStr);

impl FromMeta for Text {
    fn from_expr(expr: &Expr) -> Result<Self> {
        match expr {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => Ok(Self(text.clone())),
            other => Err(Error::custom("a literal text is needed").with_span(other)),
        }
    }
}

/// Any expression.
pub(crate) struct Code(pub(crate) Expr);

impl FromMeta for Code {
    fn from_expr(expr: &Expr) -> Result<Self> {
        Ok(Self(expr.clone()))
    }
}

/// A `Duration`; of a literal so many seconds.
pub(crate) struct Time(pub(crate) TokenStream, pub(crate) Span);

impl FromMeta for Time {
    fn from_expr(expr: &Expr) -> Result<Self> {
        let span = expr.span();
        let time = match expr {
            Expr::Lit(ExprLit {
                lit: Lit::Int(seconds),
                ..
            }) => {
                let seconds: u64 = seconds.base10_parse()?;
                quote!(::core::time::Duration::from_secs(#seconds))
            }
            Expr::Lit(other) => {
                let needed = "whole seconds, or an expression of type `Duration`, are needed";
                return Err(Error::custom(needed).with_span(other));
            }
            other => quote_spanned!(span=> #other),
        };
        Ok(Self(time, span))
    }
}

/// A list of texts with arguments filled in, and of other expressions.
#[derive(Default)]
pub(crate) struct Tags(pub(crate) Vec<TokenStream>);

impl FromMeta for Tags {
    fn from_expr(expr: &Expr) -> Result<Self> {
        let Expr::Array(tags) = expr else {
            let needed = "a list is needed: `tags = [\"user:{user_id}\"]`";
            return Err(Error::custom(needed).with_span(expr));
        };
        let tags = tags.elems.iter().map(|tag| match tag {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => quote_spanned!(text.span()=> ::std::format!(#text)),
            other => {
                quote_spanned!(other.span()=> ::core::convert::Into::<::std::string::String>::into(#other))
            }
        });
        Ok(Self(tags.collect()))
    }
}
