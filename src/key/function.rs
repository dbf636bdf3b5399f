//! Keys of what functions compute: the function, its arguments, the type of its result.

use super::{RequestKey, put};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::any::type_name;
use std::borrow::Cow;

/// No request has an authority like this.
const AUTHORITY: &str = "\0function";

/// Bytes of the longest arguments that are kept as they are; of longer ones a SHA-256 is.
const LONGEST: usize = 512;

/// What one call is told apart by: the function's own name, the types of its arguments, and their
/// values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arguments(Vec<u8>);

impl Arguments {
    /// # Errors
    /// They cannot be encoded.
    pub(crate) fn of<A: Serialize + ?Sized>(
        function: &str,
        arguments: &A,
    ) -> Result<Self, rmp_serde::encode::Error> {
        let values = rmp_serde::to_vec(arguments)?;
        let types = type_name::<A>();
        let mut bytes = Vec::with_capacity(function.len() + types.len() + values.len() + 24);
        put(&mut bytes, function.as_bytes());
        put(&mut bytes, types.as_bytes());
        match values.len() <= LONGEST {
            true => put(&mut bytes, &values),
            // No length of its own in front of it: it cannot be taken for values.
            false => bytes.extend_from_slice(&Sha256::digest(&values)),
        }
        Ok(Self(bytes))
    }
}

/// The key of a call whose result is a `T`.
pub(crate) fn function_key<'a, T>(
    prefix: impl Into<Cow<'a, str>>,
    arguments: &Arguments,
) -> RequestKey<'a> {
    let result = type_name::<T>();
    let mut extras = Vec::with_capacity(arguments.0.len() + result.len() + 4);
    put(&mut extras, &arguments.0);
    extras.extend_from_slice(result.as_bytes());
    RequestKey {
        authority: AUTHORITY.into(),
        path: prefix.into(),
        query: None,
        extras,
        depth: 0,
    }
}

impl RequestKey<'_> {
    /// Whether it is the key of a function's call.
    pub(super) fn is_function(&self) -> bool {
        self.authority == AUTHORITY
    }

    /// The name of a value, set by hand or computed, without the namespace.
    pub(crate) fn value_name(&self) -> String {
        if !self.is_function() {
            return self.path.clone().into_owned();
        }
        let arguments = self.extras.split_first_chunk::<4>();
        let arguments = arguments.and_then(|(len, rest)| {
            let len = u32::from_be_bytes(*len) as usize;
            rest.get(..len)
        });
        function_name(&self.path, arguments.unwrap_or_default())
    }
}

/// `{prefix}:{hash of arguments}`, whatever the type of the result.
fn function_name(prefix: &str, arguments: &[u8]) -> String {
    let hash = super::names::digest(&[b"function", arguments]);
    format!("{prefix}:{hash}")
}

/// The name of all results of one call.
pub(crate) fn call_name(prefix: &str, arguments: &Arguments) -> String {
    function_name(prefix, &arguments.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name<A: Serialize>(function: &str, arguments: &A) -> String {
        let arguments = Arguments::of(function, arguments).expect("encoded");
        call_name("p", &arguments)
    }

    #[test]
    fn a_name_is_the_prefix_and_128_bits() {
        let key = function_key::<u8>("user_data", &Arguments::of("f", &(1,)).expect("encoded"));
        let name = key.value_name();
        let (prefix, hash) = name.split_once(':').expect("two parts");
        assert_eq!((prefix, hash.len()), ("user_data", 32));
    }

    #[test]
    fn types_of_arguments_are_told_apart_where_their_values_are_equal() {
        let names = [
            name("", &(1u8,)),
            name("", &(1u16,)),
            name("", &(1i64,)),
            name("", &(1u8, ())),
            name("", &("1",)),
            name("", &(String::from("1"),)),
            name("", &(Some(1u8),)),
            name("", &[1u8]),
            name("", &1u8),
        ];
        for (i, a) in names.iter().enumerate() {
            for (j, b) in names.iter().enumerate() {
                assert_eq!(a == b, i == j, "{i} {j}");
            }
        }
    }

    #[test]
    fn the_type_of_the_result_is_in_the_key_and_not_in_the_name() {
        let arguments = Arguments::of("f", &(1,)).expect("encoded");
        let (a, b) = (
            function_key::<u8>("p", &arguments),
            function_key::<u16>("p", &arguments),
        );
        assert!(!a.matches(&b.to_bytes()));
        assert_eq!(a.value_name(), b.value_name());
        assert_eq!(a.value_name(), call_name("p", &arguments));
    }

    type Call = (String, (String, String, Vec<u8>));

    fn call() -> impl Strategy<Value = Call> {
        let text = || "[ab:]{0,3}";
        let bytes = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..4),
            proptest::collection::vec(0..2u8, 510..515),
        ];
        (text(), (text(), text(), bytes)).prop_map(|(f, args)| (f, args))
    }

    proptest! {
        #[test]
        fn distinct_calls_never_share_a_key_or_a_name(a in call(), b in call()) {
            let of = |(function, arguments): &Call| {
                let arguments = Arguments::of(function, arguments).expect("encoded");
                (function_key::<u8>("p", &arguments).to_bytes(), call_name("p", &arguments))
            };
            prop_assert_eq!(a == b, of(&a).0 == of(&b).0);
            prop_assert_eq!(a == b, of(&a).1 == of(&b).1);
        }

        #[test]
        fn arguments_in_another_order_are_another_call(a in 0..3u32, b in 0..3u32) {
            prop_assert_eq!(name("", &(a, b)) == name("", &(b, a)), a == b);
        }

        #[test]
        fn prefixes_and_functions_do_not_run_into_each_other(
            a in ("[a:]{1,3}", "[a:]{0,3}"), b in ("[a:]{1,3}", "[a:]{0,3}"),
        ) {
            let of = |(prefix, function): &(String, String)| {
                let arguments = Arguments::of(function, &1).expect("encoded");
                function_key::<u8>(&**prefix, &arguments).to_bytes()
            };
            prop_assert_eq!(a == b, of(&a) == of(&b));
        }
    }
}
