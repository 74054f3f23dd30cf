//! Puts guards between a template's instructions.
//!
//! The interpreter counts steps, but one step can make a text of any size: doubling a text forty times takes forty steps.
//! So each step that makes a text, a list or a map, or walks one, is preceded or followed by a step of `allowance`, which
//! weighs what lies on the stack. Jumps are moved to where their targets came to lie.

use minijinja::machinery::{Instruction, Instructions};
use minijinja::value::Value;

use super::allowance::{FILTER, KEEP, MULTIPLY, TEST, TOUCH, WEIGH};

/// Not a slot that the interpreter keeps a looked-up filter in.
const NO_SLOT: u8 = !0;

const fn gate<'s>(name: &'static str) -> Instruction<'s> {
    Instruction::ApplyFilter(name, Some(1), NO_SLOT)
}

/// The same program with guards.
pub(super) fn guarded<'s>(from: &Instructions<'s>) -> Result<Instructions<'s>, String> {
    let mut steps = Vec::with_capacity(from.len());
    let mut places = Vec::with_capacity(from.len() + 1);
    let mut place = 0u32;
    for at in 0..from.len() as u32 {
        let step = from.get(at).ok_or("its program is cut")?;
        let with = with_guards(step)?;
        places.push(place);
        place += with.len() as u32;
        steps.push(with);
    }
    places.push(place);
    let mut to = Instructions::new(from.name(), from.source());
    for (at, with) in steps.into_iter().enumerate() {
        let line = from.get_line(at as u32).unwrap_or(0) as u16;
        for mut step in with {
            if let Some(target) = target(&mut step) {
                *target = *places.get(*target as usize).ok_or("its program jumps out of itself")?;
            }
            to.add_with_line(step, line);
        }
    }
    Ok(to)
}

/// Where a step may go on at, other than the next.
fn target<'a>(step: &'a mut Instruction<'_>) -> Option<&'a mut u32> {
    match step {
        Instruction::Iterate(target)
        | Instruction::Jump(target)
        | Instruction::JumpIfFalse(target)
        | Instruction::JumpIfFalseOrPop(target)
        | Instruction::JumpIfTrueOrPop(target)
        | Instruction::BuildMacro(_, target, _) => Some(target),
        _ => None,
    }
}

fn with_guards<'s>(step: &Instruction<'s>) -> Result<Vec<Instruction<'s>>, String> {
    use Instruction as I;
    let own = step.clone();
    Ok(match step {
        I::EmitRaw(text) => vec![I::LoadConst(Value::from(*text)), gate(WEIGH), I::Emit],
        I::Emit => vec![gate(WEIGH), own],
        I::StringConcat | I::In | I::CompareAndPreserve(_) | I::Eq | I::Ne | I::Gt | I::Gte | I::Lt | I::Lte => {
            vec![gate(WEIGH), I::Swap, gate(WEIGH), I::Swap, own]
        }
        I::Add => vec![gate(TOUCH), I::Swap, gate(TOUCH), I::Swap, own, gate(TOUCH)],
        I::Mul => vec![I::ApplyFilter(MULTIPLY, Some(2), NO_SLOT)],
        I::SetAttr(_) => vec![I::Swap, gate(KEEP), I::Swap, own],
        I::CallFunction("dict" | "namespace", Some(_)) | I::BuildList(Some(_)) | I::BuildMap(_) => {
            vec![own, gate(WEIGH)]
        }
        I::Slice | I::CallFunction(_, Some(_)) => vec![own, gate(TOUCH)],
        I::PushLoop(_) => vec![gate(TOUCH), own],
        I::ApplyFilter(name, Some(count), _) => {
            vec![I::LoadConst(Value::from(*name)), I::ApplyFilter(FILTER, Some(count + 1), NO_SLOT)]
        }
        I::PerformTest(name, Some(count), _) => {
            vec![I::LoadConst(Value::from(*name)), I::ApplyFilter(TEST, Some(count + 1), NO_SLOT)]
        }
        I::LoadBlocks | I::Include(_) | I::ExportLocals | I::CallBlock(_) | I::FastSuper => {
            return Err("it asks for another template".into());
        }
        I::UnpackLists(_)
        | I::BuildList(None)
        | I::ApplyFilter(_, None, _)
        | I::PerformTest(_, None, _)
        | I::CallFunction(_, None)
        | I::CallMethod(_, None)
        | I::CallObject(None) => return Err("it takes arguments from a list".into()),
        _ => vec![own],
    })
}
