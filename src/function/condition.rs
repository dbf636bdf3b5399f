//! What decides whether a result is stored.

/// Decides whether a result is stored.
pub trait Condition<T> {
    /// Whether `value` is to be stored.
    fn holds(&self, value: &T) -> bool;
}

/// Whatever it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Always;

impl<T> Condition<T> for Always {
    fn holds(&self, _: &T) -> bool {
        true
    }
}

/// What a closure decides.
#[derive(Clone, Copy)]
pub struct If<F>(pub(super) F);

impl<T, F: Fn(&T) -> bool> Condition<T> for If<F> {
    fn holds(&self, value: &T) -> bool {
        (self.0)(value)
    }
}

impl<F> std::fmt::Debug for If<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("If")
    }
}
