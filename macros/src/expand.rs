//! The function, and the type that stands beside it.

use crate::checks::{Argument, check};
use crate::options::{Code, Options, Text, Time};
use darling::{Error, Result};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Attribute, FnArg, GenericArgument, GenericParam, ItemFn, Pat, PathArguments, ReturnType,
    Signature, Type,
};

pub(crate) fn expand(options: &Options, item: TokenStream) -> Result<TokenStream> {
    let at = item.clone();
    let function: ItemFn = syn::parse2(item).map_err(|_| {
        let what = "only a function can be cached; a method inside calls `cache.function(..)`";
        Error::custom(what).with_span(&at)
    })?;
    let arguments = check(options, &function)?;
    let face = face(options, &function, &arguments);
    let beside = beside(options, &function, &arguments);
    Ok(quote!(#face #beside))
}

/// Where attributes of the function go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Face,
    Body,
    /// Whatever stands for the function.
    All,
}

fn attributes(function: &ItemFn, place: Place) -> Vec<&Attribute> {
    let belongs = |attribute: &&Attribute| {
        let is = |name: &str| attribute.path().is_ident(name);
        let of = if is("doc") || is("must_use") || is("deprecated") {
            Place::Face
        } else if is("cfg") || is("allow") {
            Place::All
        } else {
            Place::Body
        };
        of == Place::All || of == place
    };
    function.attrs.iter().filter(belongs).collect()
}

/// The function as it is called.
fn face(options: &Options, function: &ItemFn, arguments: &[Argument<'_>]) -> TokenStream {
    let attributes = attributes(function, Place::Face);
    let (visibility, signature) = (&function.vis, unmutable(&function.sig));
    let name = &signature.ident;
    let names = arguments.iter().map(|argument| argument.name);
    let types = type_arguments(&signature);
    let key = key(options, arguments);
    let tags = &options.tags.0;
    let tags = (!tags.is_empty()).then(|| quote!(.tags([#(#tags),*])));
    let condition = options.condition.as_ref().map(|Code(condition)| {
        let stored = stored(options, &signature.output);
        quote_spanned!(condition.span()=> .condition::<#stored, _>(#condition))
    });
    let detached = options.stale_while_revalidate.as_ref();
    let detached = detached.map(|Time(_, span)| quote_spanned!(*span=> .detached()));
    // What is wrong with its type is told of it.
    let span = signature.output.span();
    let run = match is_fallible(options, &signature.output) {
        true => quote_spanned!(span=> .try_run),
        false => quote_spanned!(span=> .run),
    };
    quote! {
        #(#attributes)*
        #[allow(clippy::used_underscore_binding)]
        #visibility #signature {
            #name::function()
                #tags
                #condition
                .of_arguments(&#key)
                #detached
                #run(move || #name::uncached #types (#(#names),*))
                .await
        }
    }
}

/// The type of the same name: what can be done with the function beside calling it.
fn beside(options: &Options, function: &ItemFn, arguments: &[Argument<'_>]) -> TokenStream {
    let (visibility, signature) = (&function.vis, unmutable(&function.sig));
    let (name, body) = (&signature.ident, &function.block);
    let (all, of_body) = (
        attributes(function, Place::All),
        attributes(function, Place::Body),
    );
    let (generics, inputs) = (&signature.generics, &signature.inputs);
    let bounds = &generics.where_clause;
    let uncached = Signature {
        ident: syn::Ident::new("uncached", name.span()),
        ..function.sig.clone()
    };
    let (key, says) = (key(options, arguments), says(options));
    let unused = match options.key.is_some() {
        true => quote!(#[allow(unused_variables)]),
        false => quote!(),
    };
    let purged = quote! {
        ::core::result::Result<::neuralblitz_cache::Purged, ::neuralblitz_cache::CacheError>
    };
    let about = format!("What can be done with the results of [`{name}`](fn@{name}).");
    quote! {
        #(#all)*
        #[doc = #about]
        #[allow(non_camel_case_types, clippy::empty_enums)]
        #visibility enum #name {}

        #(#all)*
        #[allow(dead_code, clippy::pedantic)]
        impl #name {
            /// The function itself: nothing is looked up, nothing is stored.
            #(#of_body)*
            #visibility #uncached #body

            /// Purges the result of one call, on all instances.
            #unused
            #visibility async fn invalidate #generics (#inputs) -> #purged #bounds {
                Self::function().of_arguments(&#key).invalidate().await
            }

            /// Purges all results, on all instances.
            #visibility async fn invalidate_all() -> #purged {
                Self::function().invalidate_all().await
            }

            fn function() -> ::neuralblitz_cache::Function {
                #says
            }
        }
    }
}

/// What is said of the function whatever its arguments.
fn says(options: &Options) -> TokenStream {
    let prefix = options.prefix();
    let function = match &options.cache {
        Some(Code(cache)) => quote_spanned!(cache.span()=> (#cache).function(#prefix)),
        None => quote!(::neuralblitz_cache::function(#prefix)),
    };
    let name = match &options.name {
        Some(Text(name)) => quote!(#name),
        None => quote!(::core::any::type_name::<Self>()),
    };
    let class = options.class.as_ref();
    let class = class.map(|Text(class)| quote!(.class(#class)));
    let time = |time: &Option<Time>, setter: TokenStream| {
        let time = time.as_ref();
        time.map(|Time(time, span)| quote_spanned!(*span=> .#setter(#time)))
    };
    let ttl = time(&options.ttl, quote!(ttl));
    let revalidate = time(
        &options.stale_while_revalidate,
        quote!(stale_while_revalidate),
    );
    let error = time(&options.stale_if_error, quote!(stale_if_error));
    let none = options
        .store_none
        .is_present()
        .then(|| quote!(.store_none(true)));
    let errors = options
        .store_errors
        .is_present()
        .then(|| quote!(.store_errors(true)));
    quote!(#function.name(#name) #class #ttl #revalidate #error #none #errors)
}

/// What tells calls apart: the arguments, each where it stands, so that what is wrong with its
/// type is told of it.
fn key(options: &Options, arguments: &[Argument<'_>]) -> TokenStream {
    if let Some(Code(key)) = &options.key {
        return quote_spanned!(key.span()=> (#key));
    }
    let each = arguments.iter().map(|argument| {
        let name = argument.name;
        quote_spanned!(argument.of.span()=> ::neuralblitz_cache::function::argument(&#name))
    });
    quote!((#(#each,)*))
}

/// The signature without `mut`, which is the body's own affair.
fn unmutable(signature: &Signature) -> Signature {
    let mut signature = signature.clone();
    for input in &mut signature.inputs {
        if let FnArg::Typed(typed) = input
            && let Pat::Ident(name) = &mut *typed.pat
        {
            name.mutability = None;
        }
    }
    signature
}

/// Types and constants of the caller, handed on: not all can be told from arguments.
fn type_arguments(signature: &Signature) -> Option<TokenStream> {
    let names = signature
        .generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Type(of) => Some(&of.ident),
            GenericParam::Const(of) => Some(&of.ident),
            GenericParam::Lifetime(_) => None,
        });
    let names: Vec<_> = names.collect();
    (!names.is_empty()).then(|| quote!(::<#(#names),*>))
}

fn is_fallible(options: &Options, output: &ReturnType) -> bool {
    let named = result_of(output).is_some();
    (named || options.fallible.is_present()) && !options.store_errors.is_present()
}

/// The arguments of a type that is called `Result`.
fn result_of(output: &ReturnType) -> Option<&PathArguments> {
    let ReturnType::Type(_, of) = output else {
        return None;
    };
    let Type::Path(path) = &**of else {
        return None;
    };
    let last = path.path.segments.last()?;
    (last.ident == "Result").then_some(&last.arguments)
}

/// The type of what is stored, where it can be seen.
fn stored(options: &Options, output: &ReturnType) -> TokenStream {
    let ReturnType::Type(_, of) = output else {
        return quote!(_);
    };
    if !is_fallible(options, output) {
        return quote!(#of);
    }
    match result_of(output) {
        Some(PathArguments::AngleBracketed(list)) => match list.args.first() {
            Some(GenericArgument::Type(of)) => quote!(#of),
            _ => quote!(_),
        },
        _ => quote!(_),
    }
}
