//! What makes a request hard, part by named part.

use super::Parts;
use super::ask::Ask;
use super::cues::Group;
use super::kind::TaskKind;

/// Bytes of material from which its length begins to count: about two thousand tokens.
const MATERIAL_BYTES: f64 = 8_192.0;

/// Adds every part; the kind's own place is the first.
pub(super) fn add_parts(ask: &Ask, kind: TaskKind, parts: &mut Parts) {
    let turn = &ask.turn;
    let deep = matches!(kind, TaskKind::Mathematics | TaskKind::Code | TaskKind::Reasoning | TaskKind::Agentic);
    parts.add("kind", kind.place());
    parts.add("hard words", 0.45 * turn.cue(Group::Hard).min(4.0) * if deep { 1.0 } else { 0.5 });
    parts.add("constraints", (0.12 * (turn.cue(Group::Constraint) + f64::from(turn.items.min(20)))).min(0.9));
    parts.add("length", ask_length(ask, kind));
    if kind == TaskKind::Mathematics || kind == TaskKind::Reasoning {
        parts.add("formulas", (12.0 * turn.share(turn.math)).min(0.8));
    }
    if kind == TaskKind::Code {
        parts.add("program", (0.25 * f64::from(turn.fences.min(3)) + 4.0 * turn.share(turn.code)).min(0.8));
    }
    if turn.options >= 3 {
        parts.add("choices", (0.1 * f64::from(turn.options.min(10))).min(0.8));
    }
    parts.add("brevity", if deep { 0.0 } else { -0.2 * turn.cue(Group::Brief).min(2.0) });
    parts.add("material", (0.25 * (ask.material as f64 / MATERIAL_BYTES).max(1.0).log2()).min(1.2));
    parts.add("pictures", 0.4 * f64::from(ask.images.min(1)) + 0.1 * f64::from(ask.images.saturating_sub(1).min(6)));
    parts.add("files", 0.3 * f64::from(ask.files.min(3)));
    parts.add("tools", if ask.tools == 0 { 0.0 } else { 0.3 + 0.04 * f64::from(ask.tools.min(20)) });
    parts.add("schema", if ask.has_schema { 0.15 + 0.03 * f64::from(ask.properties.min(25)) } else { 0.0 });
    parts.add("script", script(ask));
}

/// Long questions are harder, but little for each word more; what only carries text to work on counts as material.
fn ask_length(ask: &Ask, kind: TaskKind) -> f64 {
    let words = ask.turn.length().max(4.0);
    let weight = match kind {
        TaskKind::Mathematics | TaskKind::Code | TaskKind::Reasoning | TaskKind::Agentic => 0.30,
        TaskKind::Knowledge | TaskKind::Writing => 0.15,
        _ => 0.05,
    };
    weight * (words / 40.0).log2().clamp(-2.5, 4.0)
}

/// Small models know other scripts less well.
fn script(ask: &Ask) -> f64 {
    let letters = f64::from(ask.turn.letters.max(1));
    0.3 * f64::from(ask.turn.foreign) / letters + 0.2 * f64::from(ask.turn.packed) / letters
}
