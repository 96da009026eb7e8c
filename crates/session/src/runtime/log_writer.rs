//! The last line of defence of the log: whatever an event holds, it is one line, and steers no terminal.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use dst_load_scenario::printable::{LONGEST_SENTENCE, json, part, without_credentials};

use super::LogFormat;

/// The longest line for people, characters: an event holds several texts.
const LONGEST: usize = LONGEST_SENTENCE;

/// Writes events, each of which comes whole.
pub(super) struct LogWriter<W> {
    to: W,
    format: LogFormat,
}

// === impl LogWriter ===

impl<W: Write> LogWriter<W> {
    pub(super) const fn new(to: W, format: LogFormat) -> Self {
        Self { to, format }
    }
}

impl<W: Write> Write for LogWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = without_credentials(&text);
        let line = match self.format {
            LogFormat::Plain => one_line(&text),
            LogFormat::Json => json(&text),
        };
        self.to.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The colours are of the formatter, which lets none through from elsewhere.
fn one_line(event: &str) -> Cow<'_, str> {
    let line = event.strip_suffix('\n').unwrap_or(event);
    if !line.contains('\n') && line.len() <= LONGEST {
        return part(event, true);
    }
    let flat = line.replace('\n', "\\n");
    let flat = part(&flat, true);
    let more = flat.chars().count().saturating_sub(LONGEST);
    let mut line: String = flat.chars().take(LONGEST).collect();
    if more > 0 {
        line.push_str(&format!("… ({more} more characters)"));
    }
    line.push('\n');
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(event: &str, format: LogFormat) -> String {
        let mut bytes = Vec::new();
        LogWriter::new(&mut bytes, format)
            .write_all(event.as_bytes())
            .unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_one_line_and_steers_no_terminal() {
        for (event, line) in [
            ("INFO watching a=ü\n", "INFO watching a=ü\n"),
            (
                "\u{1b}[32m INFO\u{1b}[0m a\n",
                "\u{1b}[32m INFO\u{1b}[0m a\n",
            ),
            (
                "WARN a=b\nINFO verdict: pass\u{202e}\u{1b}[2J\n",
                "WARN a=b\\nINFO verdict: pass\\u{202e}\\u{1b}[2J\n",
            ),
            (
                "WARN at http://me:canary@a?b=canary\n",
                "WARN at http://a?…\n",
            ),
        ] {
            assert_eq!(written(event, LogFormat::Plain), line);
        }
        let long = written(&format!("{}\n", "x".repeat(15_000)), LogFormat::Plain);
        assert!(
            long.ends_with("x… (13500 more characters)\n"),
            "{}",
            long.len()
        );
        let event = "{\"message\":\"a\u{202e}\"}\n";
        assert_eq!(
            written(event, LogFormat::Json),
            "{\"message\":\"a\\u202e\"}\n"
        );
    }
}
