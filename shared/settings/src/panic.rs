//! What a panic does to a program.

/// Makes a panic in any thread end the process with code 101, after the usual message: a program that has lost one of
/// its threads would only hang.
pub fn end_on_panic() {
    let message = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        message(panic);
        std::process::exit(101);
    }));
}
