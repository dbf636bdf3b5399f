//! The attribute macros of `neuralblitz-cache`, which has them under its feature `macros`.
//!
//! Each expands to one call into the library: all that they do can be written by hand.

mod checks;
mod expand;
mod options;

use options::Preset;
use proc_macro::TokenStream;

/// Caches what an `async fn` computes.
///
/// ```ignore
/// #[cache_result(prefix = "user_data", ttl = 3600, condition = is_valid, tags = ["user:{user_id}"])]
/// async fn get_user_data(user_id: u32) -> Result<User, Error> { /* .. */ }
///
/// get_user_data::invalidate(123).await?;
/// get_user_data::invalidate_all().await?;
/// get_user_data::uncached(123).await?;
/// ```
///
/// | argument | default | |
/// |---|---|---|
/// | `prefix = ".."` | must be given | results are stored under `nb:{prefix}:` |
/// | `ttl = ..` | that of the class | a literal is seconds; else an expression of type `Duration` |
/// | `condition = ..` | all are stored | a function or closure of what would be stored, `&T`: of a `Result` what is in `Ok` |
/// | `key = ..` | all arguments | an expression over the arguments that tells calls apart |
/// | `tags = [..]` | none | texts with arguments filled in, as in `format!`; or expressions of type `String` |
/// | `name = ".."` | the path of the function | tells functions with one prefix apart; a function that moves keeps its results if it has one |
/// | `class = ".."` | the prefix | the data class, for TTL, stale windows and purges |
/// | `stale_while_revalidate = ..` | that of the class | as `ttl`; refreshes run in the background, so that arguments must be owned |
/// | `stale_if_error = ..` | that of the class | as `ttl` |
/// | `store_none` | | a `None` is stored too |
/// | `store_errors` | | an `Err` is stored too; it must be `Serialize + DeserializeOwned + Clone` |
/// | `fallible` | by the name `Result` | the return type is a `Result` by another name |
/// | `cache = ..` | the installed one | an expression of type `Cache`, without arguments |
///
/// Beside the function stands a type of the same name, which has `invalidate`, `invalidate_all` and
/// `uncached`. A method has no place for it: inside one write `cache.function(..).call(..)`.
#[proc_macro_attribute]
pub fn cache_result(arguments: TokenStream, item: TokenStream) -> TokenStream {
    cached(None, arguments, item)
}

/// [`cache_result`] with prefix and class `quantum_state`, whose TTL is that of the settings.
#[proc_macro_attribute]
pub fn cache_quantum_state(arguments: TokenStream, item: TokenStream) -> TokenStream {
    cached(Some(&Preset("quantum_state")), arguments, item)
}

/// [`cache_result`] with prefix and class `consciousness`, whose TTL is that of the settings.
#[proc_macro_attribute]
pub fn cache_consciousness_metrics(arguments: TokenStream, item: TokenStream) -> TokenStream {
    cached(Some(&Preset("consciousness")), arguments, item)
}

/// [`cache_result`] with prefix and class `multi_reality`, whose TTL is that of the settings.
#[proc_macro_attribute]
pub fn cache_multi_reality(arguments: TokenStream, item: TokenStream) -> TokenStream {
    cached(Some(&Preset("multi_reality")), arguments, item)
}

/// [`cache_result`] with prefix and class `api_response`, whose TTL is that of the settings. A purge
/// of that class or prefix covers responses too; `invalidate_all` does not.
#[proc_macro_attribute]
pub fn cache_api_response(arguments: TokenStream, item: TokenStream) -> TokenStream {
    cached(Some(&Preset("api_response")), arguments, item)
}

fn cached(preset: Option<&Preset>, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let expanded = options::read(preset, arguments.into())
        .and_then(|options| expand::expand(&options, item.into()));
    expanded.unwrap_or_else(darling::Error::write_errors).into()
}
