//! What is wrong with a request, as FastAPI says it, which today's clients know: `{"detail": [{"type", "loc", "msg"}]}`. No input and output.

use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

/// Characters of what is wrong.
const LONGEST: usize = 500;

/// What a request with a wrong body is answered, with status 422.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Invalid {
    /// All that is wrong, as far as it was looked.
    pub detail: Vec<Detail>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Detail {
    /// What kind of mistake it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where: `body`, then keys and places from the outside.
    pub loc: Vec<String>,
    /// What is wrong, in words.
    pub msg: String,
}

impl Invalid {
    /// One thing, at that path of the body.
    #[must_use]
    pub fn new(path: &[&str], words: &str) -> Self {
        Self::of_kind("value_error", path, words)
    }

    fn of_kind(kind: &'static str, path: &[&str], words: &str) -> Self {
        // They have what was sent in them.
        let cut = |text: &str| text.chars().take(LONGEST).collect::<String>();
        let loc = std::iter::once("body").chain(path.iter().copied()).map(cut).collect();
        Self { detail: vec![Detail { kind, loc, msg: cut(words) }] }
    }
}

/// Reads a body.
///
/// # Errors
/// What is wrong with it, and where.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Invalid> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path: Vec<String> = error
            .path()
            .iter()
            .filter_map(|part| match part {
                serde_path_to_error::Segment::Seq { index } => Some(index.to_string()),
                serde_path_to_error::Segment::Map { key } => Some(key.clone()),
                _ => None,
            })
            .collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let kind = if error.inner().is_data() { "value_error" } else { "json_invalid" };
        Invalid::of_kind(kind, &path, &error.inner().to_string())
    })?;
    reader.end().map_err(|error| Invalid::of_kind("json_invalid", &[], &error.to_string()))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is read only")]
    struct Outer {
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is read only")]
    struct Inner {
        number: u32,
    }

    #[test]
    fn long_mistake_is_not_sent_back_whole() {
        let long = "x".repeat(100_000);
        for body in [
            format!("{{\"inner\": [{{\"number\": \"{long}\"}}]}}"),
            format!("{{\"{long}\": 1, \"inner\": 1}}"),
        ] {
            let detail = parse::<Outer>(body.as_bytes()).unwrap_err().detail.remove(0);
            assert!(detail.msg.len() + detail.loc.concat().len() < 2000);
        }
    }

    #[test]
    fn place_of_a_mistake_is_said() {
        let wrong = |body: &str| parse::<Outer>(body.as_bytes()).unwrap_err().detail.remove(0);
        let detail = wrong(r#"{"inner": [{"number": 1}, {"number": "x"}]}"#);
        assert_eq!(
            (detail.loc, detail.kind),
            (["body", "inner", "1", "number"].map(str::to_owned).to_vec(), "value_error")
        );
        assert_eq!(wrong("{\"inner\": [").kind, "json_invalid");
        assert_eq!(wrong("{\"inner\": []} x").kind, "json_invalid");
        assert!(wrong("{}").msg.contains("inner"));
    }
}
