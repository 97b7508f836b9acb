//! Panics that are expected: caught, and not printed.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether panics of this thread are caught.
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    /// What the last one of them said.
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// What `work` returns, or what it said when it panicked. Panics of other threads are printed as ever.
pub(super) fn caught<V>(work: impl FnOnce() -> V) -> Result<V, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            if CATCHING.get() {
                SAID.set(text(panic));
            } else {
                print(panic);
            }
        }));
    });
    let outer = CATCHING.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(outer);
    result.map_err(|_| SAID.take())
}

fn text(panic: &PanicHookInfo<'_>) -> String {
    let place = panic
        .location()
        .map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    format!("panicked at {place}: {}", panic.payload_as_str().unwrap_or("(no text)"))
}
