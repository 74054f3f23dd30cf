//! `tierway schema`: the JSON Schema of every type that crosses a language border. Other languages' types are made from
//! it by `scripts/generate_types.py`.

use std::io::{self, Write};

use schemars::generate::SchemaSettings;
use tierway::plan::Explanation;
use tierway::{Delta, Reply, RequestDraft, Response};

use crate::Failure;

/// One document with all types under `$defs`. What users write is described as it is read, what they get as it is written.
pub(crate) fn run() -> Result<(), Failure> {
    let mut read = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    read.subschema_for::<RequestDraft>();
    let mut write = SchemaSettings::draft2020_12().for_serialize().into_generator();
    write.subschema_for::<Reply>();
    write.subschema_for::<Delta>();
    write.subschema_for::<Response>();
    write.subschema_for::<Explanation>();
    let mut types = write.take_definitions(true);
    // A type that is both read and written is described once, as it is read: every field that may be left out may be.
    types.extend(read.take_definitions(true));
    types.sort_keys();
    let whole = serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tierway",
        "description": "Every type that crosses a language border.",
        "$defs": types,
    });
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &whole)?;
    writeln!(out)?;
    Ok(())
}
