//! Reading Rust source well enough to tell code from comments and text.

/// The lines of `source` with comments and the insides of string literals blanked out.
pub(crate) fn code_lines(source: &str) -> Vec<String> {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let (length, is_code) = token(rest, first);
        let (taken, left) = rest.split_at(length);
        if is_code {
            code.push_str(taken);
        } else {
            code.extend(taken.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
        }
        rest = left;
    }
    code.lines().map(str::to_owned).collect()
}

/// The length of what `rest` begins with, and whether that is code.
fn token(rest: &str, first: char) -> (usize, bool) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), false);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), false);
    }
    if first == '"' {
        return (string(rest), false);
    }
    if let Some(hashes) = rest.strip_prefix('r').map(|after| after.len() - after.trim_start_matches('#').len()) {
        if rest[1 + hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = hashes + 2;
            return (rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len()), false);
        }
    }
    if first == '\'' {
        // A character literal; anything else that starts like this is a lifetime.
        let mut characters = rest.chars().skip(1);
        match (characters.next(), characters.next()) {
            (Some('\\'), _) => {
                let end = rest.chars().skip(3).take_while(|character| *character != '\'');
                return (3 + end.map(char::len_utf8).sum::<usize>() + 1, false);
            }
            (Some(inner), Some('\'')) => return (2 + inner.len_utf8(), false),
            _ => return (1, true),
        }
    }
    if first.is_alphanumeric() || first == '_' {
        // A whole word, so that the `r` at the end of one does not look like the start of a raw string.
        let end = rest.find(|character: char| !(character.is_alphanumeric() || character == '_'));
        return (end.unwrap_or(rest.len()), true);
    }
    (first.len_utf8(), true)
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let (step, change) = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth = depth.saturating_add_signed(change);
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Where `word` stands in `line` as a word of its own.
pub(crate) fn find_word(line: &str, word: &str) -> Option<usize> {
    let part_of_word = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word)
        .map(|(at, _)| at)
        .find(|&at| !line[..at].ends_with(part_of_word) && !line[at + word.len()..].starts_with(part_of_word))
}

#[cfg(test)]
mod tests {
    use super::{code_lines, find_word};

    fn has_unsafe(source: &str) -> bool {
        code_lines(source).iter().any(|line| find_word(line, "unsafe").is_some())
    }

    #[test]
    fn only_code_counts() {
        for source in [
            "// unsafe {",
            "/* unsafe /* nested */ unsafe */ fn f() {}",
            "let s = \"unsafe \\\" unsafe\";",
            "let s = r#\"say \"unsafe\" \"#;",
            "#![forbid(unsafe_code)]",
            "let c = '\"'; // unsafe \"",
            "let c = '\\''; let s = \"unsafe\";",
            "let c = '\\u{1F600}'; let s = \"unsafe\";",
        ] {
            assert!(!has_unsafe(source), "{source}");
        }
        for source in [
            "unsafe { read() }",
            "fn f<'a>(a: &'a str) { unsafe { g(a, 'x') } }",
            "let s = \"//\"; unsafe impl Send for S {}",
            "let s = \"\\\\\"; unsafe fn f() {}",
            "/* a */ unsafe fn g() {}",
            "let c = '\"'; unsafe { c }",
            "bar\"\"; unsafe {}",
        ] {
            assert!(has_unsafe(source), "{source}");
        }
    }

    #[test]
    fn lines_keep_their_numbers() {
        assert_eq!(code_lines("a\n/* b\nc */ d\n\"e\nf\" g\n"), ["a", "    ", "     d", "  ", "   g"]);
    }
}
