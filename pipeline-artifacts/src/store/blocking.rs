use pipeline_core::StoreError;

/// Does work that blocks: on a thread that tokio keeps for it when a tokio runtime is current, else here.
///
/// Work that was begun runs to its end even when the future is dropped: what it writes is visible whole or
/// not at all.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    #[cfg(feature = "tokio")]
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        return runtime
            .spawn_blocking(work)
            .await
            .map_err(|error| StoreError::Other(Box::new(error)));
    }
    Ok(work())
}
