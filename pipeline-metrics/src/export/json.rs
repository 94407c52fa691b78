/// The JSON Schema (draft 2020-12) of a [`Report`](crate::Report) as JSON, format 2.
///
/// ```
/// let schema: serde_json::Value = serde_json::from_str(pipeline_metrics::json_schema())?;
/// assert_eq!(schema["properties"]["format"]["const"], 2);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn json_schema() -> &'static str {
    include_str!("../../docs/report.schema.json")
}
