//! What cannot be cached, and what to do instead.

use crate::options::Options;
use darling::{Error, Result};
use quote::ToTokens;
use syn::{FnArg, Ident, ItemFn, Pat, PatIdent, ReturnType, Safety, Signature, Type};

/// One argument of the function.
pub(crate) struct Argument<'a> {
    pub(crate) name: &'a Ident,
    pub(crate) of: &'a Type,
}

fn error(at: &impl ToTokens, what: &str) -> Error {
    Error::custom(what).with_span(at)
}

/// All errors of the function at once.
pub(crate) fn check<'a>(options: &Options, function: &'a ItemFn) -> Result<Vec<Argument<'a>>> {
    let signature = &function.sig;
    let mut errors = Error::accumulator();
    errors.handle(is_plain(signature));
    errors.handle(returns_something(signature));
    let arguments = signature.inputs.iter().filter_map(|input| {
        let argument = named(input).and_then(|argument| is_owned(options, argument));
        errors.handle(argument)
    });
    let arguments: Vec<_> = arguments.collect();
    errors.finish_with(arguments)
}

fn is_plain(signature: &Signature) -> Result<()> {
    if signature.asyncness.is_none() {
        let what = "only an `async fn` can be cached: what is stored may have to be waited for";
        return Err(error(&signature.fn_token, what));
    }
    match &signature.safety {
        Safety::Unsafe(token) => Err(error(token, "an unsafe function cannot be cached")),
        _ => Ok(()),
    }
}

fn returns_something(signature: &Signature) -> Result<()> {
    match &signature.output {
        ReturnType::Default => Err(error(
            &signature.ident,
            "it returns nothing that could be cached; say what it returns",
        )),
        ReturnType::Type(_, of) if matches!(**of, Type::ImplTrait(_)) => Err(error(
            of,
            "a type that is not named cannot be read back; name it",
        )),
        ReturnType::Type(..) => Ok(()),
    }
}

fn named(input: &FnArg) -> Result<Argument<'_>> {
    let typed = match input {
        FnArg::Receiver(receiver) => {
            let what = "a method has no place for `invalidate`; inside it write \
                        `cache.function(\"..\").call(&(..), || ..)`, or make it a function whose \
                        `key` says which object it is about";
            return Err(error(receiver, what));
        }
        FnArg::Typed(typed) => typed,
    };
    match &*typed.pat {
        Pat::Ident(PatIdent {
            ident,
            by_ref: None,
            subpat: None,
            ..
        }) => Ok(Argument {
            name: ident,
            of: &typed.ty,
        }),
        other => {
            let what = "give this argument a name: calls are told apart by it";
            Err(error(other, what))
        }
    }
}

/// A refresh in the background outlives what its caller has lent.
fn is_owned<'a>(options: &Options, argument: Argument<'a>) -> Result<Argument<'a>> {
    let lent =
        options.stale_while_revalidate.is_some() && matches!(argument.of, Type::Reference(_));
    match lent {
        true => {
            let what = "with `stale_while_revalidate` the function may run in the background, \
                        longer than this is lent; take it by value";
            Err(error(argument.of, what))
        }
        false => Ok(argument),
    }
}
