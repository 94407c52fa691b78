//! A week with one of everything.

use jiff::Timestamp;

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) const WEEK: &str = r#"
{"type":"change","ts":"2025-01-06T08:00:00Z","service":"shop","sha":"a"}
{"type":"change","ts":"2025-01-06T10:00:00Z","service":"shop","sha":"b"}
{"type":"change","ts":"2025-01-07T13:00:00Z","service":"shop","sha":"c"}
{"type":"change","ts":"2025-01-07T15:00:00Z","service":"shop","sha":"skewed"}
{"type":"change","ts":"2025-01-08T09:00:00Z","service":"shop","sha":"waits"}
{"type":"deployment","ts":"2025-01-06T12:00:00Z","service":"shop","id":"d1","environment":"production","result":"success","kind":"planned","changes":["a","b"]}
{"type":"deployment","ts":"2025-01-06T12:30:00Z","service":"shop","id":"d2","environment":"staging","result":"success","kind":"planned","changes":["c"]}
{"type":"deployment","ts":"2025-01-06T16:00:00Z","service":"shop","id":"d3","environment":"production","result":"failure","kind":"planned","changes":["c"]}
{"type":"deployment","ts":"2025-01-07T14:00:00Z","service":"shop","id":"d4","environment":"production","result":"success","kind":"hotfix","changes":["c","skewed","nobody-knows"]}
{"type":"incident_opened","ts":"2025-01-06T13:00:00Z","service":"shop","id":"i1"}
{"type":"incident_resolved","ts":"2025-01-07T15:00:00Z","service":"shop","id":"i1"}
{"type":"incident_opened","ts":"2025-01-07T18:00:00Z","service":"shop","id":"i2","deployment":"d4"}
{"type":"incident_resolved","ts":"2025-01-07T15:00:00Z","service":"shop","id":"nobody-opened"}
{"type":"deployment","ts":"2025-01-06T09:00:00Z","service":"a\u001b[2Jb","id":"p7","environment":"production","result":"success","kind":"planned"}
no json
"#;
