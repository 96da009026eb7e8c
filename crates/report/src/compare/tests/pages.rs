//! Claims about the comparison as a page.

use super::*;

/// The page without its style, which is a file of its own.
fn body(comparison: &Comparison) -> String {
    let text = html::render(comparison);
    let (before, style) = text.split_once("<style>").unwrap();
    let (_, body) = style.split_once("</style>").unwrap();
    format!("{before}<style>…</style>{body}")
}

#[test]
fn a_branch_as_a_page() {
    insta::assert_snapshot!(body(&branch()));
}

#[test]
fn a_self_test_of_one_run_a_side_as_a_page() {
    insta::assert_snapshot!(body(&self_test()));
}

#[test]
fn the_page_has_every_measure_of_both_sides_as_the_table_in_text_has_it() {
    for comparison in [branch(), self_test()] {
        let page = html::render(&comparison);
        let both = comparison.measures.iter();
        let both: Vec<_> = both.filter(|it| it.difference.is_some()).collect();
        assert_eq!(page.matches(" title=\"").count(), both.len());
        for compared in both {
            let name = compared.name.replace('/', "&#x2f;");
            let row = format!(" title=\"{}\">{name}<", compared.key);
            let at = page.find(&row).unwrap_or_else(|| panic!("{row}"));
            let row = &page[at..];
            let (row, _) = row.split_once("</tr>").unwrap();
            for cell in &prose::row(compared)[1..] {
                let cell = cell.replace('<', "&lt;").replace('>', "&gt;");
                assert!(
                    row.contains(&cell.replace('/', "&#x2f;")),
                    "{cell} in {row}"
                );
            }
        }
    }
}

#[test]
fn text_from_elsewhere_stays_text_and_nothing_is_fetched_or_run() {
    let evil = "</style></pre><script>alert(1)</script><img src=x onerror=alert(2)>&\"'";
    let mut comparison = branch();
    comparison.scenario.name = evil.to_owned();
    comparison.baseline.name = Some(evil.to_owned());
    comparison.candidate.builds = vec![evil.to_owned()];
    comparison.candidate.recordings[0].place = evil.to_owned();
    comparison.candidate.recordings[0].left_out = Some(evil.to_owned());
    comparison.warnings = vec![evil.to_owned()];
    comparison.repeat = evil.to_owned();
    let page = html::render(&comparison);
    assert!(page.contains("default-src &#x27;none&#x27;") && !page.contains("script-src"));
    for never in [
        "<script", "<img", "http:", "https:", "src=\"", "@import", "url(",
    ] {
        assert!(!page.contains(never), "{never}");
    }
    for once in ["</style>", "</pre>"] {
        assert_eq!(page.matches(once).count(), 1, "{once}");
    }
}
