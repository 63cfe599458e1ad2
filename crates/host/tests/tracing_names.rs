//! Risk: dashboards and filters that were made for lean-rs-host see nothing, because a span, an event or a field has
//! another name. In a process of its own: the subscriber is the process's.
#![cfg(feature = "abi-model")]

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use leanpool::session::lean_backend::Sysroot;
use leanpool::{LeanHost, LeanRuntime, SessionPool};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

/// Writes down each span and event: level, name or message, fields.
#[derive(Clone, Default)]
struct Record(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.insert_str(0, &format!("{value:?}"));
        } else {
            write!(self.0, " {}={value:?}", field.name()).unwrap();
        }
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Record {
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        _: &tracing::span::Id,
        _: Context<'_, S>,
    ) {
        let mut fields = Fields(attributes.metadata().name().to_owned());
        attributes.record(&mut fields);
        self.note(attributes.metadata(), &fields.0);
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.note(event.metadata(), &fields.0);
    }
}

impl Record {
    fn note(&self, metadata: &tracing::Metadata<'_>, what: &str) {
        assert_eq!(metadata.target(), "lean_rs", "{what}");
        self.0.lock().unwrap().push(format!("{} {what}", metadata.level()));
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[test]
fn on_the_abi_model_spans_events_and_fields_are_those_of_the_reference() {
    let record = Record::default();
    tracing::subscriber::set_global_default(Registry::default().with(record.clone())).unwrap();

    let runtime = LeanRuntime::init().unwrap();
    assert_eq!(record.take()[0], "INFO lean_rs.runtime.init");

    let lean = LeanHost::from_toolchain(runtime);
    let capabilities = lean.load_over(Sysroot::at("/model"));
    // Room for both: with one place, which of them stays is a matter of how long each import took.
    let pool = SessionPool::with_capacity(runtime, 2);
    let session = pool.acquire(&capabilities, &["Init", "Lean"], None, None).unwrap();
    assert_eq!(
        record.take(),
        [
            "DEBUG lean_rs.host.pool.acquire profile=\"private\" imports_len=2 imports_first=\"Init\"",
            "INFO lean_rs.host.session.import profile=\"private\" imports_len=2",
            "DEBUG lean_rs.host.pool.acquire.result hit=false",
        ]
    );
    session.declaration_kind("Nat", None).unwrap();
    session.declaration_type("Nat.add_comm", None).unwrap();
    session.check("").unwrap();
    assert_eq!(
        record.take(),
        [
            "DEBUG lean_rs.host.session.declaration_kind name=\"Nat\"",
            "DEBUG lean_rs.host.session.declaration_type name=\"Nat.add_comm\"",
            "DEBUG lean_rs.host.session.check source_len=0",
        ]
    );
    let second = pool.acquire(&capabilities, &[], None, None).unwrap();
    assert_eq!(
        record.take()[0],
        "DEBUG lean_rs.host.pool.acquire profile=\"private\" imports_len=0 imports_first=\"<empty>\""
    );
    drop(session);
    assert_eq!(record.take(), ["TRACE lean_rs.host.pool.release kept=true"]);
    drop(second);
    assert_eq!(pool.drain(), 2);
    assert_eq!(
        record.take(),
        ["TRACE lean_rs.host.pool.release kept=true", "DEBUG lean_rs.host.pool.drain drained=2"]
    );

    let none = SessionPool::with_capacity(runtime, 0);
    let session = none.acquire(&capabilities, &[], None, None).unwrap();
    record.take();
    drop(session);
    assert_eq!(record.take(), ["TRACE lean_rs.host.pool.release kept=false"]);

    drop(pool.acquire(&capabilities, &["Init"], None, None).unwrap());
    drop(capabilities.session(&["Model.Extends.Tracing"], None, None).unwrap());
    record.take();
    drop(pool.acquire(&capabilities, &["Init"], None, None).unwrap());
    let said = record.take();
    assert!(said.contains(&"DEBUG lean_rs.host.pool.stale_eviction count=1".to_owned()), "{said:?}");
}
