//! Warnings and errors that repeat are logged once, and then as a count.

use std::{
    collections::BTreeMap,
    fmt::{Debug, Write as _},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tracing::{
    Event, Level, Metadata,
    field::{Field, Visit},
    subscriber::Interest,
};
use tracing_subscriber::layer::{Context, Filter};

/// How often counts are logged.
const EVERY: Duration = Duration::from_secs(10);
/// The largest number of different lines that are counted; all others are logged each time.
const MOST: usize = 1_000;

/// What was logged lately, by the line without its numbers: what differs by an object's number alone
/// is the same line.
#[derive(Clone, Debug, Default)]
pub struct Repeats(Arc<Mutex<BTreeMap<String, Repeated>>>);

#[derive(Debug)]
struct Repeated {
    /// The line that was logged.
    line: String,
    /// How often it came since.
    count: u64,
}

// === impl Repeats ===

impl Repeats {
    /// Whether this line is to be logged; counted if not.
    fn is_new(&self, line: String) -> bool {
        let key = without_numbers(&line);
        let mut lately = self.0.lock();
        if let Some(repeated) = lately.get_mut(&key) {
            repeated.count += 1;
            return false;
        }
        if lately.len() < MOST {
            lately.insert(key, Repeated { line, count: 0 });
        }
        true
    }

    /// Logs how often each line came since it was logged.
    pub fn flush(&self) {
        // Not while it is locked: what is logged here comes by again.
        for (line, count) in self.take() {
            tracing::warn!(target: COUNTS, count, line, "repeated");
        }
    }

    /// Logs counts now and then, for ever.
    pub async fn report(&self) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(EVERY).await;
            self.flush();
        }
    }

    /// The lines that came again, and how often. One that did not is forgotten.
    fn take(&self) -> Vec<(String, u64)> {
        let mut lately = self.0.lock();
        lately.retain(|_, repeated| repeated.count > 0);
        let counted = lately.values_mut().map(|repeated| {
            let count = std::mem::take(&mut repeated.count);
            (repeated.line.clone(), count)
        });
        counted.collect()
    }
}

/// Where counts come from, which are not counted themselves.
const COUNTS: &str = "dst_load_controller::repeated";

impl<S> Filter<S> for Repeats {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN || metadata.target() == COUNTS {
            return true;
        }
        let mut line = Line::default();
        event.record(&mut line);
        self.is_new(line.0)
    }
}

/// A line as text: the message, then the fields.
#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.insert_str(0, &format!("{value:?}"));
        } else {
            // A String takes everything.
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }
}

fn without_numbers(line: &str) -> String {
    let mut key = String::with_capacity(line.len());
    for character in line.chars() {
        if !character.is_ascii_digit() {
            key.push(character);
        } else if !key.ends_with('0') {
            key.push('0');
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_logged_once_and_then_counted() {
        let repeats = Repeats::default();
        let says = |line: &str| repeats.is_new(line.to_owned());
        assert!(says("action failed error=create test-service-1"));
        assert!(!says("action failed error=create test-service-20"));
        assert!(says("action failed error=delete test-service-1"));
        let first = "action failed error=create test-service-1".to_owned();
        assert_eq!(repeats.take(), [(first.clone(), 1)]);
        // It is still coming, and the other one is not.
        assert!(!says("action failed error=create test-service-3"));
        assert!(says("action failed error=delete test-service-9"));
        assert_eq!(repeats.take(), [(first, 1)]);
        assert!(repeats.take().is_empty());
        assert!(says("action failed error=create test-service-1"));
    }

    #[test]
    fn warnings_are_counted_and_what_is_only_told_is_not() {
        use tracing_subscriber::{Layer as _, layer::SubscriberExt as _};

        #[derive(Clone, Default)]
        struct Written(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Written {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }

        let (written, repeats) = (Written::default(), Repeats::default());
        let to = written.clone();
        let lines = tracing_subscriber::fmt::layer()
            .without_time()
            .with_ansi(false)
            .with_target(false)
            .with_writer(move || to.clone())
            .with_filter(repeats.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            for number in 0..3 {
                tracing::warn!(number, "heartbeat missed");
                tracing::info!("watching");
            }
            repeats.flush();
        });
        let text = String::from_utf8(written.0.lock().clone()).unwrap();
        assert_eq!(
            text,
            " WARN heartbeat missed number=0\n INFO watching\n INFO watching\n INFO watching\n \
             WARN repeated count=2 line=\"heartbeat missed number=0\"\n"
        );
    }
}
