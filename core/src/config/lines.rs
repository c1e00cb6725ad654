//! Where a key stands in the text of a configuration. Pure, lives nowhere.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The line, from 1, of a key path such as `carriers[1].window`: that of the key, or of what it should
/// stand in. `None` when the text has nothing of it.
#[must_use]
pub fn line_of(text: &str, path: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = Some(document.get_ref());
    let mut found = None;
    for step in path.split('.') {
        let (name, indices) = step.split_once('[').map_or((step, ""), |(name, rest)| (name, rest));
        let Some((key, value)) = table.and_then(|table| table.get_key_value(name)) else { break };
        let mut value: &Spanned<DeValue<'_>> = value;
        found = Some(key.span().start);
        for index in indices.split('[') {
            let at = index.trim_end_matches(']').parse::<usize>().ok();
            let list = value.get_ref().as_array();
            let Some(item) = list.zip(at).and_then(|(list, at)| list.get(at)) else { break };
            found = Some(item.span().start);
            value = item;
        }
        table = value.get_ref().as_table();
    }
    let before = text.get(..found?)?;
    Some(before.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::line_of;

    const TEXT: &str = "\
[server]
shards = 2

[[carriers]]
name = \"alpha\"
tlvs = [
    { tag = 1 },
    { tag = 2 },
]

[[carriers]]
name = \"beta\"
[carriers.tls]
ca_file = \"x\"
";

    #[test]
    fn a_key_is_found_or_what_it_should_stand_in() {
        for (path, line) in [
            ("server.shards", 2),
            ("server.listen", 1),
            ("carriers[0].name", 5),
            ("carriers[0].tlvs[1].tag", 8),
            ("carriers[1].name", 12),
            ("carriers[1].tls.ca_file", 14),
            ("carriers[1].window", 11),
        ] {
            assert_eq!(line_of(TEXT, path), Some(line), "{path}");
        }
        for nowhere in ["routes[0].carriers", "line 3, column 7", ""] {
            assert_eq!(line_of(TEXT, nowhere), None, "{nowhere}");
        }
        assert_eq!(line_of("= broken", "server"), None);
    }
}
