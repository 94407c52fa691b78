//! Keeps calls that block off the threads of the runtime.

/// Runs a call that blocks: on tokio's threads for such calls where there is a runtime, else right here.
///
/// The error says that the runtime stopped before the call began.
pub(crate) async fn unblock<T: Send + 'static>(
    call: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
    #[cfg(feature = "runtime")]
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        return match runtime.spawn_blocking(call).await {
            Ok(value) => Ok(value),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(Box::new(error)),
            },
        };
    }
    Ok(call())
}
